//! How many requests are at work at once, and what it means to only wait for one.
//!
//! A request for something behind a kubelet (a log, a port) that has had no byte for a while
//! costs nobody anything but a connection: the API server does not count it against its own
//! limits either. It lends its place to another request until a byte comes, so that nodes that do
//! not answer cannot hold up those that do.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Notify;

/// Places for requests, shared by who starts them and who waits for their answers.
#[derive(Debug)]
pub struct Slots {
    in_flight: usize,
    waiting: AtomicUsize,
    /// Told whenever there may be room for another job.
    pub changed: Notify,
}

impl Slots {
    /// As many places as requests may be at work.
    pub fn new(in_flight: usize) -> Self {
        Self {
            in_flight,
            waiting: AtomicUsize::new(0),
            changed: Notify::new(),
        }
    }

    /// Jobs that may be begun and not ended: those at work, and twice as many that only wait.
    pub fn most(&self) -> usize {
        self.in_flight * 3
    }

    /// Whether another job may begin while `running` are not yet ended.
    pub fn has_room(&self, running: usize) -> bool {
        let waiting = self.waiting.load(Ordering::Relaxed);
        running.saturating_sub(waiting) < self.in_flight && running < self.most()
    }

    /// Waits for `future`; while it takes longer than `patience`, its place is lent to another.
    pub async fn lending<T>(&self, patience: Duration, future: impl Future<Output = T>) -> T {
        tokio::pin!(future);
        if let Ok(done) = tokio::time::timeout(patience, &mut future).await {
            return done;
        }
        let _lent = Lent::new(self);
        future.await
    }
}

/// A place that is lent until this is dropped.
struct Lent<'a>(&'a Slots);

impl<'a> Lent<'a> {
    fn new(slots: &'a Slots) -> Self {
        slots.waiting.fetch_add(1, Ordering::Relaxed);
        slots.changed.notify_one();
        Self(slots)
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_only_waits_makes_room_until_the_answer_comes() {
        let slots = Slots::new(1);
        assert!(slots.has_room(0) && !slots.has_room(1));
        let (sender, receiver) = tokio::sync::oneshot::channel::<()>();
        let waiting = slots.lending(Duration::ZERO, receiver);
        tokio::pin!(waiting);
        assert!(futures::poll!(&mut waiting).is_pending());
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert!(futures::poll!(&mut waiting).is_pending());
        assert!(slots.has_room(1) && !slots.has_room(2));
        sender.send(()).unwrap();
        waiting.await.unwrap();
        assert!(!slots.has_room(1));
    }
}
