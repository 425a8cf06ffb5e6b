//! Tells by its name whether a variable, flag, key or header holds a secret, and by its value
//! whether it is harmless all the same.

use std::sync::LazyLock;

use regex::Regex;

/// How much a name says about its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Smell {
    /// The value is a secret unless it says nothing: `password`, `api_key`, `Authorization`.
    Strong,
    /// The value is a secret unless it reads like a word of a sentence: `token`, `secret`.
    Weak,
    /// The value is a secret if it looks drawn at random: `sig`, `key`, `session`.
    IfRandom,
}

/// Words that leave no doubt.
static STRONG: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let words = "(?i)passw|passphrase|passcode|passwd|secret[-_.]?(access[-_.]?)?key|\
        (client|app|api|consumer|shared|hmac|webhook|signing|jwt|session|cookie)[-_.]?secret|\
        secret[-_.]?(string|value|id|text)$|\
        api[-_.]?(key|token)|access[-_.]?key([-_.]?secret)?$|\
        (access|refresh|auth|authentication|identity|id|bot|session|bearer|security|personal|oauth|\
        csrf|xsrf|device|registration|deploy|user|service|admin|root|vault|login|private)[-_.]?token|\
        (private|signing|encryption|master|license|account|shared[-_.]?access|storage|service|\
        decryption|crypt|app|application|integration|write|ingest|subscription|functions?|host|\
        routing|root|admin)[-_.]?key([-_.]?(pem|data|base64|b64|der|jwk))?$|keypem|key-data|\
        authorization|cookie|conn(ection)?[-_.]?str|[-_.](pwd|pass|pw|dsn|pat|jwt)$|\
        ^(pass|pw|pwd|dsn|jwt|pwd_[a-z]+|apikey|keytab|mnemonic|psk|otp|totp)$|pre[-_.]?shared|\
        seed[-_.]?phrase|htpasswd|dockerconfigjson|dockercfg|credentials?$|\
        (store|key|db|user|root|admin|ldap|bind|http|ftp|smtp|proxy|mysql|redis|sudo)pass$|\
        (php|j)sess(ion)?id$|connect\\.sid$|^saml(request|response|art)$|^x-honeycomb-team$|\
        ^x-jfrog-art-api$|userpassword$";
    Regex::new(words).ok()
});

/// Words that a name of a secret contains.
static WEAK: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let words = "(?i)secret|token|credential|webhook[-_.]?url|[-_.](key|auth)$|license";
    Regex::new(words).ok()
});

/// Names whose values are mostly something else.
static IF_RANDOM: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let words = "(?i)^(.*[-_.])?(sig|signature|code|key|sid|auth|salt|hmac|nonce|sas|assertion|\
        session([-_.]?id)?|[a-z]*sessid|jsessionid|sessionkey)$";
    Regex::new(words).ok()
});

/// Names that tell about a secret without being one.
static ABOUT: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let ends = "(?i)(file|path|dir|name|namespace|ns|ttl|audiences?|timeout|duration|lifetime|\
        expiry|expires|expiration|seconds|enabled|disabled|type|kind|algorithm|mode|version|header|\
        format|issuer|count|size|limit|ref|mount|volume|provider|refresh|interval|class|\
        projection|reviews?|required|length|policy|rotation|url|uri|endpoint|host|port|\
        controller|requests?|usage|hash|digest|checksum|sha(1|256|512)|at|age|field|selector|\
        generator|store|manager|status|state|template|prefix|suffix|index|num|total|stdin)s?$";
    Regex::new(ends).ok()
});

/// What the name says, if anything. The proxy's own variables (`LINKERD2_PROXY_...`) never name
/// a secret: they name files, addresses and identities.
pub(super) fn smell(name: &str) -> Option<Smell> {
    let name = name.trim_matches(['-', '_', '.', '$', '@', ':']);
    let matches = |set: &Option<Regex>| set.as_ref().is_none_or(|r| r.is_match(name));
    let is_strong = matches(&STRONG);
    if !is_strong && !matches(&WEAK) {
        return matches(&IF_RANDOM).then_some(Smell::IfRandom);
    }
    let is_about = ABOUT.as_ref().is_some_and(|r| r.is_match(name)) && !is_url_of_webhook(name);
    if name.starts_with("LINKERD2_PROXY_") || is_about {
        return None;
    }
    Some(if is_strong {
        Smell::Strong
    } else {
        Smell::Weak
    })
}

