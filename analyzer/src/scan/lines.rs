//! All log matchers of all rules, and which lines of a block they look at.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use bundle::Block;

use super::block::BlockScan;
use super::expression::Expression;
use super::grams::Filter;
use super::line::Line;
use super::marks::{self, Mark};
use super::matches::{Log, Scanned};
use super::origin::Origin;
use super::pattern::Pattern;
use super::record::{self, Level};

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
    /// At least so many microseconds after the process started, where the line tells.
    pub(crate) uptime_us: Option<u64>,
    /// Start of the module or name of the component.
    pub(crate) target: Option<String>,
    /// Any of these.
    pub(crate) patterns: Vec<Pattern>,
    /// None of what this matches.
    pub(crate) exclude: Option<Expression>,
    /// The capture whose values are told apart.
    pub(crate) key: Option<&'static str>,
    /// Whether the rule counts matches within a period or asks for a sequence.
    pub(crate) keeps_seconds: bool,
    /// Whether lines do not count that a process prints once it was told to stop.
    pub(crate) is_of_running: bool,
    /// Whether only excerpts are looked at: logs of [`EXCERPT_LINES`] at most.
    pub(crate) in_excerpt: bool,
    /// What a line that matches says of its process; of no use to rules.
    pub(crate) mark: Option<Mark>,
}

/// Lines of an excerpt at most.
pub(crate) const EXCERPT_LINES: u64 = 60;

impl LogMatcher {
    /// Whether logs of this origin are looked at. A log of unknown origin always is.
    pub(crate) fn covers(&self, origin: &Origin) -> bool {
        let is_named = |container: &String| self.containers.contains(container);
        let is_of = |previous: bool| previous == origin.is_previous;
        self.previous.is_none_or(is_of)
            && (self.containers.is_empty() || origin.container.as_ref().is_none_or(is_named))
    }

    /// Whether a line is one of those that are looked at.
    pub(super) fn admits(&self, line: &Line<'_>) -> bool {
        let is_below = |least: Level| line.level().is_some_and(|level| level < least);
        let is_early = |least: u64| line.uptime_us().is_some_and(|uptime| uptime < least);
        let is_elsewhere = |target: &String| !line.target().starts_with(target.as_str());
        !self.uptime_us.is_some_and(is_early)
            && !self.level.is_some_and(is_below)
            && !self.target.as_ref().is_some_and(is_elsewhere)
    }

    /// Whether a line that matches does not count.
    pub(super) fn excludes(&self, line: &Line<'_>) -> bool {
        self.exclude.as_ref().is_some_and(|exclude| {
            exclude.is_match(line.body())
                || line.unpacked().is_some_and(|text| exclude.is_match(text))
        })
    }
}

/// All log matchers of all rules, ready to run.
#[derive(Debug)]
pub(crate) struct Scanner {
    matchers: Vec<LogMatcher>,
    /// Each pattern once, by the number that the filter knows.
    pub(super) patterns: Vec<Shared>,
    /// The pattern of the line that a process prints at its start, if only that is asked of it.
    pub(super) start: Option<usize>,
    filter: Filter,
    /// The same with what is looked for in excerpts alone; made when one is met.
    filter_of_excerpts: OnceLock<Filter>,
}

/// A pattern, by a matcher and its place there, and all matchers that ask for it.
#[derive(Debug)]
pub(super) struct Shared {
    at: (usize, usize),
    pub(super) matchers: Vec<usize>,
}

impl Scanner {
    pub(crate) fn new(mut matchers: Vec<LogMatcher>) -> Self {
        // Behind those of the rules, which know theirs by number.
        if matchers.iter().any(|matcher| matcher.is_of_running) {
            matchers.extend(marks::matchers());
        }
        let mut patterns: Vec<Shared> = Vec::new();
        let mut known: HashMap<&str, usize> = HashMap::new();
        for (number, matcher) in matchers.iter().enumerate() {
            // A line's patterns are tried by their numbers, those of a matcher as it lists them.
            let mut least = 0;
            for (which, pattern) in matcher.patterns.iter().enumerate() {
                let next = patterns.len();
                let at = *known.entry(pattern.source()).or_insert(next);
                let at = if at < least { next } else { at };
                least = at + 1;
                if let Some(shared) = patterns.get_mut(at) {
                    shared.matchers.push(number);
                    continue;
                }
                patterns.push(Shared {
                    at: (number, which),
                    matchers: vec![number],
                });
            }
        }
        let mut scanner = Self {
            matchers,
            patterns,
            start: None,
            filter: Filter::new(std::iter::empty()),
            filter_of_excerpts: OnceLock::new(),
        };
        scanner.filter = Filter::new(scanner.texts(|matcher| !matcher.in_excerpt));
        scanner.start = scanner.patterns.iter().position(|p| scanner.is_start(p));
        scanner
    }

