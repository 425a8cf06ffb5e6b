//! Who is who in a recording: which namespaces are copied, and the pods, nodes and services whose
//! names and addresses the copies must have of their own.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use serde_json::Value;

use crate::store::{Held, Key, place};

use super::names::drawn_stem;

/// Namespaces of the system, which exist once.
const SYSTEM: &str = "kube-";

/// Everything that copies are told apart by.
#[derive(Debug, Default)]
pub(super) struct Roster {
    /// Namespaces that are copied.
    pub(super) namespaces: BTreeSet<String>,
    /// These and the others.
    pub(super) all_namespaces: BTreeSet<String>,
    /// The pods of copied namespaces, those of workloads first.
    pub(super) pods: Vec<RecordedPod>,
    /// How many of these are of workloads.
    pub(super) owned: u32,
    /// Pods of the other namespaces.
    pub(super) kept: u32,
    pub(super) nodes: Vec<RecordedNode>,
    /// Addresses of the services of copied namespaces.
    pub(super) services: Vec<IpAddr>,
    /// Numbers of the pods of each workload, by the workload's uid.
    pub(super) workloads: BTreeMap<String, Vec<u32>>,
    pub(super) numbers: BTreeMap<(String, String), u32>,
}

/// A pod of a copied namespace.
#[derive(Debug, Default)]
pub(super) struct RecordedPod {
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) naming: Naming,
    pub(super) uid: String,
    /// Its own; none on the host's network.
    pub(super) addresses: Vec<IpAddr>,
    /// Without their scheme.
    pub(super) containers: BTreeSet<String>,
    pub(super) node: String,
    pub(super) owner: String,
}

/// How a pod got its name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum Naming {
    /// A stem and letters that a controller drew.
    Drawn(String),
    /// A stem and a number below the number of recorded pods of the set.
    Ordinal { stem: String, ordinal: u32, of: u32 },
    /// By people; such a pod has no replicas.
    #[default]
    Given,
}

#[derive(Debug)]
pub(super) struct RecordedNode {
    pub(super) name: String,
    pub(super) addresses: Vec<IpAddr>,
    /// Its uid and what else there is only once.
    pub(super) ids: Vec<String>,
    /// How many pods of copied namespaces it has.
    pub(super) pods: u32,
}

impl Roster {
    pub(super) fn of(objects: &BTreeMap<Key, Held>) -> Self {
        let mut roster = Self {
            namespaces: copied_namespaces(objects),
            all_namespaces: list(objects, "", "namespaces")
                .map(|namespace| place(namespace).1.to_owned())
                .collect(),
            ..Self::default()
        };
        roster.take_pods(objects);
        roster.take_nodes(objects);
        let services = list(objects, "", "services").filter(|s| roster.is_copied(s));
        let addresses = services.flat_map(|s| {
            let all = texts(s, "/spec/clusterIPs");
            all.into_iter().chain(text(s, "/spec/clusterIP"))
        });
        let addresses: BTreeSet<IpAddr> = addresses.filter_map(|a| a.parse().ok()).collect();
        roster.services = addresses.into_iter().collect();
        roster.take_workloads(objects);
        roster
    }

    /// Whether an object is in a copied namespace.
    pub(super) fn is_copied(&self, object: &Value) -> bool {
        self.namespaces.contains(place(object).0)
    }

    /// The number of a pod of a copied namespace.
    pub(super) fn number(&self, namespace: &str, name: &str) -> Option<u32> {
        let key = (namespace.to_owned(), name.to_owned());
        self.numbers.get(&key).copied()
    }

    /// Names whose copies are numbered.
    pub(super) fn numbered(&self) -> BTreeSet<&str> {
        let nodes = self.nodes.iter().map(|n| n.name.as_str());
        let namespaces = self.all_namespaces.iter().map(String::as_str);
        namespaces.chain(nodes).collect()
    }

