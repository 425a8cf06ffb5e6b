//! The tables `nodes`, `namespaces`, `apiservices`, `ledger`, and the raw `objects`.

use serde_json::Value;

use super::pods::{annotation, condition, label};
use super::row::{Row, flag, int, list, seconds_between, text, time};
use super::{Fact, Sources};
use crate::evidence::{Evidence, Subject};

/// Derives the table `nodes`.
pub(super) fn nodes(sources: &Sources<'_>) -> Vec<Fact> {
    let pods = sources.kind("Pod");
    let facts = sources.kind("Node").iter().map(|node| {
        let value = &node.value;
        let ready = condition(value, "Ready").unwrap_or(&Value::Null);
        let since = time(ready, "/lastTransitionTime");
        let status = text(ready, "/status");
        let pressure = |kind| condition(value, kind).is_some_and(|c| text(c, "/status") == "True");
        let row = Row::new()
            .set("name", node.name.as_str())
            .set("ready", status == "True")
            .text("status", status)
            .text("reason", text(ready, "/reason"))
            .text("message", text(ready, "/message"))
            .time("since", since)
            .opt("since_s", since.map(|t| seconds_between(t, sources.at())))
            .set("unschedulable", flag(value, "/spec/unschedulable"))
            .set("memory_pressure", pressure("MemoryPressure"))
            .set("disk_pressure", pressure("DiskPressure"))
            .set("pid_pressure", pressure("PIDPressure"))
            .set("network_unavailable", pressure("NetworkUnavailable"))
            .text("kubelet", text(value, "/status/nodeInfo/kubeletVersion"))
            .text("os", text(value, "/status/nodeInfo/osImage"))
            .text(
                "runtime",
                text(value, "/status/nodeInfo/containerRuntimeVersion"),
            )
            .set(
                "pods",
                pods.iter()
                    .filter(|p| text(&p.value, "/spec/nodeName") == node.name)
                    .count(),
            );
        let excerpt = format!(
            "Node {}: Ready {status} ({}) {}",
            node.name,
            text(ready, "/reason"),
            text(ready, "/message")
        );
        Fact {
            subjects: vec![node.subject()],
            evidence: vec![node.evidence(&excerpt)],
            fields: row.build(),
        }
    });
    facts.collect()
}

/// Derives the table `namespaces`.
pub(super) fn namespaces(sources: &Sources<'_>) -> Vec<Fact> {
    let facts = sources.kind("Namespace").iter().map(|namespace| {
        let value = &namespace.value;
        let inject = annotation(value, "linkerd.io/inject");
        let enforce = label(value, "pod-security.kubernetes.io/enforce");
        let row = Row::new()
            .set("name", namespace.name.as_str())
            .text("inject", inject)
            .text("pod_security", enforce)
            .text(
                "default_inbound_policy",
                annotation(value, "config.linkerd.io/default-inbound-policy"),
            )
            .text(
                "admission_webhooks",
                label(value, "config.linkerd.io/admission-webhooks"),
            )
            .set("config", super::pods::config(value))
            .set(
                "deleting",
                value.pointer("/metadata/deletionTimestamp").is_some(),
            );
        let excerpt = format!(
            "Namespace {}: inject {inject:?}, pod-security enforce {enforce:?}",
            namespace.name
        );
        let subjects = vec![namespace.subject()];
        Fact {
            subjects,
            evidence: vec![namespace.evidence(&excerpt)],
            fields: row.build(),
        }
    });
    facts.collect()
}

/// Derives the table `apiservices`.
pub(super) fn apiservices(sources: &Sources<'_>) -> Vec<Fact> {
    let facts = sources.kind("APIService").iter().map(|service| {
        let available = condition(&service.value, "Available").unwrap_or(&Value::Null);
        let row = Row::new()
            .set("name", service.name.as_str())
            .set("available", text(available, "/status") == "True")
            .text("reason", text(available, "/reason"))
            .text("message", text(available, "/message"))
            .text(
                "service_namespace",
                text(&service.value, "/spec/service/namespace"),
            )
            .text("service_name", text(&service.value, "/spec/service/name"));
        let excerpt = format!(
            "APIService {}: Available {} ({}) {}",
            service.name,
            text(available, "/status"),
            text(available, "/reason"),
            text(available, "/message")
        );
        Fact {
            subjects: vec![service.subject()],
            evidence: vec![service.evidence(&excerpt)],
            fields: row.build(),
        }
    });
    facts.collect()
}

/// Derives the table `ledger`: a row for each row of the manifest's ledger.
pub(super) fn ledger(sources: &Sources<'_>) -> Vec<Fact> {
    let rows = sources
        .context
        .manifest
        .map(|m| m.ledger.as_slice())
        .unwrap_or_default();
    let facts = rows.iter().filter_map(|row| {
        let outcome = serde_json::to_value(row.outcome).ok()?;
        let fields = Row::new()
            .set("source", row.source.name())
            .set("object", row.object.as_str())
            .set("outcome", outcome.clone())
            .opt("reason", row.reason.as_deref())
            .opt("status", row.status)
            .opt("duration_ms", row.duration_ms)
            .set("bytes", row.bytes);
        let reason = row.reason.as_deref().unwrap_or_default();
        let outcome = outcome.as_str().unwrap_or_default();
        let excerpt = format!("{} {}: {outcome} {reason}", row.source, row.object);
        Some(Fact {
            subjects: vec![ledger_subject(&row.object)],
            evidence: vec![Evidence::of_entry("manifest.json", excerpt)],
            fields: fields.build(),
        })
    });
    facts.collect()
}

/// The pod that a ledger row is about, where its object has the form `namespace/pod…`.
fn ledger_subject(object: &str) -> Subject {
    let mut parts = object.split(['/', ' ']);
    match (parts.next(), parts.next()) {
        (Some(namespace), Some(pod)) => Subject::namespaced("Pod", namespace, pod),
        _ => Subject::cluster("Item", object),
    }
}

/// Derives the table `objects`: the kinds that rules ask for.
pub(super) fn objects(sources: &Sources<'_>) -> Vec<Fact> {
    let wanted = &sources.context.demand.object_kinds;
    let objects = sources.all_objects().filter(|o| wanted.contains(&o.kind));
    let facts = objects.map(|object| {
        let fields = Row::new()
            .set("kind", object.kind.as_str())
            .set("namespace", object.namespace.as_str())
            .set("name", object.name.as_str())
            .opt("generation", int(&object.value, "/metadata/generation"))
            .set(
                "conditions",
                list(&object.value, "/status/conditions").to_vec(),
            )
            .set("object", object.value.clone());
        let place = if object.namespace.is_empty() {
            String::new()
        } else {
            format!("{}/", object.namespace)
        };
        let excerpt = format!("{} {place}{}", object.kind, object.name);
        let subjects = vec![object.subject()];
        Fact {
            subjects,
            evidence: vec![object.evidence(&excerpt)],
            fields: fields.build(),
        }
    });
    facts.collect()
}
