//! Secrets that are told by the name before them: `password=x`, `"apiKey": "x"`,
//! `Authorization: Bearer x`, `--token x`, `Name:DB_PASSWORD,Value:x`, `<password>x</password>`.

use std::ops::Range;

use super::detect::Found;
use super::encoded;
use super::lines::{self, Opens};
use super::names::{self, Smell};
use super::value::{Bare, Behind, Cursor, Expected, Opening, Separator, Value};
use super::{marks, prose};

/// Bytes of a name that are looked at.
const MAX_NAME: usize = 80;

/// Looks at the name around `at` and at what follows it.
pub(super) fn look(text: &[u8], at: usize) -> Option<Found> {
    // Some names are told by the sign before them.
    let is_sign = text.get(at).is_some_and(|b| b" \"?&".contains(b));
    let name = name_around(text, at + usize::from(is_sign));
    let before = text.get(..name.start)?;
    if before.ends_with(b"REDACTED:") {
        return None;
    }
    let bytes = text.get(name.clone())?;
    // Most names are not followed by a value at all, which is cheaper to see than what they say.
    let expected = expected(text, &name);
    let behind = Cursor::new(text, name.end, expected.clone()).behind()?;
    if before.ends_with(b"checksum/") {
        return None;
    }
    let told = std::str::from_utf8(bytes).ok()?;
    let smell = names::smell(told)?;
    let value = match behind {
        Behind::Value(value) => value,
        Behind::Open(opening) => return open(text, &name, smell, opening),
    };
    let kind = kind_of(told, &value);
    let secret = match kind {
        "authorization" => after_scheme(text, &value)?,
        "cookie" => value.range.clone(),
        _ => trimmed(text, value.range.clone())?,
    };
    let found = text.get(secret.clone())?;
    let is_secret = is_secret(&String::from_utf8_lossy(found), told, smell, &value);
    // A tag's first letter tells as much as its name.
    let start = expected.tag.map_or(name.start, |tag| tag.start);
    is_secret.then(|| Found::new(kind, start..secret.end, secret))
}

fn expected(text: &[u8], name: &Range<usize>) -> Expected {
    let bytes = text.get(name.clone()).unwrap_or_default();
    let before = super::tokens::before(text, name.start);
    let is_flag = bytes.starts_with(b"--")
        || bytes.len() > 5
            && bytes.starts_with(b"-")
            && before.is_none_or(|b| matches!(b, b' ' | b'\t' | b'"' | b'\''));
    Expected {
        bare: bare(bytes),
        is_flag,
        is_listed: is_header(bytes),
        tag: tag(text, name),
        is_named: is_named(text, name.start),
    }
}

/// A name at the end of a line whose value is in the next. Only a name that leaves no doubt opens
/// one: `secret:` in YAML is mostly a volume.
fn open(text: &[u8], name: &Range<usize>, smell: Smell, opening: Opening) -> Option<Found> {
    let opens = match opening {
        Opening::Alone if smell == Smell::Strong => Opens::Alone,
        Opening::Pair if smell != Smell::IfRandom => Opens::Pair,
        Opening::Braces if smell != Smell::IfRandom => Opens::Braces,
        Opening::Block if smell == Smell::Strong => Opens::Block(lines::indent(text, name.start)),
        _ => return None,
    };
    let rest = text.get(name.end..)?;
    let end = name.end + memchr::memchr(b'\n', rest)?;
    let end = end - usize::from(super::tokens::before(text, end) == Some(b'\r'));
    Some(Found {
        opens: Some(opens),
        ..Found::new("assigned-secret", name.start..end, end..end)
    })
}

/// Whether `name: ` stands before the name: it is the value of another.
fn is_named(text: &[u8], at: usize) -> bool {
    let before = text.get(at.saturating_sub(24)..at).unwrap_or_default();
    let quotes = |b: &u8| b" \t\"'\\".contains(b);
    let trim = |bytes: &[u8]| bytes.len() - bytes.iter().rev().take_while(|b| quotes(b)).count();
    let before = before.get(..trim(before)).unwrap_or_default();
    let Some(before) = before.strip_suffix(b":").or(before.strip_suffix(b"=")) else {
        return false;
    };
    let before = before.get(..trim(before)).unwrap_or_default();
    let ends = |word: &[u8]| {
        let from = before.len().saturating_sub(word.len());
        before
            .get(from..)
            .is_some_and(|w| w.eq_ignore_ascii_case(word))
    };
    ends(b"name") || ends(b"key")
}

fn name_around(text: &[u8], at: usize) -> Range<usize> {
    let of_name = |b: &u8| b.is_ascii_alphanumeric() || b"_-.".contains(b);
    let before = text
        .get(at.saturating_sub(MAX_NAME)..at)
        .unwrap_or_default();
    let after = text.get(at..).unwrap_or_default();
    let back = before.iter().rev().take_while(|b| of_name(b)).count();
    let forth = after
        .iter()
        .take(MAX_NAME)
        .take_while(|b| of_name(b))
        .count();
    marks::own_start(text, at - back, at + forth)..at + forth
}

