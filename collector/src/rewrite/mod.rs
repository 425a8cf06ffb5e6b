//! A bundle made of another: `linkerd-collect redact` and `--anonymize`.
//!
//! Entries are read in place, redacted on all cores and written as they come; no unredacted byte
//! reaches a disk.

mod entries;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, sync_channel};

use anyhow::{Context, anyhow, bail};
use bundle::layout::EntryKind;
use bundle::{
    Bundle, BundleWriter, EntryPath, Finished, FormatVersion, Identity, LedgerRow, Limits,
    Manifest, Outcome, Recipient, SourceKind, WriterOptions,
};
use jiff::Timestamp;
use serde_json::json;

use crate::anonymize::Anonymizer;
use crate::anonymize::key::KeyFile;
use crate::args::{Format, Protect, Redact};
use crate::exit::ExitStatus;
use crate::own_key::{own_key, recipients};
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
    let identities = args.identity.as_deref().map(Identity::read).transpose()?;
    let identities = identities.unwrap_or_default();
    let bundle = Bundle::open_with(&args.bundle, Limits::default(), &identities)?;
    let format = Format::choose(args.format, args.output.as_deref());
    let output = args.output.clone().unwrap_or_else(|| {
        let name = name_of(&args.bundle);
        PathBuf::from(format!(
            "{name}.redacted.{}",
            args.protect.extension(format)
        ))
    });
    let same = |a: &Path, b: &Path| {
        a.canonicalize()
            .is_ok_and(|a| b.canonicalize().is_ok_and(|b| a == b))
    };
    let mut first = output.as_os_str().to_owned();
    first.push(".partial");
    if same(&output, &args.bundle) || same(Path::new(&first), &args.bundle) {
        let shown = args.bundle.display();
        bail!("`{shown}` would be written over itself; name another file with `-o`");
    }
    let target = Target {
        output: &output,
        format,
        protect: &args.protect,
        is_new: true,
    };
    let made = make(&bundle, &target)?;
    let finished = verify(made.written, &output, args.protect.allow_unverified)?;
    if !args.quiet {
        let mut out = anstream::stderr().lock();
        drop(made.summary.write(&mut out, &finished));
    }
    Ok(if made.is_whole {
        ExitStatus::Complete
    } else {
        ExitStatus::Incomplete
    })
}

/// What a bundle that is to be anonymized is called while it still has its names.
const NAMED: &str = ".named";

/// Where a bundle is written before it is settled.
pub(crate) fn first_name(output: &Path, protect: &Protect) -> PathBuf {
    let mut name = output.as_os_str().to_owned();
    if protect.anonymize {
        name.push(NAMED);
    }
    PathBuf::from(name)
}

/// Whom it is encrypted to then: while it still has its names, to nobody but this run.
///
/// # Errors
/// When the host gives no random bytes.
pub(crate) fn first_recipients(protect: &Protect) -> anyhow::Result<Vec<Recipient>> {
    if protect.anonymize {
        return Ok(vec![own_key()?.recipient()]);
    }
    recipients(protect)
}

/// Brings a bundle that was just written into the form in which it may leave, looks at it once
/// more, and gives it its name.
///
/// # Errors
/// When it cannot be rewritten, or may hold a secret.
pub(crate) fn settle(
    written: Finished,
    output: &Path,
    format: Format,
    protect: &Protect,
) -> anyhow::Result<Finished> {
    let mut written = written;
    if protect.anonymize {
        let first = written.path;
        let own = std::slice::from_ref(own_key()?);
        let bundle = Bundle::open_with(&first, Limits::default(), own)?;
        let target = Target {
            output,
            format,
            protect,
            is_new: false,
        };
        written = make(&bundle, &target)?.written;
        let shown = first.display();
        std::fs::remove_file(&first).with_context(|| format!("cannot remove `{shown}`"))?;
    }
    verify(written, output, protect.allow_unverified)
}

/// The bundle that is made.
struct Target<'a> {
    output: &'a Path,
    format: Format,
    protect: &'a Protect,
    /// Whether it is made of one that somebody else finished, which its manifest then says.
    is_new: bool,
}

/// A bundle that was made of another.
struct Made {
    /// Where it is before it gets its name.
    written: Finished,
    summary: Summary,
    is_whole: bool,
}

