//! A tar or tar.gz without an index, read front to back.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufReader, Read};
use std::sync::{Arc, OnceLock};

use super::deliver::{Delivery, End, kind_of, problem_of, pump};
use super::names::{entry_path, link_target, top_folder};
use super::pread::{Section, Source};
use super::{Block, EntryInfo, Interest, Problem, ProblemKind, Scratch, Task, Visitor, Work};
use crate::Limits;

/// How much of the start is looked at to find the top folder, unpacked.
const PEEK_BYTES: u64 = 4 << 20;
/// Entries that are kept in memory after the container was read through once for its list.
const CACHE_BYTES: usize = 64 << 20;
/// An entry above this is not kept.
const CACHED_ENTRY_BYTES: u64 = 4 << 20;
const READ_BYTES: usize = 256 << 10;

#[derive(Debug)]
pub(super) struct Stream {
    file: Source,
    size: u64,
    is_packed: bool,
    top: Option<String>,
    /// Why there is no index, where there should be one.
    notice: Option<Problem>,
    listing: OnceLock<Listing>,
}

#[derive(Debug, Default)]
struct Listing {
    entries: Vec<Arc<EntryInfo>>,
    cached: BTreeMap<String, Vec<u8>>,
}

impl Stream {
    pub(super) fn new(file: Source, size: u64, is_packed: bool, notice: Option<Problem>) -> Self {
        let mut stream = Self {
            file,
            size,
            is_packed,
            top: None,
            notice,
            listing: OnceLock::new(),
        };
        stream.top = stream.peek_top_folder();
        stream
    }

    fn plain(&self) -> Box<dyn Read + '_> {
        let file = BufReader::with_capacity(READ_BYTES, Section::new(&self.file, 0, self.size));
        if self.is_packed {
            Box::new(flate2::bufread::MultiGzDecoder::new(file))
        } else {
            Box::new(file)
        }
    }

    /// The top folder, as far as the names at the start tell.
    fn peek_top_folder(&self) -> Option<String> {
        let mut archive = tar::Archive::new(self.plain().take(PEEK_BYTES));
        let entries = archive.entries().ok()?;
        let mut names = Vec::new();
        for entry in entries {
            let Ok(entry) = entry else { break };
            if entry.header().entry_type().is_file() {
                names.push(entry.path_bytes().into_owned());
            }
        }
        top_folder(names.iter().map(Vec::as_slice))
    }

    pub(super) fn top(&self) -> Option<&str> {
        self.top.as_deref()
    }

    pub(super) fn plan(&self) -> Vec<Task> {
        vec![Task {
            weight: self.size,
            is_stream: true,
            work: Work::Stream,
        }]
    }

    /// Reads everything, in the order of the container.
    pub(super) fn run(&self, limits: &Limits, scratch: &mut Scratch, visitor: &dyn Visitor) {
        if let Some(notice) = &self.notice {
            visitor.problem(notice.clone());
        }
        let mut run = Run {
            stream: self,
            limits,
            visitor,
            seen: BTreeSet::new(),
            links: Vec::new(),
            total: 0,
        };
        let mut archive = tar::Archive::new(self.plain());
        if let Err(e) = run.entries(&mut archive, &mut scratch.plain) {
            let detail = match kind_of(&e) {
                ProblemKind::CutShort => "the file ends in the middle".to_owned(),
                _ => format!("what follows could not be read: {e}"),
            };
            visitor.problem(Problem {
                path: None,
                kind: kind_of(&e),
                detail,
            });
        }
        run.links();
    }

    fn listing(&self, limits: &Limits) -> &Listing {
        self.listing.get_or_init(|| {
            let lister = Lister::default();
            self.run(limits, &mut Scratch::default(), &lister);
            lister.into_listing()
        })
    }

    pub(super) fn entries(&self, limits: &Limits) -> &[Arc<EntryInfo>] {
        &self.listing(limits).entries
    }

    pub(super) fn read(&self, path: &str, limits: &Limits) -> Result<Vec<u8>, Problem> {
        let listing = self.listing(limits);
        if let Some(bytes) = listing.cached.get(path) {
            return Ok(bytes.clone());
        }
        if !listing.entries.iter().any(|e| e.path.as_str() == path) {
            return Err(Problem::no_such_entry(path));
        }
        let finder = super::one::OneEntry::new(path);
        self.run(limits, &mut Scratch::default(), &finder);
        finder.into_result()
    }
}

struct Run<'a> {
    stream: &'a Stream,
    limits: &'a Limits,
    visitor: &'a dyn Visitor,
    seen: BTreeSet<String>,
    /// Links to what may come later, with its path.
    links: Vec<(Arc<EntryInfo>, String)>,
    total: u64,
}

