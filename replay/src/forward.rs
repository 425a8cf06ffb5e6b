//! Port-forwarding, and the API server's pod proxy.
//!
//! Three ways lead to a port: frames in a WebSocket (`v4.channel.k8s.io`, which kube-rs speaks),
//! SPDY in a WebSocket (newer kubectl), and SPDY on the connection itself (older kubectl, and the
//! linkerd CLI).

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{FromRequestParts as _, Request};
use axum::response::{IntoResponse as _, Response};
use http::header::SEC_WEBSOCKET_PROTOCOL;

use crate::admin::{Port, Question};
use crate::conversation::{Conversation, Turn};
use crate::faults::{Dropped, Valve};
use crate::query::Query;
use crate::route::Target;
use crate::status::{Status, text_response};
use crate::store::Store;
use crate::tunnel;

/// The framed protocol, and how clients may spell it.
const FRAMED: [&str; 3] = [
    "v4.channel.k8s.io",
    "v4.portforward.k8s.io",
    "portforward.k8s.io",
];
/// SPDY in a WebSocket.
pub(crate) const TUNNELED: &str = "SPDY/3.1+portforward.k8s.io";
/// How long a client may be silent.
pub(crate) const SILENCE: Duration = Duration::from_mins(5);
/// How long a client may wait for what has stalled.
pub(crate) const FOREVER: Duration = Duration::from_hours(24);
/// Ports of one request; a channel's number is one byte.
const MAX_PORTS: usize = 100;
/// The largest message of a client.
const MAX_MESSAGE_BYTES: usize = 1 << 20;

/// The pod whose port is asked for.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) store: Arc<Store>,
    pub(crate) namespace: String,
    pub(crate) pod: String,
    /// What the data of the ports goes through, if a fault is for it.
    pub(crate) valve: Option<Valve>,
}

impl Place {
    pub(crate) fn connect(&self, port: u16) -> Conversation {
        Conversation::new(Arc::clone(&self.store), &self.namespace, &self.pod, port)
    }

    /// Takes from the front of some bytes what may be sent now; `None` if that is nothing more.
    pub(crate) async fn pass(&mut self, bytes: &mut Bytes) -> Result<Option<Bytes>, Dropped> {
        let piece = match &mut self.valve {
            Some(valve) => valve.pass(bytes).await?,
            None => std::mem::take(bytes),
        };
        Ok(Some(piece).filter(|p| !p.is_empty()))
    }

    /// Whether nothing more can be said.
    pub(crate) fn is_stalled(&self) -> bool {
        self.valve.as_ref().is_some_and(Valve::is_stalled)
    }
}

/// Answers `pods/<name>/portforward`.
pub(crate) async fn upgrade(
    store: Arc<Store>,
    target: &Target,
    query: &Query,
    request: Request,
) -> Response {
    let valve = request.extensions().get().cloned();
    let place = Place {
        store,
        valve,
        namespace: target.namespace.clone().unwrap_or_default(),
        pod: target.name.clone().unwrap_or_default(),
    };
    if place.store.pod(&place.namespace, &place.pod).is_none() {
        return Status::not_found("pods", "", &place.pod).into_response();
    }
    if tunnel::is_wanted(request.headers()) {
        return tunnel::upgrade(place, request);
    }
    let wanted = request.headers().get(SEC_WEBSOCKET_PROTOCOL).cloned();
    let (mut parts, _) = request.into_parts();
    let Ok(upgrade) = WebSocketUpgrade::from_request_parts(&mut parts, &()).await else {
        return Status::bad_request("Upgrade request required").into_response();
    };
    let upgrade = upgrade
        .max_message_size(MAX_MESSAGE_BYTES)
        .protocols([TUNNELED].into_iter().chain(FRAMED));
    let wanted = wanted.and_then(|w| w.to_str().ok().map(str::to_owned));
    if wanted.is_some_and(|w| w.split(',').any(|p| p.trim() == TUNNELED)) {
        return upgrade.on_upgrade(|socket| tunnel::in_websocket(place, socket));
    }
    let ports: Result<Vec<u16>, _> = query.text("ports").split(',').map(str::parse).collect();
    match ports {
        Ok(ports) if !ports.contains(&0) && ports.len() <= MAX_PORTS => {
            upgrade.on_upgrade(|socket| framed(place, socket, ports))
        }
        _ => {
            let text = format!(
                "query parameter \"ports\" must name 1 to {MAX_PORTS} ports, such as `ports=4191`"
            );
            Status::bad_request(text).into_response()
        }
    }
}

/// A port of a framed session.
struct Channel {
    number: usize,
    /// `None` once it has ended.
    conversation: Option<Conversation>,
}

