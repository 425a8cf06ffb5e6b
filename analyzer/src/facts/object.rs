//! One Kubernetes object, and where it stands in the bundle.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use super::json::Json;
use crate::evidence::{Evidence, Subject};

/// A short text that many objects have in common.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Arc<str>);

impl Name {
    /// The text at a JSON pointer, with its memory; empty if there is none.
    pub(super) fn shared(value: &Json, pointer: &str) -> Self {
        match value.pointer(pointer) {
            Some(Json::Text(text)) => Self(Arc::clone(text)),
            _ => Self::default(),
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Deref for Name {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Name {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl From<Arc<str>> for Name {
    fn from(text: Arc<str>) -> Self {
        Self(text)
    }
}

impl From<&Name> for String {
    fn from(name: &Name) -> Self {
        name.as_str().to_owned()
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}

impl PartialEq<&str> for Name {
    fn eq(&self, other: &&str) -> bool {
        &*self.0 == *other
    }
}

/// One Kubernetes object and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Object {
    /// Its kind, such as `Pod`.
    pub kind: Name,
    /// Its API group; empty for the core group and where nothing tells.
    pub group: Name,
    /// Its namespace; empty if it has none.
    pub namespace: Name,
    /// Its name.
    pub name: Name,
    /// The object itself, without the parts that no fact reads.
    pub value: Json,
    /// The entry that holds it.
    pub entry: Name,
    /// The line of the entry where it starts.
    pub line: Option<u64>,
}

impl Object {
    /// The object as a subject of a finding.
    pub fn subject(&self) -> Subject {
        let namespace = (!self.namespace.is_empty()).then(|| self.namespace.to_string());
        Subject {
            kind: self.kind.to_string(),
            namespace,
            name: self.name.to_string(),
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
