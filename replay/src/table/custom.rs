//! Rows of custom resources: the printer columns of their definition, or name and age.

use serde_json::Value;

use super::{Column, Kind, name, text};
use crate::names::Gvr;
use crate::store::Store;

pub(super) fn kind(store: &Store, gvr: &Gvr) -> Kind {
    let printers = printer_columns(store, gvr);
    let Some(printers) = printers.filter(|p| !p.is_empty()) else {
        return Kind::new(&["Name", "Age:date"], |v, clock| {
            vec![name(v), clock.age(v)]
        });
    };
    let mut columns = vec![Column::parse("Name")];
    columns.extend(printers.iter().map(|p| Column {
        name: text(p, "/name").to_owned(),
        kind: text(p, "/type").to_owned(),
        format: text(p, "/format").to_owned(),
        is_wide: p.get("priority").and_then(Value::as_i64).unwrap_or(0) > 0,
    }));
    let paths: Vec<String> = printers
        .iter()
        .map(|p| text(p, "/jsonPath").to_owned())
        .collect();
    Kind {
        columns,
        cells: Box::new(move |item, _| {
            let cells = paths
                .iter()
                .map(|path| at(item, path).cloned().unwrap_or(Value::Null));
            std::iter::once(name(item)).chain(cells).collect()
        }),
    }
}

/// The printer columns that the recorded definition gives for a version.
fn printer_columns(store: &Store, gvr: &Gvr) -> Option<Vec<Value>> {
    let definitions = Gvr {
        group: "apiextensions.k8s.io".to_owned(),
        version: "v1".to_owned(),
        plural: "customresourcedefinitions".to_owned(),
    };
    let wanted = format!("{}.{}", gvr.plural, gvr.group);
    let definition = store.objects(&definitions)?.find("", &wanted)?;
    let definition = definition.object();
    let versions = definition.pointer("/spec/versions")?.as_array()?;
    let version = versions.iter().find(|v| text(v, "/name") == gvr.version)?;
    Some(version.get("additionalPrinterColumns")?.as_array()?.clone())
}

/// The value at a JSON path of the simple kind that printer columns use, such as
/// `.status.conditions[?(@.type=="Accepted")].status`.
fn at<'a>(item: &'a Value, path: &str) -> Option<&'a Value> {
    let mut value = item;
    let mut rest = path.strip_prefix('.')?;
    while !rest.is_empty() {
        let end = rest.find(['.', '[']).unwrap_or(rest.len());
        let (field, after) = rest.split_at_checked(end)?;
        if !field.is_empty() {
            value = value.get(field)?;
        }
        rest = after;
        if let Some(after) = rest.strip_prefix('[') {
            let (inside, after) = after.split_once(']')?;
            value = pick(value, inside)?;
            rest = after;
        }
        rest = rest.strip_prefix('.').unwrap_or(rest);
    }
    Some(value)
}

/// An element of a list: by number, `*` for the first, or by a field's value.
fn pick<'a>(value: &'a Value, inside: &str) -> Option<&'a Value> {
    let list = value.as_array()?;
    if let Some(filter) = inside
        .strip_prefix("?(@.")
        .and_then(|f| f.strip_suffix(')'))
    {
        let (field, wanted) = filter.split_once("==")?;
        let wanted = wanted.trim().trim_matches(['"', '\'']);
        return list
            .iter()
            .find(|e| e.get(field.trim()).and_then(Value::as_str) == Some(wanted));
    }
    match inside {
        "*" => Some(value),
        number => list.get(number.parse::<usize>().ok()?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_paths_of_printer_columns_are_followed() {
        let item = json!({
            "spec": {"a": {"b": 3}},
            "status": {"conditions": [{"type": "Accepted", "status": "True"}], "addresses": [{"value": "x"}]},
        });
        assert_eq!(at(&item, ".spec.a.b"), Some(&json!(3)));
        assert_eq!(
            at(&item, ".status.conditions[?(@.type==\"Accepted\")].status"),
            Some(&json!("True"))
        );
        assert_eq!(at(&item, ".status.addresses[0].value"), Some(&json!("x")));
        assert_eq!(at(&item, ".spec.none.b"), None);
    }
}
