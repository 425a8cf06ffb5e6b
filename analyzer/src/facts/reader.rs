//! Reads objects from lists as bundles hold them, and from whatever `kubectl get -o json|yaml`
//! printed.

use std::sync::Arc;

use bundle::EntryInfo;
use bundle::layout::EntryKind;
use rayon::prelude::*;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::json::Json;
use super::row::text;
use super::shared::Shared;
use super::unread::Unread;
use super::{Demand, Gap, Listed, Name, Object, Piece, mend, yaml};

/// What a list says of all its items.
#[derive(Debug, Deserialize)]
struct List<'a> {
    #[serde(default)]
    kind: String,
    #[serde(default, rename = "apiVersion")]
    api_version: String,
    #[serde(borrow, default)]
    items: Option<Vec<&'a RawValue>>,
}

/// What holds for every object of one entry.
struct Reader<'a> {
    entry: &'a EntryInfo,
    path: Name,
    content: &'a str,
    kind: String,
    group: String,
    demand: &'a Demand,
}

/// Items of a list that are parsed, and share their parts, together.
const CHUNK: usize = 512;

/// Whether the text of a foreign file looks like Kubernetes objects.
pub(super) fn is_likely(start: &[u8]) -> bool {
    let head = start.get(..start.len().min(64 * 1024)).unwrap_or_default();
    let head = String::from_utf8_lossy(head);
    if head.starts_with(['{', '[']) {
        return head.contains("\"metadata\"") || head.contains("\"items\"");
    }
    yaml::is_likely(&head)
}

/// Parses a list of objects, one object, or several YAML documents of either.
pub(super) fn parse(entry: &Arc<EntryInfo>, bytes: &[u8], demand: &Demand) -> Vec<Piece> {
    let Ok(content) = std::str::from_utf8(bytes) else {
        return vec![gap(entry, "is not UTF-8, so no objects are read from it")];
    };
    let (kind, group) = default_kind(entry);
    let mut reader = Reader {
        entry,
        path: entry.path.as_str().into(),
        content,
        kind,
        group,
        demand,
    };
    let mut pieces = if content.trim_start().starts_with(['{', '[']) {
        reader.json()
    } else {
        reader.yaml()
    };
    let is_whole = !pieces.iter().any(|p| matches!(p, Piece::Gap(_)));
    if is_whole && let Some(listed) = listed(entry, &reader.kind) {
        pieces.push(Piece::Listed(listed));
    }
    pieces
}

/// Which list an entry of our layout is.
fn listed(entry: &EntryInfo, kind: &str) -> Option<Listed> {
    let (EntryKind::Objects { namespace, .. } | EntryKind::CustomObjects { namespace, .. }) =
        &entry.kind
    else {
        return None;
    };
    let namespace = namespace.clone().unwrap_or_default();
    (!kind.is_empty()).then(|| Listed {
        kind: kind.to_owned(),
        namespace,
    })
}

fn gap(entry: &EntryInfo, detail: &str) -> Piece {
    Piece::Gap(Gap {
        entry: entry.path.to_string(),
        detail: detail.to_owned(),
    })
}

/// Kind and group of the items of a list that does not say them, told by the entry's path.
fn default_kind(entry: &EntryInfo) -> (String, String) {
    match (&entry.kind, entry.kind.resource()) {
        (_, Some(resource)) => (resource.kind.to_owned(), resource.group.to_owned()),
        (EntryKind::CustomObjects { crd, .. }, None) => {
            let group = crd.split_once('.').map_or("", |(_, group)| group);
            (String::new(), group.to_owned())
        }
        _ => (String::new(), String::new()),
    }
}

/// The kind that an item of a list says.
fn kind_of(item: &str) -> String {
    #[derive(Deserialize)]
    struct Head {
        #[serde(default)]
        kind: String,
    }
    serde_json::from_str(item).map_or_else(|_| String::new(), |head: Head| head.kind)
}

fn group_of(api_version: &str) -> Option<&str> {
    api_version.split_once('/').map(|(group, _)| group)
}

