//! The one thread that owns the bundle's writer, and the ledger that grows beside it.

use std::collections::BTreeSet;
use std::thread::JoinHandle;

use bundle::{BundleWriter, EntryPath, LedgerRow, Outcome, WriteError};
use tokio::sync::mpsc;

use crate::spool::Content;
use crate::stop::{Stop, StopReason};

/// How an item ended, with its content if there is any.
#[derive(Debug)]
pub struct Delivery {
    /// Its row; path and bytes are filled in when the content is written.
    pub row: LedgerRow,
    /// Where its content goes, and the content.
    pub content: Option<(EntryPath, Content)>,
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

impl Sink {
    /// Starts the thread. Without a writer, contents are dropped and rows kept: that is a dry
    /// run.
    pub fn start(writer: Option<BundleWriter>, stop: Stop) -> (Self, Writing) {
        let (sender, receiver) = mpsc::channel(WAITING);
        let thread = std::thread::spawn(move || write_all(writer, receiver, &stop));
        (Self(sender), Writing(thread))
    }

    /// Hands over how an item ended. Once the thread is gone, nobody is left to be told.
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

fn write_all(
    writer: Option<BundleWriter>,
    mut receiver: mpsc::Receiver<Delivery>,
    stop: &Stop,
) -> Written {
    let mut writer = Ok(writer);
    let mut ledger = Vec::new();
    let mut taken = BTreeSet::new();
    while let Some(Delivery { mut row, content }) = receiver.blocking_recv() {
        let written = match (&mut writer, content) {
            (Ok(Some(writer)), Some((path, content))) if taken.insert(path.clone()) => {
                let bytes = content.len();
                writer.append(&path, bytes, &mut content.reader()).map(|_| {
                    row.bytes = bytes;
                    row.path = Some(path);
                })
            }
            (Ok(Some(_)), Some((path, _))) => {
                row.outcome = Outcome::Failed;
                row.reason = Some(format!("another item already is at `{path}`"));
                Ok(())
            }
            (_, content) => {
                row.bytes = content.map_or(0, |(_, content)| content.len());
                Ok(())
            }
        };
        if let Err(e) = written {
            stop.set(StopReason::CannotWrite);
            writer = Err(e);
        }
        ledger.push(row);
    }
    Written { writer, ledger }
}
