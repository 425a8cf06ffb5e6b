//! The table `pods`: every pod, its state, whether it is meshed, and if not, why.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::inject;
use super::injector::Injector;
use super::json::{Json, NULL};
use super::kube::{
    COMPONENT, EXTENSION, annotation, condition, conditions, config, is_meshed, is_native_sidecar,
    label, proxy_of, status_of, statuses, tag,
};
use super::proxies::identity;
use super::row::{Row, flag, int, list, seconds_between, text, time};
use super::{Fact, Object, Sources, jobs};

pub(super) use super::kube::PROXY;

/// Derives the table.
pub(super) fn derive(sources: &Sources<'_>) -> Vec<Fact> {
    let injector = Injector::of(sources);
    let pods = sources.kind("Pod");
    sources.rows("pods", pods, |pod| [fact(sources, pod, &injector)])
}

fn fact(sources: &Sources<'_>, pod: &Object, injector: &Injector<'_>) -> Fact {
    let value = &pod.value;
    let meshed = is_meshed(value);
    let printed = value.get("printed");
    let (reason, detail) = match printed {
        _ if meshed => ("", String::new()),
        Some(_) => ("unknown", "a table does not tell the containers".to_owned()),
        None => inject::reason(sources, pod, injector),
    };
    let status = status(value);
    let row = state(Row::new(), sources, pod)
        .text("status", &status)
        .set("meshed", meshed)
        .text("not_meshed_reason", reason)
        .text("not_meshed_detail", &detail);
    let row = match printed {
        Some(printed) => row
            .set("config", json!({}))
            .opt("containers", int(printed, "/containers"))
            .opt("ready_containers", int(printed, "/ready")),
        None => injection(row, sources, pod),
    };
    let row = if meshed { proxy(row, pod) } else { row };
    let row = row.opt("kept_alive_by_proxy", kept_alive(sources, pod));
    let mesh = match printed {
        _ if meshed => "meshed".to_owned(),
        Some(printed) => counts(value, printed),
        None => format!("not meshed ({reason})"),
    };
    let excerpt = format!("Pod {}: {status}, {mesh}{}", pod.place(), readiness(value));
    Fact {
        subjects: vec![pod.subject()],
        evidence: vec![pod.evidence(&excerpt)],
        fields: row.build(),
        kept: None,
    }
}

/// Whether only the proxy keeps a Job's pod, where the Job itself is not there to say so.
fn kept_alive(sources: &Sources<'_>, pod: &Object) -> Option<bool> {
    let owner = pod.value.pointer("/metadata/ownerReferences/0")?;
    let job = text(owner, "/name");
    let is_alone =
        text(owner, "/kind") == "Job" && sources.object("Job", &pod.namespace, job).is_none();
    is_alone.then(|| jobs::is_kept_after_success(&pod.value))
}

/// How many containers of a pod in a table are ready, and how often they were started again.
fn counts(value: &Json, printed: &Json) -> String {
    let count = |name| int(printed, name).unwrap_or(0);
    let restarts = restarts(value);
    let (ready, all) = (count("/ready"), count("/containers"));
    format!("{ready} of {all} containers ready, {restarts} restarts")
}

fn restarts(value: &Json) -> i64 {
    let counts = statuses(value).filter_map(|s| int(s, "/restartCount"));
    counts.sum()
}

/// When a pod was made; of a pod in a table, as far as its age tells.
fn created(sources: &Sources<'_>, value: &Json) -> Option<Timestamp> {
    let age = || int(value, "/printed/age").map(SignedDuration::from_secs);
    let printed = || sources.at().checked_sub(age()?).ok();
    time(value, "/metadata/creationTimestamp").or_else(printed)
}