/// The XML tag that the name is in, up to what it encloses.
fn tag(text: &[u8], name: &Range<usize>) -> Option<Range<usize>> {
    let before = text.get(name.start.saturating_sub(24)..name.start)?;
    let prefix = before.strip_suffix(b":").map_or(0, |before| {
        let of_prefix = |b: &&u8| b.is_ascii_alphanumeric();
        1 + before.iter().rev().take_while(of_prefix).count()
    });
    (super::tokens::before(text, name.start - prefix) == Some(b'<')).then_some(())?;
    let rest = text.get(name.end..)?;
    let rest = rest.get(..200).unwrap_or(rest);
    let end = memchr::memchr3(b'>', b'\n', b'<', rest)?;
    let has_attributes = matches!(rest.first(), Some(b' ' | b'>'));
    (rest.get(end) == Some(&b'>') && has_attributes && !rest.get(..end)?.ends_with(b"/"))
        .then(|| name.start - prefix - 1..name.end + end + 1)
}

fn is_header(name: &[u8]) -> bool {
    let ends: [&[u8]; 5] = [b"authorization", b"cookie", b"token", b"key", b"secret"];
    let name = name.to_ascii_lowercase();
    name.starts_with(b"--") || ends.iter().any(|end| name.ends_with(end))
}

fn bare(name: &[u8]) -> Bare {
    let ends = |end: &[u8]| {
        let from = name.len().saturating_sub(end.len());
        name.get(from..)
            .is_some_and(|tail| tail.eq_ignore_ascii_case(end))
    };
    if ends(b"authorization") {
        Bare::Credentials
    } else if ends(b"cookie") || ends(b"cookies") {
        Bare::Cookies
    } else {
        Bare::Word
    }
}

fn kind_of(name: &str, value: &Value) -> &'static str {
    let name = name.to_ascii_lowercase();
    if name.ends_with("authorization") {
        "authorization"
    } else if name.ends_with("cookie") || name.ends_with("cookies") {
        "cookie"
    } else if value.separator == Separator::Space {
        "argument"
    } else {
        "assigned-secret"
    }
}

/// The credentials behind the word that says what they are.
fn after_scheme(text: &[u8], value: &Value) -> Option<Range<usize>> {
    let bytes = text.get(value.range.clone())?;
    let word = bytes
        .iter()
        .take_while(|b| b.is_ascii_alphanumeric() || **b == b'-')
        .count();
    let gap = bytes
        .get(word..)?
        .iter()
        .take_while(|b| matches!(b, b' ' | b'\t'))
        .count();
    let has_scheme = word > 0 && gap > 0 && word + gap < bytes.len();
    let start = value.range.start + if has_scheme { word + gap } else { 0 };
    Some(start..value.range.end)
}

fn trimmed(text: &[u8], range: Range<usize>) -> Option<Range<usize>> {
    let bytes = text.get(range.clone())?;
    let blank = bytes.len() - bytes.trim_ascii_start().len();
    let len = bytes.trim_ascii().len();
    (len > 0).then(|| range.start + blank..range.start + blank + len)
}

fn is_secret(secret: &str, name: &str, smell: Smell, value: &Value) -> bool {
    if names::is_harmless(secret) || secret.contains("[REDACTED:") && secret.len() < 40 {
        return false;
    }
    let is_plain = value.separator == Separator::Colon && !value.is_quoted;
    match (kind_of(name, value), smell) {
        (_, _) if value.separator == Separator::Gap => {
            names::looks_random(secret) || names::is_password(name) && is_mixed(secret)
        }
        ("cookie", _) => secret.contains('='),
        ("authorization", _) => !is_sentence(secret, value) && secret.len() >= 4,
        (_, Smell::IfRandom) => {
            // A query goes on behind it.
            let first = secret.split('&').next().unwrap_or_default();
            names::looks_random(first) || encoded::is_user_and_password(first.as_bytes())
        }
        (_, Smell::Strong) if is_plain || value.separator == Separator::Space => {
            !prose::is_prose(secret)
        }
        (_, Smell::Strong) => true,
        (_, Smell::Weak) if value.separator == Separator::Space => !prose::is_word(secret),
        (_, Smell::Weak) if is_plain => !prose::is_word(secret) && !names::is_object_name(secret),
        (_, Smell::Weak) => !names::is_object_name(secret) && !prose::is_prose(secret),
    }
}

/// Letters and digits that stand in no word or name.
fn is_mixed(text: &str) -> bool {
    let has = |of: fn(&u8) -> bool| text.as_bytes().iter().any(of);
    text.len() >= 8
        && has(u8::is_ascii_digit)
        && has(u8::is_ascii_alphabetic)
        && !names::is_object_name(text)
}

/// `Authorization: denied by server policy`: small letters and spaces only.
fn is_sentence(text: &str, value: &Value) -> bool {
    let of_words = |b: u8| b.is_ascii_lowercase() || b" ,.:;'()-/_".contains(&b);
    !value.is_quoted && text.len() < 120 && text.bytes().all(of_words)
}
