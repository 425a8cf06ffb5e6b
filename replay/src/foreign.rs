//! Objects as other tools lay them out: one or a list in a file of JSON or YAML, whose own kind
//! and version say what they are.

use bundle::resources::{CUSTOM_RESOURCE_GROUPS, RESOURCES};
use serde_json::{Value, json};

use crate::store::Key;

/// Whether an entry of no known place may hold objects, told by its name.
pub(crate) fn may_hold_objects(name: &str) -> bool {
    let extension = name.rsplit_once('.').map(|(_, extension)| extension);
    matches!(extension, Some("json" | "yaml" | "yml"))
}

/// The objects of an entry with the resources that they belong to; nothing if it holds none.
///
/// # Errors
/// What is wrong with a document that looks like an object.
pub(crate) fn objects(bytes: &[u8]) -> Result<Vec<(Key, Value)>, String> {
    let mut found = Vec::new();
    if bytes.trim_ascii_start().starts_with(b"{") {
        let value = serde_json::from_slice(bytes).map_err(|e| e.to_string())?;
        take(value, &mut found);
        return Ok(found);
    }
    let text = std::str::from_utf8(bytes).map_err(|e| e.to_string())?;
    for part in bundle::yaml::cut(text) {
        let has = |key: &str| part.text.lines().any(|line| line.starts_with(key));
        let value = match part.list {
            Some(list) => {
                let items =
                    serde_saphyr::from_str::<Value>(part.text).map_err(|e| first_line(&e))?;
                json!({"kind": list.kind, "apiVersion": list.api_version, "items": items})
            }
            None if has("kind:") && has("apiVersion:") => {
                serde_saphyr::from_str(part.text).map_err(|e| first_line(&e))?
            }
            None => continue,
        };
        take(value, &mut found);
    }
    Ok(found)
}

/// What follows shows the text around the place.
fn first_line(error: &serde_saphyr::Error) -> String {
    let text = error.to_string();
    text.lines().next().unwrap_or_default().to_owned()
}

/// Takes an object, or the items of a list, which may leave their kind to the list.
fn take(mut value: Value, found: &mut Vec<(Key, Value)>) {
    let text = |value: &Value, field: &str| -> String {
        let text = value.get(field).and_then(Value::as_str);
        text.unwrap_or_default().to_owned()
    };
    let (kind, version) = (text(&value, "kind"), text(&value, "apiVersion"));
    if let Some(Value::Array(items)) = value.get_mut("items").map(Value::take) {
        let of_list = kind.strip_suffix("List").unwrap_or_default();
        for mut item in items {
            if let Value::Object(fields) = &mut item {
                let own = [("kind", of_list), ("apiVersion", version.as_str())];
                for (field, default) in own {
                    fields.entry(field).or_insert_with(|| default.into());
                }
            }
            take_one(item, found);
        }
    } else {
        take_one(value, found);
    }
}

fn take_one(object: Value, found: &mut Vec<(Key, Value)>) {
    let text = |field: &str| object.get(field).and_then(Value::as_str);
    let (Some(kind), Some(version)) = (text("kind"), text("apiVersion")) else {
        return;
    };
    let is_named = object.pointer("/metadata/name").is_some();
    if let Some(key) = resource(kind, version).filter(|_| is_named) {
        found.push((key, object));
    }
}

/// Group and plural name of a kind that bundles hold.
fn resource(kind: &str, api_version: &str) -> Option<Key> {
    let group = api_version.split_once('/').map_or("", |(group, _)| group);
    let own = RESOURCES
        .iter()
        .find(|r| r.kind == kind && r.group == group);
    if let Some(resource) = own {
        return Some((group.to_owned(), resource.plural.to_owned()));
    }
    CUSTOM_RESOURCE_GROUPS
        .contains(&group)
        .then(|| (group.to_owned(), plural(&kind.to_lowercase())))
}

/// The plural name that the definitions of the captured groups have.
fn plural(kind: &str) -> String {
    match kind.strip_suffix('y') {
        Some(stem) => format!("{stem}ies"),
        None if kind.ends_with('s') => format!("{kind}es"),
        None => format!("{kind}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> Vec<String> {
        let objects = objects(text.as_bytes()).unwrap();
        let named = objects.iter().map(|((group, plural), object)| {
            format!(
                "{plural}.{group} {}",
                object.pointer("/metadata/name").unwrap()
            )
        });
        named.collect()
    }

    #[test]
    fn objects_say_themselves_what_they_are() {
        let list =
            r#"{"kind": "PodList", "apiVersion": "v1", "items": [{"metadata": {"name": "a"}}]}"#;
        assert_eq!(told(list), [r#"pods. "a""#]);
        let yaml = "---\napiVersion: v1\nkind: List\nitems:\n- kind: Deployment\n  apiVersion: apps/v1\n  metadata: {name: b}\n\
            ---\napiVersion: policy.linkerd.io/v1alpha1\nkind: AuthorizationPolicy\nmetadata:\n  name: c\n\
            ---\njust: text\n";
        assert_eq!(
            told(yaml),
            [
                r#"deployments.apps "b""#,
                r#"authorizationpolicies.policy.linkerd.io "c""#
            ]
        );
        assert!(
            told(r#"{"kind": "Secret", "apiVersion": "v1", "metadata": {"name": "d"}}"#).is_empty()
        );
        assert!(told(r#"{"a": 1}"#).is_empty());
        assert!(objects(b"{").is_err() && objects(b"kind: [\napiVersion: x\n").is_err());
        assert_eq!(plural("gatewayclass"), "gatewayclasses");
    }
}
