//! Bytes on their way, counted and summed up.

use std::io::{self, Write};

/// Hands bytes on, and knows afterwards how many they were and what their CRC-32 is.
pub(super) struct Tally<W> {
    out: W,
    bytes: u64,
    hasher: crc32fast::Hasher,
}

impl<W: Write> Tally<W> {
    pub(super) fn new(out: W) -> Self {
        Self {
            out,
            bytes: 0,
            hasher: crc32fast::Hasher::new(),
        }
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn crc(&self) -> u32 {
        self.hasher.clone().finalize()
    }
}

impl<W: Write> Write for Tally<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.bytes += written as u64;
        self.hasher.update(bytes.get(..written).unwrap_or_default());
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
