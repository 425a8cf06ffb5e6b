//! What each matcher of a rule matched.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::{Decided, World};
use crate::evidence::{Evidence, Subject};
use crate::facts::Fact;
use crate::rule::predicate;
use crate::rule::select::Captures;
use crate::rule::set::Rules;
use crate::rule::{Matcher, NamedMatcher, Rule, TableMatcher};
use crate::scan::matches::{Excerpt, Group, Log};
use crate::scan::pattern::Pattern;
use crate::scan::{EXCERPT_LINES, LogMatcher};

/// One thing that a matcher matched: a log's lines, a row, a finding.
#[derive(Debug)]
pub(super) struct Hit<'a> {
    pub(super) subjects: Vec<Subject>,
    pub(super) evidence: Vec<&'a Evidence>,
    /// Its lines, and the log that they are of.
    pub(super) lines: Option<(&'a str, &'a [Excerpt])>,
    /// Evidence made here: of what is absent there is no line to point to.
    pub(super) made: Vec<Evidence>,
    pub(super) count: u64,
    pub(super) first: Option<Timestamp>,
    pub(super) last: Option<Timestamp>,
    /// The row that it is.
    pub(super) row: Option<&'a Fact>,
    pub(super) captures: Captures,
    pub(super) seconds: Option<&'a BTreeMap<i64, u64>>,
    /// The value of the capture that is the rule's key.
    pub(super) key: Option<&'a str>,
}

impl Hit<'_> {
    fn empty() -> Self {
        Self {
            subjects: Vec::new(),
            evidence: Vec::new(),
            lines: None,
            made: Vec::new(),
            count: 1,
            first: None,
            last: None,
            row: None,
            captures: Captures::new(),
            seconds: None,
            key: None,
        }
    }

    /// How many places show it.
    pub(super) fn places(&self) -> usize {
        let lines = self.lines.map_or(0, |(_, lines)| lines.len());
        self.evidence.len() + self.made.len() + lines
    }

    /// One of the places that show it.
    pub(super) fn place(&self, nth: usize) -> Option<Cow<'_, Evidence>> {
        let mut at_hand = self.evidence.iter().copied().chain(&self.made);
        let behind = nth.checked_sub(self.evidence.len() + self.made.len());
        let line = |(entry, lines): (&str, &[Excerpt])| Some(lines.get(behind?)?.of(entry));
        let at_hand = at_hand.nth(nth).map(Cow::Borrowed);
        at_hand.or_else(|| self.lines.and_then(line).map(Cow::Owned))
    }

    /// When it happened: every second with the number of times.
    pub(super) fn times(&self) -> Vec<(i64, u64)> {
        match self.seconds {
            Some(seconds) if !seconds.is_empty() => seconds.iter().map(|(s, n)| (*s, *n)).collect(),
            _ => match (self.first, self.last) {
                (Some(first), Some(last)) if first != last => {
                    vec![
                        (first.as_second(), self.count.saturating_sub(1)),
                        (last.as_second(), 1),
                    ]
                }
                (first, last) => last
                    .or(first)
                    .map(|time| (time.as_second(), self.count))
                    .into_iter()
                    .collect(),
            },
        }
    }
}

/// Hits of one matcher, and what went wrong while looking for them.
#[derive(Debug, Default)]
pub(super) struct Hits<'a> {
    pub(super) list: Vec<Hit<'a>>,
    pub(super) errors: Vec<String>,
    /// Why it cannot be told whether something is absent.
    pub(super) uncovered: Option<String>,
}

/// Finds what a matcher matched.
pub(super) fn of<'a>(
    named: &NamedMatcher,
    rule: &Rule,
    rules: &'a Rules,
    world: &'a World<'_>,
    done: &'a BTreeMap<&str, Decided>,
) -> Hits<'a> {
    let mut hits = match &named.matcher {
        Matcher::Log(log) => Hits {
            list: lines(*log, named.ongoing, world),
            ..Hits::default()
        },
        Matcher::Table(table) => rows(table, world),
        Matcher::Finding(id) => Hits {
            list: findings(id, done),
            ..Hits::default()
        },
        Matcher::NoLine { log } => no_line(*log, rules, world),
        Matcher::NoRow { table, .. } => no_row(table, rule, rules, world),
    };
    if let (Some(within), Matcher::Table(_)) = (named.ongoing, &named.matcher) {
        hits.list.retain(|hit| {
            hit.last
                .is_none_or(|last| world.at.duration_since(last) <= within)
        });
    }
    hits
}

