//! Tells by its name whether a variable, flag or key holds a secret, and by its value whether it
//! is harmless all the same.

use std::sync::LazyLock;

use regex::Regex;

/// Words that a name of a secret contains.
static SECRET: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let words = "(?i)passw|passphrase|secret|token|credential|api[-_.]?key|access[-_.]?key|\
        private[-_.]?key|signing[-_.]?key|encryption[-_.]?key|master[-_.]?key|license[-_.]?key|\
        conn(ection)?[-_.]?str|keypem|key-data|cookie|\
        [-_.](pwd|pass|pw|key|auth|dsn|pat|jwt)$|^(pass|dsn|jwt|pwd_[a-z]+|apikey)$";
    Regex::new(words).ok()
});

/// Ends of names that tell about a secret without being one.
static ABOUT: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let ends = "(?i)(file|path|dir|name|namespace|ns|ttl|audiences?|timeout|duration|lifetime|\
        expiry|expiration|seconds|enabled|disabled|type|kind|algorithm|mode|version|header|\
        format|issuer|count|size|limit|ref|mount|volume|provider|refresh|interval|class|\
        projection|review|reviews)$";
    Regex::new(ends).ok()
});

/// Whether something of this name holds a secret. The proxy's own variables
/// (`LINKERD2_PROXY_...`) never do: they name files, addresses and identities.
pub fn smells_of_secret(name: &str) -> bool {
    let name = name.trim_start_matches('-');
    let matches = |set: &Option<Regex>| set.as_ref().is_none_or(|r| r.is_match(name));
    let about = || ABOUT.as_ref().is_some_and(|r| r.is_match(name));
    !name.starts_with("LINKERD2_PROXY_") && !name.starts_with('_') && matches(&SECRET) && !about()
}

/// Whether a value gives nothing away whatever its name: empty, a switch, a number, a
/// duration, a path, a reference to another variable, or a marker that already stands there.
pub fn is_harmless(value: &str) -> bool {
    let value = value.trim();
    let words = ["true", "false", "null", "none", "nil", "yes", "no", "~"];
    let is_number = |text: &str| text.len() <= 6 && text.bytes().all(|b| b.is_ascii_digit());
    value.is_empty()
        || words.iter().any(|w| value.eq_ignore_ascii_case(w))
        || is_number(value.trim_end_matches(['s', 'm', 'h', 'd']))
        || (value.starts_with('/') && !value.starts_with("//") && looks_like_path(value))
        || (value.starts_with("$(") && value.ends_with(')'))
        || (value.starts_with("${") && value.ends_with('}'))
        || value.starts_with("[REDACTED:")
        || value.bytes().all(|b| b == b'*')
}

/// A base64 secret may start with a slash too, but holds no further lower-case words between
/// slashes.
fn looks_like_path(value: &str) -> bool {
    let parts = value.split('/').filter(|part| !part.is_empty());
    let plain = |part: &str| {
        part.bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
            && part.bytes().filter(u8::is_ascii_uppercase).count() * 3 <= part.len()
    };
    parts.clone().next().is_some() && parts.into_iter().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_secrets_are_told_from_names_about_secrets() {
        for name in [
            "DB_PASSWORD",
            "api_key",
            "GITHUB_TOKEN",
            "aws_secret_access_key",
            "STRIPE_KEY",
            "--client-secret",
            "clientSecret",
            "keyPEM",
            "MYSQL_PWD",
            "REDIS_AUTH",
            "CONNECTION_STRING",
        ] {
            assert!(smells_of_secret(name), "{name}");
        }
        for name in [
            "LINKERD2_PROXY_IDENTITY_TOKEN_FILE",
            "TOKEN_TTL",
            "secretName",
            "PWD",
            "KEYBOARD",
            "--token-audience",
            "MONKEY",
            "_pod_sa",
            "AUTHOR",
        ] {
            assert!(!smells_of_secret(name), "{name}");
        }
    }

    #[test]
    fn harmless_values_stay_whatever_their_name() {
        for value in [
            "",
            "true",
            "3600",
            "24h",
            "/var/run/secrets/tokens/linkerd-identity-token",
            "$(OTHER)",
            "***",
        ] {
            assert!(is_harmless(value), "{value}");
        }
        for value in ["hunter2", "/Zk3+Qp9==", "1234567890123456", "//x"] {
            assert!(!is_harmless(value), "{value}");
        }
    }
}
