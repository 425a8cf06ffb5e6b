//! Every effect of a faults file, seen by a client on loopback.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use std::time::Duration;

use futures::{SinkExt as _, StreamExt as _};
use http::HeaderValue;
use support::Server;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

const POD: &str = "/api/v1/namespaces/shop/pods/catalog-7cc5f8978b-zwdmb";
/// Long enough for an answer that does come, on a slow machine as well as on a fast one. A test
/// whose answer must not come waits this long, and can only pass wrongly, not fail wrongly.
const SILENCE: Duration = Duration::from_millis(500);

fn log() -> String {
    format!("{POD}/log?container=linkerd-proxy&timestamps=true")
}

async fn sick(effect: &str) -> Server {
    Server::sick("healthy", &format!("faults: [{{effect: {effect}}}]")).await
}

#[tokio::test]
async fn an_answer_that_hangs_never_comes_and_the_others_do() {
    let faults = "faults: [{match: {subresource: log}, effect: hang}]";
    let server = Server::sick("healthy", faults).await;
    let log = log();
    let asked = server.get(&log);
    assert!(tokio::time::timeout(SILENCE, asked).await.is_err());
    assert_eq!(server.get(POD).await.status, 200);
}

#[tokio::test]
async fn a_dropped_connection_has_no_answer() {
    let server = sick("drop").await;
    let error = server.begin("GET", POD, &[], "").await.err().unwrap();
    assert!(error.is_incomplete_message(), "{error}");
}

#[tokio::test]
async fn a_body_breaks_off_after_exactly_so_many_bytes() {
    let server = sick("{drop: {after_bytes: 1234}}").await;
    let (status, _, mut body) = server.begin("GET", &log(), &[], "").await.unwrap();
    assert_eq!(status, 200);
    let mut read = 0;
    let error = loop {
        match body.next().await.unwrap() {
            Ok(bytes) => read += bytes.len(),
            Err(error) => break error,
        }
    };
    assert_eq!(read, 1234, "{error}");
}

#[tokio::test]
async fn a_stream_stalls_in_its_middle() {
    let server = sick("{stall: {after_bytes: 1234}}").await;
    let (status, _, mut body) = server.begin("GET", &log(), &[], "").await.unwrap();
    assert_eq!(status, 200);
    assert_eq!(body.at_least(1234).await.len(), 1234);
    assert!(tokio::time::timeout(SILENCE, body.next()).await.is_err());
}

#[tokio::test]
async fn a_dripping_answer_is_whole() {
    let server = sick("{drip: {bytes_per_second: 20000}}").await;
    let dripped = server.get("/version").await;
    let truth = Server::of_recording("healthy").await.get("/version").await;
    assert_eq!(dripped.body, truth.body);
}

#[tokio::test]
async fn a_late_answer_is_the_true_one() {
    let late = sick("{delay: 20ms}").await.get(POD).await;
    let truth = Server::of_recording("healthy").await.get(POD).await;
    assert_eq!((late.status, late.body), (200, truth.body));
}

#[tokio::test]
async fn failures_are_in_the_words_of_a_server() {
    for (effect, path, reason, message) in [
        (
            "{status: 403}",
            log(),
            "Forbidden",
            "pods \"catalog-7cc5f8978b-zwdmb\" is forbidden: User \"replay\" cannot get resource \
             \"pods/log\" in API group \"\" in the namespace \"shop\"",
        ),
        (
            "{status: 403}",
            "/apis/policy.linkerd.io/v1beta3/servers?limit=5".to_owned(),
            "Forbidden",
            "servers.policy.linkerd.io is forbidden: User \"replay\" cannot list resource \
             \"servers\" in API group \"policy.linkerd.io\" at the cluster scope",
        ),
        (
            "{status: 404}",
            POD.to_owned(),
            "NotFound",
            "pods \"catalog-7cc5f8978b-zwdmb\" not found",
        ),
        (
            "{status: {code: 503, message: \"gone fishing\"}}",
            POD.to_owned(),
            "ServiceUnavailable",
            "gone fishing",
        ),
    ] {
        let answer = sick(effect).await.get(&path).await;
        let body = answer.json();
        assert_eq!(body["kind"], "Status", "{effect}");
        assert_eq!(u64::from(answer.status), body["code"], "{effect}");
        assert_eq!(
            (&body["reason"], &body["message"]),
            (&reason.into(), &message.into())
        );
    }
}

