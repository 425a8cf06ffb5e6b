//! Secrets that are told by the name before them: `password=x`, `"apiKey": "x"`,
//! `Authorization: Bearer x`, `--token x`, `Name:DB_PASSWORD,Value:x`, `<password>x</password>`.

use std::ops::Range;

use super::detect::Found;
use super::encoded;
use super::names::{self, Smell};
use super::value::{Bare, Cursor, Expected, Separator, Value};

/// Bytes of a name that are looked at.
const MAX_NAME: usize = 80;

/// Words that stand after a name and a colon in a sentence.
const PROSE: &[&str] = &[
    "a",
    "an",
    "and",
    "are",
    "authentication",
    "bad",
    "be",
    "been",
    "blank",
    "can",
    "cannot",
    "check",
    "could",
    "denied",
    "did",
    "does",
    "error",
    "exceeded",
    "expected",
    "expired",
    "failed",
    "failure",
    "field",
    "for",
    "found",
    "from",
    "got",
    "has",
    "have",
    "if",
    "in",
    "incorrect",
    "invalid",
    "is",
    "malformed",
    "mismatch",
    "missing",
    "must",
    "no",
    "not",
    "of",
    "ok",
    "or",
    "provided",
    "rejected",
    "request",
    "required",
    "revoked",
    "rotated",
    "should",
    "signature",
    "the",
    "this",
    "to",
    "too",
    "unable",
    "unauthorized",
    "unexpected",
    "unknown",
    "unsupported",
    "valid",
    "was",
    "were",
    "will",
    "with",
    "wrong",
    "you",
    "your",
    "string",
    "object",
    "number",
    "boolean",
    "bool",
    "bytes",
    "optional",
    "default",
    "changed",
    "updated",
    "created",
    "deleted",
];

/// Looks at the name around `at` and at what follows it.
pub(super) fn look(text: &[u8], at: usize) -> Option<Found> {
    let name = name_around(text, at);
    if text.get(..name.start)?.ends_with(b"REDACTED:") {
        return None;
    }
    let bytes = text.get(name.clone())?;
    // Most names are not followed by a value at all, which is cheaper to see than what they say.
    let expected = Expected {
        bare: bare(bytes),
        is_flag: bytes.starts_with(b"--"),
        is_listed: is_header(bytes),
        is_tag: opens_tag(text, &name),
    };
    let value = Cursor::new(text, name.end, expected).value()?;
    if text.get(..name.start)?.ends_with(b"checksum/") {
        return None;
    }
    let told = std::str::from_utf8(bytes).ok()?;
    let smell = names::smell(told)?;
    let kind = kind_of(told, &value);
    let secret = match kind {
        "authorization" => after_scheme(text, &value)?,
        "cookie" => value.range.clone(),
        _ => trimmed(text, value.range.clone())?,
    };
    let is_secret = is_secret(
        &String::from_utf8_lossy(text.get(secret.clone())?),
        smell,
        &value,
        kind,
    );
    is_secret.then(|| Found::new(kind, name.start..secret.end, secret))
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
    at - back..at + forth
}

/// Whether the name is that of an XML element.
fn opens_tag(text: &[u8], name: &Range<usize>) -> bool {
    super::tokens::before(text, name.start) == Some(b'<') && text.get(name.end) == Some(&b'>')
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

fn is_secret(secret: &str, smell: Smell, value: &Value, kind: &str) -> bool {
    if names::is_harmless(secret) || secret.contains("[REDACTED:") && secret.len() < 40 {
        return false;
    }
    let is_plain = value.separator == Separator::Colon && !value.is_quoted;
    match (kind, smell) {
        (_, _) if value.separator == Separator::Gap => names::looks_random(secret),
        ("cookie", _) => secret.contains('='),
        ("authorization", _) => !is_sentence(secret, value) && secret.len() >= 4,
        (_, Smell::IfRandom) => {
            names::looks_random(secret) || encoded::is_user_and_password(secret.as_bytes())
        }
        (_, Smell::Strong) if is_plain || value.separator == Separator::Space => !is_prose(secret),
        (_, Smell::Strong) => true,
        (_, Smell::Weak) if value.separator == Separator::Space => !is_word(secret),
        (_, Smell::Weak) if is_plain => !is_word(secret) && !names::is_object_name(secret),
        (_, Smell::Weak) => !names::is_object_name(secret) && !is_prose(secret),
    }
}

/// `Authorization: denied by server policy`: small letters and spaces only.
fn is_sentence(text: &str, value: &Value) -> bool {
    let of_words = |b: u8| b.is_ascii_lowercase() || b" ,.:;'()-/_".contains(&b);
    !value.is_quoted && text.len() < 120 && text.bytes().all(of_words)
}

fn is_prose(text: &str) -> bool {
    let word = text.trim_matches(|c: char| !c.is_ascii_alphanumeric());
    PROSE.iter().any(|p| word.eq_ignore_ascii_case(p))
}

/// Letters only, no capital after the first.
pub(super) fn is_word(text: &str) -> bool {
    let text = text.trim_end_matches(['.', ':', ',', '!']);
    let small = |b: u8| b.is_ascii_lowercase() || matches!(b, b'-' | b'_' | b'\'');
    text.len() < 32 && text.bytes().skip(1).all(small)
}
