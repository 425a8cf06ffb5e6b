//! What a scan remembers: grouped matches, and where each log ends.
//!
//! Blocks come in any order on any thread, so everything here merges to the same result in any
//! order: sums, minima, maxima and the smallest few by line.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;

use super::lines::LogMatcher;
use super::marks::Segments;
use super::origin::Origin;
use crate::evidence::Evidence;

/// Lines kept of a group: the first few and the last one.
const LINES: usize = 4;

/// Distinct values kept for one capture.
const CAPTURE_VALUES: usize = 12;

/// Groups kept for one matcher and log, by the value of the capture that is the key.
pub(super) const KEYS: usize = 1024;

/// Matches of one matcher in one log (and with one value of the key capture).
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Group {
    pub(crate) count: u64,
    pub(crate) first: Option<Timestamp>,
    pub(crate) last: Option<Timestamp>,
    pub(crate) last_uptime_us: Option<u64>,
    /// The first few and the last one, by line.
    lines: Vec<Excerpt>,
    /// In the order of their names.
    pub(crate) captures: Vec<(Arc<str>, Values)>,
    /// Matches in each second, where the rule asks for it: of Unix time, or, of lines that tell
    /// no time, since the process started.
    pub(crate) seconds: BTreeMap<i64, u64>,
}

/// A line that matches. One text serves all groups that the line is in.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Excerpt {
    pub(crate) line: u64,
    pub(crate) time: Option<Timestamp>,
    pub(crate) text: Arc<str>,
}

impl Excerpt {
    /// It as a place in the log `entry`.
    pub(crate) fn of(&self, entry: &str) -> Evidence {
        Evidence {
            entry: entry.to_owned(),
            line: Some(self.line),
            time: self.time,
            excerpt: self.text.as_ref().to_owned(),
        }
    }
}

/// The first distinct values of a capture.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Values {
    /// Each value with the first line that has it, in the order of the values.
    lines: Vec<(String, u64)>,
    /// Whether there were more.
    pub(crate) is_cut: bool,
}

impl Values {
    pub(super) fn add(&mut self, value: &str, line: u64) {
        match self
            .lines
            .binary_search_by(|(known, _)| known.as_str().cmp(value))
        {
            Ok(at) => {
                if let Some((_, known)) = self.lines.get_mut(at) {
                    *known = line.min(*known);
                }
            }
            Err(at) => {
                self.lines.reserve_exact(1);
                self.lines.insert(at, (value.to_owned(), line));
            }
        }
        if self.lines.len() > CAPTURE_VALUES {
            let places = self.lines.iter().enumerate();
            let latest = places.max_by_key(|(_, (value, line))| (*line, value.as_str()));
            if let Some((at, _)) = latest {
                self.lines.remove(at);
                self.is_cut = true;
            }
        }
    }

    fn merge(&mut self, other: Self) {
        self.is_cut |= other.is_cut;
        for (value, line) in other.lines {
            self.add(&value, line);
        }
    }

    /// The values in the order of their first lines.
    pub(crate) fn in_order(&self) -> Vec<&str> {
        let mut values: Vec<_> = self.lines.iter().collect();
        values.sort_by_key(|(value, line)| (*line, value.as_str()));
        values
            .into_iter()
            .map(|(value, _)| value.as_str())
            .collect()
    }
}

/// When a match happened, as the scan hands it over.
#[derive(Debug)]
pub(super) struct Match {
    pub(super) time: Option<Timestamp>,
    pub(super) uptime_us: Option<u64>,
    pub(super) keeps_seconds: bool,
}

impl Match {
    fn second(&self) -> Option<i64> {
        let uptime = || i64::try_from(self.uptime_us? / 1_000_000).ok();
        self.time.map(Timestamp::as_second).or_else(uptime)
    }
}

impl Group {
    pub(super) fn add(&mut self, found: &Match) {
        self.count += 1;
        self.first = earliest(self.first, found.time);
        self.last = self.last.max(found.time);
        self.last_uptime_us = self.last_uptime_us.max(found.uptime_us);
        if let (true, Some(second)) = (found.keeps_seconds, found.second()) {
            *self.seconds.entry(second).or_default() += 1;
        }
    }

