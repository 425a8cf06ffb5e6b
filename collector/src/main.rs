//! `linkerd-collect`: captures what a Linkerd diagnosis needs into one bundle.

use std::process::ExitCode;

use dlmalloc::GlobalDlmalloc;

/// One heap for all threads, which gives back what is free. The C library has one for each thread
/// and keeps more and more of it, so that a cluster of 10,000 pods takes a third more.
#[global_allocator]
static ALLOCATOR: GlobalDlmalloc = GlobalDlmalloc;

fn main() -> ExitCode {
    let args: Vec<_> = std::env::args_os().collect();
    linkerd_collect::start(&args).into()
}
