//! Reads a bundle in place: no unpacking to disk, no trust in what it says of itself.
//!
//! [`Bundle::open`] recognizes the form by content. [`Bundle::plan`] cuts the reading into
//! [`Task`]s that share nothing, so that a caller may run them on as many threads as it likes,
//! each with a [`Scratch`] of its own; what they find reaches a [`Visitor`]. Forms without an
//! index (a foreign tar.gz, a bundle whose writer was killed) are a single task that is read
//! front to back.

mod checkpoints;
mod deliver;
mod detect;
mod folder;
mod indexed;
mod names;
mod one;
mod open;
mod pread;
mod problem;
mod stream;
mod zip;
mod zip_walk;

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use checkpoints::Checkpoints;
use folder::Folder;
pub(crate) use indexed::Indexed;
pub use open::OpenError;
use open::open_file;
pub use problem::{Problem, ProblemKind};
use stream::Stream;

use crate::layout::EntryKind;
use crate::seal::{Identity, MAGIC};
use crate::{EntryPath, Limits, Manifest};

/// A bundle, opened. Shared freely between threads.
#[derive(Debug)]
pub struct Bundle {
    path: PathBuf,
    limits: Limits,
    inner: Inner,
}

#[derive(Debug)]
enum Inner {
    Folder(Folder),
    /// A file that is no archive, packed with gzip or not: a folder of one entry.
    Single(Folder),
    Indexed(Box<Indexed>),
    Stream {
        stream: Stream,
        is_packed: bool,
    },
    Zip(zip::Zip, Vec<Arc<EntryInfo>>),
}

/// The form in which a bundle was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Our tar.gz with a sound index: blocks are read in any order.
    IndexedTarGz,
    /// A tar.gz without an index, read front to back.
    TarGz,
    /// A plain tar.
    Tar,
    /// Our zip: blocks are read in any order.
    BlockZip,
    /// A zip made by another program: entries are read in any order.
    Zip,
    /// A folder.
    Folder,
    /// One file that is no archive: a log, a scrape, YAML or JSON of objects.
    SingleFile,
}

/// One entry as the container lists it.
#[derive(Debug, Clone)]
pub struct EntryInfo {
    /// Where it is, below the bundle's top folder.
    pub path: EntryPath,
    /// What it holds, told by its path.
    pub kind: EntryKind,
    /// Its unpacked size as declared; `None` where the form only knows at the end.
    pub bytes: Option<u64>,
}

impl EntryInfo {
    pub(crate) fn new(path: EntryPath, bytes: Option<u64>) -> Arc<Self> {
        let kind = EntryKind::of(&path);
        Arc::new(Self { path, kind, bytes })
    }
}

/// How a visitor wants an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interest {
    /// Not at all: its bytes are not even decoded where the form allows.
    Skip,
    /// As blocks of whole lines, in any order, on any thread.
    Blocks,
    /// As blocks of whole lines, one after the other in their order, on one thread.
    Ordered,
    /// As one piece, if it is within [`Limits::max_whole_bytes`].
    Whole,
}

/// A run of whole lines of one entry.
#[derive(Debug, Clone, Copy)]
pub struct Block<'a> {
    /// The lines. Ends after a newline, but for the last block of an entry, and for a line
    /// longer than [`Limits::max_line_bytes`], which is cut.
    pub bytes: &'a [u8],
    /// Where the block starts in the unpacked entry.
    pub offset: u64,
    /// The number of the first line, from 1.
    pub first_line: u64,
    /// Whether the block starts within a line that was cut.
    pub starts_mid_line: bool,
    /// Whether nothing of the entry follows.
    pub is_last: bool,
}

impl Block<'_> {
    /// The only block of an empty entry.
    const fn empty() -> Self {
        Self {
            bytes: &[],
            offset: 0,
            first_line: 1,
            starts_mid_line: false,
            is_last: true,
        }
    }
}

