//! What a pod's object says about its containers, its proxy and its health.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{name_of, namespace_of};

/// Name of the proxy's container, init or not.
const PROXY: &str = "linkerd-proxy";
/// Where a proxy's admin server listens unless told otherwise.
const ADMIN_PORT: u16 = 4191;

/// A pod, as far as the collector cares.
#[derive(Debug, Clone)]
pub struct Pod {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Where it runs, if it is scheduled.
    pub node: Option<String>,
    /// Its address, if it has one.
    pub ip: Option<String>,
    /// What made it, by kind and name: usually a `ReplicaSet`. Itself, if nothing did.
    pub owner: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its containers: init first, then regular, then ephemeral.
    pub containers: Vec<Container>,
    /// Its proxy, if it is meshed.
    pub proxy: Option<Proxy>,
    /// Whether it asks to be meshed, with or without success.
    pub is_injected: bool,
    /// What it is to the mesh, by its own labels.
    pub role: Role,
    /// Whether its Ready condition is true.
    pub is_ready: bool,
    /// Whether it is pending, not ready or has restarted.
    pub is_sick: bool,
}

/// What a pod is to the mesh.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// A component of the control plane.
    Core,
    /// A part of a Linkerd extension or of Linkerd's CNI plugin.
    Extension,
    /// Anything else, meshed or not.
    Workload,
}

impl Role {
    fn of(labels: &BTreeMap<String, String>) -> Self {
        let extension = ["linkerd.io/extension", "linkerd.io/cni-resource"];
        if labels.contains_key("linkerd.io/control-plane-component") {
            Self::Core
        } else if extension.iter().any(|l| labels.contains_key(*l)) {
            Self::Extension
        } else {
            Self::Workload
        }
    }
}

/// A container of a pod.
#[derive(Debug, Clone)]
pub struct Container {
    /// Its name.
    pub name: String,
    /// Its named ports.
    pub ports: Vec<(String, u16)>,
    /// What it does now.
    pub state: ContainerState,
    /// Whether an earlier instance may have left a log.
    pub has_previous: bool,
}

/// What a container does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ContainerState {
    /// It runs.
    Running,
    /// It has ended, for this reason.
    Terminated(String),
    /// It waits, for this reason, after an earlier instance has run.
    WaitingAgain(String),
    /// It has never started, for this reason.
    NeverStarted(String),
}

/// A pod's proxy.
#[derive(Debug, Clone)]
pub struct Proxy {
    /// Where its admin server listens.
    pub admin_port: u16,
    /// The name on its certificate, unless identity is off.
    pub identity: Option<String>,
    /// What its container does.
    pub state: ContainerState,
}

impl Pod {
    /// Reads a Pod object; `None` if it has no name or namespace.
    pub fn from_object(object: &Value) -> Option<Self> {
        let labels = object
            .pointer("/metadata/labels")
            .and_then(Value::as_object);
        let labels = labels.map(super::strings).unwrap_or_default();
        let containers = containers(object);
        let is_ready = is_ready(object);
        let ran_to_its_end = text(object, "/status/phase") == Some("Succeeded");
        let has_restarted = containers.iter().any(|(_, c)| c.has_previous);
        let proxy = containers.iter().find(|(_, c)| c.name == PROXY);
        let proxy = proxy.map(|(spec, container)| proxy_of(object, spec, container));
        Some(Self {
            namespace: namespace_of(object)?.to_owned(),
            name: name_of(object)?.to_owned(),
            node: text(object, "/spec/nodeName").map(str::to_owned),
            ip: text(object, "/status/podIP").map(str::to_owned),
            owner: owner(object),
            is_injected: super::is_injected(object),
            role: Role::of(&labels),
            is_sick: (!is_ready && !ran_to_its_end) || has_restarted,
            labels,
            containers: containers.into_iter().map(|(_, c)| c).collect(),
            proxy,
            is_ready,
        })
    }

    /// The number of a named port.
    pub fn port(&self, name: &str) -> Option<u16> {
        let mut ports = self.containers.iter().flat_map(|c| &c.ports);
        ports.find(|(n, _)| n == name).map(|(_, number)| *number)
    }

