//! The table `containers`: every container of every pod, with its state and what it said last.

use std::fmt::Write as _;

use bundle::layout::EntryKind;
use serde_json::{Value, json};

use super::json::{Json, NULL};
use super::kube::{PROXY, is_control_plane, is_sidecar, label, registry, status_of};
use super::quantity::resources;
use super::row::{Row, flag, int, list, text, time};
use super::{Fact, Object, Sources};
use crate::evidence::{Evidence, shorten};

/// The containers that the injector adds.
const OWN: [&str; 4] = [
    PROXY,
    "linkerd-init",
    "linkerd-network-validator",
    "linkerd-debug",
];

/// Derives the table.
pub(super) fn derive(sources: &Sources<'_>) -> Vec<Fact> {
    sources.rows("containers", sources.kind("Pod"), |pod| {
        of_pod(sources, pod)
    })
}

fn of_pod(sources: &Sources<'_>, pod: &Object) -> Vec<Fact> {
    let inits = list(&pod.value, "/spec/initContainers");
    let regular = list(&pod.value, "/spec/containers");
    let before_proxy = inits.iter().position(|c| text(c, "/name") == PROXY);
    let inits = inits.iter().map(|c| (c, true));
    let all = inits.chain(regular.iter().map(|c| (c, false))).enumerate();
    let rows = all.map(|(at, (spec, is_init))| {
        let role = Role {
            spec,
            is_init,
            before_proxy: is_init && before_proxy.is_none_or(|p| at < p),
        };
        fact(sources, pod, &role)
    });
    rows.collect()
}

/// A container's place in its pod.
struct Role<'a> {
    spec: &'a Json,
    is_init: bool,
    /// Whether it ends before the pod's proxy starts, so that it cannot reach meshed servers that
    /// want an identity: the proxy is an ordinary container, or a native sidecar further down.
    before_proxy: bool,
}

impl Role<'_> {
    fn kind(&self) -> &'static str {
        match (self.is_init, is_sidecar(self.spec)) {
            (true, true) => "sidecar",
            (true, false) => "init",
            (false, _) => "regular",
        }
    }
}

fn fact(sources: &Sources<'_>, pod: &Object, role: &Role<'_>) -> Fact {
    let spec = role.spec;
    let name = text(spec, "/name");
    let status = status_of(&pod.value, name).unwrap_or(&NULL);
    let owner = sources.owner(&pod.namespace, &pod.name);
    let image = text(spec, "/image");
    let end = last_words(sources, pod, name);
    let row = Row::new()
        .set("namespace", pod.namespace.as_str())
        .set("pod", pod.name.as_str())
        .set("name", name)
        .set("workload", owner.to_value())
        .text("node", text(&pod.value, "/spec/nodeName"))
        .set("type", role.kind())
        .set(
            "runs_before_proxy",
            role.before_proxy && super::kube::is_meshed(&pod.value) && !OWN.contains(&name),
        )
        .set("meshed", super::kube::is_meshed(&pod.value))
        .set("is_proxy", name == PROXY)
        .set("is_linkerd", OWN.contains(&name))
        .set("is_control_plane", is_control_plane(&pod.value))
        .text("component", label(&pod.value, super::kube::COMPONENT))
        .text("extension", label(&pod.value, super::kube::EXTENSION))
        .text("image", image)
        .text("registry", registry(image))
        .set("ports", ports(spec))
        .set("probes", probes(spec))
        .set("resources", resources(spec))
        .opt(
            "args",
            spec.get("args").filter(|_| name == "linkerd-init").cloned(),
        );
    let row = security(row, spec);
    let row = state(row, status).text("last_log", end.as_ref().map_or("", |e| e.excerpt.as_str()));
    let mut evidence = vec![pod.evidence(&excerpt(pod, name, status))];
    evidence.extend(end);
    Fact {
        subjects: vec![pod.subject()],
        evidence,
        fields: row.build(),
        kept: None,
    }
}

/// What a container may do, as far as linkerd-init needs it.
fn security(row: Row, spec: &Json) -> Row {
    let capabilities = |side: &str| {
        let names = list(spec, &format!("/securityContext/capabilities/{side}"));
        (!names.is_empty()).then(|| names.to_vec())
    };
    row.opt("capabilities_added", capabilities("add"))
        .opt("capabilities_dropped", capabilities("drop"))
        .opt(
            "privileged",
            spec.pointer("/securityContext/privileged")
                .and_then(Json::as_bool),
        )
        .opt("run_as_user", int(spec, "/securityContext/runAsUser"))
}

