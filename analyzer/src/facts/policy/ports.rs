//! The table `policy_ports`: for each port of each meshed workload, who may connect.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::Policies;
use super::servers::Server;
use crate::facts::json::NULL;
use crate::facts::kube::{PROXY, annotation, proxy_of, spec_containers};
use crate::facts::proxies::env;
use crate::facts::row::{Row, int, list, text};
use crate::facts::sources::Owner;
use crate::facts::{Fact, Object, Sources};

/// Policies that a port without a Server may be under.
const DEFAULTS: [&str; 6] = [
    "all-unauthenticated",
    "all-authenticated",
    "cluster-unauthenticated",
    "cluster-authenticated",
    "deny",
    "audit",
];

/// Derives the table.
pub(super) fn table(sources: &Sources<'_>, policies: &Policies<'_>) -> Vec<Fact> {
    // Pods of a workload are alike; the newest speaks for them.
    let mut newest: BTreeMap<Owner, &Object> = BTreeMap::new();
    for pod in sources
        .kind("Pod")
        .iter()
        .filter(|p| proxy_of(&p.value).is_some())
    {
        let made = |o: &Object| text(&o.value, "/metadata/creationTimestamp").to_owned();
        let owner = sources.owner(&pod.namespace, &pod.name);
        let kept = newest.entry(owner).or_insert(pod);
        if made(pod) > made(kept) {
            *kept = pod;
        }
    }
    let mut facts = Vec::new();
    for (workload, pod) in &newest {
        let mut ports = declared(pod);
        for server in policies
            .servers
            .iter()
            .filter(|s| s.workloads.contains(workload))
        {
            for port in &server.ports {
                ports.entry(*port).or_default();
            }
        }
        let context = Workload {
            sources,
            policies,
            owner: workload,
            pod,
        };
        facts.extend(
            ports
                .into_iter()
                .map(|(port, name)| context.fact(port, &name)),
        );
    }
    facts
}

/// The ports that the application's containers declare, with their names.
fn declared(pod: &Object) -> BTreeMap<i64, String> {
    let own = spec_containers(&pod.value).filter(|c| text(c, "/name") != PROXY);
    let ports = own
        .flat_map(|c| list(c, "/ports"))
        .filter(|p| matches!(text(p, "/protocol"), "" | "TCP"));
    ports
        .filter_map(|p| Some((int(p, "/containerPort")?, text(p, "/name").to_owned())))
        .collect()
}

/// The default policy of a pod, and what sets it: the policy controller reads the pod's
/// annotation, and takes the cluster's default if there is none or it is no policy.
pub(super) fn default_policy<'a>(
    sources: &'a Sources<'_>,
    pod: &'a Object,
) -> (&'a str, &'static str) {
    let spec = proxy_of(&pod.value).unwrap_or(&NULL);
    let places = [
        (
            annotation(&pod.value, "config.linkerd.io/default-inbound-policy"),
            "annotation",
        ),
        (
            text(sources.values(), "/proxy/defaultInboundPolicy"),
            "cluster",
        ),
        (env(spec, "LINKERD2_PROXY_INBOUND_DEFAULT_POLICY"), "proxy"),
    ];
    let found = places
        .into_iter()
        .find(|(policy, _)| DEFAULTS.contains(policy));
    found.unwrap_or(("all-unauthenticated", "unknown"))
}

/// Whether a text names a default policy.
pub(super) fn is_default(policy: &str) -> bool {
    DEFAULTS.contains(&policy)
}

/// Whether a list such as `25,3306,9000-9100` has a port. Names of ports are not looked up.
fn has_port(ports: &str, port: i64) -> bool {
    ports.split(',').any(|part| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        match (first.trim().parse::<i64>(), last.trim().parse::<i64>()) {
            (Ok(first), Ok(last)) => (first..=last).contains(&port),
            _ => false,
        }
    })
}

/// Who may connect to one port.
struct Verdict {
    admits_unmeshed: bool,
    admits_any_meshed: bool,
    allowed: BTreeSet<String>,
    authorizations: Vec<String>,
}

impl Verdict {
    fn of_default(policy: &str) -> Self {
        let (admits_unmeshed, admits_any_meshed, words) = match policy {
            "deny" => (false, false, ""),
            "all-authenticated" => (false, true, "any meshed client"),
            "cluster-authenticated" => (false, true, "any meshed client of the cluster's networks"),
            "cluster-unauthenticated" => (true, true, "anyone of the cluster's networks"),
            _ => (true, true, "anyone"),
        };
        let allowed = if words.is_empty() {
            BTreeSet::new()
        } else {
            BTreeSet::from([words.to_owned()])
        };
        Self {
            admits_unmeshed,
            admits_any_meshed,
            allowed,
            authorizations: Vec::new(),
        }
    }

    fn of_server(policies: &Policies<'_>, server: &Server<'_>) -> Self {
        let mut verdict = Self::of_default(server.access_policy);
        for authorization in policies
            .authorizations
            .iter()
            .filter(|a| a.admits_to(server.object))
        {
            let clients = &authorization.clients;
            verdict.admits_unmeshed |= clients.admits_unmeshed();
            verdict.admits_any_meshed |= clients.admits_any_meshed();
            verdict.allowed.extend(clients.words());
            verdict.authorizations.push(format!(
                "{} {}",
                authorization.object.kind, authorization.object.name
            ));
        }
        verdict
    }
}

/// What a row of the table is made from.
struct Workload<'a> {
    sources: &'a Sources<'a>,
    policies: &'a Policies<'a>,
    owner: &'a Owner,
    pod: &'a Object,
}

