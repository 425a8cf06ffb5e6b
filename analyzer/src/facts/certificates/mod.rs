//! Facts from certificates: what each one says, and which chains hold at the capture time.
//!
//! Tables: `certificates` (one row for each certificate and place) and `chains` (one row for
//! each chain that a proxy, a webhook server or the identity component relies on).

mod parse;
mod verify;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bundle::EntryInfo;
use bundle::layout::EntryKind;
use serde_json::Value;

use super::pods::{PROXY, is_meshed, spec_containers};
use super::proxies::env;
use super::row::{Row, list, text};
use super::webhooks::ca_bundle;
use super::{Fact, Gap, Object, Piece, Sources};
use crate::evidence::{Evidence, Subject};
pub(super) use parse::Certificate;
use parse::certificates;

/// A chain that a server presented, leaf first.
#[derive(Debug)]
pub struct Presented {
    pub(super) entry: String,
    subject: Subject,
    role: &'static str,
    certificates: Vec<Certificate>,
}

/// Parses a PEM file.
pub(super) fn parse(entry: &Arc<EntryInfo>, bytes: &[u8]) -> Vec<Piece> {
    let (subject, role) = match &entry.kind {
        EntryKind::ProxyIdentity { namespace, pod } => (
            Subject::namespaced("Pod", namespace.as_str(), pod.as_str()),
            "leaf",
        ),
        EntryKind::ServerTls { namespace, service } => (
            Subject::namespaced("Service", namespace.as_str(), service.as_str()),
            "webhook",
        ),
        _ => (
            Subject::cluster("Certificate", entry.path.file_name()),
            "file",
        ),
    };
    let (certificates, broken) = certificates(bytes);
    let path = entry.path.to_string();
    let mut pieces: Vec<Piece> = broken
        .into_iter()
        .map(|detail| {
            Piece::Gap(Gap {
                entry: path.clone(),
                detail,
            })
        })
        .collect();
    pieces.push(Piece::Chain(Box::new(Presented {
        entry: path,
        subject,
        role,
        certificates,
    })));
    pieces
}

/// A set of certificates and where it stands.
struct Place {
    role: &'static str,
    subject: Subject,
    evidence: Evidence,
    certificates: Vec<Certificate>,
}

/// Derives both tables.
pub(super) fn derive(sources: &Sources<'_>) -> Vec<(&'static str, Vec<Fact>)> {
    let places = places(sources);
    let anchors = anchors(sources);
    let of_anchors = places.iter().filter(|p| p.role == "trust-anchor");
    vec![
        ("trust_anchors", rows(sources, of_anchors)),
        ("certificates", rows(sources, places.iter())),
        ("chains", chains(sources, &places, &anchors)),
        ("trust_roots", trust_roots(sources, &anchors)),
        ("issuers", issuers(sources, &places)),
    ]
}

/// The cluster's trust anchors, from the `ConfigMap` that the proxies are told to trust.
fn anchors(sources: &Sources<'_>) -> Vec<Certificate> {
    let namespace = sources.control_plane_namespace();
    let of_config = |name: &str| sources.object("ConfigMap", &namespace, name);
    let roots = of_config("linkerd-identity-trust-roots")
        .map(|c| text(&c.value, "/data/ca-bundle.crt").to_owned())
        .filter(|pem| !pem.is_empty())
        .or_else(|| {
            let values = super::mesh::values(&of_config("linkerd-config")?.value);
            Some(text(&values, "/identityTrustAnchorsPEM").to_owned())
        });
    certificates(roots.unwrap_or_default().as_bytes()).0
}

/// Every place in the bundle that holds certificates.
fn places(sources: &Sources<'_>) -> Vec<Place> {
    let mut places = Vec::new();
    let namespace = sources.control_plane_namespace();
    if let Some(config) = sources.object("ConfigMap", &namespace, "linkerd-identity-trust-roots") {
        let pem = text(&config.value, "/data/ca-bundle.crt");
        places.extend(place(
            "trust-anchor",
            config,
            "trust anchors",
            pem.as_bytes(),
        ));
    }
    for object in [
        "MutatingWebhookConfiguration",
        "ValidatingWebhookConfiguration",
    ]
    .iter()
    .flat_map(|k| sources.kind(k))
    {
        for hook in list(&object.value, "/webhooks") {
            let name = text(hook, "/name");
            let bundle = ca_bundle(hook).filter(|_| name.ends_with(".linkerd.io"));
            places.extend(bundle.and_then(|pem| place("webhook-ca", object, name, &pem)));
        }
    }
    for object in sources
        .kind("APIService")
        .iter()
        .filter(|a| a.name.contains("linkerd.io"))
    {
        places.extend(
            ca_bundle(&object.value)
                .and_then(|pem| place("apiservice-ca", object, &object.name, &pem)),
        );
    }
    for chain in &sources.chains {
        for (at, certificate) in chain.certificates.iter().enumerate() {
            let role = match (chain.role, at) {
                ("leaf", 0) => "leaf",
                ("leaf", _) => "issuer",
                (role, _) => role,
            };
            let told = certificate.in_words();
            places.push(Place {
                role,
                subject: chain.subject.clone(),
                evidence: Evidence::of_entry(chain.entry.as_str(), told),
                certificates: vec![certificate.clone()],
            });
        }
    }
    places
}