/// What Kubernetes says of any pod.
fn state(row: Row, sources: &Sources<'_>, pod: &Object) -> Row {
    let value = &pod.value;
    let owner = sources.owner(&pod.namespace, &pod.name);
    let created = created(sources, value);
    let deleted = time(value, "/metadata/deletionTimestamp");
    let is_deleting = value.pointer("/metadata/deletionTimestamp").is_some();
    let stuck = stuck_in(value);
    let revision = [
        label(value, "pod-template-hash"),
        label(value, "controller-revision-hash"),
    ];
    row.set("namespace", pod.namespace.as_str())
        .set("name", pod.name.as_str())
        .set("workload", owner.to_value())
        .text("node", text(value, "/spec/nodeName"))
        .opt("node_ready", node_ready(sources, value))
        .text("phase", text(value, "/status/phase"))
        .text("reason", text(value, "/status/reason"))
        .text("message", text(value, "/status/message"))
        .set("ready", super::kube::is_true(value, "Ready"))
        .set(
            "scheduled",
            condition(value, "PodScheduled").is_none_or(|c| text(c, "/status") != "False"),
        )
        .set("conditions", conditions(value))
        .time("created", created)
        .opt("age_s", created.map(|t| seconds_between(t, sources.at())))
        .set("deleting", is_deleting)
        .opt(
            "deleting_for_s",
            deleted.map(|t| seconds_between(t, sources.at())),
        )
        .set("host_network", flag(value, "/spec/hostNetwork"))
        .text("ip", text(value, "/status/podIP"))
        .text("service_account", text(value, "/spec/serviceAccountName"))
        .set("restarts", restarts(value))
        .text("stuck_in", stuck.unwrap_or_default())
        .text(
            "revision",
            revision
                .into_iter()
                .find(|r| !r.is_empty())
                .unwrap_or_default(),
        )
        .text("component", label(value, COMPONENT))
        .text("extension", label(value, EXTENSION))
}

/// What was asked of the injector.
fn injection(row: Row, sources: &Sources<'_>, pod: &Object) -> Row {
    let set = inject::setting(sources, pod);
    let config = config(&pod.value);
    let ports = |name: &str| {
        let said = config.get(name).and_then(Value::as_str);
        said.unwrap_or_default().to_owned()
    };
    row.opt("injection_expected", set.is_expected)
        .text("inject_annotation", set.value)
        .text("inject_annotation_at", set.at)
        .text("skip_outbound_ports", &ports("skip-outbound-ports"))
        .text("skip_inbound_ports", &ports("skip-inbound-ports"))
        .text("opaque_ports", &ports("opaque-ports"))
        .set("config", config)
}

/// What is told of the proxy of a meshed pod; the table `proxies` has more.
fn proxy(row: Row, pod: &Object) -> Row {
    let spec = proxy_of(&pod.value).unwrap_or(&NULL);
    let image = text(spec, "/image");
    let ready = status_of(&pod.value, PROXY).is_some_and(|s| flag(s, "/ready"));
    row.text("proxy_image", image)
        .text("proxy_version", version(&pod.value, image))
        .set("native_sidecar", is_native_sidecar(&pod.value))
        .set("proxy_ready", ready)
        .text("identity", &identity(pod, spec))
        .text(
            "trust_root_sha256",
            annotation(&pod.value, "linkerd.io/trust-root-sha256"),
        )
        .text(
            "injected_by",
            annotation(&pod.value, "linkerd.io/created-by"),
        )
}

/// The version of a pod's proxy: the image's tag, or what the injector noted if it has none.
pub(super) fn version<'a>(pod: &'a Json, image: &'a str) -> &'a str {
    match tag(image) {
        "" => annotation(pod, "linkerd.io/proxy-version"),
        tag => tag,
    }
}

fn readiness(value: &Json) -> String {
    match condition(value, "Ready") {
        Some(ready) if text(ready, "/status") != "True" => match text(ready, "/reason") {
            "" => ", not ready".to_owned(),
            reason => format!(", not ready ({reason})"),
        },
        _ => String::new(),
    }
}

/// Whether the pod's node is ready. `None` if the node is not in the bundle.
fn node_ready(sources: &Sources<'_>, pod: &Json) -> Option<bool> {
    let node = sources.object("Node", "", text(pod, "/spec/nodeName"))?;
    Some(super::kube::is_true(&node.value, "Ready"))
}

