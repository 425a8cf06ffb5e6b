//! Patterns of secrets that owe nothing to the redactor's: literal words found by one automaton,
//! each with a regular expression that must match around it.

use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use base64::Engine;
use base64::prelude::BASE64_STANDARD_NO_PAD;
use regex::bytes::Regex;

/// Bytes around a word that its expression may see.
const BEFORE: usize = 48;
const AFTER: usize = 300;

/// What a secret looks like.
struct Look {
    kind: &'static str,
    /// Words, without regard to case, one of which stands in every match.
    words: &'static [&'static str],
    /// Has a group `x` if the value must not be a marker, a path or a word; a group `b` if it is
    /// base64 that must hold a secret.
    expression: &'static str,
}

const LOOKS: &[Look] = &[
    Look {
        kind: "private key",
        words: &["private key"],
        expression: r"-BEGIN [A-Z0-9 ]*PRIVATE KEY( BLOCK)?-",
    },
    Look {
        kind: "JSON Web Token",
        words: &["eyj"],
        expression: r"eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.",
    },
    Look {
        kind: "GitHub token",
        words: &["ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"],
        expression: r"\b(gh[pousr]_[A-Za-z0-9]{36}|github_pat_[A-Za-z0-9_]{60})",
    },
    Look {
        kind: "AWS access key",
        words: &["akia", "asia"],
        expression: r"\b(AKIA|ASIA)[A-Z2-7]{16}\b",
    },
    Look {
        kind: "Google key",
        words: &["aiza", "ya29."],
        expression: r"\b(AIza[A-Za-z0-9_-]{35}|ya29\.[A-Za-z0-9_-]{40})",
    },
    Look {
        kind: "Slack token",
        words: &["xoxb-", "xoxp-", "xoxa-", "xoxs-", "hooks.slack.com"],
        expression: r"\b(xox[abps]-[0-9]{8,}-[A-Za-z0-9-]{8,}|hooks\.slack\.com/services/T[A-Z0-9]+/B[A-Z0-9]+/[A-Za-z0-9]{20})",
    },
    Look {
        kind: "GitLab token",
        words: &["glpat-"],
        expression: r"\bglpat-[A-Za-z0-9_-]{20}",
    },
    Look {
        kind: "service's key",
        words: &[
            "_live_",
            "sk-ant-",
            "sk-proj-",
            "hvs.",
            "dop_v1_",
            "npm_",
            "dckr_pat_",
            "pypi-age",
            "hf_",
            "whsec_",
            "gocspx-",
            "xapp-1-",
            "glsa_",
            "shpat_",
            "atatt3",
            "tskey-",
            "sntrys_",
            "nrak-",
            "dapi",
            "dt0c01.",
        ],
        expression: r"\b([sr]k_live_[A-Za-z0-9]{20}|sk-(ant|proj)-[A-Za-z0-9_-]{30}|hvs\.[A-Za-z0-9_-]{24}|dop_v1_[a-f0-9]{64}|npm_[A-Za-z0-9]{36}|dckr_pat_[A-Za-z0-9_-]{20}|pypi-AgE[A-Za-z0-9_-]{40}|hf_[A-Za-z]{34}|whsec_[A-Za-z0-9+/]{24}|GOCSPX-[A-Za-z0-9_-]{24}|xapp-1-[A-Z0-9]{8,}-[0-9]{8,}-[0-9a-f]{32}|glsa_[A-Za-z0-9]{30}|shpat_[0-9a-f]{32}|ATATT3[A-Za-z0-9_=-]{60}|tskey-[a-z]+-[A-Za-z0-9]{10,}|sntrys_[A-Za-z0-9_=+/]{40}|NRAK-[A-Z0-9]{24}|dapi[0-9a-f]{32}|dt0c01\.[A-Z0-9]{20,}\.[A-Z0-9]{40,})",
    },
    Look {
        kind: "credential of a header",
        words: &["authorization"],
        expression: r#"(?i)authorization["'\\ :=\[]{1,8}(bearer|basic|token|digest)\s+(?P<x>[A-Za-z0-9+/._~=-]{8,})"#,
    },
    Look {
        kind: "assigned secret",
        words: &[
            "passw",
            "secret",
            "token",
            "api_key",
            "apikey",
            "api-key",
            "private_key",
            "accountkey",
            "accesskey",
        ],
        expression: r#"(?i)(password|passwd|client_?secret|secret_?(access_?)?key|(access|refresh|auth|session)_?token|api[_-]?key|private_?key|accountkey|accesskey)\\*["']?\s{0,2}[=:]\s{0,2}\\*["']?(?P<x>[A-Za-z0-9+/_!@#$%^&*.-]{8,})"#,
    },
    Look {
        kind: "URL with a password",
        words: &["://"],
        expression: r#"://[^\s/:@"']{0,64}:(?P<x>[^\s/@"'\[\]:]{3,})@"#,
    },
    Look {
        kind: "packed Helm release",
        words: &["h4siaaaa", "sdrzsufbq"],
        expression: r"(H4sIAAAA|SDRzSUFBQ)[A-Za-z0-9+/]{60}",
    },
    Look {
        kind: "private key in base64",
        words: &["ls0tls1crudjti", "tfmwdextmuntrv"],
        expression: r"(?P<x>(LS0tLS1CRUdJTi|TFMwdExTMUNSVW)[A-Za-z0-9+/]{40,})",
    },
    Look {
        kind: "signature of a shared link",
        words: &["sig=", "signature="],
        expression: r"[?&](sig|X-Amz-Signature|X-Goog-Signature)=(?P<x>[A-Za-z0-9%+/]{30,})",
    },
    Look {
        kind: "key of Azure",
        words: &["sharedaccesskey=", "accountkey="],
        expression: r"(?i)(SharedAccessKey|AccountKey)=(?P<x>[A-Za-z0-9+/]{40,})",
    },
    Look {
        kind: "cookie",
        words: &["cookie"],
        expression: r#"(?i)(set-)?cookie["'\\ :=\[]{1,8}[A-Za-z0-9_.-]+=(?P<x>[A-Za-z0-9%+/._-]{16,})"#,
    },
    Look {
        kind: "hash of a password",
        words: &["$2a$", "$2b$", "$2y$", "$6$", "$apr1$", "$argon2"],
        expression: r"\$(2[aby]\$[0-9]{2}\$[A-Za-z0-9./]{50}|6\$[^$\s]{4,}\$[A-Za-z0-9./]{80}|apr1\$[^$\s]{4,}\$[A-Za-z0-9./]{20}|argon2i?d?\$v=)",
    },
    Look {
        kind: "secret in base64",
        // `password` and `PRIVATE KEY`, wherever among three bytes they begin.
        words: &[
            "cgfzc3dvcmq",
            "bhc3n3b3jk",
            "wyxnzd29yz",
            "ufjjvkfursblrv",
            "bssvzbveugs0vz",
            "quklwqvrfietfw",
        ],
        expression: r"(?P<b>[A-Za-z0-9+/]{24,})",
    },
    Look {
        kind: "age secret key",
        words: &["age-secret-key-"],
        expression: r"AGE-SECRET-KEY-1[A-Z0-9]{58}",
    },
];

