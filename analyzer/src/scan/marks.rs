//! Where in its log a process was told to stop.
//!
//! What it prints from there on tells of its end and not of trouble: connections that are closed, peers
//! that are gone. Blocks are scanned in any order, so a block knows of its first lines only once
//! the blocks before it are known: until then they are held apart, in a [`Segment`].

use std::collections::BTreeMap;

use super::lines::LogMatcher;
use super::matches::Matches;
use super::pattern::Pattern;

/// What a proxy prints when it is told to stop; the last two until 2.9.
const STOPS: [&str; 2] = [
    "received SIG(?:TERM|INT), starting shutdown",
    "Received shutdown (?:signal|via admin interface)",
];

/// What it prints first of all: of another process in the same log.
const STARTS: [&str; 1] = [r"linkerd2_proxy: release \S+ \("];

/// What a line says of its process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mark {
    Starts,
    Stops,
}

/// Whether a process that prints lines was told to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// That hangs on the lines before.
    Open,
    Running,
    Stopping,
}

impl From<Mark> for Phase {
    fn from(mark: Mark) -> Self {
        match mark {
            Mark::Starts => Self::Running,
            Mark::Stops => Self::Stopping,
        }
    }
}

/// Matchers that find the marks.
pub(super) fn matchers() -> [LogMatcher; 2] {
    let of = |mark, sources: &[&str]| LogMatcher {
        patterns: sources
            .iter()
            .filter_map(|source| Pattern::new(source).ok())
            .collect(),
        mark: Some(mark),
        ..LogMatcher::default()
    };
    [of(Mark::Stops, &STOPS), of(Mark::Starts, &STARTS)]
}

/// Blocks of a log that follow each other.
#[derive(Debug)]
pub(super) struct Segment {
    /// Where it ends in the log, in bytes.
    pub(super) end: u64,
    /// Matches before its first mark.
    pub(super) open: Matches,
    /// What holds at its end.
    pub(super) phase: Phase,
}

impl Segment {
    /// Takes in what follows, and gives the matches that are settled by that.
    fn join(&mut self, next: Self) -> Matches {
        self.end = next.end;
        let settled = match self.phase {
            Phase::Open => {
                self.open.merge(next.open);
                Matches::default()
            }
            Phase::Running => next.open,
            Phase::Stopping => Matches::default(),
        };
        if next.phase != Phase::Open {
            self.phase = next.phase;
        }
        settled
    }
}

/// The segments of one log, by where they start in bytes.
#[derive(Debug, Default)]
pub(super) struct Segments(BTreeMap<u64, Segment>);

impl Segments {
    /// The only segment so far.
    pub(super) fn of(start: u64, segment: Segment) -> Self {
        Self(BTreeMap::from([(start, segment)]))
    }

    /// Takes in others, joins what meets, and gives the matches that are settled by that.
    pub(super) fn merge(&mut self, others: Self) -> Matches {
        let mut settled = Matches::default();
        for (start, segment) in others.0 {
            settled.merge(self.add(start, segment));
        }
        settled
    }

    fn add(&mut self, start: u64, mut segment: Segment) -> Matches {
        let mut settled = Matches::default();
        if let Some(next) = self.0.remove(&segment.end) {
            settled.merge(segment.join(next));
        }
        let before = self.0.range_mut(..start).next_back();
        match before.filter(|(_, before)| before.end == start) {
            Some((_, before)) => settled.merge(before.join(segment)),
            None => drop(self.0.insert(start, segment)),
        }
        settled
    }

    /// The matches that are not settled once all blocks are known: what a lost block told is taken for
    /// nothing.
    pub(super) fn finish(self) -> Matches {
        let mut whole = Segment {
            end: 0,
            open: Matches::default(),
            phase: Phase::Running,
        };
        let mut settled = Matches::default();
        for segment in self.0.into_values() {
            settled.merge(whole.join(segment));
        }
        settled
    }
}

#[cfg(test)]
mod tests {
    use bundle::Block;

    use super::super::lines::Scanner;
    use super::super::matches::Scanned;
    use super::super::origin::Origin;
    use super::*;

    /// Lines of two processes, each of which is told to stop; the second had no time to say so.
    const LINES: [&str; 10] = [
        "[ 0.1s] INFO ThreadId(01) linkerd2_proxy: release 2.366.0 (0dcf4e17f) by lab\n",
        "[ 1.0s] WARN ThreadId(01) linkerd_app: connection closed early n=1\n",
        "[ 2.0s] INFO ThreadId(01) linkerd_signal: received SIGTERM, starting shutdown\n",
        "[ 3.0s] WARN ThreadId(01) linkerd_app: connection closed early n=2\n",
        "[ 4.0s] WARN ThreadId(01) linkerd_app: connection closed early n=3\n",
        "[ 0.1s] INFO ThreadId(01) linkerd2_proxy: release 2.366.0 (0dcf4e17f) by lab\n",
        "[ 1.0s] WARN ThreadId(01) linkerd_app: connection closed early n=4\n",
        "[ 1.5s] WARN ThreadId(01) linkerd_app: connection closed early n=5\n",
        r#"{"fields":{"message":"received SIGINT, starting shutdown"},"target":"linkerd_signal"}"#,
        "\n[ 3.0s] WARN ThreadId(01) linkerd_app: connection closed early n=6\n",
    ];

    fn scanner() -> Scanner {
        let matcher = |is_of_running| LogMatcher {
            patterns: vec![Pattern::new(r"connection closed early n=(?P<n>\d)").unwrap()],
            is_of_running,
            ..LogMatcher::default()
        };
        Scanner::new(vec![matcher(true), matcher(false)])
    }

    /// The lines in blocks that end before these, scanned in this order.
    fn scan(borders: &[usize], order: &[usize]) -> [Vec<String>; 2] {
        let scanner = scanner();
        let mut scanned = Scanned::default();
        for block in order {
            let from = if *block == 0 { 0 } else { borders[block - 1] };
            let until = borders.get(*block).copied().unwrap_or(LINES.len());
            let bytes = LINES[from..until].concat();
            let before = LINES[..from].concat();
            let block = Block {
                bytes: bytes.as_bytes(),
                offset: before.len() as u64,
                first_line: 1 + before.matches('\n').count() as u64,
                starts_mid_line: false,
                is_last: until == LINES.len(),
            };
            scanned.merge(scanner.scan("a.log", Origin::default(), block));
        }
        scanned.finish();
        [0, 1].map(|matcher| {
            let groups = scanned.matches.groups.iter();
            let mut own = groups.filter(|(key, _)| key.0 == matcher);
            let values = own.next().map(|(_, group)| group.captures[0].1.in_order());
            values.into_iter().flatten().map(str::to_owned).collect()
        })
    }

    #[test]
    fn what_is_printed_after_a_process_was_told_to_stop_does_not_count() {
        let all: Vec<String> = (1..=6).map(|n| n.to_string()).collect();
        let want = [vec!["1".to_owned(), "4".into(), "5".into()], all];
        assert_eq!(scan(&[], &[0]), want);
        for first in 1..LINES.len() {
            for second in first + 1..LINES.len() {
                let borders = [first, second];
                for order in [
                    [0, 1, 2],
                    [0, 2, 1],
                    [1, 0, 2],
                    [1, 2, 0],
                    [2, 0, 1],
                    [2, 1, 0],
                ] {
                    assert_eq!(scan(&borders, &order), want, "{borders:?} {order:?}");
                }
            }
        }
    }
}
