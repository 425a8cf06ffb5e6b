//! A body as it comes in.

use std::time::Duration;

use bundle::Outcome;
use http_body_util::BodyExt;
use hyper::body::{Body, Bytes};
use tokio::time::Instant;

use super::patience::Pace;
use super::{Cluster, Trouble, chain};

/// The bytes of an answer, one chunk after the other, as long as they come.
pub struct Incoming<'a, B> {
    cluster: &'a Cluster,
    body: B,
    pace: Pace,
}

impl<'a, B> Incoming<'a, B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: std::error::Error + 'static,
{
    /// The body of an answer that has begun. It has so many times the time of an item to end.
    pub fn new(cluster: &'a Cluster, body: B, times: u32) -> Self {
        let limit = cluster.limits.item_timeout;
        Self {
            cluster,
            body,
            pace: Pace::new(limit, limit.saturating_mul(times)),
        }
    }

    /// The next bytes; `None` at the end.
    ///
    /// # Errors
    /// [`Trouble`] when it breaks off, stalls, trickles or does not end.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Trouble> {
        let (begun, left) = (Instant::now(), self.pace.left());
        if left.is_zero() {
            return Err(self.late());
        }
        let next = next_data(&mut self.body);
        let next = self.cluster.patiently(left, "", next);
        let data = next.await.map_err(|trouble| match trouble.outcome {
            Outcome::TimedOut => self.late(),
            _ => trouble,
        })??;
        if let Some(data) = &data {
            self.pace.note(data.len(), begun);
        }
        Ok(data)
    }

    /// Leaves out time in which nobody wanted bytes.
    pub fn excuse(&mut self, time: Duration) {
        self.pace.excuse(time);
    }

    fn late(&self) -> Trouble {
        Trouble::new(Outcome::TimedOut, self.pace.complaint())
    }

    /// The next bytes of a stream that may be silent for long; `None` at its end, and when the
    /// moment has come.
    ///
    /// # Errors
    /// [`Trouble`] when it breaks off.
    pub async fn next_before(&mut self, moment: Instant) -> Result<Option<Bytes>, Trouble> {
        let left = moment.saturating_duration_since(Instant::now());
        let next = next_data(&mut self.body);
        match self.cluster.within(left, "", next).await {
            Err(trouble) if trouble.outcome == Outcome::TimedOut => Ok(None),
            next => next?,
        }
    }
}

/// The next bytes of a body, past frames that hold none.
async fn next_data<B>(body: &mut B) -> Result<Option<Bytes>, Trouble>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: std::error::Error + 'static,
{
    while let Some(frame) = body.frame().await {
        let frame =
            frame.map_err(|e| Trouble::failed(format!("the answer broke off: {}", chain(&e))))?;
        if let Ok(data) = frame.into_data() {
            return Ok(Some(data));
        }
    }
    Ok(None)
}
