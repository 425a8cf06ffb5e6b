//! Every place in the bundle that holds certificates.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::Presented;
use super::anchors::{Anchors, ROOTS, bundle_text, env_pem, ids};
use super::parse::{Certificate, certificates};
use crate::evidence::{Evidence, Subject};
use crate::facts::json::Json;
use crate::facts::kube::is_control_plane;
use crate::facts::row::{list, text};
use crate::facts::webhooks::ca_bundle;
use crate::facts::{Object, Sources};

/// Certificates and where they stand.
pub(super) struct Place {
    pub(super) role: &'static str,
    /// In words, such as `ConfigMap linkerd-identity-trust-roots`.
    pub(super) found_in: String,
    pub(super) subject: Subject,
    pub(super) evidence: Evidence,
    pub(super) certificates: Vec<Certificate>,
    /// What could not be read.
    pub(super) broken: Vec<String>,
    /// How many pods have these certificates in their environment.
    pub(super) pods: usize,
}

pub(super) fn all(sources: &Sources<'_>, anchors: &Anchors<'_>) -> Vec<Place> {
    let mut places = Vec::new();
    config_maps(sources, &mut places);
    pods(sources, anchors, &mut places);
    webhooks(sources, &mut places);
    others(sources, &mut places);
    secrets(sources, &mut places);
    sources
        .chains
        .iter()
        .for_each(|chain| presented(chain, &mut places));
    places
}

/// What servers presented, and what files hold.
fn presented(chain: &Presented, places: &mut Vec<Place>) {
    let found_in = match chain.subject.kind.as_str() {
        "Certificate" => {
            let file = chain.entry.rsplit('/').next();
            format!("file {}", file.unwrap_or_default())
        }
        kind => format!("handshake with {kind}"),
    };
    let place = |role, told: String, certificates, broken| Place {
        role,
        found_in: found_in.clone(),
        subject: chain.subject.clone(),
        evidence: Evidence::of_entry(chain.entry.as_str(), told),
        certificates,
        broken,
        pods: 0,
    };
    for (at, certificate) in chain.certificates.iter().enumerate() {
        let role = match (chain.role, at) {
            ("leaf", 0) => "leaf",
            ("leaf", _) => "issuer",
            (role, _) => role,
        };
        let certificates = vec![certificate.clone()];
        places.push(place(
            role,
            certificate.in_words(),
            certificates,
            Vec::new(),
        ));
    }
    if let Some(first) = chain.broken.first() {
        places.push(place(
            chain.role,
            first.clone(),
            Vec::new(),
            chain.broken.clone(),
        ));
    }
}

/// A place in an object; `None` if there is no text at all.
fn place(role: &'static str, object: &Object, what: &str, pem: &[u8]) -> Option<Place> {
    if pem.trim_ascii().is_empty() {
        return None;
    }
    let (certificates, broken) = certificates(pem);
    let told = match certificates.first() {
        Some(first) => first.in_words(),
        None => broken.first().cloned().unwrap_or_default(),
    };
    let found_in = format!("{} {}", object.kind, object.name);
    let evidence = object.evidence(&format!("{found_in}: {what}: {told}"));
    Some(Place {
        role,
        found_in,
        subject: object.subject(),
        evidence,
        certificates,
        broken,
        pods: 0,
    })
}

fn config_maps(sources: &Sources<'_>, places: &mut Vec<Place>) {
    let namespace = sources.control_plane_namespace();
    let roots = sources.kind("ConfigMap").iter().filter(|c| c.name == ROOTS);
    // Trust-manager copies the bundle into other namespaces, where nothing reads it.
    for config in roots.filter(|c| {
        c.namespace == namespace || sources.object("ConfigMap", namespace, ROOTS).is_none()
    }) {
        let pem = bundle_text(&config.value);
        places.extend(place(
            "trust-anchor",
            config,
            "trust anchors",
            pem.as_bytes(),
        ));
    }
    if let Some(config) = sources.object("ConfigMap", namespace, "linkerd-config") {
        let pem = text(sources.values(), "/identityTrustAnchorsPEM");
        places.extend(place(
            "trust-anchor",
            config,
            "trust anchors",
            pem.as_bytes(),
        ));
    }
}

/// Anchors that only pods have. Those that the cluster says too are told there.
fn pods(sources: &Sources<'_>, anchors: &Anchors<'_>, places: &mut Vec<Place>) {
    let cluster = ids(&anchors.cluster);
    let mut first: BTreeMap<&str, (&Object, usize)> = BTreeMap::new();
    for pod in sources.kind("Pod") {
        let pem = env_pem(pod);
        if !pem.is_empty() {
            first.entry(pem).or_insert((pod, 0)).1 += 1;
        }
    }
    for (pem, set) in anchors.sets() {
        let own = set
            .iter()
            .filter(|a| !cluster.contains(a.anchor_id.as_str()));
        let own: Vec<Certificate> = own.cloned().collect();
        let Some((pod, count)) = first.get(pem).filter(|_| !own.is_empty()) else {
            continue;
        };
        if let Some(place) = place(
            "pod-trust-anchor",
            pod,
            "trust anchors of its proxy",
            pem.as_bytes(),
        ) {
            places.push(Place {
                found_in: "environment of proxies".to_owned(),
                certificates: own,
                pods: *count,
                ..place
            });
        }
    }
}

fn webhooks(sources: &Sources<'_>, places: &mut Vec<Place>) {
    let kinds = [
        "MutatingWebhookConfiguration",
        "ValidatingWebhookConfiguration",
    ];
    for object in kinds.iter().flat_map(|kind| sources.kind(kind)) {
        for hook in list(&object.value, "/webhooks") {
            let name = text(hook, "/name");
            if name.ends_with(".linkerd.io") || is_control_plane(&object.value) {
                let pem = ca_bundle(hook).unwrap_or_default();
                places.extend(place("webhook-ca", object, name, &pem));
            }
        }
    }
}

/// `APIService`s, and definitions whose objects are converted by a webhook.
fn others(sources: &Sources<'_>, places: &mut Vec<Place>) {
    let services = sources.kind("APIService").iter();
    for object in services.filter(|a| a.name.contains("linkerd.io")) {
        let pem = ca_bundle(&object.value).unwrap_or_default();
        places.extend(place("apiservice-ca", object, &object.name, &pem));
    }
    let definitions = sources.kind("CustomResourceDefinition").iter();
    for object in definitions.filter(|d| d.name.ends_with("linkerd.io")) {
        let webhook = object.value.pointer("/spec/conversion/webhook");
        let pem = webhook.and_then(ca_bundle).unwrap_or_default();
        places.extend(place("conversion-ca", object, &object.name, &pem));
    }
}

/// Public certificates in Secrets, where somebody put them into the bundle.
fn secrets(sources: &Sources<'_>, places: &mut Vec<Place>) {
    for secret in sources.kind("Secret") {
        let role = match secret.name.as_str() {
            "linkerd-identity-issuer" => "issuer",
            name if name.starts_with("linkerd-") && name.ends_with("-tls") => "webhook",
            "tap-k8s-tls" | "tap-injector-k8s-tls" => "webhook",
            _ => continue,
        };
        for key in ["crt.pem", "tls.crt"] {
            let data = secret.value.get("data").and_then(|d| d.get(key));
            let encoded = data.and_then(Json::as_str).unwrap_or_default();
            let pem = STANDARD.decode(encoded).unwrap_or_default();
            places.extend(place(role, secret, key, &pem));
        }
    }
}