/// The text that `kubectl get pods` shows as a pod's status.
pub(super) fn status(value: &Json) -> String {
    let printed = text(value, "/printed/status");
    if !printed.is_empty() {
        return printed.to_owned();
    }
    let reason = text(value, "/status/reason");
    if value.pointer("/metadata/deletionTimestamp").is_some() {
        return if reason == "NodeLost" {
            "Unknown"
        } else {
            "Terminating"
        }
        .to_owned();
    }
    if let Some(initializing) = init_status(value) {
        return initializing;
    }
    let mut shown = if reason.is_empty() {
        text(value, "/status/phase")
    } else {
        reason
    }
    .to_owned();
    let mut has_running = false;
    for status in list(value, "/status/containerStatuses").iter().rev() {
        let said = [
            text(status, "/state/waiting/reason"),
            text(status, "/state/terminated/reason"),
        ];
        if let Some(said) = said.into_iter().find(|s| !s.is_empty()) {
            said.clone_into(&mut shown);
        } else if let Some(ended) = status.pointer("/state/terminated") {
            shown = match int(ended, "/signal").filter(|s| *s != 0) {
                Some(signal) => format!("Signal:{signal}"),
                None => format!("ExitCode:{}", int(ended, "/exitCode").unwrap_or(0)),
            };
        } else if flag(status, "/ready") && status.pointer("/state/running").is_some() {
            has_running = true;
        }
    }
    if shown == "Completed" && has_running {
        let is_ready = super::kube::is_true(value, "Ready");
        return if is_ready { "Running" } else { "NotReady" }.to_owned();
    }
    shown
}

/// `Init:…` while init containers have not done their part.
fn init_status(value: &Json) -> Option<String> {
    let specs = list(value, "/spec/initContainers");
    let statuses = list(value, "/status/initContainerStatuses");
    for (at, status) in statuses.iter().enumerate() {
        let name = text(status, "/name");
        let sidecar = specs
            .iter()
            .any(|c| text(c, "/name") == name && super::kube::is_sidecar(c));
        let exit = int(status, "/state/terminated/exitCode");
        let is_done = exit == Some(0)
            || (sidecar && flag(status, "/started") && (flag(status, "/ready") || exit.is_none()));
        if is_done {
            continue;
        }
        let reasons = [
            text(status, "/state/terminated/reason"),
            text(status, "/state/waiting/reason"),
        ];
        let reason = reasons
            .into_iter()
            .find(|r| !r.is_empty() && *r != "PodInitializing");
        return Some(match (reason, exit) {
            (Some(reason), _) => format!("Init:{reason}"),
            (None, Some(code)) => format!("Init:ExitCode:{code}"),
            (None, None) => format!("Init:{at}/{}", specs.len()),
        });
    }
    None
}

