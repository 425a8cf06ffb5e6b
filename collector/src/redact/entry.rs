//! Redacts a whole file or entry, told by its name and its beginning: objects by what their fields
//! mean, anything else as text.

use serde_json::Value;

use super::{Counts, FileRedactor, object, records, yaml};
use crate::sources::read_page;

/// Bytes of a beginning that tell.
pub const HEAD_BYTES: usize = 8 << 10;

/// What a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// One object, or a list of them.
    Json,
    /// Objects for people to read.
    Yaml,
    /// Lines.
    Text,
}

/// The shape of a file of this name that starts so.
pub fn shape(name: &str, start: &[u8]) -> Shape {
    let name = name.to_ascii_lowercase();
    let ends = |ends: &[&str]| ends.iter().any(|end| name.ends_with(end));
    let first = start.trim_ascii_start();
    let is_yaml = [&b"apiVersion:"[..], b"kind:", b"---\n", b"items:"]
        .iter()
        .any(|begin| first.starts_with(begin));
    if records::begins_as_docker(start) {
        Shape::Text
    } else if ends(&[".json"]) || (first.starts_with(b"{") && !ends(&[".log", ".txt", ".ndjson"])) {
        Shape::Json
    } else if ends(&[".yaml", ".yml"]) || (is_yaml && !ends(&[".log"])) {
        Shape::Yaml
    } else {
        Shape::Text
    }
}

/// The bytes without secrets; as they were where there are none.
pub fn redact(shape: Shape, bytes: Vec<u8>, counts: &mut Counts) -> Vec<u8> {
    match shape {
        Shape::Json => json(bytes, counts),
        Shape::Yaml => yaml_text(&bytes, counts),
        Shape::Text => text(&bytes, counts),
    }
}

fn text(bytes: &[u8], counts: &mut Counts) -> Vec<u8> {
    let mut redactor = FileRedactor::default();
    let mut clean = Vec::with_capacity(bytes.len());
    redactor.push(bytes, &mut clean);
    counts.merge(&redactor.finish(&mut clean));
    clean
}

fn yaml_text(bytes: &[u8], counts: &mut Counts) -> Vec<u8> {
    let clean = yaml::redact(&String::from_utf8_lossy(bytes), counts);
    text(clean.as_bytes(), counts)
}

/// Objects as JSON; as they were if there is no secret in them, else one object per line.
fn json(bytes: Vec<u8>, counts: &mut Counts) -> Vec<u8> {
    let mut found = Counts::default();
    let clean = list(&bytes, &mut found).or_else(|| {
        let mut value: Value = serde_json::from_slice(&bytes).ok()?;
        object::redact(&mut value, &mut found);
        Some(value.to_string() + "\n")
    });
    match clean {
        Some(_) if found.is_empty() => bytes,
        Some(clean) => {
            counts.merge(&found);
            clean.into_bytes()
        }
        // Not JSON after all, or several documents one after the other.
        None => yaml_text(&bytes, counts),
    }
}

/// A value as JSON, the objects of a list on lines of their own.
pub fn to_lines(mut value: Value) -> Vec<u8> {
    let items = value.get_mut("items").and_then(Value::as_array_mut);
    let Some(items) = items.map(std::mem::take) else {
        return (value.to_string() + "\n").into_bytes();
    };
    if let Value::Object(map) = &mut value {
        map.remove("items");
    }
    let head = value.to_string();
    let head = head.strip_suffix('}').unwrap_or(&head);
    let comma = if head.len() > 1 { "," } else { "" };
    let items: Vec<String> = items.iter().map(Value::to_string).collect();
    format!("{head}{comma}\"items\":[\n{}\n]}}\n", items.join(",\n")).into_bytes()
}

/// A Kubernetes list; `None` if it is something else.
fn list(bytes: &[u8], counts: &mut Counts) -> Option<String> {
    let kind = list_kind(bytes)?;
    let mut items = Vec::new();
    let head = read_page(bytes, &mut |mut item| {
        object::redact_item(&mut item, &kind, counts);
        items.push(item.to_string());
        Ok(())
    });
    let head = head.ok()?;
    Some(format!(
        "{},\"items\":[\n{}\n]}}\n",
        head.open(),
        items.join(",\n")
    ))
}

/// The kind of a list, read without building its objects.
fn list_kind(bytes: &[u8]) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Head {
        kind: String,
        #[serde(rename = "items")]
        _items: Vec<serde::de::IgnoredAny>,
    }
    let head: Head = serde_json::from_slice(bytes).ok()?;
    head.kind.ends_with("List").then_some(head.kind)
}