#[tokio::test]
async fn who_asks_too_often_is_told_when_to_try_again() {
    let server = sick("{status: {code: 429, retry_after: 7}}").await;
    let answer = server.get(POD).await;
    assert_eq!((answer.status, answer.header("retry-after")), (429, "7"));
    assert_eq!(answer.json()["details"]["retryAfterSeconds"], 7);
}

#[tokio::test]
async fn a_token_that_has_expired_comes_with_one_to_go_on_with() {
    let faults = "faults: [{match: {query: {continue: '*'}}, times: 1, effect: {status: 410}}]";
    let server = Server::sick("healthy", faults).await;
    let first = server.get("/api/v1/pods?limit=5").await.json();
    let token = first["metadata"]["continue"].as_str().unwrap();
    let expired = server
        .get(&format!("/api/v1/pods?limit=5&continue={token}"))
        .await;
    assert_eq!(expired.json()["reason"], "Expired");
    let next = expired.json()["metadata"]["continue"]
        .as_str()
        .unwrap()
        .to_owned();
    let rest = server
        .get(&format!("/api/v1/pods?continue={next}"))
        .await
        .json();
    let pages = first["items"].as_array().unwrap().len() + rest["items"].as_array().unwrap().len();
    let all = server.get("/api/v1/pods").await.json();
    assert_eq!(pages, all["items"].as_array().unwrap().len());
}

#[tokio::test]
async fn a_vanished_pod_is_listed_and_cannot_be_asked() {
    let faults = "faults: [{match: {pods: 'catalog-*-zwdmb'}, effect: vanish}]";
    let server = Server::sick("healthy", faults).await;
    let listed = server.get("/api/v1/namespaces/shop/pods").await.text();
    assert!(listed.contains("catalog-7cc5f8978b-zwdmb"));
    let proxy = "/api/v1/namespaces/shop/pods/catalog-7cc5f8978b-zwdmb:4191/proxy/metrics";
    for path in [POD, &log(), proxy, &format!("{POD}/portforward?ports=4191")] {
        let answer = server.get(path).await;
        assert_eq!(answer.status, 404, "{path}");
        assert_eq!(
            answer.message(),
            "pods \"catalog-7cc5f8978b-zwdmb\" not found"
        );
    }
    let other = "/api/v1/namespaces/shop/pods/catalog-7cc5f8978b-8n75b";
    assert_eq!(server.get(other).await.status, 200);
}

#[tokio::test]
async fn garbage_has_the_head_of_the_true_answer_and_is_the_same_each_time() {
    let server = sick("{garbage: {bytes: 40000}}").await;
    let (first, second) = (server.get(POD).await, server.get(POD).await);
    assert_eq!(
        (first.status, first.header("content-type")),
        (200, "application/json")
    );
    assert_eq!(first.body.len(), 40000);
    assert_eq!(first.body, second.body);
    assert!(std::str::from_utf8(&first.body).is_err());
}

#[tokio::test]
async fn a_connection_is_reset_instead_of_an_answer_or_within_its_body() {
    let is_reset = |error: &hyper::Error| {
        let cause = std::error::Error::source(error);
        let io = cause.and_then(|c| c.downcast_ref::<std::io::Error>());
        io.map(std::io::Error::kind) == Some(std::io::ErrorKind::ConnectionReset)
    };
    let server = sick("reset").await;
    let error = server.begin("GET", POD, &[], "").await.err().unwrap();
    assert!(is_reset(&error), "{error:?}");
    let server = sick("{reset: {after_bytes: 1234}}").await;
    let (status, _, mut body) = server.begin("GET", &log(), &[], "").await.unwrap();
    assert_eq!(status, 200);
    let error = loop {
        if let Err(error) = body.next().await.unwrap() {
            break error;
        }
    };
    assert!(is_reset(&error), "{error:?}");
}

