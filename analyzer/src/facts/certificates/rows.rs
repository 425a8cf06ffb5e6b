//! The tables `certificates` and `certificate_problems`.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::anchors::Anchors;
use super::parse::Certificate;
use super::places::Place;
use super::trust::Signed;
use crate::evidence::Evidence;
use crate::facts::row::{Row, seconds_between};
use crate::facts::{Fact, Sources};

/// How many places a row names: thousands of pods may have the same issuer.
const MAX_PLACES: usize = 20;

/// Fields that every row about a certificate has.
pub(super) fn fields(row: Row, certificate: &Certificate, at: Timestamp) -> Row {
    let remaining = seconds_between(at, certificate.not_after);
    let life = seconds_between(certificate.not_before, certificate.not_after);
    row.text("subject", &certificate.subject)
        .text("issuer", &certificate.issuer)
        .set("names", json!(certificate.names))
        .time("not_before", Some(certificate.not_before))
        .time("not_after", Some(certificate.not_after))
        .set("remaining_s", remaining)
        .set("days_left", remaining / 86_400.0)
        .set("lifetime_s", life)
        .set("expired", at > certificate.not_after)
        .set("not_yet_valid", at < certificate.not_before)
        .set("fingerprint", certificate.fingerprint.as_str())
}

/// The rest of what a certificate says.
fn more_fields(row: Row, certificate: &Certificate) -> Row {
    row.set("is_ca", certificate.is_ca)
        .opt("path_len", certificate.path_len)
        .set("self_signed", certificate.is_self_issued())
        .set("key", certificate.key())
        .set("key_kind", certificate.key_kind.as_str())
        .set("key_bits", certificate.key_bits)
        .set("signature", certificate.signature.as_str())
        .set("supported_crypto", is_supported(certificate))
        .set("usages", json!(certificate.usages))
        .set("purposes", json!(certificate.purposes))
        .set("name_limits", json!(certificate.permitted))
        .text("subject_key_id", &certificate.subject_key_id)
        .text("authority_key_id", &certificate.authority_key_id)
        .set("anchor_id", certificate.anchor_id.as_str())
}

/// Whether `linkerd check` takes the key and the signature for supported.
fn is_supported(certificate: &Certificate) -> bool {
    let key = matches!(
        (certificate.key_kind.as_str(), certificate.key_bits),
        ("EC", 256) | ("RSA", 2048 | 4096)
    );
    let signature = matches!(
        certificate.signature.as_str(),
        "ECDSA-SHA256" | "RSA-SHA256"
    );
    key && signature
}

/// Table `certificates`. The same certificate in the same role is one row with all its places.
pub(super) fn certificates(
    sources: &Sources<'_>,
    places: &[Place],
    signed: &Signed<'_>,
) -> Vec<Fact> {
    let mut found: BTreeMap<(&str, &str), (&Certificate, Vec<&Place>)> = BTreeMap::new();
    for place in places {
        for certificate in &place.certificates {
            let key = (place.role, certificate.fingerprint.as_str());
            found
                .entry(key)
                .or_insert((certificate, Vec::new()))
                .1
                .push(place);
        }
    }
    let facts = found.into_iter().map(|((role, _), (certificate, places))| {
        let mut found_in: Vec<&str> = places.iter().map(|p| p.found_in.as_str()).collect();
        found_in.sort_unstable();
        found_in.dedup();
        let pods: usize = places.iter().map(|p| p.pods).sum();
        let row = Row::new()
            .set("role", role)
            .set("found_in", json!(found_in))
            .set("places", places.len())
            .opt("pods", (pods > 0).then_some(pods))
            .opt("signs_issuer", signed.is_by(role, certificate));
        let row = more_fields(fields(row, certificate, sources.at()), certificate);
        let shown = places.iter().take(MAX_PLACES);
        Fact {
            subjects: shown.clone().map(|p| p.subject.clone()).collect(),
            evidence: shown.map(|p| p.evidence.clone()).collect(),
            fields: row.build(),
            kept: None,
        }
    });
    facts.collect()
}

/// Table `certificate_problems`: what is wrong with a set of certificates as a text.
pub(super) fn problems(anchors: &Anchors<'_>, places: &[Place]) -> Vec<Fact> {
    let mut facts = Vec::new();
    for place in places {
        for detail in &place.broken {
            let kind = match detail {
                d if d.contains("PRIVATE KEY") => "private-key",
                d if d.contains("no certificate but") => "other-block",
                d if d == "holds no certificate" => "empty",
                _ => "unreadable",
            };
            facts.push(problem(place, kind, detail));
        }
        if place.role != "trust-anchor" {
            continue;
        }
        for (at, certificate) in place.certificates.iter().enumerate() {
            let before = place.certificates.get(..at).unwrap_or_default();
            if before
                .iter()
                .any(|b| b.fingerprint == certificate.fingerprint)
            {
                let detail = format!("`{}` is in it twice", certificate.name());
                facts.push(problem(place, "duplicate", &detail));
            }
            if !certificate.is_ca {
                let detail = format!(
                    "`{}` is no CA, so proxies trust nothing that it signed",
                    certificate.name()
                );
                facts.push(problem(place, "not-a-ca", &detail));
            }
        }
    }
    facts.extend(disagreement(anchors, places));
    facts
}

fn problem(place: &Place, kind: &str, detail: &str) -> Fact {
    let row = Row::new()
        .set("role", place.role)
        .set("found_in", place.found_in.as_str())
        .set("problem", kind)
        .set("detail", detail);
    let excerpt = format!("{}: {detail}", place.found_in);
    Fact {
        subjects: vec![place.subject.clone()],
        evidence: vec![Evidence {
            excerpt: crate::evidence::shorten(&excerpt),
            ..place.evidence.clone()
        }],
        fields: row.build(),
        kept: None,
    }
}

/// The `ConfigMap` of trust roots and the values of the chart may say different things.
fn disagreement(anchors: &Anchors<'_>, places: &[Place]) -> Option<Fact> {
    let ids = |place: &Place| {
        let ids = place.certificates.iter().map(|c| c.anchor_id.clone());
        ids.collect::<std::collections::BTreeSet<_>>()
    };
    let in_cluster = |p: &&Place| p.role == "trust-anchor" && p.subject.kind == "ConfigMap";
    let mut sets = places.iter().filter(in_cluster);
    let (first, second) = (sets.next()?, sets.next()?);
    if anchors.cluster.is_empty() || ids(first) == ids(second) {
        return None;
    }
    let detail = format!("holds other trust anchors than {}", first.found_in);
    Some(problem(second, "values-differ", &detail))
}

/// A JSON list of texts.
pub(super) fn texts<'a>(values: impl Iterator<Item = &'a str>) -> Value {
    json!(values.collect::<Vec<_>>())
}
