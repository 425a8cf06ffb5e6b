//! Closes the bundle with its manifest, and says what came of it.

use std::collections::BTreeMap;
use std::io::Write;

use anyhow::{Context, anyhow};
use bundle::layout::EntryKind;
use bundle::{BundleWriter, Finished, LedgerRow, Manifest, Outcome, SourceKind};
use jiff::Timestamp;

use super::Target;
use crate::args::Protect;
use crate::cluster::ServerDate;
use crate::exit::ExitStatus;
use crate::session::Session;
use crate::sink::Writing;

/// Lines about what is missing after a run; the rest is only counted.
const NAMED: usize = 10;

/// What the programs of a bundle are called in its manifest.
pub(crate) const COLLECTOR: &str = concat!("linkerd-collect ", env!("CARGO_PKG_VERSION"));

/// What to do when the bundle cannot be finished: the rest of the message says why.
const UNFINISHED: &str = "the bundle is not finished; what was captured is in the file that ends \
     with `.partial`, which opens, and which `--resume` tops up";

/// The same where the file is encrypted.
const UNFINISHED_SEALED: &str = "the bundle is not finished, and what was captured is encrypted, \
     so that it cannot be topped up; collect anew";

/// What a bundle is closed with.
pub(super) struct Frame {
    /// The manifest as it was known before anything was captured.
    pub(super) head: Manifest,
    /// What redaction had taken out of an earlier bundle.
    pub(super) redacted: BTreeMap<String, u64>,
    pub(super) target: Target,
}

/// Writes the collector's log, the manifest and the index, and gives the file its name.
pub(super) fn finish(
    session: Session,
    writing: Writing,
    frame: Frame,
) -> anyhow::Result<ExitStatus> {
    let Session {
        plan,
        cluster,
        stop,
        progress,
        journal,
        sink,
        redactions,
        mesh,
        queue,
        failing,
        ..
    } = session;
    let is_replay = cluster.server_date().is_some_and(|d| d.is_replay);
    // What is written now may be large in a large cluster; what is known of it is no longer needed,
    // nor are its connections with their buffers.
    drop((sink, mesh, queue, failing, cluster));
    let written = writing.wait().context("the writing thread ended early")?;
    let is_sealed = plan.protect.seals();
    let unfinished = unfinished(is_sealed);
    let writer = written.writer.context(unfinished)?;
    let mut writer = writer.context("there is no bundle to finish")?;
    let mut ledger = written.ledger;
    let (log, counts) = journal.redacted();
    ledger.push(append_log(&mut writer, &log)?);
    drop((journal, log));
    let mut redactions = redactions.into_inner().unwrap_or_default();
    redactions.merge(&counts);
    sort(&mut ledger);
    if is_replay {
        forget_times(&mut ledger);
    }
    let summary = Summary::of(&ledger);
    let manifest = Manifest {
        finished_at: (!is_replay).then(Timestamp::now),
        redactions: sum(redactions.into_map(), &frame.redacted),
        ledger,
        ..frame.head
    };
    let (stopped, quiet) = (stop.reason(), plan.quiet);
    let written = writer.close(manifest).context(unfinished)?;
    progress.finish();
    let finished = frame.target.settle(written, &plan)?;
    if !quiet {
        let mut out = anstream::stderr().lock();
        if let Some(reason) = &stopped {
            let more = topping_up(&plan.protect, &finished);
            drop(writeln!(
                out,
                "{reason}; what was not yet captured is marked as skipped{more}"
            ));
        }
        // A stderr that is gone does not make the bundle worse.
        drop(summary.write(&mut out, &finished));
        drop(tell_excess(&mut out, plan.limits.max_size, &finished));
    }
    Ok(if stopped.is_some() || summary.is_short() {
        ExitStatus::Incomplete
    } else {
        ExitStatus::Complete
    })
}

