//! Runs all log matchers over one block of one log.

use std::borrow::Cow;
use std::collections::BTreeMap;

use bundle::Block;
use regex::bytes::Regex;

use super::crash;
use super::grams::Filter;
use super::matches::{Group, Log, Match, Scanned};
use super::origin::Origin;
use super::pattern::Pattern;
use super::record::{self, Level, Record};

/// Lines kept from the end of each log.
const TAIL_LINES: usize = 20;

/// Bytes at the end of a block that are looked at for the last lines.
const TAIL_BYTES: usize = 16 << 10;

/// Which log lines a rule's matcher asks for.
#[derive(Debug, Default)]
pub(crate) struct LogMatcher {
    /// Containers whose logs are looked at; empty for all.
    pub(crate) containers: Vec<String>,
    /// Whether logs of previous instances are looked at, or of current ones; both if none.
    pub(crate) previous: Option<bool>,
    /// At least this level, where the line tells one.
    pub(crate) level: Option<Level>,
    /// Start of the module or name of the component.
    pub(crate) target: Option<String>,
    /// Any of these.
    pub(crate) patterns: Vec<Pattern>,
    /// None of what this matches.
    pub(crate) exclude: Option<Regex>,
    /// The capture whose values are told apart.
    pub(crate) key: Option<&'static str>,
    /// Whether the rule counts matches within a period or asks for a sequence.
    pub(crate) keeps_seconds: bool,
}

impl LogMatcher {
    /// Whether logs of this origin are looked at. A log of unknown origin always is.
    pub(crate) fn covers(&self, origin: &Origin) -> bool {
        let is_named = |container: &String| self.containers.contains(container);
        let is_of = |previous: bool| previous == origin.is_previous;
        self.previous.is_none_or(is_of)
            && (self.containers.is_empty() || origin.container.as_ref().is_none_or(is_named))
    }
}

/// All log matchers of all rules, ready to run.
#[derive(Debug)]
pub(crate) struct Scanner {
    matchers: Vec<LogMatcher>,
    /// Matcher and pattern by the number that the filter knows.
    patterns: Vec<(usize, usize)>,
    filter: Filter,
}

impl Scanner {
    pub(crate) fn new(matchers: Vec<LogMatcher>) -> Self {
        let mut patterns = Vec::new();
        let mut texts = Vec::new();
        for (number, matcher) in matchers.iter().enumerate() {
            for (which, pattern) in matcher.patterns.iter().enumerate() {
                for text in &pattern.required().0 {
                    texts.push((patterns.len(), text.as_slice()));
                }
                patterns.push((number, which));
            }
        }
        let filter = Filter::new(texts.into_iter());
        Self {
            matchers,
            patterns,
            filter,
        }
    }

    pub(crate) fn matchers(&self) -> &[LogMatcher] {
        &self.matchers
    }

    /// Scans a block.
    pub(crate) fn scan(&self, entry: &str, origin: Origin, block: Block<'_>) -> Scanned {
        let covered: Vec<bool> = self.matchers.iter().map(|m| m.covers(&origin)).collect();
        let mut scan = BlockScan {
            scanner: self,
            entry,
            bytes: block.bytes,
            lines: Lines {
                at: 0,
                line: block.first_line,
            },
            // One past the start of the last line that a pattern was tried on.
            tried: vec![0; self.patterns.len()],
            matched: vec![0; self.matchers.len()],
            groups: BTreeMap::new(),
        };
        self.filter.find(block.bytes, &mut |pattern, at| {
            let matcher = self.patterns.get(pattern).map(|(matcher, _)| *matcher);
            if matcher.and_then(|m| covered.get(m)) == Some(&true) {
                scan.candidate(pattern, at);
            }
        });
        let mut scanned = Scanned {
            bytes: block.bytes.len() as u64,
            ..Scanned::default()
        };
        for ((matcher, key), group) in scan.groups {
            scanned
                .groups
                .insert((matcher, entry.to_owned(), key), group);
            scanned.trim(matcher, entry);
        }
        let namespace = match origin.namespace {
            None => record::identity_namespace(block.bytes),
            Some(_) => None,
        };
        let log = if block.is_last {
            end_of(origin, block)
        } else {
            Log {
                origin,
                ..Log::default()
            }
        };
        let log = Log { namespace, ..log };
        scanned.logs.insert(entry.to_owned(), log);
        scanned
    }
}

