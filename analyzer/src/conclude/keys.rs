//! What evidence is about: its pod, that pod's workload, its node, and so on.

use std::collections::BTreeSet;

use super::hits::Hit;
use crate::evidence::Subject;
use crate::facts::{Facts, Place, Places, guess_workload};
use crate::rule::By;
use crate::scan::origin::Origin;

/// Kinds of things that own pods.
const WORKLOADS: [&str; 7] = [
    "Deployment",
    "StatefulSet",
    "DaemonSet",
    "ReplicaSet",
    "Job",
    "CronJob",
    "ReplicationController",
];

/// Looks up what pods belong to.
#[derive(Debug)]
pub(crate) struct Keys<'a> {
    places: &'a Places,
}

impl<'a> Keys<'a> {
    pub(super) fn new(facts: &'a Facts) -> Self {
        Self {
            places: &facts.places,
        }
    }

    /// Whether the container that wrote a log is known not to run.
    pub(super) fn has_stopped(&self, origin: &Origin) -> bool {
        match (&origin.namespace, &origin.pod, &origin.container) {
            (Some(namespace), Some(pod), Some(container)) => {
                self.places.has_stopped(namespace, pod, container)
            }
            _ => false,
        }
    }

    /// Who has an address, in words.
    pub(super) fn holder(&self, address: &str) -> Option<String> {
        self.places.holder(address)
    }

    fn pod(&self, subject: &Subject) -> Option<&'a Place> {
        let namespace = subject.namespace.as_deref().unwrap_or_default();
        self.places.pod(namespace, &subject.name)
    }

    /// The workload of a pod, or of something that is one.
    pub(super) fn workload(&self, subject: &Subject) -> Option<Subject> {
        if WORKLOADS.contains(&subject.kind.as_str()) {
            return Some(subject.clone());
        }
        if subject.kind != "Pod" {
            return None;
        }
        let known = self.pod(subject).map(|place| &place.workload);
        let known = known.filter(|(_, name)| !name.is_empty());
        let (kind, name) = match known {
            Some((kind, name)) => (kind.as_str(), name.as_str()),
            None => guess_workload(&subject.name),
        };
        // Without a namespace, a name that no workload gave may be that of a file.
        if subject.namespace.is_none() && kind == "Pod" {
            return None;
        }
        Some(Subject {
            kind: kind.to_owned(),
            namespace: subject.namespace.clone(),
            name: name.to_owned(),
        })
    }

    /// The workloads behind a Service.
    pub(super) fn backing<'s>(
        &self,
        subject: &'s Subject,
    ) -> impl Iterator<Item = Subject> + use<'a, 's> {
        let namespace = subject.namespace.as_deref().unwrap_or_default();
        let workloads = match subject.kind.as_str() {
            "Service" => self.places.backing(namespace, &subject.name),
            _ => &[],
        };
        let named = workloads.iter();
        named.map(move |(kind, name)| Subject::namespaced(kind, namespace, name))
    }

    /// The node of a pod, or the node that it is.
    pub(super) fn node(&self, subject: &Subject) -> Option<Subject> {
        match subject.kind.as_str() {
            "Node" => Some(subject.clone()),
            "Pod" => {
                let node = &self.pod(subject)?.node;
                (!node.is_empty()).then(|| Subject::cluster("Node", node.as_str()))
            }
            _ => None,
        }
    }

    /// The keys of a hit; empty if it has none and so joins every key.
    pub(super) fn of(&self, by: By, hit: &Hit<'_>) -> Vec<Subject> {
        if by == By::Bundle {
            return Vec::new();
        }
        if let Some(key) = hit.key {
            return vec![captured(by, key, hit)];
        }
        let keys: BTreeSet<Subject> = hit
            .subjects
            .iter()
            .filter_map(|s| self.key(by, s))
            .collect();
        keys.into_iter().collect()
    }

    fn key(&self, by: By, subject: &Subject) -> Option<Subject> {
        let of_kind = |kind: &str| (subject.kind == kind).then(|| subject.clone());
        match by {
            By::Pod => of_kind("Pod").or_else(|| of_kind("Log")),
            By::Workload => self.workload(subject).or_else(|| of_kind("Log")),
            By::Node => self.node(subject),
            By::Service => of_kind("Service"),
            By::Namespace => match &subject.namespace {
                Some(namespace) => Some(Subject::cluster("Namespace", namespace)),
                None => of_kind("Namespace"),
            },
            By::Identity => of_kind("Identity"),
            By::Certificate => of_kind("Certificate"),
            By::Bundle => None,
        }
    }
}

/// A key that a log line names: `web.shop.svc.cluster.local:80` is Service `web` in `shop`.
fn captured(by: By, value: &str, hit: &Hit<'_>) -> Subject {
    let own_namespace = hit.subjects.first().and_then(|s| s.namespace.clone());
    let namespaced = |kind: &str, namespace: &str, name: &str| {
        let namespace = Some(namespace.to_owned())
            .filter(|n| !n.is_empty())
            .or(own_namespace.clone());
        Subject {
            kind: kind.to_owned(),
            namespace,
            name: name.to_owned(),
        }
    };
    match by {
        By::Service => {
            let (namespace, name) = service(value);
            namespaced("Service", namespace, name)
        }
        By::Identity => Subject::cluster("Identity", value),
        By::Certificate => Subject::cluster("Certificate", value),
        By::Node => Subject::cluster("Node", value),
        By::Namespace => Subject::cluster("Namespace", value),
        By::Workload => namespaced("Deployment", "", value),
        By::Pod | By::Bundle => match value.split_once('/') {
            Some((namespace, name)) => namespaced("Pod", namespace, name),
            None => namespaced("Pod", "", value),
        },
    }
}

/// The namespace (empty if it is not said) and name of a Service, in the ways in which the proxy,
/// the control plane and people write it.
fn service(value: &str) -> (&str, &str) {
    // As a span has it: `ns=shop name=web port=80`.
    let field = |key: &str| value.split(' ').find_map(|word| word.strip_prefix(key));
    if let (Some(namespace), Some(name)) = (field("ns="), field("name=")) {
        return (namespace, name);
    }
    let host = value.split(':').next().unwrap_or(value);
    let named = host.strip_prefix("Service.");
    if let Some(named) = named.and_then(|rest| rest.split_once('.')) {
        return named;
    }
    let inner = host
        .split_once(".svc")
        .and_then(|(name, _)| name.split_once('.'));
    match inner {
        Some((name, namespace)) => (namespace, name),
        None => value.split_once('/').unwrap_or(("", host)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_is_known_in_every_way_it_is_written() {
        for text in [
            "web.shop.svc.cluster.local:80",
            "shop/web",
            "ns=shop name=web port=80",
            "ns=shop name=web",
            "Service.shop.web:80",
        ] {
            assert_eq!(service(text), ("shop", "web"), "{text}");
        }
        assert_eq!(service("web:80"), ("", "web"));
    }
}
