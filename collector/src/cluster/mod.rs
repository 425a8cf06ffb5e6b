//! The client: requests, pages, streams and ports, each within its time-out and with the API
//! server's wish to be left alone obeyed. What is asked for is the business of `sources`.

mod connect;
mod forward;
mod tls;
mod trouble;

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bundle::Outcome;
use http::header::{ACCEPT, CONTENT_TYPE, DATE, RETRY_AFTER, SERVER};
use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Bytes;
use jiff::Timestamp;
use kube::Client;
use kube::client::Body;
use serde_json::Value;
use tokio::time::Instant;

pub use connect::{ConnectError, Connected, connect};
pub use forward::{AdminConnection, Answer, Tunnel};
pub use tls::presented_chain;
pub use trouble::{Trouble, chain};

use crate::plan::Limits;
use crate::stop::Stop;

/// Bytes of an answer that says what went wrong.
const ERROR_BYTES: usize = 64 << 10;

/// How long to wait before a broken connection is opened anew.
const RECONNECT: Duration = Duration::from_millis(250);

/// The API server's clock, as its first answer told it.
#[derive(Debug, Clone)]
pub struct ServerDate {
    /// The `Date` header as it was sent.
    pub header: String,
    /// Our clock when it came.
    pub seen_at: Timestamp,
    /// Whether the answer came from `linkerd-replay`, whose clock stands still at the capture.
    pub is_replay: bool,
}

/// A cluster that can be asked.
pub struct Cluster {
    client: Client,
    limits: Limits,
    stop: Stop,
    /// Until when the API server asked not to be bothered.
    pause_until: Mutex<Option<Instant>>,
    date: Mutex<Option<ServerDate>>,
}

impl Cluster {
    /// A cluster reached through `client`.
    pub fn new(client: Client, limits: Limits, stop: Stop) -> Self {
        Self {
            client,
            limits,
            stop,
            pause_until: Mutex::new(None),
            date: Mutex::new(None),
        }
    }

    /// The same cluster for what must be done after collecting has ended: nothing stops its
    /// requests but their own time-out.
    #[must_use]
    pub fn unstoppable(&self, item_timeout: Duration) -> Self {
        let limits = Limits {
            item_timeout,
            ..self.limits.clone()
        };
        Self::new(self.client.clone(), limits, Stop::default())
    }

