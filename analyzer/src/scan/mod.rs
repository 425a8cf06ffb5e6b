//! One pass over a bundle on all cores: facts are parsed from whole entries, logs are scanned
//! block by block. The only code that names rayon.
//!
//! [`lines`] scans a block with [`grams`] as its first sieve, [`record`] takes matching lines
//! apart, [`mod@matches`] merges what was found to the same result in any order. What a match means
//! is decided elsewhere.

mod block;
mod borders;
mod crash;
pub(crate) mod expression;
mod fence;
pub(crate) mod frequency;
mod grams;
mod json;
mod line;
mod lines;
pub(crate) mod literals;
mod marks;
pub(crate) mod matches;
pub(crate) mod origin;
pub(crate) mod parallel;
pub(crate) mod pattern;
pub(crate) mod record;
mod relay;
mod roster;
mod sweep;
mod syntax;

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};

use bundle::layout::{EntryKind, Section, sections};
use bundle::{
    Block, Bundle, Checkpoints, EntryInfo, EntryPath, Interest, Manifest, Problem, ProblemKind,
    Visitor,
};

use crate::facts::{self, Demand, LogEnd, Piece};
pub(crate) use lines::{EXCERPT_LINES, LogMatcher, Scanner};
use matches::Scanned;
use origin::Origin;
use roster::Roster;

/// All that one pass over a bundle gives.
#[derive(Debug, Default)]
pub(crate) struct Gathered {
    pub(crate) pieces: Vec<Piece>,
    pub(crate) scanned: Scanned,
    /// That of the bundle, or of one that was never finished what its checkpoints come to.
    pub(crate) manifest: Option<Manifest>,
    checkpoints: Checkpoints,
    /// What could not be read, in a stable order.
    pub(crate) problems: Vec<Problem>,
    /// Entries seen, with their sizes.
    pub(crate) entries: std::collections::BTreeMap<String, u64>,
}

/// Reads a whole bundle once.
pub(crate) fn gather(
    bundle: &Bundle,
    scanner: &Scanner,
    demand: &Demand,
    threads: usize,
) -> Gathered {
    let visitor = Pass {
        scanner,
        demand,
        found: Mutex::default(),
    };
    parallel::run(bundle, &visitor, threads);
    finish(visitor)
}

/// As [`gather`], from entries at hand.
pub(crate) fn gather_entries(
    entries: Vec<(Arc<EntryInfo>, Vec<u8>)>,
    scanner: &Scanner,
    demand: &Demand,
) -> Gathered {
    let visitor = Pass {
        scanner,
        demand,
        found: Mutex::default(),
    };
    for (entry, bytes) in entries {
        match visitor.interest(&entry) {
            Interest::Skip => {}
            Interest::Whole => visitor.whole(&entry, bytes),
            Interest::Blocks | Interest::Ordered => visitor.scan(&entry, whole_block(&bytes)),
        }
    }
    finish(visitor)
}

/// An entry as its only block.
fn whole_block(bytes: &[u8]) -> Block<'_> {
    Block {
        bytes,
        offset: 0,
        first_line: 1,
        starts_mid_line: false,
        is_last: true,
    }
}

fn finish(visitor: Pass<'_>) -> Gathered {
    let mut gathered = visitor
        .found
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner);
    gathered.problems.sort();
    gathered.problems.dedup();
    let checkpoints = std::mem::take(&mut gathered.checkpoints);
    gathered.manifest = gathered.manifest.take().or_else(|| checkpoints.manifest());
    gathered.scanned.finish();
    settle_origins(&mut gathered, visitor.scanner);
    let ends = gathered.scanned.logs.iter().map(|(entry, log)| {
        Piece::LogEnd(Box::new(LogEnd {
            entry: entry.clone(),
            log: log.origin.log(),
            line: log.last_line,
            time: log.last_time,
            tail: log.tail.clone(),
        }))
    });
    gathered.pieces.extend(ends);
    gathered
}

/// Asks the bundle's pods who wrote the logs whose paths did not tell.
fn settle_origins(gathered: &mut Gathered, scanner: &Scanner) {
    let roster = Roster::of(&gathered.pieces);
    let settled = gathered.scanned.logs.iter().filter_map(|(entry, log)| {
        let said = || {
            Some(Origin {
                namespace: Some(log.namespace.clone()?),
                ..log.origin.clone()
            })
        };
        let origin = roster.settle(entry, &log.origin).or_else(said)?;
        Some((entry.clone(), origin))
    });
    let settled: Vec<_> = settled.collect();
    let init_log = |piece: &Piece| match piece {
        Piece::InitLog(log) => {
            let known = log.unsettled()?;
            let named = || {
                gathered
                    .scanned
                    .logs
                    .get(known)
                    .map(|log| log.origin.clone())
            };
            let origin = roster.settle(known, &Origin::default()).or_else(named);
            Some(origin.and_then(|origin| origin.log()))
        }
        _ => None,
    };
    let init_logs: Vec<Option<Option<EntryKind>>> = gathered.pieces.iter().map(init_log).collect();
    for (entry, origin) in settled {
        gathered.scanned.settle(&entry, origin, scanner.matchers());
    }
    let mut init_logs = init_logs.into_iter();
    gathered.pieces.retain_mut(|piece| {
        let found = init_logs.next().flatten();
        match (piece, found) {
            (Piece::InitLog(log), Some(found)) => log.settle(found),
            _ => true,
        }
    });
}

