//! Whether a Service and its pods agree on which ports are opaque.
//!
//! Clients ask the Service: with its annotation, or the cluster's default where it has none, their
//! proxies detect no protocol. The proxies of its pods go by the pod's. Where they do not agree,
//! one side waits for bytes that do not come.

use std::collections::BTreeSet;

use super::json::Json;
use super::kube::{is_meshed, spec_containers};
use super::row::{int, list, text};
use super::{Object, Sources};

/// What an installation has if its configuration is not known.
const DEFAULT: &str = "25,587,3306,4444,5432,6379,9300,11211";

/// What does not agree, a phrase for each port of a Service.
pub(super) fn disagreements(
    sources: &Sources<'_>,
    service: &Object,
    pods: &[&Object],
) -> BTreeSet<String> {
    let default = match text(sources.values(), "/proxy/opaquePorts") {
        "" => DEFAULT,
        ports => ports,
    };
    let meshed: Vec<&Object> = pods
        .iter()
        .copied()
        .filter(|p| is_meshed(&p.value))
        .collect();
    let own = annotated(service);
    let mut found = BTreeSet::new();
    for port in list(&service.value, "/spec/ports") {
        let Some(number) = int(port, "/port").filter(|_| is_tcp(port)) else {
            continue;
        };
        let of_service = has(own.unwrap_or(default), number, text(port, "/name"));
        for pod in &meshed {
            let theirs = annotated(pod);
            let Some((target, name)) = target(port, number, pod) else {
                continue;
            };
            let of_pod = has(theirs.unwrap_or(default), target, name);
            if of_service != of_pod && (own.is_some() || theirs.is_some()) {
                let (is, not) = if of_service {
                    ("the Service", "its pods")
                } else {
                    ("the pods", "the Service")
                };
                found.insert(format!(
                    "port {number} (target {target}) is opaque for {is}, not for {not}"
                ));
            }
        }
    }
    found
}

/// The annotation, which may be there and empty: then no port is opaque.
fn annotated(object: &Object) -> Option<&str> {
    let annotations = object.value.pointer("/metadata/annotations")?;
    annotations.get("config.linkerd.io/opaque-ports")?.as_str()
}

fn is_tcp(port: &Json) -> bool {
    matches!(text(port, "/protocol"), "" | "TCP")
}

/// Number and name of the pod's port that a Service's port leads to; `None` if no container
/// declares the name that it is given by.
fn target<'a>(port: &Json, number: i64, pod: &'a Object) -> Option<(i64, &'a str)> {
    let wanted = port.get("targetPort");
    let by_name = wanted.and_then(Json::as_str);
    let by_number = wanted.and_then(Json::as_i64).filter(|n| *n != 0);
    let mut declared = spec_containers(&pod.value).flat_map(|c| list(c, "/ports"));
    let of = |port: &'a Json| Some((int(port, "/containerPort")?, text(port, "/name")));
    if let Some(name) = by_name {
        return of(declared.find(|p| text(p, "/name") == name)?);
    }
    let target = by_number.unwrap_or(number);
    let found = declared.find(|p| int(p, "/containerPort") == Some(target));
    Some(found.and_then(of).unwrap_or((target, "")))
}

/// Whether a list such as `3306,6000-6010,redis` holds a port.
fn has(ports: &str, number: i64, name: &str) -> bool {
    ports.split(',').map(str::trim).any(|part| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        match (first.trim().parse::<i64>(), last.trim().parse::<i64>()) {
            (Ok(first), Ok(last)) => (first..=last).contains(&number),
            _ => !name.is_empty() && part == name,
        }
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::facts::testing::facts;

    fn disagreements_of(on_service: &Value, on_pod: &Value) -> Value {
        let pod = json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"namespace": "a", "name": "db-0", "labels": {"app": "db"}, "annotations": on_pod},
            "spec": {"containers": [
                {"name": "linkerd-proxy"},
                {"name": "db", "ports": [{"name": "mysql", "containerPort": 3307}]},
            ]},
        });
        let service = json!({
            "apiVersion": "v1", "kind": "Service",
            "metadata": {"namespace": "a", "name": "db", "annotations": on_service},
            "spec": {"selector": {"app": "db"}, "ports": [{"port": 3306, "targetPort": "mysql"}]},
        });
        let list = json!({"apiVersion": "v1", "kind": "List", "items": [pod, service]});
        let facts = facts(&[("all.json", list)], None);
        facts.table("services")[0].fields["opaque_differs"].clone()
    }

    #[test]
    fn each_port_is_held_against_its_target() {
        let of = |ports: &str| json!({"config.linkerd.io/opaque-ports": ports});
        let none = || json!({});
        assert_eq!(disagreements_of(&none(), &none()), json!([]));
        assert_eq!(disagreements_of(&of("3306"), &of("3300-3310")), json!([]));
        assert_eq!(disagreements_of(&of("3306"), &of("mysql, 1")), json!([]));
        let of_service = "port 3306 (target 3307) is opaque for the Service, not for its pods";
        assert_eq!(disagreements_of(&of("3306"), &none()), json!([of_service]));
        let of_pods = "port 3306 (target 3307) is opaque for the pods, not for the Service";
        assert_eq!(disagreements_of(&of(""), &of("3307")), json!([of_pods]));
        // Without its own, the cluster's default holds for the Service.
        assert_eq!(disagreements_of(&none(), &of("3307")), json!([]));
    }
}
