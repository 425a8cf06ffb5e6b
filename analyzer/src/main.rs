//! `linkerd-analyze`: reads bundles and reports what is wrong with the mesh they came from.

fn main() {}