    fn is_start(&self, pattern: &Shared) -> bool {
        let mut matchers = pattern.matchers.iter();
        let is_mark = |m: &LogMatcher| m.mark == Some(Mark::Starts);
        matchers.all(|number| self.matchers.get(*number).is_some_and(is_mark))
    }

    /// What patterns that some such matcher asks for must have, with their numbers.
    fn texts(&self, of: fn(&LogMatcher) -> bool) -> impl Iterator<Item = (usize, &[u8])> {
        let asks = move |number: &usize| self.matchers.get(*number).is_some_and(of);
        let patterns = (0..self.patterns.len()).filter_map(|n| Some((n, self.pattern(n)?)));
        let asked_for = patterns.filter(move |(_, (_, matchers))| matchers.iter().any(asks));
        asked_for.flat_map(|(n, (pattern, _))| {
            let texts = pattern.required().0.iter();
            texts.map(move |text| (n, text.as_slice()))
        })
    }

    /// A pattern by its number, and the matchers that ask for it.
    pub(super) fn pattern(&self, number: usize) -> Option<(&Pattern, &[usize])> {
        let shared = self.patterns.get(number)?;
        let (matcher, which) = shared.at;
        let pattern = self.matchers.get(matcher)?.patterns.get(which)?;
        Some((pattern, &shared.matchers))
    }

    pub(crate) fn matchers(&self) -> &[LogMatcher] {
        &self.matchers
    }

    /// Whether some lines do not count once a process was told to stop.
    pub(super) fn has_marks(&self) -> bool {
        self.matchers
            .last()
            .is_some_and(|matcher| matcher.mark.is_some())
    }

    /// Scans a block.
    pub(crate) fn scan(&self, entry: &str, origin: Origin, block: Block<'_>) -> Scanned {
        let mut scan = BlockScan::new(self, &origin, block);
        let filter = if scan.may_be_excerpt() {
            let all = || Filter::new(self.texts(|_| true));
            self.filter_of_excerpts.get_or_init(all)
        } else {
            &self.filter
        };
        filter.find(block.bytes, &mut |pattern, at| scan.candidate(pattern, at));
        let next_number = block.is_last.then(|| scan.next_number());
        let mut scanned = scan.finish(&Arc::from(entry));
        let namespace = match origin.namespace {
            None => record::identity_namespace(block.bytes),
            Some(_) => None,
        };
        let log = match next_number {
            Some(next) => end_of(origin, block.bytes, next),
            None => Log {
                origin,
                ..Log::default()
            },
        };
        let log = Log { namespace, ..log };
        scanned.logs.insert(entry.to_owned(), log);
        scanned
    }
}