struct Compiled {
    automaton: AhoCorasick,
    /// For each word, its look and that look's expression.
    looks: Vec<(&'static Look, Regex)>,
}

static COMPILED: LazyLock<Option<Compiled>> = LazyLock::new(|| {
    let words = LOOKS
        .iter()
        .flat_map(|look| look.words.iter().map(move |word| (look, *word)));
    let mut looks = Vec::new();
    for (look, _) in words.clone() {
        looks.push((look, Regex::new(&format!("(?-u){}", look.expression)).ok()?));
    }
    let automaton = AhoCorasick::builder()
        .ascii_case_insensitive(true)
        .match_kind(MatchKind::Standard)
        .kind(Some(AhoCorasickKind::DFA))
        .build(words.map(|(_, word)| word))
        .ok()?;
    Some(Compiled { automaton, looks })
});

/// Places of what looks like a secret, with its kind. If the patterns cannot be had at all, that
/// is one finding.
pub(super) fn find(text: &[u8]) -> Vec<(usize, &'static str)> {
    let Some(compiled) = COMPILED.as_ref() else {
        return vec![(0, "secret: the patterns cannot be compiled")];
    };
    let found = compiled
        .automaton
        .find_overlapping_iter(text)
        .filter_map(|word| {
            let (look, expression) = compiled.looks.get(word.pattern().as_usize())?;
            let (from, to) = line_around(text, word.start(), word.end());
            let mut seen = expression.captures_iter(text.get(from..to)?);
            seen.find_map(|captures| {
                let is_one = captures.name("x").is_none_or(|x| is_secret(x.as_bytes()))
                    && captures.name("b").is_none_or(|b| holds_leak(b.as_bytes()));
                is_one.then(|| (from + captures.get(0).map_or(0, |m| m.start()), look.kind))
            })
        });
    found.collect()
}

/// What of the line is near the word.
fn line_around(text: &[u8], start: usize, end: usize) -> (usize, usize) {
    let from = start.saturating_sub(BEFORE);
    let before = text.get(from..start).unwrap_or_default();
    let from = memchr::memrchr(b'\n', before).map_or(from, |at| from + at + 1);
    let to = (end + AFTER).min(text.len());
    let after = text.get(end..to).unwrap_or_default();
    (from, memchr::memchr(b'\n', after).map_or(to, |at| end + at))
}

/// No marker, path, reference or word, and in base64 no certificate.
fn is_secret(value: &[u8]) -> bool {
    if value.starts_with(b"LS0t") || value.starts_with(b"TFMw") {
        return holds_key(value);
    }
    let has = |of: fn(&u8) -> bool| value.iter().any(of);
    let is_left =
        !value.starts_with(b"REDACTED") && !matches!(value.first(), Some(b'/' | b'$' | b'*'));
    is_left && has(u8::is_ascii_digit) && has(u8::is_ascii_alphabetic)
}

/// Whether base64 holds something that would be found by itself. A window may have cut it within
/// four characters.
fn holds_leak(value: &[u8]) -> bool {
    (0..4).any(|skipped| {
        let value = value.get(skipped..).unwrap_or_default();
        let whole = value.len() - value.len() % 4;
        let plain = value
            .get(..whole)
            .and_then(|v| BASE64_STANDARD_NO_PAD.decode(v).ok());
        plain.is_some_and(|plain| plain.is_ascii() && !find(&plain).is_empty())
    })
}

/// Decodes base64 until a PEM marker shows.
fn holds_key(value: &[u8]) -> bool {
    let whole = value.len() - value.len() % 4;
    let plain = value
        .get(..whole)
        .and_then(|v| BASE64_STANDARD_NO_PAD.decode(v).ok());
    plain.is_some_and(|plain| {
        memchr::memmem::find(&plain, b"PRIVATE").is_some()
            || (plain.starts_with(b"LS0t") && holds_key(&plain))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_seen_and_evidence_is_not_taken_for_one() {
        let body = "a1B2".repeat(12);
        for text in [
            format!("-----BEGIN {} KEY-----", "PRIVATE"),
            format!("x=eyJhbGciOiJub25l.eyJzdWIiOiJ4{body}."),
            format!("Authorization: Bearer {body}"),
            format!("{{\"password\":\"{body}\"}}"),
            format!("postgres://u:{body}@db/x"),
            format!("LS0tLS1CRUdJTiBQUklWQVRFIEtFWS0tLS0t{body}"),
            format!(
                "x={}",
                BASE64_STANDARD_NO_PAD.encode(format!("db_password={body}"))
            ),
            format!("https://x.blob.core.windows.net/c?sv=1&sig={body}%3D"),
            format!("Set-Cookie: sid={body}; Path=/"),
            format!("whsec_{body}"),
            format!("bob:$apr1$abcd1234${body}"),
        ] {
            assert!(!find(text.as_bytes()).is_empty(), "{text}");
        }
        for text in [
            "Authorization: Bearer [REDACTED:bearer]",
            "postgres://u:[REDACTED:url-password]@db/x",
            "password: required",
            "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCk1JSUJnekNDQVNpZ0F3SUJBZ0lJ",
            "LINKERD2_PROXY_IDENTITY_TOKEN_FILE=/var/run/secrets/tokens/linkerd-identity-token",
            "http://10.0.0.1:8080/path@x",
            "Set-Cookie: [REDACTED:cookie]",
            // `the password is not in here`
            "dGhlIHBhc3N3b3JkIGlzIG5vdCBpbiBoZXJl",
        ] {
            assert_eq!(find(text.as_bytes()), [], "{text}");
        }
    }
}
