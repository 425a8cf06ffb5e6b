//! Redacts Kubernetes objects, by what their fields mean.

use serde_json::{Map, Value};

use super::text::redact_string;
use super::{Counts, arguments, marker, names, redact_line, yaml};
use crate::sources::ALLOWED_CONFIG_MAPS;

const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Bytes of a key that may be a token. Most names of fields are shorter.
const LEAST_KEY: usize = 16;

/// How deep values are walked. The API server itself refuses deeper objects.
const MAX_DEPTH: usize = 128;

/// Takes secrets out of an object, a list of objects or any other JSON value:
///
/// - `managedFields` and the last-applied annotation are dropped;
/// - values of environment variables, of flags in `args` and `command`, of `ConfigMap` keys and of
///   fields go if their names smell of a secret, those of variables and arguments also if they
///   look drawn at random;
/// - all values of a `ConfigMap` that is not one of [`ALLOWED_CONFIG_MAPS`] go;
/// - `data` and `stringData` of a `Secret` go whole;
/// - every string goes through the text patterns, and one that is JSON itself is walked too.
pub fn redact(value: &mut Value, counts: &mut Counts) {
    walk(value, Kind::Other, MAX_DEPTH, counts);
}

/// As [`redact`], for an item of a list whose kind stands on the list only.
pub fn redact_item(item: &mut Value, list_kind: &str, counts: &mut Counts) {
    let kind = Kind::of(list_kind.trim_end_matches("List"));
    walk(item, kind, MAX_DEPTH, counts);
}

/// Kinds whose `data` is special.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Secret,
    ConfigMap,
    Other,
}

impl Kind {
    fn of(kind: &str) -> Self {
        match kind {
            "Secret" => Self::Secret,
            "ConfigMap" => Self::ConfigMap,
            _ => Self::Other,
        }
    }
}