#[tokio::test]
async fn a_slow_head_comes_byte_by_byte_and_its_body_at_once() {
    let whole = sick("{slow_head: {bytes_per_second: 20000}}").await;
    let truth = Server::of_recording("healthy").await.get(&log()).await;
    assert_eq!(whole.get(&log()).await.body, truth.body);
    let server = sick("{slow_head: {bytes_per_second: 2}}").await;
    let asked = server.get(POD);
    assert!(tokio::time::timeout(SILENCE, asked).await.is_err());
}

#[tokio::test]
async fn a_client_is_sent_elsewhere() {
    let answer = sick("{redirect: \"https://login.example.com/?x=1\"}").await;
    let answer = answer.get(POD).await;
    let target = answer.header("location");
    assert_eq!(
        (answer.status, target),
        (307, "https://login.example.com/?x=1")
    );
}

#[tokio::test]
async fn an_answer_that_says_it_is_packed_is_cut_or_is_not() {
    use std::io::Read as _;
    let truth = Server::of_recording("healthy").await.get(POD).await;
    let cut = sick("{gzip: cut}").await.get(POD).await;
    assert_eq!(cut.header("content-encoding"), "gzip");
    let mut plain = Vec::new();
    let read = flate2::read::GzDecoder::new(&*cut.body).read_to_end(&mut plain);
    assert!(read.is_err() && truth.body.starts_with(&plain) && !plain.is_empty());
    let lie = sick("{gzip: lie}").await.get(POD).await;
    assert_eq!(lie.header("content-encoding"), "gzip");
    assert_eq!(lie.body, truth.body);
}

#[tokio::test]
async fn a_length_that_is_too_long_ends_in_a_broken_connection() {
    let (_, headers, mut body) = sick("{content_length: more}")
        .await
        .begin("GET", POD, &[], "")
        .await
        .unwrap();
    assert!(headers.contains_key("content-length"));
    assert!(body.rest().await.is_err());
}

#[tokio::test]
async fn a_length_that_is_too_short_cuts_the_answer() {
    let cut = sick("{content_length: less}").await.get(POD).await;
    let truth = Server::of_recording("healthy").await.get(POD).await;
    assert_eq!(cut.body.len(), truth.body.len() / 2);
    assert!(truth.body.starts_with(&cut.body));
}

#[tokio::test]
async fn a_log_that_was_lost_names_its_container() {
    let server = sick("unretrievable_log").await;
    let answer = server.get(&log()).await;
    let pod = server.get(POD).await.json();
    let statuses = pod["status"]["initContainerStatuses"].as_array().unwrap();
    let proxy = statuses
        .iter()
        .find(|s| s["name"] == "linkerd-proxy")
        .unwrap();
    let id = proxy["containerID"].as_str().unwrap();
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.text(),
        format!("unable to retrieve container logs for {id}")
    );
}

#[tokio::test]
async fn a_dead_node_answers_nothing_that_its_kubelet_must_and_the_pods_network_goes_on() {
    let faults = "faults: [{match: {nodes: 20%}, effect: {status: 504}}]";
    let server = Server::sick("healthy", faults).await;
    for path in [log(), format!("{POD}/portforward?ports=4191")] {
        assert_eq!(server.get(&path).await.status, 504, "{path}");
    }
    let proxy = "/api/v1/namespaces/shop/pods/catalog-7cc5f8978b-zwdmb:4191/proxy/metrics";
    for path in [POD, proxy, "/api/v1/nodes/node-a", "/version"] {
        assert_eq!(server.get(path).await.status, 200, "{path}");
    }
}

#[tokio::test]
async fn each_path_has_its_own_turns_if_the_file_says_so() {
    let faults = "faults: [{after: 1, times: 1, each: path, effect: {status: 500}}]";
    let server = Server::sick("healthy", faults).await;
    for path in ["/version", POD] {
        let mut seen = Vec::new();
        for _ in 0..4 {
            seen.push(server.get(path).await.status);
        }
        assert_eq!(seen, [200, 500, 200, 200], "{path}");
    }
}