struct BlockScan<'a> {
    scanner: &'a Scanner,
    entry: &'a str,
    bytes: &'a [u8],
    lines: Lines,
    tried: Vec<usize>,
    matched: Vec<usize>,
    groups: BTreeMap<(usize, String), Group>,
}

impl BlockScan<'_> {
    /// Takes a place where a literal of a pattern stands.
    fn candidate(&mut self, number: usize, at: usize) {
        let Some((matcher_number, which)) = self.scanner.patterns.get(number).copied() else {
            return;
        };
        let Some(matcher) = self.scanner.matchers.get(matcher_number) else {
            return;
        };
        let Some(pattern) = matcher.patterns.get(which) else {
            return;
        };
        let (start, end) = line_around(self.bytes, at);
        let is_new = |last: Option<&mut usize>| {
            last.is_some_and(|last| std::mem::replace(last, start + 1) != start + 1)
        };
        if self.matched.get(matcher_number) == Some(&(start + 1))
            || !is_new(self.tried.get_mut(number))
        {
            return;
        }
        let raw = self.bytes.get(start..end).unwrap_or_default();
        let Some(regex) = pattern.regex() else { return };
        if is_settled(raw, regex) {
            return;
        }
        let text = String::from_utf8_lossy(raw);
        let text = record::strip_ansi(&text);
        let Some(view) = view(matcher, regex, &text) else {
            return;
        };
        if let Some(last) = self.matched.get_mut(matcher_number) {
            *last = start + 1;
        }
        self.take(
            matcher_number,
            matcher,
            (regex, &view.searched),
            (start, &text, &view.record),
        );
    }

    fn take(
        &mut self,
        number: usize,
        matcher: &LogMatcher,
        (regex, searched): (&Regex, &str),
        (start, text, record): (usize, &str, &Record<'_>),
    ) {
        let names = regex.capture_names().flatten().collect::<Vec<_>>();
        let values = if names.is_empty() {
            None
        } else {
            regex.captures(searched.as_bytes())
        };
        let value = |name: &str| {
            let found = values.as_ref().and_then(|v| v.name(name))?;
            std::str::from_utf8(found.as_bytes()).ok()
        };
        let key = matcher.key.and_then(value).unwrap_or_default().to_owned();
        let (_, end) = line_around(self.bytes, start);
        let below = self.bytes.get(end..).unwrap_or_default();
        let text = crash::whole(record::split_kubelet_time(text).1, below);
        let found = Match {
            line: self.lines.number_at(self.bytes, start),
            time: record.time,
            uptime_us: record.uptime_us,
            text: &text,
            entry: self.entry,
            keeps_seconds: matcher.keeps_seconds,
        };
        let captures = names.iter().filter_map(|name| Some((*name, value(name)?)));
        self.groups
            .entry((number, key))
            .or_default()
            .add(&found, captures);
    }
}

/// A line that matches, and in which of its forms.
struct View<'a> {
    record: Record<'a>,
    searched: Cow<'a, str>,
}

/// Whether a line is no match and has no other form to be tried in. Most lines in which a
/// literal stands end here, before they are taken apart.
fn is_settled(raw: &[u8], regex: &Regex) -> bool {
    let has_time = raw.get(4) == Some(&b'-') && raw.get(10) == Some(&b'T');
    let blank = memchr::memchr(b' ', raw).filter(|_| has_time);
    let body = blank.and_then(|at| raw.get(at + 1..)).unwrap_or(raw);
    // Plain proxy lines are the many; of the others some have a time of their own in front.
    body.starts_with(b"[ ") && memchr::memchr(b'\x1b', raw).is_none() && !regex.is_match(body)
}

