//! What the lines of a log tell while they pass: whether this is a log at all, and where the time
//! asked for ends.

use jiff::Timestamp;

use crate::cluster::Trouble;

/// What a kubelet writes into an answer of 200 when it cannot read the log.
const EXCUSES: &[&str] = &[
    "unable to retrieve container logs for ",
    "failed to try resolving symlinks in path ",
    "failed to open log file ",
    "failed to read log file ",
];

/// Bytes kept of the start and of the end of a log to judge it by.
const KEPT: usize = 512;

/// The start and the end of what came.
#[derive(Debug, Default)]
pub(super) struct Seen {
    start: Vec<u8>,
    end: Vec<u8>,
}

impl Seen {
    /// Notes the next bytes.
    pub(super) fn note(&mut self, chunk: &[u8]) {
        let missing = KEPT.saturating_sub(self.start.len()).min(chunk.len());
        self.start
            .extend_from_slice(chunk.get(..missing).unwrap_or_default());
        let last = chunk.len().saturating_sub(KEPT);
        self.end
            .extend_from_slice(chunk.get(last..).unwrap_or_default());
        let extra = self.end.len().saturating_sub(KEPT);
        self.end.drain(..extra);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.start.is_empty()
    }

    pub(super) fn ends_with_a_line(&self) -> bool {
        self.end.last().is_none_or(|b| *b == b'\n')
    }

    /// Whether this is a log.
    ///
    /// # Errors
    /// [`Trouble`] when it is nothing but the kubelet's excuse, or bytes that are no text and
    /// have no kubelet's timestamp.
    pub(super) fn check(&self) -> Result<(), Trouble> {
        let text = String::from_utf8_lossy(&self.start);
        let mut lines = text.lines();
        let first = lines.next().unwrap_or_default().trim();
        if let (Some(excuse), None) = (excuse(first), lines.next()) {
            return Err(Trouble::failed(excuse));
        }
        let (stamp, _) = stamped(first);
        let is_page = ["<!doctype html", "<html"].iter().any(|tag| {
            first
                .get(..tag.len())
                .is_some_and(|f| f.eq_ignore_ascii_case(tag))
        });
        if is_page {
            return Err(Trouble::failed("the answer is no log but a web page"));
        }
        // The last character may be cut in two.
        let whole = self.start.len().saturating_sub(3);
        let whole = self.start.get(..whole).unwrap_or_default();
        let is_text = match std::str::from_utf8(whole) {
            Ok(_) => true,
            Err(e) => e.error_len().is_none(),
        };
        if stamp.is_none() && !is_text {
            let reason = "the answer is no log: it has no timestamp and is no text";
            return Err(Trouble::failed(reason));
        }
        Ok(())
    }

    /// The kubelet's excuse, if that is the last thing it said.
    pub(super) fn excuse_at_end(&self) -> Option<String> {
        let text = String::from_utf8_lossy(&self.end);
        let last = text.lines().next_back()?;
        let (stamp, _) = stamped(last);
        // A line with a timestamp is the container's own.
        let excuse = excuse(last).filter(|_| stamp.is_none())?;
        Some(format!("the log broke off: {excuse}"))
    }
}

/// A line's timestamp, if it has one, and the rest.
fn stamped(line: &str) -> (Option<Timestamp>, &str) {
    let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
    match word.parse() {
        Ok(stamp) if word.len() >= 20 => (Some(stamp), rest),
        _ => (None, line),
    }
}

fn excuse(line: &str) -> Option<String> {
    let (_, text) = stamped(line);
    let is_one = EXCUSES.iter().any(|e| text.starts_with(e));
    is_one.then(|| text.to_owned())
}

/// Where the time asked for ends. The lines of a log are in the order of their times.
#[derive(Debug)]
pub(super) struct Until {
    until: Option<Timestamp>,
    is_over: bool,
}

impl Until {
    /// Takes lines up to a moment, or all.
    pub(super) fn new(until: Option<Timestamp>) -> Self {
        Self {
            until,
            is_over: false,
        }
    }

    /// Whether a line came that is too late.
    pub(super) fn is_over(&self) -> bool {
        self.is_over
    }

    /// The lines that are not too late.
    pub(super) fn take<'a>(&mut self, lines: &'a [u8]) -> &'a [u8] {
        let Some(until) = self.until else {
            return lines;
        };
        if self.is_over {
            return &[];
        }
        let is_late = |line: &[u8]| {
            let word = line.split(|b| *b == b' ').next().unwrap_or_default();
            let word = std::str::from_utf8(word).unwrap_or_default();
            word.len() >= 20 && word.parse().is_ok_and(|t: Timestamp| t > until)
        };
        let mut taken = 0;
        for line in lines.split_inclusive(|b| *b == b'\n') {
            if is_late(line) {
                self.is_over = true;
                break;
            }
            taken += line.len();
        }
        lines.get(..taken).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(chunks: &[&[u8]]) -> Seen {
        let mut seen = Seen::default();
        chunks.iter().for_each(|c| seen.note(c));
        seen
    }

    #[test]
    fn the_kubelets_excuse_is_no_log_and_a_log_that_quotes_it_is() {
        let is_excuse = |text: &str| seen(&[text.as_bytes()]).check().is_err();
        assert!(is_excuse(
            "unable to retrieve container logs for containerd://abc"
        ));
        assert!(is_excuse(
            "2026-11-23T00:00:00Z unable to retrieve container logs for x\n"
        ));
        assert!(is_excuse(
            "failed to try resolving symlinks in path \"/var/log/x\": no such file"
        ));
        assert!(!is_excuse("error: unable to retrieve container logs for x"));
        assert!(!is_excuse(
            "unable to retrieve container logs for x\nmore\n"
        ));
        assert!(!is_excuse(""));
    }

    #[test]
    fn an_excuse_behind_a_log_is_told_from_the_containers_own_words() {
        let log: &[u8] = b"2026-11-23T00:00:00Z hello\n";
        let end = |last: &[u8]| seen(&[log, last]).excuse_at_end();
        assert!(end(b"unable to retrieve container logs for x").is_some());
        assert_eq!(
            end(b"2026-11-23T00:00:01Z failed to read log file x\n"),
            None
        );
        assert_eq!(end(b""), None);
    }

    #[test]
    fn bytes_that_are_no_text_are_no_log_unless_a_kubelet_stamped_them() {
        assert!(seen(&[&[0xff, 0xfe, 1, 2, 3, 200, 7, 8]]).check().is_err());
        let stamped = [b"2026-11-23T00:00:00Z ".as_slice(), &[0xff; 40]].concat();
        assert!(seen(&[&stamped]).check().is_ok());
        let umlauts = "ü".repeat(400);
        assert!(seen(&[umlauts.as_bytes()]).check().is_ok());
    }

    #[test]
    fn lines_after_the_moment_are_not_taken() {
        let mut until = Until::new(Some("2026-11-23T00:00:01Z".parse().unwrap()));
        let first = b"2026-11-23T00:00:00.5Z a\n  more of a\n2026-11-23T00:00:01Z b\n";
        assert_eq!(until.take(first), first);
        let second = b"2026-11-23T00:00:01Z c\n2026-11-23T00:00:01.000000001Z d\nx\n";
        assert_eq!(until.take(second), b"2026-11-23T00:00:01Z c\n");
        assert!(until.is_over() && until.take(first).is_empty());
    }
}
