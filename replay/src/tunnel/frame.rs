//! The wire format of SPDY/3.1, as far as Kubernetes uses it.

use std::collections::BTreeMap;
use std::io::{Error, ErrorKind, Result};

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};
use tokio::io::{AsyncRead, AsyncReadExt as _};

/// The bytes that both sides take as having been compressed before the first header.
const DICTIONARY: &[u8] = include_bytes!("dictionary.bin");
/// The largest frame that is taken from a client.
const MAX_FRAME_BYTES: u32 = 1 << 20;
/// The most that the headers of a stream may come to.
const MAX_HEADER_BYTES: usize = 64 << 10;
const VERSION: u16 = 3;
const SYN_STREAM: u16 = 1;
const SYN_REPLY: u16 = 2;
const RST_STREAM: u16 = 3;
const PING: u16 = 6;
const GOAWAY: u16 = 7;
const FIN: u8 = 1;
/// The bits of a stream's number.
const STREAM_BITS: u32 = 0x7fff_ffff;

/// A frame of the client.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Frame {
    Open {
        stream: u32,
        headers: BTreeMap<String, String>,
    },
    Data {
        stream: u32,
        bytes: Vec<u8>,
        is_last: bool,
    },
    Reset(u32),
    Ping([u8; 4]),
    GoAway,
    /// Settings, windows and the like.
    Other,
}

/// Reads frames; the headers of all streams are one compressed stream.
pub(super) struct Reader<R> {
    input: R,
    headers: Decompress,
}

fn invalid(text: &str) -> Error {
    Error::new(ErrorKind::InvalidData, text.to_owned())
}

/// The number in the first four bytes, and the rest.
fn number(bytes: &[u8]) -> Result<(u32, &[u8])> {
    let (number, rest) = bytes
        .split_first_chunk()
        .ok_or_else(|| invalid("the frame is too short"))?;
    Ok((u32::from_be_bytes(*number), rest))
}

impl<R: AsyncRead + Unpin> Reader<R> {
    pub(super) fn new(input: R) -> Self {
        Self {
            input,
            headers: Decompress::new(true),
        }
    }

    /// The next frame.
    ///
    /// # Errors
    /// At the end of the input, and when it is no SPDY.
    pub(super) async fn next(&mut self) -> Result<Frame> {
        let head = self.input.read_u32().await?;
        let size = self.input.read_u32().await?;
        let (flags, length) = (size.to_be_bytes()[0], size & 0x00ff_ffff);
        if length > MAX_FRAME_BYTES {
            return Err(invalid("the frame is too large"));
        }
        let mut payload = vec![0; usize::try_from(length).unwrap_or_default()];
        self.input.read_exact(&mut payload).await?;
        if head & !STREAM_BITS == 0 {
            return Ok(Frame::Data {
                stream: head,
                bytes: payload,
                is_last: flags & FIN != 0,
            });
        }
        let [_, _, high, low] = head.to_be_bytes();
        Ok(match u16::from_be_bytes([high, low]) {
            SYN_STREAM => {
                let (stream, rest) = number(&payload)?;
                // The stream it belongs to, priority and slot are of no use here.
                let block = rest.get(6..).unwrap_or_default();
                let headers = parse(&self.inflate(block)?)?;
                let stream = stream & STREAM_BITS;
                Frame::Open { stream, headers }
            }
            RST_STREAM => Frame::Reset(number(&payload)?.0 & STREAM_BITS),
            PING => Frame::Ping(number(&payload)?.0.to_be_bytes()),
            GOAWAY => Frame::GoAway,
            _ => Frame::Other,
        })
    }

    fn inflate(&mut self, mut block: &[u8]) -> Result<Vec<u8>> {
        let mut out = Vec::with_capacity(4 << 10);
        loop {
            if out.len() == out.capacity() {
                if out.len() >= MAX_HEADER_BYTES {
                    return Err(invalid("the headers are too long"));
                }
                out.reserve(out.len());
            }
            let (before, filled) = (self.headers.total_in(), out.len());
            let result = self
                .headers
                .decompress_vec(block, &mut out, FlushDecompress::Sync);
            let taken = usize::try_from(self.headers.total_in() - before).unwrap_or(usize::MAX);
            block = block.get(taken..).unwrap_or_default();
            match result {
                Ok(Status::StreamEnd) => return Err(invalid("the headers have ended")),
                Ok(_) if block.is_empty() && out.len() < out.capacity() => return Ok(out),
                Ok(_) if taken == 0 && out.len() == filled && out.len() < out.capacity() => {
                    return Err(invalid("the headers are damaged"));
                }
                Ok(_) => {}
                Err(e) if e.needs_dictionary().is_some() => {
                    let set = self.headers.set_dictionary(DICTIONARY);
                    set.map_err(|_| invalid("the headers have another dictionary"))?;
                }
                Err(_) => return Err(invalid("the headers are damaged")),
            }
        }
    }
}

fn parse(block: &[u8]) -> Result<BTreeMap<String, String>> {
    let text = |bytes: &mut &[u8]| -> Result<String> {
        let (length, rest) = number(bytes)?;
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let split = rest.split_at_checked(length);
        let (text, rest) = split.ok_or_else(|| invalid("the headers are cut short"))?;
        *bytes = rest;
        Ok(String::from_utf8_lossy(text).into_owned())
    };
    let (count, mut rest) = number(block)?;
    let mut headers = BTreeMap::new();
    for _ in 0..count {
        let name = text(&mut rest)?.to_lowercase();
        headers.insert(name, text(&mut rest)?);
    }
    Ok(headers)
}

