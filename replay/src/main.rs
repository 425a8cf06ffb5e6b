//! `linkerd-replay`: serves a bundle as a read-only Kubernetes API.

fn main() {}
