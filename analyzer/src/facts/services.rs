//! The table `services`: who answers behind each Service, and if nobody, why.

use std::collections::BTreeSet;

use serde_json::Value;

use super::pods::{annotation, spec_containers};
use super::row::{Row, entries, int, list, text};
use super::workloads::replicas;
use super::{Fact, Object, Sources};

/// Derives the table.
pub(super) fn derive(sources: &Sources<'_>) -> Vec<Fact> {
    sources
        .kind("Service")
        .iter()
        .map(|service| fact(sources, service))
        .collect()
}

fn fact(sources: &Sources<'_>, service: &Object) -> Fact {
    let value = &service.value;
    let (ready, not_ready, known) = endpoints(sources, service);
    let selector: Vec<_> = entries(value, "/spec/selector").collect();
    let workloads = backing_workloads(sources, service);
    let pods = selected_pods(sources, service);
    let scaled_to_zero = !workloads.is_empty() && workloads.iter().all(|w| replicas(w).0 == 0);
    let ports: Vec<Value> = list(value, "/spec/ports")
        .iter()
        .map(|p| port(p, &pods))
        .collect();
    let names: Vec<String> = workloads
        .iter()
        .map(|w| format!("{} {}", w.kind, w.name))
        .collect();
    let row = Row::new()
        .set("namespace", service.namespace.as_str())
        .set("name", service.name.as_str())
        .text("type", text(value, "/spec/type"))
        .set("headless", text(value, "/spec/clusterIP") == "None")
        .set("external", text(value, "/spec/type") == "ExternalName")
        .set("has_selector", !selector.is_empty())
        .set("ports", ports)
        .set("endpoints_known", known)
        .set("endpoints_ready", ready)
        .set("endpoints_not_ready", not_ready)
        .set("pods", pods.len())
        .set("workloads", names.join(", "))
        .set("scaled_to_zero", scaled_to_zero)
        .text("opaque_ports", annotation(value, "config.linkerd.io/opaque-ports"))
        .set("is_system", matches!(service.namespace.as_str(), "kube-system" | "default" if service.name == "kubernetes" || service.namespace == "kube-system"))
        .set("is_control_plane", service.namespace == sources.control_plane_namespace())
        .set("is_mirror", !annotation(value, "mirror.linkerd.io/remote-svc-fq-name").is_empty());
    let excerpt = format!(
        "Service {}/{}: {ready} ready and {not_ready} unready endpoints; selects {} pods of {}",
        service.namespace,
        service.name,
        pods.len(),
        if names.is_empty() {
            "no workload".to_owned()
        } else {
            names.join(", ")
        },
    );
    let mut evidence = vec![service.evidence(&excerpt)];
    for workload in &workloads {
        let (desired, ready) = replicas(workload);
        let of_workload = format!(
            "{} {}/{}: {ready} of {desired} ready",
            workload.kind, workload.namespace, workload.name
        );
        evidence.push(workload.evidence(&of_workload));
    }
    let mut subjects = vec![service.subject()];
    subjects.extend(workloads.iter().map(|w| w.subject()));
    Fact {
        subjects,
        evidence,
        fields: row.build(),
    }
}

/// Ready and unready addresses, and whether there is any record of them.
fn endpoints(sources: &Sources<'_>, service: &Object) -> (usize, usize, bool) {
    let of_service = |slice: &&Object| {
        slice.namespace == service.namespace
            && super::pods::label(&slice.value, "kubernetes.io/service-name") == service.name
    };
    let slices: Vec<&Object> = sources
        .kind("EndpointSlice")
        .iter()
        .filter(of_service)
        .collect();
    let (mut ready, mut not_ready) = (BTreeSet::new(), BTreeSet::new());
    for endpoint in slices.iter().flat_map(|s| list(&s.value, "/endpoints")) {
        let is_ready = endpoint
            .pointer("/conditions/ready")
            .and_then(Value::as_bool)
            .unwrap_or(true);
        let addresses = list(endpoint, "/addresses")
            .iter()
            .filter_map(Value::as_str);
        (if is_ready { &mut ready } else { &mut not_ready }).extend(addresses);
    }
    if !slices.is_empty() {
        return (ready.len(), not_ready.len(), true);
    }
    let Some(classic) = sources.object("Endpoints", &service.namespace, &service.name) else {
        // With lists of the namespace in the bundle, no slice means no endpoint.
        let known = !sources.kind("EndpointSlice").is_empty();
        return (0, 0, known);
    };
    let subsets = list(&classic.value, "/subsets");
    let count = |pointer| subsets.iter().map(|s| list(s, pointer).len()).sum();
    (count("/addresses"), count("/notReadyAddresses"), true)
}

fn matches_selector(labels: Option<&Value>, service: &Object) -> bool {
    let mut selector = entries(&service.value, "/spec/selector").peekable();
    selector.peek().is_some()
        && selector.all(|(name, value)| labels.and_then(|l| l.get(name)) == Some(value))
}

fn selected_pods<'a>(sources: &'a Sources<'_>, service: &Object) -> Vec<&'a Object> {
    let pods = sources
        .kind("Pod")
        .iter()
        .filter(|p| p.namespace == service.namespace);
    pods.filter(|p| matches_selector(p.value.pointer("/metadata/labels"), service))
        .collect()
}

/// Workloads whose pods the Service selects.
fn backing_workloads<'a>(sources: &'a Sources<'_>, service: &Object) -> Vec<&'a Object> {
    let kinds = ["Deployment", "StatefulSet", "DaemonSet"];
    let all = kinds.iter().flat_map(|kind| sources.kind(kind));
    all.filter(|w| w.namespace == service.namespace)
        .filter(|w| matches_selector(w.value.pointer("/spec/template/metadata/labels"), service))
        .collect()
}

/// One port of a Service, and whether a container of its pods declares the target.
fn port(port: &Value, pods: &[&Object]) -> Value {
    let number = int(port, "/port");
    let target = port
        .get("targetPort")
        .cloned()
        .or_else(|| number.map(Value::from));
    let declared = pods.iter().any(|pod| {
        spec_containers(&pod.value)
            .flat_map(|c| list(c, "/ports"))
            .any(|p| p.get("containerPort") == target.as_ref() || p.get("name") == target.as_ref())
    });
    Row::new()
        .text("name", text(port, "/name"))
        .opt("port", number)
        .opt("target_port", target)
        .set("target_declared", declared)
        .text("app_protocol", text(port, "/appProtocol"))
        .build()
}
