//! One run against a cluster, from the flags to the bundle: connect, list, ask the pods, close.

mod finish;
mod interrupt;
mod planned;

pub(crate) use finish::{COLLECTOR, Summary};
pub(crate) use interrupt::signal;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use anyhow::Context;
use bundle::{BundleWriter, Finished, FormatVersion, Manifest, WriterOptions};
use jiff::Timestamp;

use crate::budget::Budget;
use crate::checkpoint::Planned;
use crate::cluster::{Cluster, Connected, connect};
use crate::exit::ExitStatus;
use crate::follow::Followers;
use crate::journal::Journal;
use crate::nodes::Nodes;
use crate::permission;
use crate::plan::{Plan, Window};
use crate::progress::Progress;
use crate::queue::Queue;
use crate::redact::Counts;
use crate::resume::{Earlier, TakenOver};
use crate::rewrite::{first_name, first_recipients, settle};
use crate::session::Session;
use crate::sink::{Desk, Sink, Writing};
use crate::sources;
use crate::spool::SpoolFolder;
use crate::stop::Stop;
use crate::workflow::{self, Levels, Ready};

/// Collects as planned.
///
/// # Errors
/// When there is no cluster to collect from, or no disk to write to.
pub async fn collect(plan: Plan) -> anyhow::Result<ExitStatus> {
    let stop = Stop::default();
    let progress = Progress::new(plan.quiet);
    let levels = Levels::default();
    interrupt::outlive_file_limit();
    let mut interrupt = interrupt::watch(&stop, plan.quiet);
    let outcome = tokio::select! {
        outcome = run(plan, stop, progress, &levels) => outcome,
        () = interrupt.second() => Ok(ExitStatus::Interrupted),
    };
    // However it ended, no proxy stays at a level that this program has set.
    levels.restore().await;
    outcome
}

async fn run(
    mut plan: Plan,
    stop: Stop,
    progress: Progress,
    levels: &Levels,
) -> anyhow::Result<ExitStatus> {
    let open = |file: &Path| Earlier::open(file, plan.identity.as_deref(), &plan.protect);
    let earlier = plan.resume.as_deref().map(open).transpose()?;
    if let Some(earlier) = &earlier {
        plan.take_over(&earlier.manifest.options);
    }
    let connected = connect(&plan.access, &plan.limits, &stop).await?;
    let tools = workflow::Tools {
        cluster: &connected.cluster,
        progress: &progress,
        stop: &stop,
    };
    let seen = match workflow::prepare(&plan, levels, tools).await? {
        Ready::Capture(seen) => seen,
        Ready::Nothing => return Ok(ExitStatus::NoBundle),
    };
    interrupt::set_deadline(&stop, plan.limits.timeout);
    let captured_at = match &earlier {
        Some(earlier) => earlier.manifest.captured_at,
        None => Timestamp::now(),
    };
    if let Some(reason) = stop.reason() {
        anyhow::bail!("{reason} before anything was captured");
    }
    // The clock that the nodes' kubelets are likely to go by.
    let now = connected.cluster.server_date().and_then(|d| d.time());
    let window = plan.scope.window(now.unwrap_or_else(Timestamp::now));
    if window.is_empty() {
        anyhow::bail!("`--since` is later than `--until`, so there is no time between them");
    }
    let target = Target::choose(&plan, &connected.name, captured_at);
    let head = head(&plan, &connected, captured_at);
    let opened = Opened::new(&plan, &target, earlier.as_ref(), captured_at)?;
    let (session, writing) = opened.into_session(
        plan,
        connected.cluster,
        head.clone(),
        (window, stop, progress),
    );
    session.journal.note("info", "connected");
    if let Some(line) = seen {
        let line = format!("captured since this was seen: {line}");
        session.journal.note("info", &line);
    }
    capture(&session, connected.version, &connected.default_namespace).await;
    levels.restore_into(&session).await;
    let redacted = earlier.map(|e| e.manifest.redactions).unwrap_or_default();
    let frame = finish::Frame {
        head,
        redacted,
        target,
    };
    // On a thread of its own, since it takes long for a large bundle, and a second Ctrl-C must be
    // heard meanwhile.
    let closing = tokio::task::spawn_blocking(move || close(session, writing, frame));
    closing.await.context("the finishing thread ended early")?
}

/// The manifest as far as it is known before anything is captured.
fn head(plan: &Plan, connected: &Connected, captured_at: Timestamp) -> Manifest {
    let date = connected.cluster.server_date();
    let clock = finish::Clock::of(date, captured_at);
    let version = connected.version.as_ref().ok();
    let version = version.and_then(|info| Some(info.get("gitVersion")?.as_str()?.to_owned()));
    Manifest {
        format: FormatVersion::CURRENT,
        collector: COLLECTOR.to_owned(),
        captured_at: clock.captured_at,
        finished_at: None,
        kubernetes_version: version,
        api_server_clock_difference_s: clock.difference_s,
        api_server_date: clock.header,
        options: plan.options(),
        redactions: BTreeMap::new(),
        ledger: Vec::new(),
        entries: Vec::new(),
    }
}

/// A bundle that is begun, with what an earlier one has.
struct Opened {
    writer: Option<BundleWriter>,
    taken: TakenOver,
    spools: SpoolFolder,
}

