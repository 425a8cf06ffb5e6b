//! Where every pod belongs, who has which address, and which containers do not run: what joins
//! evidence of different kinds, kept for all pods although their rows are not.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use serde_json::Value;

use super::kube::statuses;
use super::row::{flag, list, text};
use super::services::backing_workloads;
use super::{Fact, Name, Object, Sources};

/// Where a pod belongs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place {
    /// Kind and name of its workload.
    pub workload: (Name, Name),
    /// Its node; empty if it has none.
    pub node: Name,
}

/// Where all pods belong.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Places {
    /// By namespace and name.
    pods: BTreeMap<(Name, Name), Place>,
    /// Namespace, pod and name of containers that do not run.
    stopped: BTreeSet<(String, String, String)>,
    /// Kinds and names of the workloads behind a Service, by its namespace and name.
    backing: BTreeMap<(String, String), Vec<(String, String)>>,
    /// Kind, namespace and name of what has an address.
    holders: BTreeMap<IpAddr, [Name; 3]>,
    /// Whether the bundle lists all that may have an address in the cluster.
    has_all_holders: bool,
    /// The namespace of the control plane, if an object or the path of a log tells it.
    pub(crate) control_plane: Option<String>,
}

impl Places {
    pub(super) fn of(sources: &Sources<'_>) -> Self {
        let kinds = ["Pod", "Node", "Service"];
        let mut places = Self {
            has_all_holders: kinds.iter().all(|kind| sources.is_complete(kind, "")),
            control_plane: sources.control_plane().map(str::to_owned),
            ..Self::default()
        };
        for kind in kinds.iter().rev() {
            let objects = sources.kind(kind).iter();
            objects.for_each(|object| places.add_addresses(object));
        }
        for pod in sources.kind("Pod") {
            let owner = sources.owner(&pod.namespace, &pod.name);
            let key = (pod.namespace.clone(), pod.name.clone());
            let place = Place {
                workload: (owner.kind, owner.name),
                node: Name::shared(&pod.value, "/spec/nodeName"),
            };
            for status in statuses(&pod.value) {
                let state = status.get("state");
                let has = |name: &str| state.is_some_and(|s| s.get(name).is_some());
                if has("waiting") || has("terminated") {
                    let name = text(status, "/name").to_owned();
                    let key = (key.0.to_string(), key.1.to_string(), name);
                    places.stopped.insert(key);
                }
            }
            places.pods.insert(key, place);
        }
        for service in sources.kind("Service") {
            let workloads = backing_workloads(sources, service).into_iter();
            let workloads: Vec<_> = workloads
                .map(|w| (w.kind.to_string(), w.name.to_string()))
                .collect();
            if !workloads.is_empty() {
                let key = (service.namespace.to_string(), service.name.to_string());
                places.backing.insert(key, workloads);
            }
        }
        places
    }

    fn add_addresses(&mut self, object: &Object) {
        let value = &object.value;
        let (one, all, field) = match object.kind.as_str() {
            // Its node has the same address, or somebody else has it by now.
            "Pod" if flag(value, "/spec/hostNetwork") || has_ended(object) => return,
            "Pod" => ("/status/podIP", "/status/podIPs", "/ip"),
            "Service" => ("/spec/clusterIP", "/spec/clusterIPs", ""),
            _ => ("/status/address", "/status/addresses", "/address"),
        };
        let items = list(value, all).iter();
        let told = items.filter_map(|item| item.pointer(field)?.as_str());
        let told = told.chain([text(value, one)]);
        for address in told.filter_map(|text| text.parse().ok()) {
            let holder = [&object.kind, &object.namespace, &object.name];
            self.holders.insert(address, holder.map(Name::clone));
        }
    }

    /// Who has an address, with or without a port, in words. `None` if it is none, or that cannot
    /// be told.
    pub(crate) fn holder(&self, address: &str) -> Option<String> {
        let with_port = || Some(address.parse::<SocketAddr>().ok()?.ip());
        let ip = address.parse().ok().or_else(with_port)?;
        let nobody = || {
            let is_told = self.has_all_holders && !ip.is_loopback() && !ip.is_unspecified();
            is_told.then(|| "no pod, node or Service of the cluster".to_owned())
        };
        self.holders.get(&ip).map(in_words).or_else(nobody)
    }

    /// Adds what rows of `mesh`, `pods` and `containers` say that were not derived here.
    pub(crate) fn learn(&mut self, table: &str, fact: &Fact) {
        let text = |pointer: &str| {
            let said = fact.fields.pointer(pointer).and_then(Value::as_str);
            said.unwrap_or_default().to_owned()
        };
        let name = |pointer: &str| Name::from(text(pointer).as_str());
        match table {
            "mesh" => {
                let told = Some(text("/control_plane_namespace"));
                self.control_plane = told.filter(|namespace| !namespace.is_empty());
            }
            "pods" => {
                let place = Place {
                    workload: (name("/workload/kind"), name("/workload/name")),
                    node: name("/node"),
                };
                let (namespace, pod) = (name("/namespace"), name("/name"));
                if let Ok(ip) = text("/ip").parse() {
                    let holder = ["Pod".into(), namespace.clone(), pod.clone()];
                    self.holders.insert(ip, holder);
                }
                self.pods.insert((namespace, pod), place);
            }
            "containers" if matches!(text("/state").as_str(), "waiting" | "terminated") => {
                self.stopped
                    .insert((text("/namespace"), text("/pod"), text("/name")));
            }
            _ => {}
        }
    }

    /// Where a pod belongs, if the bundle lists it.
    pub(crate) fn pod(&self, namespace: &str, name: &str) -> Option<&Place> {
        self.pods.get(&(namespace.into(), name.into()))
    }

    /// Kinds and names of the workloads behind a Service.
    pub(crate) fn backing(&self, namespace: &str, service: &str) -> &[(String, String)] {
        let key = (namespace.to_owned(), service.to_owned());
        self.backing.get(&key).map_or(&[], Vec::as_slice)
    }

    /// Whether a container is known not to run.
    pub(crate) fn has_stopped(&self, namespace: &str, pod: &str, container: &str) -> bool {
        let key = (namespace.to_owned(), pod.to_owned(), container.to_owned());
        self.stopped.contains(&key)
    }
}

/// Whether no process of a pod runs any more, so that another may have its address.
fn has_ended(pod: &Object) -> bool {
    matches!(text(&pod.value, "/status/phase"), "Succeeded" | "Failed")
}

/// `pod shop/cart-1`, `node a`, `Service shop/cart`.
fn in_words([kind, namespace, name]: &[Name; 3]) -> String {
    match kind.as_str() {
        "Pod" => format!("pod {namespace}/{name}"),
        "Node" => format!("node {name}"),
        kind => format!("{kind} {namespace}/{name}"),
    }
}
