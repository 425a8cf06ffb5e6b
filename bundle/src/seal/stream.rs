//! The content: chunks of 64 KiB, each encrypted with its number, so that any of them can be read
//! alone and none can be left out, moved or cut off unseen.

use std::fs::File;
use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};

use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};

use super::{Recipient, derive, header, random};

/// Bytes of a chunk, and of its tag.
const CHUNK: usize = 64 << 10;
const TAG: usize = 16;
const SEALED: u64 = (CHUNK + TAG) as u64;
/// Random bytes between header and content.
const SALT: usize = 16;

fn nonce(number: u64, is_last: bool) -> Nonce {
    let mut bytes = [0; 12];
    let number = number.to_be_bytes().into_iter().chain([u8::from(is_last)]);
    for (to, from) in bytes.iter_mut().skip(3).zip(number) {
        *to = from;
    }
    Nonce::assume_unique_for_key(bytes)
}

fn key(file_key: &[u8; 16], salt: &[u8]) -> io::Result<LessSafeKey> {
    let key = derive(file_key, salt, "payload");
    let key = key.and_then(|key| UnboundKey::new(&CHACHA20_POLY1305, &key).ok());
    key.map(LessSafeKey::new)
        .ok_or_else(|| io::Error::other("no key can be derived"))
}

/// Encrypts what is written to it into a file.
pub(crate) struct Sealer {
    file: File,
    key: LessSafeKey,
    number: u64,
    open: Vec<u8>,
    written: u64,
}

impl std::fmt::Debug for Sealer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sealer")
            .field("number", &self.number)
            .finish_non_exhaustive()
    }
}

impl Sealer {
    /// Writes the header.
    pub(crate) fn new(mut file: File, recipients: &[Recipient]) -> io::Result<Self> {
        let (head, file_key) = header::wrap(recipients).map_err(io::Error::other)?;
        let salt = random::<SALT>().map_err(io::Error::other)?;
        file.write_all(&head)?;
        file.write_all(&salt)?;
        Ok(Self {
            key: key(&file_key, &salt)?,
            file,
            number: 0,
            open: Vec::with_capacity(2 * CHUNK),
            written: (head.len() + SALT) as u64,
        })
    }

    fn seal(&mut self, len: usize, is_last: bool) -> io::Result<()> {
        let mut chunk: Vec<u8> = self.open.drain(..len).collect();
        let nonce = nonce(self.number, is_last);
        let sealed = self
            .key
            .seal_in_place_append_tag(nonce, Aad::empty(), &mut chunk);
        sealed.map_err(|_| io::Error::other("a chunk cannot be encrypted"))?;
        self.number += 1;
        self.written += chunk.len() as u64;
        self.file.write_all(&chunk)
    }

    /// Writes the last chunk. Gives the file and its size.
    pub(crate) fn finish(mut self) -> io::Result<(File, u64)> {
        self.seal(self.open.len(), true)?;
        Ok((self.file, self.written))
    }
}

impl Write for Sealer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(CHUNK);
        self.open
            .extend_from_slice(bytes.get(..taken).unwrap_or_default());
        // What may be the last chunk is kept.
        while self.open.len() > CHUNK {
            self.seal(CHUNK, false)?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// An encrypted file that is read in any order.
pub(crate) struct Opened {
    key: LessSafeKey,
    /// Where the first chunk is.
    start: u64,
    /// Where the file ends.
    end: u64,
    /// Bytes of the content.
    len: u64,
    /// The chunk that was read last.
    last: Mutex<Option<(u64, Vec<u8>)>>,
}

impl std::fmt::Debug for Opened {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Opened")
            .field("len", &self.len)
            .finish_non_exhaustive()
    }
}

/// Reads bytes of the encrypted file from an offset on.
pub(crate) type ReadAt<'a> = &'a dyn Fn(&mut [u8], u64) -> io::Result<()>;

impl Opened {
    /// Opens a file of `size` bytes whose header has `header_len`.
    pub(crate) fn new(
        read_at: ReadAt<'_>,
        size: u64,
        header_len: u64,
        file_key: &[u8; 16],
    ) -> io::Result<Self> {
        let mut salt = [0; SALT];
        read_at(&mut salt, header_len)?;
        let start = header_len + SALT as u64;
        let mut opened = Self {
            key: key(file_key, &salt)?,
            start,
            end: size,
            len: 0,
            last: Mutex::new(None),
        };
        let sealed = size - start;
        let chunks = sealed.div_ceil(SEALED);
        // A file whose writer was killed ends with a chunk that is not the last, or within one.
        for chunks in [chunks, chunks.saturating_sub(1)] {
            opened.end = size.min(start + chunks * SEALED);
            opened.len = (opened.end - start).saturating_sub(chunks * TAG as u64);
            if chunks == 0 || opened.chunk(read_at, chunks - 1).is_ok() {
                return Ok(opened);
            }
        }
        Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "its content does not decrypt",
        ))
    }

    /// Bytes of the content.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// Reads some bytes of the content from `offset` on.
    pub(crate) fn read_at(
        &self,
        read_at: ReadAt<'_>,
        buffer: &mut [u8],
        offset: u64,
    ) -> io::Result<usize> {
        if offset >= self.len || buffer.is_empty() {
            return Ok(0);
        }
        let number = offset / CHUNK as u64;
        let within = usize::try_from(offset % CHUNK as u64).unwrap_or_default();
        let known = self
            .last
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let chunk = match known {
            Some((at, chunk)) if at == number => chunk,
            _ => self.chunk(read_at, number)?,
        };
        let from = chunk.get(within..).unwrap_or_default();
        let count = from.len().min(buffer.len());
        for (to, from) in buffer.iter_mut().zip(from) {
            *to = *from;
        }
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some((number, chunk));
        Ok(count)
    }

    fn chunk(&self, read_at: ReadAt<'_>, number: u64) -> io::Result<Vec<u8>> {
        let start = self.start + number * SEALED;
        let len = self.end.saturating_sub(start).min(SEALED);
        let mut sealed = vec![0; usize::try_from(len).unwrap_or_default()];
        read_at(&mut sealed, start)?;
        let may_be_last = start + len == self.end;
        for is_last in [may_be_last, false] {
            let mut chunk = sealed.clone();
            let nonce = nonce(number, is_last);
            if let Ok(plain) = self.key.open_in_place(nonce, Aad::empty(), &mut chunk) {
                let len = plain.len();
                chunk.truncate(len);
                return Ok(chunk);
            }
        }
        Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "a chunk does not decrypt",
        ))
    }
}
