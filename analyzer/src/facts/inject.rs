//! Whether the injector should have given a pod a proxy, and if it did not, why.
//!
//! The injector looks at the annotation `linkerd.io/inject` of the pod and of its namespace,
//! and refuses some pods whatever these say. What it said in its events counts most; otherwise
//! its rules are applied to the pod, and at last the times when it was there at all.

use jiff::SignedDuration;

use super::injector::Injector;
use super::json::Json;
use super::kube::{annotation, selects, spec_containers};
use super::row::{flag, text, time};
use super::{Object, Sources};

const INJECT: &str = "linkerd.io/inject";

/// The annotation that asks for a proxy or forbids one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Setting<'a> {
    pub(super) value: &'a str,
    /// `pod` or `namespace`; empty if there is no annotation.
    pub(super) at: &'static str,
    /// Whether it asks for a proxy. `None` if the pod says nothing and its namespace is not in
    /// the bundle.
    pub(super) is_expected: Option<bool>,
}

/// What the injector would be guided by for this pod.
pub(super) fn setting<'a>(sources: &'a Sources<'_>, pod: &'a Object) -> Setting<'a> {
    let asks = |value| matches!(value, "enabled" | "ingress");
    let of_pod = annotation(&pod.value, INJECT);
    if !of_pod.is_empty() {
        return Setting {
            value: of_pod,
            at: "pod",
            is_expected: Some(asks(of_pod)),
        };
    }
    let Some(namespace) = sources.object("Namespace", "", &pod.namespace) else {
        return Setting {
            value: "",
            at: "",
            is_expected: None,
        };
    };
    let of_namespace = annotation(&namespace.value, INJECT);
    let at = if of_namespace.is_empty() {
        ""
    } else {
        "namespace"
    };
    Setting {
        value: of_namespace,
        at,
        is_expected: Some(asks(of_namespace)),
    }
}

/// Why a pod has no proxy: a word for rules, and a sentence with what shows it.
pub(super) fn reason(
    sources: &Sources<'_>,
    pod: &Object,
    injector: &Injector<'_>,
) -> (&'static str, String) {
    if let Some(found) = said_by_injector(sources, pod, injector) {
        return found;
    }
    let set = setting(sources, pod);
    let told = |word: &'static str, why: &str| (word, why.to_owned());
    match set.is_expected {
        None => {
            return told(
                "unknown",
                "neither the pod nor the bundle tells whether it should have a proxy",
            );
        }
        Some(false) => return not_asked(set),
        Some(true) => {}
    }
    refused(sources, pod, injector).unwrap_or_else(|| missed(sources, pod, injector))
}

fn not_asked(set: Setting<'_>) -> (&'static str, String) {
    match set.value {
        "" => (
            "not-annotated",
            "neither the namespace nor the pod asks for a proxy".to_owned(),
        ),
        "disabled" => (
            "inject-disabled",
            format!("the {} is annotated `{INJECT}: disabled`", set.at),
        ),
        other => (
            "invalid-annotation",
            format!(
                "the {} is annotated `{INJECT}: {other}`, which is no value",
                set.at
            ),
        ),
    }
}

/// The injector's own event about this pod or its workload, if it is not older than the pod.
fn said_by_injector(
    sources: &Sources<'_>,
    pod: &Object,
    injector: &Injector<'_>,
) -> Option<(&'static str, String)> {
    let owner = sources.owner(&pod.namespace, &pod.name);
    let direct = text(&pod.value, "/metadata/ownerReferences/0/name");
    let created = time(&pod.value, "/metadata/creationTimestamp");
    let names = [owner.name.as_str(), direct, &pod.name];
    let about_it = names
        .into_iter()
        .flat_map(|name| injector.skipped(&pod.namespace, name));
    let slack = SignedDuration::from_secs(10);
    let mut recent = about_it.filter(|e| match (time(&e.value, "/lastTimestamp"), created) {
        (Some(said), Some(created)) => said.checked_add(slack).is_ok_and(|said| said >= created),
        _ => true,
    });
    let message = text(&recent.next()?.value, "/message");
    let why = message
        .split_once("skipped: ")
        .map_or(message, |(_, why)| why);
    let words = [
        ("hostNetwork", "host-network"),
        ("sidecar injected already", "sidecar-exists"),
        ("automountServiceAccountToken", "automount-disabled"),
        ("invalid value", "invalid-annotation"),
        ("inject:disabled", "inject-disabled"),
        ("inject:enabled", "not-annotated"),
        ("UDP port", "udp-ports"),
        ("unsupported", "unsupported-kind"),
    ];
    let word = words
        .iter()
        .find(|(part, _)| why.contains(part))
        .map_or("skipped-event", |(_, word)| word);
    Some((word, format!("the injector said: {why}")))
}

