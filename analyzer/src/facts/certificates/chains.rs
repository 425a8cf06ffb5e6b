//! The table `chains`: each chain that a server presented, and whether it holds.

use super::Presented;
use super::anchors::Anchors;
use super::parse::Certificate;
use super::places::Place;
use super::rows::fields;
use super::verify::{Outcome, Rules, Verdict, verify};
use crate::evidence::{Evidence, Subject};
use crate::facts::json::Json;
use crate::facts::kube::proxy_of;
use crate::facts::proxies;
use crate::facts::row::{Row, list, seconds_between, text};
use crate::facts::{Fact, Object, Sources};

pub(super) fn derive(sources: &Sources<'_>, places: &[Place], anchors: &Anchors<'_>) -> Vec<Fact> {
    let facts = sources.chains.iter().filter_map(|chain| {
        let leaf = chain.certificates.first()?;
        match chain.role {
            "leaf" => proxy(sources, anchors, chain, leaf),
            "webhook" => server(sources, places, chain, leaf),
            _ => None,
        }
    });
    facts.collect()
}

/// Whether one of the certificate's names is the one that is asked for.
fn has_name(leaf: &Certificate, name: &str) -> bool {
    leaf.names.iter().any(|n| n.eq_ignore_ascii_case(name))
}

/// The row of a chain.
struct Judged<'a> {
    outcome: Outcome<'a>,
    /// The name that clients ask for, if it is known.
    expected: String,
}

impl Judged<'_> {
    fn is_misnamed(&self, leaf: &Certificate) -> bool {
        !self.expected.is_empty() && !has_name(leaf, &self.expected)
    }

    fn name(&self, leaf: &Certificate) -> &'static str {
        if self.outcome.verdict == Verdict::Ok && self.is_misnamed(leaf) {
            "name-mismatch"
        } else {
            self.outcome.verdict.name()
        }
    }

    fn reason(&self, leaf: &Certificate) -> String {
        if self.outcome.verdict == Verdict::Ok && self.is_misnamed(leaf) {
            format!(
                "it is for `{}`, not for `{}`",
                leaf.names.join(", "),
                self.expected
            )
        } else {
            self.outcome.verdict.reason()
        }
    }
}

/// The chain of a proxy, judged by what other proxies do: against the anchors that the cluster
/// gives new pods, and against the pod's own.
fn proxy(
    sources: &Sources<'_>,
    anchors: &Anchors<'_>,
    chain: &Presented,
    leaf: &Certificate,
) -> Option<Fact> {
    let at = sources.at();
    let namespace = chain.subject.namespace.as_deref().unwrap_or_default();
    let pod = sources.object("Pod", namespace, &chain.subject.name);
    let own = pod.and_then(|pod| anchors.of_pod(pod));
    let trusted = match anchors.cluster.as_slice() {
        [] => own?,
        cluster => cluster,
    };
    let judged = Judged {
        outcome: verify(&chain.certificates, trusted, at, Rules::Webpki),
        expected: pod.map(expected_identity).unwrap_or_default(),
    };
    let by_go = verify(&chain.certificates, trusted, at, Rules::Go);
    let by_own = own.map(|own| verify(&chain.certificates, own, at, Rules::Webpki));
    let row = row(chain, leaf, &judged, at)
        .text("namespace", namespace)
        .set("pod", chain.subject.name.as_str())
        .set("go_verdict", by_go.verdict.name())
        .set("go_reason", by_go.verdict.reason())
        .opt("own_verdict", by_own.as_ref().map(|o| o.verdict.name()))
        .opt("own_reason", by_own.as_ref().map(|o| o.verdict.reason()));
    let anchor = judged
        .outcome
        .anchor
        .and_then(|f| trusted.iter().find(|a| a.fingerprint == f));
    let row = row
        .opt("anchor", anchor.map(|a| a.subject.clone()))
        .opt("anchor_id", anchor.map(|a| a.anchor_id.clone()))
        .time("anchor_not_after", anchor.map(|a| a.not_after))
        .opt("anchor_expired", anchor.map(|a| at > a.not_after));
    Some(fact(chain, leaf, &judged, row))
}