    /// Whether any of its containers runs.
    pub fn is_running(&self) -> bool {
        let mut containers = self.containers.iter();
        containers.any(|c| c.state == ContainerState::Running)
    }

    /// Whether it serves the cluster's DNS.
    pub fn is_dns(&self) -> bool {
        self.labels.get("k8s-app").is_some_and(|l| l == "kube-dns")
    }
}

fn text<'a>(object: &'a Value, pointer: &str) -> Option<&'a str> {
    object.pointer(pointer)?.as_str()
}

fn list<'a>(object: &'a Value, pointer: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
    let items = object.pointer(pointer).and_then(Value::as_array);
    items.into_iter().flatten()
}

fn owner(object: &Value) -> String {
    let owner = list(object, "/metadata/ownerReferences").find_map(|owner| {
        let field = |name: &str| owner.get(name)?.as_str();
        Some(format!("{} {}", field("kind")?, field("name")?))
    });
    owner.unwrap_or_else(|| name_of(object).unwrap_or_default().to_owned())
}

fn is_ready(object: &Value) -> bool {
    list(object, "/status/conditions").any(|c| {
        c.get("type").and_then(Value::as_str) == Some("Ready")
            && c.get("status").and_then(Value::as_str) == Some("True")
    })
}

fn containers(object: &Value) -> Vec<(&Value, Container)> {
    let kinds = [
        ("/spec/initContainers", "/status/initContainerStatuses"),
        ("/spec/containers", "/status/containerStatuses"),
        (
            "/spec/ephemeralContainers",
            "/status/ephemeralContainerStatuses",
        ),
    ];
    let mut all = Vec::new();
    for (specs, statuses) in kinds {
        for spec in list(object, specs) {
            let Some(name) = spec.get("name").and_then(Value::as_str) else {
                continue;
            };
            let own = |s: &&Value| s.get("name").and_then(Value::as_str) == Some(name);
            let status = list(object, statuses).find(own);
            all.push((spec, container(object, spec, name, status)));
        }
    }
    all
}

fn container(object: &Value, spec: &Value, name: &str, status: Option<&Value>) -> Container {
    let restarts = status
        .and_then(|s| s.get("restartCount"))
        .and_then(Value::as_u64);
    let last = status
        .and_then(|s| s.get("lastState"))
        .and_then(Value::as_object);
    let has_previous = restarts.unwrap_or(0) > 0 || last.is_some_and(|l| !l.is_empty());
    let ports = list(spec, "/ports").filter_map(|port| {
        let number = u16::try_from(port.get("containerPort")?.as_u64()?).ok()?;
        Some((port.get("name")?.as_str()?.to_owned(), number))
    });
    Container {
        name: name.to_owned(),
        ports: ports.collect(),
        state: state(object, status, has_previous),
        has_previous,
    }
}

fn state(object: &Value, status: Option<&Value>, has_previous: bool) -> ContainerState {
    let state = status
        .and_then(|s| s.get("state"))
        .and_then(Value::as_object);
    let reason = |kind: &str| {
        let detail: Option<&Map<String, Value>> = state.and_then(|s| s.get(kind)?.as_object());
        detail.map(|d| {
            let reason = d.get("reason").and_then(Value::as_str);
            reason.unwrap_or(kind).to_owned()
        })
    };
    if reason("running").is_some() {
        return ContainerState::Running;
    }
    if let Some(reason) = reason("terminated") {
        return ContainerState::Terminated(reason);
    }
    match reason("waiting") {
        Some(reason) if has_previous => ContainerState::WaitingAgain(reason),
        Some(reason) => ContainerState::NeverStarted(reason),
        None => {
            let phase = text(object, "/status/phase").unwrap_or("unknown");
            let reason = format!("the pod is {phase} and has no status for it");
            ContainerState::NeverStarted(reason)
        }
    }
}