/// Tries a line as its container wrote it, and then with its quotes and its JSON undone.
fn view<'a>(matcher: &LogMatcher, regex: &Regex, text: &'a str) -> Option<View<'a>> {
    let body = record::split_kubelet_time(text).1;
    let is_raw = regex.is_match(body.as_bytes());
    let start = body.trim_start();
    let is_packed = ["{", "time=\"", "level="]
        .iter()
        .any(|head| start.starts_with(head));
    if !is_raw && !is_packed {
        return None;
    }
    let needs_all = !is_raw || matcher.level.is_some() || matcher.target.is_some();
    let record = if needs_all {
        record::parse(text)
    } else {
        record::parse_time(text)
    };
    let searched = if is_raw {
        Cow::Borrowed(body)
    } else {
        record.message.clone()
    };
    if !is_raw && !regex.is_match(searched.as_bytes()) {
        return None;
    }
    let is_below = |least: Level| record.level.is_some_and(|level| level < least);
    let is_elsewhere = |target: &String| !record.target.starts_with(target.as_str());
    let is_excluded = |exclude: &Regex| {
        exclude.is_match(body.as_bytes()) || exclude.is_match(searched.as_bytes())
    };
    if matcher.level.is_some_and(is_below)
        || matcher.target.as_ref().is_some_and(is_elsewhere)
        || matcher.exclude.as_ref().is_some_and(is_excluded)
    {
        return None;
    }
    Some(View { record, searched })
}

/// The line that position `at` is in, without its newline.
fn line_around(bytes: &[u8], at: usize) -> (usize, usize) {
    let (before, after) = bytes.split_at_checked(at).unwrap_or((bytes, &[]));
    let start = memchr::memrchr(b'\n', before).map_or(0, |newline| newline + 1);
    let end = memchr::memchr(b'\n', after).map_or(bytes.len(), |newline| at + newline);
    let has_return = end > start && bytes.get(end - 1) == Some(&b'\r');
    (start, if has_return { end - 1 } else { end })
}

/// Counts lines up to places that mostly come in order.
struct Lines {
    at: usize,
    line: u64,
}

impl Lines {
    fn number_at(&mut self, bytes: &[u8], start: usize) -> u64 {
        let (low, high) = (self.at.min(start), self.at.max(start));
        let newlines =
            memchr::memchr_iter(b'\n', bytes.get(low..high).unwrap_or_default()).count() as u64;
        self.line = if start >= self.at {
            self.line + newlines
        } else {
            self.line.saturating_sub(newlines)
        };
        self.at = start;
        self.line
    }
}