/// Takes what tasks find. Called from any thread, in any order between entries.
pub trait Visitor: Sync {
    /// How the entry is wanted. Asked at least once for every entry; the answer must not change.
    fn interest(&self, entry: &EntryInfo) -> Interest;
    /// Takes one block of an entry that was wanted as [`Interest::Blocks`] or
    /// [`Interest::Ordered`]. Wanted as the former, the blocks of one
    /// entry may come on several threads at once, in any order. An empty entry gives one empty
    /// block.
    fn block(&self, entry: &Arc<EntryInfo>, block: Block<'_>);
    /// Takes an entry that was wanted as [`Interest::Whole`].
    fn whole(&self, entry: &Arc<EntryInfo>, bytes: Vec<u8>);
    /// Takes note of something that could not be read. Reading goes on.
    fn problem(&self, problem: Problem);
}

/// A part of the reading that shares nothing with the others.
#[derive(Debug)]
pub struct Task {
    /// Packed bytes to read, for running the largest first.
    pub weight: u64,
    /// Whether this is a whole container read front to back on one thread; a visitor may then
    /// want to hand its blocks to other threads.
    pub is_stream: bool,
    work: Work,
}

#[derive(Debug)]
enum Work {
    File(Arc<EntryInfo>, PathBuf),
    Indexed(indexed::Part),
    Stream,
    Zip(zip::Part),
}

/// Buffers and decoder state that one thread reuses from task to task.
#[derive(Debug, Default)]
pub struct Scratch {
    packed: Vec<u8>,
    plain: Vec<u8>,
    inflate: Option<flate2::Decompress>,
}

impl Bundle {
    /// Opens a file or folder, recognizing its form by content.
    ///
    /// # Errors
    /// [`OpenError`] when it cannot be read as a bundle at all. What is wrong inside is a
    /// [`Problem`], told when the tasks run.
    pub fn open(path: &Path, limits: Limits) -> Result<Self, OpenError> {
        Self::open_with(path, limits, &[])
    }

    /// Whether a file is encrypted with age.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn is_encrypted(path: &Path) -> io::Result<bool> {
        if path.is_dir() {
            return Ok(false);
        }
        let mut start = Vec::new();
        let file = File::open(path)?.take(MAGIC.len() as u64);
        { file }.read_to_end(&mut start)?;
        Ok(start == MAGIC)
    }

    /// As [`Bundle::open`], also of a file that is encrypted with age to one of the identities.
    ///
    /// # Errors
    /// [`OpenError`] as above, and when no identity opens the file.
    pub fn open_with(
        path: &Path,
        limits: Limits,
        identities: &[Identity],
    ) -> Result<Self, OpenError> {
        let failed = |source| OpenError::Io {
            path: path.to_owned(),
            source,
        };
        let metadata = std::fs::metadata(path).map_err(failed)?;
        let inner = if metadata.is_dir() {
            Inner::Folder(Folder::open(path, &limits).map_err(failed)?)
        } else {
            open_file(path, metadata.len(), &limits, identities)?
        };
        Ok(Self {
            path: path.to_owned(),
            limits,
            inner,
        })
    }

    /// Where the bundle is on this host.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The form in which it was found.
    pub fn form(&self) -> Form {
        match &self.inner {
            Inner::Folder(_) => Form::Folder,
            Inner::Single(_) => Form::SingleFile,
            Inner::Indexed(_) => Form::IndexedTarGz,
            Inner::Stream {
                is_packed: true, ..
            } => Form::TarGz,
            Inner::Stream { .. } => Form::Tar,
            Inner::Zip(zip, _) if zip.has_blocks() => Form::BlockZip,
            Inner::Zip(..) => Form::Zip,
        }
    }

    /// The name of the bundle: that of the file or folder, without the extension of an archive.
    pub fn name(&self) -> String {
        let name = self
            .path
            .canonicalize()
            .unwrap_or_else(|_| self.path.clone());
        let name = name
            .file_name()
            .unwrap_or(self.path.as_os_str())
            .to_string_lossy();
        let archive = [
            ".partial", ".age", ".tar.gz", ".tgz", ".tar", ".zip", ".partial",
        ];
        let bare = archive.iter().fold(name.as_ref(), |name, ext| {
            name.strip_suffix(ext).unwrap_or(name)
        });
        bare.to_owned()
    }