/// The address of a webhook is its secret.
fn is_url_of_webhook(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.contains("webhook") && name.ends_with("url")
}

/// Whether something of this name holds a secret.
pub fn smells_of_secret(name: &str) -> bool {
    !name.starts_with('_') && matches!(smell(name), Some(Smell::Strong | Smell::Weak))
}

/// Whether the value of something of this name is a secret. The name of an object is none.
pub(super) fn holds_secret(name: &str, value: &str) -> bool {
    let is_secret = match smell(name).filter(|_| !name.starts_with('_')) {
        Some(Smell::Strong) => true,
        Some(Smell::Weak) => !is_object_name(value),
        Some(Smell::IfRandom) => looks_random(value),
        None => false,
    };
    is_secret && !is_harmless(value)
}

/// The name of an object, perhaps with its namespace: small words and short numbers joined.
pub(super) fn is_object_name(text: &str) -> bool {
    let parts: Vec<&str> = text.split(['-', '/', '.']).collect();
    let plain = |part: &&str| {
        let letters = part.bytes().filter(u8::is_ascii_lowercase).count();
        let digits = part.bytes().filter(u8::is_ascii_digit).count();
        letters + digits == part.len() && (digits == 0 || part.len() <= 5)
    };
    parts.len() > 1 && parts.iter().all(plain)
}

/// Whether a value gives nothing away whatever its name: empty, a switch, a small number, a
/// duration, a path, a reference to another variable, or a marker that already stands there.
pub fn is_harmless(value: &str) -> bool {
    let value = value.trim();
    let words = [
        "true",
        "false",
        "null",
        "none",
        "nil",
        "yes",
        "no",
        "~",
        "undefined",
        "unset",
        "empty",
        "<nil>",
        "<none>",
        "<unset>",
        "redacted",
        "<redacted>",
        "[redacted]",
        "sensitive",
        "hidden",
        "<hidden>",
        "n/a",
        "on",
        "off",
        "enabled",
        "disabled",
    ];
    value.is_empty()
        || words.iter().any(|w| value.eq_ignore_ascii_case(w))
        || is_small_number(value)
        || (value.starts_with('/') && !value.starts_with("//") && looks_like_path(value))
        || (value.starts_with("$(") && value.ends_with(')'))
        || (value.starts_with("${") && value.ends_with('}'))
        || (value.starts_with("{{") && value.ends_with("}}"))
        || value.starts_with("[REDACTED:")
        || value.bytes().all(|b| b"*x.-_X".contains(&b))
}

/// A switch, a port, a duration such as `24h0m0s`.
fn is_small_number(value: &str) -> bool {
    let units = value.bytes().filter(|b| b"smhdu".contains(b)).count();
    let rest = value
        .bytes()
        .all(|b| b.is_ascii_digit() || b"smhdu.".contains(&b));
    let digits = value.bytes().filter(u8::is_ascii_digit).count();
    value.as_bytes().first().is_some_and(u8::is_ascii_digit)
        && rest
        && (digits <= 5 || (units > 0 && digits <= 8))
}

/// A base64 secret may start with a slash too, but holds no further lower-case words between
/// slashes.
fn looks_like_path(value: &str) -> bool {
    let mut parts = value.split('/').filter(|part| !part.is_empty()).peekable();
    let plain = |part: &str| {
        part.bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
            && part.bytes().filter(u8::is_ascii_uppercase).count() * 3 <= part.len()
            && !looks_random(part)
    };
    parts.peek().is_some() && parts.all(plain)
}