fn end_of(origin: Origin, block: Block<'_>) -> Log {
    let bytes = block.bytes;
    let newlines = memchr::memchr_iter(b'\n', bytes).count() as u64;
    let is_open = bytes.last().is_some_and(|b| *b != b'\n');
    let last_line = block.first_line + newlines + u64::from(is_open);
    let cut = bytes.len().saturating_sub(TAIL_BYTES);
    let tail = String::from_utf8_lossy(bytes.get(cut..).unwrap_or_default());
    let lines: Vec<&str> = tail.lines().skip(usize::from(cut > 0)).collect();
    let last_records = lines.iter().rev().map(|line| record::parse(line));
    let (mut last_time, mut last_uptime_us) = (None, None);
    for record in last_records {
        last_time = last_time.or(record.time);
        last_uptime_us = last_uptime_us.or(record.uptime_us);
    }
    let from = lines.len().saturating_sub(TAIL_LINES);
    let tail = lines.get(from..).unwrap_or_default().iter();
    let tail = tail
        .map(|line| crate::evidence::shorten(record::split_kubelet_time(line).1))
        .collect();
    Log {
        origin,
        namespace: None,
        last_line: last_line.saturating_sub(1),
        last_time,
        last_uptime_us,
        tail,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PATTERNS: [&str; 5] = [
        r"certificate has expired (?P<ago>\S+)",
        r"(?i)connection refused|timed out waiting",
        r"code=\d+ failed to connect",
        r"level=error .*watch failed",
        r"panicked at .*\.rs",
    ];

    const PIECES: [&str; 12] = [
        "certificate has expired ",
        "12m",
        "CONNECTION refused",
        "timed out waiting",
        "code=",
        "42 failed to connect",
        "level=error ",
        "watch failed",
        "panicked at ",
        "x.rs",
        " ",
        "\n",
    ];

    fn scanner() -> Scanner {
        let matcher = |source: &&str| LogMatcher {
            patterns: vec![Pattern::new(source).unwrap()],
            ..LogMatcher::default()
        };
        Scanner::new(PATTERNS.iter().map(matcher).collect())
    }

    fn lines_of(scanned: &Scanned, matcher: usize) -> (u64, Vec<u64>) {
        let groups = scanned.groups.iter().filter(|(key, _)| key.0 == matcher);
        let mut count = 0;
        let mut lines = Vec::new();
        for (_, group) in groups {
            count += group.count;
            lines.extend(group.first_lines.iter().filter_map(|e| e.line));
        }
        (count, lines)
    }

    proptest! {
        #[test]
        fn it_agrees_with_every_regex_on_every_line(
            picks in prop::collection::vec(0..PIECES.len(), 0..80),
            cut in 0_usize..1000,
        ) {
            let text: String = picks.iter().map(|p| PIECES[*p]).collect();
            let scanner = scanner();
            // In two blocks, the second one first.
            let middle = text.len() * cut / 1000;
            let middle = text[..middle].rfind('\n').map_or(0, |n| n + 1);
            let (head, tail) = text.split_at(middle);
            let block = |bytes, offset: usize, first_line, is_last| Block {
                bytes, offset: offset as u64, first_line, starts_mid_line: false, is_last,
            };
            let second_line = 1 + head.matches('\n').count() as u64;
            let mut scanned = Scanned::default();
            scanned.merge(scanner.scan("a.log", Origin::default(), block(tail.as_bytes(), middle, second_line, true)));
            scanned.merge(scanner.scan("a.log", Origin::default(), block(head.as_bytes(), 0, 1, false)));
            for (number, source) in PATTERNS.iter().enumerate() {
                let regex = super::super::pattern::compile(source).unwrap();
                let lines: Vec<u64> = text.split('\n').zip(1..)
                    .filter(|(line, _)| regex.is_match(line.as_bytes())).map(|(_, n)| n).collect();
                let first: Vec<u64> = lines.iter().copied().take(3).collect();
                prop_assert_eq!(lines_of(&scanned, number), (lines.len() as u64, first));
            }
        }
    }

    #[test]
    fn the_start_of_a_line_is_what_the_container_wrote() {
        let scanner = Scanner::new(vec![LogMatcher {
            patterns: vec![Pattern::new("^panicked (?P<how>at once)").unwrap()],
            ..LogMatcher::default()
        }]);
        let bytes = b"2026-11-23T00:41:51.1Z panicked at once\n2026-11-23T00:41:51.1Z he panicked at once\n";
        let block = Block {
            bytes,
            offset: 0,
            first_line: 1,
            starts_mid_line: false,
            is_last: true,
        };
        assert_eq!(
            lines_of(&scanner.scan("x.log", Origin::default(), block), 0),
            (1, vec![1])
        );
    }

    #[test]
    fn quotes_are_undone_before_a_line_is_given_up() {
        let matcher = LogMatcher {
            patterns: vec![Pattern::new(r#"could not find "web" in cache"#).unwrap()],
            ..LogMatcher::default()
        };
        let scanner = Scanner::new(vec![matcher]);
        let line =
            br#"time="2024-06-06T11:01:45Z" level=info msg="could not find \"web\" in cache""#;
        let block = Block {
            bytes: line,
            offset: 0,
            first_line: 1,
            starts_mid_line: false,
            is_last: true,
        };
        assert_eq!(
            lines_of(&scanner.scan("x.log", Origin::default(), block), 0).0,
            1
        );
    }

    #[test]
    fn one_pattern_with_spans_and_fields_fits_plain_and_json_lines() {
        let source = r"service\{ns=(?P<ns>\S+) name=(?P<name>\S+) port=\d+\}: linkerd_app: stream failed error=reset";
        let matcher = LogMatcher {
            patterns: vec![Pattern::new(source).unwrap()],
            ..LogMatcher::default()
        };
        let lines = concat!(
            "[     1.500000s]  INFO ThreadId(01) outbound:service{ns=shop name=cart port=80}: ",
            "linkerd_app: stream failed error=reset by peer\n",
            r#"{"timestamp":"[     1.5s]","level":"INFO","fields":{"message":"stream failed","#,
            r#""error":"reset by peer"},"target":"linkerd_app","spans":[{"name":"outbound"},"#,
            r#"{"name":"cart","ns":"shop","port":"80","name":"service"}]}"#,
        );
        let block = Block {
            bytes: lines.as_bytes(),
            offset: 0,
            first_line: 1,
            starts_mid_line: false,
            is_last: true,
        };
        let scanned = Scanner::new(vec![matcher]).scan("x.log", Origin::default(), block);
        assert_eq!(lines_of(&scanned, 0), (2, vec![1, 2]));
        let group = scanned.groups.values().next().unwrap();
        assert_eq!(group.captures[0].1.in_order(), ["cart"]);
    }
}
