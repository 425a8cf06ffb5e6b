//! The table `services`: who answers behind each Service, and if nobody, why.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::endpoints::{Addresses, Endpoints};
use super::json::Json;
use super::kube::{annotation, config, is_meshed, label};
use super::row::{Row, entries, list, text};
use super::service_ports::{Port, listen_hints};
use super::workloads::Replicas;
use super::{Fact, Object, Sources, opaque};

/// Derives the table.
pub(super) fn derive(sources: &Sources<'_>, clients: &Clients) -> Vec<Fact> {
    let endpoints = Endpoints::of(sources);
    let mut all = Vec::new();
    for services in sources
        .kind("Service")
        .chunk_by(|a, b| a.namespace == b.namespace)
    {
        let namespace = services
            .first()
            .map(|s| s.namespace.as_str())
            .unwrap_or_default();
        let pods = Labelled::of(sources.in_namespace("Pod", namespace), services);
        all.extend(sources.rows("services", services, |service| {
            let selected = pods.selected(service);
            let addresses = endpoints.get(namespace, &service.name);
            let mut fact = fact(sources, service, &addresses, &selected);
            let key = (service.namespace.to_string(), service.name.to_string());
            if let (Some(found), Some(fields)) = (clients.get(&key), fact.fields.as_object_mut()) {
                fields.insert("clients".to_owned(), json!(found));
            }
            [fact]
        }));
    }
    all
}

/// Pods of one namespace by the labels that its Services select.
struct Labelled<'a> {
    by_label: BTreeMap<(&'a str, &'a str), Vec<&'a Object>>,
}

impl<'a> Labelled<'a> {
    fn of(pods: &'a [Object], services: &'a [Object]) -> Self {
        let selectors = services
            .iter()
            .flat_map(|s| entries(&s.value, "/spec/selector"));
        let wanted: BTreeSet<&str> = selectors.map(|(name, _)| name).collect();
        let mut by_label: BTreeMap<_, Vec<&Object>> = BTreeMap::new();
        for pod in pods {
            for (name, value) in entries(&pod.value, "/metadata/labels") {
                if let Some(value) = value.as_str().filter(|_| wanted.contains(name)) {
                    by_label.entry((name, value)).or_default().push(pod);
                }
            }
        }
        Self { by_label }
    }

    /// The pods that a Service selects; none if it has no selector.
    fn selected(&self, service: &Object) -> Vec<&'a Object> {
        let mut selector = entries(&service.value, "/spec/selector");
        let Some((name, Some(value))) = selector.next().map(|(n, v)| (n, v.as_str())) else {
            return Vec::new();
        };
        let first = self.by_label.get(&(name, value));
        let found = first.into_iter().flatten().copied();
        found
            .filter(|pod| has_labels(pod.value.pointer("/metadata/labels"), service))
            .collect()
    }
}

fn has_labels(labels: Option<&Json>, service: &Object) -> bool {
    let mut selector = entries(&service.value, "/spec/selector").peekable();
    selector.peek().is_some()
        && selector.all(|(name, value)| labels.and_then(|l| l.get(name)) == Some(value))
}

