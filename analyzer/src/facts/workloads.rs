//! The table `workloads`: Deployments, `StatefulSets`, `DaemonSets`, Jobs and `CronJobs`.

use serde_json::Value;

use super::pods::{PROXY, condition, config, is_meshed, label, spec_containers, statuses};
use super::row::{Row, flag, int, list, seconds_between, text, time};
use super::{Fact, Object, Sources};

const KINDS: [&str; 5] = ["Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob"];

/// Derives the table.
pub(super) fn derive(sources: &Sources<'_>) -> Vec<Fact> {
    let objects = KINDS.iter().flat_map(|kind| sources.kind(kind));
    objects.map(|object| fact(sources, object)).collect()
}

fn fact(sources: &Sources<'_>, object: &Object) -> Fact {
    let value = &object.value;
    let (desired, ready) = replicas(object);
    let template = value.pointer("/spec/template").unwrap_or(&Value::Null);
    let pods = pods_of(sources, object);
    let (progress, available) = (
        condition(value, "Progressing"),
        condition(value, "Available"),
    );
    let age = time(value, "/metadata/creationTimestamp").map(|t| seconds_between(t, sources.at()));
    let mut row = Row::new()
        .set("kind", object.kind.as_str())
        .set("namespace", object.namespace.as_str())
        .set("name", object.name.as_str())
        .text(
            "component",
            label(value, "linkerd.io/control-plane-component"),
        )
        .text("extension", label(value, "linkerd.io/extension"))
        .set("desired", desired)
        .set("ready", ready)
        .opt("updated", int(value, "/status/updatedReplicas"))
        .set(
            "scaled_to_zero",
            object.kind != "Job" && object.kind != "CronJob" && desired == 0,
        )
        .set("paused", flag(value, "/spec/paused"))
        .set("pods", pods.len())
        .opt("age_s", age)
        .set("config", config(template))
        .text("progressing", progress.map_or("", |c| text(c, "/status")))
        .text(
            "progressing_reason",
            progress.map_or("", |c| text(c, "/reason")),
        )
        .text("available", available.map_or("", |c| text(c, "/status")))
        .set(
            "anti_affinity",
            template.pointer("/spec/affinity/podAntiAffinity").is_some(),
        )
        .opt("restarted_at", restarted_at(template));
    if object.kind == "Job" {
        row = job_fields(row, object, &pods);
    }
    let excerpt = format!(
        "{} {}/{}: {ready} of {desired} ready",
        object.kind, object.namespace, object.name
    );
    let mut subjects = vec![object.subject()];
    if object.kind == "Job" {
        subjects.extend(pods.iter().map(|p| p.subject()));
    }
    Fact {
        subjects,
        evidence: vec![object.evidence(&excerpt)],
        fields: row.build(),
    }
}

/// How many pods there should be and how many are ready.
pub(super) fn replicas(object: &Object) -> (i64, i64) {
    let value = &object.value;
    match object.kind.as_str() {
        "DaemonSet" => (
            int(value, "/status/desiredNumberScheduled").unwrap_or(0),
            int(value, "/status/numberReady").unwrap_or(0),
        ),
        "Job" => (
            int(value, "/spec/completions").unwrap_or(1),
            int(value, "/status/succeeded").unwrap_or(0),
        ),
        "CronJob" => (0, 0),
        _ => (
            int(value, "/spec/replicas").unwrap_or(1),
            int(value, "/status/readyReplicas").unwrap_or(0),
        ),
    }
}

fn restarted_at(template: &Value) -> Option<String> {
    let at = super::pods::annotation(template, "kubectl.kubernetes.io/restartedAt");
    (!at.is_empty()).then(|| at.to_owned())
}

fn pods_of<'a>(sources: &'a Sources<'_>, object: &Object) -> Vec<&'a Object> {
    let is_own = |pod: &&Object| {
        let direct = list(&pod.value, "/metadata/ownerReferences").iter();
        let mut direct = direct.map(|r| (text(r, "/kind"), text(r, "/name")));
        let owner = sources.owner(&pod.namespace, &pod.name);
        direct.any(|o| o == (object.kind.as_str(), object.name.as_str()))
            || (owner.kind == object.kind && owner.name == object.name)
    };
    sources
        .kind("Pod")
        .iter()
        .filter(|p| p.namespace == object.namespace)
        .filter(is_own)
        .collect()
}

/// A Job that does not end: have its own containers ended while the proxy runs on?
fn job_fields(row: Row, object: &Object, pods: &[&Object]) -> Row {
    let status =
        |kind| condition(&object.value, kind).is_some_and(|c| text(c, "/status") == "True");
    let kept_alive = pods.iter().any(|pod| is_kept_alive(&pod.value));
    row.set("complete", status("Complete"))
        .set("failed", status("Failed"))
        .set("active", int(&object.value, "/status/active").unwrap_or(0))
        .set("meshed", pods.iter().any(|p| is_meshed(&p.value)))
        .set("kept_alive_by_proxy", kept_alive)
}

/// Whether every container but the proxy has ended, and the proxy is an ordinary container that
/// runs on.
fn is_kept_alive(pod: &Value) -> bool {
    let ordinary = list(pod, "/spec/containers")
        .iter()
        .any(|c| text(c, "/name") == PROXY);
    let state = |status: &Value, name: &str| {
        status
            .pointer("/state")
            .is_some_and(|s| s.get(name).is_some())
    };
    let of_regular: Vec<&Value> = list(pod, "/status/containerStatuses").iter().collect();
    let (proxies, others): (Vec<&Value>, Vec<&Value>) = of_regular
        .into_iter()
        .partition(|s| text(s, "/name") == PROXY);
    ordinary
        && spec_containers(pod).count() > 1
        && statuses(pod).count() > 1
        && !others.is_empty()
        && others.iter().all(|s| state(s, "terminated"))
        && proxies.iter().any(|s| state(s, "running"))
}
