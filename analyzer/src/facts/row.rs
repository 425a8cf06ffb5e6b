//! Small helpers to read untrusted JSON and to build rows.

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::json::Json;

/// The text at a JSON pointer such as `/metadata/name`; empty if it is missing or no text.
pub(super) fn text<'a>(value: &'a Json, pointer: &str) -> &'a str {
    let found = value.pointer(pointer).and_then(Json::as_str);
    found.unwrap_or_default()
}

/// The integer at a JSON pointer, also where it is written as a text.
pub(super) fn int(value: &Json, pointer: &str) -> Option<i64> {
    let found = value.pointer(pointer)?;
    found.as_i64().or_else(|| found.as_str()?.parse().ok())
}

/// The boolean at a JSON pointer; false if it is missing.
pub(super) fn flag(value: &Json, pointer: &str) -> bool {
    let found = value.pointer(pointer).and_then(Json::as_bool);
    found.unwrap_or(false)
}

/// The list at a JSON pointer; empty if it is missing.
pub(super) fn list<'a>(value: &'a Json, pointer: &str) -> &'a [Json] {
    let found = value.pointer(pointer).and_then(Json::as_list);
    found.unwrap_or_default()
}

/// The entries of the map at a JSON pointer; none if it is missing.
pub(super) fn entries<'a>(
    value: &'a Json,
    pointer: &str,
) -> impl Iterator<Item = (&'a str, &'a Json)> {
    let found = value.pointer(pointer).and_then(Json::as_map);
    found.unwrap_or_default().iter().map(|(k, v)| (&**k, v))
}

/// The RFC 3339 time at a JSON pointer.
pub(super) fn time(value: &Json, pointer: &str) -> Option<Timestamp> {
    text(value, pointer).parse().ok()
}

/// Seconds from `from` to `to`.
pub(super) fn seconds_between(from: Timestamp, to: Timestamp) -> f64 {
    to.duration_since(from).as_secs_f64()
}

/// A row under construction. Absent values are left out, so that rules can ask with `has`.
#[derive(Debug, Default)]
pub(super) struct Row(Map<String, Value>);

impl Row {
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// Adds a field.
    pub(super) fn set(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.0.insert(name.to_owned(), value.into());
        self
    }

    /// Adds a field if there is a value.
    pub(super) fn opt(self, name: &str, value: Option<impl Into<Value>>) -> Self {
        match value {
            Some(value) => self.set(name, value),
            None => self,
        }
    }

    /// Adds a text field unless it is empty.
    pub(super) fn text(self, name: &str, value: &str) -> Self {
        if value.is_empty() {
            self
        } else {
            self.set(name, value)
        }
    }

    /// Adds a time as RFC 3339.
    pub(super) fn time(self, name: &str, value: Option<Timestamp>) -> Self {
        self.opt(name, value.map(|t| t.to_string()))
    }

    pub(super) fn build(self) -> Value {
        Value::Object(self.0)
    }
}