fn place(role: &'static str, object: &Object, what: &str, pem: &[u8]) -> Option<Place> {
    let (certificates, _) = certificates(pem);
    let first = certificates.first()?;
    let evidence = object.evidence(&format!(
        "{} {}: {what}: {}",
        object.kind,
        object.name,
        first.in_words()
    ));
    Some(Place {
        role,
        subject: object.subject(),
        evidence,
        certificates,
    })
}

/// Table `certificates`. The same certificate in the same role is one row with all its places.
fn rows<'p>(sources: &Sources<'_>, places: impl Iterator<Item = &'p Place>) -> Vec<Fact> {
    let mut facts: BTreeMap<(&str, &str), Fact> = BTreeMap::new();
    for place in places {
        for certificate in &place.certificates {
            let key = (place.role, certificate.fingerprint.as_str());
            let fact = facts.entry(key).or_insert_with(|| Fact {
                subjects: Vec::new(),
                evidence: Vec::new(),
                fields: certificate
                    .fields(Row::new().set("role", place.role), sources.at())
                    .build(),
            });
            fact.subjects.push(place.subject.clone());
            fact.evidence.push(place.evidence.clone());
        }
    }
    facts.into_values().collect()
}

/// Table `issuers`: the certificate that identity signs with now. At most one row: what identity
/// itself tells, else the newest issuer that a proxy presents.
fn issuers(sources: &Sources<'_>, places: &[Place]) -> Vec<Fact> {
    if let Some((ttl, subject, evidence)) = super::metrics::issuer_ttl(sources) {
        let row = Row::new()
            .set("remaining_s", ttl)
            .set("days_left", ttl / 86_400.0)
            .set("expired", ttl <= 0.0);
        return vec![Fact {
            subjects: vec![subject],
            evidence: vec![evidence],
            fields: row.build(),
        }];
    }
    let issuers = places.iter().filter(|p| p.role == "issuer");
    let newest = issuers.max_by_key(|p| p.certificates.first().map(|c| c.not_before));
    let fact = newest.and_then(|place| {
        let certificate = place.certificates.first()?;
        Some(Fact {
            subjects: vec![Subject::cluster(
                "Certificate",
                certificate.subject.as_str(),
            )],
            evidence: vec![place.evidence.clone()],
            fields: certificate.fields(Row::new(), sources.at()).build(),
        })
    });
    fact.into_iter().collect()
}

/// Table `chains`.
fn chains(sources: &Sources<'_>, places: &[Place], anchors: &[Certificate]) -> Vec<Fact> {
    let mut facts = Vec::new();
    for chain in &sources.chains {
        let Some(leaf) = chain.certificates.first() else {
            continue;
        };
        let trusted: Vec<Certificate> = match chain.role {
            "leaf" => anchors.to_vec(),
            "webhook" => webhook_anchors(sources, places, &chain.subject),
            _ => continue,
        };
        if trusted.is_empty() {
            continue;
        }
        let verdict = verify::verify(&chain.certificates, &trusted, sources.at());
        let issuer_end = chain.certificates.get(1).map(|i| i.not_after);
        let row = leaf
            .fields(Row::new().set("role", chain.role), sources.at())
            .set("verdict", verdict.name())
            .set("reason", verdict.reason())
            .set("length", chain.certificates.len())
            .set("clamped_to_issuer", issuer_end == Some(leaf.not_after))
            .time("issuer_not_after", issuer_end);
        let excerpt = format!("{}: {}", leaf.in_words(), verdict.reason());
        facts.push(Fact {
            subjects: vec![chain.subject.clone()],
            evidence: vec![Evidence::of_entry(chain.entry.as_str(), excerpt)],
            fields: row.build(),
        });
    }
    facts
}

