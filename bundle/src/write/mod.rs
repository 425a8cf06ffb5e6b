//! Writes a bundle as a stream of blocks.
//!
//! Entries are cut into blocks of about 1 MiB after a newline; a small pool of threads
//! compresses blocks, and the caller's thread writes them in order. The bytes do not depend on
//! the number of threads.

mod blocks;
mod json;
mod keep;
mod output;
mod pool;
mod tally;
mod tar_gz;
mod zip;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufWriter, Read};
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use crate::{EntryPath, EntryRecord, Manifest, Recipient};
use blocks::Blocks;
use output::Output;
use tar_gz::TarGzWriter;
use zip::ZipWriter;

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
pub struct BundleWriter {
    path: PathBuf,
    partial: PathBuf,
    records: Vec<EntryRecord>,
    form: FormWriter,
}

#[derive(Debug)]
enum FormWriter {
    TarGz(TarGzWriter),
    Zip(ZipWriter),
}

/// How much was written so far, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Size {
    /// Bytes in the file.
    pub packed: u64,
    /// Bytes that they were made from.
    pub plain: u64,
    /// Bytes that were appended and are yet to be compressed.
    pub pending: u64,
}

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

/// What can go wrong while an entry is appended, before the path is known.
#[derive(Debug)]
enum AppendError {
    Output(std::io::Error),
    Content(std::io::Error),
}

impl From<std::io::Error> for AppendError {
    fn from(error: std::io::Error) -> Self {
        Self::Output(error)
    }
}

impl BundleWriter {
    /// Starts a bundle at `path`. Until [`BundleWriter::finish`] it is named `<path>.partial`,
    /// and what is there opens at any moment.
    ///
    /// # Errors
    /// [`WriteError::Io`] when the file cannot be made.
    pub fn create(path: &Path, options: WriterOptions) -> Result<Self, WriteError> {
        Self::create_sealed(path, options, &[])
    }

    /// As [`BundleWriter::create`], encrypted with age to the recipients, if there are any. No
    /// unencrypted byte reaches the disk.
    ///
    /// # Errors
    /// [`WriteError::Io`] when the file cannot be made or the host gives no random bytes.
    pub fn create_sealed(
        path: &Path,
        options: WriterOptions,
        recipients: &[Recipient],
    ) -> Result<Self, WriteError> {
        let mut partial = path.as_os_str().to_owned();
        partial.push(".partial");
        let partial = PathBuf::from(partial);
        let file = std::fs::File::create(&partial);
        let output = file.and_then(|file| Output::new(file, recipients));
        let file = output.map_err(|source| WriteError::Io {
            path: partial.clone(),
            source,
        })?;
        let form = match options.container {
            Container::TarGz => FormWriter::TarGz(TarGzWriter::new(file, options)),
            Container::Zip => FormWriter::Zip(ZipWriter::new(file, options)),
        };
        Ok(Self {
            path: path.to_owned(),
            partial,
            records: Vec::new(),
            form,
        })
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
        let record = self.append_unrecorded(path, bytes, content)?;
        self.records.push(record.clone());
        Ok(record)
    }

    /// Takes over those of the `wanted` entries of another bundle that can be copied as they
    /// are, without being decompressed, and gives their paths: both must be tar.gz, under one
    /// name, and an entry that shares a gzip member with an unwanted one cannot. The records are
    /// those of the other bundle's manifest.
    ///
    /// # Errors
    /// [`WriteError`] when the disk is full, or the other bundle cannot be read.
    pub fn keep(
        &mut self,
        from: &crate::Bundle,
        wanted: &BTreeMap<EntryPath, EntryRecord>,
    ) -> Result<BTreeSet<EntryPath>, WriteError> {
        let (FormWriter::TarGz(writer), Some(indexed)) = (&mut self.form, from.indexed()) else {
            return Ok(BTreeSet::new());
        };
        if from.top_folder().as_deref() != Some(writer.name()) {
            return Ok(BTreeSet::new());
        }
        let kept = writer
            .keep(indexed, wanted)
            .map_err(|source| WriteError::Io {
                path: self.partial.clone(),
                source,
            })?;
        let paths = kept.iter().map(|record| record.path.clone()).collect();
        self.records.extend(kept.into_iter().cloned());
        Ok(paths)
    }