    /// The limits that its requests keep.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The clock of the API server, once it has answered anything.
    pub fn server_date(&self) -> Option<ServerDate> {
        self.date
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Waits for `future` within the item time-out, and not after collecting has ended.
    ///
    /// # Errors
    /// [`Trouble`] when the time is over or collecting ends.
    pub async fn bounded<T>(
        &self,
        what: &str,
        future: impl Future<Output = T>,
    ) -> Result<T, Trouble> {
        let limit = self.limits.item_timeout;
        tokio::select! {
            biased;
            reason = self.stop.wait() => Err(Trouble::stopped(&reason)),
            answer = tokio::time::timeout(limit, future) => answer.map_err(|_| {
                let reason = format!("{what} within {} s", limit.as_secs_f64());
                Trouble::new(Outcome::TimedOut, reason)
            }),
        }
    }

    /// Waits for a moment, and not after collecting has ended.
    ///
    /// # Errors
    /// [`Trouble`] when collecting ends.
    pub async fn wait_until(&self, moment: Instant) -> Result<(), Trouble> {
        tokio::select! {
            reason = self.stop.wait() => Err(Trouble::stopped(&reason)),
            () = tokio::time::sleep_until(moment) => Ok(()),
        }
    }

    /// Sends a GET and returns the answer once it is known to be a success.
    ///
    /// # Errors
    /// [`Trouble`] for everything else.
    pub async fn get(&self, path: &str, accept: &str) -> Result<Response<Body>, Trouble> {
        let request = || {
            Request::builder()
                .method(Method::GET)
                .uri(path)
                .header(ACCEPT, accept)
                .body(Body::empty())
        };
        self.send(request).await
    }

    /// Reads an answer as JSON.
    ///
    /// # Errors
    /// [`Trouble`] when there is none, or it is no JSON.
    pub async fn get_json(&self, path: &str) -> Result<Value, Trouble> {
        let answer = self.get(path, "application/json").await?;
        let bytes = self.read_body(answer, self.limits.answer_bytes).await?;
        parse(&bytes)
    }

    /// Sends JSON and reads the answer as JSON.
    ///
    /// # Errors
    /// [`Trouble`] when there is no answer, or it is no JSON.
    pub async fn post_json(&self, path: &str, body: &Value) -> Result<Value, Trouble> {
        let body = body.to_string();
        let request = || {
            Request::builder()
                .method(Method::POST)
                .uri(path)
                .header(ACCEPT, "application/json")
                .header(CONTENT_TYPE, "application/json")
                .body(Body::from(body.clone().into_bytes()))
        };
        let answer = self.send(request).await?;
        let bytes = self.read_body(answer, self.limits.answer_bytes).await?;
        parse(&bytes)
    }

    /// Reads a whole body of at most `limit` bytes.
    ///
    /// # Errors
    /// [`Trouble`] when it breaks off, stalls or is larger.
    pub async fn read_body(
        &self,
        answer: Response<Body>,
        limit: usize,
    ) -> Result<Vec<u8>, Trouble> {
        let mut body = answer.into_body();
        let mut bytes = Vec::new();
        while let Some(chunk) = self.next_chunk(&mut body).await? {
            if bytes.len() + chunk.len() > limit {
                return Err(Trouble::failed(format!(
                    "the answer has more than {limit} bytes"
                )));
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    }

    /// The next bytes of a stream; `None` at its end.
    ///
    /// # Errors
    /// [`Trouble`] when it breaks off or stalls.
    pub async fn next_chunk(&self, body: &mut Body) -> Result<Option<Bytes>, Trouble> {
        self.bounded("no further byte came", next_data(body))
            .await?
    }

    /// The next bytes of a stream that may be silent for long; `None` at its end, and when the
    /// moment has come.
    ///
    /// # Errors
    /// [`Trouble`] when it breaks off.
    pub async fn next_chunk_before(
        &self,
        body: &mut Body,
        moment: Instant,
    ) -> Result<Option<Bytes>, Trouble> {
        tokio::select! {
            biased;
            reason = self.stop.wait() => Err(Trouble::stopped(&reason)),
            data = tokio::time::timeout_at(moment, next_data(body)) => data.unwrap_or(Ok(None)),
        }
    }

    /// Sends a GET and reads the answer whatever its status: that of a pod behind the API
    /// server's proxy. The API server's own refusals are trouble.
    ///
    /// # Errors
    /// [`Trouble`] when no answer came, or none of the pod's.
    pub async fn get_proxied(&self, path: &str) -> Result<Answer, Trouble> {
        let request = || Request::get(path).header(ACCEPT, "*/*").body(Body::empty());
        let answer = self.send_any(request).await?;
        let status = answer.status();
        let body = self.read_body(answer, self.limits.answer_bytes).await?;
        let kind = serde_json::from_slice::<Value>(&body).ok();
        let is_status = kind.is_some_and(|v| v.get("kind").is_some_and(|k| k == "Status"));
        if is_status && !status.is_success() {
            return Err(Trouble::from_answer(status, &body));
        }
        Ok(Answer { status, body })
    }

    async fn send(
        &self,
        request: impl Fn() -> Result<Request<Body>, http::Error>,
    ) -> Result<Response<Body>, Trouble> {
        let answer = self.send_any(request).await?;
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        let body = self.read_body(answer, ERROR_BYTES).await;
        Err(Trouble::from_answer(status, &body.unwrap_or_default()))
    }

    /// Sends a request until it is no longer put off.
    async fn send_any(
        &self,
        request: impl Fn() -> Result<Request<Body>, http::Error>,
    ) -> Result<Response<Body>, Trouble> {
        let mut attempt = 1;
        loop {
            self.wait_for_pause().await?;
            let request = request().map_err(|e| Trouble::failed(e.to_string()))?;
            let answer = self.bounded("no answer came", self.client.send(request));
            let wait = match answer.await? {
                Ok(answer) => {
                    self.note_date(&answer);
                    match put_off(&answer, attempt) {
                        Some(wait) if attempt < self.limits.attempts => wait,
                        _ => return Ok(answer),
                    }
                }
                // A connection that broke says nothing about the next.
                Err(_) if attempt == 1 => RECONNECT,
                Err(e) => return Err(Trouble::failed(chain(&e))),
            };
            self.pause(wait);
            attempt += 1;
        }
    }

    /// Holds all requests back, since it is the whole server that has too much to do.
    fn pause(&self, wait: Duration) {
        let until = Instant::now() + wait;
        let mut pause = self
            .pause_until
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *pause = Some(pause.map_or(until, |p| p.max(until)));
    }

    async fn wait_for_pause(&self) -> Result<(), Trouble> {
        let pause = *self
            .pause_until
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let Some(until) = pause.filter(|until| *until > Instant::now()) else {
            return Ok(());
        };
        // Everybody waits for the same moment; without a spread all would come at once.
        let jitter = Duration::from_millis(fastrand::u64(0..250));
        self.wait_until(until + jitter).await
    }

    fn note_date<B>(&self, answer: &Response<B>) {
        let header = answer.headers().get(DATE).and_then(|d| d.to_str().ok());
        let server = answer.headers().get(SERVER);
        let mut date = self.date.lock().unwrap_or_else(PoisonError::into_inner);
        if let (None, Some(header)) = (date.as_ref(), header) {
            *date = Some(ServerDate {
                header: header.to_owned(),
                seen_at: Timestamp::now(),
                is_replay: server.is_some_and(|s| s.as_bytes().starts_with(b"linkerd-replay")),
            });
        }
    }
}

/// The next bytes of a body, past frames that hold none.
async fn next_data(body: &mut Body) -> Result<Option<Bytes>, Trouble> {
    while let Some(frame) = body.frame().await {
        let frame =
            frame.map_err(|e| Trouble::failed(format!("the answer broke off: {}", chain(&e))))?;
        if let Ok(data) = frame.into_data() {
            return Ok(Some(data));
        }
    }
    Ok(None)
}

/// How long the server wants to be left alone, if it does.
fn put_off<B>(answer: &Response<B>, attempt: u32) -> Option<Duration> {
    const LONGEST_S: u64 = 60;
    let after = answer.headers().get(RETRY_AFTER);
    let seconds = after.and_then(|a| a.to_str().ok()?.trim().parse::<u64>().ok());
    match (answer.status(), seconds) {
        (StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE, Some(s)) => {
            Some(Duration::from_secs(s.min(LONGEST_S)))
        }
        (StatusCode::TOO_MANY_REQUESTS, None) => Some(Duration::from_millis(500 << attempt.min(5))),
        _ => None,
    }
}

fn parse(bytes: &[u8]) -> Result<Value, Trouble> {
    serde_json::from_slice(bytes)
        .map_err(|e| Trouble::failed(format!("the answer is no JSON: {e}")))
}