/// What always goes in may be more than was asked for.
fn tell_excess(out: &mut dyn Write, most: Option<u64>, finished: &Finished) -> std::io::Result<()> {
    let Some(most) = most.filter(|most| finished.bytes > *most) else {
        return Ok(());
    };
    writeln!(
        out,
        "that is more than the {} of `--max-size`: lists of objects, discovery and access reviews \
         always go in",
        size(most)
    )
}

/// Items end in any order; a ledger in the plan's order can be read and compared. It is large in a
/// large cluster, so it is sorted in place.
fn sort(ledger: &mut [LedgerRow]) {
    ledger.sort_unstable_by(|a, b| {
        (a.source, &a.object, &a.path).cmp(&(b.source, &b.object, &b.path))
    });
}

/// What tops up a bundle that was stopped; nothing can where it has no names.
fn topping_up(protect: &Protect, finished: &Finished) -> String {
    let file = finished.path.display();
    if protect.anonymize {
        return String::new();
    }
    let keys = if protect.seals() {
        " --identity KEY --encrypt-to age1..."
    } else {
        ""
    };
    format!(", and `--resume {file}{keys}` tops it up")
}

/// A replay stands still at a time of its own: when its items were asked for says nothing about the
/// clocks in them.
fn forget_times(ledger: &mut [LedgerRow]) {
    for row in ledger {
        row.at = None;
    }
}

fn unfinished(is_sealed: bool) -> &'static str {
    if is_sealed {
        UNFINISHED_SEALED
    } else {
        UNFINISHED
    }
}

/// Counts by kind of both.
fn sum(
    mut counts: BTreeMap<String, u64>,
    earlier: &BTreeMap<String, u64>,
) -> BTreeMap<String, u64> {
    for (kind, count) in earlier {
        *counts.entry(kind.clone()).or_default() += count;
    }
    counts
}

fn append_log(writer: &mut BundleWriter, log: &[u8]) -> anyhow::Result<LedgerRow> {
    let path = EntryKind::CollectorLog.path();
    let path = path.ok_or_else(|| anyhow!("the collector's log has no path"))?;
    let bytes = log.len() as u64;
    writer.append(&path, bytes, &mut &*log)?;
    Ok(LedgerRow {
        source: SourceKind::Bundle,
        object: path.to_string(),
        outcome: Outcome::Complete,
        reason: None,
        bytes,
        path: Some(path),
        at: None,
        duration_ms: None,
        status: None,
        items: None,
        via: None,
    })
}

/// The times of a manifest.
pub(super) struct Clock {
    pub(super) captured_at: Timestamp,
    pub(super) difference_s: Option<f64>,
    pub(super) header: Option<String>,
}

impl Clock {
    /// Of a cluster, our own time and how far its clock is off. Of a replay, the time that it
    /// stands still at: what is captured is from then.
    pub(super) fn of(date: Option<ServerDate>, captured_at: Timestamp) -> Self {
        let replayed = date.as_ref().filter(|d| d.is_replay);
        match replayed.and_then(ServerDate::time) {
            Some(time) => Self {
                captured_at: time,
                difference_s: None,
                header: date.map(|d| d.header),
            },
            None => Self {
                captured_at,
                difference_s: date.as_ref().and_then(difference),
                header: date.map(|d| d.header),
            },
        }
    }
}

/// The API server's clock minus ours, in seconds; its `Date` has no more than whole ones.
fn difference(date: &ServerDate) -> Option<f64> {
    Some(date.time()?.duration_since(date.seen_at).as_secs_f64())
}

/// What a ledger comes to, in a few lines.
#[derive(Debug)]
pub(crate) struct Summary {
    /// The first items that are missing or incomplete, with the reason.
    named: Vec<String>,
    /// How many more there are.
    rest: usize,
    counts: BTreeMap<Outcome, u64>,
}