/// The name that other proxies ask for; empty if it is not known.
fn expected_identity(pod: &Object) -> String {
    let Some(proxy) = proxy_of(&pod.value) else {
        return String::new();
    };
    let identity = proxies::identity(pod, proxy);
    // A variable that could not be filled in makes the name unknown.
    if identity.contains("$(") {
        String::new()
    } else {
        identity
    }
}

/// The chain of a webhook's or an `APIService`'s server, judged as the API server does.
fn server(
    sources: &Sources<'_>,
    places: &[Place],
    chain: &Presented,
    leaf: &Certificate,
) -> Option<Fact> {
    let trusted = bundles(sources, places, &chain.subject);
    if trusted.is_empty() {
        return None;
    }
    let namespace = chain.subject.namespace.as_deref().unwrap_or_default();
    let judged = Judged {
        outcome: verify(&chain.certificates, &trusted, sources.at(), Rules::Go),
        expected: format!("{}.{namespace}.svc", chain.subject.name),
    };
    let row = row(chain, leaf, &judged, sources.at())
        .text("namespace", namespace)
        .set("service", chain.subject.name.as_str());
    Some(fact(chain, leaf, &judged, row))
}

fn row(chain: &Presented, leaf: &Certificate, judged: &Judged<'_>, at: jiff::Timestamp) -> Row {
    let issuer = chain.certificates.get(1);
    let row = Row::new()
        .set("role", chain.role)
        .set("verdict", judged.name(leaf))
        .set("reason", judged.reason(leaf))
        .text("expected_name", &judged.expected)
        .set("name_matches", !judged.is_misnamed(leaf))
        .set("length", chain.certificates.len());
    fields(row, leaf, at)
        .set(
            "clamped_to_issuer",
            issuer.is_some_and(|i| i.not_after == leaf.not_after),
        )
        .opt("issuer_fingerprint", issuer.map(|i| i.fingerprint.clone()))
        .time("issuer_not_after", issuer.map(|i| i.not_after))
        .opt(
            "issuer_remaining_s",
            issuer.map(|i| seconds_between(at, i.not_after)),
        )
}

fn fact(chain: &Presented, leaf: &Certificate, judged: &Judged<'_>, row: Row) -> Fact {
    let excerpt = format!("{}: {}", leaf.in_words(), judged.reason(leaf));
    Fact {
        subjects: vec![chain.subject.clone()],
        evidence: vec![Evidence::of_entry(chain.entry.as_str(), excerpt)],
        fields: row.build(),
        kept: None,
    }
}

/// The CA bundles with which the API server verifies a Service.
fn bundles(sources: &Sources<'_>, places: &[Place], service: &Subject) -> Vec<Certificate> {
    let is_it = |client: &Json, path: &str| {
        text(client, &format!("{path}/name")) == service.name
            && Some(text(client, &format!("{path}/namespace"))) == service.namespace.as_deref()
    };
    let serves = |object: &Object| {
        list(&object.value, "/webhooks")
            .iter()
            .any(|hook| is_it(hook, "/clientConfig/service"))
            || is_it(&object.value, "/spec/service")
            || is_it(
                &object.value,
                "/spec/conversion/webhook/clientConfig/service",
            )
    };
    let objects: Vec<Subject> = [
        "MutatingWebhookConfiguration",
        "ValidatingWebhookConfiguration",
        "APIService",
        "CustomResourceDefinition",
    ]
    .iter()
    .flat_map(|kind| sources.kind(kind))
    .filter(|o| serves(o))
    .map(Object::subject)
    .collect();
    let is_bundle = |p: &&Place| p.role.ends_with("-ca") && objects.contains(&p.subject);
    let of_service = places.iter().filter(is_bundle);
    of_service.flat_map(|p| p.certificates.clone()).collect()
}
