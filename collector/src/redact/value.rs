//! Reads the value that stands behind a name, however it is written down.

use std::ops::Range;

/// Bytes of a value that are looked at; more of a longer one belongs to it all the same.
const MAX_VALUE: usize = 64 << 10;

/// What stands between a name and its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Separator {
    Equals,
    Colon,
    /// A comma between two strings, as in a list of arguments or headers.
    Comma,
    /// A blank, as after a flag.
    Space,
    /// A blank, a bar or the word `is`, as in a sentence or a table.
    Gap,
}

/// A value and how it was written.
#[derive(Debug, Clone)]
pub(super) struct Value {
    pub(super) range: Range<usize>,
    pub(super) separator: Separator,
    pub(super) is_quoted: bool,
}

/// How far a value reaches that nothing encloses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bare {
    /// One word.
    Word,
    /// A scheme and its credentials.
    Credentials,
    /// Words that end with a semicolon, and one more.
    Cookies,
}

/// What is known of a value from its name.
#[derive(Debug, Clone, Copy)]
pub(super) struct Expected {
    pub(super) bare: Bare,
    /// Whether a blank is enough between name and value.
    pub(super) is_flag: bool,
    /// Whether it may be the next string of a list.
    pub(super) is_listed: bool,
    /// Whether it is enclosed in XML's tags.
    pub(super) is_tag: bool,
}

/// What a value is enclosed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Enclosure {
    None,
    /// A quotation mark, behind so many backslashes.
    Quote(u8, usize),
    Bracket(u8),
}