    /// Every address that was recorded of a pod, node or service.
    pub(super) fn addresses(&self) -> Vec<IpAddr> {
        let pods = self.pods.iter().flat_map(|p| &p.addresses);
        let nodes = self.nodes.iter().flat_map(|n| &n.addresses);
        pods.chain(nodes).chain(&self.services).copied().collect()
    }

    fn take_pods(&mut self, objects: &BTreeMap<Key, Held>) {
        let (copied, kept): (Vec<&Value>, Vec<&Value>) =
            list(objects, "", "pods").partition(|pod| self.is_copied(pod));
        self.kept = count(kept.len());
        let pods = copied.into_iter().map(RecordedPod::of);
        let (mut owned, given): (Vec<_>, Vec<_>) =
            pods.partition(|pod| pod.naming != Naming::Given);
        self.owned = count(owned.len());
        owned.extend(given);
        self.pods = owned;
        self.count_ordinals();
        for (number, pod) in (0..).zip(&self.pods) {
            let key = (pod.namespace.clone(), pod.name.clone());
            self.numbers.insert(key, number);
        }
    }

    /// Tells each pod of a stateful set how many its set has.
    fn count_ordinals(&mut self) {
        let mut sets: BTreeMap<(String, String), u32> = BTreeMap::new();
        for pod in &self.pods {
            if let Naming::Ordinal { stem, ordinal, .. } = &pod.naming {
                let set = (pod.namespace.clone(), stem.clone());
                let most = sets.entry(set).or_default();
                *most = (*most).max(ordinal.saturating_add(1));
            }
        }
        for pod in &mut self.pods {
            if let Naming::Ordinal { stem, of, .. } = &mut pod.naming {
                let set = (pod.namespace.clone(), stem.clone());
                *of = sets.get(&set).copied().unwrap_or(1);
            }
        }
    }

    fn take_nodes(&mut self, objects: &BTreeMap<Key, Held>) {
        let nodes = list(objects, "", "nodes").map(|node| {
            let name = place(node).1.to_owned();
            let addresses = objects_of(node, "/status/addresses");
            let addresses = addresses.filter_map(|a| text(a, "/address")?.parse().ok());
            let ids = [
                "metadata/uid",
                "status/nodeInfo/machineID",
                "status/nodeInfo/systemUUID",
                "status/nodeInfo/bootID",
            ];
            let ids = ids.iter().filter_map(|p| text(node, &format!("/{p}")));
            RecordedNode {
                pods: count(self.pods.iter().filter(|p| p.node == name).count()),
                addresses: addresses.collect(),
                ids: ids.map(str::to_owned).collect(),
                name,
            }
        });
        self.nodes = nodes.collect();
        let of_nodes: BTreeSet<IpAddr> = self
            .nodes
            .iter()
            .flat_map(|n| n.addresses.clone())
            .collect();
        for pod in &mut self.pods {
            pod.addresses.retain(|a| !of_nodes.contains(a));
        }
    }

    /// Finds the pods of each workload, also of those that own another workload.
    fn take_workloads(&mut self, objects: &BTreeMap<Key, Held>) {
        let mut owners: BTreeMap<String, String> = BTreeMap::new();
        for (group, plural) in [("apps", "replicasets"), ("batch", "jobs")] {
            for workload in list(objects, group, plural) {
                if let Some(uid) = text(workload, "/metadata/uid") {
                    owners.insert(uid.to_owned(), owner(workload).1);
                }
            }
        }
        for (number, pod) in (0..).zip(&self.pods) {
            let above = owners.get(&pod.owner).cloned().unwrap_or_default();
            for uid in [pod.owner.clone(), above] {
                if !uid.is_empty() {
                    self.workloads.entry(uid).or_default().push(number);
                }
            }
        }
    }
}

