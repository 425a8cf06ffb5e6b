//! Ports of pods, through the API server's port-forward.

use std::time::Duration;

use bundle::Outcome;
use futures::FutureExt;
use futures::future::BoxFuture;
use http::header::HOST;
use http::{Method, Request, StatusCode};
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::Portforwarder;
use tokio::io::DuplexStream;
use tokio::time::Instant;

use super::{Cluster, Trouble, chain};

/// How long to wait, after a tunnel broke, for the API server to say why.
const LAST_WORDS: std::time::Duration = std::time::Duration::from_millis(300);

/// A forwarded port: one TCP connection to a pod.
pub struct Tunnel {
    forwarder: Portforwarder,
    stream: Option<DuplexStream>,
    last_words: Option<BoxFuture<'static, Option<String>>>,
}

impl Tunnel {
    /// Opens a tunnel to a port of a pod, given as namespace and name, within `limit`.
    ///
    /// # Errors
    /// [`Trouble`] when the API server refuses it or does not answer in time.
    pub async fn open(
        cluster: &Cluster,
        (namespace, pod): (&str, &str),
        port: u16,
        limit: Duration,
    ) -> Result<Self, Trouble> {
        let pods: Api<Pod> = Api::namespaced(cluster.login.client().0, namespace);
        let ports = [port];
        let opening = pods.portforward(pod, &ports);
        let opening = cluster.patiently(limit, "no port-forward was opened", opening);
        let mut forwarder = opening.await?.map_err(|e| from_kube(&e))?;
        Ok(Self {
            stream: forwarder.take_stream(port),
            last_words: forwarder.take_error(port).map(FutureExt::boxed),
            forwarder,
        })
    }

    /// The connection, once.
    ///
    /// # Errors
    /// [`Trouble`] the second time.
    pub fn take_stream(&mut self) -> Result<DuplexStream, Trouble> {
        let taken = || Trouble::failed("the forwarded port is in use");
        self.stream.take().ok_or_else(taken)
    }

    /// What the API server said about the tunnel's end, if it did.
    pub async fn last_words(&mut self) -> Option<String> {
        let words = tokio::time::timeout(LAST_WORDS, self.last_words.take()?).await;
        words.ok().flatten().map(|w| w.trim().to_owned())
    }
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        self.forwarder.abort();
    }
}

fn from_kube(error: &kube::Error) -> Trouble {
    match error {
        kube::Error::Api(status) => {
            let code = StatusCode::from_u16(status.code).unwrap_or(StatusCode::BAD_GATEWAY);
            Trouble::from_answer(code, status.message.as_bytes())
        }
        other => Trouble::failed(chain(other)),
    }
}

/// An answer of an admin port.
#[derive(Debug)]
pub struct Answer {
    /// HTTP status.
    pub status: StatusCode,
    /// The whole body.
    pub body: Vec<u8>,
}

/// HTTP to an admin port through a tunnel, which is opened anew when the server closes it.
pub struct AdminConnection<'a> {
    cluster: &'a Cluster,
    /// Namespace and name.
    pod: (&'a str, &'a str),
    port: u16,
    limit: Duration,
    open: Option<(Tunnel, SendRequest<Full<Bytes>>)>,
}

impl<'a> AdminConnection<'a> {
    /// A connection to a port of a pod, given as namespace and name. It is opened by its first
    /// request; each has `limit` to be answered.
    pub fn new(cluster: &'a Cluster, pod: (&'a str, &'a str), port: u16, limit: Duration) -> Self {
        Self {
            cluster,
            pod,
            port,
            limit,
            open: None,
        }
    }

    /// Asks for a path.
    ///
    /// # Errors
    /// [`Trouble`] when no HTTP answer came; any status is an answer.
    pub async fn get(&mut self, path: &str) -> Result<Answer, Trouble> {
        self.request(&Method::GET, path, "").await
    }

    /// Puts a text to a path.
    ///
    /// # Errors
    /// [`Trouble`] when no HTTP answer came; any status is an answer.
    pub async fn put(&mut self, path: &str, body: &str) -> Result<Answer, Trouble> {
        self.request(&Method::PUT, path, body).await
    }

    async fn request(
        &mut self,
        method: &Method,
        path: &str,
        body: &str,
    ) -> Result<Answer, Trouble> {
        let host = format!("localhost:{}", self.port);
        let request = || {
            Request::builder()
                .method(method)
                .uri(path)
                .header(HOST, &host)
                .body(Full::from(body.to_owned()))
                .map_err(|e| Trouble::failed(chain(&e)))
        };
        let begun = Instant::now();
        if let Some((tunnel, sender)) = self.open.take()
            && !sender.is_closed()
        {
            // A server may close an idle connection at this very moment; then ask once more.
            let answer = self.ask(tunnel, sender, request()?, begun).await;
            if !matches!(&answer, Err(trouble) if trouble.outcome == Outcome::Failed) {
                return answer;
            }
        }
        let request = request()?;
        let (tunnel, sender) = self.connect(begun).await?;
        self.ask(tunnel, sender, request, begun).await
    }

    fn left(&self, begun: Instant) -> Duration {
        self.limit.saturating_sub(begun.elapsed())
    }

    async fn connect(
        &mut self,
        begun: Instant,
    ) -> Result<(Tunnel, SendRequest<Full<Bytes>>), Trouble> {
        let limit = self.left(begun);
        let mut tunnel = Tunnel::open(self.cluster, self.pod, self.port, limit).await?;
        let stream = TokioIo::new(tunnel.take_stream()?);
        let (sender, connection) = handshake(stream)
            .await
            .map_err(|e| Trouble::failed(chain(&e)))?;
        // Ends with the tunnel; its errors reach whoever asks.
        tokio::spawn(connection.map(drop));
        Ok((tunnel, sender))
    }

    async fn ask(
        &mut self,
        mut tunnel: Tunnel,
        mut sender: SendRequest<Full<Bytes>>,
        request: Request<Full<Bytes>>,
        begun: Instant,
    ) -> Result<Answer, Trouble> {
        match exchange(self.cluster, &mut sender, request, self.left(begun)).await {
            Ok(answer) => {
                self.open = Some((tunnel, sender));
                Ok(answer)
            }
            Err(trouble) if trouble.outcome == Outcome::Failed => {
                Err(match tunnel.last_words().await {
                    Some(words) if !words.is_empty() => Trouble::failed(words),
                    _ => trouble,
                })
            }
            Err(trouble) => Err(trouble),
        }
    }
}

/// Asks a port for a path; the answer must begin within `limit`.
async fn exchange(
    cluster: &Cluster,
    sender: &mut SendRequest<Full<Bytes>>,
    request: Request<Full<Bytes>>,
    limit: Duration,
) -> Result<Answer, Trouble> {
    let failed = |e: &(dyn std::error::Error + 'static)| Trouble::failed(chain(e));
    let asking = cluster.patiently(limit, "no answer came", async {
        sender.ready().await?;
        sender.send_request(request).await
    });
    let answer = asking.await?.map_err(|e| failed(&e))?;
    let status = answer.status();
    let body = cluster
        .read_body(answer, cluster.limits.answer_bytes)
        .await?;
    Ok(Answer { status, body })
}
