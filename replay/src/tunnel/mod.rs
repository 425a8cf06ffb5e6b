//! Port-forwarding in SPDY/3.1, on the connection itself or within a WebSocket.
//!
//! [`frame`] is the wire format, [`session`] what is said over it.

mod frame;
mod session;

use axum::body::Body;
use axum::extract::Request;
use axum::extract::ws::{Message, WebSocket};
use axum::response::{IntoResponse as _, Response};
use futures::{SinkExt as _, StreamExt as _};
use http::header::{CONNECTION, HeaderMap, HeaderName, HeaderValue, UPGRADE};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::forward::Place;
use crate::status::Status;

const SPDY: &str = "SPDY/3.1";
const VERSION_HEADER: HeaderName = HeaderName::from_static("x-stream-protocol-version");
const PORT_FORWARD: &str = "portforward.k8s.io";
/// Bytes on their way between a WebSocket and a session.
const PIPE_BYTES: usize = 64 << 10;

/// Whether a request asks for SPDY on its connection.
pub(crate) fn is_wanted(headers: &HeaderMap) -> bool {
    let wanted = headers.get(UPGRADE).and_then(|v| v.to_str().ok());
    wanted.is_some_and(|w| w.eq_ignore_ascii_case(SPDY))
}

/// Switches a connection to SPDY.
pub(crate) fn upgrade(place: Place, mut request: Request) -> Response {
    let offered = request.headers().get_all(VERSION_HEADER).iter();
    let mut offered = offered.filter_map(|v| v.to_str().ok());
    if !offered.any(|v| v.split(',').any(|p| p.trim() == PORT_FORWARD)) {
        let text = format!("unable to upgrade: no stream protocol but `{PORT_FORWARD}` is spoken");
        return Status::bad_request(text).into_response();
    }
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        // A client that goes away before is nothing to report.
        if let Ok(connection) = upgrade.await {
            session::run(place, TokioIo::new(connection)).await;
        }
    });
    let mut response = Response::new(Body::empty());
    *response.status_mut() = http::StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static(SPDY));
    headers.insert(VERSION_HEADER, HeaderValue::from_static(PORT_FORWARD));
    response
}

/// Speaks SPDY within the binary messages of a WebSocket.
pub(crate) async fn in_websocket(place: Place, socket: WebSocket) {
    let (near, far) = tokio::io::duplex(PIPE_BYTES);
    let (mut from_session, mut to_session) = tokio::io::split(near);
    let (mut to_client, mut from_client) = socket.split();
    let inwards = async {
        while let Some(Ok(message)) = from_client.next().await {
            match message {
                Message::Binary(bytes) if to_session.write_all(&bytes).await.is_err() => break,
                Message::Close(_) => break,
                _ => {}
            }
        }
        // The session sees the end of its input; if it has ended before, all the better.
        drop(to_session.shutdown().await);
    };
    let outwards = async {
        let mut buffer = vec![0; PIPE_BYTES];
        while let Ok(length @ 1..) = from_session.read(&mut buffer).await {
            let bytes = buffer.get(..length).unwrap_or_default().to_vec();
            if to_client.send(Message::Binary(bytes.into())).await.is_err() {
                break;
            }
        }
        drop(to_client.close().await);
    };
    let session = session::run(place, far);
    tokio::pin!(inwards, outwards, session);
    let mut inwards_open = true;
    let mut session_open = true;
    loop {
        tokio::select! {
            () = &mut inwards, if inwards_open => inwards_open = false,
            () = &mut session, if session_open => session_open = false,
            () = &mut outwards => return,
        }
    }
}
