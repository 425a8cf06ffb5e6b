//! Ctrl-C, its like, and the total deadline.

use std::io::Write;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::stop::{Stop, StopReason};

const FIRST: &str =
    "interrupted: finishing the bundle with what is there; Ctrl-C again stops at once";
const SECOND: &str = "stopped; what was captured is in the file that ends with `.partial`";

/// Waits for the second Ctrl-C.
pub(super) struct Interrupt(oneshot::Receiver<()>);

impl Interrupt {
    /// Comes back only after a second Ctrl-C.
    pub(super) async fn second(&mut self) {
        if (&mut self.0).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// Ends collecting at the first Ctrl-C.
pub(super) fn watch(stop: &Stop, quiet: bool) -> Interrupt {
    let (sender, receiver) = oneshot::channel();
    let stop = stop.clone();
    tokio::spawn(async move {
        if signal().await.is_err() {
            // Without signals there is nothing to watch for.
            return std::future::pending().await;
        }
        stop.set(StopReason::Interrupted);
        say(FIRST, quiet);
        if signal().await.is_ok() {
            say(SECOND, quiet);
            // Nobody waits any more if the bundle has just been finished.
            sender.send(()).unwrap_or_default();
        }
    });
    Interrupt(receiver)
}

/// Waits for Ctrl-C, for a polite kill, or for the terminal to be closed.
#[cfg(unix)]
pub(crate) async fn signal() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminated = signal(SignalKind::terminate())?;
    let mut closed = signal(SignalKind::hangup())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted,
        _ = terminated.recv() => Ok(()),
        _ = closed.recv() => Ok(()),
    }
}

#[cfg(not(unix))]
pub(crate) async fn signal() -> std::io::Result<()> {
    tokio::signal::ctrl_c().await
}

/// Takes a limit on the size of files (`ulimit -f`) as a full disk: a write that fails, and not the
/// end of the program.
#[cfg(unix)]
pub(super) fn outlive_file_limit() {
    use tokio::signal::unix::{SignalKind, signal};
    /// The number of the signal on Linux and macOS.
    const SIGXFSZ: i32 = 25;
    // Its handler stays when nobody listens any more; without it all is as it was.
    drop(signal(SignalKind::from_raw(SIGXFSZ)));
}

#[cfg(not(unix))]
pub(super) fn outlive_file_limit() {}

/// Ends collecting when the time is over.
pub(super) fn set_deadline(stop: &Stop, timeout: Option<Duration>) {
    let Some(timeout) = timeout else { return };
    let stop = stop.clone();
    tokio::spawn(async move {
        tokio::time::sleep(timeout).await;
        stop.set(StopReason::Deadline(timeout));
    });
}

fn say(line: &str, quiet: bool) {
    if !quiet {
        // The terminal has just echoed `^C`.
        drop(writeln!(anstream::stderr().lock(), "\n{line}"));
    }
}
