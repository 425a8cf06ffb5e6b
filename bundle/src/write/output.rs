//! The file that is written, encrypted or not.

use std::fs::File;
use std::io::{self, Write};

use crate::Recipient;
use crate::seal::Sealer;

#[derive(Debug)]
pub(super) enum Output {
    Plain(File),
    Sealed(Box<Sealer>),
}

impl Output {
    /// Encrypts to the recipients, if there are any.
    pub(super) fn new(file: File, recipients: &[Recipient]) -> io::Result<Self> {
        if recipients.is_empty() {
            return Ok(Self::Plain(file));
        }
        Ok(Self::Sealed(Box::new(Sealer::new(file, recipients)?)))
    }

    /// Brings everything to the disk. Gives the size of the file, of which `written` bytes were
    /// written here.
    pub(super) fn finish(self, written: u64) -> io::Result<u64> {
        let (file, size) = match self {
            Self::Plain(file) => (file, written),
            Self::Sealed(sealer) => sealer.finish()?,
        };
        file.sync_all()?;
        Ok(size)
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(file) => file.write(bytes),
            Self::Sealed(sealer) => sealer.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(file) => file.flush(),
            Self::Sealed(sealer) => sealer.flush(),
        }
    }
}
