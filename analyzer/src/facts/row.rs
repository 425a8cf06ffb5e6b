//! Small helpers to read untrusted JSON and to build rows.

use jiff::Timestamp;
use serde_json::{Map, Value};

/// The value at a JSON pointer such as `/metadata/name`. Unlike `Value::pointer` it allocates
/// nothing, which counts when it is asked a hundred times for each of 20,000 pods.
pub(super) fn at<'a>(value: &'a Value, pointer: &str) -> Option<&'a Value> {
    // `~0` and `~1` stand for `~` and `/` in a key.
    if pointer.contains('~') {
        return value.pointer(pointer);
    }
    pointer
        .split('/')
        .skip(1)
        .try_fold(value, |value, key| match value {
            Value::Object(map) => map.get(key),
            Value::Array(list) => list.get(key.parse::<usize>().ok()?),
            _ => None,
        })
}

/// The text at a JSON pointer such as `/metadata/name`; empty if it is missing or no text.
pub(super) fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    at(value, pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// The integer at a JSON pointer.
pub(super) fn int(value: &Value, pointer: &str) -> Option<i64> {
    at(value, pointer).and_then(Value::as_i64)
}

/// The boolean at a JSON pointer; false if it is missing.
pub(super) fn flag(value: &Value, pointer: &str) -> bool {
    at(value, pointer).and_then(Value::as_bool).unwrap_or(false)
}

/// The list at a JSON pointer; empty if it is missing.
pub(super) fn list<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    at(value, pointer)
        .and_then(Value::as_array)
        .map(Vec::as_slice)
        .unwrap_or_default()
}

/// The entries of the object at a JSON pointer; none if it is missing.
pub(super) fn entries<'a>(
    value: &'a Value,
    pointer: &str,
) -> impl Iterator<Item = (&'a String, &'a Value)> {
    at(value, pointer)
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
}

/// The RFC 3339 time at a JSON pointer.
pub(super) fn time(value: &Value, pointer: &str) -> Option<Timestamp> {
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
