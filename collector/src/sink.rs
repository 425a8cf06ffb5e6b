//! The one thread that owns the bundle's writer, and the ledger that grows beside it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bundle::layout::EntryKind;
use bundle::{BundleWriter, EntryPath, LedgerRow, Manifest, Outcome, SourceKind, WriteError};
use tokio::sync::mpsc;

use crate::budget::{Budget, Share};
use crate::spool::Content;
use crate::stop::{Stop, StopReason};

/// What the thread is told.
#[derive(Debug)]
pub enum Delivery {
    /// How an item ended. Path and bytes of the row are filled in when the content is written.
    Ended {
        /// Its row.
        row: Box<LedgerRow>,
        /// Where its content goes, and the content.
        content: Option<(EntryPath, Content)>,
        /// What of the budget is its own until it is written.
        share: Option<Share>,
    },
    /// All that is planned, as a checkpoint in which every row is skipped.
    Planned(Content),
}

/// Takes deliveries from any task, and holds them up when the writer has enough.
#[derive(Debug, Clone)]
pub struct Sink(mpsc::Sender<Delivery>);

/// The thread behind a [`Sink`].
#[derive(Debug)]
pub struct Writing(JoinHandle<Written>);

/// What the thread leaves behind.
#[derive(Debug)]
pub struct Written {
    /// The writer, unless it failed.
    pub writer: Result<Option<BundleWriter>, WriteError>,
    /// All rows in the order in which items ended.
    pub ledger: Vec<LedgerRow>,
}

/// Whole entries that wait for the writer. Each has at most its spool's memory with it.
const WAITING: usize = 16;

/// Rows, and time, after which the bundle is told how items ended that ended since the last
/// time. That is what it says if it is never finished.
const CHECKPOINT_ROWS: usize = 2000;
const CHECKPOINT_EVERY: Duration = Duration::from_secs(20);

/// What the thread works with.
#[derive(Debug)]
pub struct Desk {
    /// The writer; without one, contents are dropped and rows kept: that is a dry run.
    pub writer: Option<BundleWriter>,
    /// Rows of what is in the bundle already.
    pub ledger: Vec<LedgerRow>,
    /// A manifest without rows, for checkpoints.
    pub head: Manifest,
    /// What the bundle may take.
    pub budget: Arc<Budget>,
    /// Told when the writer can no longer write.
    pub stop: Stop,
}

impl Sink {
    /// Starts the thread.
    pub fn start(desk: Desk) -> (Self, Writing) {
        let (sender, receiver) = mpsc::channel(WAITING);
        let thread = std::thread::spawn(move || Thread::new(desk).run(receiver));
        (Self(sender), Writing(thread))
    }

    /// Hands something over. Once the thread is gone, nobody is left to be told.
    pub async fn deliver(&self, delivery: Delivery) {
        drop(self.0.send(delivery).await);
    }
}

impl Writing {
    /// Waits until everything delivered is written; every [`Sink`] must be gone.
    pub fn wait(self) -> Option<Written> {
        self.0.join().ok()
    }
}

struct Thread {
    writer: Result<Option<BundleWriter>, WriteError>,
    ledger: Vec<LedgerRow>,
    taken: BTreeSet<EntryPath>,
    head: Manifest,
    budget: Arc<Budget>,
    stop: Stop,
    /// Checkpoints written, rows in them, and when the last one was.
    checkpoints: u32,
    told: usize,
    last: Instant,
}

impl Thread {
    fn new(desk: Desk) -> Self {
        let taken = desk.ledger.iter().filter_map(|row| row.path.clone());
        Self {
            writer: Ok(desk.writer),
            taken: taken.collect(),
            told: 0,
            ledger: desk.ledger,
            head: desk.head,
            budget: desk.budget,
            stop: desk.stop,
            checkpoints: 0,
            last: Instant::now(),
        }
    }

    fn run(mut self, mut receiver: mpsc::Receiver<Delivery>) -> Written {
        while let Some(delivery) = receiver.blocking_recv() {
            let written = match delivery {
                Delivery::Ended {
                    row,
                    content,
                    share,
                } => {
                    let ended = self.end(*row, content);
                    drop(share);
                    ended
                }
                Delivery::Planned(content) => self.plan(&content),
            };
            if let Err(e) = written {
                self.stop.set(StopReason::CannotWrite);
                self.writer = Err(e);
            }
        }
        Written {
            writer: self.writer,
            ledger: self.ledger,
        }
    }

    fn end(
        &mut self,
        mut row: LedgerRow,
        content: Option<(EntryPath, Content)>,
    ) -> Result<(), WriteError> {
        let written = match (&mut self.writer, content) {
            (Ok(Some(writer)), Some((path, content))) => {
                let bytes = content.len();
                if let Err(trouble) = self.budget.admit(row.source, bytes) {
                    row.outcome = trouble.outcome;
                    row.reason = Some(trouble.reason);
                    Ok(())
                } else if self.taken.insert(path.clone()) {
                    let appended = append(writer, &path, &content, &self.budget);
                    appended.map(|()| {
                        row.bytes = bytes;
                        row.path = Some(path);
                        self.budget.note(row.source, bytes, writer.size());
                    })
                } else {
                    row.outcome = Outcome::Failed;
                    row.reason = Some(format!("another item already is at `{path}`"));
                    Ok(())
                }
            }
            (_, content) => {
                row.bytes = content.map_or(0, |(_, content)| content.len());
                Ok(())
            }
        };
        // Kept to the end, and there may be tens of thousands.
        row.object.shrink_to_fit();
        if let Some(reason) = &mut row.reason {
            reason.shrink_to_fit();
        }
        self.ledger.push(row);
        written?;
        let rows = self.ledger.len() - self.told;
        let is_due = rows >= CHECKPOINT_ROWS || self.last.elapsed() >= CHECKPOINT_EVERY;
        if self.checkpoints > 0 && is_due {
            return self.checkpoint();
        }
        Ok(())
    }

    /// Writes what is planned, and then how all of it ended that has ended.
    fn plan(&mut self, content: &Content) -> Result<(), WriteError> {
        self.write_checkpoint(content)?;
        self.checkpoint()
    }

    fn checkpoint(&mut self) -> Result<(), WriteError> {
        let new = self.ledger.get(self.told..).unwrap_or_default();
        self.head.ledger = new.to_vec();
        let json = serde_json::to_vec(&self.head).unwrap_or_default();
        self.head.ledger = Vec::new();
        self.told = self.ledger.len();
        self.write_checkpoint(&Content::from_bytes(json))
    }

    fn write_checkpoint(&mut self, content: &Content) -> Result<(), WriteError> {
        let number = self.checkpoints;
        let path = EntryKind::Checkpoint { number }.path();
        self.checkpoints += 1;
        self.last = Instant::now();
        let (Ok(Some(writer)), Some(path)) = (&mut self.writer, path) else {
            return Ok(());
        };
        writer.append(&path, content.len(), &mut content.reader())?;
        // It is of no use in memory.
        writer.flush()?;
        self.budget
            .note(SourceKind::Bundle, content.len(), writer.size());
        Ok(())
    }
}

fn append(
    writer: &mut BundleWriter,
    path: &EntryPath,
    content: &Content,
    budget: &Budget,
) -> Result<(), WriteError> {
    writer.append(path, content.len(), &mut content.reader())?;
    if budget.is_tight(writer.size()) {
        writer.flush()?;
    }
    Ok(())
}
