//! How often an object of a recording is there in the multiplied cluster.

use serde_json::Value;

use crate::store::{Key, place};

use super::roster::{Roster, objects_of, text};
use super::{Multiplied, Nth};

/// An object that is served: a recorded one, or a copy of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Id {
    /// Its place among the recorded ones.
    pub(crate) base: usize,
    pub(crate) nth: Nth,
}

/// With what an object is multiplied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spread {
    Once,
    /// With its namespace.
    Spaces,
    /// With this pod.
    Pod(u32),
    /// With any of the pods that it names.
    Pods,
    /// With this node.
    Nodes(u32),
}

impl Spread {
    pub(super) fn of((group, plural): &Key, object: &Value, roster: &Roster) -> Self {
        let (namespace, name) = place(object);
        let node = |name: &str| {
            let mut nodes = (0..).zip(&roster.nodes);
            nodes.find(|(_, node)| node.name == name).map(|(n, _)| n)
        };
        let of_node = || node(name).map_or(Self::Once, Self::Nodes);
        match (group.as_str(), plural.as_str(), namespace) {
            ("", "nodes", _) | ("coordination.k8s.io", "leases", "kube-node-lease") => of_node(),
            ("", "namespaces", _) if roster.namespaces.contains(name) => Self::Spaces,
            _ if !roster.is_copied(object) => Self::Once,
            ("", "pods", _) => roster.number(namespace, name).map_or(Self::Once, Self::Pod),
            ("" | "events.k8s.io", "events", _) => {
                let about = |field| text(object, &format!("/involvedObject/{field}"));
                let pod = about("name").filter(|_| about("kind") == Some("Pod"));
                let pod = pod.and_then(|pod| roster.number(namespace, pod));
                pod.map_or(Self::Spaces, Self::Pod)
            }
            ("discovery.k8s.io", "endpointslices", _) => {
                let mut endpoints = objects_of(object, "/endpoints");
                let has_pods = endpoints.any(|e| pod_of(e, namespace, roster).is_some());
                if has_pods { Self::Pods } else { Self::Spaces }
            }
            _ => Self::Spaces,
        }
    }
}

/// The copied pod that an endpoint names.
pub(super) fn pod_of(endpoint: &Value, namespace: &str, roster: &Roster) -> Option<u32> {
    let name = text(endpoint, "/targetRef/name")?;
    roster.number(namespace, name)
}

impl Multiplied {
    /// The copies of an object, the recorded one first.
    pub(crate) fn copies(&self, key: &Key, object: &Value) -> Vec<Nth> {
        let (layout, roster) = (&self.meaning.layout, &self.meaning.roster);
        let of = |number| Nth { number, node: None };
        match Spread::of(key, object, roster) {
            Spread::Once => vec![Nth::default()],
            Spread::Spaces => layout.firsts().map(of).collect(),
            Spread::Pod(pod) => {
                let there = layout.copies().filter(|c| layout.serial(pod, *c).is_some());
                there.map(of).collect()
            }
            Spread::Pods => {
                let pods = objects_of(object, "/endpoints");
                let namespace = place(object).0;
                let pods = pods.filter_map(|e| pod_of(e, namespace, roster));
                let pods: Vec<u32> = pods.collect();
                let is_there = |c: &u32| pods.iter().any(|p| layout.serial(*p, *c).is_some());
                layout.copies().filter(is_there).map(of).collect()
            }
            Spread::Nodes(node) => {
                let node = usize::try_from(node).ok().and_then(|n| roster.nodes.get(n));
                let nodes = layout.nodes(node.map_or(0, |n| n.pods));
                let of = |node| Nth {
                    number: 0,
                    node: Some(node),
                };
                (0..nodes).map(of).collect()
            }
        }
    }
}
