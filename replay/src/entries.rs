//! Entries of the bundle that are read when they are asked for.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use bundle::Bundle;
use bundle::layout::EntryKind;

/// Bytes of entries that are kept once they were read, since a multiplied recording has each of
/// them read a thousand times.
const MAX_KEPT_BYTES: usize = 24 << 20;

/// The logs, scrapes and states of a bundle.
#[derive(Debug)]
pub(crate) struct Entries {
    bundle: Bundle,
    /// The paths of those that are there.
    paths: BTreeSet<String>,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    entries: BTreeMap<String, Arc<Vec<u8>>>,
    bytes: usize,
}

impl Entries {
    pub(crate) fn of(bundle: Bundle, paths: BTreeSet<String>) -> Self {
        Self {
            bundle,
            paths,
            kept: Mutex::default(),
        }
    }

    /// The bundle's name.
    pub(crate) fn name(&self) -> String {
        self.bundle.name()
    }

    /// Reads an entry; `None` if it is not in the bundle, an error if it cannot be read.
    pub(crate) fn read(&self, kind: &EntryKind) -> Option<Result<Arc<Vec<u8>>, String>> {
        let path = kind.path()?;
        let path = self.paths.get(path.as_str())?;
        let kept = || self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = kept().entries.get(path) {
            return Some(Ok(Arc::clone(entry)));
        }
        let read = self.bundle.read(path);
        let read = read.map_err(|problem| format!("`{path}` cannot be read: {}", problem.detail));
        Some(read.map(|bytes| {
            let entry = Arc::new(bytes);
            kept().keep(path, &entry);
            entry
        }))
    }
}

impl Kept {
    fn keep(&mut self, path: &str, entry: &Arc<Vec<u8>>) {
        if self.bytes.saturating_add(entry.len()) <= MAX_KEPT_BYTES {
            let before = self.entries.insert(path.to_owned(), Arc::clone(entry));
            self.bytes += entry.len() - before.map_or(0, |b| b.len());
        }
    }
}