impl RecordedPod {
    fn of(pod: &Value) -> Self {
        let (namespace, name) = place(pod);
        let (kind, owner) = owner(pod);
        let addresses = objects_of(pod, "/status/podIPs").filter_map(|a| text(a, "/ip"));
        let addresses = addresses.chain(text(pod, "/status/podIP"));
        let addresses: BTreeSet<IpAddr> = addresses.filter_map(|a| a.parse().ok()).collect();
        let lists = [
            "containerStatuses",
            "initContainerStatuses",
            "ephemeralContainerStatuses",
        ];
        let statuses = lists
            .iter()
            .flat_map(|list| objects_of(pod, &format!("/status/{list}")));
        let places = [
            "/containerID",
            "/state/terminated/containerID",
            "/lastState/terminated/containerID",
        ];
        let ids = statuses.flat_map(|s| places.iter().filter_map(|p| text(s, p)));
        let ids = ids.filter_map(|id| id.split_once("://"));
        Self {
            naming: naming(&kind, name),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            uid: text(pod, "/metadata/uid").unwrap_or_default().to_owned(),
            addresses: addresses.into_iter().collect(),
            containers: ids.map(|(_, id)| id.to_owned()).collect(),
            node: text(pod, "/spec/nodeName").unwrap_or_default().to_owned(),
            owner,
        }
    }
}

fn naming(owner: &str, name: &str) -> Naming {
    match owner {
        "StatefulSet" => match name.rsplit_once('-') {
            Some((stem, ordinal)) => ordinal.parse().map_or(Naming::Given, |ordinal| {
                let stem = stem.to_owned();
                Naming::Ordinal {
                    stem,
                    ordinal,
                    of: 1,
                }
            }),
            None => Naming::Given,
        },
        "" => Naming::Given,
        _ => drawn_stem(name).map_or(Naming::Given, |stem| Naming::Drawn(stem.to_owned())),
    }
}

/// Namespaces with pods that are neither the system's nor Linkerd's.
fn copied_namespaces(objects: &BTreeMap<Key, Held>) -> BTreeSet<String> {
    let once = list(objects, "", "namespaces").filter(|namespace| {
        let labels = namespace.pointer("/metadata/labels");
        let has = |label: &str| labels.is_some_and(|l| l.get(label).is_some());
        has("linkerd.io/is-control-plane") || has("linkerd.io/extension")
    });
    let mut once: BTreeSet<&str> = once.map(|namespace| place(namespace).1).collect();
    let component = "/metadata/labels/linkerd.io~1control-plane-component";
    let control = list(objects, "", "pods").filter(|pod| text(pod, component).is_some());
    once.extend(control.map(|pod| place(pod).0));
    let all = list(objects, "", "pods").map(|pod| place(pod).0);
    let copied = all.filter(|n| !n.is_empty() && !n.starts_with(SYSTEM) && !once.contains(n));
    copied.map(str::to_owned).collect()
}

/// Kind and uid of what controls an object.
fn owner(object: &Value) -> (String, String) {
    let mut owners = objects_of(object, "/metadata/ownerReferences");
    let owner = owners.find(|o| o.get("controller").and_then(Value::as_bool) == Some(true));
    let field = |pointer| owner.and_then(|o| text(o, pointer)).unwrap_or_default();
    (field("/kind").to_owned(), field("/uid").to_owned())
}

pub(super) fn list<'a>(
    objects: &'a BTreeMap<Key, Held>,
    group: &str,
    plural: &str,
) -> impl Iterator<Item = &'a Value> + use<'a> {
    let held = objects.get(&(group.to_owned(), plural.to_owned()));
    held.into_iter().flat_map(|held| &held.objects)
}

/// The text at a JSON pointer, unless it is missing or empty.
pub(super) fn text<'a>(value: &'a Value, pointer: &str) -> Option<&'a str> {
    let text = value.pointer(pointer).and_then(Value::as_str);
    text.filter(|t| !t.is_empty())
}

fn texts<'a>(value: &'a Value, pointer: &str) -> Vec<&'a str> {
    let list = value.pointer(pointer).and_then(Value::as_array);
    list.into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect()
}

/// The elements of the list at a JSON pointer.
pub(super) fn objects_of<'a>(
    value: &'a Value,
    pointer: &str,
) -> impl Iterator<Item = &'a Value> + use<'a> {
    let list = value.pointer(pointer).and_then(Value::as_array);
    list.into_iter().flatten()
}

fn count(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}
