//! The whole chain in one process: a replay is served, the collector asks it, the analyzer reads
//! what came of it. The three programs are used as libraries, so nothing else has to be built.

use std::net::Ipv4Addr;
use std::path::Path;

use anyhow::{Context as _, Result};
use clap::Parser as _;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

/// Replays `recording` and collects from it into `bundle`; gives the collector's exit status.
///
/// # Errors
/// When the recording cannot be opened or served.
pub fn collect(recording: &Path, bundle: &Path) -> Result<linkerd_collect::exit::ExitStatus> {
    let runtime = Runtime::new().context("cannot start the replay")?;
    let store = linkerd_replay::Store::open(recording)?;
    let name = recording.display().to_string();
    let listener = runtime.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))?;
    let kubeconfig = tempfile::NamedTempFile::new()?;
    let config = linkerd_replay::kubeconfig(listener.local_addr()?, &name);
    std::fs::write(kubeconfig.path(), config)?;
    runtime.spawn(linkerd_replay::serve(store, listener));
    let arguments = [
        "linkerd-collect".as_ref(),
        "--kubeconfig".as_ref(),
        kubeconfig.path().as_os_str(),
        "--output".as_ref(),
        bundle.as_os_str(),
        // A replay has its second scrape at hand.
        "--scrape-gap".as_ref(),
        "1s".as_ref(),
    ];
    let status = linkerd_collect::main(linkerd_collect::args::Cli::try_parse_from(arguments)?);
    runtime.shutdown_background();
    Ok(status)
}

/// Analyzes `bundle` and prints the report.
///
/// # Errors
/// When the bundle cannot be opened.
pub fn analyze(bundle: &Path) -> Result<linkerd_analyze::exit::ExitStatus> {
    let arguments = ["linkerd-analyze".as_ref(), bundle.as_os_str()];
    linkerd_analyze::run::run(&linkerd_analyze::args::Args::try_parse_from(arguments)?)
}
