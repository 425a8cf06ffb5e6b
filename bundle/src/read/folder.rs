//! A bundle that somebody unpacked, or a recording.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::deliver::{Delivery, kind_of, problem_of, pump};
use super::names::{entry_path, link_target, top_folder};
use super::{EntryInfo, Interest, Problem, ProblemKind, Scratch, Task, Visitor, Work};
use crate::layout::EntryKind;
use crate::{EntryPath, Limits};

#[derive(Debug)]
pub(super) struct Folder {
    root: PathBuf,
    entries: Vec<Arc<EntryInfo>>,
    problems: Vec<Problem>,
}

impl Folder {
    pub(super) fn open(root: &Path, limits: &Limits) -> io::Result<Self> {
        let mut folder = Self {
            root: root.to_owned(),
            entries: Vec::new(),
            problems: Vec::new(),
        };
        folder.walk(root, limits)?;
        folder.enter_bundle();
        folder.entries.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(folder)
    }

    /// A folder of the one file at `path`.
    pub(super) fn of_file(path: &Path, bytes: u64) -> Self {
        let name = path
            .file_name()
            .unwrap_or(path.as_os_str())
            .to_string_lossy();
        // A name that no bundle could hold is no reason not to read the file.
        let entry = EntryPath::parse(name.escape_debug().to_string());
        let entry = entry
            .or_else(|_| EntryPath::parse("file"))
            .map(|p| EntryInfo::new(p, Some(bytes)));
        Self {
            root: path.to_owned(),
            entries: entry.into_iter().collect(),
            problems: Vec::new(),
        }
    }

    /// Takes the one folder in it for the bundle if that is what it looks like: an archive may have
    /// been unpacked here.
    fn enter_bundle(&mut self) {
        let names = self.entries.iter().map(|e| e.path.as_str().as_bytes());
        let Some(top) = top_folder(names) else { return };
        let below = |entry: &EntryInfo| {
            let path = entry.path.as_str().strip_prefix(&top)?.strip_prefix('/')?;
            EntryPath::parse(path).ok()
        };
        let is_marker = |entry: &Arc<EntryInfo>| {
            let kind = below(entry).map(|path| EntryKind::of(&path));
            matches!(kind, Some(EntryKind::Version | EntryKind::Manifest))
        };
        if !self.entries.iter().any(is_marker) {
            return;
        }
        let entered = self.entries.iter();
        self.entries = entered
            .filter_map(|entry| Some(EntryInfo::new(below(entry)?, entry.bytes)))
            .collect();
        self.root.push(top);
    }

    /// Where an entry is on the host.
    fn file_of(&self, entry: &EntryInfo) -> PathBuf {
        if self.root.is_dir() {
            self.root.join(entry.path.as_str())
        } else {
            self.root.clone()
        }
    }

    fn walk(&mut self, folder: &Path, limits: &Limits) -> io::Result<()> {
        for item in std::fs::read_dir(folder)? {
            let item = item?;
            let path = item.path();
            let kind = item.file_type()?;
            if kind.is_dir() {
                self.walk(&path, limits)?;
            } else {
                self.add(&path, kind.is_file(), item.metadata()?.len(), limits);
            }
        }
        Ok(())
    }

    fn add(&mut self, path: &Path, is_file: bool, bytes: u64, limits: &Limits) {
        let relative = path.strip_prefix(&self.root).unwrap_or(path);
        let shown = relative.to_string_lossy().replace('\\', "/");
        let problem = |kind, detail: String| Problem {
            path: Some(shown.clone()),
            kind,
            detail,
        };
        if !is_file && self.is_link(path, &shown, limits) {
            return;
        }
        if !is_file {
            let detail = "neither a file nor a folder".to_owned();
            self.problems
                .push(problem(ProblemKind::TypeRefused, detail));
        } else if self.entries.len() >= limits.max_entries {
            let detail = format!("more than {} entries", limits.max_entries);
            self.problems.push(problem(ProblemKind::OverLimit, detail));
        } else {
            match entry_path(relative.as_os_str().as_encoded_bytes(), None, limits) {
                Ok(path) => self.entries.push(EntryInfo::new(path, Some(bytes))),
                Err(problem) => self.problems.push(problem),
            }
        }
    }

    /// Whether a link leads to another file of the folder, which is read where it is.
    fn is_link(&self, path: &Path, shown: &str, limits: &Limits) -> bool {
        let own = entry_path(shown.as_bytes(), None, limits).ok();
        let target = std::fs::read_link(path).ok();
        let target = own
            .zip(target)
            .and_then(|(own, target)| link_target(&own, target.as_os_str().as_encoded_bytes()));
        target.is_some_and(|target| {
            let metadata = std::fs::symlink_metadata(self.root.join(target));
            metadata.is_ok_and(|m| m.is_file())
        })
    }

    pub(super) fn entries(&self) -> &[Arc<EntryInfo>] {
        &self.entries
    }

    pub(super) fn read(&self, path: &str, limits: &Limits) -> Result<Vec<u8>, Problem> {
        let found = self.entries.iter().find(|e| e.path.as_str() == path);
        let Some(entry) = found else {
            let detail = "no such entry".to_owned();
            return Err(Problem {
                path: Some(path.to_owned()),
                kind: ProblemKind::Io,
                detail,
            });
        };
        read_whole(&self.file_of(entry), limits).map_err(|e| io_problem(entry, &e))
    }

    pub(super) fn plan(&self, visitor: &dyn Visitor) -> Vec<Task> {
        for problem in &self.problems {
            visitor.problem(problem.clone());
        }
        let wanted = self
            .entries
            .iter()
            .filter(|e| visitor.interest(e) != Interest::Skip);
        wanted
            .map(|entry| Task {
                weight: entry.bytes.unwrap_or_default(),
                is_stream: false,
                work: Work::File(Arc::clone(entry), self.file_of(entry)),
            })
            .collect()
    }
}

fn io_problem(entry: &EntryInfo, error: &io::Error) -> Problem {
    problem_of(entry, kind_of(error), error.to_string())
}

/// Opens a file of the folder; one packed with gzip is unpacked as it is read.
fn open(file: &Path) -> io::Result<Box<dyn Read>> {
    let mut file = File::open(file)?;
    let mut magic = Vec::new();
    file.by_ref().take(2).read_to_end(&mut magic)?;
    let is_packed = magic == [0x1f, 0x8b];
    let whole = BufReader::new(io::Cursor::new(magic).chain(file));
    Ok(if is_packed {
        Box::new(flate2::bufread::MultiGzDecoder::new(whole))
    } else {
        Box::new(whole)
    })
}

fn read_whole(file: &Path, limits: &Limits) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open(file)?
        .take(limits.max_whole_bytes + 1)
        .read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limits.max_whole_bytes {
        return Err(io::Error::other(format!(
            "more than {} bytes",
            limits.max_whole_bytes
        )));
    }
    Ok(bytes)
}

/// Reads one file front to back.
pub(super) fn run(
    entry: &Arc<EntryInfo>,
    file: &Path,
    limits: &Limits,
    scratch: &mut Scratch,
    visitor: &dyn Visitor,
) {
    match open(file) {
        Ok(mut source) => {
            pump(
                &mut source,
                &mut scratch.plain,
                Delivery::new(entry, limits, visitor),
            );
        }
        Err(e) => visitor.problem(io_problem(entry, &e)),
    }
}
