//! `linkerd-collect`: captures what a Linkerd diagnosis needs into one bundle.

use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<_> = std::env::args_os().collect();
    linkerd_collect::start(&args).into()
}