fn lines<'a>(log: usize, ongoing: Option<SignedDuration>, world: &'a World<'_>) -> Vec<Hit<'a>> {
    let start = (log, Arc::from(""), Box::default());
    let groups = world
        .scanned
        .matches
        .groups
        .range(start..)
        .take_while(|(key, _)| key.0 == log);
    let hits = groups.filter_map(|((_, entry, key), group)| {
        let known = world.scanned.logs.get(entry.as_ref())?;
        if ongoing.is_some_and(|within| !goes_on(group, known, within, world)) {
            return None;
        }
        let captures = group.captures.iter().map(|(name, values)| {
            let mut shown: Vec<String> = values.in_order().into_iter().map(str::to_owned).collect();
            if values.is_cut {
                shown.push("…".to_owned());
            }
            (name.as_ref().to_owned(), shown)
        });
        Some(Hit {
            subjects: vec![known.origin.subject(entry)],
            lines: Some((entry, group.lines())),
            count: group.count,
            first: group.first,
            last: group.last,
            captures: captures.collect(),
            seconds: Some(&group.seconds),
            key: (!key.is_empty()).then_some(key.as_ref()),
            ..Hit::empty()
        })
    });
    hits.collect()
}

/// Whether the last match is near enough to the capture, or to the end of a log that goes no
/// further because its container does not run any more.
fn goes_on(group: &Group, log: &Log, within: SignedDuration, world: &World<'_>) -> bool {
    let near_capture = group
        .last
        .map(|last| world.at.duration_since(last) <= within);
    let near_end = match (group.last, log.last_time) {
        (Some(last), Some(end)) => Some(end.duration_since(last) <= within),
        _ => match (group.last_uptime_us, log.last_uptime_us) {
            (Some(last), Some(end)) => {
                let behind = i64::try_from(end.saturating_sub(last)).unwrap_or(i64::MAX);
                Some(SignedDuration::from_micros(behind) <= within)
            }
            _ => None,
        },
    };
    match (near_capture, near_end) {
        (Some(true), _) | (None, Some(true) | None) => true,
        (Some(false), Some(true)) => !log.origin.is_previous && world.keys.has_stopped(&log.origin),
        (_, Some(false)) | (Some(false), None) => false,
    }
}

fn rows<'a>(table: &TableMatcher, world: &'a World<'_>) -> Hits<'a> {
    let mut found = Hits::default();
    let facts = world.facts.table(&table.table);
    if facts.is_empty() {
        return found;
    }
    let root = predicate::context(world.at, world.mesh);
    for fact in facts {
        match table.take(fact, &root) {
            Ok(Some(captures)) => found.list.push(row(fact, captures)),
            Ok(None) => {}
            Err(error) => {
                let source = table.predicate.as_ref().map_or("", |p| p.source());
                let error = format!("`{source}` on {}: {error}", place(fact));
                found.errors.push(error);
            }
        }
    }
    found
}

fn row(fact: &Fact, captures: Captures) -> Hit<'_> {
    let time = |name: &str| -> Option<Timestamp> {
        let said = fact.field(name)?;
        said.as_str()?.parse().ok()
    };
    let shown = fact.evidence.first().and_then(|e| e.time);
    Hit {
        subjects: fact.subjects.clone(),
        evidence: fact.evidence.iter().collect(),
        count: fact
            .field("/count")
            .and_then(|count| count.as_u64())
            .unwrap_or(1)
            .max(1),
        first: time("/first").or(shown),
        last: time("/last").or(shown),
        row: Some(fact),
        captures,
        ..Hit::empty()
    }
}

fn place(fact: &Fact) -> String {
    let subject = fact
        .subjects
        .first()
        .map(|s| format!("{} `{}`", s.kind, s.name));
    let entry = fact
        .evidence
        .first()
        .map(|e| e.entry.as_str())
        .unwrap_or_default();
    format!("{} in `{entry}`", subject.unwrap_or_default())
}

