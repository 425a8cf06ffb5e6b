//! Runs the patterns whose literals stand in a block, line by line.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use bundle::Block;
use foldhash::fast::RandomState;

use super::line::{self, Line};
use super::lines::{EXCERPT_LINES, LogMatcher, Scanner};
use super::marks::{Mark, Phase, Segment, Segments};
use super::matches::{Excerpt, Group, Match, Matches, Scanned};
use super::origin::Origin;
use super::pattern::{Found, Pattern};

/// The scan of one block.
pub(super) struct BlockScan<'s, 'b> {
    scanner: &'s Scanner,
    bytes: &'b [u8],
    may_be_excerpt: bool,
    /// Whether any matcher that looks at this log asks for a pattern.
    wanted: Vec<bool>,
    covered: Vec<bool>,
    /// Start and end of the line at hand, and the patterns to try on it.
    line: (usize, usize),
    candidates: Vec<usize>,
    counter: Counter,
    groups: Vec<Local>,
    /// Whether the process was told to stop, as of the line at hand.
    phase: Phase,
    /// Where the block starts in its log, and whether it is all of it.
    start: u64,
    is_whole: bool,
    /// Groups by matcher and the value of its key; those of the phase at hand.
    keys: HashMap<(usize, String), usize, RandomState>,
    /// Groups of matches whose text was met before: all that was captured is known there.
    repeats: HashMap<(usize, usize, &'b [u8]), usize, RandomState>,
    bytes_scanned: u64,
}

/// A group of this block's matches.
struct Local {
    matcher: usize,
    key: String,
    /// Whether its matches count only if the process was not told to stop before this block.
    is_open: bool,
    group: Group,
    /// Number and start of its last line.
    last: (u64, usize),
}

fn may_be_excerpt(block: &Block<'_>) -> bool {
    let more = EXCERPT_LINES.checked_sub(block.first_line);
    let more = more.and_then(|more| usize::try_from(more).ok());
    let newlines = || memchr::memchr_iter(b'\n', block.bytes);
    more.is_some_and(|more| newlines().nth(more + 1).is_none())
}

impl<'s, 'b> BlockScan<'s, 'b> {
    pub(super) fn new(scanner: &'s Scanner, origin: &Origin, block: Block<'b>) -> Self {
        let matchers = scanner.matchers().iter();
        let may_be_excerpt = may_be_excerpt(&block);
        let covers = |m: &LogMatcher| m.covers(origin) && (may_be_excerpt || !m.in_excerpt);
        let covered: Vec<bool> = matchers.map(covers).collect();
        let is_covered = |matcher: &usize| covered.get(*matcher) == Some(&true);
        let patterns = scanner.patterns.iter();
        let wanted = patterns.map(|p| p.matchers.iter().any(is_covered));
        Self {
            scanner,
            bytes: block.bytes,
            may_be_excerpt,
            wanted: wanted.collect(),
            covered,
            line: (0, 0),
            candidates: Vec::new(),
            counter: Counter {
                at: 0,
                line: block.first_line,
            },
            groups: Vec::new(),
            phase: if block.offset == 0 {
                Phase::Running
            } else {
                Phase::Open
            },
            start: block.offset,
            is_whole: block.offset == 0 && block.is_last,
            keys: HashMap::default(),
            repeats: HashMap::default(),
            bytes_scanned: block.bytes.len() as u64,
        }
    }

    /// Whether the log has been short enough so far.
    pub(super) fn may_be_excerpt(&self) -> bool {
        self.may_be_excerpt
    }

    /// Takes a place where a literal of a pattern stands; lines come in their order.
    pub(super) fn candidate(&mut self, pattern: usize, at: usize) {
        if self.wanted.get(pattern) != Some(&true) {
            return;
        }
        let is_at_hand = (self.line.0..self.line.1).contains(&at);
        if !is_at_hand {
            self.try_line();
        }
        // That a process starts is no news while none was told to stop.
        if self.phase == Phase::Running && self.scanner.start == Some(pattern) {
            return;
        }
        if !is_at_hand {
            self.line = line::borders(self.bytes, at);
        }
        self.candidates.push(pattern);
    }

    /// Tries the line at hand, in the order of the patterns, whatever order their literals have.
    fn try_line(&mut self) {
        if self.candidates.is_empty() {
            return;
        }
        let mut candidates = std::mem::take(&mut self.candidates);
        candidates.sort_unstable();
        candidates.dedup();
        let line = Line::new(self.bytes, self.line);
        let mut taken: Vec<usize> = Vec::new();
        for number in candidates.drain(..) {
            self.try_pattern(number, &line, &mut taken);
        }
        self.candidates = candidates;
    }

    fn try_pattern(&mut self, number: usize, line: &Line<'b>, taken: &mut Vec<usize>) {
        let scanner = self.scanner;
        let Some((pattern, matchers)) = scanner.pattern(number) else {
            return;
        };
        let is_wanted = |number: &usize| {
            let is_news = |mark: Mark| self.phase != mark.into();
            let taker = self.taker(*number, line, taken);
            taker.is_some_and(|matcher| matcher.mark.is_none_or(is_news))
        };
        if !matchers.iter().any(is_wanted) {
            return;
        }
        let in_body = pattern.find(line.body());
        let Some(found) = in_body.or_else(|| pattern.find(line.unpacked()?)) else {
            return;
        };
        for m in matchers {
            let taker = self.taker(*m, line, taken);
            if let Some(matcher) = taker.filter(|matcher| !matcher.excludes(line)) {
                taken.push(*m);
                self.take((*m, matcher), (number, pattern), &found, line);
            }
        }
    }

