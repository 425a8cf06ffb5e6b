//! `AuthorizationPolicies` and `ServerAuthorizations`, with what they admit to.

use std::collections::BTreeSet;

use serde_json::json;

use super::clients::{Clients, own_or};
use super::servers::Server;
use super::{GROUP, Policies};
use crate::facts::json::NULL;
use crate::facts::kube::selects;
use crate::facts::row::{Row, list, text};
use crate::facts::{Fact, Object, Sources};

/// What an authorization admits to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
    /// Servers of its own namespace, by name.
    Servers(BTreeSet<String>),
    /// Every Server of its namespace.
    Namespace,
    /// A route, and the Servers that the route belongs to.
    Route(BTreeSet<String>),
    /// Something that gives it no effect.
    Nothing,
}

/// One authorization.
pub(super) struct Authorization<'a> {
    pub(super) object: &'a Object,
    pub(super) target: Target,
    pub(super) clients: Clients,
    /// Why the target is none, in words.
    pub(super) target_problem: Option<String>,
}

impl Authorization<'_> {
    /// Whether it admits anybody to the whole of a Server, not only to some route.
    pub(super) fn admits_to(&self, server: &Object) -> bool {
        self.object.namespace == server.namespace
            && match &self.target {
                Target::Servers(names) => names.contains(server.name.as_str()),
                Target::Namespace => true,
                Target::Route(_) | Target::Nothing => false,
            }
    }

    /// Whether it admits to a route of a Server.
    pub(super) fn admits_to_route_of(&self, server: &Object) -> bool {
        let is_near = self.object.namespace == server.namespace;
        is_near
            && matches!(&self.target, Target::Route(names) if names.contains(server.name.as_str()))
    }
}

/// Every authorization.
pub(super) fn all<'a>(sources: &'a Sources<'_>, servers: &[Server<'a>]) -> Vec<Authorization<'a>> {
    let own = |kind: &str| sources.kind(kind).iter().filter(|o| o.group == GROUP);
    let policies = own("AuthorizationPolicy").map(|object| {
        let (target, target_problem) = target_of_policy(sources, object);
        let clients = Clients::of_authorization_policy(sources, object);
        Authorization {
            object,
            target,
            clients,
            target_problem,
        }
    });
    let legacy = own("ServerAuthorization").map(|object| {
        let (target, target_problem) = target_of_legacy(sources, object, servers);
        let clients = Clients::of_server_authorization(sources, object);
        Authorization {
            object,
            target,
            clients,
            target_problem,
        }
    });
    policies.chain(legacy).collect()
}

fn target_of_policy(sources: &Sources<'_>, object: &Object) -> (Target, Option<String>) {
    let reference = object.value.pointer("/spec/targetRef").unwrap_or(&NULL);
    let (kind, name) = (text(reference, "/kind"), text(reference, "/name"));
    let namespace = own_or(reference, &object.namespace);
    match kind {
        "Namespace" if object.namespace == name => (Target::Namespace, None),
        "Namespace" => (
            Target::Nothing,
            Some(format!(
                "targets Namespace `{name}`; it may only target its own"
            )),
        ),
        _ if object.namespace != namespace => (
            Target::Nothing,
            Some(format!(
                "targets a {kind} in namespace `{namespace}`; it may only target its own"
            )),
        ),
        "Server" => {
            let problem = missing(sources, kind, namespace, name);
            (Target::Servers(BTreeSet::from([name.to_owned()])), problem)
        }
        "HTTPRoute" | "GRPCRoute" => {
            let problem = missing(sources, kind, namespace, name);
            let route = sources.object(kind, namespace, name);
            let parents = route
                .map(|r| list(&r.value, "/spec/parentRefs"))
                .unwrap_or_default();
            let servers = parents
                .iter()
                .filter(|p| text(p, "/kind") == "Server")
                .map(|p| text(p, "/name").to_owned());
            (Target::Route(servers.collect()), problem)
        }
        other => (
            Target::Nothing,
            Some(format!("targets a {other:?}, which takes no authorization")),
        ),
    }
}

fn missing(sources: &Sources<'_>, kind: &str, namespace: &str, name: &str) -> Option<String> {
    let is_missing =
        sources.object(kind, namespace, name).is_none() && sources.is_complete(kind, namespace);
    is_missing.then(|| format!("targets {kind} `{name}`, which does not exist"))
}

fn target_of_legacy(
    sources: &Sources<'_>,
    object: &Object,
    servers: &[Server<'_>],
) -> (Target, Option<String>) {
    let name = text(&object.value, "/spec/server/name");
    if !name.is_empty() {
        let target = Target::Servers(BTreeSet::from([name.to_owned()]));
        return (target, missing(sources, "Server", &object.namespace, name));
    }
    let Some(selector) = object.value.pointer("/spec/server/selector") else {
        return (Target::Nothing, Some("names no Server".to_owned()));
    };
    let near = servers
        .iter()
        .filter(|s| s.object.namespace == object.namespace);
    let selected = near.filter(|s| selects(selector, s.object.value.pointer("/metadata/labels")));
    let names: BTreeSet<String> = selected.map(|s| s.object.name.to_string()).collect();
    let problem = (names.is_empty() && sources.is_complete("Server", &object.namespace))
        .then(|| "selects no Server".to_owned());
    (Target::Servers(names), problem)
}

/// Derives the table `policy_authorizations`.
pub(super) fn table(policies: &Policies<'_>) -> Vec<Fact> {
    policies.authorizations.iter().map(fact).collect()
}

fn fact(authorization: &Authorization<'_>) -> Fact {
    let object = authorization.object;
    let (kind, names) = match &authorization.target {
        Target::Servers(names) => ("Server", names.clone()),
        Target::Namespace => ("Namespace", BTreeSet::from([object.namespace.to_string()])),
        Target::Route(servers) => ("Route", servers.clone()),
        Target::Nothing => ("", BTreeSet::new()),
    };
    let clients = &authorization.clients;
    let problems: Vec<&String> = authorization
        .target_problem
        .iter()
        .chain(&clients.missing)
        .chain(&clients.invalid)
        .collect();
    let row = Row::new()
        .set("kind", object.kind.as_str())
        .set("namespace", object.namespace.as_str())
        .set("name", object.name.as_str())
        .text("target_kind", kind)
        .set("targets", json!(names))
        .set("clients", clients.to_value())
        .set("allowed", json!(clients.words()))
        .set("admits_unmeshed", clients.admits_unmeshed())
        .set("admits_any_meshed", clients.admits_any_meshed())
        .set("problems", json!(problems));
    let shown = clients.words().join("; ");
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let excerpt = format!(
        "{} {}: admits {shown} to {kind} {}",
        object.kind,
        object.place(),
        names.join(", ")
    );
    Fact {
        subjects: vec![object.subject()],
        evidence: vec![object.evidence(&excerpt)],
        fields: row.build(),
        kept: None,
    }
}
