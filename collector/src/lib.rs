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
//! - [`queue`] and [`slots`]: in which order and how many at once; [`nodes`]: whom not to ask
//!   again; [`follow`]: streams that stay open beside it;
//! - [`redact`]: takes secrets out before bytes reach a disk;
//! - [`spool`] and [`sink`]: from a redacted stream to an entry and its row in the ledger;
//!   [`budget`]: how much of it; [`checkpoint`]: what a bundle says that was never finished;
//!   [`resume`]: what is there already;
//! - [`workflow`]: what is done before and after a capture: log levels, waiting for a sign;
//! - [`permission`]: what the API server must allow, and the Job that [`in_cluster`] runs;
//! - [`extension`]: the manners of an extension of the Linkerd CLI, and of a kubectl plugin;
//! - [`anonymize`]: puts tokens in the place of names;
//! - [`verify`]: looks at the finished bundle once more, with other eyes;
//! - [`run`]: one run, wave by wave; [`pack`]: a bundle of files gathered by hand; [`rewrite`]: a
//!   bundle made of another.

pub mod anonymize;
pub mod args;
pub mod budget;
pub mod checkpoint;
pub mod cluster;
pub mod exit;
pub mod extension;
pub mod follow;
pub mod in_cluster;
pub mod journal;
pub mod mesh;
pub mod nodes;
mod own_key;
pub mod pack;
pub mod permission;
pub mod plan;
pub mod progress;
pub mod queue;
mod reading;
pub mod redact;
pub mod resume;
pub mod rewrite;
pub mod run;
pub mod session;
pub mod sink;
pub mod slots;
pub mod sources;
pub mod spool;
pub mod stop;
pub mod verify;
pub mod workflow;

use std::io::Write;

use anyhow::Context;
use args::{Cli, Command};
use clap::{CommandFactory as _, FromArgMatches as _};
use exit::ExitStatus;

/// Reads the command line, and does what it says.
pub fn start(args: &[std::ffi::OsString]) -> ExitStatus {
    let matches = extension::parse(Cli::command(), args);
    match matches.and_then(|matches| Cli::from_arg_matches(&matches)) {
        Ok(cli) => main(cli),
        Err(error) => {
            let is_printed = error.print().is_ok();
            // Help and version are printed, and are no failure.
            if error.use_stderr() || !is_printed {
                ExitStatus::NoBundle
            } else {
                ExitStatus::Complete
            }
        }
    }
}

/// Does what the command line says, and tells errors on stderr.
pub fn main(cli: Cli) -> ExitStatus {
    let outcome = match cli.command {
        Some(Command::Pack(pack)) => pack::pack(&pack),
        Some(Command::Rbac(rbac)) => print_role(rbac),
        Some(Command::Job(job)) => print_job(job),
        Some(Command::InCluster(args)) => in_a_pod(&args),
        Some(Command::HandOver(args)) => {
            // Not through anything that would look at the bytes.
            let mut stdout = std::io::stdout().lock();
            in_cluster::hand_over(&args.bundle, args.patience, &mut stdout)
        }
        Some(Command::Check(args)) => check(args),
        Some(Command::ExtensionMetadata) => extension::metadata(&mut anstream::stdout().lock()),
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

fn print_role(args: args::Rbac) -> anyhow::Result<ExitStatus> {
    let (plan, subject) = args.into_parts()?;
    permission::print_role(&plan, &subject, &mut anstream::stdout().lock())?;
    Ok(ExitStatus::Complete)
}

fn print_job(args: args::JobArgs) -> anyhow::Result<ExitStatus> {
    let (job, plan) = args.into_parts()?;
    permission::print_job(&job, &plan, &mut anstream::stdout().lock())?;
    Ok(ExitStatus::Complete)
}

/// Collects, and keeps the bundle if there is one. That some of it is missing does not make the
/// Job fail: the bundle says so.
fn in_a_pod(args: &args::InCluster) -> anyhow::Result<ExitStatus> {
    let status = collect(args.plan()?)?;
    if !matches!(status, ExitStatus::Complete | ExitStatus::Incomplete) {
        return Ok(status);
    }
    in_cluster::keep(&args.bundle, args.keep)?;
    Ok(ExitStatus::Complete)
}

fn check(args: args::CheckArgs) -> anyhow::Result<ExitStatus> {
    let (patience, format) = (args.wait, args.output);
    let plan = args.plan()?;
    let mut stdout = anstream::stdout().lock();
    runtime()?.block_on(extension::check(&plan, patience, format, &mut stdout))
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(run::threads())
        .enable_all()
        .build()
        .context("cannot start")
}

fn collect(plan: plan::Plan) -> anyhow::Result<ExitStatus> {
    let runtime = runtime()?;
    let outcome = runtime.block_on(run::collect(plan));
    // After a second interrupt nothing is waited for.
    runtime.shutdown_background();
    outcome
}

fn tell(out: &mut dyn Write, error: &anyhow::Error) -> std::io::Result<()> {
    if let Some(error) = error.downcast_ref::<clap::Error>() {
        return write!(out, "{error}");
    }
    writeln!(out, "error: {error:#}")?;
    match error.downcast_ref::<cluster::ConnectError>() {
        Some(error) => writeln!(out, "hint: {}", error.hint()),
        None => Ok(()),
    }
}