/// What the last block of a log tells, if a line behind it had this number.
fn end_of(origin: Origin, bytes: &[u8], next_number: u64) -> Log {
    let is_open = bytes.last().is_some_and(|b| *b != b'\n');
    let last_line = next_number + u64::from(is_open);
    let cut = bytes.len().saturating_sub(TAIL_BYTES);
    let tail = String::from_utf8_lossy(bytes.get(cut..).unwrap_or_default());
    let lines: Vec<&str> = tail.lines().skip(usize::from(cut > 0)).collect();
    let from = lines.len().saturating_sub(TAIL_LINES);
    let tail = lines.get(from..).unwrap_or_default().iter();
    let (mut last_time, mut last_uptime_us) = (None, None);
    for record in tail.clone().rev().map(|line| record::parse(line)) {
        last_time = last_time.or(record.time);
        last_uptime_us = last_uptime_us.or(record.uptime_us);
        if last_time.is_some() && last_uptime_us.is_some() {
            break;
        }
    }
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

    /// Patterns that are tried in parts: texts in their order, a head before `.*` and fixed texts.
    const PARTED: [&str; 5] = [
        r"\{ns=(?P<ns>[^ }]+) name=(?P<name>[^ }]*)[^}]*\}.*(?:Unavailable|entering failfast)",
        r"\{ns=(?P<ns>\S+) .*worker: .*[Uu]navailable",
        r"\bworker: (?P<what>[a-z]+ ?)+.*entering failfast",
        r"^(?P<first>\{ns=.*?) .*Unavailable",
        r"entering failfast (?P<late>.{1,9}?)(?: |$)",
    ];

    const PARTS: [&str; 12] = [
        "{ns=a name=b}",
        "{ns=",
        "shop ",
        "name=x",
        "}",
        "worker: ",
        "Unavailable",
        "unavailable",
        "entering failfast",
        " ",
        "w",
        "\n",
    ];

    fn scanner(patterns: &[&str]) -> Scanner {
        let matcher = |source: &&str| LogMatcher {
            patterns: vec![Pattern::new(source).unwrap()],
            ..LogMatcher::default()
        };
        Scanner::new(patterns.iter().map(matcher).collect())
    }

    /// The values of each capture, as a plain search finds them.
    fn captured(text: &str, source: &str) -> Vec<(String, Vec<String>)> {
        let regex = regex::bytes::Regex::new(source).unwrap();
        let mut all = std::collections::BTreeMap::<String, Vec<String>>::new();
        for found in text
            .split('\n')
            .filter_map(|line| regex.captures(line.as_bytes()))
        {
            for name in regex.capture_names().flatten() {
                let Some(value) = found.name(name) else {
                    continue;
                };
                let value = String::from_utf8(value.as_bytes().to_vec()).unwrap();
                let values = all.entry(name.to_owned()).or_default();
                if !values.contains(&value) {
                    values.push(value);
                }
            }
        }
        all.values_mut().for_each(|values| values.truncate(12));
        all.into_iter().collect()
    }

    fn lines_of(scanned: &Scanned, matcher: usize) -> (u64, Vec<u64>) {
        let groups = scanned
            .matches
            .groups
            .iter()
            .filter(|(key, _)| key.0 == matcher);
        let mut count = 0;
        let mut lines = Vec::new();
        for (_, group) in groups {
            count += group.count;
            lines.extend(group.lines().iter().map(|excerpt| excerpt.line));
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
            let scanner = scanner(&PATTERNS);
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
                let regex = regex::bytes::Regex::new(source).unwrap();
                let lines: Vec<u64> = text.split('\n').zip(1..)
                    .filter(|(line, _)| regex.is_match(line.as_bytes())).map(|(_, n)| n).collect();
                let is_kept = |nth: usize| nth < 3 || nth + 1 == lines.len();
                let first: Vec<u64> = lines.iter().enumerate().filter(|(nth, _)| is_kept(*nth)).map(|(_, n)| *n).collect();
                prop_assert_eq!(lines_of(&scanned, number), (lines.len() as u64, first));
            }
        }
    }

    proptest! {
        #[test]
        fn what_is_tried_in_parts_captures_as_the_whole(
            picks in prop::collection::vec(0..PARTS.len(), 0..120),
        ) {
            let text: String = picks.iter().map(|p| PARTS[*p]).collect();
            let block = Block {
                bytes: text.as_bytes(), offset: 0, first_line: 1, starts_mid_line: false, is_last: true,
            };
            let scanned = scanner(&PARTED).scan("a.log", Origin::default(), block);
            for (number, source) in PARTED.iter().enumerate() {
                let group = scanned.matches.groups.iter().find(|(key, _)| key.0 == number);
                let captures = group.map(|(_, group)| &group.captures).into_iter().flatten();
                let owned = |values: Vec<&str>| values.into_iter().map(str::to_owned).collect();
                let found: Vec<(String, Vec<String>)> = captures
                    .map(|(name, values)| (name.to_string(), owned(values.in_order())))
                    .collect();
                prop_assert_eq!(found, captured(&text, source), "{}", source);
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
    fn the_first_pattern_that_is_listed_gives_the_captures() {
        let matcher = |sources: &[&str]| LogMatcher {
            patterns: sources.iter().map(|s| Pattern::new(s).unwrap()).collect(),
            ..LogMatcher::default()
        };
        let (early, late) = (r"(?P<what>refused) at once", r"gone: (?P<what>\S+) at once");
        let scanner = Scanner::new(vec![matcher(&[early, late]), matcher(&[late, early])]);
        let block = Block {
            bytes: b"1 gone: refused at once\n2 gone: refused at once\n3 gone: lost at once\n",
            offset: 0,
            first_line: 1,
            starts_mid_line: false,
            is_last: true,
        };
        let scanned = scanner.scan("x.log", Origin::default(), block);
        for matcher in 0..2 {
            assert_eq!(lines_of(&scanned, matcher), (3, vec![1, 2, 3]));
            let group = scanned.matches.groups.values().nth(matcher).unwrap();
            assert_eq!(group.captures[0].1.in_order(), ["refused", "lost"]);
        }
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
        let group = scanned.matches.groups.values().next().unwrap();
        assert_eq!(group.captures[0].1.in_order(), ["cart"]);
    }
}
