//! What every derivation asks of a Kubernetes object.

use serde_json::Value;

use super::row::{entries, list, text};

/// Name of the proxy's container.
pub(super) const PROXY: &str = "linkerd-proxy";

/// The label that names a component of the control plane.
pub(super) const COMPONENT: &str = "linkerd.io/control-plane-component";

/// The label that names an extension.
pub(super) const EXTENSION: &str = "linkerd.io/extension";

/// All containers of a pod, init containers first.
pub(super) fn spec_containers(pod: &Value) -> impl Iterator<Item = &Value> {
    list(pod, "/spec/initContainers")
        .iter()
        .chain(list(pod, "/spec/containers"))
}

/// All container statuses of a pod, init containers first.
pub(super) fn statuses(pod: &Value) -> impl Iterator<Item = &Value> {
    list(pod, "/status/initContainerStatuses")
        .iter()
        .chain(list(pod, "/status/containerStatuses"))
}

/// The status of one container.
pub(super) fn status_of<'a>(pod: &'a Value, container: &str) -> Option<&'a Value> {
    statuses(pod).find(|s| text(s, "/name") == container)
}

/// Whether a pod has a proxy.
pub(super) fn is_meshed(pod: &Value) -> bool {
    proxy_of(pod).is_some()
}

/// The proxy's container in a pod's spec.
pub(super) fn proxy_of(pod: &Value) -> Option<&Value> {
    spec_containers(pod).find(|c| text(c, "/name") == PROXY)
}

/// Whether a container is an init container that goes on running.
pub(super) fn is_sidecar(spec: &Value) -> bool {
    text(spec, "/restartPolicy") == "Always"
}

/// Whether the proxy is an init container that goes on running, which ends after the others.
pub(super) fn is_native_sidecar(pod: &Value) -> bool {
    let mut inits = list(pod, "/spec/initContainers").iter();
    inits.any(|c| text(c, "/name") == PROXY && is_sidecar(c))
}

/// Whether a pod belongs to the control plane itself.
pub(super) fn is_control_plane(object: &Value) -> bool {
    !label(object, COMPONENT).is_empty()
}

/// A condition of an object's status.
pub(super) fn condition<'a>(value: &'a Value, kind: &str) -> Option<&'a Value> {
    list(value, "/status/conditions")
        .iter()
        .find(|c| text(c, "/type") == kind)
}

/// Whether a condition is there and true.
pub(super) fn is_true(value: &Value, kind: &str) -> bool {
    condition(value, kind).is_some_and(|c| text(c, "/status") == "True")
}

/// The field `conditions` of a row: type to status, reason and message.
pub(super) fn conditions(value: &Value) -> Value {
    let conditions = list(value, "/status/conditions").iter().filter_map(|c| {
        let kind = text(c, "/type");
        let parts = ["status", "reason", "message"]
            .into_iter()
            .filter_map(|part| {
                let said = c.get(part)?.as_str().filter(|s| !s.is_empty())?;
                Some((part.to_owned(), Value::from(said)))
            });
        (!kind.is_empty()).then(|| (kind.to_owned(), Value::Object(parts.collect())))
    });
    Value::Object(conditions.collect())
}

/// A label of an object.
pub(super) fn label<'a>(value: &'a Value, name: &str) -> &'a str {
    of_map(value.pointer("/metadata/labels"), name)
}

/// An annotation of an object.
pub(super) fn annotation<'a>(value: &'a Value, name: &str) -> &'a str {
    of_map(value.pointer("/metadata/annotations"), name)
}

fn of_map<'a>(map: Option<&'a Value>, name: &str) -> &'a str {
    map.and_then(|m| m.get(name))
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// The Linkerd settings of an object: its `config.linkerd.io` annotations without their domain.
pub(super) fn config(value: &Value) -> Value {
    let ours = entries(value, "/metadata/annotations").filter_map(|(name, value)| {
        let prefixes = [
            "config.linkerd.io/",
            "config.beta.linkerd.io/",
            "config.alpha.linkerd.io/",
        ];
        let name = prefixes.iter().find_map(|p| name.strip_prefix(p))?;
        value.is_string().then(|| (name.to_owned(), value.clone()))
    });
    Value::Object(ours.collect())
}

/// Whether labels satisfy a label selector with `matchLabels` and `matchExpressions`. An empty
/// selector takes everything.
pub(super) fn selects(selector: &Value, labels: Option<&Value>) -> bool {
    let value_of = |key: &str| labels.and_then(|l| l.get(key)).and_then(Value::as_str);
    let mut equal = entries(selector, "/matchLabels");
    let mut expressions = list(selector, "/matchExpressions").iter();
    equal.all(|(key, value)| value_of(key).is_some() && value_of(key) == value.as_str())
        && expressions.all(|e| {
            let found = value_of(text(e, "/key"));
            let is_in = || {
                list(e, "/values")
                    .iter()
                    .any(|v| v.as_str().is_some() && v.as_str() == found)
            };
            match text(e, "/operator") {
                "In" => is_in(),
                "NotIn" => !is_in(),
                "Exists" => found.is_some(),
                "DoesNotExist" => found.is_none(),
                _ => false,
            }
        })
}

/// The registry part of an image: `cr.l5d.io`, or `docker.io` where none is named.
pub(super) fn registry(image: &str) -> &str {
    match image.split_once('/') {
        Some((first, _)) if first.contains(['.', ':']) || first == "localhost" => first,
        _ if image.is_empty() => "",
        _ => "docker.io",
    }
}

/// The tag of an image; empty if it has none or is named by a digest alone.
pub(super) fn tag(image: &str) -> &str {
    let name = image.split('@').next().unwrap_or_default();
    match name.rsplit_once(':') {
        Some((_, tag)) if !tag.contains('/') => tag,
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_image_is_taken_apart() {
        assert_eq!(registry("cr.l5d.io/linkerd/proxy:edge-26.8.3"), "cr.l5d.io");
        assert_eq!(registry("library/nginx"), "docker.io");
        assert_eq!(registry("localhost:5000/proxy"), "localhost:5000");
        assert_eq!(tag("localhost:5000/proxy"), "");
        assert_eq!(
            tag("cr.l5d.io/linkerd/proxy:edge-26.8.3@sha256:00"),
            "edge-26.8.3"
        );
    }

    #[test]
    fn a_selector_joins_labels_and_expressions() {
        let selector = json!({
            "matchLabels": {"app": "cart"},
            "matchExpressions": [
                {"key": "tier", "operator": "NotIn", "values": ["canary"]},
                {"key": "app", "operator": "Exists"},
            ],
        });
        assert!(selects(&selector, Some(&json!({"app": "cart"}))));
        assert!(!selects(
            &selector,
            Some(&json!({"app": "cart", "tier": "canary"}))
        ));
        assert!(!selects(&selector, Some(&json!({"app": 7}))));
        assert!(!selects(&selector, None));
        assert!(selects(&json!({}), None));
    }
}
