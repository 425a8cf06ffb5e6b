//! The table `proxies`: every proxy's version, configuration and what its admin port told.

use super::json::{Json, NULL};
use super::kube::{
    PROXY, annotation, config, is_control_plane, is_native_sidecar, proxy_of, registry, status_of,
};
use super::proxy_state::is_verbose;
use super::quantity::resources;
use super::row::{Row, flag, int, list, text, time};
use super::{Fact, Object, Sources, pods};
use crate::evidence::Evidence;

/// Derives the table.
pub(super) fn derive(sources: &Sources<'_>) -> Vec<Fact> {
    sources.rows("proxies", sources.kind("Pod"), |pod| {
        proxy_of(&pod.value).map(|spec| fact(sources, pod, spec))
    })
}

fn fact(sources: &Sources<'_>, pod: &Object, spec: &Json) -> Fact {
    let status = status_of(&pod.value, PROXY).unwrap_or(&NULL);
    let image = text(spec, "/image");
    let version = pods::version(&pod.value, image);
    let row = Row::new()
        .set("namespace", pod.namespace.as_str())
        .set("pod", pod.name.as_str())
        .set(
            "workload",
            sources.owner(&pod.namespace, &pod.name).to_value(),
        )
        .text("node", text(&pod.value, "/spec/nodeName"))
        .text("version", version)
        .text("image", image)
        .text("registry", registry(image))
        .set("is_control_plane", is_control_plane(&pod.value))
        .set("native_sidecar", is_native_sidecar(&pod.value))
        .set("ready", flag(status, "/ready"))
        .set("running", status.pointer("/state/running").is_some())
        .time("started_at", time(status, "/state/running/startedAt"))
        .set("restarts", int(status, "/restartCount").unwrap_or(0))
        .text("identity", &identity(pod, spec))
        .text(
            "trust_root_sha256",
            annotation(&pod.value, "linkerd.io/trust-root-sha256"),
        )
        .set("config", config(&pod.value))
        .set("resources", resources(spec));
    let mut evidence = vec![pod.evidence(&format!("Pod {}: proxy {version}", pod.place()))];
    let row = answers(environment(row, spec), sources, pod, spec, &mut evidence);
    Fact {
        subjects: vec![pod.subject()],
        evidence,
        fields: row.build(),
        kept: None,
    }
}

/// The variables that decide how a proxy behaves.
fn environment(row: Row, spec: &Json) -> Row {
    [
        ("log_level_configured", "LOG"),
        ("default_inbound_policy", "INBOUND_DEFAULT_POLICY"),
        ("inbound_ports", "INBOUND_PORTS"),
        ("opaque_ports", "INBOUND_PORTS_DISABLE_PROTOCOL_DETECTION"),
        ("require_identity_ports", "INBOUND_PORTS_REQUIRE_IDENTITY"),
        ("inbound_detect_timeout", "INBOUND_DETECT_TIMEOUT"),
        ("outbound_detect_timeout", "OUTBOUND_DETECT_TIMEOUT"),
        ("inbound_connect_timeout", "INBOUND_CONNECT_TIMEOUT"),
        ("outbound_connect_timeout", "OUTBOUND_CONNECT_TIMEOUT"),
        ("destination_address", "DESTINATION_SVC_ADDR"),
        ("identity_address", "IDENTITY_SVC_ADDR"),
        ("policy_address", "POLICY_SVC_ADDR"),
        ("profile_networks", "DESTINATION_PROFILE_NETWORKS"),
        ("ingress_mode", "INGRESS_MODE"),
        ("gateway_suffixes", "INBOUND_GATEWAY_SUFFIXES"),
        ("access_log", "ACCESS_LOG"),
        ("cores", "CORES"),
        ("shutdown_grace_period", "SHUTDOWN_GRACE_PERIOD"),
    ]
    .into_iter()
    .fold(row, |row, (field, variable)| {
        row.text(field, env(spec, &format!("LINKERD2_PROXY_{variable}")))
    })
}

/// What the admin port answered.
fn answers(
    row: Row,
    sources: &Sources<'_>,
    pod: &Object,
    spec: &Json,
    evidence: &mut Vec<Evidence>,
) -> Row {
    let configured = is_verbose(env(spec, "LINKERD2_PROXY_LOG"));
    let Some(state) = sources
        .proxy_states
        .get(&(pod.namespace.to_string(), pod.name.to_string()))
    else {
        return row
            .set("admin_known", false)
            .set("verbose", configured)
            .set("level_raised", false);
    };
    let level = state.log_level.as_deref();
    // A level that the collector has set for the capture says nothing about the mesh.
    let set_by_capture = sources.context.manifest.and_then(|manifest| {
        let level = manifest.options.get("proxy-log-level")?;
        level.as_str()
    });
    let found = level.filter(|level| Some(*level) != set_by_capture);
    let is_raised = found.is_some_and(is_verbose) && !configured;
    let said =
        |status: Option<i64>| status.map_or_else(|| "no answer".to_owned(), |s| s.to_string());
    let excerpt = format!(
        "Pod {}: proxy log level {:?}, /ready {} {:?}, /live {}",
        pod.place(),
        level.unwrap_or("unknown"),
        said(state.ready_status),
        state.ready_body,
        said(state.live_status),
    );
    evidence.insert(0, Evidence::of_entry(state.entry.as_str(), excerpt));
    row.set("admin_known", true)
        .opt("log_level", level)
        .set("verbose", found.map_or(configured, is_verbose))
        .set("level_raised", is_raised)
        .opt("ready_status", state.ready_status)
        .text("ready_body", &state.ready_body)
        .opt("live_status", state.live_status)
}

/// The value of an environment variable in a container's spec: a map where the unread ones were
/// left out, a list as Kubernetes has it.
pub(super) fn env<'a>(spec: &'a Json, name: &str) -> &'a str {
    if let Some(value) = spec.get("env").and_then(|variables| variables.get(name)) {
        return value.as_str().unwrap_or_default();
    }
    let mut variables = list(spec, "/env").iter();
    let found = variables.find(|v| text(v, "/name") == name);
    found.map(|v| text(v, "/value")).unwrap_or_default()
}

/// The identity that a proxy asks for, with the variables in its template filled in.
pub(super) fn identity(pod: &Object, spec: &Json) -> String {
    let account = match text(&pod.value, "/spec/serviceAccountName") {
        "" => "default",
        account => account,
    };
    env(spec, "LINKERD2_PROXY_IDENTITY_LOCAL_NAME")
        .replace("$(_pod_sa)", account)
        .replace("$(_pod_ns)", &pod.namespace)
        .replace("$(_l5d_ns)", env(spec, "_l5d_ns"))
        .replace("$(_l5d_trustdomain)", env(spec, "_l5d_trustdomain"))
}