fn walk(value: &mut Value, inherited: Kind, depth: usize, counts: &mut Counts) {
    if depth == 0 {
        *value = Value::String(marker("too-deep"));
        return counts.add("too-deep");
    }
    match value {
        Value::String(text) => redact_text(text, depth, counts),
        Value::Array(items) => {
            for item in items {
                walk(item, inherited, depth - 1, counts);
            }
        }
        Value::Object(map) => walk_map(map, inherited, depth, counts),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn walk_map(map: &mut Map<String, Value>, inherited: Kind, depth: usize, counts: &mut Counts) {
    let own = map.get("kind").and_then(Value::as_str);
    let kind = own.map_or(inherited, |k| Kind::of(k.trim_end_matches("List")));
    if map.remove("managedFields").is_some() {
        counts.add("managed-fields");
    }
    pair(map, counts);
    key_in_json(map, counts);
    let is_allowed = kind != Kind::ConfigMap || is_allowed(map);
    keys(map, counts);
    for (key, value) in map.iter_mut() {
        match (key.as_str(), &mut *value) {
            ("data" | "stringData" | "binaryData", Value::Object(data)) if kind == Kind::Secret => {
                blank(data, "secret-data", counts);
            }
            ("data" | "binaryData", Value::Object(data)) if !is_allowed => {
                blank(data, "config-map", counts);
            }
            ("data" | "binaryData", Value::Object(data)) if kind == Kind::ConfigMap => {
                config_map_data(data, counts);
            }
            ("annotations", Value::Object(annotations)) => drop_last_applied(annotations, counts),
            ("args" | "command", Value::Array(words)) => arguments::redact(words, counts),
            // Labels choose objects, so that their names say nothing of secrets.
            ("labels" | "matchLabels", Value::Object(labels)) => {
                label_values(labels, counts);
                continue;
            }
            (_, Value::String(text)) => field(key, text, counts),
            _ => {}
        }
        // What lies below no longer is the object itself, but a list's items still are.
        let below = if key == "items" { kind } else { Kind::Other };
        walk(value, below, depth - 1, counts);
    }
}

/// Keys that are tokens themselves.
fn keys(map: &mut Map<String, Value>, counts: &mut Counts) {
    let is_long = |key: &&String| key.len() >= LEAST_KEY;
    let redacted = |key: &String| {
        let mut clean = key.clone();
        redact_line(&mut clean, counts);
        (clean != *key).then(|| (key.clone(), clean))
    };
    let renamed: Vec<(String, String)> = map.keys().filter(is_long).filter_map(redacted).collect();
    for (key, clean) in renamed {
        if let Some(value) = map.remove(&key) {
            map.insert(clean, value);
        }
    }
}

fn label_values(labels: &mut Map<String, Value>, counts: &mut Counts) {
    keys(labels, counts);
    for value in labels.values_mut() {
        if let Value::String(text) = value {
            redact_line(text, counts);
        }
    }
}

/// Whether the values of this `ConfigMap` are collected at all.
fn is_allowed(map: &Map<String, Value>) -> bool {
    let metadata = |field: &str| map.get("metadata")?.get(field)?.as_str();
    let (name, namespace) = (metadata("name"), metadata("namespace"));
    // The list that the objects are in has no name.
    map.contains_key("items")
        || ALLOWED_CONFIG_MAPS
            .iter()
            .any(|(allowed, from)| Some(*allowed) == name && from.may_be(namespace.unwrap_or("")))
}

/// A field or annotation whose name tells.
fn field(key: &str, text: &mut String, counts: &mut Counts) {
    let is_short = !text.contains('\n') && !text.starts_with(['{', '[']);
    let key = key.rsplit('/').next().unwrap_or(key);
    if is_short && names::holds_secret(key, text) {
        *text = marker("field");
        counts.add("field");
    }
}

fn drop_last_applied(annotations: &mut Map<String, Value>, counts: &mut Counts) {
    if annotations.remove(LAST_APPLIED).is_some() {
        counts.add("last-applied");
    }
}

fn blank(data: &mut Map<String, Value>, kind: &'static str, counts: &mut Counts) {
    let is_left = |value: &Value| value.as_str().is_none_or(|v| !v.starts_with("[REDACTED:"));
    for value in data.values_mut().filter(|v| is_left(v)) {
        *value = Value::String(marker(kind));
        counts.add(kind);
    }
}

fn config_map_data(data: &mut Map<String, Value>, counts: &mut Counts) {
    for (key, value) in data {
        let Value::String(text) = value else { continue };
        if !text.contains('\n') && names::smells_of_secret(key) && !names::is_harmless(text) {
            *text = marker("config-value");
            counts.add("config-value");
        } else if text.contains('\n') {
            *text = yaml::redact(text, counts);
        }
    }
}

/// A pair of name and value: an environment variable, a header, a parameter.
fn pair(map: &mut Map<String, Value>, counts: &mut Counts) {
    let name = map.get("name").and_then(Value::as_str).map(str::to_owned);
    if let (Some(name), Some(Value::String(value))) = (name, map.get_mut("value"))
        && (names::holds_secret(&name, value) || names::is_random_value(&name, value))
    {
        *value = marker("env");
        counts.add("env");
    }
}

/// The members of a key in JSON (RFC 7517) that must stay private.
fn key_in_json(map: &mut Map<String, Value>, counts: &mut Counts) {
    for member in ["d", "p", "q", "dp", "dq", "qi", "oth", "k"] {
        if map.contains_key("kty") && map.contains_key(member) {
            map.insert(member.to_owned(), Value::String(marker("private-key")));
            counts.add("private-key");
        }
    }
}

fn redact_text(text: &mut String, depth: usize, counts: &mut Counts) {
    // A short string cannot hold both JSON and a secret worth the name.
    if text.len() > 12
        && text.starts_with(['{', '['])
        && let Ok(mut inner) = serde_json::from_str::<Value>(text)
    {
        let mut found = Counts::default();
        walk(&mut inner, Kind::Other, depth - 1, &mut found);
        if !found.is_empty() {
            counts.merge(&found);
            *text = inner.to_string();
        }
        return;
    }
    if let Some(clean) = redact_string(text, counts) {
        *text = clean;
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn redacted(mut value: Value) -> (Value, Counts) {
        let mut counts = Counts::default();
        redact(&mut value, &mut counts);
        (value, counts)
    }

    #[test]
    fn env_values_and_arguments_go_by_name_and_the_rest_of_the_pod_stays() {
        let (pod, counts) = redacted(json!({
            "kind": "Pod",
            "metadata": {
                "name": "cart",
                "managedFields": [{}],
                "annotations": {LAST_APPLIED: "{}", "linkerd.io/inject": "enabled"},
            },
            "spec": {"containers": [{
                "args": ["--db-password=hunter2", "--token", "s3cr3t", "--token-file", "/var/run/t", "serve"],
                "env": [
                    {"name": "DB_PASSWORD", "value": "hunter2"},
                    {"name": "DATABASE_URL", "value": "postgres://cart:hunter2@db/cart"},
                    {"name": "LINKERD2_PROXY_IDENTITY_TOKEN_FILE", "value": "/var/run/secrets/tokens/x"},
                    {"name": "API_TOKEN", "valueFrom": {"secretKeyRef": {"name": "api", "key": "token"}}},
                ],
            }]},
        }));
        let text = pod.to_string();
        assert!(
            !text.contains("hunter2") && !text.contains("s3cr3t"),
            "{text}"
        );
        assert!(!text.contains("managedFields") && !text.contains("last-applied"));
        assert_eq!(
            pod.pointer("/spec/containers/0/args").unwrap(),
            &json!([
                "--db-password=[REDACTED:argument]",
                "--token",
                "[REDACTED:argument]",
                "--token-file",
                "/var/run/t",
                "serve"
            ])
        );
        assert!(text.contains("postgres://cart:[REDACTED:url-password]@db/cart"));
        assert!(text.contains("/var/run/secrets/tokens/x") && text.contains("secretKeyRef"));
        assert_eq!(counts.of("env"), 1);
        assert_eq!(counts.of("argument"), 2);
    }

    #[test]
    fn the_data_of_a_secret_goes_whole_also_within_a_list() {
        for secret in [
            json!({"kind": "Secret", "data": {"tls.crt": "YQ==", "k": "Yg=="}}),
            json!({"kind": "SecretList", "items": [{"data": {"tls.crt": "YQ==", "k": "Yg=="}}]}),
            json!({"kind": "List", "items": [{"kind": "Secret", "data": {"tls.crt": "YQ==", "k": "Yg=="}}]}),
        ] {
            let (secret, counts) = redacted(secret);
            assert!(!secret.to_string().contains("=="), "{secret}");
            assert_eq!(counts.of("secret-data"), 2);
        }
    }

    #[test]
    fn environment_variables_inside_an_annotation_are_found() {
        let (pod, _) = redacted(json!({"metadata": {"annotations": {
            "config.linkerd.io/proxy-additional-env": r#"[{"name":"VENDOR_TOKEN","value":"hunter2"}]"#,
        }}}));
        assert!(!pod.to_string().contains("hunter2"));
    }

    #[test]
    fn certificates_identities_and_addresses_survive() {
        let object = json!({
            "caBundle": "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCk1JSUJnekNDQVNpZ0F3SUJBZ0lJ",
            "anchor": "-----BEGIN CERTIFICATE-----\nMIIBgzCCASigAwIBAgIIOnF3NDElXqUw\n-----END CERTIFICATE-----\n",
            "key": "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE\n-----END PUBLIC KEY-----",
            "id": "web.shop.serviceaccount.identity.linkerd.cluster.local",
            "ip": "10.1.2.3", "port": 4191,
        });
        assert_eq!(redacted(object.clone()), (object, Counts::default()));
    }

    #[test]
    fn a_private_key_in_a_string_goes_whole() {
        let (value, counts) = redacted(json!({
            "values": "identity:\n  key: |\n    -----BEGIN EC PRIVATE KEY-----\n    MHcCAQEE\n    -----END EC PRIVATE KEY-----\n  next: 1\n",
        }));
        assert!(!value.to_string().contains("MHcCAQEE"));
        assert!(value.to_string().contains("next: 1"));
        assert_eq!(counts.of("private-key"), 1);
    }
}
