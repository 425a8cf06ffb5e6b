//! Entry paths: relative, UTF-8, of normal components only.

use std::fmt;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The place of an entry below the bundle's top folder, such as
/// `cluster-resources/pods/logs/shop/cart-5f6b/linkerd-proxy.log`.
///
/// Made by [`EntryPath::parse`], so it never leaves the bundle: no empty component, no `.` or
/// `..`, no leading slash, no backslash, no control character.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct EntryPath(
    // Shared, since ledger, index and records all name it.
    Arc<str>,
);

/// Why a text is no entry path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// The path is the empty text.
    #[error("the path is empty")]
    Empty,
    /// The path starts at a root or a drive.
    #[error("`{0}` is an absolute path")]
    Absolute(String),
    /// A component is empty, `.` or `..`.
    #[error("`{0}` has the component `{1}`, which could lead outside of the bundle")]
    Component(String, String),
    /// A character that no program on every platform can store.
    #[error("`{0}` holds the character {1:?}")]
    Character(String, char),
    /// The path is not UTF-8.
    #[error("`{0}` is not UTF-8")]
    NotUtf8(String),
    /// The path has more bytes than [`crate::Limits::max_path_bytes`].
    #[error("a path of {0} bytes is longer than the limit of {1}")]
    TooLong(usize, usize),
}

impl EntryPath {
    /// Checks `text` and takes it as a path.
    ///
    /// # Errors
    /// [`PathError`] when the path could leave the bundle or cannot be stored everywhere.
    pub fn parse(text: impl Into<String>) -> Result<Self, PathError> {
        let text = text.into();
        if text.is_empty() {
            return Err(PathError::Empty);
        }
        let drive = text.as_bytes().get(1) == Some(&b':')
            && text.as_bytes().first().is_some_and(u8::is_ascii_alphabetic);
        if text.starts_with(['/', '\\']) || drive {
            return Err(PathError::Absolute(text));
        }
        if let Some(c) = text.chars().find(|c| c.is_control() || *c == '\\') {
            return Err(PathError::Character(text, c));
        }
        let bad = text.split('/').find(|c| matches!(*c, "" | "." | ".."));
        if let Some(component) = bad {
            let component = component.to_owned();
            return Err(PathError::Component(text, component));
        }
        Ok(Self(text.into()))
    }

    /// The path as text, components joined by `/`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The components, outermost first. Never empty.
    pub fn components(&self) -> impl Iterator<Item = &str> {
        self.0.split('/')
    }

    /// The last component.
    pub fn file_name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }
}

impl fmt::Display for EntryPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<EntryPath> for String {
    fn from(path: EntryPath) -> Self {
        path.0.as_ref().to_owned()
    }
}

impl TryFrom<String> for EntryPath {
    type Error = PathError;

    fn try_from(text: String) -> Result<Self, PathError> {
        Self::parse(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_could_leave_the_bundle_are_refused() {
        for text in [
            "",
            "/etc/passwd",
            "a/../../b",
            "..",
            "./a",
            "a//b",
            "a/",
            "C:/x",
            "C:\\x",
            "\\\\h\\x",
            "a\\b",
            "a\nb",
            "a\u{1b}[2Jb",
        ] {
            assert!(EntryPath::parse(text).is_err(), "{text:?} was taken");
        }
    }

    #[test]
    fn ordinary_paths_are_taken_as_they_are() {
        for text in ["manifest.json", "a/b c/d.log", "é/ü.json", "...", "a/..b"] {
            assert_eq!(EntryPath::parse(text).unwrap().as_str(), text);
        }
    }
}
