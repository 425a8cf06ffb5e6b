//! What the tests of the tables share: entries and pieces made from text.

use std::sync::Arc;

use bundle::layout::EntryKind;
use bundle::{EntryInfo, EntryPath, Manifest};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Context, Demand, Fact, Facts, Piece, derive, parse};

/// The entry at a path.
pub(crate) fn entry(path: &EntryPath) -> Arc<EntryInfo> {
    Arc::new(EntryInfo {
        path: path.clone(),
        kind: EntryKind::of(path),
        bytes: None,
    })
}

/// The pieces of one entry.
pub(crate) fn pieces(path: &str, content: &str) -> Vec<Piece> {
    let entry = entry(&EntryPath::parse(path).unwrap());
    parse(&entry, content.as_bytes(), &Demand::default())
}

/// The facts of some files, at 2026-11-23T12:00:00Z.
pub(crate) fn facts(files: &[(&str, Value)], manifest: Option<&Manifest>) -> Facts {
    let pieces = files
        .iter()
        .flat_map(|(path, value)| pieces(path, &value.to_string()))
        .collect();
    let demand = Demand::default();
    let at: Timestamp = "2026-11-23T12:00:00Z".parse().unwrap();
    let facts = derive(
        pieces,
        Context {
            at,
            ages_from: at,
            manifest,
            demand: &demand,
            wanted: &crate::facts::Everything,
        },
    );
    super::fields::tests::hold(&facts);
    facts
}

/// A list as a bundle holds it.
pub(crate) fn list(kind: &str, items: &[Value]) -> Value {
    json!({"kind": format!("{kind}List"), "apiVersion": "v1", "items": items})
}

/// The row whose field has this value.
pub(crate) fn row<'a>(facts: &'a Facts, table: &str, field: &str, value: &str) -> &'a Value {
    let rows = facts.table(table);
    let is_it = |f: &&Fact| f.fields.get(field).and_then(Value::as_str) == Some(value);
    let found = rows.iter().find(is_it);
    &found
        .unwrap_or_else(|| panic!("no row of `{table}` with {field} {value}: {rows:#?}"))
        .fields
}
