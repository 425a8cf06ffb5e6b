//! `linkerd-collect`: captures what a Linkerd diagnosis needs into one bundle.

fn main() {}
