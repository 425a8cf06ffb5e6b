//! Kubernetes objects: lists as bundles hold them, and whatever `kubectl get -o json|yaml`
//! printed.

use std::sync::Arc;

use bundle::EntryInfo;
use bundle::layout::EntryKind;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::row::text;
use super::{Gap, Piece};
use crate::evidence::{Evidence, Subject};

/// One Kubernetes object and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Object {
    /// Its kind, such as `Pod`.
    pub kind: String,
    /// Its namespace; empty if it has none.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The object itself.
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

    fn new(mut value: Value, default_kind: &str, entry: &EntryInfo, line: Option<u64>) -> Self {
        if let Some(metadata) = value
            .pointer_mut("/metadata")
            .and_then(Value::as_object_mut)
        {
            metadata.remove("managedFields");
        }
        let kind = match text(&value, "/kind") {
            "" => default_kind.to_owned(),
            kind => kind.to_owned(),
        };
        let namespace = text(&value, "/metadata/namespace").to_owned();
        let name = text(&value, "/metadata/name").to_owned();
        Self {
            kind,
            namespace,
            name,
            value,
            entry: entry.path.to_string(),
            line,
        }
    }
}

#[derive(Deserialize)]
struct List<'a> {
    #[serde(default)]
    kind: String,
    #[serde(borrow, default)]
    items: Option<Vec<&'a RawValue>>,
}

/// Parses a list of objects, one object, or several YAML documents of either.
pub(super) fn parse(entry: &Arc<EntryInfo>, bytes: &[u8]) -> Vec<Piece> {
    let Ok(content) = std::str::from_utf8(bytes) else {
        return vec![gap(entry, "is not UTF-8, so no objects are read from it")];
    };
    let default_kind = default_kind(entry);
    let start = content.trim_start();
    if !start.starts_with(['{', '[']) {
        return parse_yaml(entry, content, &default_kind);
    }
    if let Ok(list) = serde_json::from_str::<List<'_>>(content)
        && let Some(items) = list.items
    {
        let kind = list
            .kind
            .strip_suffix("List")
            .filter(|k| !k.is_empty())
            .unwrap_or(&default_kind);
        return items
            .iter()
            .map(|item| parse_item(entry, content, item, kind))
            .collect();
    }
    match serde_json::from_str::<Value>(content) {
        Ok(Value::Array(items)) => items
            .into_iter()
            .map(|item| piece(Object::new(item, &default_kind, entry, None)))
            .collect(),
        Ok(value) if value.get("metadata").is_some() => {
            vec![piece(Object::new(value, &default_kind, entry, Some(1)))]
        }
        Ok(_) => Vec::new(),
        Err(e) => {
            let mut pieces = salvage(entry, content, &default_kind);
            let read = pieces.len();
            pieces.push(gap(
                entry,
                &format!("is broken JSON ({e}); {read} objects before that are read"),
            ));
            pieces
        }
    }
}

fn piece(object: Object) -> Piece {
    Piece::Object(Box::new(object))
}

fn gap(entry: &EntryInfo, detail: &str) -> Piece {
    Piece::Gap(Gap {
        entry: entry.path.to_string(),
        detail: detail.to_owned(),
    })
}

/// The kind of the items of a list that does not say it, told by the entry's path.
fn default_kind(entry: &EntryInfo) -> String {
    match (&entry.kind, entry.kind.resource()) {
        (_, Some(resource)) => resource.kind.to_owned(),
        (EntryKind::CustomObjects { crd, .. }, None) => crd.clone(),
        _ => String::new(),
    }
}

fn parse_item(entry: &EntryInfo, content: &str, item: &RawValue, kind: &str) -> Piece {
    let offset = (item.get().as_ptr() as usize).saturating_sub(content.as_ptr() as usize);
    let before = content.as_bytes().get(..offset).unwrap_or_default();
    let line = memchr::memchr_iter(b'\n', before).count() as u64 + 1;
    match serde_json::from_str(item.get()) {
        Ok(value) => piece(Object::new(value, kind, entry, Some(line))),
        Err(e) => gap(
            entry,
            &format!("the object at line {line} cannot be read: {e}"),
        ),
    }
}

