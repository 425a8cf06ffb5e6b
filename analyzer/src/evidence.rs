//! Evidence: where a thing stands in the bundle, and what stands there.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A place in the bundle that supports a finding.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Evidence {
    /// The entry's path.
    pub entry: String,
    /// The line, from 1; `None` where the whole entry or an object within it is meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// When it happened, if the place says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<Timestamp>,
    /// What stands there, shortened to at most [`EXCERPT_BYTES`].
    pub excerpt: String,
}

/// The longest excerpt, in bytes.
pub const EXCERPT_BYTES: usize = 400;

impl Evidence {
    /// Evidence that is a whole entry, or an object in it described by `excerpt`.
    pub fn of_entry(entry: impl Into<String>, excerpt: impl AsRef<str>) -> Self {
        Self {
            entry: entry.into(),
            line: None,
            time: None,
            excerpt: shorten(excerpt.as_ref()),
        }
    }
}

/// Cuts `text` at a character border so that it is no longer than [`EXCERPT_BYTES`].
pub fn shorten(text: &str) -> String {
    let text = text.trim_end();
    if text.len() <= EXCERPT_BYTES {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(EXCERPT_BYTES - '…'.len_utf8());
    format!("{}…", text.get(..end).unwrap_or_default())
}

/// What an excerpt says without the words that differ from one line or event to the next: numbers,
/// times, addresses, generated names, identities.
pub(crate) fn gist(excerpt: &str) -> String {
    /// What differs only after so many words is told in the same way.
    const WORDS: usize = 24;
    let is_general = |word: &&str| {
        let is_name = |pair: &[u8]| matches!(pair, [b'.', next] if next.is_ascii_alphanumeric());
        let has_digit = word.bytes().any(|b| b.is_ascii_digit());
        let is_word = word.chars().any(char::is_alphabetic);
        is_word && !has_digit && !word.ends_with('…') && !word.as_bytes().windows(2).any(is_name)
    };
    let words = excerpt.split_whitespace().filter(is_general);
    let words: Vec<&str> = words.take(WORDS).collect();
    // A sample of a metric, or a field: all that it says is in what differs.
    let is_told = words.len() > 2;
    if is_told {
        words.join(" ")
    } else {
        excerpt.to_owned()
    }
}

/// The thing in the cluster that a finding is about.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub struct Subject {
    /// Kubernetes kind (`Pod`, `Deployment`, `Service`, `Node`, …), or `Certificate`, `Cluster`.
    pub kind: String,
    /// Its namespace; `None` if it has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
}

impl Subject {
    /// A subject in a namespace.
    pub fn namespaced(
        kind: impl Into<String>,
        namespace: impl Into<String>,
        name: impl Into<String>,
    ) -> Self {
        Self {
            kind: kind.into(),
            namespace: Some(namespace.into()),
            name: name.into(),
        }
    }

    /// A subject without a namespace.
    pub fn cluster(kind: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            kind: kind.into(),
            namespace: None,
            name: name.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::gist;

    #[test]
    fn samples_of_metrics_say_different_things() {
        assert_ne!(
            gist("requests_total{port=\"1\"} 7"),
            gist("fds{port=\"1\"} 7")
        );
    }

    #[test]
    fn lines_that_differ_in_names_and_numbers_have_one_gist() {
        let event = |identity: &str, time: &str| {
            format!(
                "Warning Failed Deployment/identity: expired at {time} - CSR Identity : {identity}"
            )
        };
        let line = |stamp: &str, server: &str, error: &str| {
            format!(
                "[{stamp}s] ERROR ThreadId(02) identity{{server.addr={server}}}: certify: {error}"
            )
        };
        assert_eq!(
            gist(&event(
                "web.shop.serviceaccount.identity",
                "2026-11-23T01:11:28Z"
            )),
            gist(&event("cart.shop.servi…", "2026-11-23T01:12:28Z"))
        );
        let failed = line(
            "  350.14",
            "linkerd-identity.linkerd.svc:8080",
            "not signed",
        );
        assert_eq!(
            gist(&failed),
            gist(&line("1.0", "localhost:8080", "not signed"))
        );
        assert_ne!(
            gist(&failed),
            gist(&line("1.0", "localhost:8080", "refused"))
        );
    }
}
