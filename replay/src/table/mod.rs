//! Tables, as kubectl asks the server for them: columns and cells by kind.

mod age;
mod cluster;
mod custom;
mod event;
mod pod;
mod workload;

use serde_json::{Value, json};

use crate::names::Gvr;
use crate::shape::metadata_only;
use crate::status::put;
use crate::store::Store;

/// One column: name, type, and whether only wide output shows it.
#[derive(Debug, Clone)]
pub(crate) struct Column {
    name: String,
    kind: String,
    format: String,
    is_wide: bool,
}

impl Column {
    /// A column from a compact description: `Name`, `Desired:integer`, `Node*` (wide only).
    fn parse(text: &str) -> Self {
        let (text, is_wide) = text.strip_suffix('*').map_or((text, false), |t| (t, true));
        let (name, kind) = text.split_once(':').unwrap_or((text, "string"));
        let format = if name == "Name" { "name" } else { "" };
        Self {
            name: name.to_owned(),
            kind: kind.to_owned(),
            format: format.to_owned(),
            is_wide,
        }
    }

    fn to_json(&self) -> Value {
        json!({
            "name": self.name,
            "type": self.kind,
            "format": self.format,
            "description": "",
            "priority": i32::from(self.is_wide),
        })
    }
}

/// Makes the cells of an object's row.
type Cells = Box<dyn Fn(&Value, &Clock) -> Vec<Value> + Send + Sync>;

/// The columns of a kind, and what fills a row of them.
pub(crate) struct Kind {
    columns: Vec<Column>,
    cells: Cells,
}

impl Kind {
    fn new(
        columns: &[&str],
        cells: impl Fn(&Value, &Clock) -> Vec<Value> + Send + Sync + 'static,
    ) -> Self {
        Self {
            columns: columns.iter().map(|c| Column::parse(c)).collect(),
            cells: Box::new(cells),
        }
    }
}

pub(crate) use age::Clock;

/// How tables of a resource are made.
pub(crate) struct Table {
    kind: Kind,
    clock: Clock,
    include: Include,
}

/// What a row says of its object besides the cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Include {
    Nothing,
    Metadata,
    Object,
}

impl Table {
    pub(crate) fn of(store: &Store, gvr: &Gvr, include: &str) -> Self {
        let include = match include {
            "None" => Include::Nothing,
            "Object" => Include::Object,
            _ => Include::Metadata,
        };
        Self {
            kind: kind(store, gvr),
            clock: Clock::at(store.now()),
            include,
        }
    }

    /// The table of a list.
    pub(crate) fn whole(&self, items: impl Iterator<Item = Value>, metadata: &Value) -> Value {
        let rows: Vec<Value> = items.map(|item| self.cells(item)).collect();
        table(&self.columns(), &rows.into(), metadata)
    }

    /// The table of one object in a watch, of which the first tells the columns.
    pub(crate) fn row(&self, item: Value, is_first: bool) -> Value {
        let columns = if is_first {
            self.columns()
        } else {
            Value::Null
        };
        let metadata = item.pointer("/metadata/resourceVersion");
        let metadata = json!({"resourceVersion": metadata});
        table(&columns, &json!([self.cells(item)]), &metadata)
    }

    /// What a bookmark holds in a watch of tables.
    pub(crate) fn bookmark(resource_version: u64) -> Value {
        let metadata = json!({"resourceVersion": resource_version.to_string()});
        table(&Value::Null, &json!([]), &metadata)
    }

    /// The table of a list up to its rows.
    pub(crate) fn head(&self, metadata: &Value) -> String {
        let columns = self.columns();
        format!(
            r#"{{"kind":"Table","apiVersion":"meta.k8s.io/v1","metadata":{metadata},"columnDefinitions":{columns},"rows":["#
        )
    }

    fn columns(&self) -> Value {
        self.kind.columns.iter().map(Column::to_json).collect()
    }

    /// The row of an object.
    pub(crate) fn cells(&self, item: Value) -> Value {
        let mut row = json!({"cells": (self.kind.cells)(&item, &self.clock)});
        match self.include {
            Include::Nothing => {}
            Include::Object => put(&mut row, "object", item),
            Include::Metadata => put(&mut row, "object", metadata_only(&item)),
        }
        row
    }
}

fn table(columns: &Value, rows: &Value, metadata: &Value) -> Value {
    json!({
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": metadata,
        "columnDefinitions": columns,
        "rows": rows,
    })
}

fn kind(store: &Store, gvr: &Gvr) -> Kind {
    let known = match (gvr.group.as_str(), gvr.plural.as_str()) {
        ("", "pods") => Some(pod::pods()),
        ("" | "events.k8s.io", "events") => Some(event::events()),
        (group, plural) => workload::kind(group, plural).or_else(|| cluster::kind(group, plural)),
    };
    known.unwrap_or_else(|| custom::kind(store, gvr))
}

/// The text at a JSON pointer; empty if it is missing.
fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// The integer at a JSON pointer; zero if it is missing.
fn int(value: &Value, pointer: &str) -> i64 {
    value
        .pointer(pointer)
        .and_then(Value::as_i64)
        .unwrap_or_default()
}

/// The list at a JSON pointer; empty if it is missing.
fn list<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    value
        .pointer(pointer)
        .and_then(Value::as_array)
        .map(Vec::as_slice)
        .unwrap_or_default()
}

/// How many entries the object or list at a JSON pointer has.
fn len(value: &Value, pointer: &str) -> usize {
    match value.pointer(pointer) {
        Some(Value::Object(map)) => map.len(),
        Some(Value::Array(list)) => list.len(),
        _ => 0,
    }
}

fn name(value: &Value) -> Value {
    json!(text(value, "/metadata/name"))
}

/// `<none>` for an empty text.
fn or_none(text: &str) -> Value {
    json!(if text.is_empty() { "<none>" } else { text })
}

/// `a=b,c=d`, as labels and selectors are shown.
fn pairs(value: Option<&Value>) -> String {
    let map = value.and_then(Value::as_object).into_iter().flatten();
    let shown = map.map(|(n, v)| format!("{n}={}", v.as_str().unwrap_or_default()));
    shown.collect::<Vec<_>>().join(",")
}

/// A label selector as kubectl shows it.
fn selector(value: &Value, pointer: &str) -> String {
    let selector = value.pointer(pointer);
    let labels = pairs(selector.and_then(|s| s.get("matchLabels")));
    let expressions = selector.and_then(|s| s.get("matchExpressions")?.as_array());
    let shown = expressions.into_iter().flatten().map(|e| {
        let key = text(e, "/key");
        let values: Vec<&str> = list(e, "/values")
            .iter()
            .filter_map(Value::as_str)
            .collect();
        match text(e, "/operator") {
            "In" => format!("{key} in ({})", values.join(",")),
            "NotIn" => format!("{key} notin ({})", values.join(",")),
            "DoesNotExist" => format!("!{key}"),
            _ => key.to_owned(),
        }
    });
    let all: Vec<String> = std::iter::once(labels)
        .filter(|l| !l.is_empty())
        .chain(shown)
        .collect();
    all.join(",")
}