fn fact(
    sources: &Sources<'_>,
    service: &Object,
    addresses: &Addresses<'_>,
    pods: &[&Object],
) -> Fact {
    let value = &service.value;
    let workloads = backing_workloads(sources, service);
    let ports: Vec<Port> = list(value, "/spec/ports")
        .iter()
        .map(|p| Port::of(p, pods))
        .collect();
    let row = kind(Row::new(), service)
        .set("endpoints_known", addresses.is_known)
        .set("has_slices", !addresses.objects.is_empty())
        .set("endpoints_ready", addresses.ready.len())
        .set("endpoints_not_ready", addresses.not_ready.len())
        .set("endpoints_terminating", addresses.terminating.len())
        .set(
            "ports",
            ports.iter().map(|p| p.row.clone()).collect::<Vec<_>>(),
        )
        .set("target_port_mismatch", ports.iter().any(|p| p.is_mismatch))
        .set("listen_hints", json!(listen_hints(pods)))
        .set("target_port_suspect", ports.iter().any(|p| p.is_suspect))
        .set(
            "opaque_differs",
            json!(opaque::disagreements(sources, service, pods)),
        )
        .set("pods", pods.len())
        .set(
            "meshed_pods",
            pods.iter().filter(|p| is_meshed(&p.value)).count(),
        )
        .set(
            "is_control_plane",
            service.namespace == sources.control_plane_namespace(),
        )
        .set("workloads", names(&workloads).join(", "))
        .set(
            "backing",
            workloads.iter().map(|w| backing(w)).collect::<Vec<_>>(),
        )
        .set("scaled_to_zero", is_all_scaled_to_zero(&workloads, pods));
    let excerpt = excerpt(service, addresses, pods, &workloads);
    let mut evidence = vec![service.evidence(&excerpt)];
    evidence.extend(workloads.iter().map(|w| {
        w.evidence(&format!(
            "{} {}: {}",
            w.kind,
            w.place(),
            Replicas::of(w).words(w)
        ))
    }));
    evidence.extend(addresses.objects.first().map(|o| o.evidence(&excerpt)));
    let mut subjects = vec![service.subject()];
    subjects.extend(workloads.iter().map(|w| w.subject()));
    Fact {
        subjects,
        evidence,
        fields: row.build(),
        kept: None,
    }
}

/// What kind of Service it is.
fn kind(row: Row, service: &Object) -> Row {
    let value = &service.value;
    let selector: serde_json::Map<_, _> = entries(value, "/spec/selector")
        .map(|(k, v)| (k.to_owned(), v.to_value()))
        .collect();
    let kind = text(value, "/spec/type");
    row.set("namespace", service.namespace.as_str())
        .set("external", kind == "ExternalName")
        .set("name", service.name.as_str())
        .set("type", if kind.is_empty() { "ClusterIP" } else { kind })
        .text("cluster_ip", text(value, "/spec/clusterIP"))
        .set("headless", text(value, "/spec/clusterIP") == "None")
        .text("external_name", text(value, "/spec/externalName"))
        .set("has_selector", !selector.is_empty())
        .set("selector", selector)
        .text(
            "opaque_ports",
            annotation(value, "config.linkerd.io/opaque-ports"),
        )
        .set("config", config(value))
        .set("failure_accrual", has_failure_accrual(service))
        .text("component", label(value, super::kube::COMPONENT))
        .set("is_mirror", is_mirror(service))
        .set("is_system", is_system(service))
        .text("extension", label(value, super::kube::EXTENSION))
        .text(
            "mirror_of",
            annotation(value, "mirror.linkerd.io/remote-svc-fq-name"),
        )
        .text(
            "mirror_cluster",
            label(value, "mirror.linkerd.io/cluster-name"),
        )
        .text("exported", label(value, "mirror.linkerd.io/exported"))
}

/// Whether it stands for a Service of another cluster.
fn is_mirror(service: &Object) -> bool {
    !annotation(&service.value, "mirror.linkerd.io/remote-svc-fq-name").is_empty()
        || !label(&service.value, "mirror.linkerd.io/mirrored-service").is_empty()
}

/// Whether it belongs to Kubernetes itself.
fn is_system(service: &Object) -> bool {
    service.namespace == "kube-system"
        || (service.namespace == "default" && service.name == "kubernetes")
}

fn has_failure_accrual(service: &Object) -> bool {
    let mut names = entries(&service.value, "/metadata/annotations").map(|(name, _)| name);
    names.any(|n| {
        n.starts_with("balancer.linkerd.io/failure-accrual")
            || n.starts_with("balancer.alpha.linkerd.io/failure-accrual")
    })
}

fn excerpt(
    service: &Object,
    addresses: &Addresses<'_>,
    pods: &[&Object],
    workloads: &[&Object],
) -> String {
    let names = names(workloads);
    let behind = match (names.as_slice(), pods.len()) {
        ([], 0) => "selects no pod".to_owned(),
        ([], count) => format!("selects {count} pods"),
        (_, count) => format!("selects {count} pods of {}", names.join(", ")),
    };
    let counted = if addresses.is_known {
        format!(
            "{} ready and {} unready endpoints",
            addresses.ready.len(),
            addresses.not_ready.len()
        )
    } else {
        "endpoints are not in the bundle".to_owned()
    };
    format!("Service {}: {counted}; {behind}", service.place())
}

