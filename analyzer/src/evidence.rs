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
