//! Private keys in PEM form: over several lines (each perhaps with a log's timestamp before it),
//! or on one line with literal `\n` inside a JSON string. Also `PuTTY`'s form, and the lines of a
//! key file in base64.

use std::sync::LazyLock;

use memchr::memmem;
use regex::bytes::Regex;

/// Words without which no private key begins.
const HINTS: [&[u8]; 2] = [b"PRIVATE", b"Private-Lines"];

/// Lines after a beginning that may belong to the key. A 16,384-bit RSA key has about 200.
const MAX_LINES: u32 = 400;

/// A run of base64 that cannot be an ordinary word.
const LONG_RUN: usize = 40;

static BEGIN: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let text = r"(?-u)-{4,5}(?: |%20|\+)?BEGIN[A-Z0-9 %+_-]{1,60}PRIVATE(?: |%20|\+)KEY(?:(?: |%20|\+)BLOCK)?(?: |%20|\+)?-{4,5}|Private-Lines: *[0-9]+";
    Regex::new(text).ok()
});
static END: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let text = r"(?-u)-{4,5}(?: |%20|\+)?END[A-Z0-9 %+_-]{1,60}PRIVATE(?: |%20|\+)KEY(?:(?: |%20|\+)BLOCK)?(?: |%20|\+)?-{4,5}|Private-MAC: *[0-9a-f]+";
    Regex::new(text).ok()
});

/// Whether the text may hold the beginning of a key.
pub(super) fn may_begin(text: &[u8]) -> bool {
    HINTS.iter().any(|hint| memmem::find(text, hint).is_some())
}

/// Where the first beginning of a key is, and where its marker ends.
pub(super) fn begin(text: &[u8]) -> Option<(usize, usize)> {
    let found = BEGIN.as_ref()?.find(text)?;
    Some((found.start(), found.end()))
}

/// Where the first marker of a key's end is over.
pub(super) fn end(text: &[u8]) -> Option<usize> {
    Some(END.as_ref()?.find(text)?.end())
}

/// Follows a key from line to line.
#[derive(Debug, Default)]
pub(super) struct Inside {
    lines: u32,
    /// Whether it is a file in base64, which has no marker at its end.
    is_encoded: bool,
}

/// What a line is while a key is open.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// The key goes to this offset, and is over.
    Last(usize),
    /// These bytes belong to the key, which goes on.
    Body(usize, usize),
    /// The line does not belong to a key.
    Other,
}

impl Inside {
    /// In a key file in base64, whose first line is over.
    pub(super) fn encoded() -> Self {
        Self {
            lines: 0,
            is_encoded: true,
        }
    }

    /// Judges one line without its line break.
    pub(super) fn judge(&mut self, line: &[u8]) -> Part {
        self.lines += 1;
        if let Some(end) = end(line) {
            return Part::Last(end);
        }
        if self.lines > MAX_LINES {
            return Part::Other;
        }
        let start = timestamp_len(line);
        let body = line.get(start..).unwrap_or_default();
        if self.is_encoded {
            return encoded_part(body, start, line.len());
        }
        if is_key_line(body, self.lines) {
            return Part::Body(start, line.len());
        }
        match long_run(line) {
            Some((from, to)) => Part::Body(from, to),
            None => Part::Other,
        }
    }
}

/// Lines of such a file are of one length, but for the last.
fn encoded_part(body: &[u8], start: usize, end: usize) -> Part {
    let indent = body.len() - body.trim_ascii_start().len();
    match body.trim_ascii() {
        text if text.len() < 4 || !text.iter().all(|b| is_base64(*b)) => Part::Other,
        text if text.len() < 60 => Part::Last(end),
        _ => Part::Body(start + indent, end),
    }
}

fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=')
}

fn is_key_line(body: &[u8], line: u32) -> bool {
    let body = body.trim_ascii();
    let is_header = line <= 4
        && [
            &b"Proc-Type:"[..],
            b"DEK-Info:",
            b"Version:",
            b"Comment:",
            b"Hash:",
            b"Subject:",
        ]
        .iter()
        .any(|header| body.starts_with(header));
    is_header || body.starts_with(b"[REDACTED:") || body.iter().all(|b| is_base64(*b))
}

fn long_run(line: &[u8]) -> Option<(usize, usize)> {
    let mut start = 0;
    for run in line.split_inclusive(|b| !is_base64(*b)) {
        let len = run.iter().take_while(|b| is_base64(**b)).count();
        if len >= LONG_RUN {
            return Some((start, start + len));
        }
        start += run.len();
    }
    None
}

/// Bytes of the kubelet's timestamp and the space after it, if the line has one.
pub(super) fn timestamp_len(line: &[u8]) -> usize {
    let Some(space) = memchr::memchr(b' ', line.get(..40).unwrap_or(line)) else {
        return 0;
    };
    let word = line.get(..space).unwrap_or_default();
    let is_time = word.len() >= 20
        && word.first().is_some_and(u8::is_ascii_digit)
        && word.get(10) == Some(&b'T')
        && word.get(4) == Some(&b'-');
    if !is_time {
        return 0;
    }
    let rest = line.get(space + 1..).unwrap_or_default();
    // Files on a node also name the stream and whether the line is whole.
    let stream = [b"stdout F ", b"stderr F ", b"stdout P ", b"stderr P "];
    let is_stream = stream.iter().any(|s| rest.starts_with(*s));
    space + 1 + if is_stream { 9 } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_ends_at_its_marker_or_at_the_first_line_that_is_no_base64() {
        let mut inside = Inside::default();
        assert_eq!(inside.judge(b"MIIEvQIBADANBg+/=="), Part::Body(0, 18));
        assert_eq!(
            inside.judge(b"2026-11-23T00:49:10.054384Z MIIEvQ"),
            Part::Body(28, 34)
        );
        assert_eq!(inside.judge(b"level=info msg=\"ready\""), Part::Other);
        assert_eq!(
            inside.judge(b"-----END RSA PRIVATE KEY----- x"),
            Part::Last(29)
        );
    }

    #[test]
    fn a_run_of_base64_within_a_line_belongs_to_the_key() {
        let line = format!(r#"{{"log":"{}\n"}}"#, "A".repeat(64));
        assert_eq!(
            Inside::default().judge(line.as_bytes()),
            Part::Body(8, 8 + 64)
        );
    }
}
