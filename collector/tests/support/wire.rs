//! Somebody on the wire between the collector and a server: answers some requests with bytes, or
//! with their want, as no server library would, and hands on all others.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

/// Answers a request: on this connection, where this would be the body of the true answer.
pub(crate) type Act = Arc<dyn Fn(TcpStream, Vec<u8>) -> BoxFuture<'static, Broken> + Send + Sync>;

/// How a connection ended; nobody asks.
pub(crate) type Broken = std::io::Result<()>;

/// The wire to a server.
pub(crate) struct Wire {
    pub(crate) address: String,
    _runtime: tokio::runtime::Runtime,
}

impl Wire {
    /// A wire on which requests whose target begins so are answered by `act`.
    pub(crate) fn to(server: &str, target: &'static str, act: Act) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0");
        let listener = runtime.block_on(listener).unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let server = server.to_owned();
        runtime.spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (server, act) = (server.clone(), Arc::clone(&act));
                tokio::spawn(async move { converse(client, &server, target, act).await });
            }
        });
        Self {
            address,
            _runtime: runtime,
        }
    }
}

async fn converse(mut client: TcpStream, server: &str, target: &str, act: Act) -> Broken {
    client.set_nodelay(true)?;
    let mut request = Vec::new();
    while !request.windows(4).any(|w| w == b"\r\n\r\n") {
        if client.read_buf(&mut request).await? == 0 {
            return Ok(());
        }
    }
    let text = String::from_utf8_lossy(&request).into_owned();
    let mut upstream = TcpStream::connect(server).await?;
    if text.split(' ').nth(1).unwrap().starts_with(target) {
        // An answer to this version is neither in chunks nor followed by another.
        let old = text.replacen("HTTP/1.1", "HTTP/1.0", 1);
        upstream.write_all(old.as_bytes()).await?;
        let mut answer = Vec::new();
        upstream.read_to_end(&mut answer).await?;
        let head = answer.windows(4).position(|w| w == b"\r\n\r\n").unwrap();
        return act(client, answer.split_off(head + 4)).await;
    }
    // The next request comes on a connection of its own, where it is looked at as well.
    let line = text.find("\r\n").unwrap();
    if !text.to_ascii_lowercase().contains("upgrade:") {
        request.splice(line..line, *b"\r\nConnection: close");
    }
    upstream.write_all(&request).await?;
    copy_bidirectional(&mut client, &mut upstream).await?;
    Ok(())
}

/// Writes these bytes again and again, until nobody listens any more.
pub(crate) async fn forever(client: &mut TcpStream, bytes: &[u8], gap: Duration) -> Broken {
    loop {
        client.write_all(bytes).await?;
        client.flush().await?;
        if !gap.is_zero() {
            tokio::time::sleep(gap).await;
        }
    }
}

/// A chunk of a body.
pub(crate) fn chunk(bytes: &[u8]) -> Vec<u8> {
    let size = format!("{:x}\r\n", bytes.len());
    [size.as_bytes(), bytes, b"\r\n"].concat()
}

/// Closes a connection without a farewell: the other side is told that it was reset.
pub(crate) async fn reset(client: TcpStream) -> Broken {
    // What was written before must arrive before.
    tokio::time::sleep(Duration::from_millis(50)).await;
    client.set_zero_linger()
}