/// A place in a text.
#[derive(Debug, Clone)]
pub(super) struct Cursor<'a> {
    text: &'a [u8],
    at: usize,
    expected: Expected,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(text: &'a [u8], at: usize, expected: Expected) -> Self {
        Self { text, at, expected }
    }

    /// The value behind a name that ends here.
    pub(super) fn value(mut self) -> Option<Value> {
        if self.expected.is_tag {
            self.at += 1;
            return self.until(Enclosure::Bracket(b'<'), Separator::Equals);
        }
        let quotes = self.skip(|b| b"\"'`\\".contains(&b), 24);
        let blanks = self.skip(blank, 16);
        self.skip(|b| b == b']' || b == b')', 2);
        if self.peek() == Some(b',') {
            let is_list = self.expected.is_listed && quotes > 0;
            return self.clone().paired().or_else(|| self.listed(is_list));
        }
        let blanks = blanks + self.skip(blank, 16);
        if blanks > 0
            && self
                .rest()
                .get(..5)
                .is_some_and(|w| w.eq_ignore_ascii_case(b"value"))
        {
            return self.pair_value();
        }
        let separator = match self.separator() {
            Some(separator) => separator,
            None if self.expected.is_flag && blanks > 0 => Separator::Space,
            None => self.gap(blanks)?,
        };
        self.enclosed(separator)
    }

    /// `password is x`, `password x`, `password|x`.
    fn gap(&mut self, blanks: usize) -> Option<Separator> {
        let bars = self.skip(|b| b == b'|', 1);
        let words = [&b"is "[..], b"was "];
        let word = words
            .iter()
            .find(|word| blanks > 0 && self.rest().starts_with(word));
        self.at += word.map_or(0, |word| word.len());
        self.skip(blank, 16);
        (blanks + bars > 0).then_some(Separator::Gap)
    }

    /// `"name": "X", "value": "secret"` and `Name:X,Value:secret`.
    fn paired(mut self) -> Option<Value> {
        self.at += 1;
        self.skip(|b| blank(b) || b"\"'\\".contains(&b), 24);
        self.pair_value()
    }

    /// `value: secret`, from its first letter on.
    fn pair_value(mut self) -> Option<Value> {
        let word = self.rest().get(..5)?;
        if !word.eq_ignore_ascii_case(b"value") {
            return None;
        }
        self.at += 5;
        self.skip(|b| b"\"'\\".contains(&b), 24);
        self.skip(blank, 16);
        let separator = self.separator()?;
        self.enclosed(separator)
    }

    /// `"authorization", "secret"`.
    fn listed(mut self, is_list: bool) -> Option<Value> {
        self.at += 1;
        self.skip(blank, 16);
        let is_string = matches!(self.peek(), Some(b'"' | b'\'' | b'\\' | b'['));
        (is_list && is_string).then_some(())?;
        self.enclosed(Separator::Comma)
    }

    fn separator(&mut self) -> Option<Separator> {
        let rest = self.rest();
        let (separator, len) = match rest {
            [b'=', b'=', ..] | [b':', b':', ..] | [b':', b'/', b'/', ..] => return None,
            [b'=' | b'-', b'>', ..] | [b':', b'=', ..] => (Separator::Equals, 2),
            // JSON's way to write an equals sign, whose backslash is behind us.
            [b'u', b'0', b'0', b'3', b'd' | b'D', ..] => (Separator::Equals, 5),
            [b'=', ..] => (Separator::Equals, 1),
            [b'%', b'3', b'D' | b'd', ..] => (Separator::Equals, 3),
            [b':', ..] => (Separator::Colon, 1),
            _ => return None,
        };
        self.at += len;
        self.skip(blank, 16);
        Some(separator)
    }

    /// Steps over what encloses the value, and reads it.
    fn enclosed(mut self, separator: Separator) -> Option<Value> {
        let mut enclosure = Enclosure::None;
        for _ in 0..4 {
            let slashes = self.rest().iter().take_while(|b| **b == b'\\').count();
            match self.rest().get(slashes) {
                Some(quote @ (b'"' | b'\'' | b'`')) => {
                    enclosure = Enclosure::Quote(*quote, slashes);
                    self.at += slashes + 1;
                    break;
                }
                Some(b'[') if slashes == 0 && !self.rest().starts_with(b"[REDACTED:") => {
                    enclosure = Enclosure::Bracket(b']');
                    self.at += 1;
                }
                Some(b'{' | b'&' | b'|' | b'>') if slashes == 0 => return None,
                Some(b'b') if matches!(self.rest(), [b'b', b'"' | b'\'', ..]) => self.at += 1,
                _ => match wrapper(self.rest()) {
                    Some(len) => {
                        enclosure = Enclosure::Bracket(b')');
                        self.at += len;
                    }
                    None => break,
                },
            }
        }
        self.until(enclosure, separator)
    }

    fn until(self, enclosure: Enclosure, separator: Separator) -> Option<Value> {
        let rest = self.rest();
        let rest = rest.get(..MAX_VALUE).unwrap_or(rest);
        let line =
            memchr::memchr2(b'\n', b'\r', rest).map_or(rest, |end| rest.get(..end).unwrap_or(rest));
        let len = match enclosure {
            Enclosure::Quote(quote, slashes) => quoted(line, quote, slashes),
            Enclosure::Bracket(close) => memchr::memchr(close, line).unwrap_or(line.len()),
            Enclosure::None => match self.expected.bare {
                Bare::Word => bare(line),
                Bare::Credentials => credentials(line),
                Bare::Cookies => cookies(line),
            },
        };
        (len > 0).then(|| Value {
            range: self.at..self.at + len,
            separator,
            is_quoted: enclosure != Enclosure::None,
        })
    }

    fn rest(&self) -> &'a [u8] {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    /// Steps over at most `most` bytes that are `wanted`, and says over how many.
    fn skip(&mut self, wanted: impl Fn(u8) -> bool, most: usize) -> usize {
        let count = self
            .rest()
            .iter()
            .take(most)
            .take_while(|b| wanted(**b))
            .count();
        self.at += count;
        count
    }
}

fn blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// The length of `Some(` and the like.
fn wrapper(text: &[u8]) -> Option<usize> {
    let letters = text
        .iter()
        .take(24)
        .take_while(|b| b.is_ascii_alphabetic())
        .count();
    let is_call = text.first()?.is_ascii_uppercase() && text.get(letters) == Some(&b'(');
    is_call.then_some(letters + 1)
}