/// The init container that keeps the others from starting: it fails, waits for something other
/// than its turn, or is a sidecar that does not become ready.
fn stuck_in(value: &Json) -> Option<&str> {
    let specs = list(value, "/spec/initContainers");
    let is_stuck = |status: &&Json| {
        let name = text(status, "/name");
        let sidecar = specs
            .iter()
            .any(|c| text(c, "/name") == name && super::kube::is_sidecar(c));
        let waits_for = text(status, "/state/waiting/reason");
        let waits = !matches!(waits_for, "" | "PodInitializing" | "ContainerCreating");
        let failed = int(status, "/state/terminated/exitCode").is_some_and(|code| code != 0);
        let running = status.pointer("/state/running").is_some();
        let runs = running
            && if sidecar {
                !flag(status, "/started")
            } else {
                true
            };
        waits || failed || runs
    };
    let is_over = matches!(text(value, "/status/phase"), "Succeeded" | "Failed");
    let mut inits = list(value, "/status/initContainerStatuses").iter();
    if is_over {
        None
    } else {
        inits.find(is_stuck).map(|s| text(s, "/name"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Json, status, stuck_in};
    use crate::facts::testing::{facts, list, row};

    fn of_state(init: &Value, regular: &Value) -> Json {
        Json::from(json!({
            "spec": {"initContainers": [{"name": "linkerd-init"}, {"name": "linkerd-proxy", "restartPolicy": "Always"}]},
            "status": {"phase": "Running", "initContainerStatuses": init, "containerStatuses": regular},
        }))
    }

    #[test]
    fn the_status_is_what_kubectl_shows() {
        let done = json!({"name": "linkerd-init", "state": {"terminated": {"exitCode": 0}}});
        let up = json!({"name": "linkerd-proxy", "started": true, "ready": true, "state": {"running": {}}});
        let waits = json!({"name": "linkerd-proxy", "started": false, "state": {"running": {}}});
        let failed =
            json!({"name": "linkerd-init", "state": {"waiting": {"reason": "CrashLoopBackOff"}}});
        let looping = json!({"name": "app", "state": {"waiting": {"reason": "CrashLoopBackOff"}}});
        let shown = |init: Value, regular: Value| status(&of_state(&init, &regular));
        assert_eq!(shown(json!([failed]), json!([])), "Init:CrashLoopBackOff");
        assert_eq!(shown(json!([done, waits]), json!([])), "Init:1/2");
        assert_eq!(
            shown(json!([done, up]), json!([looping])),
            "CrashLoopBackOff"
        );
        assert_eq!(
            stuck_in(&of_state(&json!([failed]), &json!([]))),
            Some("linkerd-init")
        );
        assert_eq!(
            stuck_in(&of_state(&json!([done, waits]), &json!([]))),
            Some("linkerd-proxy")
        );
        assert_eq!(stuck_in(&of_state(&json!([done, up]), &json!([]))), None);
    }

    fn namespace(annotations: &Value) -> Value {
        json!({"metadata": {"name": "shop", "annotations": annotations}})
    }

    #[test]
    fn why_a_pod_has_no_proxy_is_told_by_the_injectors_rules() {
        let pod = |name: &str, spec: Value, inject: &str| {
            json!({"metadata": {"name": name, "namespace": "shop", "creationTimestamp": "2026-11-23T10:00:00Z",
                "annotations": {"linkerd.io/inject": inject}}, "spec": spec})
        };
        let meshed = json!({"metadata": {"name": "meshed", "namespace": "shop", "creationTimestamp": "2026-11-23T11:00:00Z"},
            "spec": {"containers": [{"name": "linkerd-proxy"}]}});
        let pods = [
            pod("host", json!({"hostNetwork": true}), "enabled"),
            pod("off", json!({}), "disabled"),
            pod("typo", json!({}), "true"),
            pod("old", json!({}), ""),
            meshed,
        ];
        let of_shop = namespace(&json!({"linkerd.io/inject": "enabled"}));
        let facts = facts(
            &[
                ("cluster-resources/pods/shop.json", list("Pod", &pods)),
                (
                    "cluster-resources/namespaces.json",
                    list("Namespace", &[of_shop]),
                ),
            ],
            None,
        );
        for (name, reason) in [
            ("host", "host-network"),
            ("off", "inject-disabled"),
            ("typo", "invalid-annotation"),
            ("old", "created-before-annotation"),
        ] {
            assert_eq!(
                row(&facts, "pods", "name", name)["not_meshed_reason"],
                reason,
                "{name}"
            );
        }
        assert!(
            row(&facts, "pods", "name", "meshed")
                .get("not_meshed_reason")
                .is_none()
        );
    }

    #[test]
    fn without_its_namespace_nothing_is_said_of_what_a_pod_should_have() {
        let pod = json!({"metadata": {"name": "a", "namespace": "shop"}});
        let facts = facts(&[("pods.json", list("Pod", &[pod]))], None);
        let row = row(&facts, "pods", "name", "a");
        assert!(row.get("injection_expected").is_none());
        assert_eq!(row["not_meshed_reason"], "unknown");
    }
}
