//! `linkerd-collect pack`: files that somebody gathered by hand, an unpacked bundle or a
//! recording become a redacted, indexed bundle.
//!
//! What an existing manifest says stays: its ledger, its capture time, its versions. A file is
//! kept byte for byte unless a secret is in it.

mod clean;
mod walk;
mod when;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use bundle::layout::EntryKind;
use bundle::{
    BundleWriter, EntryPath, FormatVersion, LedgerRow, Manifest, Outcome, SourceKind, WriterOptions,
};
use serde_json::{Value, json};

use crate::args::{Format, Pack};
use crate::exit::ExitStatus;
use crate::redact::Counts;
use crate::rewrite::{first_name, first_recipients, settle};
use crate::run::{COLLECTOR, Summary, folder_of, name_of, threads};
use crate::sources::VERSION_YAML;
use crate::spool::{Content, SpoolFolder};
use walk::Found;
use when::{CaptureTime, capture_time};

/// Packs a folder.
///
/// # Errors
/// When there is nothing to pack, or the bundle cannot be written.
pub fn pack(args: &Pack) -> anyhow::Result<ExitStatus> {
    let shown = args.folder.display();
    if !args.folder.is_dir() {
        bail!("`{shown}` is no folder");
    }
    let root = walk::root(&args.folder);
    let found = walk::files(&root).with_context(|| format!("cannot read `{shown}`"))?;
    if found.iter().all(|f| f.file.is_none()) {
        bail!("`{shown}` holds no file");
    }
    let format = Format::choose(args.format, args.output.as_deref());
    let output = match &args.output {
        Some(output) => output.clone(),
        None => default_output(&args.folder, &args.protect.extension(format))?,
    };
    let (manifest, complaint) = existing_manifest(&root);
    let time = capture_time(manifest.as_ref(), &found)?;
    let options = WriterOptions {
        container: format.container(),
        name: name_of(&output),
        mtime: time.at,
        threads: threads(),
    };
    let spools = SpoolFolder::new(&folder_of(&output), 128 << 10);
    let first = first_name(&output, &args.protect);
    let recipients = first_recipients(&args.protect)?;
    let writer = BundleWriter::create_sealed(&first, options, &recipients)?;
    let mut packing = Packing {
        writer,
        redactions: Counts::default(),
        rows: Vec::new(),
    };
    packing.append_version()?;
    for found in found.iter().filter(|f| !is_ours(&f.path)) {
        packing.add(found, &spools)?;
    }
    packing.rows.extend(complaint);
    // What an earlier collector could not have is no failing of this program.
    let is_whole = packing.lacks_nothing(manifest.as_ref());
    let left_out = packing.left_out();
    let kubernetes_version = kubernetes_version(&root);
    let (writer, manifest) = packing.into_manifest(manifest, &time, kubernetes_version);
    let summary = Summary::of(&manifest.ledger);
    let written = writer.close(manifest)?;
    let finished = settle(written, &output, format, &args.protect)?;
    if !args.quiet {
        let mut out = anstream::stderr().lock();
        drop(say(&mut out, &left_out, &time));
        drop(summary.write(&mut out, &finished));
    }
    Ok(if is_whole {
        ExitStatus::Complete
    } else {
        ExitStatus::Incomplete
    })
}

fn say(
    out: &mut dyn std::io::Write,
    left_out: &[String],
    time: &CaptureTime,
) -> std::io::Result<()> {
    for line in left_out {
        writeln!(out, "left out: {line}")?;
    }
    writeln!(out, "capture time {}: {}", time.at, time.basis)
}

/// The entries that are always written anew.
fn is_ours(path: &EntryPath) -> bool {
    matches!(
        EntryKind::of(path),
        EntryKind::Version | EntryKind::Manifest
    )
}

fn default_output(folder: &Path, extension: &str) -> anyhow::Result<PathBuf> {
    let whole = folder
        .canonicalize()
        .with_context(|| format!("cannot find `{}`", folder.display()))?;
    let name = name_of(&whole);
    Ok(PathBuf::from(format!("{name}.{extension}")))
}

/// The manifest that is there, or why there is none although there is a file.
fn existing_manifest(root: &Path) -> (Option<Manifest>, Option<LedgerRow>) {
    let Ok(bytes) = std::fs::read(root.join("manifest.json")) else {
        return (None, None);
    };
    match serde_json::from_slice::<Manifest>(&bytes) {
        Ok(manifest) if manifest.format.is_readable() => (Some(manifest), None),
        Ok(manifest) => {
            let reason = format!("it is of bundle format {}", manifest.format.0);
            (
                None,
                Some(row("manifest.json", Outcome::Failed, Some(reason))),
            )
        }
        Err(e) => {
            let reason = format!("it is no bundle's manifest: {e}");
            (
                None,
                Some(row("manifest.json", Outcome::Failed, Some(reason))),
            )
        }
    }
}