/// Where a quoted value ends: at the same quotation mark behind as many backslashes or fewer.
fn quoted(line: &[u8], quote: u8, slashes: usize) -> usize {
    let mut run = 0;
    for (at, byte) in line.iter().enumerate() {
        match byte {
            b'\\' => run += 1,
            b if *b == quote
                && (run <= slashes && (slashes > 0 || run == 0)
                    || run % 2 == 0 && slashes == 0) =>
            {
                return at - if slashes > 0 { run } else { 0 };
            }
            _ => run = 0,
        }
    }
    line.len()
}

/// Where a bare value ends: at a blank or a quotation mark, and at punctuation that something
/// else follows.
fn bare(line: &[u8]) -> usize {
    let mut at = 0;
    while let Some(byte) = line.get(at) {
        let after = line.get(at + 1..).unwrap_or_default();
        let ends = match byte {
            b' ' | b'\t' | b'"' | b'\'' | b'`' | b'<' | b'>' => true,
            b'\\' => after.first().is_none_or(|b| b"\"'\\nrtu".contains(b)),
            b',' | b';' | b'&' => ends_here(after),
            b'}' | b']' | b')' => after.first().is_none_or(|b| !b.is_ascii_alphanumeric()),
            _ => false,
        };
        if ends {
            break;
        }
        // A marker is a value of its own.
        at += if line.get(at..).is_some_and(|l| l.starts_with(b"[REDACTED:")) {
            memchr::memchr(b']', line.get(at..).unwrap_or_default()).map_or(1, |end| end + 1)
        } else {
            1
        };
    }
    at
}

/// Where `Basic x` or `Digest a="b", c="d"` ends.
fn credentials(line: &[u8]) -> usize {
    let word = bare(line);
    let blanks = line
        .get(word..)
        .unwrap_or_default()
        .iter()
        .take_while(|b| blank(**b))
        .count();
    let is_scheme = line
        .get(..word)
        .unwrap_or_default()
        .iter()
        .all(|b| b.is_ascii_alphanumeric() || *b == b'-');
    let rest = line.get(word + blanks..).unwrap_or_default();
    if !is_scheme || blanks == 0 || word > 24 {
        return word;
    }
    let first = bare(rest);
    let is_list = rest
        .get(..first)
        .unwrap_or_default()
        .iter()
        .rposition(|b| *b == b'=')
        .is_some_and(|at| {
            at + 1 == first
                || !rest
                    .get(at + 1..first)
                    .unwrap_or_default()
                    .iter()
                    .all(|b| *b == b'=')
        });
    if is_list
        && rest
            .get(..first)
            .is_some_and(|f| f.iter().any(|b| !b.is_ascii_alphanumeric()))
    {
        return word + blanks + parameters(rest);
    }
    word + blanks + first
}

/// Where `a="b", c="d"` ends: at the end of the line, or of the string that it stands in.
fn parameters(line: &[u8]) -> usize {
    let mut inner = None;
    let mut slashes = 0;
    for (at, byte) in line.iter().enumerate() {
        match byte {
            b'\\' => slashes += 1,
            b'"' if *inner.get_or_insert(slashes) > slashes => return at - slashes,
            _ => slashes = 0,
        }
    }
    line.len()
}

/// Where `a=b; c=d` ends.
fn cookies(line: &[u8]) -> usize {
    let mut end = 0;
    loop {
        let rest = line.get(end..).unwrap_or_default();
        let ends = |b: &u8| b.is_ascii_whitespace() || b"\"'`<>\\]}".contains(b);
        end += rest.iter().position(ends).unwrap_or(rest.len());
        let goes_on = line.get(..end).is_some_and(|l| l.ends_with(b";"));
        if !goes_on || line.get(end) != Some(&b' ') {
            return end;
        }
        end += 1;
    }
}

/// Whether behind a comma, a semicolon or an ampersand another value begins.
fn ends_here(after: &[u8]) -> bool {
    let name = after
        .iter()
        .take(64)
        .take_while(|b| b.is_ascii_alphanumeric() || b"_-. ".contains(b))
        .count();
    let next = after.get(name);
    after.first().is_none_or(|b| b" \t\"'}])".contains(b))
        || matches!(next, Some(b'=' | b':'))
        || next.is_none()
}
