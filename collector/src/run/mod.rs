//! One run against a cluster, from the flags to the bundle: connect, list, ask the pods, close.

mod finish;
mod interrupt;
mod planned;

pub(crate) use finish::{COLLECTOR, Summary};

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use bundle::{BundleWriter, WriterOptions};
use jiff::Timestamp;

use crate::cluster::{Connected, connect};
use crate::exit::ExitStatus;
use crate::journal::Journal;
use crate::mesh::Mesh;
use crate::nodes::Nodes;
use crate::plan::Plan;
use crate::progress::Progress;
use crate::queue::Queue;
use crate::redact::Counts;
use crate::rewrite::{first_name, first_recipients};
use crate::session::Session;
use crate::sink::{Sink, Writing};
use crate::sources;
use crate::spool::SpoolFolder;
use crate::stop::Stop;

/// Collects as planned.
///
/// # Errors
/// When there is no cluster to collect from, or no disk to write to.
pub async fn collect(plan: Plan) -> anyhow::Result<ExitStatus> {
    let stop = Stop::default();
    let progress = Progress::new(plan.quiet);
    let mut interrupt = interrupt::watch(&stop, plan.quiet);
    tokio::select! {
        outcome = run(plan, stop, progress) => outcome,
        () = interrupt.second() => Ok(ExitStatus::Interrupted),
    }
}

async fn run(plan: Plan, stop: Stop, progress: Progress) -> anyhow::Result<ExitStatus> {
    interrupt::set_deadline(&stop, plan.limits.timeout);
    let captured_at = Timestamp::now();
    let connected = connect(&plan.access, &plan.limits, &stop).await?;
    if let Some(reason) = stop.reason() {
        anyhow::bail!("{reason} before anything was captured");
    }
    let target = Target::choose(&plan, &connected.name, captured_at);
    let writer = if plan.dry_run {
        None
    } else {
        Some(target.create(&plan, captured_at)?)
    };
    let (sink, writing) = Sink::start(writer, stop.clone());
    let Connected {
        cluster,
        default_namespace,
        version,
        ..
    } = connected;
    let kubernetes_version = version.as_ref().ok().and_then(|info| {
        let version = info.get("gitVersion")?.as_str()?;
        Some(version.to_owned())
    });
    let session = Arc::new(Session {
        spools: SpoolFolder::new(&target.folder(), plan.limits.spool_memory),
        nodes: Nodes::new(plan.limits.silent_after),
        queue: Arc::new(Queue::new(plan.limits.per_node, stop.clone())),
        journal: Journal::default(),
        mesh: std::sync::Mutex::new(Mesh::default()),
        redactions: std::sync::Mutex::new(Counts::default()),
        plan,
        cluster,
        stop,
        progress,
        sink,
    });
    session.journal.note("info", "connected");
    capture(&session, version, &default_namespace).await;
    close(session, writing, captured_at, kubernetes_version)
}

/// Captures everything, wave by wave.
async fn capture(
    session: &Arc<Session>,
    version: Result<serde_json::Value, crate::cluster::Trouble>,
    default_namespace: &str,
) {
    let shown = Arc::clone(session);
    let ticker = tokio::spawn(async move {
        loop {
            tokio::time::sleep(std::time::Duration::from_millis(500)).await;
            shown.progress.draw();
        }
    });
    let workers = session.plan.limits.in_flight;
    let queue = Arc::clone(&session.queue);
    sources::begin(session, version).await;
    sources::namespaces(session, default_namespace).await;
    sources::queue_lists(session);
    queue.run(session, workers).await;
    session.journal.note("info", "the lists are done");
    sources::queue_pods(session).await;
    if !session.plan.dry_run {
        queue.run(session, workers).await;
    }
    session.journal.note("info", "everything was asked for");
    ticker.abort();
    // Waits until the ticker has let go of the session.
    drop(ticker.await);
}

/// Closes the bundle, or prints the plan.
fn close(
    session: Arc<Session>,
    writing: Writing,
    captured_at: Timestamp,
    kubernetes_version: Option<String>,
) -> anyhow::Result<ExitStatus> {
    let session = Arc::into_inner(session).context("something still runs")?;
    if session.plan.dry_run {
        return planned::print(session, writing);
    }
    finish::finish(session, writing, captured_at, kubernetes_version)
}

/// The file that is written.
struct Target {
    file: PathBuf,
    /// The bundle's name: that of its top folder.
    name: String,
}

impl Target {
    fn choose(plan: &Plan, cluster: &str, at: Timestamp) -> Self {
        if let Some(file) = &plan.output {
            return Self {
                name: name_of(file),
                file: file.clone(),
            };
        }
        let time = at.strftime("%Y%m%dT%H%M%SZ");
        let name = if plan.protect.anonymize {
            format!("linkerd-bundle-{time}")
        } else {
            format!("linkerd-bundle-{}-{time}", plain(cluster))
        };
        Self {
            file: PathBuf::from(format!("{name}.{}", plan.protect.extension(plan.format))),
            name,
        }
    }

    fn folder(&self) -> PathBuf {
        folder_of(&self.file)
    }

    fn create(&self, plan: &Plan, mtime: Timestamp) -> anyhow::Result<BundleWriter> {
        let options = WriterOptions {
            container: plan.format.container(),
            name: self.name.clone(),
            mtime,
            threads: threads(),
        };
        let first = first_name(&self.file, &plan.protect);
        let recipients = first_recipients(&plan.protect)?;
        Ok(BundleWriter::create_sealed(&first, options, &recipients)?)
    }
}

/// Threads that compress. More would only wait: a cluster does not answer faster.
pub(crate) fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, |n| n.get().min(4))
}

/// The folder that a file lies in.
pub(crate) fn folder_of(file: &Path) -> PathBuf {
    let parent = file.parent().filter(|p| !p.as_os_str().is_empty());
    parent.unwrap_or(Path::new(".")).to_owned()
}

/// A bundle's name, told by its file's.
pub(crate) fn name_of(file: &Path) -> String {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let name = name.strip_suffix(".age").unwrap_or(&name);
    let ends = [".tar.gz", ".tgz", ".zip"];
    let stem = ends.iter().find_map(|end| name.strip_suffix(end));
    let stem = plain(stem.unwrap_or(name));
    if stem.is_empty() {
        "linkerd-bundle".to_owned()
    } else {
        stem
    }
}

/// Keeps what can stand in a file's name everywhere.
fn plain(text: &str) -> String {
    let keep = |c: char| {
        if c.is_ascii_alphanumeric() || "._-".contains(c) {
            c
        } else {
            '-'
        }
    };
    let text: String = text.chars().map(keep).take(100).collect();
    text.trim_matches(['.', '-']).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bundle_is_named_after_its_file() {
        for (file, name) in [
            ("out.tar.gz", "out"),
            ("/tmp/case 4711.zip", "case-4711"),
            ("x", "x"),
            ("..", "linkerd-bundle"),
            ("arn:aws:eks/prod.tgz", "prod"),
        ] {
            assert_eq!(name_of(Path::new(file)), name);
        }
        assert_eq!(plain("arn:aws:eks:eu/prod"), "arn-aws-eks-eu-prod");
    }
}
