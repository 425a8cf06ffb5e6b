//! The tables `nodes`, `apiservices`, `leases`, `ledger`, and the raw `objects`.

use std::collections::BTreeMap;

use serde_json::Value;

use super::json::{Json, NULL};
use super::kube::{condition, conditions};
use super::row::{Row, flag, int, list, seconds_between, text, time};
use super::{Fact, Object, Sources};
use crate::evidence::{Evidence, Subject};

/// Derives the table `nodes`.
pub(super) fn nodes(sources: &Sources<'_>) -> Vec<Fact> {
    let mut pods: BTreeMap<&str, i64> = BTreeMap::new();
    for pod in sources.kind("Pod") {
        *pods.entry(text(&pod.value, "/spec/nodeName")).or_default() += 1;
    }
    let on_it = |node: &Object| pods.get(node.name.as_str()).copied().unwrap_or(0);
    sources
        .kind("Node")
        .iter()
        .map(|n| node(sources, n, on_it(n)))
        .collect()
}

fn node(sources: &Sources<'_>, node: &Object, pods: i64) -> Fact {
    let value = &node.value;
    let ready = condition(value, "Ready").unwrap_or(&NULL);
    let since = time(ready, "/lastTransitionTime");
    let heartbeat = time(ready, "/lastHeartbeatTime");
    let status = text(ready, "/status");
    let has = |kind| super::kube::is_true(value, kind);
    let taints = list(value, "/spec/taints").iter().map(|t| {
        let (key, said) = (text(t, "/key"), text(t, "/value"));
        let equal = if said.is_empty() {
            String::new()
        } else {
            format!("={said}")
        };
        Value::from(format!("{key}{equal}:{}", text(t, "/effect")))
    });
    let row = Row::new()
        .set("name", node.name.as_str())
        .set("ready", status == "True")
        .text("status", status)
        .text("reason", text(ready, "/reason"))
        .text("message", text(ready, "/message"))
        .time("since", since)
        .opt("since_s", since.map(|t| seconds_between(t, sources.at())))
        .opt(
            "heartbeat_age_s",
            heartbeat.map(|t| seconds_between(t, sources.at())),
        )
        .set("unschedulable", flag(value, "/spec/unschedulable"))
        .set("memory_pressure", has("MemoryPressure"))
        .set("disk_pressure", has("DiskPressure"))
        .set("pid_pressure", has("PIDPressure"))
        .set("network_unavailable", has("NetworkUnavailable"))
        .set("conditions", conditions(value))
        .set("taints", taints.collect::<Vec<_>>())
        .text("kubelet", text(value, "/status/nodeInfo/kubeletVersion"))
        .text("kernel", text(value, "/status/nodeInfo/kernelVersion"))
        .text("os", text(value, "/status/nodeInfo/osImage"))
        .text(
            "runtime",
            text(value, "/status/nodeInfo/containerRuntimeVersion"),
        )
        .text(
            "zone",
            super::kube::label(value, "topology.kubernetes.io/zone"),
        )
        .set("pods", pods);
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
        kept: None,
    }
}

/// Derives the table `apiservices`.
pub(super) fn apiservices(sources: &Sources<'_>) -> Vec<Fact> {
    let facts = sources.kind("APIService").iter().map(|service| {
        let available = condition(&service.value, "Available").unwrap_or(&NULL);
        let said = text(available, "/status");
        let row = Row::new()
            .set("name", service.name.as_str())
            .set(
                "is_local",
                service
                    .value
                    .pointer("/spec/service")
                    .is_none_or(Json::is_null),
            )
            .set("is_linkerd", service.name.ends_with(".linkerd.io"))
            .set("available", said == "True")
            .text("status", said)
            .text("reason", text(available, "/reason"))
            .text("message", text(available, "/message"))
            .time("since", time(available, "/lastTransitionTime"))
            .text(
                "service_namespace",
                text(&service.value, "/spec/service/namespace"),
            )
            .text("service_name", text(&service.value, "/spec/service/name"));
        let (reason, message) = (text(available, "/reason"), text(available, "/message"));
        let excerpt = format!(
            "APIService {}: Available {said} ({reason}) {message}",
            service.name
        );
        Fact {
            subjects: vec![service.subject()],
            evidence: vec![service.evidence(&excerpt)],
            fields: row.build(),
            kept: None,
        }
    });
    facts.collect()
}