/// The CA bundles of the webhooks that a Service serves.
fn webhook_anchors(sources: &Sources<'_>, places: &[Place], service: &Subject) -> Vec<Certificate> {
    let kinds = [
        "MutatingWebhookConfiguration",
        "ValidatingWebhookConfiguration",
    ];
    let serves = |object: &Object| {
        list(&object.value, "/webhooks").iter().any(|hook| {
            text(hook, "/clientConfig/service/name") == service.name
                && Some(text(hook, "/clientConfig/service/namespace"))
                    == service.namespace.as_deref()
        })
    };
    let objects: BTreeSet<Subject> = kinds
        .iter()
        .flat_map(|kind| sources.kind(kind))
        .filter(|o| serves(o))
        .map(Object::subject)
        .collect();
    let of_service = places
        .iter()
        .filter(|p| p.role == "webhook-ca" && objects.contains(&p.subject));
    of_service.flat_map(|p| p.certificates.clone()).collect()
}

/// Table `trust_roots`: meshed pods whose proxies trust another set of anchors than the cluster
/// now says, because they were made before it changed.
fn trust_roots(sources: &Sources<'_>, anchors: &[Certificate]) -> Vec<Fact> {
    let current: BTreeSet<&str> = anchors.iter().map(|a| a.fingerprint.as_str()).collect();
    let hashes = current_hashes(sources);
    let meshed = sources.kind("Pod").iter().filter(|p| is_meshed(&p.value));
    let facts = meshed.filter_map(|pod| {
        let proxy = spec_containers(&pod.value).find(|c| text(c, "/name") == PROXY)?;
        let pem = env(proxy, "LINKERD2_PROXY_IDENTITY_TRUST_ANCHORS");
        let told = super::pods::annotation(&pod.value, "linkerd.io/trust-root-sha256");
        let (own, _) = certificates(pem.as_bytes());
        let own: BTreeSet<&str> = own.iter().map(|a| a.fingerprint.as_str()).collect();
        let differs = if !own.is_empty() && !current.is_empty() {
            own != current
        } else {
            !told.is_empty() && !hashes.is_empty() && !hashes.iter().any(|h| h == told)
        };
        let shares = own.intersection(&current).next().is_some();
        let row = Row::new()
            .set("namespace", pod.namespace.as_str())
            .set("pod", pod.name.as_str())
            .set("known", !own.is_empty() || !told.is_empty())
            .set("differs", differs)
            .set("shares_one", shares)
            .text("sha256", told);
        let word = if differs {
            "another set of trust anchors than"
        } else {
            "the trust anchors of"
        };
        let excerpt = format!(
            "Pod {}/{}: its proxy has {word} the cluster's ConfigMap",
            pod.namespace, pod.name
        );
        Some(Fact {
            subjects: vec![pod.subject()],
            evidence: vec![pod.evidence(&excerpt)],
            fields: row.build(),
        })
    });
    facts.collect()
}

/// The hashes that the injector or Helm would write for the cluster's trust anchors: they differ
/// in whether the text ends with a newline.
fn current_hashes(sources: &Sources<'_>) -> Vec<String> {
    let namespace = sources.control_plane_namespace();
    let config = sources.object("ConfigMap", &namespace, "linkerd-identity-trust-roots");
    let pem = config
        .map(|c| text(&c.value, "/data/ca-bundle.crt"))
        .unwrap_or_default();
    if pem.is_empty() {
        return Vec::new();
    }
    let bare = pem.trim();
    let texts = [pem.to_owned(), bare.to_owned(), format!("{bare}\n")];
    texts
        .iter()
        .map(|text| bundle::sha256_hex(text.as_bytes()))
        .collect()
}

/// Fields that every certificate row has.
impl Certificate {
    fn fields(&self, row: Row, at: jiff::Timestamp) -> Row {
        let remaining = super::row::seconds_between(at, self.not_after);
        row.text("subject", &self.subject)
            .text("issuer", &self.issuer)
            .set("names", Value::from(self.names.clone()))
            .time("not_before", Some(self.not_before))
            .time("not_after", Some(self.not_after))
            .set("remaining_s", remaining)
            .set("days_left", remaining / 86_400.0)
            .set(
                "lifetime_s",
                super::row::seconds_between(self.not_before, self.not_after),
            )
            .set("expired", at > self.not_after)
            .set("not_yet_valid", at < self.not_before)
            .set("is_ca", self.is_ca)
            .set("self_signed", self.subject == self.issuer)
            .text("key", &self.key)
            .text("signature", &self.signature)
            .set("fingerprint", self.fingerprint.as_str())
    }
}
