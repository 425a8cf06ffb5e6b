//! Writes a bundle as a stream of blocks.

use std::io::Read;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use crate::{EntryPath, EntryRecord, Manifest};

/// The two containers that are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Container {
    /// One gzip member per block, an index at the end.
    #[default]
    TarGz,
    /// One deflate run per block, sizes in the central directory.
    Zip,
}

/// How a bundle is written.
#[derive(Debug, Clone)]
pub struct WriterOptions {
    /// The container.
    pub container: Container,
    /// The top folder that every entry lies below.
    pub name: String,
    /// The time in every header: the capture time, never the wall clock.
    pub mtime: Timestamp,
    /// Threads that compress; at least one. Does not change the bytes.
    pub threads: usize,
}

/// Why a bundle could not be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The host said no: a full disk, a permission.
    #[error("cannot write `{path}`")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// The content of an entry could not be read, or is not of the length announced.
    #[error("cannot read the content of entry `{entry}`")]
    Content {
        /// The entry.
        entry: EntryPath,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
}

/// Appends entries to a bundle.
#[derive(Debug)]
pub struct BundleWriter {}

/// What was written.
#[derive(Debug, Clone)]
pub struct Finished {
    /// The file.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// Entries in it, the manifest among them.
    pub entries: u64,
}

impl BundleWriter {
    /// Starts a bundle at `path`. Until [`BundleWriter::finish`] it is named `<path>.partial`,
    /// and what is there opens at any moment.
    ///
    /// # Errors
    /// [`WriteError::Io`] when the file cannot be made.
    pub fn create(path: &Path, options: WriterOptions) -> Result<Self, WriteError> {
        unimplemented!("{path:?} {options:?}")
    }

    /// Appends an entry of exactly `bytes` bytes.
    ///
    /// # Errors
    /// [`WriteError`] when the content is not of that length or the disk is full.
    pub fn append(
        &mut self,
        path: &EntryPath,
        bytes: u64,
        content: &mut dyn Read,
    ) -> Result<EntryRecord, WriteError> {
        unimplemented!("{path:?} {bytes} {}", content.bytes().count())
    }

    /// Writes the manifest (its `entries` are filled in here) and the index, and gives the
    /// bundle its name.
    ///
    /// # Errors
    /// [`WriteError::Io`] when the disk is full.
    pub fn finish(self, manifest: Manifest) -> Result<Finished, WriteError> {
        unimplemented!("{manifest:?}")
    }
}
