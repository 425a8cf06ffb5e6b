//! A body as it comes in.

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
    /// The body of an answer that has begun.
    pub fn new(cluster: &'a Cluster, body: B) -> Self {
        Self {
            cluster,
            body,
            pace: Pace::new(cluster.limits.item_timeout),
        }
    }

    /// The next bytes; `None` at the end.
    ///
    /// # Errors
    /// [`Trouble`] when it breaks off, stalls or trickles.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Trouble> {
        loop {
            let begun = Instant::now();
            let next = self
                .cluster
                .patiently(self.pace.left(), "", self.body.frame());
            let frame = next.await.map_err(|trouble| match trouble.outcome {
                Outcome::TimedOut => Trouble::new(Outcome::TimedOut, self.pace.complaint()),
                _ => trouble,
            })?;
            match frame {
                None => return Ok(None),
                Some(Err(e)) => {
                    let reason = format!("the answer broke off: {}", chain(&e));
                    return Err(Trouble::failed(reason));
                }
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        self.pace.note(data.len(), begun);
                        return Ok(Some(data));
                    }
                }
            }
        }
    }
}
