//! `linkerd-collect redact`: a bundle made of another, with today's redaction.
//!
//! Entries are read in place, redacted on all cores and written as they come; no unredacted byte
//! reaches a disk.

mod entries;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, sync_channel};

use anyhow::{Context, anyhow, bail};
use bundle::layout::EntryKind;
use bundle::{
    Bundle, BundleWriter, EntryPath, FormatVersion, LedgerRow, Limits, Manifest, Outcome,
    SourceKind, WriterOptions,
};
use jiff::Timestamp;
use serde_json::json;

use crate::args::{Format, Redact};
use crate::exit::ExitStatus;
use crate::pack::row;
use crate::reading::read_all;
use crate::redact::{Counts, redact_line};
use crate::run::{COLLECTOR, Summary, folder_of, name_of, threads};
use crate::spool::{Content, SpoolFolder};
use crate::verify::verify;
use entries::Entries;

/// Entries that wait for the writer.
const WAITING: usize = 16;

/// What became of an entry.
#[derive(Debug)]
enum Done {
    /// Its path and content.
    Entry(EntryPath, Content),
    /// It could not be read: its path, or none for the container's own trouble, and why.
    Lost(Option<String>, String),
}

/// Makes a redacted bundle of an existing one.
///
/// # Errors
/// When the bundle cannot be opened, or the new one cannot be written or verified.
pub fn redact(args: &Redact) -> anyhow::Result<ExitStatus> {
    let bundle = Bundle::open(&args.bundle, Limits::default())?;
    let format = Format::choose(args.format, args.output.as_deref());
    let output = args.output.clone().unwrap_or_else(|| {
        PathBuf::from(format!(
            "{}.redacted.{}",
            name_of(&args.bundle),
            format.extension()
        ))
    });
    if output
        .canonicalize()
        .is_ok_and(|o| args.bundle.canonicalize().is_ok_and(|b| o == b))
    {
        bail!(
            "`{}` would be written over itself; name another file with `-o`",
            output.display()
        );
    }
    let before = bundle.manifest();
    let at = captured_at(&bundle, before.as_ref())?;
    let options = WriterOptions {
        container: format.container(),
        name: name_of(&output),
        mtime: at,
        threads: threads(),
    };
    let writer = BundleWriter::create(&output, options)?;
    let spools = SpoolFolder::new(&folder_of(&output), 128 << 10);
    let mut written = rewrite(&bundle, spools, writer)?;
    let manifest = written.manifest(before, at);
    let summary = Summary::of(&manifest.ledger);
    let is_whole = written.lost.is_empty();
    let finished = written.writer.finish(manifest)?;
    verify(&finished.path, threads(), args.allow_unverified)?;
    if !args.quiet {
        drop(summary.write(&mut anstream::stderr().lock(), &finished));
    }
    Ok(if is_whole {
        ExitStatus::Complete
    } else {
        ExitStatus::Incomplete
    })
}

/// When a bundle was captured: its manifest's word, else the file's own time.
fn captured_at(bundle: &Bundle, manifest: Option<&Manifest>) -> anyhow::Result<Timestamp> {
    if let Some(manifest) = manifest {
        return Ok(manifest.captured_at);
    }
    let changed = std::fs::metadata(bundle.path()).and_then(|m| m.modified());
    let changed = changed.with_context(|| format!("cannot read `{}`", bundle.path().display()))?;
    Ok(Timestamp::try_from(changed)?)
}

/// Reads on as many threads as there are, and writes on this one.
fn rewrite(bundle: &Bundle, spools: SpoolFolder, writer: BundleWriter) -> anyhow::Result<Written> {
    let (sender, receiver) = sync_channel(WAITING);
    let mut written = Written {
        writer,
        redactions: Counts::default(),
        sizes: BTreeMap::new(),
        lost: Vec::new(),
    };
    std::thread::scope(|scope| {
        let entries = Entries::new(spools, sender);
        let reading = scope.spawn(move || {
            read_all(bundle, &entries, threads());
            entries.into_counts()
        });
        written.take(receiver)?;
        let counts = reading.join();
        written.redactions = counts.map_err(|_| anyhow!("a reading thread ended early"))?;
        anyhow::Ok(())
    })?;
    Ok(written)
}

/// A bundle with all entries written.
struct Written {
    writer: BundleWriter,
    redactions: Counts,
    /// Bytes of each entry.
    sizes: BTreeMap<EntryPath, u64>,
    /// What could not be read: a path, if it was one entry, and why.
    lost: Vec<(Option<String>, String)>,
}

impl Written {
    /// Writes what comes until nothing more does.
    fn take(&mut self, receiver: Receiver<Done>) -> anyhow::Result<()> {
        for done in receiver {
            match done {
                Done::Entry(path, content) => {
                    let bytes = content.len();
                    self.writer.append(&path, bytes, &mut content.reader())?;
                    self.sizes.insert(path, bytes);
                }
                Done::Lost(path, detail) => self.lost.push((path, detail)),
            }
        }
        Ok(())
    }

    /// The manifest: what was known before, brought up to what was written.
    fn manifest(&mut self, before: Option<Manifest>, at: Timestamp) -> Manifest {
        let mut manifest = before.unwrap_or(Manifest {
            format: FormatVersion::CURRENT,
            collector: String::new(),
            captured_at: at,
            finished_at: None,
            kubernetes_version: None,
            api_server_date: None,
            api_server_clock_difference_s: None,
            options: BTreeMap::new(),
            redactions: BTreeMap::new(),
            ledger: Vec::new(),
            entries: Vec::new(),
        });
        manifest.format = FormatVersion::CURRENT;
        if !manifest.collector.is_empty() {
            let before = json!(manifest.collector);
            manifest.options.insert("redacted-from".to_owned(), before);
        }
        manifest.collector = format!("{COLLECTOR} redact");
        for (kind, count) in std::mem::take(&mut self.redactions).into_map() {
            *manifest.redactions.entry(kind).or_default() += count;
        }
        self.bring_up_to_date(&mut manifest.ledger);
        manifest.entries.clear();
        manifest
    }

    fn bring_up_to_date(&self, ledger: &mut Vec<LedgerRow>) {
        let mut sizes = self.sizes.clone();
        let why = |path: &str| {
            let of_path = self
                .lost
                .iter()
                .find(|(lost, _)| lost.as_deref() == Some(path));
            of_path.map_or("it is not in the bundle", |(_, why)| why)
        };
        for row in ledger.iter_mut() {
            let mut counts = Counts::default();
            for text in row.reason.iter_mut().chain([&mut row.object]) {
                redact_line(text, &mut counts);
            }
            let Some(path) = row.path.take() else {
                continue;
            };
            if let Some(bytes) = sizes.remove(&path) {
                row.bytes = bytes;
                row.path = Some(path);
            } else {
                row.outcome = Outcome::Failed;
                row.reason = Some(why(path.as_str()).to_owned());
                row.bytes = 0;
            }
        }
        let new = sizes.into_iter().map(|(path, bytes)| LedgerRow {
            source: EntryKind::of(&path).source().unwrap_or(SourceKind::Bundle),
            bytes,
            path: Some(path.clone()),
            ..row(path.as_str(), Outcome::Complete, None)
        });
        ledger.extend(new);
        let whole = self.lost.iter().filter(|(path, _)| path.is_none());
        ledger.extend(whole.map(|(_, why)| row("the bundle", Outcome::Failed, Some(why.clone()))));
    }
}
