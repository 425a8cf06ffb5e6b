//! `linkerd-collect`: captures what a Linkerd diagnosis needs into one bundle.

use std::process::ExitCode;

use clap::Parser;
use linkerd_collect::args::Cli;

fn main() -> ExitCode {
    linkerd_collect::main(Cli::parse()).into()
}
