//! What evidence is about: its pod, that pod's workload, its node, and so on.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::hits::Hit;
use crate::evidence::Subject;
use crate::facts::Facts;
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
    /// Namespace and name of a pod to the fields of its row.
    pods: BTreeMap<(&'a str, &'a str), &'a Value>,
    /// Namespace, pod and name of containers that do not run.
    stopped: BTreeSet<(&'a str, &'a str, &'a str)>,
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

impl<'a> Keys<'a> {
    pub(super) fn new(facts: &'a Facts) -> Self {
        let pods = facts.table("pods").iter().map(|fact| &fact.fields);
        let pods = pods.map(|row| ((text(row, "/namespace"), text(row, "/name")), row));
        let containers = facts.table("containers").iter().map(|fact| &fact.fields);
        let stopped =
            containers.filter(|row| matches!(text(row, "/state"), "waiting" | "terminated"));
        let stopped = stopped.map(|row| {
            (
                text(row, "/namespace"),
                text(row, "/pod"),
                text(row, "/name"),
            )
        });
        Self {
            pods: pods.collect(),
            stopped: stopped.collect(),
        }
    }

    /// Whether the container that wrote a log is known not to run.
    pub(super) fn has_stopped(&self, origin: &Origin) -> bool {
        match (&origin.namespace, &origin.pod, &origin.container) {
            (Some(namespace), Some(pod), Some(container)) => {
                self.stopped
                    .contains(&(namespace.as_str(), pod.as_str(), container.as_str()))
            }
            _ => false,
        }
    }

    fn pod(&self, subject: &Subject) -> Option<&'a Value> {
        let namespace = subject.namespace.as_deref().unwrap_or_default();
        self.pods.get(&(namespace, subject.name.as_str())).copied()
    }

    /// The workload of a pod, or of something that is one.
    pub(super) fn workload(&self, subject: &Subject) -> Option<Subject> {
        let namespace = subject.namespace.clone()?;
        if WORKLOADS.contains(&subject.kind.as_str()) {
            return Some(subject.clone());
        }
        if subject.kind != "Pod" {
            return None;
        }
        let row = self.pod(subject);
        let (kind, name) = (
            row.map(|r| text(r, "/workload/kind")),
            row.map(|r| text(r, "/workload/name")),
        );
        match (kind, name) {
            (Some(kind), Some(name)) if !name.is_empty() => {
                Some(Subject::namespaced(kind, namespace, name))
            }
            _ => {
                let (kind, name) = guess(&subject.name);
                Some(Subject::namespaced(kind, namespace, name))
            }
        }
    }

    /// The node of a pod, or the node that it is.
    pub(super) fn node(&self, subject: &Subject) -> Option<Subject> {
        match subject.kind.as_str() {
            "Node" => Some(subject.clone()),
            "Pod" => {
                let node = text(self.pod(subject)?, "/node");
                (!node.is_empty()).then(|| Subject::cluster("Node", node))
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
            let host = value.split(':').next().unwrap_or(value);
            match host
                .split_once(".svc")
                .map(|(name, _)| name)
                .and_then(|name| name.split_once('.'))
            {
                Some((name, namespace)) => namespaced("Service", namespace, name),
                None => match value.split_once('/') {
                    Some((namespace, name)) => namespaced("Service", namespace, name),
                    None => namespaced("Service", "", host),
                },
            }
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

/// Guesses a workload from a pod's name: `cart-7d9c4f5b6-x2k8p` is of Deployment `cart`, `db-0`
/// of `StatefulSet` `db`.
fn guess(pod: &str) -> (&'static str, &str) {
    let is_random = |part: &str| part.len() == 5 && part.bytes().all(|b| b.is_ascii_alphanumeric());
    let is_hash = |part: &str| {
        (6..=10).contains(&part.len())
            && part.bytes().all(|b| b.is_ascii_alphanumeric())
            && part.bytes().any(|b| b.is_ascii_digit())
    };
    match pod.rsplit_once('-') {
        Some((rest, suffix)) if is_random(suffix) => match rest.rsplit_once('-') {
            Some((name, middle)) if is_hash(middle) => ("Deployment", name),
            _ => ("DaemonSet", rest),
        },
        Some((name, number))
            if !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()) =>
        {
            ("StatefulSet", name)
        }
        _ => ("Pod", pod),
    }
}