/// Writes frames.
pub(super) struct Writer {
    headers: Compress,
    is_fresh: bool,
}

impl Writer {
    pub(super) fn new() -> Self {
        Self {
            headers: Compress::new(Compression::fast(), true),
            is_fresh: true,
        }
    }

    /// Takes a stream that the client opened.
    pub(super) fn accept(&mut self, stream: u32) -> Result<Vec<u8>> {
        if self.is_fresh {
            let set = self.headers.set_dictionary(DICTIONARY);
            set.map_err(|e| invalid(&e.to_string()))?;
            self.is_fresh = false;
        }
        let mut payload = stream.to_be_bytes().to_vec();
        payload.reserve(256);
        // No headers.
        let none = 0u32.to_be_bytes();
        let written = self
            .headers
            .compress_vec(&none, &mut payload, FlushCompress::Sync);
        written.map_err(|e| invalid(&e.to_string()))?;
        Ok(control(SYN_REPLY, &payload))
    }

    pub(super) fn pong(id: [u8; 4]) -> Vec<u8> {
        control(PING, &id)
    }

    /// Refuses a stream: it is not of the protocol.
    pub(super) fn reset(stream: u32) -> Vec<u8> {
        control(
            RST_STREAM,
            &[stream.to_be_bytes(), 1u32.to_be_bytes()].concat(),
        )
    }

    /// Data of a stream in frames that clients take, the last of them marked if it is the end.
    pub(super) fn data(stream: u32, bytes: &[u8], is_last: bool) -> Vec<u8> {
        let mut pieces: Vec<&[u8]> = bytes.chunks(32 << 10).collect();
        if pieces.is_empty() {
            pieces.push(&[]);
        }
        let count = pieces.len();
        let mut out = Vec::with_capacity(bytes.len() + 8 * count);
        for (piece, left) in pieces.into_iter().zip((0..count).rev()) {
            let flags = if is_last && left == 0 { FIN } else { 0 };
            out.extend(stream.to_be_bytes());
            out.extend(sized(flags, piece));
        }
        out
    }
}

fn control(kind: u16, payload: &[u8]) -> Vec<u8> {
    let version = (VERSION | 0x8000).to_be_bytes();
    [&version[..], &kind.to_be_bytes(), &sized(0, payload)].concat()
}

fn sized(flags: u8, payload: &[u8]) -> Vec<u8> {
    let [_, a, b, c] = u32::try_from(payload.len())
        .unwrap_or_default()
        .to_be_bytes();
    [&[flags, a, b, c], payload].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(headers: &[(&str, &str)]) -> Vec<u8> {
        let sized = |text: &str| {
            let length = u32::try_from(text.len()).unwrap().to_be_bytes();
            [&length[..], text.as_bytes()].concat()
        };
        let count = u32::try_from(headers.len()).unwrap().to_be_bytes();
        let pairs = headers.iter().flat_map(|(n, v)| [sized(n), sized(v)]);
        std::iter::once(count.to_vec())
            .chain(pairs)
            .flatten()
            .collect()
    }

    #[tokio::test]
    async fn the_headers_of_successive_streams_are_read() {
        let mut compress = Compress::new(Compression::fast(), true);
        compress.set_dictionary(DICTIONARY).unwrap();
        let mut wire = Vec::new();
        for (stream, kind) in [(1u32, "error"), (3, "data")] {
            let mut payload = [stream.to_be_bytes(), [0; 4]].concat();
            payload.extend([0, 0]);
            payload.reserve(512);
            let block = block(&[("Streamtype", kind), ("port", "4191")]);
            let written = compress.compress_vec(&block, &mut payload, FlushCompress::Sync);
            written.unwrap();
            wire.extend(control(SYN_STREAM, &payload));
        }
        let mut reader = Reader::new(wire.as_slice());
        for (wanted, kind) in [(1, "error"), (3, "data")] {
            let Frame::Open { stream, headers } = reader.next().await.unwrap() else {
                panic!("no stream was opened");
            };
            assert_eq!((stream, headers["streamtype"].as_str()), (wanted, kind));
        }
        assert!(reader.next().await.is_err());
    }

    #[tokio::test]
    async fn what_is_no_spdy_ends_the_reading() {
        let open = |payload: &[u8]| control(SYN_STREAM, payload);
        let bomb = {
            let mut compress = Compress::new(Compression::best(), true);
            compress.set_dictionary(DICTIONARY).unwrap();
            let mut out = vec![0; 10];
            out.reserve(1 << 20);
            let zeros = vec![0; 10 << 20];
            let written = compress.compress_vec(&zeros, &mut out, FlushCompress::Sync);
            written.unwrap();
            out
        };
        for wire in [
            b"GET / HTTP/1.1\r\n\r\n".to_vec(),
            vec![0xff; 64],
            open(&[]),
            open(&[0; 9]),
            open(&[0; 64]),
            open(&bomb),
            control(PING, &[1]),
        ] {
            let mut reader = Reader::new(wire.as_slice());
            assert!(reader.next().await.is_err(), "{:?}", wire.get(..12));
        }
    }
}