fn findings<'a>(id: &str, done: &'a BTreeMap<&str, Decided>) -> Vec<Hit<'a>> {
    let findings = done
        .get(id)
        .into_iter()
        .flat_map(|decided| &decided.findings);
    findings
        .map(|finding| Hit {
            subjects: finding.subjects.clone(),
            evidence: finding.evidence.iter().collect(),
            count: finding.occurrences,
            first: finding.first,
            last: finding.last,
            ..Hit::empty()
        })
        .collect()
}

/// Logs of a container in which no line matches, if they are whole.
fn no_line<'a>(log: usize, rules: &Rules, world: &World<'_>) -> Hits<'a> {
    let mut found = Hits::default();
    let Some(matcher) = rules.scanner.matchers().get(log) else {
        return found;
    };
    if matcher.in_excerpt {
        found.list = excerpts((log, matcher), world);
        return found;
    }
    let wanted: Vec<&str> = matcher.patterns.iter().map(Pattern::source).collect();
    for (entry, known) in without_line((log, matcher), world) {
        if known.origin.container.is_none() {
            continue;
        }
        if let Some(reason) = world.coverage.cut(entry) {
            found.uncovered = Some(format!("`{entry}` is not whole: {reason}"));
            continue;
        }
        let excerpt = format!(
            "no line matches `{}` in {} lines",
            wanted.join("`, `"),
            known.last_line
        );
        found.list.push(Hit {
            subjects: vec![known.origin.subject(entry)],
            made: vec![Evidence::of_entry(entry, excerpt)],
            ..Hit::empty()
        });
    }
    let mut logs = world.scanned.logs.values();
    if found.list.is_empty() && !logs.any(|l| matcher.covers(&l.origin)) {
        found.uncovered = Some("no log of such a container is in the bundle".to_owned());
    }
    found
}

/// Short logs that were handed over alone and in which no line matches. They are not quoted for what
/// they lack.
fn excerpts<'a>(matcher: (usize, &LogMatcher), world: &World<'_>) -> Vec<Hit<'a>> {
    if world.coverage.has_ledger() || !world.facts.table("pods").is_empty() {
        return Vec::new();
    }
    let logs = without_line(matcher, world);
    let short = logs.filter(|(_, known)| known.last_line <= EXCERPT_LINES);
    let hits = short.map(|(entry, known)| Hit {
        subjects: vec![known.origin.subject(entry)],
        ..Hit::empty()
    });
    hits.collect()
}

/// Logs that a matcher looks at and in which no line matches.
fn without_line<'w>(
    (number, matcher): (usize, &'w LogMatcher),
    world: &'w World<'_>,
) -> impl Iterator<Item = (&'w String, &'w Log)> {
    let has_line = move |entry: &String| {
        let start = (number, Arc::from(entry.as_str()), Box::default());
        let mut groups = world.scanned.matches.groups.range(start..);
        let next = groups.next();
        next.is_some_and(|(key, _)| key.0 == number && key.1.as_ref() == entry)
    };
    let logs = world.scanned.logs.iter();
    logs.filter(move |(entry, known)| {
        matcher.covers(&known.origin) && !known.origin.is_previous && !has_line(entry)
    })
}

/// Nothing, if there is such a row; one hit about the whole bundle otherwise.
fn no_row<'a>(table: &TableMatcher, rule: &Rule, rules: &Rules, world: &'a World<'_>) -> Hits<'a> {
    let rows = rows(table, world);
    let mut found = Hits {
        errors: rows.errors,
        ..Hits::default()
    };
    if !rows.list.is_empty() {
        return found;
    }
    if let Some(gap) = world.coverage.gaps_of(rule, rules).into_iter().next() {
        found.uncovered = Some(gap.reason);
        return found;
    }
    let excerpt = match &table.predicate {
        Some(predicate) => format!("no row of `{}` where {}", table.table, predicate.source()),
        None => format!("no row of `{}`", table.table),
    };
    found.list.push(Hit {
        made: vec![Evidence::of_entry("manifest.json", excerpt)],
        ..Hit::empty()
    });
    found
}
