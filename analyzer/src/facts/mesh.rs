//! The table `mesh`: one row that describes the control plane.

use std::collections::BTreeMap;
use std::sync::Arc;

use bundle::EntryInfo;
use serde_json::{Value, json};

use super::pods::{PROXY, is_meshed, label, spec_containers};
use super::row::{Row, text};
use super::workloads::replicas;
use super::{Fact, Gap, Object, Piece, Sources};
use crate::evidence::{Evidence, Subject};

/// The Deployments without which a mesh does not work.
const COMPONENTS: [&str; 3] = [
    "linkerd-destination",
    "linkerd-identity",
    "linkerd-proxy-injector",
];

/// Parses `cluster_version.json`.
pub(super) fn parse_version(entry: &Arc<EntryInfo>, bytes: &[u8]) -> Vec<Piece> {
    match serde_json::from_slice::<Value>(bytes) {
        Ok(value) => match text(&value, "/string") {
            "" => Vec::new(),
            version => vec![Piece::ServerVersion(version.to_owned())],
        },
        Err(e) => {
            let detail = format!("is broken JSON: {e}");
            vec![Piece::Gap(Gap {
                entry: entry.path.to_string(),
                detail,
            })]
        }
    }
}

/// Derives the table. Empty if nothing of a control plane is in the bundle.
#[expect(
    clippy::too_many_lines,
    reason = "one line for each field of the table"
)]
pub(super) fn derive(sources: &Sources<'_>) -> Vec<Fact> {
    let namespace = sources.control_plane_namespace();
    let config = sources.object("ConfigMap", &namespace, "linkerd-config");
    let deployments: Vec<&Object> = sources
        .kind("Deployment")
        .iter()
        .filter(|d| d.namespace == namespace)
        .collect();
    let Some(anchor) = config.or(deployments.first().copied()) else {
        return Vec::new();
    };
    let values = config.map_or(Value::Null, |c| values(&c.value));
    let proxies = proxy_versions(sources);
    let kubernetes = sources.server_version.clone().or_else(|| {
        sources
            .context
            .manifest
            .and_then(|m| m.kubernetes_version.clone())
    });
    let meshed = sources
        .kind("Pod")
        .iter()
        .filter(|p| is_meshed(&p.value))
        .count();
    let version = version(&values, &deployments);
    let row = Row::new()
        .set("control_plane_namespace", namespace.as_str())
        .text("version", &version)
        .set("components", components(&deployments))
        .set("missing", missing(sources, &deployments))
        .set("has_config", config.is_some())
        .text("trust_domain", text(&values, "/identityTrustDomain"))
        .text("cluster_domain", text(&values, "/clusterDomain"))
        .text("proxy_log_level", text(&values, "/proxy/logLevel"))
        .text(
            "default_inbound_policy",
            text(&values, "/proxy/defaultInboundPolicy"),
        )
        .set(
            "cni_enabled",
            values
                .get("cniEnabled")
                .and_then(Value::as_bool)
                .unwrap_or(false),
        )
        .set(
            "ha",
            values
                .get("highAvailability")
                .and_then(Value::as_bool)
                .unwrap_or(false),
        )
        .text("issuer_scheme", text(&values, "/identity/issuer/scheme"))
        .text(
            "issuance_lifetime",
            text(&values, "/identity/issuer/issuanceLifetime"),
        )
        .set("proxy_versions", proxies.clone())
        .set("pods", sources.kind("Pod").len())
        .set("meshed_pods", meshed)
        .opt("kubernetes_version", kubernetes.as_deref())
        .opt(
            "clock_difference_s",
            sources
                .context
                .manifest
                .and_then(|m| m.api_server_clock_difference_s),
        );
    let excerpt = format!("control plane {version} in namespace {namespace}, {meshed} meshed pods");
    vec![Fact {
        subjects: vec![Subject::cluster("Namespace", namespace)],
        evidence: vec![Evidence {
            line: anchor.line,
            ..Evidence::of_entry(anchor.entry.as_str(), excerpt)
        }],
        fields: row.build(),
    }]
}

/// The Helm values in `linkerd-config`.
pub(super) fn values(config: &Value) -> Value {
    let yaml = text(config, "/data/values");
    serde_saphyr::from_str(yaml).unwrap_or(Value::Null)
}

/// The control plane's version: from the configuration, else from what the pods are made of.
fn version(values: &Value, deployments: &[&Object]) -> String {
    let told = [text(values, "/linkerdVersion"), text(values, "/cliVersion")];
    let told = told.into_iter().find(|v| !v.is_empty());
    let from_images = || {
        let created_by = deployments.iter().map(|d| {
            super::pods::annotation(&d.value, "linkerd.io/created-by")
                .rsplit(' ')
                .next()
                .unwrap_or_default()
        });
        created_by
            .filter(|v| v.contains('-'))
            .map(str::to_owned)
            .next()
    };
    let version = told
        .map(str::to_owned)
        .or_else(from_images)
        .unwrap_or_default();
    version.trim_start_matches("linkerd/cli ").to_owned()
}

fn components(deployments: &[&Object]) -> Value {
    let rows = deployments.iter().map(|d| {
        let (desired, ready) = replicas(d);
        (d.name.clone(), json!({"desired": desired, "ready": ready}))
    });
    Value::Object(rows.collect())
}

/// Components that are not there although the bundle lists the namespace's Deployments.
fn missing(sources: &Sources<'_>, deployments: &[&Object]) -> Vec<Value> {
    if sources.kind("Deployment").is_empty() {
        return Vec::new();
    }
    let is_there = |name: &&&str| deployments.iter().any(|d| d.name == **name);
    COMPONENTS
        .iter()
        .filter(|name| !is_there(name))
        .map(|name| json!(name))
        .collect()
}

/// How many pods run each version of the proxy, by image tag.
fn proxy_versions(sources: &Sources<'_>) -> Value {
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    for pod in sources.kind("Pod") {
        if let Some(tag) = proxy_tag(&pod.value) {
            *counts.entry(tag.to_owned()).or_default() += 1;
        }
    }
    json!(counts)
}

/// The tag of a pod's proxy image.
pub(super) fn proxy_tag(pod: &Value) -> Option<&str> {
    let proxy = spec_containers(pod).find(|c| text(c, "/name") == PROXY)?;
    let image = text(proxy, "/image").split('@').next()?;
    let (name, tag) = image.rsplit_once(':')?;
    (!name.is_empty() && !tag.contains('/')).then_some(tag)
}

/// Whether a pod belongs to the control plane.
pub(super) fn is_control_plane(pod: &Value) -> bool {
    !label(pod, "linkerd.io/control-plane-component").is_empty()
}