/// Frames: for the n-th port there is a data channel 2n and an error channel 2n+1; the server
/// opens both with a frame that repeats the port's number.
async fn framed(mut place: Place, mut socket: WebSocket, ports: Vec<u16>) {
    let mut channels = Vec::new();
    for (number, port) in ports.iter().enumerate() {
        for channel in [number * 2, number * 2 + 1] {
            let opening = frame(channel, &port.to_le_bytes());
            if socket.send(opening).await.is_err() {
                return;
            }
        }
        channels.push(Channel {
            number: number * 2,
            conversation: Some(place.connect(*port)),
        });
    }
    let mut limit = SILENCE;
    while let Ok(Some(Ok(message))) = tokio::time::timeout(limit, socket.recv()).await {
        let bytes = match message {
            Message::Binary(bytes) => bytes,
            Message::Close(_) => return,
            _ => continue,
        };
        let Some((channel, data)) = bytes.split_first() else {
            continue;
        };
        let mut all = channels.iter_mut();
        let Some(channel) = all.find(|c| c.number == usize::from(*channel)) else {
            continue;
        };
        for (channel, bytes) in channel.take(data).await {
            if send(&mut place, &mut socket, channel, bytes).await.is_err() {
                return;
            }
        }
        if place.is_stalled() {
            limit = FOREVER;
            continue;
        }
        if channels.iter().all(|c| c.conversation.is_none()) {
            // The client may be gone already, which ends it as well.
            drop(socket.send(Message::Close(None)).await);
            return;
        }
    }
}

impl Channel {
    /// What is said on which channel.
    async fn take(&mut self, data: &[u8]) -> Vec<(usize, Bytes)> {
        let Some(conversation) = self.conversation.take() else {
            return Vec::new();
        };
        let Some((conversation, turns)) = converse(conversation, data.to_vec()).await else {
            return Vec::new();
        };
        let is_over = turns.iter().any(|t| !matches!(t, Turn::Answer(_)));
        self.conversation = (!is_over).then_some(conversation);
        let said = turns.into_iter().map(|turn| match turn {
            Turn::Answer(bytes) | Turn::Last(bytes) => (self.number, bytes.into()),
            Turn::Refused(why) => (self.number + 1, why.into()),
        });
        said.collect()
    }
}

/// Sends what is said on a channel, through the valve.
async fn send(
    place: &mut Place,
    socket: &mut WebSocket,
    channel: usize,
    mut bytes: Bytes,
) -> Result<(), Dropped> {
    while let Some(piece) = place.pass(&mut bytes).await? {
        let sent = socket.send(frame(channel, &piece)).await;
        sent.map_err(|_| Dropped)?;
    }
    Ok(())
}

/// Lets a conversation take bytes where it may block.
pub(crate) async fn converse(
    mut conversation: Conversation,
    data: Vec<u8>,
) -> Option<(Conversation, Vec<Turn>)> {
    let task = tokio::task::spawn_blocking(move || {
        let turns = conversation.take(&data);
        (conversation, turns)
    });
    task.await.ok()
}

fn frame(channel: usize, data: &[u8]) -> Message {
    let channel = u8::try_from(channel).unwrap_or(u8::MAX);
    Message::Binary([&[channel], data].concat().into())
}

/// The pod and the port that a proxy's name means: `scheme:name:port`, `name:port` or `name`.
pub(crate) fn addressed(name: &str) -> (&str, u16) {
    let parts: Vec<&str> = name.split(':').collect();
    match parts.as_slice() {
        [_, pod, port] | [pod, port] => (pod, port.parse().unwrap_or(0)),
        _ => (name, 80),
    }
}

/// Answers `pods/<name>[:port]/proxy/<path>`.
pub(crate) fn proxy(store: &Store, target: &Target, method: &str) -> Response {
    let namespace = target.namespace.as_deref().unwrap_or_default();
    let name = target.name.as_deref().unwrap_or_default();
    let (pod, port) = addressed(name);
    if store.pod(namespace, pod).is_none() {
        return Status::not_found("pods", "", pod).into_response();
    }
    let path = target.subresource.strip_prefix("proxy").unwrap_or_default();
    let question = Question {
        method,
        path: if path.is_empty() { "/" } else { path },
        // Nothing that a port takes may be sent from outside of the pod.
        body: &[],
        is_local: false,
    };
    let answer = Port::find(store, namespace, pod, port).and_then(|p| p.answer(question));
    match answer {
        Ok(answer) => text_response(answer.status, answer.body),
        Err(why) => {
            let text = format!("error trying to reach service: {why}");
            Status::recorded(503, &text).into_response()
        }
    }
}
