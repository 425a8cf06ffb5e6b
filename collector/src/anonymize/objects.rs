//! Anonymizes objects in JSON.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Map, Value};

use super::{Anonymizer, vocabulary};

/// Domains of annotations that the rules read.
const KNOWN: &[&str] = &["linkerd.io", "k8s.io", "kubernetes.io", "cert-manager.io"];

/// Lengths of base64 from which a string is taken for it.
const BASE64: usize = 100;

/// How deep values are walked, which is as deep as redaction leaves them.
const MAX_DEPTH: usize = 130;

impl Anonymizer {
    /// Anonymizes every string of a value.
    pub fn value(&self, value: &mut Value) {
        self.walk(value, MAX_DEPTH);
    }

    /// Puts a token in the place of every string that is a name as a whole.
    pub fn names_in(&self, value: &mut Value) {
        match value {
            Value::String(name) if !vocabulary::stays(name) => *name = self.learn(name),
            Value::Array(items) => items.iter_mut().for_each(|item| self.names_in(item)),
            _ => {}
        }
    }

    fn walk(&self, value: &mut Value, depth: usize) {
        match value {
            Value::String(text) => *text = self.field(text),
            Value::Array(items) if depth > 0 => {
                items.iter_mut().for_each(|item| self.walk(item, depth - 1));
            }
            Value::Object(map) if depth > 0 => self.map(map, depth - 1),
            Value::Array(_) | Value::Object(_) => *value = Value::Null,
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn map(&self, map: &mut Map<String, Value>, depth: usize) {
        let kind = map.get("kind").and_then(Value::as_str);
        let is_person = matches!(kind, Some("User" | "Group"));
        for (key, value) in map.iter_mut() {
            match (key.as_str(), &mut *value) {
                ("annotations", Value::Object(annotations)) => self.annotations(annotations),
                ("labels" | "matchLabels" | "selector" | "nodeSelector", Value::Object(inner)) => {
                    self.keys(inner);
                    self.walk(value, depth);
                }
                ("name", Value::String(name)) if is_person && !name.starts_with("system:") => {
                    *name = self.learn(name);
                }
                _ => self.walk(value, depth),
            }
        }
    }

    /// Anonymizes keys, which users choose.
    fn keys(&self, map: &mut Map<String, Value>) {
        let entries = std::mem::take(map).into_iter();
        map.extend(entries.map(|(key, value)| (self.string(&key), value)));
    }

    fn annotations(&self, annotations: &mut Map<String, Value>) {
        for (key, value) in annotations.iter_mut() {
            let Value::String(text) = value else { continue };
            let domain = key.split_once('/').map_or("", |(domain, _)| domain);
            let is_known = KNOWN.iter().any(|known| {
                let before = domain.strip_suffix(known);
                before.is_some_and(|b| b.is_empty() || b.ends_with('.'))
            });
            let is_digest = text.bytes().all(|b| b.is_ascii_hexdigit());
            *text = if is_known || is_digest || text.starts_with("[REDACTED:") {
                self.field(text)
            } else {
                self.learn(text)
            };
        }
        self.keys(annotations);
    }

    /// A string: JSON inside it, base64 of certificates, or text.
    fn field(&self, text: &str) -> String {
        let in_base64 = |b: u8| b.is_ascii_alphanumeric() || b"+/=".contains(&b);
        if text.len() >= BASE64 && text.bytes().all(in_base64) {
            let Ok(plain) = BASE64_STANDARD.decode(text) else {
                return text.to_owned();
            };
            let mut other = Vec::new();
            let is_text = !plain.contains(&0) && std::str::from_utf8(&plain).is_ok();
            if is_text {
                self.text(&plain, &mut other);
            }
            return if is_text && other != plain {
                BASE64_STANDARD.encode(other)
            } else {
                text.to_owned()
            };
        }
        if text.starts_with(['{', '['])
            && let Ok(mut inner) = serde_json::from_str::<Value>(text)
        {
            let before = inner.clone();
            self.walk(&mut inner, MAX_DEPTH / 2);
            return if inner == before {
                text.to_owned()
            } else {
                inner.to_string()
            };
        }
        self.string(text)
    }
}
