//! Takes everything that is served from memory out of a bundle, in one pass.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use bundle::layout::EntryKind;
use bundle::{Block, Bundle, EntryInfo, Interest, Manifest, Problem, Scratch, Visitor};
use serde_json::Value;

use crate::foreign;
use crate::store::{Held, Key};

/// What a pass over a bundle found.
#[derive(Debug, Default)]
pub(crate) struct Loaded {
    pub(crate) manifest: Option<Manifest>,
    pub(crate) version: Option<Value>,
    pub(crate) groups: Option<Value>,
    pub(crate) resources: Option<Value>,
    /// What the collecting user may do, by namespace.
    pub(crate) rules: BTreeMap<String, Value>,
    pub(crate) objects: BTreeMap<Key, Held>,
    /// What could not be read, and is not served.
    pub(crate) warnings: BTreeSet<String>,
    /// Paths of the entries that are read when they are asked for.
    pub(crate) others: BTreeSet<String>,
}

/// Reads a bundle once, front to back where its form asks for it. What cannot be read becomes a
/// warning, and a list that cannot be read is remembered as broken.
pub(crate) fn load(bundle: &Bundle) -> Loaded {
    let pass = Pass::default();
    let mut scratch = Scratch::default();
    for task in bundle.plan(&pass) {
        bundle.run(&task, &mut scratch, &pass);
    }
    let mut loaded = pass.0.into_inner().unwrap_or_else(PoisonError::into_inner);
    for held in loaded.objects.values_mut() {
        held.settle();
    }
    loaded
}

#[derive(Debug, Default)]
struct Pass(Mutex<Loaded>);

impl Visitor for Pass {
    fn interest(&self, entry: &EntryInfo) -> Interest {
        match entry.kind {
            EntryKind::Manifest
            | EntryKind::ClusterVersion
            | EntryKind::Groups
            | EntryKind::Resources
            | EntryKind::CanI { .. }
            | EntryKind::Objects { .. }
            | EntryKind::CustomObjects { .. } => Interest::Whole,
            EntryKind::Other if foreign::may_hold_objects(entry.path.file_name()) => {
                Interest::Whole
            }
            _ => {
                let mut loaded = self.0.lock().unwrap_or_else(PoisonError::into_inner);
                // A log in another tool's place is read by the path that it has in ours.
                let path = entry.kind.path().unwrap_or_else(|| entry.path.clone());
                loaded.others.insert(path.into());
                Interest::Skip
            }
        }
    }

    fn block(&self, _: &Arc<EntryInfo>, _: Block<'_>) {}

    fn whole(&self, entry: &Arc<EntryInfo>, bytes: Vec<u8>) {
        if entry.kind == EntryKind::Other {
            let objects = foreign::objects(&bytes);
            let mut loaded = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            return loaded.take_foreign(entry, objects);
        }
        let parsed = serde_json::from_slice::<Value>(&bytes);
        drop(bytes);
        let mut loaded = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match parsed {
            Ok(value) => loaded.take(entry, value),
            Err(e) => loaded.miss(entry, &format!("is not readable as JSON: {e}")),
        }
    }

    fn problem(&self, problem: Problem) {
        let mut loaded = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let place = problem.path.as_deref().unwrap_or("the bundle");
        let line = format!("`{place}`: {}", problem.detail);
        loaded.warnings.insert(line);
    }
}

impl Loaded {
    fn take(&mut self, entry: &EntryInfo, value: Value) {
        match &entry.kind {
            EntryKind::Manifest => match serde_json::from_value::<Manifest>(value) {
                Ok(manifest) if manifest.format.is_readable() => self.manifest = Some(manifest),
                Ok(manifest) => {
                    let format = manifest.format.0;
                    self.miss(entry, &format!("is of format {format}, which is not known"));
                }
                Err(e) => self.miss(entry, &format!("is no manifest: {e}")),
            },
            EntryKind::ClusterVersion => self.version = value.get("info").cloned(),
            EntryKind::Groups => self.groups = Some(value),
            EntryKind::Resources => self.resources = Some(value),
            EntryKind::CanI { namespace } => {
                self.rules.insert(namespace.clone(), value);
            }
            kind => {
                let Some(key) = resource_of(kind) else { return };
                let taken = self.objects.entry(key).or_default().take(value);
                if !taken {
                    self.miss(entry, "is no list of objects");
                }
            }
        }
    }

    /// Takes objects from a place that only they themselves explain.
    fn take_foreign(&mut self, entry: &EntryInfo, objects: Result<Vec<(Key, Value)>, String>) {
        match objects {
            Ok(objects) => {
                for (key, object) in objects {
                    self.objects.entry(key).or_default().objects.push(object);
                }
            }
            Err(why) => self.miss(entry, &format!("is not readable: {why}")),
        }
    }

    fn miss(&mut self, entry: &EntryInfo, why: &str) {
        if let Some(key) = resource_of(&entry.kind) {
            let namespace = match &entry.kind {
                EntryKind::Objects { namespace, .. }
                | EntryKind::CustomObjects { namespace, .. } => namespace.clone(),
                _ => None,
            };
            let held = self.objects.entry(key).or_default();
            held.broken.insert(namespace.unwrap_or_default());
        }
        let line = format!("`{}` {why}; it is not served", entry.path);
        self.warnings.insert(line);
    }
}

/// The resource whose list an entry holds.
fn resource_of(kind: &EntryKind) -> Option<Key> {
    match kind {
        EntryKind::Objects { .. } => {
            let resource = kind.resource()?;
            Some((resource.group.to_owned(), resource.plural.to_owned()))
        }
        EntryKind::CustomObjects { crd, .. } => {
            let (plural, group) = crd.split_once('.')?;
            Some((group.to_owned(), plural.to_owned()))
        }
        _ => None,
    }
}