/// How a container is now, and how its previous instance ended.
fn state(row: Row, status: &Json) -> Row {
    let (state, detail) = current(status, "/state");
    let (_, last) = current(status, "/lastState");
    let killed = |detail: &Json| text(detail, "/reason") == "OOMKilled";
    let waiting = if state == "waiting" {
        text(detail, "/reason")
    } else {
        ""
    };
    row.text("state", state)
        .text("reason", text(detail, "/reason"))
        .text("waiting_reason", waiting)
        .text("message", text(detail, "/message"))
        .opt("exit_code", int(detail, "/exitCode"))
        .opt("signal", int(detail, "/signal"))
        .time("started", time(detail, "/startedAt"))
        .time("finished", time(detail, "/finishedAt"))
        .text("last_reason", text(last, "/reason"))
        .text("last_message", text(last, "/message"))
        .opt("last_exit_code", int(last, "/exitCode"))
        .opt("last_signal", int(last, "/signal"))
        .time("last_started", time(last, "/startedAt"))
        .time("last_finished", time(last, "/finishedAt"))
        .set("oom_killed", killed(detail) || killed(last))
        .set("restarts", int(status, "/restartCount").unwrap_or(0))
        .set("ready", flag(status, "/ready"))
        .opt(
            "startup_done",
            status.get("started").and_then(Json::as_bool),
        )
}

/// The name of a container's state, and what it says.
fn current<'a>(status: &'a Json, pointer: &str) -> (&'a str, &'a Json) {
    let state = status.pointer(pointer).and_then(Json::as_map);
    let first = state.and_then(|s| s.iter().next());
    first.map_or(("", &NULL), |(name, detail)| (&**name, detail))
}

fn excerpt(pod: &Object, name: &str, status: &Json) -> String {
    let (kind, now) = current(status, "/state");
    let (_, last) = current(status, "/lastState");
    let kind = if kind.is_empty() {
        "in an unknown state"
    } else {
        kind
    };
    let mut out = format!("Pod {}: container {name} {kind}", pod.place());
    let reason = text(now, "/reason");
    if !reason.is_empty() {
        out.push(' ');
        out.push_str(reason);
    }
    let mut add = |part: String| {
        out.push_str(", ");
        out.push_str(&part);
    };
    if let Some(code) = int(now, "/exitCode") {
        add(format!("exit {code}"));
    }
    if let Some(code) = int(last, "/exitCode") {
        let reason = text(last, "/reason");
        add(format!("last exit {code} {reason}").trim_end().to_owned());
    }
    if let Some(restarts) = int(status, "/restartCount").filter(|r| *r > 0) {
        add(format!("{restarts} restarts"));
    }
    // What a program said when it ended tells more than the kubelet's "back-off 40s".
    let messages = [text(last, "/message"), text(now, "/message")];
    if let Some(message) = messages.into_iter().find(|m| !m.trim().is_empty()) {
        let lines: Vec<&str> = message.lines().filter(|l| !l.trim().is_empty()).collect();
        let line = lines
            .get(telling(&lines))
            .copied()
            .unwrap_or_default()
            .trim();
        write!(out, ": {line}").unwrap_or_default();
    }
    out
}

/// The line with which a container ended: of its previous instance if there is one.
fn last_words(sources: &Sources<'_>, pod: &Object, container: &str) -> Option<Evidence> {
    let end = [true, false].into_iter().find_map(|previous| {
        let kind = EntryKind::PodLog {
            namespace: pod.namespace.to_string(),
            pod: pod.name.to_string(),
            container: container.to_owned(),
            previous,
        };
        let end = sources.log_ends.get(&kind)?;
        // The kubelet answers so when it has thrown the log away.
        let lost = "unable to retrieve container logs";
        (!end.tail.iter().any(|l| l.starts_with(lost))).then_some(end)
    })?;
    let lines: Vec<&str> = end.tail.iter().map(String::as_str).collect();
    let at = telling(&lines);
    let line = shorten(end.tail.get(at)?);
    let after = end.tail.len().saturating_sub(at + 1) as u64;
    let evidence = Evidence::of_entry(end.entry.as_str(), line);
    Some(Evidence {
        line: Some(end.line.saturating_sub(after)),
        time: end.time,
        ..evidence
    })
}

