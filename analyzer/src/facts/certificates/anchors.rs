//! The sets of trust anchors: the cluster's, and those that each pod was started with.

use std::collections::{BTreeMap, BTreeSet};

use super::parse::{Certificate, certificates};
use crate::facts::json::Json;
use crate::facts::kube::{is_control_plane, is_meshed, proxy_of};
use crate::facts::proxies::env;
use crate::facts::row::text;
use crate::facts::{Object, Sources};

/// The `ConfigMap` that proxies are told to trust.
pub(super) const ROOTS: &str = "linkerd-identity-trust-roots";
const KEY: &str = "ca-bundle.crt";
const VARIABLE: &str = "LINKERD2_PROXY_IDENTITY_TRUST_ANCHORS";

/// Every set of trust anchors in the bundle.
pub(super) struct Anchors<'a> {
    /// What the cluster says now, and the text that says it.
    pub(super) cluster: Vec<Certificate>,
    pub(super) cluster_pem: &'a str,
    /// The object that says it.
    pub(super) source: Option<&'a Object>,
    /// Sets by their text: most pods have the same.
    sets: BTreeMap<&'a str, Vec<Certificate>>,
}

impl<'a> Anchors<'a> {
    pub(super) fn of(sources: &'a Sources<'_>) -> Self {
        let namespace = sources.control_plane_namespace();
        let roots = sources
            .object("ConfigMap", namespace, ROOTS)
            .or_else(|| sources.kind("ConfigMap").iter().find(|c| c.name == ROOTS));
        let of_roots = roots
            .map(|c| bundle_text(&c.value))
            .filter(|pem| !pem.is_empty());
        let values = text(sources.values(), "/identityTrustAnchorsPEM");
        let cluster_pem = of_roots.unwrap_or(values);
        let source = match of_roots {
            Some(_) => roots,
            None => sources.object("ConfigMap", namespace, "linkerd-config"),
        };
        let mut sets = BTreeMap::new();
        for pod in sources.kind("Pod") {
            let pem = env_pem(pod);
            if !pem.is_empty() && !sets.contains_key(pem) {
                sets.insert(pem, certificates(pem.as_bytes()).0);
            }
        }
        let mut cluster = certificates(cluster_pem.as_bytes()).0;
        if cluster.is_empty() {
            let of_files = sources.chains.iter().filter(|c| c.role == "trust-anchor");
            cluster.extend(of_files.flat_map(|c| c.certificates.clone()));
        }
        Self {
            cluster,
            cluster_pem,
            source,
            sets,
        }
    }

    /// The anchors that a pod's proxy was started with, if the bundle tells. A pod that takes
    /// them from the `ConfigMap` has what was in it when it started, which is not known; the
    /// `ConfigMap`'s content now is taken for it.
    pub(super) fn of_pod(&self, pod: &Object) -> Option<&[Certificate]> {
        let pem = env_pem(pod);
        if !pem.is_empty() {
            return self.sets.get(pem).map(Vec::as_slice);
        }
        (takes_config_map(pod) && !self.cluster.is_empty()).then_some(self.cluster.as_slice())
    }

    /// Every set that pods were started with.
    pub(super) fn sets(&self) -> impl Iterator<Item = (&'a str, &[Certificate])> {
        self.sets.iter().map(|(pem, set)| (*pem, set.as_slice()))
    }
}

/// The bundle in a `ConfigMap` of trust roots.
pub(super) fn bundle_text(config: &Json) -> &str {
    // The key has a dot, which a JSON pointer takes as it is.
    let pem = config.pointer("/data").and_then(|d| d.get(KEY));
    pem.and_then(Json::as_str).unwrap_or_default()
}

/// The PEM text in a pod's environment; empty if there is none.
pub(super) fn env_pem(pod: &Object) -> &str {
    proxy_of(&pod.value).map_or("", |proxy| env(proxy, VARIABLE))
}

/// Whether a pod takes its anchors from the `ConfigMap` when it starts, as those of the control
/// plane do.
pub(super) fn takes_config_map(pod: &Object) -> bool {
    is_meshed(&pod.value) && is_control_plane(&pod.value) && env_pem(pod).is_empty()
}

/// What proxies tell anchors apart by: name and key.
pub(super) fn ids(set: &[Certificate]) -> BTreeSet<&str> {
    set.iter().map(|a| a.anchor_id.as_str()).collect()
}
