//! The table `mesh`: one row that describes the control plane and how it is configured.

use std::collections::BTreeMap;
use std::sync::Arc;

use bundle::EntryInfo;
use serde_json::{Value, json};

use super::components::{self, Component};
use super::json::Json;
use super::kube::{COMPONENT, EXTENSION, annotation, is_native_sidecar, label, proxy_of, tag};
use super::row::{Row, text};
use super::versions::{Version, kubernetes_support};
use super::{Fact, Gap, Piece, Sources, pods};
use crate::evidence::Subject;

/// Parses `cluster_version.json`.
pub(super) fn parse_version(entry: &Arc<EntryInfo>, bytes: &[u8]) -> Vec<Piece> {
    match serde_json::from_slice::<Value>(bytes) {
        Ok(value) => {
            let value = Json::from(value);
            let told = [
                text(&value, "/string"),
                text(&value, "/info/gitVersion"),
                text(&value, "/gitVersion"),
            ];
            let version = told.into_iter().find(|v| !v.is_empty());
            version
                .map(|v| Piece::ServerVersion(v.to_owned()))
                .into_iter()
                .collect()
        }
        Err(e) => {
            let detail = format!("is broken JSON: {e}");
            vec![Piece::Gap(Gap {
                entry: entry.path.to_string(),
                detail,
            })]
        }
    }
}

/// The Helm values in `linkerd-config`, or why they cannot be read.
pub(super) fn values(config: &Json) -> Result<Json, String> {
    let yaml = text(config, "/data/values");
    if yaml.is_empty() {
        return Err("ConfigMap `linkerd-config` has no chart values".to_owned());
    }
    let first =
        |e: serde_saphyr::Error| e.to_string().lines().next().unwrap_or_default().to_owned();
    let values = serde_saphyr::from_str::<Value>(yaml);
    values.map(Json::from).map_err(|e| {
        format!(
            "the chart values in `linkerd-config` cannot be read: {}",
            first(e)
        )
    })
}

/// Derives the table. Empty if neither a control plane nor a proxy is in the bundle.
pub(super) fn derive(sources: &Sources<'_>) -> Vec<Fact> {
    let namespace = sources.control_plane_namespace();
    let components = components::all(sources);
    let config = sources.object("ConfigMap", namespace, "linkerd-config");
    let meshed = || {
        sources
            .kind("Pod")
            .iter()
            .find(|p| proxy_of(&p.value).is_some())
    };
    let deployed = components.iter().find_map(Component::anchor);
    let Some(anchor) = config.or(deployed).or_else(meshed) else {
        return Vec::new();
    };
    let (version, told_by) = version(sources, &components);
    let row = Row::new()
        .set("control_plane_namespace", namespace)
        .set("has_control_plane", config.is_some() || deployed.is_some())
        .set("has_config", config.is_some())
        .text("version", &version)
        .text("version_from", told_by)
        .opt("major", Version::parse(&version).and_then(Version::major))
        .set("components", component_map(&components))
        .set("missing", missing(&components))
        .set("extensions", extensions(sources));
    let row = cluster(row, sources, &version);
    let row = settings(row, sources.values());
    let row = data_plane(row, sources);
    let down: Vec<&str> = components
        .iter()
        .filter(|c| c.is_down())
        .map(|c| c.name.as_str())
        .collect();
    let down = if down.is_empty() {
        String::new()
    } else {
        format!(", not ready: {}", down.join(", "))
    };
    let shown = if version.is_empty() {
        "of unknown version"
    } else {
        &version
    };
    let excerpt = format!("control plane {shown} in namespace {namespace}{down}");
    vec![Fact {
        subjects: vec![Subject::cluster("Namespace", namespace)],
        evidence: vec![anchor.evidence(&excerpt)],
        fields: row.build(),
        kept: None,
    }]
}

