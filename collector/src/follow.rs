//! Streams that stay open for a window, beside the queue: a log that is followed would hold one
//! of its few places all the while.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::journal::Journal;

/// Logs that are followed at once at most: each is a connection and some memory. Those beyond
/// are taken when the window is over.
const STREAMS: usize = 128;

/// The streams of one run.
pub struct Followers {
    places: Arc<Semaphore>,
    window: Option<Duration>,
    end: OnceLock<Instant>,
    streams: Mutex<Vec<BoxFuture<'static, ()>>>,
}

/// A place among the streams, which is free again when this is dropped.
#[derive(Debug)]
pub struct Place(#[expect(dead_code, reason = "held, not read")] OwnedSemaphorePermit);

impl Followers {
    /// Streams over a window that opens with the first look at [`Self::end`]; none without one.
    pub fn new(window: Option<Duration>) -> Self {
        Self {
            places: Arc::new(Semaphore::new(STREAMS)),
            window,
            end: OnceLock::new(),
            streams: Mutex::default(),
        }
    }

    /// When the window closes; `None` if nothing is followed.
    pub fn end(&self) -> Option<Instant> {
        let window = self.window?;
        Some(*self.end.get_or_init(|| Instant::now() + window))
    }

    /// A place, if there is one left.
    pub fn place(&self) -> Option<Place> {
        let places = Arc::clone(&self.places);
        places.try_acquire_owned().ok().map(Place)
    }

    /// Adds a stream, which begins with [`Self::run`]: only when all are known is it known what
    /// of the budget each may have.
    pub fn add(&self, stream: impl Future<Output = ()> + Send + 'static) {
        let mut streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        streams.push(Box::pin(stream));
    }

    /// Runs all streams to their ends.
    pub async fn run(&self, journal: &Journal) {
        let streams = {
            let mut streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *streams)
        };
        let mut running: JoinSet<()> = streams.into_iter().collect();
        while let Some(ended) = running.join_next().await {
            if let Err(e) = ended {
                journal.note("error", &format!("a stream ended: {e}"));
            }
        }
    }
}
