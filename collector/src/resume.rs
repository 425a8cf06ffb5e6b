//! `--resume`: what an earlier bundle has, and how it gets into the new one.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, bail};
use bundle::layout::EntryKind;
use bundle::{
    Block, Bundle, BundleWriter, EntryInfo, EntryPath, EntryRecord, Identity, Interest, LedgerRow,
    Limits, Manifest, Problem, Scratch, SourceKind, Visitor, WriteError,
};
use serde_json::Value;

use crate::args::Protect;
use crate::mesh::Mesh;
use crate::session::Item;
use crate::sources::read_page;
use crate::spool::{Spool, SpoolFolder};

/// What is in the bundle already and is not asked for again.
#[derive(Debug, Default)]
pub struct Kept {
    items: BTreeSet<(SourceKind, String)>,
    /// Names of listings all of whose rows are kept.
    lists: BTreeSet<String>,
    /// API groups and resource lists, if they are kept.
    discovery: Option<(Vec<Value>, Vec<Value>)>,
}

impl Kept {
    /// Whether an item is there.
    pub fn has(&self, item: &Item) -> bool {
        !self.items.is_empty() && self.items.contains(&(item.source, item.object.clone()))
    }

    /// Whether all objects of a kind are there.
    pub fn has_list(&self, name: &str) -> bool {
        self.lists.contains(name)
    }

    /// API groups and resource lists.
    pub fn discovery(&self) -> Option<&(Vec<Value>, Vec<Value>)> {
        self.discovery.as_ref()
    }
}

/// A bundle that is to be topped up.
#[derive(Debug)]
pub struct Earlier {
    bundle: Bundle,
    /// What it says of itself.
    pub manifest: Manifest,
}

/// What came of an earlier bundle once its entries are in the new one.
#[derive(Debug, Default)]
pub struct TakenOver {
    /// What is there.
    pub kept: Kept,
    /// The rows of it.
    pub rows: Vec<LedgerRow>,
    /// What the lists in it tell.
    pub mesh: Mesh,
}

impl Earlier {
    /// Opens a bundle, finished or not; an encrypted one with an identity, for a new one that is
    /// encrypted too.
    ///
    /// # Errors
    /// When it is none, or does not say what is missing in it.
    pub fn open(path: &Path, identity: Option<&Path>, protect: &Protect) -> anyhow::Result<Self> {
        if Bundle::is_encrypted(path).unwrap_or(false) {
            let path = path.display();
            if identity.is_none() {
                bail!(
                    "`{path}` is encrypted; give the file with its secret key with `--identity FILE`"
                );
            }
            if protect.encrypt_to.is_empty() {
                bail!(
                    "`{path}` is encrypted; say to whom the new one is, with `--encrypt-to age1...`"
                );
            }
        }
        let identities = identity
            .map(Identity::read)
            .transpose()?
            .unwrap_or_default();
        let bundle = Bundle::open_with(path, Limits::default(), &identities)?;
        let manifest = bundle.manifest().or_else(|| bundle.unfinished_manifest());
        let manifest = manifest.with_context(|| {
            let path = path.display();
            format!("`{path}` does not say what is missing in it: it has no manifest and no checkpoint; collect anew, without `--resume`")
        })?;
        if manifest.options.get("anonymize") == Some(&Value::Bool(true)) {
            let path = path.display();
            bail!(
                "`{path}` has tokens in the place of names, so nobody knows whom to ask; collect anew, without `--resume`"
            );
        }
        if manifest.ledger.is_empty() {
            let path = path.display();
            bail!(
                "`{path}` has no ledger, so nobody knows what is missing in it; collect anew, without `--resume`"
            );
        }
        Ok(Self { bundle, manifest })
    }

    /// The name of its top folder, where the form tells it.
    pub fn name(&self) -> Option<String> {
        self.bundle.top_folder()
    }

    /// Copies what is complete into a new bundle.
    ///
    /// # Errors
    /// When the new bundle cannot be written.
    pub fn take_over(
        &self,
        writer: &mut BundleWriter,
        spools: &SpoolFolder,
    ) -> anyhow::Result<TakenOver> {
        let there: BTreeSet<&EntryPath> = self.bundle.entries().iter().map(|e| &e.path).collect();
        let rows = complete(&self.manifest.ledger, &there);
        let paths: BTreeSet<EntryPath> = rows.iter().filter_map(|r| r.path.clone()).collect();
        let records = self.manifest.entries.iter();
        let records = records.filter(|r| paths.contains(&r.path));
        let records: BTreeMap<EntryPath, EntryRecord> =
            records.map(|r| (r.path.clone(), r.clone())).collect();
        let copied = writer.keep(&self.bundle, &records)?;
        let taking = Taking {
            missing: paths.difference(&copied).cloned().collect(),
            told: paths
                .iter()
                .filter(|p| tells(&EntryKind::of(p)))
                .cloned()
                .collect(),
            spools,
            state: Mutex::new(Taken::new(writer)),
        };
        let mut scratch = Scratch::default();
        for task in self.bundle.plan(&taking) {
            self.bundle.run(&task, &mut scratch, &taking);
        }
        let taken = taking
            .state
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        taken.into_result(rows, &copied)
    }
}

/// The rows of what need not be asked for again.
fn complete(ledger: &[LedgerRow], there: &BTreeSet<&EntryPath>) -> Vec<LedgerRow> {
    let is_kept = |row: &&LedgerRow| {
        row.outcome.is_covered()
            && row.path.as_ref().is_none_or(|path| there.contains(path))
            && row.path.as_ref().map(EntryKind::of) != Some(EntryKind::CollectorLog)
    };
    // A listing is asked for as a whole, so it is kept as a whole.
    let unkept = ledger.iter().filter(|row| !is_kept(row));
    let broken: BTreeSet<&str> = unkept.filter_map(listing).collect();
    let kept = ledger.iter().filter(is_kept);
    let kept = kept.filter(|row| listing(row).is_none_or(|name| !broken.contains(name)));
    kept.cloned().collect()
}

