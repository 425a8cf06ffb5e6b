//! Streams that stay open for a window, beside the queue: a log that is followed would hold one
//! of its few workers all the while.

use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::journal::Journal;

/// Logs that are followed at once at most: each is a connection and some memory. Those beyond
/// are taken when the window is over.
const STREAMS: usize = 128;

/// The streams of one run.
#[derive(Debug)]
pub struct Followers {
    places: std::sync::Arc<Semaphore>,
    window: Option<Duration>,
    end: OnceLock<Instant>,
    tasks: Mutex<JoinSet<()>>,
}

/// A place among the streams, which is free again when this is dropped.
#[derive(Debug)]
pub struct Place(#[expect(dead_code, reason = "held, not read")] OwnedSemaphorePermit);

impl Followers {
    /// Streams over a window that opens with the first look at [`Self::end`]; none without one.
    pub fn new(window: Option<Duration>) -> Self {
        Self {
            places: std::sync::Arc::new(Semaphore::new(STREAMS)),
            window,
            end: OnceLock::new(),
            tasks: Mutex::default(),
        }
    }

    /// When the window closes; `None` if nothing is followed.
    pub fn end(&self) -> Option<Instant> {
        let window = self.window?;
        Some(*self.end.get_or_init(|| Instant::now() + window))
    }

    /// A place, if there is one left.
    pub fn place(&self) -> Option<Place> {
        let places = std::sync::Arc::clone(&self.places);
        places.try_acquire_owned().ok().map(Place)
    }

    /// Lets a stream run.
    pub fn spawn(&self, stream: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        tasks.spawn(stream);
    }

    /// Waits for all streams.
    pub async fn wait(&self, journal: &Journal) {
        let mut tasks = {
            let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *tasks)
        };
        while let Some(ended) = tasks.join_next().await {
            if let Err(e) = ended {
                journal.note("error", &format!("a stream ended: {e}"));
            }
        }
    }
}
