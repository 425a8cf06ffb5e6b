//! Takes what is read of a bundle, redacts it, and hands whole entries on.

use std::collections::BTreeMap;
use std::io;
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, PoisonError};

use bundle::layout::EntryKind;
use bundle::{Block, EntryInfo, EntryPath, Interest, Problem, Visitor};

use super::Done;
use crate::anonymize::Anonymizer;
use crate::redact::entry::{self, Shape};
use crate::redact::{Counts, FileRedactor};
use crate::spool::{Content, Spool, SpoolFolder};

/// Ends of names of files that are lines of text, whatever they begin with.
const LINES: &[&str] = &[".log", ".prom", ".txt", ".ndjson"];

/// Redacts entries on the threads that read them.
pub(super) struct Entries<'a> {
    spools: SpoolFolder,
    anonymizer: Option<&'a Anonymizer>,
    done: SyncSender<Done>,
    counts: Mutex<Counts>,
    /// Entries whose blocks are coming in.
    open: Mutex<BTreeMap<EntryPath, Open>>,
}

/// An entry whose blocks are coming in.
struct Open {
    redactor: FileRedactor,
    spool: io::Result<Spool>,
}

impl<'a> Entries<'a> {
    pub(super) fn new(
        spools: SpoolFolder,
        anonymizer: Option<&'a Anonymizer>,
        done: SyncSender<Done>,
    ) -> Self {
        Self {
            spools,
            anonymizer,
            done,
            counts: Mutex::default(),
            open: Mutex::default(),
        }
    }

    /// What was taken out of all entries.
    pub(super) fn into_counts(self) -> Counts {
        self.counts
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, counts: &Counts) {
        self.counts
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .merge(counts);
    }

    fn hand_on(&self, done: Done) {
        // A writer that is gone has failed, and says so itself.
        drop(self.done.send(done));
    }

    fn finish(&self, entry: &EntryInfo, content: io::Result<Content>) {
        self.hand_on(match content {
            Ok(content) => Done::Entry(entry.path.clone(), content),
            Err(e) => {
                let detail = format!("cannot write a temporary file: {e}");
                Done::Lost(Some(entry.path.to_string()), detail)
            }
        });
    }

    /// Redacted text without names.
    fn without_names(&self, text: Vec<u8>) -> Vec<u8> {
        let Some(anonymizer) = self.anonymizer else {
            return text;
        };
        let mut other = Vec::with_capacity(text.len());
        anonymizer.text(&text, &mut other);
        other
    }

    /// The entry's state, which no other thread wants meanwhile.
    fn take(&self, path: &EntryPath) -> Open {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.remove(path).unwrap_or_else(|| Open {
            redactor: FileRedactor::default(),
            spool: Ok(self.spools.spool()),
        })
    }

    fn put(&self, path: &EntryPath, entry: Open) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.insert(path.clone(), entry);
    }
}

impl Open {
    fn write(&mut self, clean: &[u8]) {
        if let Ok(spool) = &mut self.spool
            && let Err(e) = spool.write(clean)
        {
            self.spool = Err(e);
        }
    }
}

impl Visitor for Entries<'_> {
    fn interest(&self, entry: &EntryInfo) -> Interest {
        let is_lines = LINES
            .iter()
            .any(|end| entry.path.file_name().ends_with(end));
        match &entry.kind {
            // Written anew, with what the checkpoints say if there is nothing else.
            EntryKind::Manifest | EntryKind::Checkpoint { .. } => Interest::Skip,
            _ if is_lines => Interest::Ordered,
            _ => Interest::Whole,
        }
    }

    fn block(&self, entry: &Arc<EntryInfo>, block: Block<'_>) {
        let mut open = self.take(&entry.path);
        let mut clean = Vec::with_capacity(block.bytes.len());
        open.redactor.push(block.bytes, &mut clean);
        if !block.is_last {
            open.write(&self.without_names(clean));
            return self.put(&entry.path, open);
        }
        let redactor = std::mem::take(&mut open.redactor);
        self.count(&redactor.finish(&mut clean));
        open.write(&self.without_names(clean));
        self.finish(entry, open.spool.map(Spool::finish));
    }

    fn whole(&self, entry: &Arc<EntryInfo>, bytes: Vec<u8>) {
        let shape = entry::shape(entry.path.file_name(), &bytes);
        let mut counts = Counts::default();
        let clean = entry::redact(shape, bytes, &mut counts);
        self.count(&counts);
        let objects = self.anonymizer.filter(|_| shape == Shape::Json);
        let objects = objects.and_then(|a| Some((a, serde_json::from_slice(&clean).ok()?)));
        let clean = match objects {
            Some((anonymizer, mut value)) => {
                anonymizer.value(&mut value);
                entry::to_lines(value)
            }
            None => self.without_names(clean),
        };
        self.finish(entry, Ok(Content::from_bytes(clean)));
    }

    fn problem(&self, problem: Problem) {
        self.hand_on(Done::Lost(problem.path, problem.detail));
    }
}
