//! Writes a bundle as a stream of blocks.
//!
//! Entries are cut into blocks of about 1 MiB after a newline; a small pool of threads
//! compresses blocks, and the caller's thread writes them in order. The bytes do not depend on
//! the number of threads.

mod blocks;
mod output;
mod pool;
mod tar_gz;
mod zip;

use std::io::Read;
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
    pub fn finish(mut self, mut manifest: Manifest) -> Result<Finished, WriteError> {
        self.records.sort_by(|a, b| a.path.cmp(&b.path));
        manifest.entries = std::mem::take(&mut self.records);
        let entries = manifest.entries.len() as u64 + 1;
        let failed = |source: std::io::Error| WriteError::Io {
            path: self.partial.clone(),
            source,
        };
        let path =
            EntryPath::parse("manifest.json").map_err(|e| failed(std::io::Error::other(e)))?;
        let mut json =
            serde_json::to_vec_pretty(&manifest).map_err(|e| failed(std::io::Error::other(e)))?;
        json.push(b'\n');
        let mut content = json.as_slice();
        self.append_unrecorded(&path, json.len() as u64, &mut content)?;
        let failed = |source| WriteError::Io {
            path: self.partial.clone(),
            source,
        };
        let bytes = match self.form {
            FormWriter::TarGz(writer) => writer.finish(),
            FormWriter::Zip(writer) => writer.finish(),
        };
        let bytes = bytes.map_err(failed)?;
        std::fs::rename(&self.partial, &self.path).map_err(|source| WriteError::Io {
            path: self.path.clone(),
            source,
        })?;
        Ok(Finished {
            path: self.path,
            bytes,
            entries,
        })
    }
}