    /// Writes what was appended so far to the file, so that it is there whatever happens.
    ///
    /// # Errors
    /// [`WriteError::Io`] when the disk is full.
    pub fn flush(&mut self) -> Result<(), WriteError> {
        let flushed = match &mut self.form {
            FormWriter::TarGz(writer) => writer.flush(),
            // Every entry is written whole.
            FormWriter::Zip(_) => Ok(()),
        };
        flushed.map_err(|source| WriteError::Io {
            path: self.partial.clone(),
            source,
        })
    }

    /// How much was written so far.
    pub fn size(&self) -> Size {
        match &self.form {
            FormWriter::TarGz(writer) => writer.size(),
            FormWriter::Zip(writer) => writer.size(),
        }
    }

    fn append_unrecorded(
        &mut self,
        path: &EntryPath,
        bytes: u64,
        content: &mut dyn Read,
    ) -> Result<EntryRecord, WriteError> {
        let mut blocks = Blocks::new(bytes, content);
        let appended = match &mut self.form {
            FormWriter::TarGz(writer) => writer.append(path, &mut blocks),
            FormWriter::Zip(writer) => writer.append(path, &mut blocks),
        };
        match appended {
            Ok(()) => Ok(EntryRecord {
                path: path.clone(),
                bytes,
                sha256: blocks.sha256(),
            }),
            Err(AppendError::Output(source)) => Err(WriteError::Io {
                path: self.partial.clone(),
                source,
            }),
            Err(AppendError::Content(source)) => Err(WriteError::Content {
                entry: path.clone(),
                source,
            }),
        }
    }

    /// Writes the manifest (its `entries` are filled in here) and the index, and gives the
    /// bundle its name.
    ///
    /// # Errors
    /// [`WriteError::Io`] when the disk is full.
    pub fn finish(self, manifest: Manifest) -> Result<Finished, WriteError> {
        let path = self.path.clone();
        let finished = self.close(manifest)?;
        match std::fs::rename(&finished.path, &path) {
            Ok(()) => Ok(Finished { path, ..finished }),
            Err(source) => Err(WriteError::Io { path, source }),
        }
    }

    /// As [`BundleWriter::finish`], but leaves the file under the name that it was written under,
    /// for whoever looks at it before it gets its own.
    ///
    /// # Errors
    /// As above.
    pub fn close(mut self, mut manifest: Manifest) -> Result<Finished, WriteError> {
        self.records.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        manifest.entries = std::mem::take(&mut self.records);
        let entries = manifest.entries.len() as u64 + 1;
        let failed = |source: std::io::Error| WriteError::Io {
            path: self.partial.clone(),
            source,
        };
        let path =
            EntryPath::parse("manifest.json").map_err(|e| failed(std::io::Error::other(e)))?;
        let length = json::length(|out| json::pretty(&manifest, out)).map_err(failed)?;
        let (mut content, pipe) = std::io::pipe().map_err(failed)?;
        std::thread::scope(|scope| {
            let manifest = &manifest;
            // Who no longer reads has met an error of its own.
            scope.spawn(move || {
                json::pretty(manifest, &mut BufWriter::new(pipe)).unwrap_or_default();
            });
            let appended = self.append_unrecorded(&path, length as u64, &mut content);
            drop(content);
            appended
        })?;
        drop(manifest);
        let failed = |source| WriteError::Io {
            path: self.partial.clone(),
            source,
        };
        let bytes = match self.form {
            FormWriter::TarGz(writer) => writer.finish(),
            FormWriter::Zip(writer) => writer.finish(),
        };
        let bytes = bytes.map_err(failed)?;
        Ok(Finished {
            path: self.partial,
            bytes,
            entries,
        })
    }
}
