//! Bytes that stall, break off or drip.

use std::time::Duration;

use axum::body::Bytes;
use futures::{Stream, StreamExt as _};

use super::effect::Flow;

/// A dripping valve opens this often in a second.
const DRIPS_PER_SECOND: u64 = 10;

/// How long the last bytes before a drop have to leave.
const LAST_WORDS: Duration = Duration::from_millis(20);

/// The connection has to be closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the connection is dropped, as the faults file says")]
pub(crate) struct Dropped;

/// What bytes go through on their way to a client.
#[derive(Debug, Clone)]
pub(crate) struct Valve {
    flow: Flow,
    passed: u64,
}

impl Valve {
    pub(super) fn of(flow: Flow) -> Self {
        Self { flow, passed: 0 }
    }

    /// Whether nothing more will come through.
    pub(crate) fn is_stalled(&self) -> bool {
        matches!(self.flow, Flow::StallAfter(most) if self.passed >= most)
    }

    /// Takes from the front of some bytes what may go through now; empty once it has stalled.
    ///
    /// # Errors
    /// When the connection has to be closed.
    pub(crate) async fn pass(&mut self, bytes: &mut Bytes) -> Result<Bytes, Dropped> {
        let most = match self.flow {
            Flow::StallAfter(most) => most.saturating_sub(self.passed),
            Flow::DropAfter(most) if self.passed >= most => return Err(last_words().await),
            Flow::DropAfter(most) => most - self.passed,
            Flow::Drip(per_second) => drip(per_second).await,
        };
        let length = usize::try_from(most).unwrap_or(usize::MAX).min(bytes.len());
        self.passed = self
            .passed
            .saturating_add(u64::try_from(length).unwrap_or(u64::MAX));
        Ok(bytes.split_to(length))
    }

    /// A body that goes through the valve.
    pub(super) fn over<E>(
        self,
        body: impl Stream<Item = Result<Bytes, E>> + Send + 'static,
    ) -> impl Stream<Item = Result<Bytes, Dropped>> + Send
    where
        E: Send + 'static,
    {
        let state = (self, Box::pin(body), Bytes::new());
        futures::stream::try_unfold(state, |(mut valve, mut body, mut held)| async move {
            if valve.is_stalled() {
                std::future::pending::<()>().await;
            }
            while held.is_empty() {
                match body.next().await {
                    Some(Ok(bytes)) => held = bytes,
                    Some(Err(_)) => return Err(Dropped),
                    None => return valve.end().await,
                }
            }
            let piece = valve.pass(&mut held).await?;
            Ok(Some((piece, (valve, body, held))))
        })
    }

    /// The end of a body: one that is shorter than what may go through ends as the fault says.
    async fn end<T>(&self) -> Result<Option<T>, Dropped> {
        match self.flow {
            Flow::StallAfter(_) => std::future::pending().await,
            Flow::DropAfter(_) => Err(last_words().await),
            Flow::Drip(_) => Ok(None),
        }
    }
}

/// Lets what has passed get out before the connection is dropped, which would take it along.
async fn last_words() -> Dropped {
    tokio::time::sleep(LAST_WORDS).await;
    Dropped
}

/// Waits for the next drip; tells how many bytes it has.
async fn drip(per_second: u64) -> u64 {
    // Fewer than ten bytes in a second come one by one.
    let bytes = (per_second / DRIPS_PER_SECOND).max(1);
    let wait = Duration::from_secs(bytes) / u32::try_from(per_second).unwrap_or(u32::MAX);
    tokio::time::sleep(wait).await;
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn collected(flow: Flow) -> (Vec<u8>, Result<(), Dropped>) {
        let pieces = [Bytes::from_static(b"one "), Bytes::from_static(b"two")];
        let pieces = futures::stream::iter(pieces.map(Ok::<_, Dropped>));
        let mut out = Vec::new();
        let mut body = Box::pin(Valve::of(flow).over(pieces));
        while let Some(piece) = body.next().await {
            match piece {
                Ok(piece) => out.extend_from_slice(&piece),
                Err(dropped) => return (out, Err(dropped)),
            }
        }
        (out, Ok(()))
    }

    #[tokio::test]
    async fn a_dropped_body_has_exactly_so_many_bytes() {
        let dropped = collected(Flow::DropAfter(5)).await;
        assert_eq!(dropped, (b"one t".to_vec(), Err(Dropped)));
        let dropped = collected(Flow::DropAfter(500)).await;
        assert_eq!(dropped, (b"one two".to_vec(), Err(Dropped)));
    }

    #[tokio::test]
    async fn a_dripping_body_is_whole() {
        let dripped = collected(Flow::Drip(1000)).await;
        assert_eq!(dripped, (b"one two".to_vec(), Ok(())));
    }

    #[tokio::test]
    async fn a_stalled_valve_lets_nothing_more_through() {
        let mut valve = Valve::of(Flow::StallAfter(5));
        let mut bytes = Bytes::from_static(b"one two");
        assert_eq!(valve.pass(&mut bytes).await.unwrap(), "one t");
        assert!(valve.is_stalled());
        assert_eq!(valve.pass(&mut bytes).await.unwrap(), "");
    }
}
