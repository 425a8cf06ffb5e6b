//! The table `pods`: every pod, whether it is meshed, and if not, why.

use serde_json::Value;

use super::row::{Row, entries, flag, list, seconds_between, text, time};
use super::{Fact, Object, Sources};

/// Name of the proxy's container.
pub(super) const PROXY: &str = "linkerd-proxy";
const INJECT: &str = "linkerd.io/inject";

/// Derives the table.
pub(super) fn derive(sources: &Sources<'_>) -> Vec<Fact> {
    sources
        .kind("Pod")
        .iter()
        .map(|pod| fact(sources, pod))
        .collect()
}

#[expect(
    clippy::too_many_lines,
    reason = "one line for each field of the table"
)]
fn fact(sources: &Sources<'_>, pod: &Object) -> Fact {
    let value = &pod.value;
    let owner = sources.owner(&pod.namespace, &pod.name);
    let meshed = is_meshed(value);
    let expected = is_injection_expected(sources, pod);
    let deleted = time(value, "/metadata/deletionTimestamp");
    let created = time(value, "/metadata/creationTimestamp");
    let stuck = stuck_in(value);
    let ready = condition(value, "Ready");
    let row = Row::new()
        .set("namespace", pod.namespace.as_str())
        .set("name", pod.name.as_str())
        .set(
            "workload",
            serde_json::json!({"kind": owner.kind, "name": owner.name}),
        )
        .text("node", text(value, "/spec/nodeName"))
        .text("phase", text(value, "/status/phase"))
        .text("reason", text(value, "/status/reason"))
        .text("message", text(value, "/status/message"))
        .set("ready", ready.is_some_and(|c| text(c, "/status") == "True"))
        .set(
            "scheduled",
            condition(value, "PodScheduled").is_none_or(|c| text(c, "/status") != "False"),
        )
        .time("created", created)
        .opt("age_s", created.map(|t| seconds_between(t, sources.at())))
        .set("deleting", deleted.is_some())
        .opt(
            "deleting_for_s",
            deleted.map(|t| seconds_between(t, sources.at())),
        )
        .set("host_network", flag(value, "/spec/hostNetwork"))
        .set("meshed", meshed)
        .set("injection_expected", expected)
        .text("service_account", text(value, "/spec/serviceAccountName"))
        .text("ip", text(value, "/status/podIP"))
        .set("restarts", restarts(value))
        .set("native_sidecar", is_native_sidecar(value))
        .set("config", config(value))
        .text(
            "component",
            label(value, "linkerd.io/control-plane-component"),
        )
        .text("extension", label(value, "linkerd.io/extension"))
        .text("stuck_in", &stuck)
        .text(
            "not_meshed_reason",
            if meshed || !expected {
                ""
            } else {
                not_meshed_reason(sources, pod)
            },
        );
    let state = if meshed { "meshed" } else { "not meshed" };
    let (phase, name) = (text(value, "/status/phase"), &pod.name);
    let excerpt = match stuck.as_str() {
        "" => format!("Pod {}/{name}: {phase}, {state}", pod.namespace),
        stuck => format!(
            "Pod {}/{name}: {phase}, {state}, stuck in container {stuck}",
            pod.namespace
        ),
    };
    Fact {
        subjects: vec![pod.subject()],
        evidence: vec![pod.evidence(&excerpt)],
        fields: row.build(),
    }
}

/// All containers of a pod's spec, init containers first.
pub(super) fn spec_containers(value: &Value) -> impl Iterator<Item = &Value> {
    list(value, "/spec/initContainers")
        .iter()
        .chain(list(value, "/spec/containers"))
}

/// All container statuses of a pod, init containers first.
pub(super) fn statuses(value: &Value) -> impl Iterator<Item = &Value> {
    list(value, "/status/initContainerStatuses")
        .iter()
        .chain(list(value, "/status/containerStatuses"))
}

/// Whether a pod has a proxy.
pub(super) fn is_meshed(value: &Value) -> bool {
    spec_containers(value).any(|c| text(c, "/name") == PROXY)
}

fn is_native_sidecar(value: &Value) -> bool {
    list(value, "/spec/initContainers")
        .iter()
        .any(|c| text(c, "/name") == PROXY && text(c, "/restartPolicy") == "Always")
}

