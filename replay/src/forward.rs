//! Port-forwarding over WebSocket, and the API server's pod proxy.
//!
//! The protocol is `v4.channel.k8s.io`: for the n-th port there is a data channel 2n and an
//! error channel 2n+1; the server opens both with a frame that repeats the port's number.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::response::{IntoResponse as _, Response};

use crate::admin::Port;
use crate::query::Query;
use crate::route::Target;
use crate::status::{Status, text_response};
use crate::store::Store;

/// The subprotocol that is spoken here, and how clients may spell it.
const PROTOCOLS: [&str; 2] = ["v4.channel.k8s.io", "portforward.k8s.io"];
/// A request head beyond this is no request.
const MAX_HEAD_BYTES: usize = 16 << 10;
/// How long a client may take for its request, in seconds.
const REQUEST_SECONDS: u64 = 60;
/// The first byte of a TLS handshake.
const TLS_HANDSHAKE: u8 = 0x16;

/// Answers `pods/<name>/portforward`.
pub(crate) fn upgrade(
    store: Arc<Store>,
    target: &Target,
    query: &Query,
    upgrade: Option<WebSocketUpgrade>,
) -> Response {
    let Some(upgrade) = upgrade else {
        return Status::bad_request("Upgrade request required").into_response();
    };
    let namespace = target.namespace.clone().unwrap_or_default();
    let pod = target.name.clone().unwrap_or_default();
    if store.pod(&namespace, &pod).is_none() {
        return Status::not_found("pods", "", &pod).into_response();
    }
    let ports: Vec<u16> = query
        .text("ports")
        .split(',')
        .filter_map(|p| p.parse().ok())
        .collect();
    if ports.is_empty() || ports.len() > 100 {
        return Status::bad_request("query parameter \"ports\" is required").into_response();
    }
    upgrade
        .protocols(PROTOCOLS)
        .on_upgrade(move |socket| session(store, socket, namespace, pod, ports))
}

async fn session(
    store: Arc<Store>,
    mut socket: WebSocket,
    namespace: String,
    pod: String,
    ports: Vec<u16>,
) {
    for (number, port) in ports.iter().enumerate() {
        for channel in [number * 2, number * 2 + 1] {
            let opening = frame(channel, &port.to_le_bytes());
            if socket.send(Message::Binary(opening.into())).await.is_err() {
                return;
            }
        }
    }
    let mut heads: BTreeMap<usize, Vec<u8>> = BTreeMap::new();
    let limit = std::time::Duration::from_secs(REQUEST_SECONDS);
    while let Ok(Some(Ok(message))) = tokio::time::timeout(limit, socket.recv()).await {
        let bytes = match message {
            Message::Binary(bytes) => bytes,
            Message::Close(_) => return,
            _ => continue,
        };
        let Some((channel, data)) = bytes.split_first() else {
            continue;
        };
        let channel = usize::from(*channel);
        let Some(port) = ports.get(channel / 2).filter(|_| channel % 2 == 0) else {
            continue;
        };
        let head = heads.entry(channel).or_default();
        head.extend_from_slice(data);
        let reply = match reply(&store, (&namespace, &pod), *port, head) {
            Reply::More => continue,
            Reply::Data(bytes) => frame(channel, &bytes),
            Reply::Refused(why) => frame(channel + 1, why.as_bytes()),
        };
        // One request per connection, as `connection: close` says.
        if socket.send(Message::Binary(reply.into())).await.is_ok() {
            drop(socket.send(Message::Close(None)).await);
        }
        return;
    }
}

enum Reply {
    /// The request is not complete yet.
    More,
    Data(Vec<u8>),
    Refused(String),
}

fn reply(store: &Store, (namespace, pod): (&str, &str), number: u16, head: &[u8]) -> Reply {
    let port = match Port::find(store, namespace, pod, number) {
        Ok(port) => port,
        Err(why) => return Reply::Refused(why),
    };
    if head.first() == Some(&TLS_HANDSHAKE) {
        return Reply::Refused(
            "a replay has no private keys, so it cannot do a TLS handshake".to_owned(),
        );
    }
    let is_complete = head.windows(4).any(|w| w == b"\r\n\r\n");
    if !is_complete {
        return if head.len() > MAX_HEAD_BYTES {
            Reply::Refused("the request is too long".to_owned())
        } else {
            Reply::More
        };
    }
    let text = String::from_utf8_lossy(head);
    let mut words = text.lines().next().unwrap_or_default().split(' ');
    let (method, path) = (
        words.next().unwrap_or_default(),
        words.next().unwrap_or("/"),
    );
    match port.answer(method, path) {
        Ok(answer) => Reply::Data(answer.to_http()),
        Err(why) => Reply::Refused(why),
    }
}

fn frame(channel: usize, data: &[u8]) -> Vec<u8> {
    let channel = u8::try_from(channel).unwrap_or(u8::MAX);
    [&[channel], data].concat()
}

/// Answers `pods/<name>[:port]/proxy/<path>`.
pub(crate) fn proxy(store: &Store, target: &Target, method: &str) -> Response {
    let namespace = target.namespace.as_deref().unwrap_or_default();
    let name = target.name.as_deref().unwrap_or_default();
    // `scheme:name:port`, `name:port` or `name`.
    let parts: Vec<&str> = name.split(':').collect();
    let (pod, port) = match parts.as_slice() {
        [_, pod, port] | [pod, port] => (*pod, port.parse().unwrap_or(0)),
        _ => (name, 80),
    };
    if store.pod(namespace, pod).is_none() {
        return Status::not_found("pods", "", pod).into_response();
    }
    let path = target.subresource.strip_prefix("proxy").unwrap_or_default();
    let path = if path.is_empty() { "/" } else { path };
    let answer = Port::find(store, namespace, pod, port).and_then(|p| p.answer(method, path));
    match answer {
        Ok(answer) => text_response(answer.status, answer.body),
        Err(why) => {
            let text = format!("error trying to reach service: {why}");
            Status::recorded(503, text).into_response()
        }
    }
}