impl Summary {
    /// Sums a ledger up.
    pub(crate) fn of(ledger: &[LedgerRow]) -> Self {
        let short = |row: &&LedgerRow| !row.outcome.is_covered() && row.outcome != Outcome::Skipped;
        // Items that are missing for one reason share a line.
        let mut groups: BTreeMap<(Outcome, SourceKind, &str), Vec<&str>> = BTreeMap::new();
        for row in ledger.iter().filter(short) {
            let reason = row.reason.as_deref().unwrap_or("no reason given");
            let group = groups.entry((row.outcome, row.source, reason)).or_default();
            group.push(&row.object);
        }
        let named = groups
            .iter()
            .take(NAMED)
            .map(|((outcome, source, reason), objects)| {
                let first = objects.first().copied().unwrap_or_default();
                let more = match objects.len() {
                    0 | 1 => String::new(),
                    n => format!(" and {} more", n - 1),
                };
                let (outcome, reason) = (word(*outcome), visible(reason));
                format!("{outcome}: {source} {}{more}: {reason}", visible(first))
            });
        let rest = groups.values().skip(NAMED).map(Vec::len).sum();
        let mut counts = BTreeMap::new();
        for row in ledger {
            *counts.entry(row.outcome).or_default() += 1;
        }
        Self {
            named: named.collect(),
            rest,
            counts,
        }
    }

    /// Whether something that was asked for is not, or not wholly, there.
    pub(crate) fn is_short(&self) -> bool {
        !self.named.is_empty()
    }

    /// Names what is missing, then counts.
    pub(crate) fn write(&self, out: &mut dyn Write, finished: &Finished) -> std::io::Result<()> {
        for line in &self.named {
            writeln!(out, "{line}")?;
        }
        if self.rest > 0 {
            let rest = self.rest;
            writeln!(
                out,
                "and {rest} more items; the ledger in `manifest.json` names them all"
            )?;
        }
        let counts = self.counts.iter();
        let counts: Vec<String> = counts.map(|(o, n)| format!("{n} {}", word(*o))).collect();
        let (path, size) = (finished.path.display(), size(finished.bytes));
        writeln!(out, "{} -> {path} ({size})", counts.join(", "))
    }
}

fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Complete => "complete",
        Outcome::Truncated => "truncated",
        Outcome::Refused => "refused",
        Outcome::TimedOut => "timed out",
        Outcome::Failed => "failed",
        Outcome::Absent => "absent",
        Outcome::Skipped => "skipped",
    }
}

/// Messages come from the cluster; control characters must not reach the terminal.
fn visible(text: &str) -> String {
    let plain = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    text.chars().map(plain).collect()
}

fn size(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{}.{} kB", bytes / 1_000, bytes % 1_000 / 100),
        _ => format!("{}.{} MB", bytes / 1_000_000, bytes % 1_000_000 / 100_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_counts_outcomes_and_names_file_and_size() {
        let row = |object: &str, outcome| LedgerRow {
            source: SourceKind::PodLogs,
            object: object.to_owned(),
            outcome,
            reason: Some("no answer came\u{1b}[2J".to_owned()),
            bytes: 0,
            path: None,
            at: None,
            duration_ms: None,
            status: None,
            items: None,
            via: None,
        };
        let ledger = [
            row("a", Outcome::Complete),
            row("b", Outcome::TimedOut),
            row("c", Outcome::Complete),
            row("d", Outcome::TimedOut),
        ];
        let finished = Finished {
            path: "out.tar.gz".into(),
            bytes: 1_234_567,
            entries: 3,
        };
        let mut out = Vec::new();
        Summary::of(&ledger).write(&mut out, &finished).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(
            text,
            "timed out: pod-logs b and 1 more: no answer came\u{fffd}[2J\n2 complete, 2 timed out -> out.tar.gz (1.2 MB)\n"
        );
    }

    #[test]
    fn the_clocks_difference_is_the_servers_minus_ours() {
        let date = ServerDate {
            header: "Mon, 23 Nov 2026 00:49:10 GMT".to_owned(),
            seen_at: "2026-11-23T00:49:12.5Z".parse().unwrap(),
            is_replay: false,
        };
        assert_eq!(difference(&date), Some(-2.5));
    }
}