    #[expect(
        clippy::indexing_slicing,
        reason = "the place was found, or was just filled"
    )]
    pub(super) fn values(&mut self, name: &Arc<str>) -> &mut Values {
        let at = self.captures.binary_search_by(|(known, _)| known.cmp(name));
        let at = at.unwrap_or_else(|at| {
            self.captures.reserve_exact(1);
            self.captures
                .insert(at, (Arc::clone(name), Values::default()));
            at
        });
        &mut self.captures[at].1
    }

    /// Whether the next line is one of the first few.
    pub(super) fn lacks_lines(&self) -> bool {
        self.lines.len() + 1 < LINES
    }

    /// Keeps a line if it is among the first few or the last one. There may be a group for each
    /// rule and log, so it has no room to spare.
    pub(super) fn keep(&mut self, excerpt: Excerpt) {
        let lines = &mut self.lines;
        let at = lines.partition_point(|known| known.line < excerpt.line);
        if lines
            .get(at)
            .is_some_and(|known| known.line == excerpt.line)
        {
            return;
        }
        lines.reserve_exact(1);
        lines.insert(at, excerpt);
        if lines.len() > LINES {
            lines.remove(LINES - 1);
        }
    }

    fn merge(&mut self, other: Self) {
        self.count += other.count;
        self.first = earliest(self.first, other.first);
        self.last = self.last.max(other.last);
        self.last_uptime_us = self.last_uptime_us.max(other.last_uptime_us);
        for excerpt in other.lines {
            self.keep(excerpt);
        }
        for (name, values) in other.captures {
            self.values(&name).merge(values);
        }
        for (second, count) in other.seconds {
            *self.seconds.entry(second).or_default() += count;
        }
    }

    /// The first few lines and the last one.
    pub(crate) fn lines(&self) -> &[Excerpt] {
        &self.lines
    }
}

fn earliest(a: Option<Timestamp>, b: Option<Timestamp>) -> Option<Timestamp> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

/// Number of a log matcher, path of the log, value of the capture that is the key.
pub(crate) type GroupKey = (usize, Arc<str>, Box<str>);

/// One log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Log {
    pub(crate) origin: Origin,
    /// The namespace of the identity that a proxy says it has, where the path tells none.
    pub(crate) namespace: Option<String>,
    /// Number of its last line; 0 until the end was seen.
    pub(crate) last_line: u64,
    pub(crate) last_time: Option<Timestamp>,
    pub(crate) last_uptime_us: Option<u64>,
    /// Its last lines without the kubelet's times, oldest first.
    pub(crate) tail: Vec<String>,
}

/// Matches, grouped.
#[derive(Debug, Default)]
pub(crate) struct Matches {
    pub(crate) groups: BTreeMap<GroupKey, Group>,
    /// Matchers and logs with more values of the key than are kept.
    pub(crate) overflowed: BTreeSet<(usize, String)>,
}

/// All that a scan found.
#[derive(Debug, Default)]
pub(crate) struct Scanned {
    pub(crate) matches: Matches,
    pub(crate) logs: BTreeMap<String, Log>,
    /// Of logs of several blocks, what hangs on whether their process was told to stop.
    pub(super) segments: BTreeMap<Arc<str>, Segments>,
    /// Bytes of logs that were scanned.
    pub(crate) bytes: u64,
}

impl Matches {
    /// Takes in what was found elsewhere.
    pub(super) fn merge(&mut self, other: Self) {
        self.overflowed.extend(other.overflowed);
        for (key, group) in other.groups {
            self.add(key, group);
        }
    }

    /// Takes in one group.
    pub(super) fn add(&mut self, key: GroupKey, group: Group) {
        let (matcher, entry) = (key.0, Arc::clone(&key.1));
        self.groups.entry(key).or_default().merge(group);
        self.trim(matcher, &entry);
    }

    /// Keeps the groups with the smallest keys: whatever the order of blocks, those are the same
    /// and hold all of their matches.
    fn trim(&mut self, matcher: usize, entry: &Arc<str>) {
        let start = (matcher, Arc::clone(entry), Box::default());
        let is_same = |key: &GroupKey| key.0 == matcher && key.1 == *entry;
        let beyond = self
            .groups
            .range(start..)
            .map(|(key, _)| key)
            .take_while(|key| is_same(key))
            .nth(KEYS);
        if let Some(beyond) = beyond.cloned() {
            self.groups.remove(&beyond);
            self.overflowed.insert((matcher, entry.as_ref().to_owned()));
        }
    }
}

impl Scanned {
    /// Notes that all blocks are known.
    pub(super) fn finish(&mut self) {
        for segments in std::mem::take(&mut self.segments).into_values() {
            self.matches.merge(segments.finish());
        }
    }

    /// Notes who wrote a log after all. Matches of matchers that ask for other containers go.
    pub(super) fn settle(&mut self, entry: &str, origin: Origin, matchers: &[LogMatcher]) {
        let covers = |matcher: usize| matchers.get(matcher).is_none_or(|m| m.covers(&origin));
        self.matches
            .groups
            .retain(|(matcher, own, _), _| own.as_ref() != entry || covers(*matcher));
        self.matches
            .overflowed
            .retain(|(matcher, own)| own != entry || covers(*matcher));
        if let Some(log) = self.logs.get_mut(entry) {
            log.origin = origin;
        }
    }

    /// Takes in what another scan found.
    pub(crate) fn merge(&mut self, other: Self) {
        self.bytes += other.bytes;
        self.matches.merge(other.matches);
        for (entry, segments) in other.segments {
            let known = self.segments.entry(entry).or_default();
            self.matches.merge(known.merge(segments));
        }
        for (entry, log) in other.logs {
            let known = self.logs.entry(entry).or_default();
            let said = [&known.namespace, &log.namespace];
            let namespace = said.into_iter().flatten().min().cloned();
            if known.last_line <= log.last_line {
                *known = log;
            }
            known.namespace = namespace;
        }
    }
}