fn kubernetes_version(root: &Path) -> Option<String> {
    let bytes = std::fs::read(root.join("cluster-info/cluster_version.json")).ok()?;
    let value: Value = serde_json::from_slice(&bytes).ok()?;
    Some(value.get("string")?.as_str()?.to_owned())
}

/// A row about something of the bundle itself.
pub(crate) fn row(object: &str, outcome: Outcome, reason: Option<String>) -> LedgerRow {
    LedgerRow {
        source: SourceKind::Bundle,
        object: object.to_owned(),
        outcome,
        reason,
        bytes: 0,
        path: None,
        at: None,
        duration_ms: None,
        status: None,
        items: None,
        via: None,
    }
}

/// A bundle that is being packed.
struct Packing {
    writer: BundleWriter,
    redactions: Counts,
    /// A row for every file.
    rows: Vec<LedgerRow>,
}

impl Packing {
    fn append_version(&mut self) -> anyhow::Result<()> {
        let path = EntryPath::parse("version.yaml")?;
        let content = Content::from_bytes(VERSION_YAML.into());
        self.append(&path, &content)
    }

    fn append(&mut self, path: &EntryPath, content: &Content) -> anyhow::Result<()> {
        let bytes = content.len();
        self.writer.append(path, bytes, &mut content.reader())?;
        self.rows.push(LedgerRow {
            source: EntryKind::of(path).source().unwrap_or(SourceKind::Bundle),
            bytes,
            path: Some(path.clone()),
            ..row(path.as_str(), Outcome::Complete, None)
        });
        Ok(())
    }

    fn add(&mut self, found: &Found, spools: &SpoolFolder) -> anyhow::Result<()> {
        let name = found.path.as_str();
        let Some(file) = &found.file else {
            let reason = found.refusal.clone();
            self.rows.push(row(name, Outcome::Skipped, reason));
            return Ok(());
        };
        match clean::clean(file, name, spools, &mut self.redactions) {
            Ok(Ok(content)) => self.append(&found.path, &content)?,
            Ok(Err(reason)) => self.rows.push(row(name, Outcome::Skipped, Some(reason))),
            Err(e) => {
                let reason = format!("cannot read it: {e}");
                self.rows.push(row(name, Outcome::Failed, Some(reason)));
            }
        }
        Ok(())
    }

    /// Files that could not be taken, with the reason.
    fn left_out(&self) -> Vec<String> {
        let rows = self.rows.iter().filter(|r| r.outcome == Outcome::Skipped);
        rows.map(|row| {
            let reason = row.reason.as_deref().unwrap_or_default();
            format!("{}: {reason}", row.object)
        })
        .collect()
    }

    /// Whether every file was read, and every file that the manifest speaks of was there.
    fn lacks_nothing(&self, manifest: Option<&Manifest>) -> bool {
        let packed: BTreeSet<&EntryPath> =
            self.rows.iter().filter_map(|r| r.path.as_ref()).collect();
        let ledger = manifest.iter().flat_map(|m| &m.ledger);
        let mut named = ledger.filter_map(|r| r.path.as_ref());
        let is_read = |row: &LedgerRow| row.outcome != Outcome::Failed;
        self.rows.iter().all(is_read) && named.all(|path| packed.contains(path))
    }

    /// The manifest: what was known before, and a row for every file that had none.
    fn into_manifest(
        self,
        before: Option<Manifest>,
        time: &CaptureTime,
        kubernetes_version: Option<String>,
    ) -> (BundleWriter, Manifest) {
        let mut manifest = before.unwrap_or(Manifest {
            kubernetes_version,
            ..Manifest::new("", time.at)
        });
        manifest.format = FormatVersion::CURRENT;
        if !manifest.collector.is_empty() {
            let before = json!(manifest.collector);
            manifest.options.insert("packed-from".to_owned(), before);
        }
        manifest.collector = format!("{COLLECTOR} pack");
        let basis = json!(time.basis);
        manifest.options.insert("capture-time".to_owned(), basis);
        for (kind, count) in self.redactions.into_map() {
            *manifest.redactions.entry(kind).or_default() += count;
        }
        merge(&mut manifest.ledger, self.rows);
        manifest.entries.clear();
        (self.writer, manifest)
    }
}

/// Brings a ledger up to what was packed now.
fn merge(ledger: &mut Vec<LedgerRow>, packed: Vec<LedgerRow>) {
    let mut packed: BTreeMap<String, LedgerRow> = packed
        .into_iter()
        .map(|row| (row.object.clone(), row))
        .collect();
    for row in ledger.iter_mut() {
        let Some(path) = &row.path else { continue };
        match packed.remove(path.as_str()) {
            Some(now) if now.outcome == Outcome::Complete => row.bytes = now.bytes,
            Some(now) => {
                (row.outcome, row.reason, row.path) = (now.outcome, now.reason, None);
                row.bytes = 0;
            }
            None => {
                row.outcome = Outcome::Failed;
                row.reason = Some(format!("`{path}` was not among the files that were packed"));
                row.path = None;
                row.bytes = 0;
            }
        }
    }
    ledger.extend(packed.into_values());
}
