//! What all sources share while a cluster is collected from, and the one way in which an item
//! comes to its row in the ledger.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bundle::layout::EntryKind;
use bundle::{LedgerRow, Outcome, SourceKind};
use jiff::Timestamp;
use tokio::time::Instant;

use crate::budget::{Budget, Share};
use crate::checkpoint::Planned;
use crate::cluster::{Cluster, Trouble};
use crate::follow::Followers;
use crate::journal::Journal;
use crate::mesh::{Failing, Mesh};
use crate::nodes::Nodes;
use crate::plan::{Plan, Window};
use crate::progress::Progress;
use crate::queue::Queue;
use crate::redact::{Counts, redact_line};
use crate::resume::Kept;
use crate::sink::{Delivery, Sink};
use crate::spool::{Content, SpoolFolder};
use crate::stop::Stop;

/// One run against one cluster.
pub struct Session {
    /// What to do.
    pub plan: Plan,
    /// Whom to ask.
    pub cluster: Cluster,
    /// Where entries wait until they are whole.
    pub spools: SpoolFolder,
    /// Whether to end.
    pub stop: Stop,
    /// Which kubelets are worth asking.
    pub nodes: Nodes,
    /// What is still to be done.
    pub queue: Arc<Queue>,
    /// What stays open meanwhile.
    pub followers: Followers,
    /// The time that log lines and events are taken from.
    pub window: Window,
    /// What the bundle may take.
    pub budget: Arc<Budget>,
    /// What is there already.
    pub kept: Kept,
    /// What the user sees.
    pub progress: Progress,
    /// What the bundle's reader sees of the run.
    pub journal: Journal,
    /// Where items go.
    pub sink: Sink,
    /// What the lists told about the mesh.
    pub mesh: Mutex<Mesh>,
    /// What will be asked for: rows for the first checkpoint.
    pub planned: Mutex<Planned>,
    /// What scrapes told about failing edges.
    pub failing: Mutex<Failing>,
    /// What redaction took out.
    pub redactions: Mutex<Counts>,
}

/// An item of the plan.
#[derive(Debug, Clone)]
pub struct Item {
    /// What kind of thing it is.
    pub source: SourceKind,
    /// Which one.
    pub object: String,
    /// Where it goes.
    pub entry: Option<EntryKind>,
}

impl Item {
    /// An item that becomes an entry.
    pub fn new(entry: EntryKind, object: impl Into<String>) -> Self {
        Self {
            source: entry.source().unwrap_or(SourceKind::Bundle),
            object: object.into(),
            entry: Some(entry),
        }
    }
}

/// What was captured of an item.
#[derive(Debug)]
pub struct Captured {
    /// The redacted bytes.
    pub content: Content,
    /// Objects in it, if it is a list.
    pub items: Option<u64>,
    /// HTTP status of the answer, where it says something.
    pub status: Option<u16>,
    /// The way it came, where there is more than one.
    pub via: Option<&'static str>,
    /// What is to be known of it though it is all there is.
    pub note: Option<String>,
    /// Why it is not all there is.
    pub cut: Option<String>,
    /// What of the budget is its own until it is written.
    pub share: Option<Share>,
}

impl Captured {
    /// All of an item, and no more to say about it.
    pub fn whole(content: Content) -> Self {
        Self {
            content,
            items: None,
            status: None,
            via: None,
            note: None,
            cut: None,
            share: None,
        }
    }
}

/// When an item was begun.
#[derive(Debug, Clone, Copy)]
pub struct Begun {
    at: Timestamp,
    clock: Instant,
}

impl Begun {
    /// Now.
    pub fn now() -> Self {
        Self {
            at: Timestamp::now(),
            clock: Instant::now(),
        }
    }

    /// The row of an item that ends now, as if all were well.
    fn row(self, item: &Item) -> LedgerRow {
        LedgerRow {
            source: item.source,
            object: item.object.clone(),
            outcome: Outcome::Complete,
            reason: None,
            bytes: 0,
            path: None,
            at: Some(self.at),
            duration_ms: u64::try_from(self.clock.elapsed().as_millis()).ok(),
            status: None,
            items: None,
            via: None,
        }
    }
}

impl Session {
    /// Runs the capture of an item to its end and delivers it. Says whether anything of it is
    /// in the bundle.
    pub async fn capture(
        &self,
        item: Item,
        capture: impl Future<Output = Result<Captured, Trouble>>,
    ) -> bool {
        if self.kept.has(&item) {
            return true;
        }
        let begun = Begun::now();
        let result = if let Some(reason) = self.stop.reason() {
            Err(Trouble::stopped(&reason))
        } else {
            let name = format!("{} {}", item.source, item.object);
            let _shown = self.progress.begin(name);
            capture.await
        };
        self.deliver(item, begun, result).await
    }

    /// Delivers an item whose end is known.
    pub async fn deliver(
        &self,
        item: Item,
        begun: Begun,
        result: Result<Captured, Trouble>,
    ) -> bool {
        let mut row = begun.row(&item);
        let mut share = None;
        let content = match result {
            Ok(captured) => {
                share = captured.share;
                row.status = captured.status;
                row.items = captured.items;
                row.via = captured.via.map(str::to_owned);
                if captured.cut.is_some() {
                    row.outcome = Outcome::Truncated;
                }
                row.reason = match (captured.note, captured.cut) {
                    (Some(note), Some(cut)) => Some(format!("{cut}; {note}")),
                    (note, cut) => cut.or(note),
                };
                Some(captured.content)
            }
            Err(trouble) => {
                row.outcome = trouble.outcome;
                row.status = trouble.status;
                row.reason = Some(trouble.reason);
                None
            }
        };
        if let Some(reason) = &mut row.reason {
            let mut counts = Counts::default();
            redact_line(reason, &mut counts);
            self.count(&counts);
        }
        let path = item.entry.as_ref().and_then(EntryKind::path);
        let content = match (content, path) {
            (Some(content), Some(path)) => Some((path, content)),
            (Some(_), None) => {
                row.outcome = Outcome::Failed;
                row.reason = Some("its name cannot stand in a path".to_owned());
                None
            }
            (None, _) => None,
        };
        let is_there = content.is_some();
        self.progress.end(row.outcome);
        let delivery = Delivery::Ended {
            row: Box::new(row),
            content,
            share,
        };
        self.sink.deliver(delivery).await;
        is_there
    }

    /// Records an item that is not even tried.
    pub async fn leave_out(&self, item: Item, trouble: Trouble) {
        if self.kept.has(&item) {
            return;
        }
        self.deliver(item, Begun::now(), Err(trouble)).await;
    }

    /// Notes an item that is about to be queued.
    pub fn intend(&self, item: &Item) {
        if self.kept.has(item) || self.plan.dry_run {
            return;
        }
        let mut planned = self.planned.lock().unwrap_or_else(PoisonError::into_inner);
        planned.add(item);
    }

    /// Tells the bundle what will be asked for.
    pub async fn tell_plan(&self) {
        let planned = {
            let mut planned = self.planned.lock().unwrap_or_else(PoisonError::into_inner);
            planned.take()
        };
        self.sink.deliver(Delivery::Planned(planned)).await;
    }

    /// Adds to the counts of redaction.
    pub fn count(&self, counts: &Counts) {
        let mut all = self
            .redactions
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        all.merge(counts);
    }

    /// What scrapes told so far.
    pub fn failing(&self) -> MutexGuard<'_, Failing> {
        self.failing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the lists told so far.
    pub fn mesh(&self) -> MutexGuard<'_, Mesh> {
        self.mesh.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
