//! A bundle that somebody unpacked, or a recording.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Block, EntryInfo, Interest, Problem, ProblemKind, Scratch, Task, Visitor, Work};
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
        folder.entries.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(folder)
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
        if !is_file {
            let detail = "neither a file nor a folder".to_owned();
            self.problems
                .push(problem(ProblemKind::TypeRefused, detail));
        } else if self.entries.len() >= limits.max_entries {
            let detail = format!("more than {} entries", limits.max_entries);
            self.problems.push(problem(ProblemKind::OverLimit, detail));
        } else {
            match EntryPath::parse(shown.clone()) {
                Ok(path) => self.entries.push(EntryInfo::new(path, Some(bytes))),
                Err(e) => self
                    .problems
                    .push(problem(ProblemKind::PathRefused, e.to_string())),
            }
        }
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
        read_whole(&self.root.join(entry.path.as_str()), limits).map_err(|e| io_problem(entry, &e))
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
                work: Work::File(Arc::clone(entry), self.root.join(entry.path.as_str())),
            })
            .collect()
    }
}

fn io_problem(entry: &EntryInfo, error: &io::Error) -> Problem {
    Problem {
        path: Some(entry.path.to_string()),
        kind: ProblemKind::Io,
        detail: error.to_string(),
    }
}

fn read_whole(file: &Path, limits: &Limits) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(file)?
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

pub(super) fn run(
    entry: &Arc<EntryInfo>,
    file: &Path,
    limits: &Limits,
    _scratch: &mut Scratch,
    visitor: &dyn Visitor,
) {
    let outcome = read_whole(file, limits);
    match (outcome, visitor.interest(entry)) {
        (Err(e), _) => visitor.problem(io_problem(entry, &e)),
        (Ok(bytes), Interest::Whole) => visitor.whole(entry, bytes),
        (Ok(bytes), Interest::Blocks) => {
            let block = Block {
                bytes: &bytes,
                offset: 0,
                first_line: 1,
                starts_mid_line: false,
                is_last: true,
            };
            visitor.block(entry, block);
        }
        (Ok(_), Interest::Skip) => {}
    }
}