    /// A matcher, if it looks at the line and has not taken it yet.
    fn taker(&self, number: usize, line: &Line<'_>, taken: &[usize]) -> Option<&'s LogMatcher> {
        let is_open = self.covered.get(number) == Some(&true) && !taken.contains(&number);
        let matcher = self.scanner.matchers().get(number).filter(|_| is_open)?;
        matcher.admits(line).then_some(matcher)
    }

    fn take(
        &mut self,
        (matcher_number, matcher): (usize, &LogMatcher),
        (number, pattern): (usize, &Pattern),
        found: &Found<'_, '_>,
        line: &Line<'b>,
    ) {
        if let Some(mark) = matcher.mark {
            return self.enter(mark.into());
        }
        if matcher.is_of_running && self.phase == Phase::Stopping {
            return;
        }
        let repeat = found
            .closed()
            .and_then(|span| line.in_block(self.bytes, span));
        let repeat = repeat.map(|text| (matcher_number, number, text));
        let known = repeat.and_then(|repeat| self.repeats.get(&repeat).copied());
        let number = self.counter.number_at(self.bytes, line.start);
        if let Some(local) = known.and_then(|at| self.groups.get_mut(at)) {
            return local.add(number, matcher, line);
        }
        let values = (!pattern.names().is_empty())
            .then(|| found.captures())
            .flatten();
        let value = |name: &str| {
            let found = values.as_ref().and_then(|v| v.name(name))?;
            Some(String::from_utf8_lossy(found.as_bytes()))
        };
        let key = matcher.key.and_then(value).unwrap_or_default();
        let is_open = matcher.is_of_running && self.phase == Phase::Open;
        let at = self.group((matcher_number, is_open), &key);
        if let Some(local) = self.groups.get_mut(at) {
            local.add(number, matcher, line);
            for name in pattern.names() {
                if let Some(value) = value(name) {
                    local.group.values(name).add(&value, number);
                }
            }
        }
        self.repeats.extend(repeat.map(|repeat| (repeat, at)));
    }

    /// Goes on in another phase, of which no group is known yet.
    fn enter(&mut self, phase: Phase) {
        if self.phase != phase {
            self.phase = phase;
            self.keys.clear();
            self.repeats.clear();
        }
    }

    fn group(&mut self, (matcher, is_open): (usize, bool), key: &str) -> usize {
        let groups = &mut self.groups;
        *self
            .keys
            .entry((matcher, key.to_owned()))
            .or_insert_with(|| {
                groups.push(Local {
                    matcher,
                    key: key.to_owned(),
                    is_open,
                    group: Group::default(),
                    last: (0, 0),
                });
                groups.len() - 1
            })
    }

    /// The number that a line behind this block would have.
    pub(super) fn next_number(&mut self) -> u64 {
        self.try_line();
        self.counter.number_at(self.bytes, self.bytes.len())
    }

    /// All that was found, as of the log `entry`.
    pub(super) fn finish(mut self, entry: &Arc<str>) -> Scanned {
        self.try_line();
        let mut scanned = Scanned {
            bytes: self.bytes_scanned,
            ..Scanned::default()
        };
        // Matchers often end in the same line: its excerpt is kept once.
        let mut lasts: BTreeMap<usize, Excerpt> = BTreeMap::new();
        let mut open = Matches::default();
        for mut local in self.groups {
            let (number, start) = local.last;
            let last = lasts.entry(start).or_insert_with(|| {
                let line = Line::new(self.bytes, line::borders(self.bytes, start));
                line.excerpt(number)
            });
            local.group.keep(last.clone());
            let (matcher, key) = (local.matcher, local.key.into());
            let key = (matcher, Arc::clone(entry), key);
            let into = if local.is_open {
                &mut open
            } else {
                &mut scanned.matches
            };
            into.add(key, local.group);
        }
        if self.scanner.has_marks() && !self.is_whole {
            let segment = Segment {
                end: self.start + self.bytes_scanned,
                open,
                phase: self.phase,
            };
            let segments = Segments::of(self.start, segment);
            scanned.segments.insert(Arc::clone(entry), segments);
        }
        scanned
    }
}

impl Local {
    fn add(&mut self, number: u64, matcher: &LogMatcher, line: &Line<'_>) {
        self.group.add(&Match {
            time: line.time(),
            uptime_us: line.uptime_us(),
            keeps_seconds: matcher.keeps_seconds,
        });
        if self.group.lacks_lines() {
            self.group.keep(line.excerpt(number));
        }
        self.last = (number, line.start);
    }
}

/// Counts lines up to places that mostly come in order.
struct Counter {
    at: usize,
    line: u64,
}

impl Counter {
    fn number_at(&mut self, bytes: &[u8], start: usize) -> u64 {
        let passed = bytes.get(self.at..start).unwrap_or_default();
        self.line += memchr::memchr_iter(b'\n', passed).count() as u64;
        self.at = start;
        self.line
    }
}