fn proxy_of(object: &Value, spec: &Value, container: &Container) -> Proxy {
    let named = container.ports.iter().find(|(n, _)| n == "linkerd-admin");
    let listens = env(spec, "LINKERD2_PROXY_ADMIN_LISTEN_ADDR")
        .and_then(|address| address.rsplit_once(':')?.1.parse().ok());
    let port = named.map(|(_, port)| *port).or(listens);
    let identity = env(spec, "LINKERD2_PROXY_IDENTITY_LOCAL_NAME");
    Proxy {
        admin_port: port.unwrap_or(ADMIN_PORT),
        identity: identity.map(|name| expand(name, object, spec)),
        state: container.state.clone(),
    }
}

fn env<'a>(spec: &'a Value, name: &str) -> Option<&'a str> {
    let own = |e: &&Value| e.get("name").and_then(Value::as_str) == Some(name);
    list(spec, "/env").find(own)?.get("value")?.as_str()
}

/// Replaces `$(_pod_sa)` and its like as the kubelet does.
fn expand(name: &str, object: &Value, spec: &Value) -> String {
    let mut name = name.to_owned();
    for variable in ["_pod_sa", "_pod_ns", "_l5d_ns", "_l5d_trustdomain"] {
        let value = env(spec, variable).or_else(|| match variable {
            "_pod_sa" => text(object, "/spec/serviceAccountName"),
            "_pod_ns" => namespace_of(object),
            _ => None,
        });
        if let Some(value) = value {
            name = name.replace(&format!("$({variable})"), value);
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_meshed_pod_tells_its_identity_its_admin_port_and_what_its_containers_do() {
        let pod = Pod::from_object(&json!({
            "metadata": {"namespace": "shop", "name": "cart"},
            "spec": {
                "nodeName": "a",
                "serviceAccountName": "cart-sa",
                "initContainers": [{
                    "name": "linkerd-proxy",
                    "ports": [{"name": "linkerd-admin", "containerPort": 4191}],
                    "env": [
                        {"name": "LINKERD2_PROXY_IDENTITY_LOCAL_NAME",
                         "value": "$(_pod_sa).$(_pod_ns).serviceaccount.identity.linkerd.cluster.local"},
                        {"name": "_pod_sa", "valueFrom": {"fieldRef": {"fieldPath": "spec.serviceAccountName"}}},
                    ],
                }],
                "containers": [{"name": "cart"}, {"name": "new"}],
            },
            "status": {
                "phase": "Pending",
                "initContainerStatuses": [{"name": "linkerd-proxy", "state": {"running": {}}, "restartCount": 0, "lastState": {}}],
                "containerStatuses": [
                    {"name": "cart", "state": {"waiting": {"reason": "CrashLoopBackOff"}}, "restartCount": 3},
                    {"name": "new", "state": {"waiting": {"reason": "PodInitializing"}}, "restartCount": 0},
                ],
            },
        }))
        .unwrap();
        let proxy = pod.proxy.as_ref().unwrap();
        assert_eq!(
            proxy.identity.as_deref(),
            Some("cart-sa.shop.serviceaccount.identity.linkerd.cluster.local")
        );
        assert_eq!(proxy.admin_port, 4191);
        assert_eq!(proxy.state, ContainerState::Running);
        let states: Vec<_> = pod
            .containers
            .iter()
            .skip(1)
            .map(|c| (c.state.clone(), c.has_previous))
            .collect();
        assert_eq!(
            states,
            [
                (
                    ContainerState::WaitingAgain("CrashLoopBackOff".into()),
                    true
                ),
                (
                    ContainerState::NeverStarted("PodInitializing".into()),
                    false
                ),
            ]
        );
        assert!(pod.is_sick && !pod.is_ready);
    }

    #[test]
    fn a_pod_without_any_status_has_never_started() {
        let pod = Pod::from_object(&json!({
            "metadata": {"namespace": "a", "name": "b"},
            "spec": {"containers": [{"name": "c"}]},
            "status": {"phase": "Pending"},
        }))
        .unwrap();
        let container = pod.containers.first().unwrap();
        assert!(
            matches!(&container.state, ContainerState::NeverStarted(r) if r.contains("Pending"))
        );
        assert!(pod.proxy.is_none());
    }
}
