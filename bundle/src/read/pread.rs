//! Reads a file at any place from any thread.

use std::fs::File;
use std::io::{self, Read};

/// Fills `buffer` from `offset` on.
#[cfg(unix)]
pub(super) fn read_exact_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, buffer, offset)
}

/// Reads some bytes from `offset` on.
#[cfg(unix)]
pub(super) fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, buffer, offset)
}

/// Reads some bytes from `offset` on.
#[cfg(windows)]
pub(super) fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, buffer, offset)
}

/// Fills `buffer` from `offset` on.
#[cfg(windows)]
pub(super) fn read_exact_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<()> {
    let mut section = Section::new(file, offset, offset + buffer.len() as u64);
    section.read_exact(buffer)
}

/// A part of a file, as a stream of its own.
#[derive(Debug)]
pub(super) struct Section<'a> {
    file: &'a File,
    at: u64,
    end: u64,
}

impl<'a> Section<'a> {
    pub(super) fn new(file: &'a File, start: u64, end: u64) -> Self {
        Self {
            file,
            at: start,
            end,
        }
    }
}

impl Read for Section<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end.saturating_sub(self.at)).unwrap_or(usize::MAX);
        let wanted = left.min(buffer.len());
        let count = read_at(
            self.file,
            buffer.get_mut(..wanted).unwrap_or_default(),
            self.at,
        )?;
        self.at += count as u64;
        Ok(count)
    }
}
