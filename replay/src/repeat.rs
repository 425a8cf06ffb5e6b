//! The lines of a log, over and over until there are enough of them.
//!
//! The last round is the recorded one. Those before are the same lines with earlier timestamps, so
//! that times go on from line to line.

use jiff::{SignedDuration, Timestamp};

/// Lines are given out in pieces of about this size.
const PIECE_BYTES: usize = 64 << 10;
/// The least that lies between two rounds.
const MIN_GAP: SignedDuration = SignedDuration::from_millis(1);

/// A log and how often its lines are repeated.
#[derive(Debug)]
pub(crate) struct Log {
    content: Vec<u8>,
    lines: Vec<Line>,
    rounds: u64,
    /// By how much a round is earlier than the next one.
    span: SignedDuration,
}

/// Where a line stands.
#[derive(Debug, Clone, Copy)]
struct Line {
    stamp: Option<Timestamp>,
    start: usize,
    /// Where the text begins, behind the stamp.
    text: usize,
    end: usize,
}

/// Which lines are wanted, and how.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Wanted {
    /// Lines without a stamp are taken as well.
    pub(crate) from: Option<Timestamp>,
    /// The last so many lines, before `from` is looked at.
    pub(crate) tail: Option<u64>,
    pub(crate) stamps: bool,
}

impl Log {
    /// A log of at least so many bytes, unless there is nothing to repeat.
    pub(crate) fn of(content: Vec<u8>, bytes: u64) -> Self {
        let mut lines = Vec::new();
        let mut start = 0;
        for line in content.split_inclusive(|b| *b == b'\n') {
            let (stamp, length) = stamp_of(line);
            let (text, end) = (start + length, start + line.len());
            lines.push(Line {
                stamp,
                start,
                text,
                end,
            });
            start = end;
        }
        let length = u64::try_from(content.len()).unwrap_or(u64::MAX);
        let rounds = if length == 0 {
            1
        } else {
            bytes.div_ceil(length).max(1)
        };
        let stamps = || lines.iter().filter_map(|l| l.stamp);
        let span = match (stamps().min(), stamps().max()) {
            (Some(oldest), Some(newest)) => {
                let span = newest.duration_since(oldest);
                let count = i32::try_from(lines.len()).unwrap_or(i32::MAX).max(1);
                span.saturating_add((span / count).max(MIN_GAP))
            }
            _ => SignedDuration::ZERO,
        };
        Self {
            content,
            lines,
            rounds,
            span,
        }
    }

    /// The wanted lines, in pieces.
    pub(crate) fn pieces(self, wanted: Wanted) -> impl Iterator<Item = Vec<u8>> {
        let count = u64::try_from(self.lines.len()).unwrap_or(u64::MAX);
        let all = count.saturating_mul(self.rounds);
        let mut next = all.saturating_sub(wanted.tail.unwrap_or(all));
        std::iter::from_fn(move || {
            let mut piece = Vec::new();
            while next < all && piece.len() < PIECE_BYTES {
                let (round, line) = (next / count, next % count);
                next += 1;
                self.put(round, line, wanted, &mut piece);
            }
            (!piece.is_empty()).then_some(piece)
        })
    }

    fn put(&self, round: u64, line: u64, wanted: Wanted, out: &mut Vec<u8>) {
        let line = usize::try_from(line).ok().and_then(|l| self.lines.get(l));
        let Some(line) = line else { return };
        let is_last = round + 1 == self.rounds;
        let stamp = line.stamp.map(|stamp| self.moved(stamp, round));
        if let (Some(from), Some(stamp)) = (wanted.from, stamp)
            && stamp < from
        {
            return;
        }
        match stamp.filter(|_| wanted.stamps) {
            Some(stamp) if !is_last => out.extend_from_slice(format!("{stamp:.9} ").as_bytes()),
            Some(_) => {
                let recorded = self.content.get(line.start..line.text);
                out.extend_from_slice(recorded.unwrap_or_default());
            }
            None => {}
        }
        out.extend_from_slice(self.content.get(line.text..line.end).unwrap_or_default());
        if !is_last && out.last() != Some(&b'\n') {
            out.push(b'\n');
        }
    }

    /// When a line of a round was written; the recorded time if that cannot be told.
    fn moved(&self, stamp: Timestamp, round: u64) -> Timestamp {
        let back = i32::try_from(self.rounds - 1 - round).ok();
        let back = back.and_then(|back| self.span.checked_mul(back));
        back.and_then(|back| stamp.checked_sub(back).ok())
            .unwrap_or(stamp)
    }
}

/// Kubelet's timestamp before a line, and how many bytes it takes with the space behind it.
fn stamp_of(line: &[u8]) -> (Option<Timestamp>, usize) {
    let space = line.iter().take(40).position(|b| *b == b' ');
    let stamp = space.and_then(|at| std::str::from_utf8(line.get(..at)?).ok()?.parse().ok());
    match (stamp, space) {
        (Some(stamp), Some(at)) => (Some(stamp), at + 1),
        _ => (None, 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &[u8] =
        b"2026-11-23T00:00:01.5Z one\n2026-11-23T00:00:02Z two\n2026-11-23T00:00:03Z three\n";

    fn text(bytes: u64, wanted: Wanted) -> String {
        let pieces = Log::of(LOG.to_vec(), bytes).pieces(wanted);
        String::from_utf8(pieces.flatten().collect()).unwrap()
    }

    #[test]
    fn stamps_are_kept_only_if_wanted() {
        let tail = |tail, stamps| Wanted {
            tail: Some(tail),
            stamps,
            from: None,
        };
        assert_eq!(text(0, tail(1, false)), "three\n");
        assert_eq!(text(0, tail(1, true)), "2026-11-23T00:00:03Z three\n");
        assert_eq!(text(0, tail(0, false)), "");
        assert_eq!(text(200, tail(4, false)), "three\none\ntwo\nthree\n");
    }

    #[test]
    fn lines_before_the_time_are_left_out() {
        let from = "2026-11-23T00:00:02Z".parse().ok();
        let wanted = Wanted {
            from,
            ..Wanted::default()
        };
        assert_eq!(text(0, wanted), "two\nthree\n");
        assert_eq!(text(10_000, wanted), "two\nthree\n");
    }

    #[test]
    fn a_repeated_log_is_long_enough_and_its_times_go_on() {
        let wanted = Wanted {
            stamps: true,
            ..Wanted::default()
        };
        let long = text(200_000, wanted);
        assert!(long.len() >= 200_000);
        assert!(long.ends_with(std::str::from_utf8(LOG).unwrap()));
        let stamps = long.lines().map(|l| l.split_once(' ').unwrap().0);
        let stamps: Vec<Timestamp> = stamps.map(|s| s.parse().unwrap()).collect();
        assert!(stamps.is_sorted_by(|a, b| a < b));
    }

    #[test]
    fn a_log_without_lines_or_stamps_is_no_trouble() {
        assert_eq!(
            Log::of(Vec::new(), 500).pieces(Wanted::default()).count(),
            0
        );
        let plain = Log::of(b"no stamp, no end".to_vec(), 40);
        let plain: Vec<u8> = plain.pieces(Wanted::default()).flatten().collect();
        let line = "no stamp, no end";
        assert_eq!(plain, format!("{line}\n{line}\n{line}").into_bytes());
    }
}