    /// The name of the folder that all entries lie below, where that is known: in our tar.gz.
    pub fn top_folder(&self) -> Option<String> {
        match &self.inner {
            Inner::Indexed(indexed) => indexed.top_folder(),
            _ => None,
        }
    }

    /// Our tar.gz, for copying parts of it as they are.
    pub(crate) fn indexed(&self) -> Option<&Indexed> {
        match &self.inner {
            Inner::Indexed(indexed) => Some(indexed),
            _ => None,
        }
    }

    /// The manifest, if there is a sound one of a format that is known here. A form without an
    /// index is read through once to find it, so a visitor that sees every entry anyway should
    /// take it there.
    pub fn manifest(&self) -> Option<Manifest> {
        let manifest: Manifest = serde_json::from_slice(&self.read("manifest.json").ok()?).ok()?;
        manifest.format.is_readable().then_some(manifest)
    }

    /// The entries. Reads a form without an index through once, and remembers.
    pub fn entries(&self) -> &[Arc<EntryInfo>] {
        match &self.inner {
            Inner::Folder(folder) | Inner::Single(folder) => folder.entries(),
            Inner::Indexed(indexed) => indexed.infos(),
            Inner::Stream { stream, .. } => stream.entries(&self.limits),
            Inner::Zip(_, infos) => infos,
        }
    }

    /// Reads one entry as one piece, by its path. A container's log in the layout of another tool
    /// has the path of our layout besides.
    ///
    /// # Errors
    /// [`Problem`] when there is no such entry, it is too large or damaged.
    pub fn read(&self, path: &str) -> Result<Vec<u8>, Problem> {
        self.read_at(path).or_else(|problem| {
            let elsewhere = self.foreign_path(path);
            elsewhere.map_or(Err(problem), |path| self.read_at(path))
        })
    }

    fn read_at(&self, path: &str) -> Result<Vec<u8>, Problem> {
        match &self.inner {
            Inner::Folder(folder) | Inner::Single(folder) => folder.read(path, &self.limits),
            Inner::Indexed(indexed) => indexed.read(path, &self.limits),
            Inner::Stream { stream, .. } => stream.read(path, &self.limits),
            Inner::Zip(zip, _) => zip.read(path, &self.limits),
        }
    }

    /// Where the log is that has this path in our layout, if another tool has put it elsewhere.
    fn foreign_path(&self, path: &str) -> Option<&str> {
        let kind = EntryKind::of(&EntryPath::parse(path).ok()?);
        if !matches!(kind, EntryKind::PodLog { .. }) {
            return None;
        }
        let entries = self.entries().iter();
        let mut of_kind = entries.filter(|e| e.kind == kind).map(|e| e.path.as_str());
        of_kind.next().filter(|first| *first != path)
    }

    /// Cuts the reading of all entries into tasks. Entries that the visitor skips make none.
    /// Problems that are known from the directory alone are told at once.
    pub fn plan(&self, visitor: &dyn Visitor) -> Vec<Task> {
        match &self.inner {
            Inner::Folder(folder) | Inner::Single(folder) => folder.plan(visitor),
            Inner::Indexed(indexed) => indexed.plan(visitor),
            Inner::Stream { stream, .. } => stream.plan(),
            Inner::Zip(zip, _) => zip.plan(visitor),
        }
    }

    /// Runs one task of this bundle's plan.
    pub fn run(&self, task: &Task, scratch: &mut Scratch, visitor: &dyn Visitor) {
        let limits = &self.limits;
        match (&task.work, &self.inner) {
            (Work::File(entry, file), _) => folder::run(entry, file, limits, scratch, visitor),
            (Work::Indexed(part), Inner::Indexed(indexed)) => {
                indexed.run(part, limits, scratch, visitor);
            }
            (Work::Stream, Inner::Stream { stream, .. }) => stream.run(limits, scratch, visitor),
            (Work::Zip(part), Inner::Zip(zip, _)) => zip.run(part, limits, scratch, visitor),
            // A task of another bundle: nothing of this one is meant.
            _ => {}
        }
    }
}
