//! Cuts the content of one entry into blocks of whole lines.

use std::io::{self, Read};

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::AppendError;

/// The size that a block is filled to before it is cut, in bytes. `docs/format.md` gives the
/// reason: smaller costs compression, larger costs memory and parallelism.
pub(super) const BLOCK_BYTES: usize = 1 << 20;

/// A run of whole lines, and what the index says of it.
#[derive(Debug)]
pub(super) struct PlainBlock {
    pub(super) bytes: Vec<u8>,
    /// Number of the first line, from 1.
    pub(super) first_line: u64,
    /// Whether it starts within a line that was cut because it is longer than a block.
    pub(super) starts_mid_line: bool,
    /// Kubelet timestamps of the first and the last line, if they have any.
    pub(super) times: Option<(Timestamp, Timestamp)>,
}

/// Reads an entry's content once, block by block, hashing as it goes.
pub(super) struct Blocks<'a> {
    content: &'a mut dyn Read,
    remaining: u64,
    total: u64,
    hash: Sha256,
    carried: Vec<u8>,
    next_line: u64,
    mid_line: bool,
}

impl<'a> Blocks<'a> {
    pub(super) fn new(bytes: u64, content: &'a mut dyn Read) -> Self {
        let (hash, carried) = (Sha256::new(), Vec::new());
        Self {
            content,
            remaining: bytes,
            total: bytes,
            hash,
            carried,
            next_line: 1,
            mid_line: false,
        }
    }

    /// The length that was announced.
    pub(super) fn total(&self) -> u64 {
        self.total
    }

    /// The next block, cut after its last newline (or anywhere, if it has none); `None` at the
    /// end of the entry.
    pub(super) fn next(&mut self) -> Result<Option<PlainBlock>, AppendError> {
        let mut bytes = std::mem::take(&mut self.carried);
        let room = BLOCK_BYTES.saturating_sub(bytes.len()) as u64;
        let wanted = room.min(self.remaining);
        let before = bytes.len();
        let read = (&mut *self.content).take(wanted).read_to_end(&mut bytes);
        let read = read.map_err(AppendError::Content)? as u64;
        if read < wanted {
            let missing = self.remaining - read;
            let text = format!("it ended {missing} bytes before the length announced");
            return Err(AppendError::Content(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                text,
            )));
        }
        self.hash.update(bytes.get(before..).unwrap_or_default());
        self.remaining -= read;
        if bytes.is_empty() {
            return self.expect_end().map(|()| None);
        }
        if self.remaining > 0
            && let Some(last) = memchr::memrchr(b'\n', &bytes)
        {
            self.carried = bytes.split_off(last + 1);
        }
        let first_line = self.next_line;
        self.next_line += memchr::memchr_iter(b'\n', &bytes).count() as u64;
        let starts_mid_line = self.mid_line;
        self.mid_line = bytes.last().is_some_and(|b| *b != b'\n');
        let times = times(&bytes);
        Ok(Some(PlainBlock {
            bytes,
            first_line,
            starts_mid_line,
            times,
        }))
    }

    fn expect_end(&mut self) -> Result<(), AppendError> {
        let mut byte = [0];
        if self.content.read(&mut byte).map_err(AppendError::Content)? == 0 {
            Ok(())
        } else {
            let text = format!("it goes on after the {} bytes announced", self.total);
            Err(AppendError::Content(io::Error::new(
                io::ErrorKind::InvalidData,
                text,
            )))
        }
    }

    /// The hash of what was read so far, in lower-case hexadecimal.
    pub(super) fn sha256(self) -> String {
        crate::hex(&self.hash.finalize())
    }
}

/// The kubelet timestamps of the first and the last line.
fn times(block: &[u8]) -> Option<(Timestamp, Timestamp)> {
    let stamp = |line: &[u8]| -> Option<Timestamp> {
        let word = line
            .get(..line.len().min(40))?
            .split(|b| *b == b' ')
            .next()?;
        let looks_like_one = word.len() >= 20 && word.first().is_some_and(u8::is_ascii_digit);
        std::str::from_utf8(word)
            .ok()
            .filter(|_| looks_like_one)?
            .parse()
            .ok()
    };
    let body = block.strip_suffix(b"\n").unwrap_or(block);
    let last = memchr::memrchr(b'\n', body).map_or(0, |i| i + 1);
    Some((stamp(body)?, stamp(body.get(last..)?)?))
}