/// Pods that the injector, or the API server before it, passes over whatever is asked.
fn refused(
    sources: &Sources<'_>,
    pod: &Object,
    injector: &Injector<'_>,
) -> Option<(&'static str, String)> {
    let value = &pod.value;
    let told = |word: &'static str, why: &str| Some((word, why.to_owned()));
    if flag(value, "/spec/hostNetwork") {
        return told(
            "host-network",
            "pods on the host network are never given a proxy",
        );
    }
    if !annotation(value, "kubernetes.io/config.mirror").is_empty() {
        return told(
            "static-pod",
            "a pod that the kubelet makes from a file passes no webhook",
        );
    }
    let namespace = sources.object("Namespace", "", &pod.namespace);
    let labels = namespace.and_then(|n| n.value.pointer("/metadata/labels"));
    if namespace.is_some() && !selects(&injector.excluded, labels) {
        return told(
            "namespace-excluded",
            "the webhook's namespaceSelector leaves this namespace out",
        );
    }
    let foreign = [
        "istio-proxy",
        "kuma-sidecar",
        "consul-dataplane",
        "envoy-sidecar",
    ];
    if spec_containers(value).any(|c| foreign.contains(&text(c, "/name"))) {
        return told("sidecar-exists", "it has another mesh's sidecar");
    }
    let projects = sources
        .values()
        .pointer("/identity/serviceAccountTokenProjection")
        .and_then(Json::as_bool);
    if projects == Some(false) && !mounts_token(sources, pod) {
        return told(
            "automount-disabled",
            "automountServiceAccountToken is false and tokens are not projected",
        );
    }
    None
}

fn mounts_token(sources: &Sources<'_>, pod: &Object) -> bool {
    let of_pod = pod
        .value
        .pointer("/spec/automountServiceAccountToken")
        .and_then(Json::as_bool);
    let account = text(&pod.value, "/spec/serviceAccountName");
    let of_account = || {
        let account = sources.object("ServiceAccount", &pod.namespace, account)?;
        account.value.get("automountServiceAccountToken")?.as_bool()
    };
    of_pod.or_else(of_account).unwrap_or(true)
}

/// A pod that should have a proxy and was never offered to the injector.
fn missed(sources: &Sources<'_>, pod: &Object, injector: &Injector<'_>) -> (&'static str, String) {
    let Some(created) = time(&pod.value, "/metadata/creationTimestamp") else {
        return (
            "unknown",
            "the pod does not say when it was made".to_owned(),
        );
    };
    if injector.is_unknown() {
        return (
            "unknown",
            "it asks for a proxy, and nothing in the bundle tells of the proxy injector".to_owned(),
        );
    }
    if injector.made.is_some_and(|made| created < made) {
        return (
            "created-before-mesh",
            format!("made at {created}, before the injector was installed"),
        );
    }
    if injector.was_down_at(created) == Some(true) {
        let since = injector
            .down_since
            .map(|t| format!(" since {t}"))
            .unwrap_or_default();
        let state = if injector.is_down {
            format!("is down{since}")
        } else {
            "was not available then".to_owned()
        };
        let why = format!("made at {created}, and the injector {state}");
        return ("injector-unavailable-at-creation", why);
    }
    let owner = sources.owner(&pod.namespace, &pod.name);
    let template = sources
        .object(&owner.kind, &pod.namespace, &owner.name)
        .and_then(|o| o.value.pointer("/spec/template"));
    let of_template = template.map(|t| annotation(t, INJECT)).unwrap_or_default();
    let is_newer = !of_template.is_empty() && annotation(&pod.value, INJECT) != of_template;
    let first = injector.first_in(&pod.namespace);
    if is_newer || first.is_some_and(|first| created < first) {
        return (
            "created-before-annotation",
            format!("made at {created}, before its namespace or workload was annotated"),
        );
    }
    (
        "webhook-missed",
        format!("made at {created} without passing the injector's webhook"),
    )
}