/// Derives the table `leases`: who leads, and since when nobody has renewed it.
pub(super) fn leases(sources: &Sources<'_>) -> Vec<Fact> {
    let leases = sources
        .kind("Lease")
        .iter()
        .filter(|l| l.namespace != "kube-node-lease");
    let facts = leases.map(|lease| {
        let value = &lease.value;
        let holder = text(value, "/spec/holderIdentity");
        let renewed = time(value, "/spec/renewTime");
        let renewed_s = renewed.map(|t| seconds_between(t, sources.at()));
        let lasts_s = int(value, "/spec/leaseDurationSeconds");
        // Some holders add a random part to their pod's name.
        let pod = holder.split('_').next().unwrap_or_default();
        let pods_known = !sources.in_namespace("Pod", &lease.namespace).is_empty();
        let exists = sources.object("Pod", &lease.namespace, pod).is_some();
        let row = Row::new()
            .set("namespace", lease.namespace.as_str())
            .set("name", lease.name.as_str())
            .text("holder", holder)
            .opt("holder_exists", pods_known.then_some(exists))
            .opt("renewed_ago_s", renewed_s)
            .opt("duration_s", lasts_s)
            .set(
                "transitions",
                int(value, "/spec/leaseTransitions").unwrap_or(0),
            )
            .opt(
                "expired",
                renewed_s
                    .zip(lasts_s)
                    .map(|(ago, lasts)| ago > seconds(lasts)),
            );
        let excerpt = format!(
            "Lease {}: held by {holder}, renewed {renewed:?}",
            lease.place()
        );
        let subjects = vec![lease.subject()];
        Fact {
            subjects,
            evidence: vec![lease.evidence(&excerpt)],
            fields: row.build(),
            kept: None,
        }
    });
    facts.collect()
}

/// A whole number of seconds or milliseconds as a number that has parts.
fn seconds(whole: i64) -> f64 {
    jiff::SignedDuration::from_secs(whole).as_secs_f64()
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
            .set("covered", row.outcome.is_covered())
            .opt("reason", row.reason.as_deref())
            .opt("status", row.status)
            .opt("via", row.via.as_deref())
            .opt("path", row.path.as_ref().map(bundle::EntryPath::as_str))
            .opt(
                "duration_s",
                row.duration_ms
                    .and_then(|ms| i64::try_from(ms).ok())
                    .map(|ms| seconds(ms) / 1000.0),
            )
            .set("bytes", row.bytes);
        let reason = row.reason.as_deref().unwrap_or_default();
        let outcome = outcome.as_str().unwrap_or_default();
        let excerpt = format!("{} {}: {outcome} {reason}", row.source, row.object);
        Some(Fact {
            subjects: vec![ledger_subject(sources, &row.object)],
            evidence: vec![Evidence {
                time: row.at,
                ..Evidence::of_entry("manifest.json", excerpt)
            }],
            fields: fields.build(),
            kept: None,
        })
    });
    facts.collect()
}

/// The pod that a ledger row is about, where its object has the form `namespace/pod…`.
fn ledger_subject(sources: &Sources<'_>, object: &str) -> Subject {
    let mut parts = object.split(['/', ' ']);
    match (parts.next(), parts.next()) {
        (Some(namespace), Some(pod)) if sources.object("Pod", namespace, pod).is_some() => {
            Subject::namespaced("Pod", namespace, pod)
        }
        _ => Subject::cluster("Item", object),
    }
}

/// Derives the table `objects`: the kinds that rules ask for.
pub(super) fn objects(sources: &Sources<'_>) -> Vec<Fact> {
    let wanted = sources.context.demand.object_kinds.iter();
    let rows = wanted
        .flat_map(|kind| sources.rows("objects", sources.kind(kind), |object| [of_object(object)]));
    rows.collect()
}

fn of_object(object: &Object) -> Fact {
    let fields = Row::new()
        .set("kind", object.kind.as_str())
        .set("group", object.group.as_str())
        .set("namespace", object.namespace.as_str())
        .set("name", object.name.as_str())
        .set("conditions", conditions(&object.value))
        .set("object", &object.value);
    let excerpt = format!("{} {}", object.kind, object.place());
    Fact {
        subjects: vec![object.subject()],
        evidence: vec![object.evidence(&excerpt)],
        fields: fields.build(),
        kept: None,
    }
}
