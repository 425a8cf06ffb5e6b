//! What a bundle says of itself whose writer was killed: the checkpoints it wrote on its way.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::{Block, Bundle, EntryInfo, Interest, Problem, Scratch, Visitor};
use crate::Manifest;
use crate::layout::EntryKind;

/// Gathers checkpoints in any order.
#[derive(Debug, Default)]
pub struct Checkpoints(BTreeMap<u32, Manifest>);

impl Checkpoints {
    /// Takes the bytes of an entry of kind [`EntryKind::Checkpoint`]; what cannot be read as one
    /// is passed over.
    pub fn add(&mut self, kind: &EntryKind, bytes: &[u8]) {
        let EntryKind::Checkpoint { number } = kind else {
            return;
        };
        let manifest: Option<Manifest> = serde_json::from_slice(bytes).ok();
        let manifest = manifest.filter(|m| m.format.is_readable());
        self.0.extend(manifest.map(|m| (*number, m)));
    }

    /// The manifest that they come to: what had ended is as it ended, and what was planned
    /// besides is skipped.
    pub fn manifest(self) -> Option<Manifest> {
        let mut checkpoints = self.0.into_values();
        let mut manifest = checkpoints.next()?;
        for later in checkpoints {
            manifest.finished_at = later.finished_at;
            manifest.take_rows(later.ledger);
        }
        Some(manifest)
    }
}

impl Bundle {
    /// What a bundle without a manifest says of itself by its checkpoints, in one reading of it.
    pub fn unfinished_manifest(&self) -> Option<Manifest> {
        let gathering = Gathering(Mutex::default());
        let mut scratch = Scratch::default();
        for task in self.plan(&gathering) {
            self.run(&task, &mut scratch, &gathering);
        }
        let found = gathering.0.into_inner();
        found.unwrap_or_else(PoisonError::into_inner).manifest()
    }
}

struct Gathering(Mutex<Checkpoints>);

impl Visitor for Gathering {
    fn interest(&self, entry: &EntryInfo) -> Interest {
        match entry.kind {
            EntryKind::Checkpoint { .. } => Interest::Whole,
            _ => Interest::Skip,
        }
    }

    fn block(&self, _entry: &Arc<EntryInfo>, _block: Block<'_>) {}

    fn whole(&self, entry: &Arc<EntryInfo>, bytes: Vec<u8>) {
        let mut found = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        found.add(&entry.kind, &bytes);
    }

    fn problem(&self, _problem: Problem) {}
}
