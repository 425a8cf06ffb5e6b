//! Why and when collecting ends early: the total deadline, an interrupt, a full disk.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

/// Why collecting ends early.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StopReason {
    /// `--timeout` is over.
    Deadline(Duration),
    /// The user asked for it.
    Interrupted,
    /// The bundle can no longer be written.
    CannotWrite,
    /// The API server can no longer be reached.
    NoServer,
}

impl std::fmt::Display for StopReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Deadline(limit) => {
                write!(f, "the total time limit of {} s was over", limit.as_secs())
            }
            Self::Interrupted => f.write_str("collecting was interrupted"),
            Self::CannotWrite => f.write_str("the bundle could no longer be written"),
            Self::NoServer => f.write_str("the API server could no longer be reached"),
        }
    }
}

/// Tells everybody at once that collecting ends. Clones share one state; the first reason stays.
#[derive(Debug, Clone)]
pub struct Stop(Arc<watch::Sender<Option<StopReason>>>);

impl Default for Stop {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(None)))
    }
}

impl Stop {
    /// Ends collecting.
    pub fn set(&self, reason: StopReason) {
        self.0.send_if_modified(|current| {
            let is_first = current.is_none();
            current.get_or_insert(reason);
            is_first
        });
    }

    /// Why collecting ends, if it does.
    pub fn reason(&self) -> Option<StopReason> {
        self.0.borrow().clone()
    }

    /// Waits until collecting ends.
    pub async fn wait(&self) -> StopReason {
        let mut changes = self.0.subscribe();
        loop {
            if let Some(reason) = changes.borrow_and_update().clone() {
                return reason;
            }
            if changes.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }
}