/// The name of the listing that a row belongs to.
fn listing(row: &LedgerRow) -> Option<&str> {
    let is_listed = matches!(
        row.source,
        SourceKind::ClusterResources | SourceKind::Events | SourceKind::CustomResources
    );
    let (name, _) = row.object.split_once('/').unwrap_or((&row.object, ""));
    is_listed.then_some(name)
}

/// Whether an entry tells what is to be asked for.
fn tells(kind: &EntryKind) -> bool {
    matches!(
        kind,
        EntryKind::Objects { .. } | EntryKind::Groups | EntryKind::Resources
    )
}

/// Reads an earlier bundle once: copies what is missing in the new one, and looks at its lists.
struct Taking<'a> {
    missing: BTreeSet<EntryPath>,
    told: BTreeSet<EntryPath>,
    spools: &'a SpoolFolder,
    state: Mutex<Taken<'a>>,
}

struct Taken<'a> {
    writer: &'a mut BundleWriter,
    open: BTreeMap<EntryPath, Spool>,
    written: BTreeSet<EntryPath>,
    damaged: BTreeSet<String>,
    error: Option<anyhow::Error>,
    mesh: Mesh,
    groups: Option<Vec<Value>>,
    resources: Option<Vec<Value>>,
}

impl Visitor for Taking<'_> {
    fn interest(&self, entry: &EntryInfo) -> Interest {
        if self.told.contains(&entry.path) {
            Interest::Whole
        } else if self.missing.contains(&entry.path) {
            Interest::Ordered
        } else {
            Interest::Skip
        }
    }

    fn block(&self, entry: &Arc<EntryInfo>, block: Block<'_>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let spool = state.open.entry(entry.path.clone());
        let written = spool
            .or_insert_with(|| self.spools.spool())
            .write(block.bytes);
        if let Err(e) = written {
            state.fail(e.into());
        }
        if block.is_last
            && let Some(spool) = state.open.remove(&entry.path)
        {
            let content = spool.finish();
            let bytes = content.len();
            state.append(&entry.path, bytes, &mut content.reader());
        }
    }

    fn whole(&self, entry: &Arc<EntryInfo>, bytes: Vec<u8>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.look_at(&entry.kind, &bytes);
        if self.missing.contains(&entry.path) {
            state.append(&entry.path, bytes.len() as u64, &mut bytes.as_slice());
        }
    }

    fn problem(&self, problem: Problem) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.damaged.extend(problem.path);
    }
}

impl<'a> Taken<'a> {
    fn new(writer: &'a mut BundleWriter) -> Self {
        Self {
            writer,
            open: BTreeMap::new(),
            written: BTreeSet::new(),
            damaged: BTreeSet::new(),
            error: None,
            mesh: Mesh::default(),
            groups: None,
            resources: None,
        }
    }

    fn fail(&mut self, error: anyhow::Error) {
        self.error.get_or_insert(error);
    }

    fn append(&mut self, path: &EntryPath, bytes: u64, content: &mut dyn std::io::Read) {
        // What is damaged is asked for again.
        if self.damaged.contains(path.as_str()) || self.error.is_some() {
            return;
        }
        let appended: Result<EntryRecord, WriteError> = self.writer.append(path, bytes, content);
        match appended {
            Ok(_) => {
                self.written.insert(path.clone());
            }
            Err(e) => self.fail(e.into()),
        }
    }

    fn look_at(&mut self, kind: &EntryKind, bytes: &[u8]) {
        let values = || serde_json::from_slice::<Vec<Value>>(bytes).ok();
        match kind {
            EntryKind::Groups => self.groups = values(),
            EntryKind::Resources => self.resources = values(),
            EntryKind::Objects { folder, .. } => {
                let mesh = &mut self.mesh;
                let read = read_page(bytes, &mut |object| {
                    mesh.look_at(folder, &object);
                    Ok(())
                });
                // A list that cannot be read tells nothing; the checks of the analyzer say so.
                read.map(drop).unwrap_or_default();
            }
            _ => {}
        }
    }

    fn into_result(
        self,
        rows: Vec<LedgerRow>,
        copied: &BTreeSet<EntryPath>,
    ) -> anyhow::Result<TakenOver> {
        if let Some(error) = self.error {
            return Err(error);
        }
        let is_there = |path: &EntryPath| {
            (copied.contains(path) || self.written.contains(path))
                && !self.damaged.contains(path.as_str())
        };
        let rows = rows.into_iter();
        let rows: Vec<LedgerRow> = rows
            .filter(|row| row.path.as_ref().is_none_or(is_there))
            .collect();
        let items = rows.iter().map(|row| (row.source, row.object.clone()));
        Ok(TakenOver {
            kept: Kept {
                items: items.collect(),
                lists: rows.iter().filter_map(listing).map(str::to_owned).collect(),
                discovery: self.groups.zip(self.resources),
            },
            mesh: self.mesh,
            rows,
        })
    }
}

/// Where a topped-up bundle goes unless it is told: in the place of the earlier one.
pub fn output_for(earlier: &Path) -> PathBuf {
    let name = earlier.as_os_str().to_string_lossy();
    match name.strip_suffix(".partial") {
        Some(name) => PathBuf::from(name),
        None => earlier.to_owned(),
    }
}
