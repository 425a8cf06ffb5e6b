//! The table `containers`: every container of every pod, with its state and what it said last.

use bundle::layout::EntryKind;
use serde_json::Value;

use super::pods::{PROXY, is_meshed, label, statuses};
use super::row::{Row, flag, int, list, text, time};
use super::{Fact, Object, Sources};

/// Derives the table.
pub(super) fn derive(sources: &Sources<'_>) -> Vec<Fact> {
    let mut facts = Vec::new();
    for pod in sources.kind("Pod") {
        let inits = list(&pod.value, "/spec/initContainers")
            .iter()
            .map(|c| (c, true));
        let regular = list(&pod.value, "/spec/containers")
            .iter()
            .map(|c| (c, false));
        facts.extend(
            inits
                .chain(regular)
                .map(|(spec, is_init)| fact(sources, pod, spec, is_init)),
        );
    }
    facts
}

#[expect(
    clippy::too_many_lines,
    reason = "one line for each field of the table"
)]
fn fact(sources: &Sources<'_>, pod: &Object, spec: &Value, is_init: bool) -> Fact {
    let name = text(spec, "/name");
    let none = Value::Null;
    let status = statuses(&pod.value)
        .find(|s| text(s, "/name") == name)
        .unwrap_or(&none);
    let sidecar = is_init && text(spec, "/restartPolicy") == "Always";
    let owner = sources.owner(&pod.namespace, &pod.name);
    let (state, detail) = state(status, "/state");
    let (_, last) = self::state(status, "/lastState");
    let image = text(spec, "/image");
    let restarts = int(status, "/restartCount").unwrap_or(0);
    let (log, log_line) = last_log_line(sources, pod, name);
    let row = Row::new()
        .set("namespace", pod.namespace.as_str())
        .set("pod", pod.name.as_str())
        .set("name", name)
        .set(
            "workload",
            serde_json::json!({"kind": owner.kind, "name": owner.name}),
        )
        .set(
            "type",
            if sidecar {
                "sidecar"
            } else if is_init {
                "init"
            } else {
                "regular"
            },
        )
        .text("image", image)
        .text("registry", registry(image))
        .set("is_proxy", name == PROXY)
        .set(
            "runs_before_proxy",
            is_init && runs_before_proxy(&pod.value, name),
        )
        .set(
            "is_linkerd",
            matches!(name, PROXY | "linkerd-init" | "linkerd-network-validator"),
        )
        .set(
            "is_control_plane",
            !label(&pod.value, "linkerd.io/control-plane-component").is_empty(),
        )
        .set("meshed", is_meshed(&pod.value))
        .text("state", state)
        .text("reason", text(detail, "/reason"))
        .text("message", text(detail, "/message"))
        .opt("exit_code", int(detail, "/exitCode"))
        .time("started", time(detail, "/startedAt"))
        .text("last_reason", text(last, "/reason"))
        .text("last_message", text(last, "/message"))
        .opt("last_exit_code", int(last, "/exitCode"))
        .time("last_finished", time(last, "/finishedAt"))
        .set("restarts", restarts)
        .set("ready", flag(status, "/ready"))
        .set("ports", ports(spec))
        .set("probes", probes(spec))
        .set(
            "resources",
            spec.get("resources")
                .cloned()
                .unwrap_or_else(|| serde_json::json!({})),
        )
        .text("last_log", &log_line);
    let mut evidence = vec![pod.evidence(&excerpt(pod, name, status))];
    evidence.extend(log);
    Fact {
        subjects: vec![pod.subject()],
        evidence,
        fields: row.build(),
    }
}

/// Whether an init container ends before the proxy starts: the proxy is an ordinary container, or
/// a native sidecar further down the list.
fn runs_before_proxy(pod: &Value, name: &str) -> bool {
    let inits = list(pod, "/spec/initContainers");
    let place = |wanted: &str| inits.iter().position(|c| text(c, "/name") == wanted);
    let starts_traffic = !matches!(name, PROXY | "linkerd-init" | "linkerd-network-validator");
    starts_traffic && is_meshed(pod) && place(PROXY).is_none_or(|proxy| place(name) < Some(proxy))
}

