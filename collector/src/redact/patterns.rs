//! The patterns of secrets in text, as one regular expression that is run once over a block.
//!
//! No pattern matches across a line break, so text may be cut between any two lines. Keys in PEM
//! form, which do span lines, are [`super::private_key`]'s.

use std::ops::Range;
use std::sync::LazyLock;

use base64::Engine;
use regex::bytes::Regex;

use super::names;

/// How a match is judged before it counts.
#[derive(Debug, Clone, Copy)]
enum Judge {
    /// The shape alone is proof.
    Always,
    /// The value must not be an ordinary word.
    NoWord,
    /// The value must decode to `user:password`.
    UserAndPassword,
    /// The value must not be harmless (`true`, a path, a number).
    NotHarmless,
}

struct Pattern {
    kind: &'static str,
    judge: Judge,
    /// Has exactly one capture group: what is replaced.
    text: &'static str,
}

const fn pattern(kind: &'static str, judge: Judge, text: &'static str) -> Pattern {
    Pattern { kind, judge, text }
}

const PATTERNS: &[Pattern] = &[
    pattern(
        "jwt",
        Judge::Always,
        r"(eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{6,}(?:\.[A-Za-z0-9_-]*){0,3})",
    ),
    pattern(
        "authorization",
        Judge::NotHarmless,
        r#"(?i:authorization["'\\]{0,3}[ \t]*[:=][ \t]*["'\\\[]{0,3}(?:bearer|basic|digest|negotiate|apikey|dpop|aws4-hmac-sha256)[ \t]+)([^\r\n"'\]\\]+)"#,
    ),
    pattern(
        "authorization",
        Judge::NoWord,
        r#"(?i:authorization["'\\]{0,3}[ \t]*[:=][ \t]*["'\\\[]{0,3})([A-Za-z0-9._~+/=-]{20,})"#,
    ),
    pattern(
        "bearer",
        Judge::NoWord,
        r"(?i:\bbearer[ \t]+)([A-Za-z0-9._~+/=-]{8,})",
    ),
    pattern(
        "basic",
        Judge::UserAndPassword,
        r"(?i:\bbasic[ \t]+)([A-Za-z0-9+/]{4,}={0,2})",
    ),
    pattern(
        "cookie",
        Judge::Always,
        r#"(?i:\b(?:set-)?cookie["'\\]{0,3}[ \t]*[:=][ \t]*["'\\\[]{0,3})([A-Za-z0-9!#$%&*+.^_|~-]+=[^\r\n"'\]\\]*)"#,
    ),
    pattern(
        "url-password",
        Judge::Always,
        r#"://[^\s/:@"'<>\\]*:([^\s/@"'<>\\]+)@"#,
    ),
    pattern(
        "url-password",
        Judge::Always,
        r#":([^\s:@/"'\\]+)@(?:tcp|unix)\("#,
    ),
    pattern(
        "cloud-key",
        Judge::Always,
        r"\b(A(?:KIA|SIA)[0-9A-Z]{16}|gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{22,}|glpat-[A-Za-z0-9_-]{20,}|xox[abeprs]-[A-Za-z0-9-]{10,}|AIza[0-9A-Za-z_-]{35}|ya29\.[0-9A-Za-z_-]{20,}|sk_live_[0-9A-Za-z]{16,}|npm_[A-Za-z0-9]{36}|hvs\.[A-Za-z0-9_-]{20,})",
    ),
    pattern(
        "private-key",
        Judge::Always,
        r"(LS0tLS1CRUdJTi(?:BQUklWQVRFI|BSU0EgUFJJVkFURSBL|BFQyBQUklWQVRFI|BFTkNSWVBURUQgUFJJVkFURS|BPUEVOU1NIIFBSSVZBVEUg|BEU0EgUFJJVkFURSBL)[A-Za-z0-9+/=]*)",
    ),
    pattern(
        "jwt",
        Judge::Always,
        r"(?m:^|[^A-Za-z0-9+/])(ZXlK[A-Za-z0-9+/]{60,}={0,2})",
    ),
    pattern(
        "assigned-secret",
        Judge::NotHarmless,
        r#"(?i:passw(?:or)?d|passphrase|client[_-]?secret|secret[_-]?(?:access[_-]?)?key|api[_-]?key|(?:access|refresh|auth|id|bot)[_-]?token|private[_-]?key)["'\\]{0,3}[ \t]*[:=][ \t]*["'\\]{1,3}([^"'\\\r\n]+)"#,
    ),
    pattern(
        "assigned-secret",
        Judge::NotHarmless,
        r#"(?i:passw(?:or)?d|passphrase|client[_-]?secret|secret[_-]?(?:access[_-]?)?key|api[_-]?key|(?:access|refresh|auth|id|bot)[_-]?token|private[_-]?key|accountkey|sharedaccesskey)=([^\s"'\\,;&}\]\[]+)"#,
    ),
    pattern(
        "assigned-secret",
        Judge::NotHarmless,
        r#"(?i:--[a-z0-9-]*(?:password|passwd|token|secret|api-key))[ \t=]+([^\s"'\\-][^\s"'\\]{2,})"#,
    ),
];

