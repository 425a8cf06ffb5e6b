//! `linkerd-analyze`: reads bundles and reports what is wrong with the mesh they came from.

use std::io::Write as _;
use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _};
use linkerd_analyze::args::Args;
use linkerd_analyze::exit::ExitStatus;
use linkerd_analyze::extension::named;
use linkerd_analyze::run::{is_broken_pipe, run};
use mimalloc::MiMalloc;

/// Facts are many small values of threads that come and go: the allocator of the C library takes
/// a third more memory for them and a fifth of the time.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    let typed: Vec<_> = std::env::args_os().collect();
    let command = named(Args::command(), typed.first());
    let matches = command.try_get_matches_from(&typed);
    let args = match matches.and_then(|matches| Args::from_arg_matches(&matches)) {
        Ok(args) => args,
        Err(error) => {
            // Help and version are printed, and are no failure.
            let printed = error.print().is_ok();
            let is_failure = error.use_stderr() || !printed;
            return if is_failure {
                ExitStatus::Failed.into()
            } else {
                ExitStatus::Fine.into()
            };
        }
    };
    match run(&args) {
        Ok(status) => status.into(),
        // Whoever reads has read enough, as `head` does.
        Err(error) if is_broken_pipe(&error) => ExitStatus::Fine.into(),
        Err(error) => {
            let told = writeln!(anstream::stderr().lock(), "error: {error:#}");
            drop(told);
            ExitStatus::Failed.into()
        }
    }
}
