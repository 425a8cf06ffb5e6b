//! Reads a file at any place from any thread, decrypting it where it is encrypted.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::sync::Arc;

use crate::seal::{Identity, Opened, unwrap};

/// A file's content. Cloned freely.
#[derive(Debug, Clone)]
pub(super) struct Source(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    file: File,
    sealed: Option<Opened>,
}

/// Bytes in which a header of age ends.
const HEADER_BYTES: usize = 256 << 10;

impl Source {
    /// The content of a file that is not encrypted.
    pub(super) fn plain(file: File) -> Self {
        Self(Arc::new(Inner { file, sealed: None }))
    }

    /// The content of an encrypted file of `size` bytes, and its own size.
    ///
    /// # Errors
    /// What is wrong with the file, or that no identity opens it, in words.
    pub(super) fn sealed(
        file: File,
        size: u64,
        identities: &[Identity],
    ) -> Result<(Self, u64), String> {
        let mut head = vec![0; HEADER_BYTES.min(usize::try_from(size).unwrap_or(HEADER_BYTES))];
        read_exact(&file, &mut head, 0).map_err(|e| e.to_string())?;
        let (header_len, key) = unwrap(&head, identities)?;
        let key = key.ok_or("encrypted for other keys than those of `--identity`")?;
        let read_at = |buffer: &mut [u8], at| read_exact(&file, buffer, at);
        let opened = Opened::new(&read_at, size, header_len as u64, &key);
        let opened = opened.map_err(|e| format!("encrypted, but damaged: {e}"))?;
        let len = opened.len();
        let sealed = Some(opened);
        Ok((Self(Arc::new(Inner { file, sealed })), len))
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let Inner { file, sealed } = &*self.0;
        match sealed {
            None => read_some(file, buffer, offset),
            Some(opened) => {
                let read_at = |buffer: &mut [u8], at| read_exact(file, buffer, at);
                opened.read_at(&read_at, buffer, offset)
            }
        }
    }
}

/// Fills `buffer` from `offset` on.
pub(super) fn read_exact_at(source: &Source, buffer: &mut [u8], offset: u64) -> io::Result<()> {
    Section::new(source, offset, offset + buffer.len() as u64).read_exact(buffer)
}

fn read_exact(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<()> {
    let mut done = 0;
    while done < buffer.len() {
        let rest = buffer.get_mut(done..).unwrap_or_default();
        match read_some(file, rest, offset + done as u64) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => done += count,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

/// Reads some bytes from `offset` on.
#[cfg(unix)]
fn read_some(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, buffer, offset)
}

/// Reads some bytes from `offset` on.
#[cfg(windows)]
fn read_some(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, buffer, offset)
}

/// A part of a file, as a stream of its own.
#[derive(Debug)]
pub(super) struct Section<'a> {
    source: &'a Source,
    start: u64,
    at: u64,
    end: u64,
}

impl<'a> Section<'a> {
    pub(super) fn new(source: &'a Source, start: u64, end: u64) -> Self {
        Self {
            source,
            start,
            at: start,
            end,
        }
    }
}

impl Read for Section<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end.saturating_sub(self.at)).unwrap_or(usize::MAX);
        let wanted = left.min(buffer.len());
        let buffer = buffer.get_mut(..wanted).unwrap_or_default();
        let count = self.source.read_at(buffer, self.at)?;
        self.at += count as u64;
        Ok(count)
    }
}

impl Seek for Section<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let (base, by) = match to {
            SeekFrom::Start(at) => (self.start.checked_add(at), 0),
            SeekFrom::Current(by) => (Some(self.at), by),
            SeekFrom::End(by) => (Some(self.end), by),
        };
        let at = base.and_then(|base| base.checked_add_signed(by));
        let at = at.filter(|at| *at >= self.start);
        self.at = at.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at - self.start)
    }
}
