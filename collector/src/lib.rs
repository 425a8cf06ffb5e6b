//! `linkerd-collect`: captures everything that a Linkerd diagnosis needs into one bundle.
//!
//! ```text
//! Kubernetes API -> sources -> redact -> spool -> sink (one thread, owns the writer) -> bundle
//!                      └───────── how each item ended ──────────┘
//! ```
//!
//! - [`args`] and [`plan`]: what is to be done, with every default;
//! - [`cluster`]: the client, which knows requests, streams and ports but no source;
//! - [`sources`]: one file for each kind of thing captured;
//! - [`queue`]: in which order and how many at once; [`nodes`]: whom not to ask again;
//! - [`redact`]: takes secrets out before bytes reach a disk;
//! - [`spool`] and [`sink`]: from a redacted stream to an entry and its row in the ledger;
//! - [`anonymize`]: puts tokens in the place of names;
//! - [`verify`]: looks at the finished bundle once more, with other eyes;
//! - [`run`]: one run, wave by wave; [`pack`]: a bundle of files gathered by hand; [`rewrite`]: a
//!   bundle made of another.

pub mod anonymize;
pub mod args;
pub mod cluster;
pub mod exit;
pub mod journal;
pub mod mesh;
pub mod nodes;
mod own_key;
pub mod pack;
pub mod plan;
pub mod progress;
pub mod queue;
mod reading;
pub mod redact;
pub mod rewrite;
pub mod run;
pub mod session;
pub mod sink;
pub mod sources;
pub mod spool;
pub mod stop;
pub mod verify;

use std::io::Write;

use anyhow::Context;
use args::{Cli, Command};
use exit::ExitStatus;

/// Does what the command line says, and tells errors on stderr.
pub fn main(cli: Cli) -> ExitStatus {
    let outcome = match cli.command {
        Some(Command::Pack(pack)) => pack::pack(&pack),
        Some(Command::Redact(redact)) => rewrite::redact(&redact),
        Some(Command::Deanonymize(args)) => anonymize::restore::deanonymize(&args),
        None => collect(cli.collect.into_plan()),
    };
    outcome.unwrap_or_else(|error| {
        let mut stderr = anstream::stderr().lock();
        // Whoever closed stderr does not want to be told.
        drop(tell(&mut stderr, &error));
        ExitStatus::NoBundle
    })
}

fn collect(plan: plan::Plan) -> anyhow::Result<ExitStatus> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(run::threads())
        .enable_all()
        .build()
        .context("cannot start")?;
    let outcome = runtime.block_on(run::collect(plan));
    // After a second interrupt nothing is waited for.
    runtime.shutdown_background();
    outcome
}

fn tell(out: &mut dyn Write, error: &anyhow::Error) -> std::io::Result<()> {
    writeln!(out, "error: {error:#}")?;
    match error.downcast_ref::<cluster::ConnectError>() {
        Some(error) => writeln!(out, "hint: {}", error.hint()),
        None => Ok(()),
    }
}
