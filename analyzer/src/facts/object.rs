//! One Kubernetes object, and where it stands in the bundle.

use serde_json::Value;

use crate::evidence::{Evidence, Subject};

/// One Kubernetes object and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Object {
    /// Its kind, such as `Pod`.
    pub kind: String,
    /// Its API group; empty for the core group and where nothing tells.
    pub group: String,
    /// Its namespace; empty if it has none.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The object itself, without the parts that no fact reads.
    pub value: Value,
    /// The entry that holds it.
    pub entry: String,
    /// The line of the entry where it starts.
    pub line: Option<u64>,
}

impl Object {
    /// The object as a subject of a finding.
    pub fn subject(&self) -> Subject {
        let namespace = (!self.namespace.is_empty()).then(|| self.namespace.clone());
        Subject {
            kind: self.kind.clone(),
            namespace,
            name: self.name.clone(),
        }
    }

    /// Evidence that is this object, in the words of `excerpt`.
    pub fn evidence(&self, excerpt: &str) -> Evidence {
        let of_entry = Evidence::of_entry(self.entry.as_str(), excerpt);
        Evidence {
            line: self.line,
            ..of_entry
        }
    }

    /// Namespace and name with a slash between them, or the name alone.
    pub fn place(&self) -> String {
        place(&self.namespace, &self.name)
    }
}

/// Namespace and name with a slash between them, or the name alone.
pub(super) fn place(namespace: &str, name: &str) -> String {
    if namespace.is_empty() {
        name.to_owned()
    } else {
        format!("{namespace}/{name}")
    }
}
