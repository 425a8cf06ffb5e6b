//! `linkerd-replay`: serves a bundle as a read-only Kubernetes API.

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;
use linkerd_replay::{Args, ExitStatus, run};

#[tokio::main]
async fn main() -> ExitCode {
    match run(Args::parse()).await {
        Ok(status) => status.into(),
        Err(error) => {
            let mut stderr = anstream::stderr().lock();
            // A closed stderr leaves only the exit code to tell.
            drop(writeln!(stderr, "error: {error:#}"));
            ExitStatus::Failed.into()
        }
    }
}