impl Run<'_> {
    fn entries<R: Read>(
        &mut self,
        archive: &mut tar::Archive<R>,
        buffer: &mut Vec<u8>,
    ) -> io::Result<()> {
        for entry in archive.entries()? {
            let mut entry = entry?;
            let name = entry.path_bytes().into_owned();
            let kind = entry.header().entry_type();
            if kind.is_dir() || matches!(kind, tar::EntryType::XGlobalHeader) {
                continue;
            }
            if kind.is_symlink() && self.is_link(&name, entry.link_name_bytes().as_deref()) {
                continue;
            }
            let Some(info) = self.admit(&name, kind, entry.size()) else {
                self.drain(&mut entry, buffer)?;
                continue;
            };
            let delivery = Delivery::new(&info, self.limits, self.visitor);
            let (read, end) = pump(&mut entry, buffer, delivery);
            self.count(read)?;
            match end {
                End::Failed => return Ok(()),
                End::AtLimit => self.drain(&mut entry, buffer)?,
                End::Whole if read < info.bytes.unwrap_or_default() => {
                    let detail = "the file ends within this entry".to_owned();
                    self.visitor
                        .problem(problem_of(&info, ProblemKind::CutShort, detail));
                    return Ok(());
                }
                End::Whole => {}
            }
        }
        Ok(())
    }

    /// Takes note of a link that may lead to an entry of the bundle, which is read where it is.
    fn is_link(&mut self, name: &[u8], target: Option<&[u8]>) -> bool {
        let Ok(path) = entry_path(name, self.stream.top(), self.limits) else {
            return false;
        };
        let target = target.and_then(|target| link_target(&path, target));
        let is_within = target.is_some() && self.links.len() < self.limits.max_entries;
        if let (Some(target), true) = (target, is_within) {
            self.links.push((EntryInfo::new(path, None), target));
        }
        is_within
    }

    /// Tells the links that lead to nothing.
    fn links(&self) {
        for (info, target) in &self.links {
            if !self.seen.contains(target) {
                let detail = "a link to something that is not in the bundle".to_owned();
                self.visitor
                    .problem(problem_of(info, ProblemKind::TypeRefused, detail));
            }
        }
    }

    /// Checks an entry's head; a refused one is told.
    fn admit(&mut self, name: &[u8], kind: tar::EntryType, bytes: u64) -> Option<Arc<EntryInfo>> {
        let path = match entry_path(name, self.stream.top(), self.limits) {
            Ok(path) if path.as_str() == crate::index::INDEX_NAME => return None,
            Ok(path) => path,
            Err(problem) => {
                self.visitor.problem(problem);
                return None;
            }
        };
        let info = EntryInfo::new(path, Some(bytes));
        let problem = if !(kind.is_file() || kind.is_contiguous()) {
            let detail = format!("{kind:?} entries are not taken");
            Some((ProblemKind::TypeRefused, detail))
        } else if self.seen.len() >= self.limits.max_entries {
            Some((
                ProblemKind::OverLimit,
                format!("more than {} entries", self.limits.max_entries),
            ))
        } else if !self.seen.insert(info.path.to_string()) {
            Some((
                ProblemKind::Duplicate,
                "is there twice; the first counts".to_owned(),
            ))
        } else {
            None
        };
        match problem {
            None => Some(info),
            Some((kind, detail)) => {
                self.visitor.problem(problem_of(&info, kind, detail));
                None
            }
        }
    }

    fn drain(&mut self, entry: &mut dyn Read, buffer: &mut Vec<u8>) -> io::Result<()> {
        buffer.resize(READ_BYTES, 0);
        loop {
            match entry.read(buffer)? {
                0 => return Ok(()),
                count => self.count(count as u64)?,
            }
        }
    }

    /// Adds to the total and refuses a bomb.
    fn count(&mut self, bytes: u64) -> io::Result<()> {
        self.total += bytes;
        let limits = self.limits;
        let is_bomb = self.total > limits.ratio_floor_bytes
            && self.total / limits.max_ratio.max(1) > self.stream.size;
        if is_bomb || self.total > limits.max_total_bytes {
            let text = format!(
                "more than {} bytes unpacked, which is beyond the limit",
                self.total
            );
            return Err(io::Error::new(io::ErrorKind::InvalidData, text));
        }
        Ok(())
    }
}

/// Lists the entries and keeps the small ones.
#[derive(Default)]
struct Lister {
    listing: std::sync::Mutex<(Listing, usize)>,
}

impl Lister {
    fn into_listing(self) -> Listing {
        let (mut listing, _) = self
            .listing
            .into_inner()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        listing.entries.sort_by(|a, b| a.path.cmp(&b.path));
        listing.entries.dedup_by(|a, b| a.path == b.path);
        listing
    }

    fn with(&self, act: impl FnOnce(&mut Listing, &mut usize)) {
        let mut held = self
            .listing
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let (listing, cached) = &mut *held;
        act(listing, cached);
    }
}

impl Visitor for Lister {
    fn interest(&self, entry: &EntryInfo) -> Interest {
        if entry.bytes.is_some_and(|b| b <= CACHED_ENTRY_BYTES) {
            Interest::Whole
        } else {
            Interest::Blocks
        }
    }

    fn block(&self, entry: &Arc<EntryInfo>, block: Block<'_>) {
        if block.offset == 0 {
            self.with(|listing, _| listing.entries.push(Arc::clone(entry)));
        }
    }

    fn whole(&self, entry: &Arc<EntryInfo>, bytes: Vec<u8>) {
        self.with(|listing, cached| {
            listing.entries.push(Arc::clone(entry));
            if *cached + bytes.len() <= CACHE_BYTES {
                *cached += bytes.len();
                listing.cached.insert(entry.path.to_string(), bytes);
            }
        });
    }

    fn problem(&self, _problem: Problem) {}
}
