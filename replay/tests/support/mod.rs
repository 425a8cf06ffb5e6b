//! What the tests share: the packed recordings, a replay in this process, a plain HTTP client.

#![allow(dead_code, reason = "each test file uses a part")]

use std::collections::BTreeMap;
use std::io::Read as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;
use http::{HeaderMap, Request};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper_util::rt::TokioIo;
use linkerd_replay::{Faults, Replay, Scale, Store, serve};
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

fn recordings() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/recordings")
}

/// The packed recording of this name.
pub(crate) fn recording(name: &str) -> PathBuf {
    recordings().join(format!("{name}.tar.gz"))
}

/// What the real tools said, by file name below the truth folder; gzipped files are unpacked.
pub(crate) fn truth(name: &str) -> BTreeMap<String, Vec<u8>> {
    let file = std::fs::File::open(recordings().join(format!("{name}.truth.tar.gz"))).unwrap();
    let mut archive = tar::Archive::new(MultiGzDecoder::new(file));
    let mut out = BTreeMap::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().to_string_lossy().into_owned();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        let path = path.split_once('/').map_or("", |(_, below)| below);
        if let Some(plain) = path.strip_suffix(".gz") {
            let mut unpacked = Vec::new();
            let mut gzip = MultiGzDecoder::new(content.as_slice());
            gzip.read_to_end(&mut unpacked).unwrap();
            out.insert(plain.to_owned(), unpacked);
        } else {
            out.insert(path.to_owned(), content);
        }
    }
    out
}

/// A replay in this process.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.map_or("", |v| v.to_str().unwrap())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|e| panic!("{e}: {} {}", self.status, self.text()))
    }

    /// The message of a `Status`.
    pub(crate) fn message(&self) -> String {
        self.json()["message"].as_str().unwrap().to_owned()
    }
}

impl Server {
    pub(crate) async fn of_recording(name: &str) -> Self {
        Self::of(&recording(name)).await
    }

    pub(crate) async fn of(path: &Path) -> Self {
        Self::serve(Store::open(path).unwrap().into()).await
    }

    /// A replay of a recording with faults.
    pub(crate) async fn sick(name: &str, faults: &str) -> Self {
        let faults = Faults::parse(faults).unwrap_or_else(|mistakes| panic!("{mistakes}"));
        let store = Store::open(&recording(name)).unwrap();
        Self::serve(Replay::from(store).with_faults(&faults)).await
    }

    /// A recording multiplied.
    pub(crate) async fn large(name: &str, scale: &Scale) -> Self {
        let store = Store::open(&recording(name)).unwrap();
        Self::serve(store.scaled(scale).unwrap().into()).await
    }

    /// All items of a list, taken in pages.
    pub(crate) async fn pages(&self, path: &str, limit: usize) -> Vec<Value> {
        let mut items = Vec::new();
        let mut token = String::new();
        loop {
            let path = format!("{path}?limit={limit}&continue={token}");
            let mut page = self.get(&path).await.json();
            items.append(page["items"].as_array_mut().unwrap());
            match page["metadata"]["continue"].as_str() {
                Some(next) => next.clone_into(&mut token),
                None => return items,
            }
        }
    }

    async fn serve(replay: Replay) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(serve(replay, listener));
        Self { address, task }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[], "").await
    }

    pub(crate) async fn get_as(&self, path: &str, accept: &str) -> Answer {
        self.ask("GET", path, &[("accept", accept)], "").await
    }

    pub(crate) async fn ask(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Answer {
        let (status, headers, mut answer) = self.begin(method, path, headers, body).await.unwrap();
        Answer {
            status,
            headers,
            body: answer.rest().await.unwrap(),
        }
    }

    /// Asks, and reads the head of the answer.
    pub(crate) async fn begin(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Result<(u16, HeaderMap, Reading), hyper::Error> {
        let stream = TcpStream::connect(self.address).await.unwrap();
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .unwrap();
        tokio::spawn(connection);
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", self.address.to_string());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body.into())).unwrap();
        let (head, body) = sender.send_request(request).await?.into_parts();
        Ok((head.status.as_u16(), head.headers, Reading(body)))
    }
}

/// The body of an answer while it comes.
pub(crate) struct Reading(Incoming);

impl Reading {
    /// What has come once there are `length` bytes.
    pub(crate) async fn at_least(&mut self, length: usize) -> Vec<u8> {
        let mut out = Vec::new();
        while out.len() < length {
            let frame = self.0.frame().await.unwrap().unwrap();
            out.extend_from_slice(frame.data_ref().unwrap());
        }
        out
    }

    /// The next piece, an error if the connection has broken off.
    pub(crate) async fn next(&mut self) -> Option<Result<Bytes, hyper::Error>> {
        let frame = self.0.frame().await?;
        Some(frame.map(|f| f.into_data().unwrap_or_default()))
    }

    pub(crate) async fn rest(&mut self) -> Result<Bytes, hyper::Error> {
        Ok((&mut self.0).collect().await?.to_bytes())
    }
}