/// A condition of an object's status.
pub(super) fn condition<'a>(value: &'a Value, kind: &str) -> Option<&'a Value> {
    list(value, "/status/conditions")
        .iter()
        .find(|c| text(c, "/type") == kind)
}

/// A label of an object.
pub(super) fn label<'a>(value: &'a Value, name: &str) -> &'a str {
    value
        .pointer("/metadata/labels")
        .and_then(|l| l.get(name))
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// An annotation of an object.
pub(super) fn annotation<'a>(value: &'a Value, name: &str) -> &'a str {
    let annotations = value.pointer("/metadata/annotations");
    annotations
        .and_then(|a| a.get(name))
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// The Linkerd annotations of an object, without their domain.
pub(super) fn config(value: &Value) -> Value {
    let ours = entries(value, "/metadata/annotations").filter_map(|(name, value)| {
        let name = name
            .strip_prefix("config.linkerd.io/")
            .or_else(|| name.strip_prefix("config.alpha.linkerd.io/"))?;
        Some((name.to_owned(), value.clone()))
    });
    Value::Object(ours.collect())
}

fn restarts(value: &Value) -> i64 {
    statuses(value)
        .filter_map(|s| s.get("restartCount")?.as_i64())
        .sum()
}

/// The container that a pod waits for before it can start the others.
fn stuck_in(value: &Value) -> String {
    let waiting = |s: &&Value| {
        let state = s.get("state");
        let is_bad_wait = state
            .and_then(|s| s.pointer("/waiting/reason"))
            .and_then(Value::as_str)
            .is_some_and(|reason| reason != "PodInitializing" && reason != "ContainerCreating");
        let failed = state
            .and_then(|s| s.pointer("/terminated/exitCode"))
            .and_then(Value::as_i64);
        let runs_unready = state.is_some_and(|s| s.get("running").is_some())
            && s.get("ready").and_then(Value::as_bool) == Some(false);
        is_bad_wait || failed.is_some_and(|code| code != 0) || runs_unready
    };
    let inits = list(value, "/status/initContainerStatuses");
    inits
        .iter()
        .find(waiting)
        .map(|s| text(s, "/name").to_owned())
        .unwrap_or_default()
}

/// Whether the injector would give this pod a proxy: its own annotation, else its namespace's.
fn is_injection_expected(sources: &Sources<'_>, pod: &Object) -> bool {
    let of_pod = annotation(&pod.value, INJECT);
    let namespace = sources.object("Namespace", "", &pod.namespace);
    let of_namespace = namespace
        .map(|n| annotation(&n.value, INJECT))
        .unwrap_or_default();
    let setting = if of_pod.is_empty() {
        of_namespace
    } else {
        of_pod
    };
    matches!(setting, "enabled" | "ingress")
}

/// Why a pod that should have a proxy has none.
fn not_meshed_reason(sources: &Sources<'_>, pod: &Object) -> &'static str {
    if flag(&pod.value, "/spec/hostNetwork") {
        return "host-network";
    }
    let automount = pod
        .value
        .pointer("/spec/automountServiceAccountToken")
        .and_then(Value::as_bool);
    let account = text(&pod.value, "/spec/serviceAccountName");
    let of_account = sources
        .object("ServiceAccount", &pod.namespace, account)
        .and_then(|a| a.value.get("automountServiceAccountToken"))
        .and_then(Value::as_bool);
    if automount.or(of_account) == Some(false) {
        return "automount-disabled";
    }
    let namespace = sources.control_plane_namespace();
    let injector = sources.object("Deployment", &namespace, "linkerd-proxy-injector");
    let is_down = injector.is_some_and(|d| {
        d.value
            .pointer("/status/readyReplicas")
            .and_then(Value::as_i64)
            .unwrap_or(0)
            == 0
    });
    if is_down {
        return "injector-down";
    }
    // An injector that is younger than the pod was not there when the pod was made.
    let injector_since = sources
        .kind("Pod")
        .iter()
        .filter(|p| label(&p.value, "linkerd.io/control-plane-component") == "proxy-injector")
        .filter_map(|p| time(condition(&p.value, "Ready")?, "/lastTransitionTime"))
        .min();
    match (
        injector_since,
        time(&pod.value, "/metadata/creationTimestamp"),
    ) {
        (Some(since), Some(created)) if created < since => "older-than-injector",
        _ => "annotated-later-or-webhook-missed",
    }
}