impl Opened {
    fn new(
        plan: &Plan,
        target: &Target,
        earlier: Option<&Earlier>,
        captured_at: Timestamp,
    ) -> anyhow::Result<Self> {
        let spools = SpoolFolder::new(&target.folder(), plan.limits.spool_memory);
        if plan.dry_run {
            return Ok(Self {
                writer: None,
                taken: TakenOver::default(),
                spools,
            });
        }
        let name = earlier.and_then(Earlier::name);
        let mut writer = target.create(plan, name, captured_at)?;
        let taken = match earlier {
            Some(earlier) => earlier.take_over(&mut writer, &spools)?,
            None => TakenOver::default(),
        };
        Ok(Self {
            writer: Some(writer),
            taken,
            spools,
        })
    }

    fn into_session(
        self,
        plan: Plan,
        cluster: Cluster,
        head: Manifest,
        (window, stop, progress): (Window, Stop, Progress),
    ) -> (Arc<Session>, Writing) {
        let budget = Arc::new(Budget::new(plan.limits.max_size, plan.limits.log_bytes));
        let planned = Planned::new(&head, &self.spools);
        let (sink, writing) = Sink::start(Desk {
            writer: self.writer,
            ledger: self.taken.rows,
            head,
            budget: Arc::clone(&budget),
            stop: stop.clone(),
        });
        let session = Session {
            nodes: Nodes::new(plan.limits.silent_after),
            queue: Arc::new(Queue::new(
                cluster.slots(),
                plan.limits.per_node,
                stop.clone(),
            )),
            followers: Followers::new(plan.scope.follow),
            journal: Journal::new(plan.verbose),
            mesh: Mutex::new(self.taken.mesh),
            failing: Mutex::default(),
            redactions: Mutex::new(Counts::default()),
            spools: self.spools,
            kept: self.taken.kept,
            planned: Mutex::new(planned),
            window,
            budget,
            plan,
            cluster,
            stop,
            progress,
            sink,
        };
        (Arc::new(session), writing)
    }
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
    let queue = Arc::clone(&session.queue);
    sources::begin(session, version).await;
    sources::namespaces(session, default_namespace).await;
    permission::preflight(session).await;
    sources::queue_lists(session);
    queue.run(session).await;
    session.journal.note("info", "the lists are done");
    sources::queue_pods(session).await;
    if !session.plan.dry_run {
        session.tell_plan().await;
        let streams = session.followers.run(&session.journal);
        tokio::join!(queue.run(session), streams);
        sources::queue_the_rest(session).await;
        queue.run(session).await;
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
    frame: finish::Frame,
) -> anyhow::Result<ExitStatus> {
    let session = Arc::into_inner(session).context("something still runs")?;
    if session.plan.dry_run {
        return planned::print(session, writing);
    }
    finish::finish(session, writing, frame)
}

/// The file that is written.
struct Target {
    file: PathBuf,
    /// What it is called while it is written, before `.partial`.
    first: PathBuf,
    /// The unfinished bundle in whose place it goes, if one is topped up.
    unfinished: Option<PathBuf>,
    /// The bundle's name: that of its top folder.
    name: String,
}

impl Target {
    fn choose(plan: &Plan, cluster: &str, at: Timestamp) -> Self {
        let (file, name) = match &plan.output {
            Some(file) => (file.clone(), name_of(file)),
            None => default_file(plan, cluster, at),
        };
        // An unfinished bundle that is topped up must not be written over while it is read.
        let mut unfinished = file.as_os_str().to_owned();
        unfinished.push(".partial");
        let unfinished = PathBuf::from(unfinished);
        let unfinished = Some(unfinished).filter(|u| plan.resume.as_ref() == Some(u));
        let first = || first_name(&file, &plan.protect);
        Self {
            first: unfinished.clone().unwrap_or_else(first),
            unfinished,
            name,
            file,
        }
    }

    fn folder(&self) -> PathBuf {
        folder_of(&self.file)
    }

    fn create(
        &self,
        plan: &Plan,
        name: Option<String>,
        mtime: Timestamp,
    ) -> anyhow::Result<BundleWriter> {
        let options = WriterOptions {
            container: plan.format.container(),
            name: name.unwrap_or_else(|| self.name.clone()),
            mtime,
            threads: threads(),
        };
        let recipients = first_recipients(&plan.protect)?;
        let writer = BundleWriter::create_sealed(&self.first, options, &recipients)?;
        Ok(writer)
    }

    /// Looks at the bundle that was written once more, and gives it its name.
    fn settle(&self, written: Finished, plan: &Plan) -> anyhow::Result<Finished> {
        let finished = settle(written, &self.file, plan.format, &plan.protect)?;
        if let Some(unfinished) = &self.unfinished {
            let shown = unfinished.display();
            std::fs::remove_file(unfinished).with_context(|| format!("cannot remove `{shown}`"))?;
        }
        Ok(finished)
    }
}

/// What a bundle is called unless that is said: its file, and its top folder.
fn default_file(plan: &Plan, cluster: &str, at: Timestamp) -> (PathBuf, String) {
    let time = at.strftime("%Y%m%dT%H%M%SZ");
    let name = if plan.protect.anonymize {
        format!("linkerd-bundle-{time}")
    } else {
        format!("linkerd-bundle-{}-{time}", plain(cluster))
    };
    let file = PathBuf::from(format!("{name}.{}", plan.protect.extension(plan.format)));
    (file, name)
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
