//! Where every pod belongs, and which containers do not run: what joins evidence of different
//! kinds, kept for all pods although their rows are not.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::kube::statuses;
use super::row::text;
use super::services::backing_workloads;
use super::{Fact, Sources};

/// Where a pod belongs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place {
    /// Kind and name of its workload.
    pub workload: (String, String),
    /// Its node; empty if it has none.
    pub node: String,
}

/// Where all pods belong.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Places {
    /// By namespace and name.
    pods: BTreeMap<(String, String), Place>,
    /// Namespace, pod and name of containers that do not run.
    stopped: BTreeSet<(String, String, String)>,
    /// Kinds and names of the workloads behind a Service, by its namespace and name.
    backing: BTreeMap<(String, String), Vec<(String, String)>>,
}

impl Places {
    pub(super) fn of(sources: &Sources<'_>) -> Self {
        let mut places = Self::default();
        for pod in sources.kind("Pod") {
            let owner = sources.owner(&pod.namespace, &pod.name);
            let key = (pod.namespace.to_string(), pod.name.to_string());
            let place = Place {
                workload: (owner.kind, owner.name),
                node: text(&pod.value, "/spec/nodeName").to_owned(),
            };
            for status in statuses(&pod.value) {
                let state = status.get("state");
                let has = |name: &str| state.is_some_and(|s| s.get(name).is_some());
                if has("waiting") || has("terminated") {
                    let name = text(status, "/name").to_owned();
                    places.stopped.insert((key.0.clone(), key.1.clone(), name));
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

    /// Adds what rows of `pods` and `containers` say that were not derived here.
    pub(crate) fn learn(&mut self, table: &str, fact: &Fact) {
        let text = |pointer: &str| {
            let said = fact.fields.pointer(pointer).and_then(Value::as_str);
            said.unwrap_or_default().to_owned()
        };
        let namespace = text("/namespace");
        match table {
            "pods" => {
                let place = Place {
                    workload: (text("/workload/kind"), text("/workload/name")),
                    node: text("/node"),
                };
                self.pods.insert((namespace, text("/name")), place);
            }
            "containers" if matches!(text("/state").as_str(), "waiting" | "terminated") => {
                self.stopped
                    .insert((namespace, text("/pod"), text("/name")));
            }
            _ => {}
        }
    }

    /// Where a pod belongs, if the bundle lists it.
    pub(crate) fn pod(&self, namespace: &str, name: &str) -> Option<&Place> {
        self.pods.get(&(namespace.to_owned(), name.to_owned()))
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
