//! The table `webhooks`: admission webhooks and whether anybody answers them.

use base64::Engine as _;

use super::endpoints::Endpoints;
use super::json::Json;
use super::kube::is_control_plane;
use super::row::{Row, int, list, text};
use super::{Fact, Object, Sources};
use crate::evidence::Subject;

const KINDS: [&str; 2] = [
    "MutatingWebhookConfiguration",
    "ValidatingWebhookConfiguration",
];

/// Derives the table.
pub(super) fn derive(sources: &Sources<'_>) -> Vec<Fact> {
    let endpoints = Endpoints::of(sources);
    let mut facts = Vec::new();
    for object in KINDS.iter().flat_map(|kind| sources.kind(kind)) {
        let hooks = list(&object.value, "/webhooks").iter();
        facts.extend(hooks.map(|hook| fact(sources, &endpoints, object, hook)));
    }
    facts
}

fn fact(sources: &Sources<'_>, endpoints: &Endpoints<'_>, object: &Object, hook: &Json) -> Fact {
    let namespace = text(hook, "/clientConfig/service/namespace");
    let service = text(hook, "/clientConfig/service/name");
    let addresses = endpoints.get(namespace, service);
    let ready = (!service.is_empty() && addresses.is_known).then_some(addresses.ready.len());
    let exists = sources.object("Service", namespace, service).is_some();
    let is_missing = !service.is_empty() && !exists && sources.is_complete("Service", namespace);
    // The API server's default is `Fail`.
    let policy = match text(hook, "/failurePolicy") {
        "" => "Fail",
        policy => policy,
    };
    let name = text(hook, "/name");
    let row = Row::new()
        .set("kind", object.kind.as_str())
        .set("configuration", object.name.as_str())
        .set("name", name)
        .set(
            "is_linkerd",
            name.ends_with(".linkerd.io") || is_control_plane(&object.value),
        )
        .set("is_injector", name == "linkerd-proxy-injector.linkerd.io")
        .set("failure_policy", policy)
        .text("service_namespace", namespace)
        .text("service_name", service)
        .text("url", text(hook, "/clientConfig/url"))
        .opt("service_ready_endpoints", ready)
        .set("service_missing", is_missing)
        .opt("timeout_s", int(hook, "/timeoutSeconds"))
        .set("has_ca_bundle", ca_bundle(hook).is_some())
        .opt("namespace_selector", hook.get("namespaceSelector").cloned())
        .opt("object_selector", hook.get("objectSelector").cloned());
    let answered = match ready {
        Some(count) => format!("{count} ready endpoints"),
        None if is_missing => "which does not exist".to_owned(),
        None => "whose endpoints are not in the bundle".to_owned(),
    };
    let excerpt = format!(
        "webhook {name}: failurePolicy {policy}, Service {namespace}/{service} with {answered}"
    );
    let mut subjects = vec![object.subject()];
    if !service.is_empty() {
        subjects.push(Subject::namespaced("Service", namespace, service));
    }
    Fact {
        subjects,
        evidence: vec![object.evidence(&excerpt)],
        fields: row.build(),
        kept: None,
    }
}

/// The PEM text of a webhook's or `APIService`'s CA bundle.
pub(super) fn ca_bundle(hook: &Json) -> Option<Vec<u8>> {
    let encoded = match text(hook, "/clientConfig/caBundle") {
        "" => text(hook, "/spec/caBundle"),
        bundle => bundle,
    };
    let decoded = base64::engine::general_purpose::STANDARD
        .decode(encoded)
        .ok()?;
    (!decoded.is_empty()).then_some(decoded)
}