/// Reads the whole objects at the start of a list that was cut or damaged.
fn salvage(entry: &EntryInfo, content: &str, default_kind: &str) -> Vec<Piece> {
    let kind = content
        .split_once("\"kind\"")
        .and_then(|(_, rest)| rest.split('"').nth(1))
        .and_then(|kind| kind.strip_suffix("List"))
        .filter(|kind| !kind.is_empty())
        .unwrap_or(default_kind);
    let Some(items) = content.find("\"items\"") else {
        return Vec::new();
    };
    let Some(bracket) = content.get(items..).and_then(|rest| rest.find('[')) else {
        return Vec::new();
    };
    let mut rest = content.get(items + bracket + 1..).unwrap_or_default();
    let mut pieces = Vec::new();
    loop {
        rest = rest.trim_start_matches(|c: char| c == ',' || c.is_whitespace());
        let mut values = serde_json::Deserializer::from_str(rest).into_iter::<Value>();
        let Some(Ok(value)) = values.next() else {
            return pieces;
        };
        let used = values.byte_offset();
        let at = content.len() - rest.len();
        let line =
            memchr::memchr_iter(b'\n', content.as_bytes().get(..at).unwrap_or_default()).count();
        pieces.push(piece(Object::new(
            value,
            kind,
            entry,
            Some(line as u64 + 1),
        )));
        rest = rest.get(used..).unwrap_or_default();
    }
}

fn parse_yaml(entry: &EntryInfo, content: &str, default_kind: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    for document in content.split("\n---") {
        let document = document.trim_start_matches("---");
        if !document.contains("kind:") {
            continue;
        }
        match serde_saphyr::from_str::<Value>(document) {
            Ok(value) => match value.get("items").and_then(Value::as_array) {
                Some(items) => pieces.extend(
                    items
                        .iter()
                        .map(|i| piece(Object::new(i.clone(), default_kind, entry, None))),
                ),
                None if value.get("metadata").is_some() => {
                    pieces.push(piece(Object::new(value, default_kind, entry, None)));
                }
                None => {}
            },
            Err(e) => {
                let first = e.to_string().lines().next().unwrap_or_default().to_owned();
                pieces.push(gap(
                    entry,
                    &format!("holds YAML that cannot be read: {first}"),
                ));
            }
        }
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;
    use bundle::EntryPath;

    fn objects(path: &str, content: &str) -> (Vec<Object>, usize) {
        let entry = crate::facts::testing::entry(&EntryPath::parse(path).unwrap());
        let mut objects = Vec::new();
        let mut gaps = 0;
        for piece in parse(&entry, content.as_bytes()) {
            match piece {
                Piece::Object(object) => objects.push(*object),
                _ => gaps += 1,
            }
        }
        (objects, gaps)
    }

    #[test]
    fn items_of_a_list_get_its_kind_and_their_line() {
        let list = "{\"kind\":\"PodList\",\"items\":[\n{\"metadata\":{\"name\":\"a\"}},\n{\"metadata\":{\"name\":\"b\"}}]}";
        let (objects, gaps) = objects("cluster-resources/pods/shop.json", list);
        assert_eq!(gaps, 0);
        let told: Vec<_> = objects
            .iter()
            .map(|o| (o.kind.as_str(), o.name.as_str(), o.line))
            .collect();
        assert_eq!(told, [("Pod", "a", Some(2)), ("Pod", "b", Some(3))]);
    }

    #[test]
    fn a_list_that_was_cut_gives_its_whole_objects_and_a_gap() {
        let list =
            "{\"kind\":\"PodList\",\"items\":[{\"metadata\":{\"name\":\"a\"}},{\"metadata\":{\"na";
        let (objects, gaps) = objects("cluster-resources/pods/shop.json", list);
        assert_eq!((objects.len(), gaps), (1, 1));
        assert_eq!(objects[0].kind, "Pod");
    }

    #[test]
    fn kubectl_yaml_of_mixed_kinds_is_read() {
        let yaml = "apiVersion: v1\nkind: List\nitems:\n- kind: Pod\n  metadata:\n    name: a\n- kind: Service\n  metadata:\n    name: b\n";
        let (objects, gaps) = objects("all.yaml", yaml);
        assert_eq!(gaps, 0);
        assert_eq!(
            objects.iter().map(|o| o.kind.as_str()).collect::<Vec<_>>(),
            ["Pod", "Service"]
        );
    }
}
