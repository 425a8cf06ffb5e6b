//! Passwords in URLs and in the connection strings of Go's `MySQL` driver.

use std::ops::Range;

use super::detect::Found;
use super::names;

/// Bytes of a URL's authority that are looked at.
const MAX_AUTHORITY: usize = 900;

/// The credentials of the URL whose colon is at `at` or behind it. There may be several hosts.
pub(super) fn credentials(text: &[u8], at: usize, found: &mut Vec<Found>) {
    let colon = at + usize::from(text.get(at) != Some(&b':'));
    let slashes = text.get(colon + 1..).unwrap_or_default();
    let slashes = slashes.iter().take(20).take_while(|b| b"/\\".contains(b));
    let start = colon + 1 + slashes.count();
    let rest = text.get(start..).unwrap_or_default();
    let rest = rest.get(..MAX_AUTHORITY).unwrap_or(rest);
    let ends = |b: &u8| b.is_ascii_whitespace() || b.is_ascii_control() || b"\"'`<>\\".contains(b);
    let len = rest.iter().position(ends).unwrap_or(rest.len());
    let mut from = 0;
    while let Some(run) = rest.get(from..len) {
        let Some((secret, next)) = user_and_password(run) else {
            break;
        };
        let secret = start + from + secret.start..start + from + secret.end;
        if text
            .get(secret.clone())
            .is_some_and(|s| !s.is_empty() && !s.starts_with(b"[REDACTED:"))
        {
            found.push(Found::new("url-password", start..secret.end + 1, secret));
        }
        from += next;
    }
}

/// The password before the first host of `run`, and where the next host would begin.
fn user_and_password(run: &[u8]) -> Option<(Range<usize>, usize)> {
    let first_at = memchr::memchr(b'@', run)?;
    // An unescaped `@` in the password: the last one before the path counts.
    let after = run.get(first_at + 1..)?;
    let host_end = after
        .iter()
        .position(|b| b"/?#,".contains(b))
        .unwrap_or(after.len());
    let last = memchr::memrchr(b'@', after.get(..host_end)?);
    let at = last.map_or(first_at, |at| first_at + 1 + at);
    let info = run.get(..at)?;
    let next = after.get(host_end).filter(|b| **b == b',');
    let next = next.map_or(run.len(), |_| first_at + 1 + host_end + 1);
    let Some(colon) = memchr::memchr(b':', info) else {
        // A user alone may be a token.
        let is_user = !info.contains(&b'/') && names::looks_random(&String::from_utf8_lossy(info));
        return is_user.then_some((0..at, next));
    };
    let (user, password) = (info.get(..colon)?, info.get(colon + 1..)?);
    let port = password.iter().take_while(|b| b.is_ascii_digit()).count();
    let is_port =
        port > 0 && port <= 5 && matches!(password.get(port), Some(b'/' | b'?' | b'#' | b','));
    let is_path = user.iter().any(|b| b"/?#".contains(b)) || user.starts_with(b"[");
    (!is_port && !is_path).then_some((colon + 1..at, next))
}

/// The password before the `@tcp(` at `at`.
pub(super) fn dsn(text: &[u8], at: usize) -> Option<Found> {
    let opens = text.get(at + 1..)?;
    let network = opens
        .iter()
        .take(8)
        .take_while(|b| b.is_ascii_alphanumeric())
        .count();
    (opens.get(network) == Some(&b'(')).then_some(())?;
    let before = text.get(at.saturating_sub(256)..at)?;
    let ends = |b: &u8| b.is_ascii_whitespace() || b"\"'`".contains(b);
    let run = before.iter().rev().take_while(|b| !ends(b)).count();
    let start = at - run;
    let run = text.get(start..at)?;
    let colon = memchr::memchr(b':', run)?;
    let secret = start + colon + 1..at;
    let is_new = !text.get(secret.clone())?.starts_with(b"[REDACTED:") && !secret.is_empty();
    is_new.then(|| Found::new("url-password", start..at + 1, secret))
}