fn make(bundle: &Bundle, target: &Target<'_>) -> anyhow::Result<Made> {
    let key_file = target.protect.key_file(target.output);
    let kept = target
        .protect
        .anonymize
        .then(|| KeyFile::read_or_make(&key_file));
    let mut kept = kept.transpose()?;
    let anonymizer = kept
        .as_ref()
        .map(|kept| Anonymizer::of(bundle, kept.key.clone()));
    let before = bundle.manifest().or_else(|| bundle.unfinished_manifest());
    let at = captured_at(bundle, before.as_ref())?;
    let options = WriterOptions {
        container: target.format.container(),
        name: name_of(target.output),
        mtime: at,
        threads: threads(),
    };
    let recipients = recipients(target.protect)?;
    let writer = BundleWriter::create_sealed(target.output, options, &recipients)?;
    let spools = SpoolFolder::new(&folder_of(target.output), 128 << 10);
    let mut written = Written::new(writer, anonymizer.as_ref());
    written.read(bundle, spools)?;
    let manifest = written.manifest(before, at, target.is_new);
    let summary = Summary::of(&manifest.ledger);
    let (writer, is_whole) = (written.writer, written.lost.is_empty());
    // Without its key file nobody could read a report on the bundle.
    if let (Some(anonymizer), Some(kept)) = (anonymizer, &mut kept) {
        anonymizer.tell(kept);
        kept.write(&key_file)?;
    }
    Ok(Made {
        written: writer.close(manifest)?,
        summary,
        is_whole,
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

/// A bundle in the making.
struct Written<'a> {
    writer: BundleWriter,
    anonymizer: Option<&'a Anonymizer>,
    redactions: Counts,
    /// New path and bytes of each entry, by its old path.
    entries: BTreeMap<EntryPath, (EntryPath, u64)>,
    /// What could not be read: a path, if it was one entry, and why.
    lost: Vec<(Option<String>, String)>,
}

impl<'a> Written<'a> {
    fn new(writer: BundleWriter, anonymizer: Option<&'a Anonymizer>) -> Self {
        Self {
            writer,
            anonymizer,
            redactions: Counts::default(),
            entries: BTreeMap::new(),
            lost: Vec::new(),
        }
    }

    /// Reads on as many threads as there are, and writes on this one.
    fn read(&mut self, bundle: &Bundle, spools: SpoolFolder) -> anyhow::Result<()> {
        let (sender, receiver) = sync_channel(WAITING);
        let entries = Entries::new(spools, self.anonymizer, sender);
        std::thread::scope(|scope| {
            let reading = scope.spawn(move || {
                read_all(bundle, &entries, threads());
                entries.into_counts()
            });
            self.take(receiver)?;
            let counts = reading.join();
            self.redactions = counts.map_err(|_| anyhow!("a reading thread ended early"))?;
            Ok(())
        })
    }

    /// Writes what comes until nothing more does.
    fn take(&mut self, receiver: Receiver<Done>) -> anyhow::Result<()> {
        for done in receiver {
            match done {
                Done::Entry(path, content) => {
                    let bytes = content.len();
                    let new = self
                        .anonymizer
                        .map_or_else(|| path.clone(), |a| a.path(&path));
                    self.writer.append(&new, bytes, &mut content.reader())?;
                    self.entries.insert(path, (new, bytes));
                }
                Done::Lost(path, detail) => self.lost.push((path, detail)),
            }
        }
        Ok(())
    }

    /// The manifest: what was known before, brought up to what was written.
    fn manifest(&mut self, before: Option<Manifest>, at: Timestamp, is_new: bool) -> Manifest {
        let mut manifest = before.unwrap_or(Manifest::new("", at));
        manifest.format = FormatVersion::CURRENT;
        if is_new {
            let from = std::mem::replace(&mut manifest.collector, format!("{COLLECTOR} redact"));
            manifest
                .options
                .insert("redacted-from".to_owned(), json!(from));
        }
        for (kind, count) in std::mem::take(&mut self.redactions).into_map() {
            *manifest.redactions.entry(kind).or_default() += count;
        }
        self.bring_up_to_date(&mut manifest.ledger);
        if let Some(anonymizer) = self.anonymizer {
            without_names(&mut manifest, anonymizer);
        }
        manifest.entries.clear();
        manifest
    }

    fn bring_up_to_date(&self, ledger: &mut Vec<LedgerRow>) {
        let mut entries = self.entries.clone();
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
            if let Some((new, bytes)) = entries.remove(&path) {
                row.bytes = bytes;
                row.path = Some(new);
            } else {
                row.outcome = Outcome::Failed;
                row.reason = Some(why(path.as_str()).to_owned());
                row.bytes = 0;
            }
        }
        let unlisted = entries.into_iter().map(|(path, (new, bytes))| LedgerRow {
            source: EntryKind::of(&path).source().unwrap_or(SourceKind::Bundle),
            bytes,
            path: Some(new),
            ..row(path.as_str(), Outcome::Complete, None)
        });
        ledger.extend(unlisted);
        let whole = self.lost.iter().filter(|(path, _)| path.is_none());
        ledger.extend(whole.map(|(_, why)| row("the bundle", Outcome::Failed, Some(why.clone()))));
    }
}

/// Takes names out of all that the manifest says in words.
fn without_names(manifest: &mut Manifest, anonymizer: &Anonymizer) {
    for row in &mut manifest.ledger {
        for text in row.reason.iter_mut().chain([&mut row.object]) {
            *text = anonymizer.string(text);
        }
    }
    for (name, value) in &mut manifest.options {
        // Whoever collected, and what they call the cluster and its namespaces.
        if matches!(name.as_str(), "context" | "as" | "as-group") || name.contains("namespace") {
            anonymizer.names_in(value);
        } else {
            anonymizer.value(value);
        }
    }
    manifest.options.insert("anonymize".to_owned(), json!(true));
}