fn names(workloads: &[&Object]) -> Vec<String> {
    workloads
        .iter()
        .map(|w| format!("{} {}", w.kind, w.name))
        .collect()
}

/// Workloads whose pods the Service selects.
pub(super) fn backing_workloads<'a>(sources: &'a Sources<'_>, service: &Object) -> Vec<&'a Object> {
    let kinds = ["Deployment", "StatefulSet", "DaemonSet"];
    let all = kinds
        .iter()
        .flat_map(|kind| sources.in_namespace(kind, &service.namespace));
    all.filter(|w| has_labels(w.value.pointer("/spec/template/metadata/labels"), service))
        .collect()
}

fn backing(workload: &Object) -> Value {
    let replicas = Replicas::of(workload);
    json!({
        "kind": workload.kind.as_str(), "name": workload.name.as_str(),
        "desired": replicas.desired, "ready": replicas.ready,
        "scaled_to_zero": replicas.is_scaled_to_zero(workload),
    })
}

fn is_all_scaled_to_zero(workloads: &[&Object], pods: &[&Object]) -> bool {
    let is_running = |p: &&&Object| p.value.pointer("/metadata/deletionTimestamp").is_none();
    !workloads.is_empty()
        && workloads
            .iter()
            .all(|w| Replicas::of(w).is_scaled_to_zero(w))
        && pods.iter().filter(is_running).count() == 0
}

/// Workloads by namespace and name of the Service that metrics show them to call, in words.
pub(super) type Clients = BTreeMap<(String, String), BTreeSet<String>>;

/// Notes whom a row of metrics shows to call a Service.
pub(super) fn note_client(clients: &mut Clients, fact: &Fact) {
    let text = |name: &str| {
        let said = fact.fields.pointer(name).and_then(Value::as_str);
        said.filter(|text| !text.is_empty())
    };
    let (Some(service), Some(kind)) = (text("/dst_service"), text("/workload/kind")) else {
        return;
    };
    let or_none = |name: &str| text(name).unwrap_or_default().to_owned();
    let (namespace, name) = (or_none("/namespace"), or_none("/workload/name"));
    clients
        .entry((or_none("/dst_namespace"), service.to_owned()))
        .or_default()
        .insert(format!("{kind} {namespace}/{name}"));
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::facts::testing::{facts, list, row};

    #[test]
    fn a_service_knows_its_workload_and_its_ports() {
        let service = json!({"metadata": {"name": "cart", "namespace": "shop"}, "spec": {
            "selector": {"app": "cart"},
            "ports": [{"port": 80, "targetPort": 8080}, {"port": 81, "targetPort": "admin"}, "odd"]}});
        let deployment = json!({"metadata": {"name": "cart", "namespace": "shop"},
            "spec": {"replicas": 0, "template": {"metadata": {"labels": {"app": "cart"}}}}});
        let pod = json!({"metadata": {"name": "cart-1", "namespace": "shop", "labels": {"app": "cart"},
            "deletionTimestamp": "2026-11-23T11:59:00Z"},
            "spec": {"containers": [{"name": "cart", "ports": [{"containerPort": 8081}]}]}});
        let facts = facts(
            &[
                (
                    "cluster-resources/services/shop.json",
                    list("Service", &[service]),
                ),
                (
                    "cluster-resources/deployments/shop.json",
                    list("Deployment", &[deployment]),
                ),
                ("cluster-resources/pods/shop.json", list("Pod", &[pod])),
                (
                    "cluster-resources/endpointslices/shop.json",
                    list("EndpointSlice", &[]),
                ),
            ],
            None,
        );
        let cart = row(&facts, "services", "name", "cart");
        assert_eq!(cart["endpoints_known"], true);
        assert_eq!(cart["endpoints_ready"], 0);
        assert_eq!(cart["scaled_to_zero"], true);
        assert_eq!(cart["target_port_mismatch"], true);
        assert_eq!(cart["target_port_suspect"], true);
    }
}
