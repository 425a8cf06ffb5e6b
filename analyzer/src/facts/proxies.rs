//! The table `proxies`: every proxy's version, configuration and what its admin port told.

use std::sync::Arc;

use bundle::EntryInfo;
use bundle::layout::EntryKind;
use serde_json::Value;

use super::mesh::{is_control_plane, proxy_tag};
use super::pods::{PROXY, annotation, is_meshed, spec_containers, statuses};
use super::row::{Row, flag, int, list, text};
use super::{Fact, Gap, Object, Piece, Sources};
use crate::evidence::Evidence;

/// What a proxy's admin port told.
#[derive(Debug)]
pub struct ProxyState {
    pub(super) namespace: String,
    pub(super) pod: String,
    entry: String,
    value: Value,
}

/// Parses an entry of `linkerd/proxy-state`.
pub(super) fn parse(entry: &Arc<EntryInfo>, bytes: &[u8]) -> Vec<Piece> {
    let EntryKind::ProxyState { namespace, pod } = &entry.kind else {
        return Vec::new();
    };
    match serde_json::from_slice(bytes) {
        Ok(value) => vec![Piece::ProxyState(Box::new(ProxyState {
            namespace: namespace.clone(),
            pod: pod.clone(),
            entry: entry.path.to_string(),
            value,
        }))],
        Err(e) => {
            let detail = format!("is broken JSON: {e}");
            vec![Piece::Gap(Gap {
                entry: entry.path.to_string(),
                detail,
            })]
        }
    }
}

/// Derives the table.
pub(super) fn derive(sources: &Sources<'_>) -> Vec<Fact> {
    let meshed = sources.kind("Pod").iter().filter(|p| is_meshed(&p.value));
    meshed.map(|pod| fact(sources, pod)).collect()
}

#[expect(
    clippy::too_many_lines,
    reason = "one line for each field of the table"
)]
fn fact(sources: &Sources<'_>, pod: &Object) -> Fact {
    let none = Value::Null;
    let spec = spec_containers(&pod.value)
        .find(|c| text(c, "/name") == PROXY)
        .unwrap_or(&none);
    let status = statuses(&pod.value)
        .find(|s| text(s, "/name") == PROXY)
        .unwrap_or(&none);
    let state = sources
        .proxy_states
        .get(&(pod.namespace.clone(), pod.name.clone()));
    let told = state.map_or(&none, |s| &s.value);
    let owner = sources.owner(&pod.namespace, &pod.name);
    let version = proxy_tag(&pod.value).unwrap_or_default();
    let level = text(told, "/log_level/body").trim();
    let row = Row::new()
        .set("namespace", pod.namespace.as_str())
        .set("pod", pod.name.as_str())
        .set(
            "workload",
            serde_json::json!({"kind": owner.kind, "name": owner.name}),
        )
        .text("version", version)
        .text("image", text(spec, "/image"))
        .set("is_control_plane", is_control_plane(&pod.value))
        .set("ready", flag(status, "/ready"))
        .set("running", status.pointer("/state/running").is_some())
        .text("log_level", level)
        .set(
            "verbose",
            is_verbose(level) || is_verbose(env(spec, "LINKERD2_PROXY_LOG")),
        )
        .opt("ready_status", int(told, "/ready/status"))
        .opt("live_status", int(told, "/live/status"))
        .text("identity", annotation_or_env(&pod.value, spec))
        .text(
            "trust_root_sha256",
            annotation(&pod.value, "linkerd.io/trust-root-sha256"),
        )
        .text(
            "default_inbound_policy",
            env(spec, "LINKERD2_PROXY_INBOUND_DEFAULT_POLICY"),
        )
        .text("inbound_ports", env(spec, "LINKERD2_PROXY_INBOUND_PORTS"))
        .text(
            "opaque_ports",
            env(
                spec,
                "LINKERD2_PROXY_INBOUND_PORTS_DISABLE_PROTOCOL_DETECTION",
            ),
        )
        .set("config", super::pods::config(&pod.value))
        .set(
            "resources",
            spec.get("resources")
                .cloned()
                .unwrap_or_else(|| serde_json::json!({})),
        );
    let mut evidence = vec![pod.evidence(&format!(
        "Pod {}/{}: proxy {version}",
        pod.namespace, pod.name
    ))];
    if let Some(state) = state {
        let ready = text(told, "/ready/body").trim();
        let excerpt = format!("log level {level:?}, ready answer {ready:?}");
        evidence.insert(0, Evidence::of_entry(state.entry.as_str(), excerpt));
    }
    Fact {
        subjects: vec![pod.subject()],
        evidence,
        fields: row.build(),
    }
}

/// The value of an environment variable in a container's spec.
pub(super) fn env<'a>(spec: &'a Value, name: &str) -> &'a str {
    let variables = list(spec, "/env");
    variables
        .iter()
        .find(|v| text(v, "/name") == name)
        .map(|v| text(v, "/value"))
        .unwrap_or_default()
}

fn annotation_or_env<'a>(pod: &'a Value, spec: &'a Value) -> &'a str {
    match env(spec, "LINKERD2_PROXY_IDENTITY_LOCAL_NAME") {
        "" => text(pod, "/spec/serviceAccountName"),
        name => name,
    }
}

/// Whether a log filter lets through more than `info` for the proxy at large.
fn is_verbose(level: &str) -> bool {
    level.split(',').any(|directive| {
        let directive = directive.trim();
        let (target, level) = directive.split_once('=').unwrap_or(("linkerd", directive));
        matches!(target, "linkerd" | "linkerd2_proxy") && matches!(level, "debug" | "trace")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_levels_of_the_proxy_itself_make_it_verbose() {
        assert!(is_verbose("debug"));
        assert!(is_verbose("warn,linkerd=debug,hickory=error"));
        assert!(!is_verbose("warn,linkerd=info,hickory=debug"));
        assert!(!is_verbose(""));
    }
}
