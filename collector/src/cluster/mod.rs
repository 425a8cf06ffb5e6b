//! The client: requests, pages, streams and ports, each within its time-out and with the API
//! server's wish to be left alone obeyed. What is asked for is the business of `sources`.

mod body;
mod connect;
mod forward;
mod login;
mod patience;
mod tls;
mod trouble;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bundle::Outcome;
use http::header::{ACCEPT, CONTENT_TYPE, DATE, HeaderValue, LOCATION, SERVER};
use http::{Method, Request, Response, StatusCode};
use jiff::Timestamp;
use kube::client::Body;
use serde_json::Value;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use login::Login;
use patience::{Retry, seconds};

pub use body::Incoming;
pub use connect::{ConnectError, Connected, connect};
pub use forward::{AdminConnection, Answer, Tunnel};
pub use tls::presented_chain;
pub use trouble::{Trouble, chain, no_json};

use crate::plan::Limits;
use crate::slots::Slots;
use crate::stop::{Stop, StopReason};

/// Bytes of an answer that says what went wrong.
const ERROR_BYTES: usize = 64 << 10;

/// Bytes of an answer that becomes a tree in memory, which takes many times as much.
const TREE_BYTES: usize = 4 << 20;

/// Bytes of an answer beyond which there is one at a time.
const LARGE_BYTES: usize = 4 << 20;

/// Times an item's time-out in which an answer that is read as a whole must have ended.
const WHOLE_TIMES: u32 = 4;

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

impl ServerDate {
    /// The time that it says, in whole seconds.
    pub fn time(&self) -> Option<Timestamp> {
        let date = jiff::fmt::rfc2822::parse(&self.header).ok()?;
        Some(date.timestamp())
    }
}

/// A cluster that can be asked.
pub struct Cluster {
    login: Arc<Login>,
    limits: Limits,
    stop: Stop,
    slots: Arc<Slots>,
    /// Held by the one answer that is large.
    large: Semaphore,
    date: Mutex<Option<ServerDate>>,
    /// Requests in a row, to whatever, that nobody answered.
    unanswered: Mutex<usize>,
}

