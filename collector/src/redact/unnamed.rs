//! Tokens of services that are not known by name, told by how they are made: a short prefix that
//! says whose it is, and a long body that was drawn at random.

use std::ops::Range;

use super::detect::Found;
use super::{marks, names};

/// Characters of a body at least.
const LEAST: usize = 28;
/// Characters of a prefix.
const PREFIX: usize = 16;

/// Words that stand before random letters that are no secret.
const ABOUT: &[&str] = &[
    "sha",
    "md5",
    "digest",
    "hash",
    "checksum",
    "commit",
    "rev",
    "etag",
    "id",
    "trace",
    "span",
    "request",
    "pod",
    "node",
    "container",
    "containerd",
    "docker",
    "crio",
    "build",
    "cert",
    "serial",
    "fingerprint",
    "nonce",
    "spki",
    "rs",
    "bucket",
    "version",
    "continue",
];

/// Looks at a run of letters and digits.
pub(super) fn look(text: &[u8], run: Range<usize>) -> Option<Found> {
    let range = prefixed(text, &run)
        .or_else(|| in_three_parts(text, &run))
        .or_else(|| in_hex_parts(text, &run))
        .or_else(|| behind_an_organization(text, &run))
        .or_else(|| behind_a_number(text, &run))?;
    Some(Found::new("token", range.clone(), range))
}

/// `abc_` and the like before it.
fn prefixed(text: &[u8], run: &Range<usize>) -> Option<Range<usize>> {
    let body = text.get(run.clone()).filter(|body| body.len() >= LEAST)?;
    let sign = text.get(run.start.checked_sub(1)?)?;
    (*sign == b'_' || *sign == b'-').then_some(())?;
    let before = text.get(run.start.saturating_sub(PREFIX + 1)..run.start - 1)?;
    let of_name = |b: &&u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
    let len = before.iter().rev().take_while(of_name).count();
    let start = marks::own_start(text, run.start - 1 - len, run.start);
    let len = run.start.checked_sub(1)?.checked_sub(start)?;
    let prefix = before.get(before.len() - len..)?;
    let is_own = len > 1 && len < PREFIX && prefix.first().is_some_and(u8::is_ascii_alphabetic);
    let prefix = std::str::from_utf8(prefix).ok()?.to_ascii_lowercase();
    let mut words = prefix.split(['_', '-']);
    let is_about = words.any(|word| ABOUT.contains(&word.trim_end_matches(char::is_numeric)));
    let drawn = std::str::from_utf8(body).ok()?;
    (is_own && !is_about && names::is_drawn(drawn)).then_some(start..run.end)
}

/// Three parts with points between them, of 24 letters or more, of 6, and of 27 or more: a bot's
/// token.
fn in_three_parts(text: &[u8], run: &Range<usize>) -> Option<Range<usize>> {
    (24..=30).contains(&run.len()).then_some(())?;
    let part = |from: usize| {
        let rest = text.get(from..)?.strip_prefix(b".")?;
        let of_part = |b: &&u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
        Some(rest.iter().take_while(of_part).count())
    };
    let middle = part(run.end)?;
    let last = part(run.end + 1 + middle)?;
    let first = text.get(run.clone())?;
    let is_one = middle == 6 && last >= 27 && names::is_drawn(std::str::from_utf8(first).ok()?);
    is_one.then(|| run.start..run.end + 1 + middle + 1 + last)
}

/// `1/NUMBER:` and 32 digits in hexadecimal.
fn behind_a_number(text: &[u8], run: &Range<usize>) -> Option<Range<usize>> {
    let number = text.get(run.clone())?;
    let before = text.get(run.start.checked_sub(1)?)?;
    (*before == b'/' && number.iter().all(u8::is_ascii_digit)).then_some(())?;
    let rest = text.get(run.end..)?.strip_prefix(b":")?;
    let len = rest.iter().take_while(|b| b.is_ascii_hexdigit()).count();
    (len == 32).then(|| run.start..run.end + 1 + len)
}

/// 32 digits in hexadecimal and twice 8 more: a key of Mailgun's.
fn in_hex_parts(text: &[u8], run: &Range<usize>) -> Option<Range<usize>> {
    let hex = |from: usize| {
        let rest = text.get(from..).unwrap_or_default();
        rest.iter().take_while(|b| b.is_ascii_hexdigit()).count()
    };
    let part = |from: usize| {
        let is_part = text.get(from) == Some(&b'-') && hex(from + 1) == 8;
        is_part.then_some(from + 9)
    };
    let is_first = run.len() == 32 && hex(run.start) == 32;
    let end = part(part(run.end).filter(|_| is_first)?)?;
    let is_over = !text.get(end).is_some_and(u8::is_ascii_alphanumeric);
    is_over.then_some(run.start..end)
}

/// `00D`, 12 or 15 letters and an exclamation mark before it: a session of Salesforce's.
fn behind_an_organization(text: &[u8], run: &Range<usize>) -> Option<Range<usize>> {
    let before = text.get(..run.start)?.strip_suffix(b"!")?;
    let of_name = |b: &&u8| b.is_ascii_alphanumeric();
    let len = before.iter().rev().take(24).take_while(of_name).count();
    let start = marks::own_start(text, before.len() - len, before.len());
    let is_one =
        matches!(before.len() - start, 15 | 18) && before.get(start..)?.starts_with(b"00D");
    let rest = text.get(run.end..).filter(|_| is_one)?;
    let of_session = |b: &&u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_');
    Some(start..run.end + rest.iter().take_while(of_session).count())
}
