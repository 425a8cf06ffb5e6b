//! Redacts Kubernetes objects, by what their fields mean.

use serde_json::{Map, Value};

use super::text::redact_string;
use super::{Counts, marker, names, yaml};

const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// How deep values are walked. The API server itself refuses deeper objects.
const MAX_DEPTH: usize = 128;

/// Takes secrets out of an object, a list of objects or any other JSON value:
///
/// - `managedFields` and the last-applied annotation are dropped;
/// - values of environment variables, of flags in `args` and `command`, and of `ConfigMap` keys
///   go if their names smell of a secret;
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
    for (key, value) in map.iter_mut() {
        match (key.as_str(), &mut *value) {
            ("data" | "stringData" | "binaryData", Value::Object(data)) if kind == Kind::Secret => {
                blank(data, counts);
            }
            ("data" | "binaryData", Value::Object(data)) if kind == Kind::ConfigMap => {
                config_map_data(data, counts);
            }
            ("annotations", Value::Object(annotations)) => drop_last_applied(annotations, counts),
            ("args" | "command", Value::Array(words)) => flags(words, counts),
            (_, Value::Array(items)) if is_env(key) => env(items, counts),
            _ => {}
        }
        // What lies below no longer is the object itself, but a list's items still are.
        let below = if key == "items" { kind } else { Kind::Other };
        walk(value, below, depth - 1, counts);
    }
}

fn drop_last_applied(annotations: &mut Map<String, Value>, counts: &mut Counts) {
    if annotations.remove(LAST_APPLIED).is_some() {
        counts.add("last-applied");
    }
}

fn is_env(key: &str) -> bool {
    key == "env" || key.ends_with("Env")
}

fn blank(data: &mut Map<String, Value>, counts: &mut Counts) {
    for value in data.values_mut() {
        *value = Value::String(marker("secret-data"));
        counts.add("secret-data");
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

fn env(items: &mut [Value], counts: &mut Counts) {
    for item in items {
        let name = item.get("name").and_then(Value::as_str).unwrap_or_default();
        if !names::smells_of_secret(name) {
            continue;
        }
        if let Some(Value::String(value)) = item.get_mut("value")
            && !names::is_harmless(value)
        {
            *value = marker("env");
            counts.add("env");
        }
    }
}

/// `--password=x`, and `--password` followed by `x`.
fn flags(words: &mut [Value], counts: &mut Counts) {
    let mut takes_value = false;
    for word in words {
        let Value::String(text) = word else {
            takes_value = false;
            continue;
        };
        let is_flag = text.starts_with('-');
        if takes_value && !is_flag && !names::is_harmless(text) {
            *text = marker("argument");
            counts.add("argument");
            takes_value = false;
            continue;
        }
        takes_value = false;
        match text.split_once('=') {
            Some((name, value)) if is_flag || is_variable(name) => {
                if names::smells_of_secret(name) && !names::is_harmless(value) {
                    *text = format!("{name}={}", marker("argument"));
                    counts.add("argument");
                }
            }
            _ => takes_value = is_flag && names::smells_of_secret(text),
        }
    }
}

fn is_variable(name: &str) -> bool {
    name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

fn redact_text(text: &mut String, depth: usize, counts: &mut Counts) {
    // A short string cannot hold both JSON and a secret worth the name.
    if text.len() > 12
        && text.starts_with(['{', '['])
        && let Ok(mut inner) = serde_json::from_str::<Value>(text)
    {
        let mut found = Counts::default();
        if let Value::Array(items) = &mut inner {
            env(items, &mut found);
        }
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
