//! Hands what one thread decodes to the other threads.
//!
//! A tar.gz without an index is a single stream. One thread inflates it and sends copies of its
//! blocks through a bounded channel; the others scan and parse.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use bundle::{Block, EntryInfo, Interest, Problem, Visitor};

enum Item {
    Block {
        entry: Arc<EntryInfo>,
        bytes: Vec<u8>,
        offset: u64,
        first_line: u64,
        flags: (bool, bool),
    },
    Whole {
        entry: Arc<EntryInfo>,
        bytes: Vec<u8>,
    },
}

/// A visitor that sends copies instead of doing the work itself.
pub(super) struct Relay<'a> {
    visitor: &'a dyn Visitor,
    sender: SyncSender<Item>,
}

/// The other end of a [`Relay`].
#[derive(Clone)]
pub(super) struct Work(Arc<Mutex<Receiver<Item>>>);

impl<'a> Relay<'a> {
    /// A relay to `visitor` that holds at most `bound` items.
    pub(super) fn new(visitor: &'a dyn Visitor, bound: usize) -> (Self, Work) {
        let (sender, receiver) = sync_channel(bound);
        (
            Self { visitor, sender },
            Work(Arc::new(Mutex::new(receiver))),
        )
    }

    /// Sends an item, or does its work here if nobody takes it any more.
    fn send(&self, item: Item) {
        if let Err(unsent) = self.sender.send(item) {
            deliver(unsent.0, self.visitor);
        }
    }
}

impl Work {
    /// Takes items until the relay is gone.
    pub(super) fn run(&self, visitor: &dyn Visitor) {
        loop {
            let item = self.0.lock().unwrap_or_else(PoisonError::into_inner).recv();
            match item {
                Ok(item) => deliver(item, visitor),
                Err(_) => return,
            }
        }
    }
}

fn deliver(item: Item, visitor: &dyn Visitor) {
    match item {
        Item::Whole { entry, bytes } => visitor.whole(&entry, bytes),
        Item::Block {
            entry,
            bytes,
            offset,
            first_line,
            flags: (starts_mid_line, is_last),
        } => {
            let block = Block {
                bytes: &bytes,
                offset,
                first_line,
                starts_mid_line,
                is_last,
            };
            visitor.block(&entry, block);
        }
    }
}

impl Visitor for Relay<'_> {
    fn interest(&self, entry: &EntryInfo) -> Interest {
        self.visitor.interest(entry)
    }

    fn block(&self, entry: &Arc<EntryInfo>, block: Block<'_>) {
        // In order means on one thread: this one.
        if self.visitor.interest(entry) == Interest::Ordered {
            self.visitor.block(entry, block);
            return;
        }
        self.send(Item::Block {
            entry: Arc::clone(entry),
            bytes: block.bytes.to_vec(),
            offset: block.offset,
            first_line: block.first_line,
            flags: (block.starts_mid_line, block.is_last),
        });
    }

    fn whole(&self, entry: &Arc<EntryInfo>, bytes: Vec<u8>) {
        self.send(Item::Whole {
            entry: Arc::clone(entry),
            bytes,
        });
    }

    fn problem(&self, problem: Problem) {
        self.visitor.problem(problem);
    }
}