impl Reader<'_> {
    fn json(&mut self) -> Vec<Piece> {
        if let Ok(list) = serde_json::from_str::<List<'_>>(self.content)
            && let Some(items) = list.items
        {
            self.learn(&list.kind, &list.api_version);
            return self.raw_items(&items);
        }
        if let Ok(items) = serde_json::from_str::<Vec<&RawValue>>(self.content) {
            return self.raw_items(&items);
        }
        match serde_json::from_str::<Value>(self.content) {
            Ok(value) if value.get("metadata").is_some() => {
                vec![self.plain_object(value, Some(1), &mut Shared::default())]
            }
            Ok(_) => Vec::new(),
            Err(e) => {
                let mut pieces = self.salvage();
                let read = pieces.len();
                pieces.push(gap(
                    self.entry,
                    &format!("is broken JSON ({e}); {read} objects before that are read"),
                ));
                pieces
            }
        }
    }

    /// Takes over what a list says of its items.
    fn learn(&mut self, list_kind: &str, api_version: &str) {
        // `kubectl get a,b -o json` makes a plain `List`, whose items say their own kind.
        if let Some(kind) = list_kind.strip_suffix("List").filter(|k| !k.is_empty()) {
            kind.clone_into(&mut self.kind);
            group_of(api_version)
                .unwrap_or(&self.group)
                .to_owned()
                .clone_into(&mut self.group);
        }
    }

    /// Parses the items of a list, which may be one of all pods of a cluster, on all cores.
    fn raw_items(&self, items: &[&RawValue]) -> Vec<Piece> {
        let mut line = 1;
        let mut seen = 0;
        let with_line = items.iter().map(|item| {
            let offset =
                (item.get().as_ptr() as usize).saturating_sub(self.content.as_ptr() as usize);
            let between = self
                .content
                .as_bytes()
                .get(seen..offset)
                .unwrap_or_default();
            line += memchr::memchr_iter(b'\n', between).count() as u64;
            seen = offset;
            (item.get(), line)
        });
        let with_line: Vec<(&str, u64)> = with_line.collect();
        let chunks = with_line.par_chunks(CHUNK).map(|chunk| {
            let mut shared = Shared::default();
            let pieces = chunk
                .iter()
                .map(|(item, line)| self.raw_item(item, *line, &mut shared));
            pieces.collect::<Vec<_>>()
        });
        chunks.collect::<Vec<_>>().into_iter().flatten().collect()
    }

    fn raw_item(&self, item: &str, line: u64, shared: &mut Shared) -> Piece {
        let unread = if self.kind.is_empty() {
            self.unread(&kind_of(item))
        } else {
            self.unread("")
        };
        match shared.parse(item, unread) {
            Ok(value) => self.object(value, Some(line), shared),
            Err(e) => gap(
                self.entry,
                &format!("the object at line {line} cannot be read: {e}"),
            ),
        }
    }

    /// What is passed over in objects that say this of their kind.
    fn unread(&self, kind: &str) -> Unread {
        let kind = if kind.is_empty() { &self.kind } else { kind };
        if self.demand.object_kinds.contains(kind) {
            Unread::NOTHING
        } else {
            Unread::of_kind(kind)
        }
    }

    /// One object that was parsed whole.
    fn plain_object(&self, mut value: Value, line: Option<u64>, shared: &mut Shared) -> Piece {
        mend::name_statuses(&mut value);
        let kind = value.get("kind").and_then(Value::as_str);
        let unread = self.unread(kind.unwrap_or_default());
        let value = shared.keep(value, unread);
        self.object(value, line, shared)
    }

    /// One object; a gap if it is none.
    fn object(&self, value: Json, line: Option<u64>, shared: &mut Shared) -> Piece {
        let at = line.map(|l| format!(" at line {l}")).unwrap_or_default();
        let kind = match text(&value, "/kind") {
            "" => &self.kind,
            kind => kind,
        };
        let name = text(&value, "/metadata/name");
        if name.is_empty() || kind.is_empty() {
            let what = if name.is_empty() { "name" } else { "kind" };
            let detail = format!("holds an item{at} without a {what}, which is left out");
            return gap(self.entry, &detail);
        }
        let group = group_of(text(&value, "/apiVersion")).unwrap_or(&self.group);
        Piece::Object(Box::new(Object {
            kind: shared.text(kind).into(),
            group: shared.text(group).into(),
            namespace: shared.text(text(&value, "/metadata/namespace")).into(),
            name: shared.text(name).into(),
            entry: self.path.clone(),
            value,
            line,
        }))
    }

    /// Reads the whole objects at the start of a list that was cut or damaged.
    fn salvage(&mut self) -> Vec<Piece> {
        let content = self.content;
        let items = content.find("\"items\"");
        let head = content.get(..items.unwrap_or(0)).unwrap_or_default();
        if let Some((_, rest)) = head.split_once("\"kind\"") {
            self.learn(rest.split('"').nth(1).unwrap_or_default(), "");
        }
        let bracket = content
            .get(items.unwrap_or(0)..)
            .and_then(|rest| rest.find('['));
        let Some(bracket) = bracket else {
            return self
                .rest(content, 1, &mut Shared::default())
                .into_iter()
                .collect();
        };
        let mut at = items.unwrap_or(0) + bracket + 1;
        let mut pieces = Vec::new();
        let mut shared = Shared::default();
        loop {
            let rest = content.get(at..).unwrap_or_default();
            let trimmed = rest.trim_start_matches(|c: char| c == ',' || c.is_whitespace());
            at = content.len() - trimmed.len();
            let before = content.as_bytes().get(..at).unwrap_or_default();
            let line = memchr::memchr_iter(b'\n', before).count() as u64 + 1;
            let mut values = serde_json::Deserializer::from_str(trimmed).into_iter::<Value>();
            let Some(Ok(value)) = values.next() else {
                pieces.extend(self.rest(trimmed, line, &mut shared));
                return pieces;
            };
            pieces.push(self.plain_object(value, Some(line), &mut shared));
            at += values.byte_offset();
        }
    }

    /// What there is of an object that was cut within its status, which stands last: what is missing
    /// of another would be taken for nothing.
    fn rest(&self, text: &str, line: u64, shared: &mut Shared) -> Option<Piece> {
        let value: Value = serde_json::from_str(&mend::closed(text)?).ok()?;
        let has_status = value.get("status").is_some_and(Value::is_object);
        let piece = has_status.then(|| self.plain_object(value, Some(line), shared));
        piece.filter(|piece| matches!(piece, Piece::Object(_)))
    }

    fn yaml(&mut self) -> Vec<Piece> {
        let mut pieces = Vec::new();
        let mut shared = Shared::default();
        for document in yaml::documents(self.content) {
            let value = match document.value {
                Ok(value) => value,
                Err(e) => {
                    let line = document.line;
                    pieces.push(gap(
                        self.entry,
                        &format!("holds YAML from line {line} that cannot be read: {e}"),
                    ));
                    continue;
                }
            };
            if document.is_item {
                pieces.push(self.plain_object(value, Some(document.line), &mut shared));
            } else {
                pieces.extend(self.document(value, document.line, &mut shared));
            }
        }
        pieces
    }

    /// A list of objects, one object, or something else, of which nothing is read.
    fn document(&mut self, mut value: Value, line: u64, shared: &mut Shared) -> Vec<Piece> {
        let Some(items) = value.get_mut("items").and_then(Value::as_array_mut) else {
            let is_object = value.get("metadata").is_some();
            return is_object
                .then(|| self.plain_object(value, Some(line), shared))
                .into_iter()
                .collect();
        };
        let items = std::mem::take(items);
        let said = |key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default();
        self.learn(said("kind"), said("apiVersion"));
        items
            .into_iter()
            .map(|item| self.plain_object(item, None, shared))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn objects(path: &str, content: &str) -> (Vec<Object>, Vec<Gap>) {
        let mut objects = Vec::new();
        let mut gaps = Vec::new();
        for piece in super::super::testing::pieces(path, content) {
            match piece {
                Piece::Object(object) => objects.push(*object),
                Piece::Gap(gap) => gaps.push(gap),
                _ => {}
            }
        }
        (objects, gaps)
    }

    #[test]
    fn items_of_a_list_get_its_kind_and_their_line() {
        let list = "{\"kind\":\"PodList\",\"items\":[\n{\"metadata\":{\"name\":\"a\"}},\n{\"metadata\":{\"name\":\"b\"}}]}";
        let (objects, gaps) = objects("cluster-resources/pods/shop.json", list);
        assert_eq!(gaps, []);
        let told: Vec<_> = objects
            .iter()
            .map(|o| (o.kind.as_str(), o.name.as_str(), o.line))
            .collect();
        assert_eq!(told, [("Pod", "a", Some(2)), ("Pod", "b", Some(3))]);
    }

    #[test]
    fn a_bare_array_gets_its_kind_from_the_path() {
        let (objects, gaps) = objects(
            "cluster-resources/nodes.json",
            "[{\"metadata\":{\"name\":\"a\"}}, 7]",
        );
        assert_eq!((objects.len(), gaps.len()), (1, 1));
        assert_eq!(objects[0].kind, "Node");
    }

    #[test]
    fn a_list_that_was_cut_gives_its_whole_objects_and_a_gap() {
        let list =
            "{\"kind\":\"PodList\",\"items\":[{\"metadata\":{\"name\":\"a\"}},{\"metadata\":{\"na";
        let (objects, gaps) = objects("pods.json", list);
        assert_eq!((objects.len(), gaps.len()), (1, 1));
        assert_eq!(objects[0].kind, "Pod");
        assert!(
            gaps[0].detail.contains("1 objects before that are read"),
            "{gaps:?}"
        );
    }

    #[test]
    fn of_an_object_that_was_cut_in_its_status_there_is_what_is_whole() {
        let pod =
            r#"{"kind":"Pod","metadata":{"name":"a"},"status":{"phase":"Failed","reason":"Evi"#;
        for text in [pod.to_owned(), format!(r#"{{"kind":"List","items":[{pod}"#)] {
            let (objects, gaps) = objects("pods.json", &text);
            assert_eq!((objects.len(), gaps.len()), (1, 1), "{text}");
            let status = objects[0].value.get("status").unwrap();
            assert_eq!(status.to_value(), serde_json::json!({"phase": "Failed"}));
        }
        let early = r#"{"kind":"Pod","metadata":{"name":"a"},"spec":{"nodeName":"n","hostNetw"#;
        assert_eq!(objects("pods.json", early).0.len(), 0);
    }

    #[test]
    fn kubectl_yaml_of_mixed_kinds_is_read() {
        let yaml = "apiVersion: v1\nkind: List\nitems:\n- kind: Pod\n  metadata:\n    name: a\n- kind: Service\n  metadata:\n    name: b\n";
        let (objects, gaps) = objects("all.yaml", yaml);
        assert_eq!(gaps, []);
        assert_eq!(
            objects.iter().map(|o| o.kind.as_str()).collect::<Vec<_>>(),
            ["Pod", "Service"]
        );
    }

    #[test]
    fn routes_of_two_groups_are_told_apart() {
        let list = r#"{"kind":"HTTPRouteList","apiVersion":"policy.linkerd.io/v1beta3","items":[{"metadata":{"name":"a"}}]}"#;
        let (objects, _) = objects("routes.json", list);
        assert_eq!(objects[0].group, "policy.linkerd.io");
    }

    #[test]
    fn json_that_is_no_object_is_passed_over() {
        for text in [
            "{\"a\":1}",
            "[]",
            "{\"time\":1}\n{\"time\":2}\n",
            "\"metadata\"",
        ] {
            let (objects, gaps) = objects("notes.json", text);
            assert_eq!((objects.len(), gaps.len()), (0, 0), "{text}");
        }
    }
}