static COMBINED: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let alternatives: Vec<String> = PATTERNS.iter().map(|p| format!("(?:{})", p.text)).collect();
    let text = format!("(?-u){}", alternatives.join("|"));
    Regex::new(&text).ok()
});

/// A secret in text.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub(super) kind: &'static str,
    /// Where the whole pattern matched.
    pub(super) whole: Range<usize>,
    /// The part that is the secret.
    pub(super) secret: Range<usize>,
}

/// Finds the first secret that starts at `from` or later.
pub(super) fn next(text: &[u8], from: usize) -> Option<Found> {
    let combined = COMBINED.as_ref()?;
    let mut from = from;
    loop {
        let start = combined.find_at(text, from)?.start();
        let captures = combined.captures_at(text, start)?;
        let whole = captures.get(0)?.range();
        let mut groups = captures.iter().skip(1).zip(PATTERNS);
        let (group, pattern) = groups.find_map(|(group, p)| Some((group?, p)))?;
        if is_secret(pattern.judge, group.as_bytes()) {
            return Some(Found {
                kind: pattern.kind,
                whole,
                secret: group.range(),
            });
        }
        from = start + 1;
    }
}

fn is_secret(judge: Judge, value: &[u8]) -> bool {
    match judge {
        _ if value.starts_with(b"[REDACTED:") => false,
        Judge::Always => true,
        Judge::NoWord => !is_word(value),
        Judge::UserAndPassword => decodes_to_user_and_password(value),
        Judge::NotHarmless => !names::is_harmless(&String::from_utf8_lossy(value)),
    }
}

/// `authentication`, `Token` and the like: short, letters only, no capital after the first.
fn is_word(value: &[u8]) -> bool {
    let value = value.trim_ascii_end();
    let value = value.strip_suffix(b".").unwrap_or(value);
    let letters = |b: &u8| b.is_ascii_lowercase() || matches!(b, b'-' | b'_');
    value.len() < 32 && value.iter().skip(1).all(letters)
}

fn decodes_to_user_and_password(value: &[u8]) -> bool {
    let engine = base64::engine::general_purpose::GeneralPurpose::new(
        &base64::alphabet::STANDARD,
        base64::engine::GeneralPurposeConfig::new()
            .with_decode_padding_mode(base64::engine::DecodePaddingMode::Indifferent)
            .with_decode_allow_trailing_bits(true),
    );
    let decoded = engine.decode(value);
    decoded.is_ok_and(|bytes| bytes.contains(&b':') && !bytes.iter().any(u8::is_ascii_control))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_patterns_compile_and_have_one_group_each() {
        assert!(COMBINED.is_some());
        for pattern in PATTERNS {
            let regex = Regex::new(&format!("(?-u){}", pattern.text)).unwrap();
            assert_eq!(regex.captures_len(), 2, "{}", pattern.text);
        }
    }

    #[test]
    fn prose_about_credentials_is_no_secret() {
        for text in [
            "unauthorized: bearer authentication failed",
            "basic authentication required",
            "Authorization: denied by server policy",
            "password=true",
            "--token-file=/var/run/secrets/token",
            "http://10.0.0.1:8080/path@x",
            "authority=web.shop.svc.cluster.local:8080",
            "level=info msg=\"issued certificate for web.shop.serviceaccount.identity.linkerd.cluster.local\"",
        ] {
            assert!(next(text.as_bytes(), 0).is_none(), "{text}");
        }
    }
}
