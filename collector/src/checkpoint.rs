//! The first checkpoint: everything that will be asked for, as if collecting had ended now.

use bundle::{LedgerRow, Manifest, Outcome};

use crate::session::Item;
use crate::spool::{Content, Spool, SpoolFolder};

/// What stands for the rows in a manifest that has none.
const NO_ROWS: &str = "\"ledger\":[";

/// Rows of planned items, which may be too many to be kept in memory.
#[derive(Debug)]
pub struct Planned {
    spools: SpoolFolder,
    spool: Spool,
    tail: String,
    is_empty: bool,
    is_told: bool,
}

impl Planned {
    /// No rows, behind `head`, a manifest without any.
    pub fn new(head: &Manifest, spools: &SpoolFolder) -> Self {
        let head = serde_json::to_string(head).unwrap_or_default();
        let at = head
            .find(NO_ROWS)
            .map_or(head.len(), |at| at + NO_ROWS.len());
        let (before, after) = head.split_at(at);
        let mut planned = Self {
            spools: spools.clone(),
            spool: spools.spool(),
            tail: after.to_owned(),
            is_empty: true,
            is_told: false,
        };
        planned.write(before);
        planned
    }

    /// Adds an item, unless the plan has been told.
    pub fn add(&mut self, item: &Item) {
        if self.is_told {
            return;
        }
        let row = LedgerRow {
            source: item.source,
            object: item.object.clone(),
            outcome: Outcome::Skipped,
            reason: Some("collecting ended before it was captured".to_owned()),
            bytes: 0,
            path: None,
            at: None,
            duration_ms: None,
            status: None,
            items: None,
            via: None,
        };
        if !self.is_empty {
            self.write(",");
        }
        self.is_empty = false;
        self.write(&serde_json::to_string(&row).unwrap_or_default());
    }

    /// All rows so far as the bytes of a manifest.
    pub fn take(&mut self) -> Content {
        self.is_told = true;
        let tail = std::mem::take(&mut self.tail);
        self.write(&tail);
        std::mem::replace(&mut self.spool, self.spools.spool()).finish()
    }

    /// A disk that is full ends the bundle elsewhere; a checkpoint that is cut is passed over.
    fn write(&mut self, text: &str) {
        self.spool.write(text.as_bytes()).unwrap_or_default();
    }
}
