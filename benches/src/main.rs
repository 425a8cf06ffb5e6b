//! Makes large bundles from a seed, for the benchmarks.

fn main() {}
