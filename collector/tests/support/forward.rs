//! A pod's port behind the API server's port-forward: plain HTTP or TLS, told by the first byte.

use std::sync::{Arc, LazyLock};

use axum::extract::FromRequestParts;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio_rustls::TlsAcceptor;

/// The certificate that the port presents, and its key, made anew for each run of the tests.
static IDENTITY: LazyLock<rcgen::CertifiedKey<rcgen::KeyPair>> =
    LazyLock::new(|| rcgen::generate_simple_self_signed(["cart".to_owned()]).unwrap());

/// The certificate that the port presents, as PEM.
pub(crate) fn certificate() -> String {
    IDENTITY.cert.pem()
}

/// What a port answers to `METHOD PATH` and a body: status and body.
pub(crate) type Port = Arc<dyn Fn(&str, &str) -> (&'static str, String) + Send + Sync>;

/// The port of a proxy that is not ready.
pub(crate) fn proxy() -> Port {
    Arc::new(|request, _| {
        let (status, body) = answer(request);
        (status, body.to_owned())
    })
}

/// Takes the WebSocket and serves the port until the client goes away.
pub(crate) async fn respond(mut parts: Parts, number: u16, port: Port) -> Response {
    match WebSocketUpgrade::from_request_parts(&mut parts, &()).await {
        Ok(upgrade) => upgrade
            .protocols(["v5.channel.k8s.io", "v4.channel.k8s.io"])
            .on_upgrade(move |socket| bridge(socket, number, port)),
        Err(refusal) => refusal.into_response(),
    }
}

async fn bridge(mut socket: WebSocket, number: u16, port: Port) {
    for channel in [0, 1] {
        let [low, high] = number.to_le_bytes();
        let hello = Message::Binary(vec![channel, low, high].into());
        if socket.send(hello).await.is_err() {
            return;
        }
    }
    let (near, far) = tokio::io::duplex(1 << 16);
    let pod = tokio::spawn(serve(far, port));
    let (mut from_pod, mut to_pod) = tokio::io::split(near);
    let mut buffer = vec![0; 1 << 14];
    loop {
        tokio::select! {
            message = socket.recv() => match message {
                Some(Ok(Message::Binary(bytes))) if bytes.first() == Some(&0) => {
                    if to_pod.write_all(&bytes[1..]).await.is_err() {
                        break;
                    }
                }
                Some(Ok(_)) => {}
                _ => break,
            },
            read = from_pod.read(&mut buffer) => match read {
                Ok(n) if n > 0 => {
                    let mut frame = vec![0];
                    frame.extend_from_slice(&buffer[..n]);
                    if socket.send(Message::Binary(frame.into())).await.is_err() {
                        break;
                    }
                }
                _ => break,
            },
        }
    }
    pod.abort();
}

async fn serve(mut stream: DuplexStream, port: Port) {
    let mut first = [0];
    if stream.read_exact(&mut first).await.is_err() {
        return;
    }
    if first == [0x16] {
        let (reader, writer) = tokio::io::split(stream);
        let reader = std::io::Cursor::new(first).chain(reader);
        let handshake = acceptor().accept(tokio::io::join(reader, writer)).await;
        // The client says nothing after the handshake.
        drop(handshake);
        return;
    }
    let mut request = first.to_vec();
    while !request.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => request.push(byte),
            Err(_) => return,
        }
        if request.ends_with(b"\r\n\r\n") {
            let text = String::from_utf8_lossy(&request).into_owned();
            let mut body = vec![0; content_length(&text)];
            if stream.read_exact(&mut body).await.is_err() {
                return;
            }
            let line = text.split(" HTTP/").next().unwrap_or_default();
            let (status, body) = port(line, &String::from_utf8_lossy(&body));
            let length = body.len();
            let response = format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\n\r\n{body}");
            if stream.write_all(response.as_bytes()).await.is_err() {
                return;
            }
            request.clear();
        }
    }
}

fn content_length(request: &str) -> usize {
    let lower = request.to_ascii_lowercase();
    let header = lower.split("content-length:").nth(1);
    let number = header.and_then(|h| h.lines().next());
    number.and_then(|n| n.trim().parse().ok()).unwrap_or(0)
}

fn acceptor() -> TlsAcceptor {
    let certificate = certificate();
    let chain = CertificateDer::pem_slice_iter(certificate.as_bytes());
    let chain = chain.collect::<Result<Vec<_>, _>>().unwrap();
    let key =
        PrivateKeyDer::from_pem_slice(IDENTITY.signing_key.serialize_pem().as_bytes()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

fn answer(request: &str) -> (&'static str, &'static str) {
    match request.split(' ').next_back() {
        Some("/metrics") => ("200 OK", "forwarded 1\n"),
        Some("/ready") => ("503 Service Unavailable", "not ready\n"),
        Some("/live") => ("200 OK", "live\n"),
        Some("/proxy-log-level") => ("200 OK", "warn,linkerd=info"),
        _ => ("404 Not Found", ""),
    }
}