struct Pass<'a> {
    scanner: &'a Scanner,
    demand: &'a Demand,
    found: Mutex<Gathered>,
}

impl Pass<'_> {
    fn with(&self, change: impl FnOnce(&mut Gathered)) {
        change(&mut self.found.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn scan(&self, entry: &EntryInfo, block: Block<'_>) {
        let path = entry.path.as_str();
        self.scan_as(entry, path, &Origin::of(entry), block);
        self.with(|found| {
            let bytes = found.entries.entry(path.to_owned()).or_default();
            *bytes += block.bytes.len() as u64;
        });
    }

    /// Scans a block as one of the log `name`, which is the entry or a part of it.
    fn scan_as(&self, entry: &EntryInfo, name: &str, origin: &Origin, block: Block<'_>) {
        let scanned = self.guarded(entry, || self.scanner.scan(name, origin.clone(), block));
        if let Some(scanned) = scanned {
            self.with(|found| found.scanned.merge(scanned));
        }
    }

    /// Scans the logs of several containers in one text, each as a log of its own.
    fn scan_sections(&self, entry: &EntryInfo, bytes: &[u8]) {
        for section in sections(bytes) {
            let origin = Origin::of_section(entry, section.container);
            let name = format!("{}#{}", entry.path, section.container);
            let block = Block {
                first_line: section.first_line,
                ..whole_block(section.lines)
            };
            self.scan_as(entry, &name, &origin, block);
            self.parse_section(&name, origin.log(), section);
        }
        self.with(|found| {
            let size = bytes.len() as u64;
            found.entries.insert(entry.path.to_string(), size);
        });
    }

    /// Derives facts from a container's part of a text, as from a log of its own.
    fn parse_section(&self, name: &str, log: Option<EntryKind>, section: Section<'_>) {
        let (Some(kind), Ok(path)) = (log, EntryPath::parse(name)) else {
            return;
        };
        let bytes = Some(section.lines.len() as u64);
        let entry = Arc::new(EntryInfo { path, kind, bytes });
        if facts::wants(&entry) {
            // Empty lines before it, so that facts tell the lines of the whole text.
            let before = usize::try_from(section.first_line - 1).unwrap_or(0);
            let mut lines = vec![b'\n'; before];
            lines.extend_from_slice(section.lines);
            let pieces = self.guarded(&entry, || facts::parse(&entry, &lines, self.demand));
            self.with(|found| found.pieces.extend(pieces.unwrap_or_default()));
        }
    }

    /// Runs code over untrusted bytes; a panic in it becomes a problem of the entry.
    fn guarded<T>(&self, entry: &EntryInfo, work: impl FnOnce() -> T) -> Option<T> {
        match catch_unwind(AssertUnwindSafe(work)) {
            Ok(value) => Some(value),
            Err(panic) => {
                self.problem(Problem {
                    path: Some(entry.path.to_string()),
                    kind: ProblemKind::Damaged,
                    detail: format!("a defect of this program: {}", panic_text(panic.as_ref())),
                });
                None
            }
        }
    }
}

impl Visitor for Pass<'_> {
    fn interest(&self, entry: &EntryInfo) -> Interest {
        let is_read_whole = matches!(
            entry.kind,
            EntryKind::Manifest | EntryKind::Checkpoint { .. } | EntryKind::PodLogs { .. }
        );
        if facts::wants(entry) || is_read_whole {
            Interest::Whole
        } else if origin::is_log(entry) {
            Interest::Blocks
        } else {
            Interest::Skip
        }
    }

    fn block(&self, entry: &Arc<EntryInfo>, block: Block<'_>) {
        self.scan(entry, block);
    }

    fn whole(&self, entry: &Arc<EntryInfo>, bytes: Vec<u8>) {
        if entry.kind == EntryKind::Manifest {
            let manifest = read_manifest(&bytes);
            self.with(|found| match manifest {
                Ok(manifest) => found.manifest = Some(manifest),
                Err(problem) => found.problems.push(problem),
            });
            return;
        }
        if let EntryKind::Checkpoint { .. } = entry.kind {
            self.with(|found| found.checkpoints.add(&entry.kind, &bytes));
            return;
        }
        if matches!(entry.kind, EntryKind::PodLogs { .. }) {
            return self.scan_sections(entry, &bytes);
        }
        let pieces = self.guarded(entry, || facts::parse(entry, &bytes, self.demand));
        self.with(|found| found.pieces.extend(pieces.unwrap_or_default()));
        if origin::is_log(entry) && !facts::is_printed(&bytes) {
            self.scan(entry, whole_block(&bytes));
        } else {
            let size = bytes.len() as u64;
            self.with(|found| {
                found.entries.insert(entry.path.to_string(), size);
            });
        }
    }

    fn problem(&self, problem: Problem) {
        self.with(|found| found.problems.push(problem));
    }
}

fn read_manifest(bytes: &[u8]) -> Result<Manifest, Problem> {
    let problem = |detail: String| Problem {
        path: Some("manifest.json".to_owned()),
        kind: ProblemKind::ManifestUnsound,
        detail,
    };
    let manifest: Manifest = serde_json::from_slice(bytes).map_err(|e| problem(e.to_string()))?;
    if manifest.format.is_readable() {
        Ok(manifest)
    } else {
        let newer = format!("format {} is newer than this program", manifest.format.0);
        Err(problem(newer))
    }
}

/// What a panic said.
pub(crate) fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|s| (*s).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic".to_owned())
}
