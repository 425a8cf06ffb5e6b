//! The table `events`: Kubernetes events of either API, and the table that
//! `kubectl get events` prints.

use std::sync::Arc;

use bundle::EntryInfo;
use serde_json::{Value, json};

use super::row::{Row, int, text, time};
use super::{Fact, Object, Piece, Sources};
use crate::evidence::Subject;

/// Derives the table.
pub(super) fn derive(sources: &Sources<'_>) -> Vec<Fact> {
    sources
        .kind("Event")
        .iter()
        .map(|event| fact(sources, event))
        .collect()
}

#[expect(
    clippy::too_many_lines,
    reason = "one line for each field of the table"
)]
fn fact(sources: &Sources<'_>, event: &Object) -> Fact {
    let value = &event.value;
    let object = value
        .pointer("/involvedObject")
        .or_else(|| value.get("regarding"))
        .unwrap_or(&Value::Null);
    let message = match text(value, "/message") {
        "" => text(value, "/note"),
        message => message,
    };
    let count = int(value, "/count")
        .or_else(|| int(value, "/series/count"))
        .or_else(|| int(value, "/deprecatedCount"))
        .unwrap_or(1);
    let times = [
        "/lastTimestamp",
        "/series/lastObservedTime",
        "/deprecatedLastTimestamp",
        "/eventTime",
    ];
    let last = times.iter().find_map(|p| time(value, p));
    let firsts = [
        "/firstTimestamp",
        "/deprecatedFirstTimestamp",
        "/eventTime",
        "/metadata/creationTimestamp",
    ];
    let first = firsts.iter().find_map(|p| time(value, p)).or(last);
    let (reason, kind) = (text(value, "/reason"), text(value, "/type"));
    let (object_kind, object_name) = (text(object, "/kind"), text(object, "/name"));
    let namespace = match text(object, "/namespace") {
        "" => event.namespace.as_str(),
        namespace => namespace,
    };
    let field_path = text(object, "/fieldPath");
    let owner = sources.owner(namespace, object_name);
    let row = Row::new()
        .set("namespace", namespace)
        .set("type", kind)
        .set("reason", reason)
        .set("message", message)
        .set("count", count)
        .time("first", first)
        .time("last", last)
        .opt(
            "age_s",
            last.map(|t| super::row::seconds_between(t, sources.at())),
        )
        .set(
            "object",
            json!({"kind": object_kind, "namespace": namespace, "name": object_name}),
        )
        .set("workload", json!({"kind": owner.kind, "name": owner.name}))
        .text("container", container(field_path, message))
        .text("reporter", reporter(value));
    let subject = match (object_kind, object_name) {
        ("", _) | (_, "") => Subject::namespaced("Event", namespace, event.name.as_str()),
        ("Node" | "Namespace", name) => Subject::cluster(object_kind, name),
        (kind, name) => Subject::namespaced(kind, namespace, name),
    };
    let times = if count > 1 {
        format!(" ({count} times)")
    } else {
        String::new()
    };
    let excerpt = format!("{kind} {reason} {object_kind}/{object_name}{times}: {message}");
    let mut evidence = event.evidence(&excerpt);
    evidence.time = last.or(first);
    Fact {
        subjects: vec![subject],
        evidence: vec![evidence],
        fields: row.build(),
    }
}

fn reporter(value: &Value) -> &str {
    match text(value, "/source/component") {
        "" => text(value, "/reportingComponent"),
        component => component,
    }
}

/// The container that an event is about: from the field path, else from the message.
fn container<'a>(field_path: &'a str, message: &'a str) -> &'a str {
    let quoted = |path: &'a str| path.split_once('{')?.1.strip_suffix('}');
    let told = message
        .split_once("failed container ")
        .map(|(_, rest)| rest.split(' ').next());
    quoted(field_path).or(told.flatten()).unwrap_or_default()
}

/// Whether text is the table that `kubectl get events` prints.
pub(super) fn is_table(start: &[u8]) -> bool {
    let line = start.split(|b| *b == b'\n').next().unwrap_or_default();
    let head = String::from_utf8_lossy(line);
    ["LAST SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"]
        .iter()
        .all(|word| head.contains(word))
}

/// Parses the table that `kubectl get events` prints, with or without the namespace column.
pub(super) fn parse_table(entry: &Arc<EntryInfo>, bytes: &[u8]) -> Vec<Piece> {
    let content = String::from_utf8_lossy(bytes);
    let mut lines = content
        .lines()
        .enumerate()
        .filter(|(_, l)| !l.trim().is_empty());
    let Some((_, head)) = lines.next() else {
        return Vec::new();
    };
    let names = [
        "NAMESPACE",
        "LAST SEEN",
        "TYPE",
        "REASON",
        "OBJECT",
        "MESSAGE",
    ];
    // Columns of a kubectl table start where their heads start.
    let mut columns: Vec<(usize, &str)> = names
        .iter()
        .filter_map(|name| Some((head.find(name)?, *name)))
        .collect();
    columns.sort_unstable();
    let rows = lines.map(|(number, line)| {
        let cell = |wanted: &str| {
            let at = columns.iter().position(|(_, name)| *name == wanted)?;
            let start = columns.get(at)?.0;
            let end = columns
                .get(at + 1)
                .map_or(line.len(), |(next, _)| (*next).min(line.len()));
            line.get(start..end).map(str::trim)
        };
        let object = cell("OBJECT").unwrap_or_default();
        let (kind, name) = object.split_once('/').unwrap_or(("", object));
        let namespace = cell("NAMESPACE").unwrap_or_default();
        let value = json!({
            "metadata": {"namespace": namespace, "name": format!("line-{}", number + 1)},
            "involvedObject": {"kind": kind_name(kind), "namespace": namespace, "name": name},
            "type": cell("TYPE"), "reason": cell("REASON"), "message": cell("MESSAGE"),
        });
        Piece::Object(Box::new(Object {
            kind: "Event".to_owned(),
            namespace: namespace.to_owned(),
            name: format!("line-{}", number + 1),
            value,
            entry: entry.path.to_string(),
            line: Some(number as u64 + 1),
        }))
    });
    rows.collect()
}

/// The kind that kubectl shortens to a lower-case resource name.
fn kind_name(resource: &str) -> String {
    let found = bundle::resources::RESOURCES
        .iter()
        .find(|r| r.kind.eq_ignore_ascii_case(resource) || r.plural == resource);
    found.map_or_else(|| resource.to_owned(), |r| r.kind.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_kubectl_is_read_by_its_columns() {
        let table = "LAST SEEN   TYPE      REASON    OBJECT            MESSAGE\n2m          Warning   BackOff   pod/cart-1        Back-off restarting failed container app in pod cart-1\n";
        assert!(is_table(table.as_bytes()));
        let entry = crate::facts::testing::entry(&bundle::EntryPath::parse("events.txt").unwrap());
        let pieces = parse_table(&entry, table.as_bytes());
        let [Piece::Object(event)] = pieces.as_slice() else {
            panic!("{pieces:?}")
        };
        assert_eq!(text(&event.value, "/reason"), "BackOff");
        assert_eq!(text(&event.value, "/involvedObject/kind"), "Pod");
        assert_eq!(container("", text(&event.value, "/message")), "app");
    }
}
