//! Both ends of `linkerd-collect job`, inside its pod: the capture that keeps its file for a
//! while, and the hand-over that `kubectl exec` runs beside it.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context;

use crate::exit::ExitStatus;

/// Where the bundle is in the pod.
pub(crate) const BUNDLE: &str = "/bundle/linkerd-bundle.tar.gz";

/// How often either end looks for the other.
const LOOK: Duration = Duration::from_millis(500);

/// What says that the bundle at `path` has been fetched.
fn marker(path: &Path) -> std::path::PathBuf {
    path.with_extension("fetched")
}

/// Waits until the bundle has been fetched, the time is over, or the pod is told to end.
///
/// # Errors
/// When signals cannot be waited for.
pub fn keep(path: &Path, keep: Duration) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot wait")?;
    let fetched = marker(path);
    runtime.block_on(async {
        let ended = async {
            while !fetched.exists() {
                tokio::time::sleep(LOOK).await;
            }
            "the bundle was fetched"
        };
        let why = tokio::select! {
            why = ended => why,
            () = tokio::time::sleep(keep) => "nobody fetched the bundle in time",
            _ = crate::run::signal() => "told to end",
        };
        say(why);
    });
    Ok(())
}

/// Writes the finished bundle to `out`, waiting for it if need be.
///
/// # Errors
/// When it does not come within `patience`, or cannot be written.
pub fn hand_over(
    path: &Path,
    patience: Duration,
    out: &mut dyn Write,
) -> anyhow::Result<ExitStatus> {
    let begun = Instant::now();
    let mut is_told = false;
    while !path.exists() {
        if begun.elapsed() > patience {
            anyhow::bail!("there is no bundle at `{}`", path.display());
        }
        if !is_told {
            say("waiting until the bundle is finished");
            is_told = true;
        }
        std::thread::sleep(LOOK);
    }
    let shown = path.display();
    let mut file = File::open(path).with_context(|| format!("cannot read `{shown}`"))?;
    io::copy(&mut file, out)
        .and_then(|_| out.flush())
        .context("the bundle was not handed over whole")?;
    // Only now: a connection that breaks may be tried again.
    File::create(marker(path)).context("cannot note that the bundle was fetched")?;
    Ok(ExitStatus::Complete)
}

fn say(line: &str) {
    // A log that nobody takes is no reason to end differently.
    drop(writeln!(anstream::stderr().lock(), "{line}"));
}
