//! What a line leaves open for those after it: a private key, a file in base64, a value whose
//! name ends the line.

use std::ops::Range;

use super::private_key::{self, Inside};
use super::value::Cursor;
use super::{encoded, names, prose};

/// Lines of a block of text, or of a certificate in base64, that are followed at most.
const MAX_LINES: u32 = 400;

/// How a secret at the end of a line goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Opens {
    /// With further lines of base64.
    Encoded,
    /// With lines of something in PEM form that stays.
    Pem,
    /// As a certificate in base64, which stays, and behind which a key may come.
    Certificate,
    /// With a line that is the value.
    Alone,
    /// With a line that says `value: x`.
    Pair,
    /// With a line that says `default = x` before the brace is closed.
    Braces,
    /// With all lines that are further in than this.
    Block(usize),
}

/// What is open between two lines.
#[derive(Debug)]
pub(super) struct Open(What, u32);

#[derive(Debug)]
enum What {
    Key(Inside),
    Pem,
    Certificate,
    Alone,
    Pair,
    Braces,
    Block(usize),
}

/// What a line is while something is open.
#[derive(Debug)]
pub(super) enum Part {
    /// These bytes go, and what may follow is open.
    Goes(Range<usize>, Option<Open>),
    /// Nothing goes, and it is still open.
    Stays(Open),
    /// The line is a line as any, and it is still open.
    Between(Open),
    /// It is closed, and the line a line as any.
    Other,
}

impl Open {
    /// In a private key, whose first line is over.
    pub(super) fn key() -> Self {
        Self(What::Key(Inside::default()), 0)
    }

    pub(super) fn new(opens: Opens) -> Self {
        let what = match opens {
            Opens::Encoded => What::Key(Inside::encoded()),
            Opens::Pem => What::Pem,
            Opens::Certificate => What::Certificate,
            Opens::Alone => What::Alone,
            Opens::Pair => What::Pair,
            Opens::Braces => What::Braces,
            Opens::Block(indent) => What::Block(indent),
        };
        Self(what, 0)
    }

    /// The kind of what goes; `None` if it was counted when it began.
    pub(super) fn kind(&self) -> (&'static str, bool) {
        match self.0 {
            What::Key(_) | What::Pem | What::Certificate => ("private-key", false),
            What::Alone | What::Pair | What::Braces | What::Block(_) => {
                ("assigned-secret", self.1 == 0)
            }
        }
    }

    /// Judges one line without its line break.
    pub(super) fn judge(self, line: &[u8]) -> Part {
        let Self(what, lines) = self;
        if lines > MAX_LINES {
            return Part::Other;
        }
        let start = private_key::timestamp_len(line);
        let body = line.get(start..).unwrap_or_default();
        match what {
            What::Key(mut inside) => match inside.judge(line) {
                private_key::Part::Last(end) => Part::Goes(start.min(end)..end, None),
                private_key::Part::Body(from, to) => {
                    Part::Goes(from..to, Some(Self(What::Key(inside), lines + 1)))
                }
                private_key::Part::Other => Part::Other,
            },
            What::Pem if encoded::is_line(body) => Part::Stays(Self(What::Pem, lines + 1)),
            What::Pem => Part::Other,
            What::Certificate => match encoded::certificate_line(body) {
                Some(true) => Part::Stays(Self(What::Certificate, lines + 1)),
                Some(false) => {
                    let key = Self(What::Key(Inside::encoded()), lines);
                    Part::Goes(start..line.len(), Some(key))
                }
                None => Part::Other,
            },
            What::Alone => value(Cursor::in_line(line, start).alone(), line),
            What::Pair => value(Cursor::in_line(line, start).named(), line),
            What::Braces => braces(line, start, lines),
            What::Block(indent) => block(indent, body, start, lines),
        }
    }
}

fn value(value: Option<super::value::Value>, line: &[u8]) -> Part {
    let range = value.map(|v| v.range).unwrap_or_default();
    let text = String::from_utf8_lossy(line.get(range.clone()).unwrap_or_default());
    if text.contains("[REDACTED:") || names::is_harmless(&text) || prose::is_prose(&text) {
        return Part::Other;
    }
    Part::Goes(range, None)
}

/// The block of a Terraform variable or output, of which few lines say anything else.
fn braces(line: &[u8], start: usize, lines: u32) -> Part {
    let found = Cursor::in_line(line, start).assigned();
    let body = line.get(start..).unwrap_or_default().trim_ascii();
    if found.is_some() || lines > 8 || body == b"}" {
        return value(found, line);
    }
    Part::Between(Open(What::Braces, lines + 1))
}

fn block(indent: usize, body: &[u8], start: usize, lines: u32) -> Part {
    let own = body.len() - body.trim_ascii_start().len();
    let next = Open(What::Block(indent), lines + 1);
    if own == body.len() {
        return Part::Stays(next);
    }
    if own <= indent || body.trim_ascii_start().starts_with(b"[REDACTED:") {
        return Part::Other;
    }
    Part::Goes(start + own..start + body.trim_ascii_end().len(), Some(next))
}

/// How far in the line is that has this place.
pub(super) fn indent(text: &[u8], at: usize) -> usize {
    let before = text.get(..at).unwrap_or_default();
    let start = memchr::memrchr(b'\n', before).map_or(0, |end| end + 1);
    let line = before.get(start..).unwrap_or_default();
    let line = line
        .get(private_key::timestamp_len(line)..)
        .unwrap_or_default();
    line.iter().take_while(|b| b" -".contains(b)).count()
}
