//! The table `namespaces`: what a namespace asks of the injector and of admission.

use super::json::Json;
use super::kube::{EXTENSION, annotation, config, is_meshed, label};
use super::row::{Row, text, time};
use super::{Fact, Object, Sources};

/// Derives the table.
pub(super) fn derive(sources: &Sources<'_>) -> Vec<Fact> {
    sources
        .kind("Namespace")
        .iter()
        .map(|namespace| fact(sources, namespace))
        .collect()
}

fn fact(sources: &Sources<'_>, namespace: &Object) -> Fact {
    let value = &namespace.value;
    let inject = annotation(value, "linkerd.io/inject");
    let enforce = label(value, "pod-security.kubernetes.io/enforce");
    let policy = annotation(value, "config.linkerd.io/default-inbound-policy");
    let admission = label(value, "config.linkerd.io/admission-webhooks");
    let pods = sources.in_namespace("Pod", &namespace.name);
    let is_valid = matches!(inject, "" | "enabled" | "disabled" | "ingress");
    let is_deleting = value.pointer("/metadata/deletionTimestamp").is_some();
    let is_control_plane = namespace.name == sources.control_plane_namespace();
    let meshed = pods.iter().filter(|p| is_meshed(&p.value)).count();
    let row = Row::new()
        .set("name", namespace.name.as_str())
        .text("inject", inject)
        .set("inject_valid", is_valid)
        .set("inject_enabled", matches!(inject, "enabled" | "ingress"))
        .text("inject_label", label(value, "linkerd.io/inject"))
        .text("pod_security", enforce)
        .text("default_inbound_policy", policy)
        .text("admission_webhooks", admission)
        .text("extension", label(value, EXTENSION))
        .set("is_control_plane", is_control_plane)
        .set("config", config(value))
        .time("created", time(value, "/metadata/creationTimestamp"))
        .set("deleting", is_deleting)
        .text("deletion_blocked", deletion_message(value))
        .set("pods", pods.len())
        .set("meshed_pods", meshed);
    let mut excerpt = format!("Namespace {}", namespace.name);
    for (what, said) in [
        ("linkerd.io/inject", inject),
        ("Pod Security enforces", enforce),
        ("default-inbound-policy", policy),
    ] {
        if !said.is_empty() {
            excerpt = format!("{excerpt}, {what} {said}");
        }
    }
    Fact {
        subjects: vec![namespace.subject()],
        evidence: vec![namespace.evidence(&excerpt)],
        fields: row.build(),
        kept: None,
    }
}

/// Why a namespace that is being deleted does not go away.
fn deletion_message(value: &Json) -> &str {
    let kinds = [
        "NamespaceDeletionDiscoveryFailure",
        "NamespaceDeletionContentFailure",
        "NamespaceContentRemaining",
    ];
    let conditions = kinds
        .iter()
        .filter_map(|kind| super::kube::condition(value, kind));
    let mut blocking = conditions.filter(|c| text(c, "/status") == "True");
    blocking
        .next()
        .map(|c| text(c, "/message"))
        .unwrap_or_default()
}
