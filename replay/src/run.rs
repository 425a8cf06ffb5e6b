//! From arguments to a running server, and perhaps a command beside it.

use std::ffi::OsString;
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::ExitStatus as ProcessStatus;

use anyhow::{Context as _, Result};
use tokio::net::TcpListener;

use crate::{Args, ExitStatus, Faults, Replay, Scale, Store, serve};

/// Serves until interrupted, or until the command has ended.
///
/// # Errors
/// When the bundle cannot be opened, the port is taken, or the command cannot be started.
pub async fn run(args: Args) -> Result<ExitStatus> {
    let replay = open(&args)?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, args.port))
        .await
        .with_context(|| format!("cannot listen on port {}; try another --port", args.port))?;
    let address = listener.local_addr()?;
    for warning in replay.store.warnings() {
        writeln!(anstream::stderr(), "warning: {warning}")?;
    }
    for chosen in replay.chosen() {
        writeln!(anstream::stderr(), "{chosen}")?;
    }
    let config = kubeconfig(address, &replay.store.name());
    if let Some(file) = &args.kubeconfig {
        std::fs::write(file, &config)
            .with_context(|| format!("cannot write `{}`", file.display()))?;
    }
    let server = tokio::spawn(serve(replay, listener));
    let status = if args.command.is_empty() {
        announce(address, args.kubeconfig.as_deref())?;
        tokio::signal::ctrl_c().await?;
        ExitStatus::Served
    } else {
        ExitStatus::Command(command(&args.command, &config).await?)
    };
    server.abort();
    Ok(status)
}

fn open(args: &Args) -> Result<Replay> {
    let scale = Scale {
        pods: args.scale,
        log_bytes: args.log_bytes,
    };
    let keys = args.identity.as_deref().map(bundle::Identity::read);
    let keys = keys.transpose()?.unwrap_or_default();
    let store = Store::open_with(&args.bundle, &keys)?.scaled(&scale)?;
    let replay = Replay::from(store);
    let Some(file) = &args.faults else {
        return Ok(replay);
    };
    let shown = file.display();
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read `{shown}`"))?;
    let faults = Faults::parse(&text).map_err(|mistakes| {
        let lines = mistakes.to_string().replace('\n', &format!("\n{shown}:"));
        anyhow::anyhow!("the faults file cannot be used\n{shown}:{lines}")
    })?;
    Ok(replay.with_faults(&faults))
}

fn announce(address: SocketAddr, kubeconfig: Option<&Path>) -> Result<()> {
    let mut out = anstream::stdout().lock();
    writeln!(out, "serving on http://{address} until Ctrl-C")?;
    match kubeconfig {
        Some(file) => writeln!(out, "export KUBECONFIG={}", file.display())?,
        None => writeln!(
            out,
            "kubectl --server=http://{address} get pods --all-namespaces"
        )?,
    }
    Ok(())
}

/// Runs the command with a kubeconfig of its own; gives its exit code.
async fn command(words: &[OsString], config: &str) -> Result<u8> {
    let file = tempfile::Builder::new()
        .prefix("linkerd-replay-")
        .suffix(".yaml")
        .tempfile()?;
    std::fs::write(file.path(), config)?;
    let (program, arguments) = words.split_first().context("no command")?;
    let shown = program.to_string_lossy();
    let mut child = tokio::process::Command::new(program)
        .args(arguments)
        .env("KUBECONFIG", file.path())
        .spawn()
        .with_context(|| format!("cannot run `{shown}`; is it on the PATH?"))?;
    // Ctrl-C reaches the command as well, which decides what to do with it.
    let ended = loop {
        tokio::select! {
            ended = child.wait() => break ended?,
            _ = tokio::signal::ctrl_c() => {}
        }
    };
    Ok(exit_code(ended))
}

fn exit_code(status: ProcessStatus) -> u8 {
    let code = status.code();
    #[cfg(unix)]
    let code = {
        use std::os::unix::process::ExitStatusExt as _;
        code.or_else(|| status.signal().map(|s| 128 + s))
    };
    code.and_then(|c| u8::try_from(c).ok()).unwrap_or(1)
}

/// A kubeconfig that points at this server and needs no credentials.
pub fn kubeconfig(address: SocketAddr, name: &str) -> String {
    format!(
        "apiVersion: v1
kind: Config
clusters:
- name: replay
  cluster:
    server: http://{address}
contexts:
- name: replay
  context:
    cluster: replay
    user: replay
    namespace: default
current-context: replay
users:
- name: replay
  user: {{}}
# What is served: {}
",
        name.escape_debug()
    )
}
