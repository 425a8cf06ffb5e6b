//! Ports of pods, through the API server's port-forward.

use bundle::Outcome;
use futures::FutureExt;
use futures::future::BoxFuture;
use http::header::HOST;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::Portforwarder;
use tokio::io::DuplexStream;

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
    /// Opens a tunnel to a port of a pod.
    ///
    /// # Errors
    /// [`Trouble`] when the API server refuses it or does not answer in time.
    pub async fn open(
        cluster: &Cluster,
        namespace: &str,
        pod: &str,
        port: u16,
    ) -> Result<Self, Trouble> {
        cluster.wait_for_pause().await?;
        let pods: Api<Pod> = Api::namespaced(cluster.client.clone(), namespace);
        let ports = [port];
        let opening = cluster.bounded("no port-forward was opened", pods.portforward(pod, &ports));
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
    namespace: &'a str,
    pod: &'a str,
    port: u16,
    open: Option<(Tunnel, SendRequest<Full<Bytes>>)>,
}

impl<'a> AdminConnection<'a> {
    /// A connection that is opened by its first request.
    pub fn new(cluster: &'a Cluster, namespace: &'a str, pod: &'a str, port: u16) -> Self {
        Self {
            cluster,
            namespace,
            pod,
            port,
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
        if let Some((tunnel, sender)) = self.open.take()
            && !sender.is_closed()
        {
            // A server may close an idle connection at this very moment; then ask once more.
            let answer = self.ask(tunnel, sender, request()?).await;
            if !matches!(&answer, Err(trouble) if trouble.outcome == Outcome::Failed) {
                return answer;
            }
        }
        let request = request()?;
        let (tunnel, sender) = self.connect().await?;
        self.ask(tunnel, sender, request).await
    }

    async fn connect(&mut self) -> Result<(Tunnel, SendRequest<Full<Bytes>>), Trouble> {
        let mut tunnel = Tunnel::open(self.cluster, self.namespace, self.pod, self.port).await?;
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
    ) -> Result<Answer, Trouble> {
        match exchange(self.cluster, &mut sender, request).await {
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

async fn exchange(
    cluster: &Cluster,
    sender: &mut SendRequest<Full<Bytes>>,
    request: Request<Full<Bytes>>,
) -> Result<Answer, Trouble> {
    let failed = |e: &(dyn std::error::Error + 'static)| Trouble::failed(chain(e));
    let asking = cluster.bounded("no answer came", async {
        sender.ready().await?;
        sender.send_request(request).await
    });
    let answer = asking.await?.map_err(|e| failed(&e))?;
    let status = answer.status();
    let limit = cluster.limits.answer_bytes;
    let mut incoming = answer.into_body();
    let mut body = Vec::new();
    loop {
        let next = cluster.bounded("no further byte came", incoming.frame());
        let Some(frame) = next.await? else {
            return Ok(Answer { status, body });
        };
        if let Ok(data) = frame.map_err(|e| failed(&e))?.into_data() {
            body.extend_from_slice(&data);
        }
        if body.len() > limit {
            return Err(Trouble::failed(format!(
                "the answer has more than {limit} bytes"
            )));
        }
    }
}