#[tokio::test]
async fn a_share_of_the_requests_does_not_depend_on_their_order() {
    let faults = "{seed: 3, faults: [{match: {requests: 50%}, effect: {status: 500}}]}";
    let paths = [
        "/version",
        "/api",
        "/apis",
        POD,
        "/healthz",
        "/api/v1/nodes",
    ];
    let mut forth = Vec::new();
    let server = Server::sick("healthy", faults).await;
    for path in paths {
        forth.push((server.get(path).await.status, server.get(path).await.status));
    }
    let server = Server::sick("healthy", faults).await;
    let mut firsts = Vec::new();
    for path in paths.iter().rev() {
        firsts.push(server.get(path).await.status);
    }
    let mut back = Vec::new();
    for (path, first) in paths.iter().zip(firsts.iter().rev()) {
        back.push((*first, server.get(path).await.status));
    }
    assert_eq!(forth, back);
    assert!(forth.iter().any(|(a, b)| *a == 500 || *b == 500));
    assert!(forth.iter().any(|(a, b)| *a == 200 || *b == 200));
}

/// A port-forward in a WebSocket, and what has come over it of the port's data.
struct Forwarded {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    data: Vec<u8>,
}

impl Forwarded {
    async fn open(server: &Server) -> Result<Self, tungstenite::Error> {
        let url = format!("ws://{}{POD}/portforward?ports=4191", server.address);
        let mut request = url.into_client_request().unwrap();
        let protocol = HeaderValue::from_static("v4.channel.k8s.io");
        request
            .headers_mut()
            .insert("sec-websocket-protocol", protocol);
        let (socket, _) = connect_async(request).await?;
        let data = Vec::new();
        Ok(Self { socket, data })
    }

    async fn ask(&mut self) {
        let question = b"\0GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n";
        let question = Message::binary(question.to_vec());
        self.socket.send(question).await.unwrap();
    }

    /// Reads until so many bytes are there and nothing more comes for a while (true), or the
    /// connection ends (false).
    async fn read(&mut self, bytes: usize) -> bool {
        loop {
            let next = self.socket.next();
            let next = if self.data.len() < bytes {
                Ok(next.await)
            } else {
                tokio::time::timeout(SILENCE, next).await
            };
            match next {
                Err(_) => return true,
                Ok(Some(Ok(Message::Binary(frame)))) => {
                    // The first frame of each channel repeats the port.
                    if frame[0] == 0 && frame.as_ref() != [0, 0x5f, 0x10] {
                        self.data.extend_from_slice(&frame[1..]);
                    }
                }
                Ok(Some(Ok(_))) => {}
                Ok(_) => return false,
            }
        }
    }
}

async fn sick_forward(effect: &str) -> Server {
    let faults = format!("faults: [{{match: {{subresource: portforward}}, effect: {effect}}}]");
    Server::sick("healthy", &faults).await
}

#[tokio::test]
async fn what_is_forwarded_stalls_after_exactly_so_many_bytes() {
    let server = sick_forward("{stall: {after_bytes: 1234}}").await;
    let mut forwarded = Forwarded::open(&server).await.unwrap();
    forwarded.ask().await;
    assert!(forwarded.read(1234).await, "the connection stays open");
    assert_eq!(forwarded.data.len(), 1234);
    assert!(forwarded.data.starts_with(b"HTTP/1.1 200 OK"));
}

#[tokio::test]
async fn what_is_forwarded_breaks_off_after_exactly_so_many_bytes() {
    let server = sick_forward("{drop: {after_bytes: 1234}}").await;
    let mut forwarded = Forwarded::open(&server).await.unwrap();
    forwarded.ask().await;
    assert!(!forwarded.read(usize::MAX).await, "the connection ends");
    assert_eq!(forwarded.data.len(), 1234);
}

#[tokio::test]
async fn an_upgrade_hangs_or_is_refused() {
    let server = sick_forward("hang").await;
    let opened = tokio::time::timeout(SILENCE, Forwarded::open(&server)).await;
    assert!(opened.is_err());
    let server = sick_forward("{status: 503}").await;
    match Forwarded::open(&server).await.err().unwrap() {
        tungstenite::Error::Http(response) => assert_eq!(response.status().as_u16(), 503),
        other => panic!("{other}"),
    }
    let server = sick_forward("drop").await;
    assert!(Forwarded::open(&server).await.is_err());
}
