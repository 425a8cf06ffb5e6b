//! The namespace in which the control plane runs, as far as anything in the bundle tells it.

use bundle::layout::EntryKind;

use super::kube::{COMPONENT, label, proxy_of};
use super::proxies::env;
use super::{Object, Sources};

/// The namespace where nothing tells another.
pub(crate) const USUAL: &str = "linkerd";

/// Components that no mesh works without.
const CORE: [&str; 3] = ["destination", "identity", "proxy-injector"];

/// What comes before the namespace in the names of the control plane's Services, and in the
/// identities that it gives.
const BEFORE: [&str; 7] = [
    "linkerd-dst-headless.",
    "linkerd-dst.",
    "linkerd-identity-headless.",
    "linkerd-identity.",
    "linkerd-policy.",
    "linkerd-proxy-injector.",
    ".serviceaccount.identity.",
];

/// The control plane's namespace: told by its objects, else by those of its proxies, else by whose
/// logs there are.
pub(super) fn find(sources: &Sources<'_>) -> Option<String> {
    let of_kind = |kind: &str, is_it: &dyn Fn(&Object) -> bool| {
        let found = sources.kind(kind).iter().find(|object| is_it(object));
        // A table may leave the namespace out.
        let told = found.map(|object| object.namespace.to_string());
        told.filter(|namespace| !namespace.is_empty())
    };
    let is_core = |object: &Object| CORE.contains(&label(&object.value, COMPONENT));
    let is_service = |object: &Object| {
        let name = object.name.as_str();
        name == "linkerd-dst" || name == "linkerd-identity"
    };
    of_kind("ConfigMap", &|object| {
        object.name.as_str() == "linkerd-config"
    })
    .or_else(|| of_kind("Deployment", &is_core))
    .or_else(|| of_kind("Pod", &is_core))
    .or_else(|| of_kind("Service", &is_service))
    .or_else(|| sources.kind("Pod").iter().find_map(of_meshed))
    .or_else(|| of_logs(sources))
}

/// What a pod with a proxy says of its control plane.
fn of_meshed(pod: &Object) -> Option<String> {
    let labelled = label(&pod.value, "linkerd.io/control-plane-ns");
    if !labelled.is_empty() {
        return Some(labelled.to_owned());
    }
    let address = env(proxy_of(&pod.value)?, "LINKERD2_PROXY_DESTINATION_SVC_ADDR");
    named_in(address).map(str::to_owned)
}

/// The namespace of a log of the control plane.
fn of_logs(sources: &Sources<'_>) -> Option<String> {
    sources.log_ends.keys().find_map(|log| match log {
        EntryKind::PodLog {
            namespace,
            pod,
            container,
            ..
        } if CORE.contains(&container.as_str()) && pod.starts_with("linkerd-") => {
            Some(namespace.clone())
        }
        _ => None,
    })
}

/// The control plane's namespace that a text names: in an address such as
/// `linkerd-dst-headless.mesh.svc.cluster.local:8086`, or in an identity such as
/// `web.shop.serviceaccount.identity.mesh.cluster.local`.
pub(crate) fn named_in(text: &str) -> Option<&str> {
    let after = |before: &&str| {
        let (_, rest) = text.split_once(*before)?;
        let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let (name, end) = rest.split_at(rest.find(|c| !is_name(c))?);
        let ends: &[&str] = if before.starts_with('.') {
            &["."]
        } else {
            &[".svc", ".serviceaccount.identity."]
        };
        let is_told = !name.is_empty() && ends.iter().any(|known| end.starts_with(known));
        is_told.then_some(name)
    };
    BEFORE.iter().find_map(after)
}

#[cfg(test)]
mod tests {
    use super::named_in;

    #[test]
    fn addresses_and_identities_tell_the_namespace() {
        for text in [
            "linkerd-dst-headless.mesh.svc.cluster.local:8086: endpoint: connection refused",
            "control{addr=linkerd-policy.mesh.svc.k8s.example:8090}: rescue",
            "id=web.shop.serviceaccount.identity.mesh.cluster.local",
            "linkerd-identity.mesh.serviceaccount.identity.mesh.cluster.local",
        ] {
            assert_eq!(named_in(text), Some("mesh"), "{text}");
        }
        for text in [
            "linkerd-identity.",
            "linkerd-dst.conf is missing",
            "linkerd-policy.é",
            "deploy/linkerd-identity",
        ] {
            assert_eq!(named_in(text), None, "{text}");
        }
    }
}