/// The control plane's version, and what told it.
pub(super) fn version(
    sources: &Sources<'_>,
    components: &[Component<'_>],
) -> (String, &'static str) {
    let values = sources.values();
    // `cliVersion` is `linkerd/cli edge-26.8.3` or `linkerd/helm edge-26.8.3`.
    let configured = [text(values, "/linkerdVersion"), text(values, "/cliVersion")];
    let configured = configured.map(|v| v.rsplit(' ').next().unwrap_or_default());
    if let Some(version) = configured.into_iter().find(|v| !v.is_empty()) {
        return (version.to_owned(), "linkerd-config");
    }
    let core = components.iter().filter(|c| c.is_core);
    let labels = core
        .clone()
        .filter_map(|c| c.object)
        .map(|o| label(&o.value, "app.kubernetes.io/version"));
    if let Some(version) = labels.clone().find(|v| !v.is_empty()) {
        return (version.to_owned(), "label");
    }
    if let Some(component) = core.clone().find(|c| !c.version.is_empty()) {
        return (component.version.clone(), "image");
    }
    let created = sources
        .in_namespace("Pod", sources.control_plane_namespace())
        .iter();
    let created = created.filter(|p| !label(&p.value, COMPONENT).is_empty());
    let mut created = created.map(|p| {
        annotation(&p.value, "linkerd.io/created-by")
            .rsplit(' ')
            .next()
            .unwrap_or_default()
    });
    created
        .find(|v| !v.is_empty())
        .map_or((String::new(), ""), |v| (v.to_owned(), "annotation"))
}

fn component_map(components: &[Component<'_>]) -> Value {
    let own = components
        .iter()
        .filter(|c| c.extension.is_empty() && c.is_present);
    let map = own.map(|c| {
        (
            c.owner.name.to_string(),
            json!({"desired": c.desired, "ready": c.ready}),
        )
    });
    Value::Object(map.collect())
}

fn missing(components: &[Component<'_>]) -> Vec<Value> {
    components
        .iter()
        .filter(|c| c.is_core && !c.is_present)
        .map(|c| json!(c.owner.name.as_str()))
        .collect()
}

fn extensions(sources: &Sources<'_>) -> Vec<Value> {
    let labels = sources
        .kind("Namespace")
        .iter()
        .map(|n| label(&n.value, EXTENSION));
    let mut names: Vec<&str> = labels.filter(|l| !l.is_empty()).collect();
    names.sort_unstable();
    names.dedup();
    names.into_iter().map(Value::from).collect()
}

/// What holds for the whole cluster.
fn cluster(row: Row, sources: &Sources<'_>, version: &str) -> Row {
    let manifest = sources.context.manifest;
    let of_nodes = || {
        sources
            .kind("Node")
            .iter()
            .map(|n| text(&n.value, "/status/nodeInfo/kubeletVersion").to_owned())
            .min()
    };
    let kubernetes = sources.server_version.clone();
    let kubernetes = kubernetes
        .or_else(|| manifest.and_then(|m| m.kubernetes_version.clone()))
        .or_else(of_nodes);
    let support = kubernetes
        .as_deref()
        .and_then(|k| kubernetes_support(version, k));
    row.opt("kubernetes_version", kubernetes.as_deref())
        .opt("kubernetes_support", support)
        .opt(
            "clock_difference_s",
            manifest.and_then(|m| m.api_server_clock_difference_s),
        )
        .set("nodes", sources.kind("Node").len())
        .set("has_ledger", manifest.is_some_and(|m| !m.ledger.is_empty()))
}

/// The chart values that rules ask for.
fn settings(row: Row, values: &Json) -> Row {
    let flag = |pointer: &str| values.pointer(pointer).and_then(Json::as_bool);
    let default_off = |pointer: &str| values.is_map().then(|| flag(pointer).unwrap_or(false));
    row.text("trust_domain", text(values, "/identityTrustDomain"))
        .text("cluster_domain", text(values, "/clusterDomain"))
        .text("cluster_networks", text(values, "/clusterNetworks"))
        .text("proxy_log_level", text(values, "/proxy/logLevel"))
        .text("controller_log_level", text(values, "/controllerLogLevel"))
        .text(
            "default_inbound_policy",
            text(values, "/proxy/defaultInboundPolicy"),
        )
        .text("opaque_ports", text(values, "/proxy/opaquePorts"))
        .text("proxy_image", text(values, "/proxy/image/name"))
        .text("proxy_image_version", text(values, "/proxy/image/version"))
        .opt("native_sidecar", flag("/proxy/nativeSidecar"))
        .opt("proxy_await", flag("/proxy/await"))
        .opt("ha", default_off("/highAvailability"))
        .opt("cni_enabled", default_off("/cniEnabled"))
        .opt("ipv6_disabled", flag("/disableIPv6"))
        .opt("heartbeat_disabled", flag("/disableHeartBeat"))
        .opt("external_ca", flag("/identity/externalCA"))
        .text("issuer_scheme", text(values, "/identity/issuer/scheme"))
        .text(
            "issuance_lifetime",
            text(values, "/identity/issuer/issuanceLifetime"),
        )
        .text(
            "clock_skew_allowance",
            text(values, "/identity/issuer/clockSkewAllowance"),
        )
        .text("iptables_mode", text(values, "/proxyInit/iptablesMode"))
        .text(
            "ignore_inbound_ports",
            text(values, "/proxyInit/ignoreInboundPorts"),
        )
        .text(
            "ignore_outbound_ports",
            text(values, "/proxyInit/ignoreOutboundPorts"),
        )
        .text(
            "webhook_failure_policy",
            text(values, "/webhookFailurePolicy"),
        )
        .opt(
            "controller_replicas",
            values.get("controllerReplicas").and_then(Json::as_i64),
        )
}

/// How many pods run a proxy, and of which version.
fn data_plane(row: Row, sources: &Sources<'_>) -> Row {
    let mut versions: BTreeMap<&str, i64> = BTreeMap::new();
    let (mut meshed, mut native) = (0, 0);
    // A table of pods does not tell which of them have a proxy.
    let is_whole = |pod: &&super::Object| pod.value.get("printed").is_none();
    let pods = || sources.kind("Pod").iter().filter(is_whole);
    for pod in pods() {
        let Some(proxy) = proxy_of(&pod.value) else {
            continue;
        };
        let image = text(proxy, "/image");
        let version = match pods::version(&pod.value, image) {
            "" => tag(image),
            version => version,
        };
        meshed += 1;
        native += i64::from(is_native_sidecar(&pod.value));
        *versions.entry(version).or_default() += 1;
    }
    // The version that the most pods have; of several, the first in order.
    let common = versions
        .iter()
        .max_by(|a, b| a.1.cmp(b.1).then(b.0.cmp(a.0)))
        .map_or("", |(v, _)| *v)
        .to_owned();
    let versions: serde_json::Map<_, _> = versions
        .iter()
        .map(|(v, n)| ((*v).to_owned(), json!(n)))
        .collect();
    row.set("pods", pods().count())
        .set("meshed_pods", meshed)
        .set("native_sidecar_pods", native)
        .text("proxy_version", &common)
        .set("proxy_versions", versions)
}
