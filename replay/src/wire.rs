//! A connection that can misbehave below HTTP, where no answer has a say: it is reset instead of
//! closed, or lets the head of an answer through byte by byte.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};

/// What a connection is to do wrong. Every request of the connection carries it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Mischief(Arc<Orders>);

#[derive(Debug, Default)]
struct Orders {
    is_reset: AtomicBool,
    /// Bytes of the next head in a second; 0 for all at once.
    head_pace: AtomicU64,
}

impl Mischief {
    /// The connection is reset when it is over.
    pub(crate) fn reset(&self) {
        self.0.is_reset.store(true, Ordering::Relaxed);
    }

    /// The next head comes with so many bytes in a second.
    pub(crate) fn slow_head(&self, bytes_per_second: u64) {
        self.0.head_pace.store(bytes_per_second, Ordering::Relaxed);
    }

    fn is_reset(&self) -> bool {
        self.0.is_reset.load(Ordering::Relaxed)
    }
}

/// A connection to a client.
#[derive(Debug)]
pub(crate) struct Wire {
    stream: TcpStream,
    mischief: Mischief,
    /// Until the next byte of a slow head.
    pause: Option<Pin<Box<Sleep>>>,
    /// The last bytes of a slow head.
    last: [u8; 4],
}

impl Wire {
    pub(crate) fn new(stream: TcpStream, mischief: Mischief) -> Self {
        Self {
            stream,
            mischief,
            pause: None,
            last: [0; 4],
        }
    }

    /// Notes a byte of a slow head. What comes behind the head is not slow.
    fn note(&mut self, byte: u8) {
        let [_, a, b, c] = self.last;
        self.last = [a, b, c, byte];
        if self.last == *b"\r\n\r\n" {
            self.mischief.slow_head(0);
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let pace = self.mischief.0.head_pace.load(Ordering::Relaxed);
        let (Some(gap), Some(first)) = (1_000_000_u64.checked_div(pace), buf.first()) else {
            return Pin::new(&mut self.stream).poll_write(cx, buf);
        };
        let pause = || Box::pin(sleep(Duration::from_micros(gap)));
        ready!(self.pause.get_or_insert_with(pause).as_mut().poll(cx));
        let written = ready!(Pin::new(&mut self.stream).poll_write(cx, &[*first]))?;
        self.pause = None;
        self.note(*first);
        Poll::Ready(Ok(written))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.mischief.0.head_pace.load(Ordering::Relaxed) == 0 {
            return Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        }
        let first = bufs.iter().find(|buf| !buf.is_empty());
        self.poll_write(cx, first.map_or(&[], |buf| buf))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.mischief.is_reset() {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        if self.mischief.is_reset() {
            // Where that cannot be, the connection is closed.
            drop(self.stream.set_zero_linger());
        }
    }
}
