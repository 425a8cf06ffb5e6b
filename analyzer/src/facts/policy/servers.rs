//! Servers, with the pods and ports that they take over.

use std::collections::BTreeSet;

use serde_json::json;

use super::Policies;
use crate::facts::json::{Json, NULL};
use crate::facts::kube::{PROXY, selects, spec_containers};
use crate::facts::row::{Row, int, list, text};
use crate::facts::sources::Owner;
use crate::facts::{Fact, Object, Sources};

/// One Server.
pub(super) struct Server<'a> {
    pub(super) object: &'a Object,
    /// The pods that it selects.
    pub(super) pods: Vec<&'a Object>,
    /// Their workloads.
    pub(super) workloads: BTreeSet<Owner>,
    /// The numbers of the port that it takes over, over all its pods.
    pub(super) ports: BTreeSet<i64>,
    pub(super) access_policy: &'a str,
    pub(super) protocol: &'a str,
    /// Whether it selects `ExternalWorkloads` instead of pods.
    pub(super) is_external: bool,
}

impl Server<'_> {
    /// Whether it takes over a port of a workload's pods.
    pub(super) fn covers(&self, workload: &Owner, port: i64) -> bool {
        self.ports.contains(&port) && self.workloads.contains(workload)
    }
}

/// Every Server, older ones first: if two select a port, the older one has it.
pub(super) fn all<'a>(sources: &'a Sources<'_>) -> Vec<Server<'a>> {
    let mut servers: Vec<_> = sources
        .kind("Server")
        .iter()
        .filter(|s| s.group == super::GROUP)
        .collect();
    servers.sort_by_key(|s| {
        (
            text(&s.value, "/metadata/creationTimestamp"),
            &s.namespace,
            &s.name,
        )
    });
    servers.into_iter().map(|s| resolve(sources, s)).collect()
}

fn resolve<'a>(sources: &'a Sources<'_>, object: &'a Object) -> Server<'a> {
    let value = &object.value;
    let selector = value.pointer("/spec/podSelector");
    let candidates = sources.in_namespace("Pod", &object.namespace).iter();
    let pods: Vec<&Object> = match selector {
        Some(selector) => candidates
            .filter(|p| selects(selector, p.value.pointer("/metadata/labels")))
            .collect(),
        None => Vec::new(),
    };
    let port = value.pointer("/spec/port").unwrap_or(&NULL);
    let or = |said: &'a str, default| if said.is_empty() { default } else { said };
    Server {
        object,
        workloads: pods
            .iter()
            .map(|p| sources.owner(&p.namespace, &p.name))
            .collect(),
        ports: pods.iter().flat_map(|p| numbers(p, port)).collect(),
        pods,
        access_policy: or(text(value, "/spec/accessPolicy"), "deny"),
        protocol: or(text(value, "/spec/proxyProtocol"), "unknown"),
        is_external: value.pointer("/spec/externalWorkloadSelector").is_some(),
    }
}

/// The numbers of a port given by number or by name, in one pod.
fn numbers(pod: &Object, port: &Json) -> Vec<i64> {
    if let Some(number) = port.as_i64() {
        return vec![number];
    }
    let Some(name) = port.as_str() else {
        return Vec::new();
    };
    let own = spec_containers(&pod.value)
        .filter(|c| text(c, "/name") != PROXY || name.starts_with("linkerd-"));
    let declared = own
        .flat_map(|c| list(c, "/ports"))
        .filter(|p| text(p, "/name") == name);
    declared.filter_map(|p| int(p, "/containerPort")).collect()
}

/// Derives the table `policy_servers`.
pub(super) fn table(policies: &Policies<'_>) -> Vec<Fact> {
    let mut facts: Vec<_> = policies.servers.iter().map(|s| fact(policies, s)).collect();
    facts.sort_by(|a, b| a.subjects.cmp(&b.subjects));
    facts
}

fn fact(policies: &Policies<'_>, server: &Server<'_>) -> Fact {
    let object = server.object;
    let admitting: Vec<_> = policies
        .authorizations
        .iter()
        .filter(|a| a.admits_to(object))
        .collect();
    let allowed: BTreeSet<String> = admitting.iter().flat_map(|a| a.clients.words()).collect();
    let names: Vec<String> = admitting
        .iter()
        .map(|a| format!("{} {}", a.object.kind, a.object.name))
        .collect();
    let workloads: Vec<_> = server.workloads.iter().map(Owner::to_value).collect();
    let row = Row::new()
        .set("namespace", object.namespace.as_str())
        .set("name", object.name.as_str())
        .opt("port", object.value.pointer("/spec/port").cloned())
        .set("ports", json!(server.ports))
        .set("pods", server.pods.len())
        .set("workloads", workloads)
        .set("access_policy", server.access_policy)
        .set("proxy_protocol", server.protocol)
        .set("external", server.is_external)
        .set("authorizations", json!(names))
        .set("allowed", json!(allowed));
    let excerpt = format!(
        "Server {}: port {}, {} pods, accessPolicy {}, {} authorizations",
        object.place(),
        object.value.pointer("/spec/port").unwrap_or(&NULL),
        server.pods.len(),
        server.access_policy,
        names.len(),
    );
    let mut subjects = vec![object.subject()];
    subjects.extend(server.workloads.iter().map(Owner::subject));
    Fact {
        subjects,
        evidence: vec![object.evidence(&excerpt)],
        fields: row.build(),
        kept: None,
    }
}