/// The name of a container's state, and what it says.
fn state<'a>(status: &'a Value, pointer: &str) -> (&'a str, &'a Value) {
    let state = status.pointer(pointer).and_then(Value::as_object);
    let first = state.and_then(|s| s.iter().next());
    first.map_or(("", &Value::Null), |(name, detail)| (name.as_str(), detail))
}

fn excerpt(pod: &Object, name: &str, status: &Value) -> String {
    let (kind, now) = state(status, "/state");
    let (_, last) = state(status, "/lastState");
    let mut parts = vec![format!(
        "Pod {}/{}: container {name} {kind}",
        pod.namespace, pod.name
    )];
    for (word, value) in [("", text(now, "/reason")), ("last ", text(last, "/reason"))] {
        if !value.is_empty() {
            parts.push(format!(", {word}{value}"));
        }
    }
    if let Some(code) = int(now, "/exitCode").or_else(|| int(last, "/exitCode")) {
        parts.push(format!(", exit code {code}"));
    }
    if let Some(restarts) = int(status, "/restartCount").filter(|r| *r > 0) {
        parts.push(format!(", {restarts} restarts"));
    }
    let message = text(now, "/message");
    let message = if message.is_empty() {
        text(last, "/message")
    } else {
        message
    };
    if !message.is_empty() {
        parts.push(format!(": {message}"));
    }
    parts.concat()
}

/// The last line that a failed container wrote: of its previous instance if there is one.
fn last_log_line(
    sources: &Sources<'_>,
    pod: &Object,
    container: &str,
) -> (Option<crate::evidence::Evidence>, String) {
    let end = [true, false].into_iter().find_map(|previous| {
        let kind = EntryKind::PodLog {
            namespace: pod.namespace.clone(),
            pod: pod.name.clone(),
            container: container.to_owned(),
            previous,
        };
        let end = sources.log_ends.get(kind.path()?.as_str())?;
        // The kubelet answers so when it has thrown the log away.
        let is_lost = end
            .tail
            .iter()
            .any(|l| l.starts_with("unable to retrieve container logs"));
        (!is_lost).then_some(end)
    });
    let Some(end) = end else {
        return (None, String::new());
    };
    // A Go panic says what it is in its first line; other programs in their last.
    let telling = end
        .tail
        .iter()
        .position(|l| l.starts_with("panic:") || l.contains("panicked at"));
    let at = telling.unwrap_or(end.tail.len().saturating_sub(1));
    let line = end.tail.get(at).cloned().unwrap_or_default();
    let after = end.tail.len().saturating_sub(at + 1) as u64;
    let evidence = crate::evidence::Evidence {
        line: Some(end.line.saturating_sub(after)),
        time: end.time,
        ..crate::evidence::Evidence::of_entry(end.entry.as_str(), &line)
    };
    (Some(evidence), crate::evidence::shorten(&line))
}

/// The registry part of an image: `cr.l5d.io`, or `docker.io` where none is named.
fn registry(image: &str) -> &str {
    match image.split_once('/') {
        Some((first, _)) if first.contains(['.', ':']) || first == "localhost" => first,
        None if image.is_empty() => "",
        _ => "docker.io",
    }
}

fn ports(spec: &Value) -> Value {
    let ports = list(spec, "/ports").iter().filter_map(|p| {
        let port = int(p, "/containerPort")?;
        Some(serde_json::json!({"name": text(p, "/name"), "port": port}))
    });
    Value::Array(ports.collect())
}

/// Which probes there are, with the port each asks.
fn probes(spec: &Value) -> Value {
    let kinds = ["readinessProbe", "livenessProbe", "startupProbe"];
    let probes = kinds.into_iter().filter_map(|kind| {
        let probe = spec.get(kind)?;
        let port = probe
            .pointer("/httpGet/port")
            .or_else(|| probe.pointer("/tcpSocket/port"));
        Some((kind.to_owned(), port.cloned().unwrap_or(Value::Bool(true))))
    });
    Value::Object(probes.collect())
}