impl Workload<'_> {
    fn fact(&self, port: i64, name: &str) -> Fact {
        let server = self
            .policies
            .servers
            .iter()
            .find(|s| s.covers(self.owner, port));
        let (default, default_from) = default_policy(self.sources, self.pod);
        let verdict = match server {
            Some(server) => Verdict::of_server(self.policies, server),
            None => Verdict::of_default(default),
        };
        let routed = |s: &Server<'_>| {
            self.policies
                .authorizations
                .iter()
                .any(|a| a.admits_to_route_of(s.object))
        };
        let row = Row::new()
            .set("namespace", self.owner.namespace.as_str())
            .set("workload", self.owner.to_value())
            .set("port", port)
            .text("port_name", name)
            .set("default_policy", default)
            .set("default_policy_from", default_from)
            .text("server", server.map_or("", |s| s.object.name.as_str()))
            .text("access_policy", server.map_or("", |s| s.access_policy))
            .text("proxy_protocol", server.map_or("", |s| s.protocol))
            .set("opaque", self.is_opaque(port, server))
            .set("admits_unmeshed", verdict.admits_unmeshed)
            .set("admits_any_meshed", verdict.admits_any_meshed)
            .set("has_route_authorizations", server.is_some_and(routed))
            .set("allowed", json!(verdict.allowed))
            .set("authorizations", json!(verdict.authorizations));
        let by = server.map_or_else(
            || format!("default policy {default}"),
            |s| format!("Server {}", s.object.name),
        );
        let allowed: Vec<&str> = verdict.allowed.iter().map(String::as_str).collect();
        let allowed = if allowed.is_empty() {
            "nobody".to_owned()
        } else {
            allowed.join("; ")
        };
        let owner = self.owner;
        let excerpt = format!(
            "{} {}/{} port {port}: {by} admits {allowed}",
            owner.kind, owner.namespace, owner.name
        );
        let mut evidence = vec![self.pod.evidence(&excerpt)];
        evidence.extend(server.map(|s| s.object.evidence(&excerpt)));
        let mut subjects = vec![owner.subject()];
        subjects.extend(server.map(|s| s.object.subject()));
        Fact {
            subjects,
            evidence,
            fields: row.build(),
            kept: None,
        }
    }

    fn is_opaque(&self, port: i64, server: Option<&Server<'_>>) -> bool {
        if let Some(server) = server.filter(|s| s.protocol != "unknown") {
            return server.protocol == "opaque";
        }
        let spec = proxy_of(&self.pod.value).unwrap_or(&NULL);
        let annotated = annotation(&self.pod.value, "config.linkerd.io/opaque-ports");
        let ports = env(
            spec,
            "LINKERD2_PROXY_INBOUND_PORTS_DISABLE_PROTOCOL_DETECTION",
        );
        has_port(
            if annotated.is_empty() {
                ports
            } else {
                annotated
            },
            port,
        )
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::facts::testing::{facts, list as items};

    #[test]
    fn ports_are_found_in_lists_and_ranges() {
        assert!(has_port("25, 3306,9000-9100", 9050));
        assert!(has_port("25,3306", 3306));
        assert!(!has_port("25,mysql,9-", 3306));
        assert!(!has_port("", 1));
    }

    #[test]
    fn a_server_admits_whom_its_authorizations_name() {
        let meshed = |name: &str, app: &str| {
            json!({"metadata": {"name": name, "namespace": "retail", "labels": {"app": app}}, "spec": {"containers": [
                {"name": app, "ports": [{"name": "main", "containerPort": 8080}, {"containerPort": 9000}]},
                {"name": "linkerd-proxy", "env": [{"name": "LINKERD2_PROXY_INBOUND_DEFAULT_POLICY", "value": "all-authenticated"}]},
            ]}})
        };
        let server = json!({"apiVersion": "policy.linkerd.io/v1beta3", "metadata": {"name": "http", "namespace": "retail"},
            "spec": {"podSelector": {"matchLabels": {"app": "catalog"}}, "port": "main"}});
        let policy = json!({"apiVersion": "policy.linkerd.io/v1alpha1", "metadata": {"name": "callers", "namespace": "retail"},
            "spec": {"targetRef": {"group": "policy.linkerd.io", "kind": "Server", "name": "http"},
                "requiredAuthenticationRefs": [{"kind": "ServiceAccount", "name": "frontend"}]}});
        let path = |crd: &str| {
            format!("cluster-resources/custom-resources/{crd}.policy.linkerd.io/retail.json")
        };
        let facts = facts(
            &[
                (
                    "cluster-resources/pods/retail.json",
                    items("Pod", &[meshed("catalog-0", "catalog")]),
                ),
                (&path("servers"), items("Server", &[server])),
                (
                    &path("authorizationpolicies"),
                    items("AuthorizationPolicy", &[policy]),
                ),
            ],
            None,
        );
        let rows: Vec<_> = facts
            .table("policy_ports")
            .iter()
            .map(|f| &f.fields)
            .collect();
        assert_eq!(rows.len(), 2, "{rows:#?}");
        assert_eq!(rows[0]["server"], "http");
        assert_eq!(rows[0]["admits_unmeshed"], false);
        assert_eq!(
            rows[0]["allowed"],
            json!(["frontend.retail.serviceaccount.identity.linkerd.cluster.local"])
        );
        assert_eq!(rows[1]["default_policy"], "all-authenticated");
        assert_eq!(
            (&rows[1]["admits_unmeshed"], &rows[1]["admits_any_meshed"]),
            (&json!(false), &json!(true))
        );
    }
}