/// Whether a value looks drawn at random: long, of one word, of capitals, small letters and
/// digits mixed, or a long number in hexadecimal. A UUID does not: it is a name.
pub(super) fn looks_random(value: &str) -> bool {
    let value = value.trim_end_matches('=');
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"+/_-.~%".contains(&b);
    if value.len() < 16 || !value.bytes().all(allowed) || is_uuid(value) {
        return false;
    }
    let count = |of: fn(&u8) -> bool| value.bytes().filter(of).count();
    let (small, capital, digits) = (
        count(u8::is_ascii_lowercase),
        count(u8::is_ascii_uppercase),
        count(u8::is_ascii_digit),
    );
    let is_hex = value.len() >= 32 && digits > 0 && value.bytes().all(|b| b.is_ascii_hexdigit());
    let is_mixed = small > 0 && capital > 0 && digits > 0 && words(value) * 20 <= value.len() * 11;
    (is_hex || is_mixed) && entropy(value) > 3.0
}

/// Whether letters of both cases and digits were drawn at random, without words between them.
pub(super) fn is_drawn(value: &str) -> bool {
    let count = |of: fn(&u8) -> bool| value.bytes().filter(of).count();
    let least = value.len() / 12;
    count(u8::is_ascii_lowercase) > least
        && count(u8::is_ascii_uppercase) > least
        && count(u8::is_ascii_digit) > 0
        && words(value) * 20 <= value.len() * 11
        && entropy(value) > 3.5
}

/// Whether a name is that of a password.
pub(super) fn is_password(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.contains("pass") || name.contains("pwd")
}

/// Letters that stand in runs of four or more small ones, as they do in words.
fn words(value: &str) -> usize {
    let runs = value.split(|c: char| !c.is_ascii_lowercase());
    runs.map(str::len).filter(|len| *len >= 4).sum()
}

fn is_uuid(value: &str) -> bool {
    let parts: Vec<usize> = value.split('-').map(str::len).collect();
    parts == [8, 4, 4, 4, 12]
}

/// Shannon entropy in bits a character.
fn entropy(value: &str) -> f64 {
    let mut counts = std::collections::BTreeMap::<u8, u32>::new();
    value
        .bytes()
        .for_each(|b| *counts.entry(b).or_default() += 1);
    let len: f64 = counts.values().copied().map(f64::from).sum();
    let parts = counts.values().map(|n| f64::from(*n) / len);
    -parts.map(|p| p * p.log2()).sum::<f64>()
}

/// Whether a value without a telling name must be a secret. Digests, versions and addresses are
/// none.
pub(super) fn is_random_value(name: &str, value: &str) -> bool {
    let about = [
        "sha", "digest", "hash", "checksum", "commit", "revision", "version", "uid", "id",
    ];
    let name = name.to_ascii_lowercase();
    value.len() >= 20
        && !name.starts_with("linkerd2_proxy_")
        && !about.iter().any(|w| name.contains(w))
        && !value.contains("://")
        && !value.starts_with(['/', '.'])
        && looks_random(value)
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
            "SLACK_WEBHOOK_URL",
            "GOOGLE_APPLICATION_CREDENTIALS",
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
            "secret-sha256",
            "TOKEN_URL",
        ] {
            let smell = smell(name);
            assert!(
                !smells_of_secret(name) || name == "PWD",
                "{name}: {smell:?}"
            );
        }
    }

    #[test]
    fn harmless_values_stay_whatever_their_name() {
        for value in [
            "",
            "true",
            "3600",
            "24h",
            "24h0m0s",
            "/var/run/secrets/tokens/linkerd-identity-token",
            "$(OTHER)",
            "***",
        ] {
            assert!(is_harmless(value), "{value}");
        }
        for value in ["hunter2", "/Zk3+Qp9==", "1234567890123456", "//x", "123456"] {
            assert!(!is_harmless(value), "{value}");
        }
    }

    #[test]
    fn random_values_are_told_from_words_digests_and_identifiers() {
        for value in [
            "q7Zk3Qp9Lm2Xr8Vt5Yb1",
            "9f86d081884c7d659a2feaa0c55ad015",
            "wJalrXUtnFEMIK7MDENGbPxRfiCYzzzKEY12",
        ] {
            assert!(looks_random(value), "{value}");
        }
        for value in [
            "6f1b1f6e-8a3e-4f43-a7b8-58a3a4b5c6d7",
            "linkerd-destination-6b8c559b89-x2z4q",
            "ServiceAccountTokenVolumeProjection2",
            "InternalServerError500",
            "2026-11-23T00:00:00Z",
        ] {
            assert!(!looks_random(value), "{value}");
        }
    }
}
