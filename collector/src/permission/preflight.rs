//! Asks once, before anything else, what the user may do, and tells what will be missing.

use std::collections::BTreeMap;

use futures::StreamExt;
use serde_json::{Value, json};

use super::check::allows;
use super::needs::{Need, Place, needs};
use crate::session::Session;
use crate::sources::access;

const ACCESS_REVIEW: &str = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";

/// How many namespaces are named in a line.
const NAMED: usize = 3;

/// Captures what the user may do in each namespace, asks about the rest, and says what will be
/// missing. Collecting goes on whatever the answers are.
pub async fn preflight(session: &Session) {
    let all = needs(&session.plan);
    let mut missing = by_namespace(session, &all).await;
    missing.extend(in_cluster(session, &all).await);
    if missing.is_empty() {
        return;
    }
    let mut lines: BTreeMap<(String, &str), Vec<String>> = BTreeMap::new();
    for (place, need) in missing {
        let action = format!("{} {}", need.verbs.first().unwrap_or(&""), named(need));
        lines.entry((place, need.missing)).or_default().push(action);
    }
    for ((place, what), actions) in lines {
        let line = format!(
            "will be missing{place}: {what} (may not {})",
            actions.join(", ")
        );
        session.progress.say(&line);
        session.journal.note("warn", &line);
    }
    session
        .progress
        .say("`linkerd-collect rbac` prints the role that allows it");
}

fn named(need: &Need) -> String {
    let resources = need.resources.join(" and ");
    if need.group.is_empty() {
        resources
    } else {
        format!("{resources}.{}", need.group)
    }
}

/// What is not allowed in some namespaces, by the rules that the API server tells for them.
async fn by_namespace<'a>(session: &Session, all: &'a [Need]) -> Vec<(String, &'a Need)> {
    let namespaces = session.mesh().namespaces.clone();
    let at_once = session.plan.limits.in_flight;
    let reviews = namespaces.into_iter().map(|namespace| async move {
        let rules = access::capture(session, namespace.clone()).await;
        (namespace, rules)
    });
    let rules: BTreeMap<String, Option<Vec<Value>>> = futures::stream::iter(reviews)
        .buffer_unordered(at_once)
        .collect()
        .await;
    // Where an authorizer cannot list its rules, nothing is known, and nothing is claimed.
    let known: BTreeMap<&String, &Vec<Value>> = rules
        .iter()
        .filter_map(|(namespace, rules)| Some((namespace, rules.as_ref()?)))
        .collect();
    let within = all.iter().filter(|need| {
        need.place == Place::Namespaces
            && (need.resources != ["*"] || need.group.ends_with("linkerd.io"))
    });
    within
        .filter_map(|need| {
            let denied = known.iter().filter(|(_, rules)| !allows(rules, need));
            let denied: Vec<&str> = denied.map(|(namespace, _)| namespace.as_str()).collect();
            (!denied.is_empty()).then(|| (place(&denied, known.len()), need))
        })
        .collect()
}

/// ` in NAMESPACES`, or nothing if it is so everywhere.
fn place(denied: &[&str], known: usize) -> String {
    if denied.len() == known {
        return String::new();
    }
    let named: Vec<&str> = denied.iter().take(NAMED).copied().collect();
    let named = named.join("`, `");
    match denied.len().saturating_sub(NAMED) {
        0 => format!(" in `{named}`"),
        more => format!(" in `{named}` and {more} more namespaces"),
    }
}

/// What is not allowed in the cluster as a whole. Rules of a namespace do not tell: a role that
/// is bound in a namespace alone may name cluster-scoped kinds in vain.
async fn in_cluster<'a>(session: &Session, all: &'a [Need]) -> Vec<(String, &'a Need)> {
    let asked = all.iter().filter(|need| {
        need.place == Place::Cluster && need.missing == bundle::SourceKind::ClusterResources.name()
    });
    let reviews = asked.flat_map(|need| {
        need.resources
            .iter()
            .map(move |resource| is_denied(session, need, resource))
    });
    let denied = futures::stream::iter(reviews)
        .buffer_unordered(session.plan.limits.in_flight)
        .filter_map(std::future::ready);
    let mut denied: Vec<(String, &Need)> = denied.collect().await;
    denied.sort_by(|a, b| a.1.resources.cmp(&b.1.resources));
    denied
}

async fn is_denied<'a>(
    session: &Session,
    need: &'a Need,
    resource: &str,
) -> Option<(String, &'a Need)> {
    let attributes = json!({
        "verb": need.verbs.first()?,
        "group": need.group,
        "resource": resource,
    });
    let review = json!({
        "kind": "SelfSubjectAccessReview",
        "apiVersion": "authorization.k8s.io/v1",
        "spec": {"resourceAttributes": attributes},
    });
    let answer = session
        .cluster
        .post_json(ACCESS_REVIEW, &review)
        .await
        .ok()?;
    let is_allowed = answer.pointer("/status/allowed").and_then(Value::as_bool);
    (is_allowed == Some(false)).then(|| (String::new(), need))
}