/// Which of the last lines of a program tells why it ended: a panic says it in its first line,
/// a program that prints its usage after an error in the line with the error, others in their
/// last.
fn telling(lines: &[&str]) -> usize {
    let panics = |l: &&str| l.starts_with("panic:") || l.contains("panicked at");
    let fails = |l: &&str| {
        let start = l
            .get(..l.floor_char_boundary(40))
            .unwrap_or_default()
            .to_ascii_lowercase();
        ["error", "fatal", "failed"]
            .iter()
            .any(|word| start.contains(word))
    };
    let panic = lines.iter().position(panics);
    panic
        .or_else(|| lines.iter().rposition(fails))
        .unwrap_or(lines.len().saturating_sub(1))
}

fn ports(spec: &Json) -> Value {
    let ports = list(spec, "/ports").iter().filter_map(|p| {
        let port = int(p, "/containerPort")?;
        let row = Row::new().set("port", port).text("name", text(p, "/name"));
        let protocol = text(p, "/protocol");
        Some(
            row.text("protocol", if protocol == "TCP" { "" } else { protocol })
                .build(),
        )
    });
    Value::Array(ports.collect())
}

/// Which probes there are: how each asks, and at which port and path.
fn probes(spec: &Json) -> Value {
    let names = [
        ("readiness", "readinessProbe"),
        ("liveness", "livenessProbe"),
        ("startup", "startupProbe"),
    ];
    let probes = names.into_iter().filter_map(|(name, field)| {
        let probe = spec.get(field)?;
        let kinds = [
            ("http", "httpGet"),
            ("tcp", "tcpSocket"),
            ("grpc", "grpc"),
            ("exec", "exec"),
        ];
        let (kind, asked) = kinds
            .into_iter()
            .find_map(|(kind, field)| Some((kind, probe.get(field)?)))?;
        let row = Row::new()
            .set("kind", kind)
            .opt("port", asked.get("port").cloned())
            .text("path", text(asked, "/path"));
        Some((name.to_owned(), row.build()))
    });
    Value::Object(probes.collect())
}

/// The field `images` of other tables: container name to image.
pub(super) fn images(template: &Json) -> Value {
    let images = super::kube::spec_containers(template)
        .map(|c| (text(c, "/name").to_owned(), json!(text(c, "/image"))));
    Value::Object(images.filter(|(name, _)| !name.is_empty()).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::telling;
    use crate::facts::testing::{facts, list, row};

    #[test]
    fn the_line_that_tells_why_a_program_ended_is_found() {
        assert_eq!(
            telling(&[
                "ok",
                "panic: assignment to entry in nil map",
                "",
                "goroutine 1"
            ]),
            1
        );
        assert_eq!(
            telling(&["Error: valid values are only", "Usage:", "  --ipv6"]),
            0
        );
        assert_eq!(telling(&["one", "DATABASE_URL is not set"]), 1);
        assert_eq!(telling(&[]), 0);
    }

    #[test]
    fn a_container_that_loops_tells_its_states() {
        let pod = json!({"metadata": {"name": "cart-0", "namespace": "shop"},
            "spec": {"containers": [{"name": "cart", "image": "example.com/cart:1", "ports": "none"}]},
            "status": {"containerStatuses": [{"name": "cart", "restartCount": 5, "ready": false,
                "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 40s"}},
                "lastState": {"terminated": {"exitCode": 137, "reason": "OOMKilled", "finishedAt": 12}}}]}});
        let facts = facts(
            &[("cluster-resources/pods/shop.json", list("Pod", &[pod]))],
            None,
        );
        let cart = row(&facts, "containers", "name", "cart");
        assert_eq!(cart["waiting_reason"], "CrashLoopBackOff");
        assert_eq!(
            (&cart["last_exit_code"], &cart["oom_killed"]),
            (&json!(137), &json!(true))
        );
        assert!(cart.get("last_finished").is_none());
        let excerpt = &facts.table("containers")[0].evidence[0].excerpt;
        assert_eq!(
            excerpt,
            "Pod shop/cart-0: container cart waiting CrashLoopBackOff, last exit 137 OOMKilled, 5 restarts: back-off 40s"
        );
    }
}
