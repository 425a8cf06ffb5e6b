//! The table `policy_problems`: policy objects and routes that do not do what they say.

use super::{GROUP, Policies, ports};
use crate::facts::kube::annotation;
use crate::facts::row::{Row, list, text};
use crate::facts::{Fact, Object, Sources, routes};

/// A problem: a word for rules, and a sentence.
type Problem = (&'static str, String);

/// Derives the table.
pub(super) fn table(sources: &Sources<'_>, policies: &Policies<'_>) -> Vec<Fact> {
    let mut found: Vec<(&Object, Problem)> = Vec::new();
    for authorization in &policies.authorizations {
        let object = authorization.object;
        let target = authorization
            .target_problem
            .iter()
            .map(|why| ("missing-target", why));
        let missing = authorization
            .clients
            .missing
            .iter()
            .map(|why| ("missing-authentication", why));
        let invalid = authorization
            .clients
            .invalid
            .iter()
            .map(|why| ("invalid", why));
        found.extend(
            target
                .chain(missing)
                .chain(invalid)
                .map(|(word, why)| (object, (word, why.clone()))),
        );
        if authorization.clients.needs_identity
            && authorization.clients.identities.is_empty()
            && authorization.clients.missing.is_empty()
            && authorization.clients.invalid.is_empty()
        {
            found.push((
                object,
                (
                    "admits-nobody",
                    "asks for an identity and names none".to_owned(),
                ),
            ));
        }
    }
    found.extend(servers(policies));
    for object in sources.all_objects().filter(|o| has_status(o)) {
        found.extend(conditions(object).into_iter().map(|p| (object, p)));
        found.extend(
            routes::problems(sources, object)
                .into_iter()
                .map(|p| (object, p)),
        );
    }
    for object in sources.kind("Namespace").iter().chain(sources.kind("Pod")) {
        found.extend(bad_default(object).map(|p| (object, p)));
    }
    found.sort_by(|a, b| (a.0.subject(), &a.1).cmp(&(b.0.subject(), &b.1)));
    found
        .into_iter()
        .map(|(object, problem)| fact(object, &problem))
        .collect()
}

fn fact(object: &Object, (problem, detail): &Problem) -> Fact {
    let excerpt = format!("{} {}: {detail}", object.kind, object.place());
    let row = Row::new()
        .set("kind", object.kind.as_str())
        .set("group", object.group.as_str())
        .set("namespace", object.namespace.as_str())
        .set("name", object.name.as_str())
        .set("problem", *problem)
        .set("detail", detail.as_str());
    Fact {
        subjects: vec![object.subject()],
        evidence: vec![object.evidence(&excerpt)],
        fields: row.build(),
        kept: None,
    }
}

/// Whether an object is of a kind whose status tells whether Linkerd takes it.
fn has_status(object: &Object) -> bool {
    let groups = [
        GROUP,
        "gateway.networking.k8s.io",
        "linkerd.io",
        "multicluster.linkerd.io",
        "workload.linkerd.io",
    ];
    groups.contains(&object.group.as_str()) || object.kind == "Service"
}

/// Conditions that say that something was not accepted.
fn conditions(object: &Object) -> Vec<Problem> {
    let own = list(&object.value, "/status/conditions").iter();
    let parents = list(&object.value, "/status/parents")
        .iter()
        .flat_map(|p| list(p, "/conditions"));
    let refused = own.chain(parents).filter(|c| {
        matches!(text(c, "/type"), "Accepted" | "ResolvedRefs" | "Programmed")
            && text(c, "/status") == "False"
    });
    let told = refused.map(|c| {
        let (kind, reason, message) = (text(c, "/type"), text(c, "/reason"), text(c, "/message"));
        (
            "not-accepted",
            format!("condition {kind} is False ({reason}) {message}")
                .trim_end()
                .to_owned(),
        )
    });
    told.collect()
}

fn servers<'a>(policies: &Policies<'a>) -> Vec<(&'a Object, Problem)> {
    let mut found = Vec::new();
    for (at, server) in policies.servers.iter().enumerate() {
        let object = server.object;
        if server.is_external {
            continue;
        }
        if server.pods.is_empty() {
            found.push((
                object,
                (
                    "server-selects-nothing",
                    "selects no pod of its namespace".to_owned(),
                ),
            ));
        } else if server.ports.is_empty() {
            let port = object
                .value
                .pointer("/spec/port")
                .map(ToString::to_string)
                .unwrap_or_default();
            let why = format!(
                "no container of its {} pods declares the port {port}",
                server.pods.len()
            );
            found.push((object, ("server-port-unknown", why)));
        }
        let older = policies.servers.iter().take(at).find(|o| {
            o.object.namespace == object.namespace
                && o.ports.intersection(&server.ports).next().is_some()
                && o.workloads.intersection(&server.workloads).next().is_some()
        });
        if let Some(older) = older {
            let why = format!(
                "selects a port that the older Server `{}` has, which wins",
                older.object.name
            );
            found.push((object, ("server-conflict", why)));
        }
    }
    found
}

/// A default policy that is none: the cluster's default is in force instead.
fn bad_default(object: &Object) -> Option<Problem> {
    let name = "config.linkerd.io/default-inbound-policy";
    let policy = annotation(&object.value, name);
    let is_bad = !policy.is_empty() && !ports::is_default(policy);
    is_bad.then(|| {
        (
            "bad-default-policy",
            format!("annotation `{name}` is `{policy}`, which is no policy"),
        )
    })
}
