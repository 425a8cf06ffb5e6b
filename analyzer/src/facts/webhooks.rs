//! The table `webhooks`: admission webhooks and whether anybody answers them.

use base64::Engine as _;
use serde_json::Value;

use super::row::{Row, int, list, text};
use super::{Fact, Object, Sources};

const KINDS: [&str; 2] = [
    "MutatingWebhookConfiguration",
    "ValidatingWebhookConfiguration",
];

/// Derives the table.
pub(super) fn derive(sources: &Sources<'_>) -> Vec<Fact> {
    let mut facts = Vec::new();
    for object in KINDS.iter().flat_map(|kind| sources.kind(kind)) {
        let hooks = list(&object.value, "/webhooks").iter();
        facts.extend(hooks.map(|hook| fact(sources, object, hook)));
    }
    facts
}

fn fact(sources: &Sources<'_>, object: &Object, hook: &Value) -> Fact {
    let namespace = text(hook, "/clientConfig/service/namespace");
    let service = text(hook, "/clientConfig/service/name");
    let ready = ready_endpoints(sources, namespace, service);
    let policy = text(hook, "/failurePolicy");
    let name = text(hook, "/name");
    let row = Row::new()
        .set("kind", object.kind.as_str())
        .set("configuration", object.name.as_str())
        .set("name", name)
        .set("is_linkerd", name.ends_with(".linkerd.io"))
        .set("failure_policy", policy)
        .text("service_namespace", namespace)
        .text("service_name", service)
        .opt("service_ready_endpoints", ready)
        .opt("timeout_s", int(hook, "/timeoutSeconds"))
        .set("has_ca_bundle", ca_bundle(hook).is_some());
    let ready = ready.map_or_else(|| "an unknown number of".to_owned(), |r| r.to_string());
    let excerpt = format!(
        "webhook {name}: failurePolicy {policy}, service {namespace}/{service} with {ready} ready endpoints"
    );
    Fact {
        subjects: vec![object.subject()],
        evidence: vec![object.evidence(&excerpt)],
        fields: row.build(),
    }
}

/// The PEM text of a webhook's or `APIService`'s CA bundle.
pub(super) fn ca_bundle(hook: &Value) -> Option<Vec<u8>> {
    let encoded = match text(hook, "/clientConfig/caBundle") {
        "" => text(hook, "/spec/caBundle"),
        bundle => bundle,
    };
    let decoded = base64::engine::general_purpose::STANDARD
        .decode(encoded)
        .ok()?;
    (!decoded.is_empty()).then_some(decoded)
}

fn ready_endpoints(sources: &Sources<'_>, namespace: &str, service: &str) -> Option<usize> {
    sources.object("Service", namespace, service)?;
    let slices = sources.kind("EndpointSlice").iter().filter(|s| {
        s.namespace == namespace
            && super::pods::label(&s.value, "kubernetes.io/service-name") == service
    });
    let endpoints = slices.flat_map(|s| list(&s.value, "/endpoints"));
    let is_ready = |e: &&Value| {
        e.pointer("/conditions/ready")
            .and_then(Value::as_bool)
            .unwrap_or(true)
    };
    Some(
        endpoints
            .filter(is_ready)
            .map(|e| list(e, "/addresses").len())
            .sum(),
    )
}
