//! Reads the value that stands behind a name, however it is written down.

use std::ops::Range;

use super::extent::{bare, cookies, credentials, quoted};
use super::marks;

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

/// What stands behind a name.
#[derive(Debug, Clone)]
pub(super) enum Behind {
    Value(Value),
    /// The line ends before the value.
    Open(Opening),
}

/// How a line ends whose value stands in the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Opening {
    /// The value is the next line.
    Alone,
    /// All lines that are further in.
    Block,
    /// The next line calls it `value`.
    Pair,
    /// One of the next lines, in braces, calls it `value` or `default`.
    Braces,
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
#[derive(Debug, Clone)]
pub(super) struct Expected {
    pub(super) bare: Bare,
    /// Whether a blank is enough between name and value.
    pub(super) is_flag: bool,
    /// Whether it may be the next string of a list.
    pub(super) is_listed: bool,
    /// The XML tag that the name is in.
    pub(super) tag: Option<Range<usize>>,
    /// Whether it is itself the value of a `name`.
    pub(super) is_named: bool,
}

/// What a value is enclosed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Enclosure<'a> {
    None,
    /// A quotation mark, behind so many backslashes.
    Quote(u8, usize),
    /// A quotation mark in other letters, such as `&quot;`.
    Mark(&'a [u8]),
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

    /// Where a line begins that may be a value.
    pub(super) fn in_line(text: &'a [u8], at: usize) -> Self {
        let expected = Expected {
            bare: Bare::Word,
            is_flag: false,
            is_listed: false,
            tag: None,
            is_named: false,
        };
        Self { text, at, expected }
    }

    /// What stands behind a name that ends here.
    pub(super) fn behind(mut self) -> Option<Behind> {
        if let Some(tag) = &self.expected.tag
            && let Some(found) = self.clone().enclosed_by_tags(tag.end)
        {
            return Some(found);
        }
        let quotes = self.quotes();
        let blanks = self.skip(blank, 16);
        self.skip(|b| b == b']' || b == b')', 2);
        if self.expected.is_named && self.ends_pair() {
            return Some(Behind::Open(Opening::Pair));
        }
        if quotes > 0 && blanks > 0 && self.rest().starts_with(b"{\n") {
            return Some(Behind::Open(Opening::Braces));
        }
        let is_broken = self.line_break();
        if self.peek() == Some(b',') {
            let is_list = self.expected.is_listed && quotes > 0;
            let value = self.clone().paired().or_else(|| self.listed(is_list));
            return value.map(Behind::Value);
        }
        let blanks = blanks + self.skip(blank, 16);
        if (blanks > 0 || is_broken)
            && self
                .rest()
                .get(..5)
                .is_some_and(|w| w.eq_ignore_ascii_case(b"value"))
        {
            return self.pair_value().map(Behind::Value);
        }
        let separator = match self.separator() {
            Some(separator) => separator,
            None if self.expected.is_flag && blanks > 0 => Separator::Space,
            None => self.gap(blanks)?,
        };
        self.opened(separator)
    }

    /// What stands in an XML element whose tag ends here.
    fn enclosed_by_tags(mut self, at: usize) -> Option<Behind> {
        self.at = at;
        self.line_break();
        if self.is_at_end() {
            return Some(Behind::Open(Opening::Alone));
        }
        let value = self.until(Enclosure::Bracket(b'<'), Separator::Equals);
        value.map(Behind::Value)
    }

    /// The value here or, if nothing more is in the line, in the next.
    fn opened(mut self, separator: Separator) -> Option<Behind> {
        if separator == Separator::Gap {
            return self.enclosed(separator).map(Behind::Value);
        }
        let rest = self.rest();
        let block = rest
            .iter()
            .take(3)
            .take_while(|b| b"|>+-".contains(b))
            .count();
        let is_block = matches!(rest.first(), Some(b'|' | b'>'));
        let skipped = if is_block { block } else { 0 };
        self.at += skipped;
        let before = self.at;
        if self.line_break() {
            self.quotes();
            return self.enclosed(separator).map(Behind::Value);
        }
        if self.is_at_end() {
            let opening = if is_block {
                Opening::Block
            } else {
                Opening::Alone
            };
            return Some(Behind::Open(opening));
        }
        self.at = before - skipped;
        self.enclosed(separator).map(Behind::Value)
    }

    /// A value that stands in a line of its own, but for punctuation.
    pub(super) fn alone(mut self) -> Option<Value> {
        self.skip(blank, 80);
        let mut value = self.clone().enclosed(Separator::Equals)?;
        let text = self.text;
        let after = text.get(value.range.end..).unwrap_or_default();
        let is_last = after.iter().all(|b| b"\"'`,;)]}\\<>/ \t\r".contains(b));
        let found = text.get(value.range.clone()).unwrap_or_default();
        let trimmed = found.iter().rev().take_while(|b| b",;".contains(b)).count();
        value.range.end -= trimmed;
        let is_whole = is_last || value.is_quoted;
        (is_whole && !found.ends_with(b":") && value.range.len() > 3).then_some(value)
    }

    /// `value: x` in a line of its own.
    pub(super) fn named(mut self) -> Option<Value> {
        self.skip(|b| blank(b) || b"\"'\\".contains(&b), 80);
        self.pair_value()
    }

    /// `default = x` or `value = x` in a line of its own.
    pub(super) fn assigned(mut self) -> Option<Value> {
        self.skip(blank, 80);
        let words = [&b"default"[..], b"value"];
        let word = words.iter().find(|word| self.rest().starts_with(word))?;
        self.at += word.len();
        self.skip(blank, 80);
        self.rest().starts_with(b"=").then_some(())?;
        let separator = self.separator()?;
        self.enclosed(separator)
    }

    /// Whether nothing but a comma and the line's end follows.
    fn ends_pair(&self) -> bool {
        let mut here = self.clone();
        here.skip(|b| b == b',', 1);
        here.is_at_end()
    }

    /// Whether the line ends here, or goes on behind a backslash.
    fn is_at_end(&self) -> bool {
        let rest = self.rest();
        let line = memchr::memchr2(b'\n', b'\r', rest);
        let Some(line) = line.and_then(|end| rest.get(..end)) else {
            return false;
        };
        line.iter().all(|b| blank(*b) || *b == b'\\') && line.len() < 16
    }

    /// Steps over a line break that is written as `\n`, with what indents the next line.
    fn line_break(&mut self) -> bool {
        let rest = self.rest();
        let slashes = rest.iter().take(16).take_while(|b| **b == b'\\').count();
        let is_escape = slashes > 0 || self.before() == Some(b'\\');
        let broken = match rest.get(slashes..) {
            Some([b'r', b'\\', more @ ..]) if is_escape => {
                let again = more.iter().take_while(|b| **b == b'\\').count();
                (more.get(again) == Some(&b'n')).then_some(slashes + 3 + again)
            }
            Some([b'n', ..]) if is_escape => Some(slashes + 1),
            _ => None,
        };
        self.at += broken.unwrap_or_default();
        if broken.is_some() {
            self.skip(blank, 80);
        }
        broken.is_some()
    }

    /// Steps over quotation marks and colours, and says over how many bytes.
    fn quotes(&mut self) -> usize {
        let start = self.at;
        while self.at - start < 64 {
            let len = match self.peek() {
                Some(b'"' | b'\'' | b'`' | b'\\') => 1,
                _ => marks::quote(self.text, self.at)
                    .or_else(|| marks::colour(self.text, self.at))
                    .unwrap_or_default(),
            };
            if len == 0 {
                break;
            }
            self.at += len;
        }
        self.at - start
    }

    fn before(&self) -> Option<u8> {
        self.text.get(self.at.checked_sub(1)?).copied()
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
        self.skip(blank, 16);
        self.line_break();
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
            [b':', ..] => (Separator::Colon, 1),
            _ => (Separator::Equals, marks::separator(rest)?),
        };
        self.at += len;
        self.skip(blank, 16);
        if let Some(colour) = marks::colour(self.text, self.at) {
            self.at += colour;
            self.skip(blank, 16);
        }
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
                Some(b'b') if matches!(self.rest(), [b'b', b'"' | b'\'', ..]) => self.at += 1,
                _ if let Some(len) = marks::quote(self.text, self.at + slashes) => {
                    let mark = self.rest().get(slashes..slashes + len).unwrap_or_default();
                    enclosure = Enclosure::Mark(mark);
                    self.at += slashes + len;
                    break;
                }
                Some(b'{' | b'&' | b'|' | b'>') if slashes == 0 => return None,
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

    fn until(self, enclosure: Enclosure<'_>, separator: Separator) -> Option<Value> {
        let rest = self.rest();
        let rest = rest.get(..MAX_VALUE).unwrap_or(rest);
        let line =
            memchr::memchr2(b'\n', b'\r', rest).map_or(rest, |end| rest.get(..end).unwrap_or(rest));
        let len = match enclosure {
            Enclosure::Quote(quote, slashes) => quoted(line, quote, slashes),
            Enclosure::Mark(mark) => memchr::memmem::find(line, mark).unwrap_or(line.len()),
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