impl Cluster {
    /// A cluster that one gets into so.
    fn new(login: Arc<Login>, limits: Limits, stop: Stop) -> Self {
        let slots = Arc::new(Slots::new(limits.in_flight));
        Self {
            login,
            limits,
            stop,
            slots,
            large: Semaphore::new(1),
            date: Mutex::new(None),
            unanswered: Mutex::new(0),
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
        Self::new(Arc::clone(&self.login), limits, Stop::default())
    }

    /// The same cluster for streams that stay open beside the queue: they wait long, and hold
    /// no place that they could lend.
    #[must_use]
    pub fn apart(&self) -> Self {
        Self::new(
            Arc::clone(&self.login),
            self.limits.clone(),
            self.stop.clone(),
        )
    }

    /// The places that its requests take.
    pub fn slots(&self) -> Arc<Slots> {
        Arc::clone(&self.slots)
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

    /// Waits for `future` within `limit`, and not after collecting has ended.
    ///
    /// # Errors
    /// [`Trouble`] when the time is over or collecting ends.
    pub async fn within<T>(
        &self,
        limit: Duration,
        what: &str,
        future: impl Future<Output = T>,
    ) -> Result<T, Trouble> {
        tokio::select! {
            biased;
            reason = self.stop.wait() => Err(Trouble::stopped(&reason)),
            answer = tokio::time::timeout(limit, future) => answer.map_err(|_| {
                let reason = format!("{what} within {} s", seconds(limit));
                Trouble::new(Outcome::TimedOut, reason)
            }),
        }
    }

    /// The same for what is behind a kubelet or in a pod: who waits for that lends its place.
    ///
    /// # Errors
    /// [`Trouble`] when the time is over or collecting ends.
    pub async fn patiently<T>(
        &self,
        limit: Duration,
        what: &str,
        future: impl Future<Output = T>,
    ) -> Result<T, Trouble> {
        let patience = self.limits.item_timeout / 10;
        // Boxed, since it is a part of nearly every future that there is.
        let lending = self.slots.lending(patience, Box::pin(future));
        self.within(limit, what, lending).await
    }

    /// Sends a GET and returns the answer once it is known to be a success. It has `limit` to
    /// begin.
    ///
    /// # Errors
    /// [`Trouble`] for everything else.
    pub async fn get(
        &self,
        path: &str,
        accept: &str,
        limit: Duration,
    ) -> Result<Response<Body>, Trouble> {
        let request = || {
            Request::builder()
                .method(Method::GET)
                .uri(path)
                .header(ACCEPT, accept)
                .body(Body::empty())
        };
        self.send(request, limit).await
    }

    /// Asks for a page of a list, whatever the answer's status.
    ///
    /// # Errors
    /// [`Trouble`] when no whole answer came.
    pub async fn get_page(&self, path: &str) -> Result<(StatusCode, Vec<u8>), Trouble> {
        let request = || {
            let json = Request::get(path).header(ACCEPT, "application/json");
            json.body(Body::empty())
        };
        let answer = self.send_any(request, self.limits.item_timeout).await?;
        let status = answer.status();
        refuse_foreign(&answer)?;
        Ok((
            status,
            self.read_body(answer, self.limits.answer_bytes).await?,
        ))
    }

    /// Reads an answer as JSON.
    ///
    /// # Errors
    /// [`Trouble`] when there is none, or it is no JSON.
    pub async fn get_json(&self, path: &str) -> Result<Value, Trouble> {
        let answer = self
            .get(path, "application/json", self.limits.item_timeout)
            .await?;
        let bytes = self.read_body(answer, TREE_BYTES).await?;
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
        let answer = self.send(request, self.limits.item_timeout).await?;
        let bytes = self.read_body(answer, TREE_BYTES).await?;
        parse(&bytes)
    }

    /// Reads a whole body of at most `limit` bytes.
    ///
    /// # Errors
    /// [`Trouble`] when it breaks off, stalls or is larger.
    pub async fn read_body<B>(&self, answer: Response<B>, limit: usize) -> Result<Vec<u8>, Trouble>
    where
        B: hyper::body::Body<Data = hyper::body::Bytes> + Unpin,
        B::Error: std::error::Error + 'static,
    {
        let mut body = Incoming::new(self, answer.into_body(), WHOLE_TIMES);
        let (mut bytes, mut large) = (Vec::new(), None);
        while let Some(chunk) = body.next().await? {
            let len = bytes.len() + chunk.len();
            if len > limit {
                return Err(Trouble::failed(format!(
                    "the answer has more than {limit} bytes"
                )));
            }
            if len > LARGE_BYTES && large.is_none() {
                let begun = Instant::now();
                let alone = self.large.acquire();
                let alone = self.within(Duration::MAX, "it is not yet its turn", alone);
                large = alone.await?.ok();
                body.excuse(begun.elapsed());
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    }

    /// Sends a GET and reads the answer whatever its status: that of a pod behind the API
    /// server's proxy, which has `limit` to begin to answer. The API server's own refusals are
    /// trouble.
    ///
    /// # Errors
    /// [`Trouble`] when no answer came, or none of the pod's.
    pub async fn get_proxied(&self, path: &str, limit: Duration) -> Result<Answer, Trouble> {
        let request = || Request::get(path).header(ACCEPT, "*/*").body(Body::empty());
        let answer = self.send_any(request, limit).await?;
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
        limit: Duration,
    ) -> Result<Response<Body>, Trouble> {
        let answer = self.send_any(request, limit).await?;
        let status = answer.status();
        refuse_foreign(&answer)?;
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
        limit: Duration,
    ) -> Result<Response<Body>, Trouble> {
        let mut retry = Retry::new(self.limits.attempts);
        let mut is_renewed = false;
        loop {
            let (client, number) = self.login.client();
            let request = request().map_err(|e| Trouble::failed(e.to_string()))?;
            let path = request.uri().path();
            let is_served_here = !is_long_running(path);
            // What a pod says behind the proxy is not said of us.
            is_renewed |= path.contains("/proxy/");
            let sending = client.send(request);
            let answer = if is_served_here {
                self.within(limit, "no answer came", sending).await
            } else {
                self.patiently(limit, "no answer came", sending).await
            };
            let wait = match answer {
                Ok(Ok(answer)) => {
                    self.note_answer(&answer);
                    let status = answer.status();
                    if !is_renewed && self.login.is_renewed_after(status, number).await {
                        is_renewed = true;
                        continue;
                    }
                    match retry.after_answer(&answer) {
                        Some(wait) => wait,
                        None => return Ok(answer),
                    }
                }
                Ok(Err(e)) => {
                    self.note_silence().await;
                    let wait = retry.after_failure();
                    wait.ok_or_else(|| Trouble::failed(chain(&e)))?
                }
                Err(trouble) => {
                    if trouble.outcome == Outcome::TimedOut {
                        self.note_silence().await;
                    }
                    return Err(trouble);
                }
            };
            self.pause(wait).await?;
        }
    }

    /// Waits until something may be asked for again. Who is told to wait long lends its place;
    /// who is told to wait a moment keeps it, which is how a busy server gets fewer requests.
    ///
    /// # Errors
    /// [`Trouble`] when collecting ends before.
    pub async fn pause(&self, wait: Duration) -> Result<(), Trouble> {
        let over = tokio::time::sleep(wait);
        self.patiently(Duration::MAX, "it is not yet time", over)
            .await
    }

    fn note_answer<B>(&self, answer: &Response<B>) {
        *self.unanswered() = 0;
        self.note_date(answer);
    }

    /// After many requests in a row without an answer, asks whether there still is a server; if
    /// there is none, nothing that is left can be had either.
    async fn note_silence(&self) {
        let is_telling = {
            let mut unanswered = self.unanswered();
            *unanswered += 1;
            unanswered.is_multiple_of(2 * self.limits.in_flight)
        };
        if !is_telling {
            return;
        }
        let Ok(request) = Request::get("/version").body(Body::empty()) else {
            return;
        };
        let limit = self.limits.item_timeout;
        let (client, _) = self.login.client();
        match self.within(limit, "", client.send(request)).await {
            Ok(Ok(answer)) => self.note_answer(&answer),
            Err(trouble) if trouble.outcome == Outcome::Skipped => {}
            _ => self.stop.set(StopReason::NoServer),
        }
    }

    fn unanswered(&self) -> std::sync::MutexGuard<'_, usize> {
        self.unanswered
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
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

/// An API server sends neither a web page nor its clients elsewhere. A proxy on the way that wants
/// somebody to log in does, and calls the page a success.
fn refuse_foreign<B>(answer: &Response<B>) -> Result<(), Trouble> {
    let (status, headers) = (answer.status(), answer.headers());
    let is_page = |kind: &HeaderValue| kind.as_bytes().starts_with(b"text/html");
    if status.is_success() && headers.get(CONTENT_TYPE).is_some_and(is_page) {
        let reason = "the answer is a web page, such as the login of a proxy on the way";
        return Err(Trouble::failed(reason));
    }
    let target = headers.get(LOCATION).and_then(|to| to.to_str().ok());
    if let (true, Some(target)) = (status.is_redirection(), target) {
        // What follows is for the browser of who logs in.
        let target = target.split(['?', '#']).next().unwrap_or_default();
        let reason = format!("HTTP {}: sent on to `{target}`", status.as_u16());
        return Err(Trouble::failed(reason));
    }
    Ok(())
}

/// Whether a path leads through the API server to a pod or its kubelet. The API server does not
/// count such requests against its own limits.
fn is_long_running(path: &str) -> bool {
    let mut parts = path.trim_start_matches('/').split('/').skip(4);
    let subresource = (parts.next(), parts.next(), parts.next());
    matches!(
        subresource,
        (Some("pods"), Some(_), Some("log" | "proxy" | "portforward"))
    )
}

fn parse(bytes: &[u8]) -> Result<Value, Trouble> {
    serde_json::from_slice(bytes)
        .map_err(|e| Trouble::failed(format!("the answer is no JSON: {}", no_json(bytes, &e))))
}
