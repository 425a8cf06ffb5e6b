//! One connection to a recorded port: what the client sent so far, and what is answered.
//!
//! HTTP/1.1 with as many requests as the client likes. Nothing else is spoken: a TLS handshake
//! ends the connection, since a replay has no private keys.

use std::sync::Arc;

use crate::admin::{Answer, Port, Question};
use crate::level;
use crate::store::Store;

/// A request head beyond this is no request.
const MAX_HEAD_BYTES: usize = 16 << 10;
/// The longest body that is read.
const MAX_BODY_BYTES: usize = level::MAX_BYTES;
/// The first byte of a TLS handshake.
const TLS_HANDSHAKE: u8 = 0x16;

/// A connection to a port of a pod.
#[derive(Debug)]
pub(crate) struct Conversation {
    store: Arc<Store>,
    namespace: String,
    pod: String,
    port: u16,
    unread: Vec<u8>,
}

/// What is said to the client.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// These bytes, and the client may go on.
    Answer(Vec<u8>),
    /// These bytes, then the end.
    Last(Vec<u8>),
    /// The connection breaks off, and this is why.
    Refused(String),
}

impl Conversation {
    pub(crate) fn new(store: Arc<Store>, namespace: &str, pod: &str, port: u16) -> Self {
        Self {
            store,
            namespace: namespace.to_owned(),
            pod: pod.to_owned(),
            port,
            unread: Vec::new(),
        }
    }

    /// Takes bytes of the client. Reads from the bundle, so it may block.
    pub(crate) fn take(&mut self, data: &[u8]) -> Vec<Turn> {
        self.unread.extend_from_slice(data);
        let mut turns = Vec::new();
        while let Some(turn) = self.turn() {
            let is_over = !matches!(turn, Turn::Answer(_));
            turns.push(turn);
            if is_over {
                break;
            }
        }
        turns
    }

    fn turn(&mut self) -> Option<Turn> {
        let first = *self.unread.first()?;
        let found = Port::find(&self.store, &self.namespace, &self.pod, self.port);
        let port = match found {
            Ok(port) => port,
            Err(why) => return Some(Turn::Refused(why)),
        };
        if first == TLS_HANDSHAKE {
            let why = "a replay has no private keys, so it cannot do a TLS handshake";
            return Some(Turn::Refused(why.to_owned()));
        }
        let Some(length) = self.unread.windows(4).position(|w| w == b"\r\n\r\n") else {
            let is_too_long = self.unread.len() > MAX_HEAD_BYTES;
            return is_too_long.then(|| Turn::Refused("the request is too long".to_owned()));
        };
        let head = self.unread.get(..length + 4).unwrap_or_default();
        let mut request = Request::parse(&String::from_utf8_lossy(head));
        let whole = (length + 4).saturating_add(request.body_bytes);
        if request.body_bytes > MAX_BODY_BYTES {
            request.is_last = true;
            let answer = Answer::text(413, "the body is too long\n");
            return Some(Turn::Last(to_http(&answer, &request)));
        }
        if self.unread.len() < whole {
            return None;
        }
        let sent: Vec<u8> = self.unread.drain(..whole).collect();
        let question = Question {
            method: &request.method,
            path: &request.path,
            body: sent.get(length + 4..).unwrap_or_default(),
            is_local: true,
        };
        Some(match port.answer(question) {
            Ok(answer) if request.is_last => Turn::Last(to_http(&answer, &request)),
            Ok(answer) => Turn::Answer(to_http(&answer, &request)),
            Err(why) => Turn::Refused(why),
        })
    }
}

/// What matters of a request.
#[derive(Debug, PartialEq, Eq)]
struct Request {
    method: String,
    path: String,
    body_bytes: usize,
    /// Whether the client closes afterwards, or sends a body whose length is not known.
    is_last: bool,
}

impl Request {
    fn parse(head: &str) -> Self {
        let mut lines = head.lines();
        let mut words = lines.next().unwrap_or_default().split(' ');
        let mut word = || words.next().unwrap_or_default().to_owned();
        let (method, path, version) = (word(), word(), word());
        let (mut body_bytes, mut is_last) = (0, version != "HTTP/1.1");
        for (name, value) in lines.filter_map(|line| line.split_once(':')) {
            let value = value.trim();
            match name.to_ascii_lowercase().as_str() {
                "connection" => is_last |= value.eq_ignore_ascii_case("close"),
                "content-length" => body_bytes = value.parse().unwrap_or(usize::MAX),
                "transfer-encoding" => is_last = true,
                _ => {}
            }
        }
        Self {
            method,
            path,
            body_bytes,
            is_last,
        }
    }
}

fn to_http(answer: &Answer, request: &Request) -> Vec<u8> {
    let status = http::StatusCode::from_u16(answer.status).ok();
    let reason = status
        .and_then(|s| s.canonical_reason())
        .unwrap_or("Unknown");
    let close = if request.is_last {
        "connection: close\r\n"
    } else {
        ""
    };
    // What is without content has no length either.
    let length = match answer.status {
        204 => String::new(),
        _ => format!(
            "content-type: text/plain\r\ncontent-length: {}\r\n",
            answer.body.len()
        ),
    };
    let head = format!("HTTP/1.1 {} {reason}\r\n{length}{close}\r\n", answer.status);
    let body: &[u8] = match request.method.as_str() {
        "HEAD" => &[],
        _ => &answer.body,
    };
    [head.as_bytes(), body].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(head: &str) -> Request {
        Request::parse(head)
    }

    #[test]
    fn a_client_says_whether_it_goes_on() {
        assert!(!request("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").is_last);
        for head in [
            "GET /metrics HTTP/1.0\r\n\r\n",
            "GET /metrics HTTP/1.1\r\nConnection: Close\r\n\r\n",
            "PUT /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
            "",
            "nonsense",
        ] {
            assert!(request(head).is_last, "{head}");
        }
        let put = request("PUT /x HTTP/1.1\r\nContent-Length: 5\r\n\r\n");
        assert_eq!((put.body_bytes, put.is_last), (5, false));
        assert_eq!(request("GET /a?b HTTP/1.1\r\n\r\n").path, "/a?b");
    }
}
