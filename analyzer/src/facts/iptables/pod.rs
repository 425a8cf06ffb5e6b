//! What a pod's spec says about the redirection that its linkerd-init should set up.

use serde_json::Value;

use super::log::InitLog;
use super::probes::Subject;
use crate::facts::kube::{proxy_of, spec_containers};
use crate::facts::row::{int, list, text};
use crate::facts::{Object, Sources};

/// The ports and users of a default installation.
const INBOUND: u16 = 4143;
const OUTBOUND: u16 = 4140;
const PROXY_UID: u32 = 2102;

/// The pod of a log.
pub(super) fn of<'a>(sources: &'a Sources<'_>, log: &InitLog) -> Option<&'a Object> {
    sources.object("Pod", &log.namespace, &log.pod)
}

/// Whose packets are walked. Without a spec, what the tables say is taken for right.
pub(super) fn subject(pod: Option<&Object>, log: &InitLog) -> Subject {
    let init =
        pod.and_then(|p| spec_containers(&p.value).find(|c| text(c, "/name") == "linkerd-init"));
    let proxy = pod.and_then(|p| proxy_of(&p.value));
    let port = |flag: &str, default| {
        let told = init.and_then(|init| argument(init, flag));
        told.and_then(|p| p.parse().ok()).unwrap_or(default)
    };
    let id = |field: &str| {
        let of_proxy = proxy.and_then(|p| int(p, &format!("/securityContext/{field}")));
        let of_pod = || pod.and_then(|p| int(&p.value, &format!("/spec/securityContext/{field}")));
        of_proxy
            .or_else(of_pod)
            .and_then(|id| u32::try_from(id).ok())
    };
    let uid = id("runAsUser").or_else(|| log.settings.proxy_uids.first().copied());
    Subject {
        inbound_port: port(
            "--incoming-proxy-port",
            log.settings
                .inbound_port
                .filter(|_| init.is_none())
                .unwrap_or(INBOUND),
        ),
        outbound_port: port(
            "--outgoing-proxy-port",
            log.settings
                .outbound_port
                .filter(|_| init.is_none())
                .unwrap_or(OUTBOUND),
        ),
        proxy_uid: uid.unwrap_or(PROXY_UID),
        proxy_gid: id("runAsGroup").unwrap_or(PROXY_UID),
        ports: pod.map(|p| ports(&p.value)).unwrap_or_default(),
        is_ipv6: false,
    }
}

/// The value of a flag in a container's arguments: `--flag value` or `--flag=value`.
fn argument<'a>(container: &'a Value, flag: &str) -> Option<&'a str> {
    let all = list(container, "/args").iter().filter_map(Value::as_str);
    let mut words = all.clone();
    if words.any(|w| w == flag) {
        return words.next();
    }
    let mut joined = all.filter_map(|w| w.strip_prefix(flag)?.strip_prefix('='));
    joined.next()
}

/// The TCP ports that the pod's containers declare.
fn ports(pod: &Value) -> Vec<u16> {
    let containers = spec_containers(pod).filter(|c| !text(c, "/name").starts_with("linkerd-"));
    let declared = containers.flat_map(|c| list(c, "/ports"));
    let tcp = declared.filter(|p| matches!(text(p, "/protocol"), "" | "TCP"));
    let numbers = tcp.filter_map(|p| u16::try_from(int(p, "/containerPort")?).ok());
    let mut ports: Vec<u16> = numbers.collect();
    ports.sort_unstable();
    ports.dedup();
    ports
}

/// Whether a container starts after linkerd-init did its work; `None` if the spec does not tell.
pub(super) fn runs_after_init(pod: Option<&Object>, container: &str) -> Option<bool> {
    let inits = list(&pod?.value, "/spec/initContainers");
    let at = |name: &str| inits.iter().position(|c| text(c, "/name") == name);
    let init = at("linkerd-init")?;
    // What is no init container starts after all of them.
    Some(at(container).is_none_or(|own| own > init))
}

/// Whether the pod has IPv6 addresses.
pub(super) fn has_ipv6(pod: Option<&Object>) -> bool {
    pod.is_some_and(|p| text(&p.value, "/status/podIP").contains(':'))
}

/// Whether the spec keeps linkerd-init from setting up IPv6.
pub(super) fn is_ipv4_only(pod: Option<&Object>) -> Option<bool> {
    let init = spec_containers(&pod?.value).find(|c| text(c, "/name") == "linkerd-init")?;
    let mut words = list(init, "/args").iter().filter_map(Value::as_str);
    Some(words.any(|w| w == "--ipv6=false"))
}
