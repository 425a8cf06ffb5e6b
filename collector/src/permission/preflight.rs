//! Asks once, before anything else, what the user may do, and tells what will be missing.

use std::collections::BTreeMap;

use bundle::SourceKind;
use futures::StreamExt;
use serde_json::Value;

use super::check::allows;
use super::needs::{Need, Place, needs};
use super::review;
use crate::session::Session;
use crate::sources::access;

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
    for denied in missing {
        let line = lines.entry((denied.place, denied.missing)).or_default();
        line.push(denied.action);
    }
    for ((place, what), actions) in lines {
        let actions = actions.join(", ");
        let line = format!("will be missing{place}: {what} (may not {actions})");
        session.progress.say(&line);
        session.journal.note("warn", &line);
    }
    session
        .progress
        .say("`linkerd-collect rbac` prints the role that allows it");
}

/// Something that is not allowed.
struct Denied {
    /// ` in NAMESPACES`, or nothing if it is so everywhere.
    place: String,
    missing: &'static str,
    action: String,
}

/// What is not allowed in some namespaces, by the rules that the API server tells for them.
async fn by_namespace(session: &Session, all: &[Need]) -> Vec<Denied> {
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
    tell_unknown(session, &rules);
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
            (!denied.is_empty()).then(|| Denied {
                place: place(&denied, known.len()),
                missing: need.missing,
                action: need.action(&need.resources.join(" and ")),
            })
        })
        .collect()
}

/// Where an authorizer cannot list its rules, as a webhook cannot, nothing is known and nothing is
/// claimed.
fn tell_unknown(session: &Session, rules: &BTreeMap<String, Option<Vec<Value>>>) {
    let unknown = rules.iter().filter(|(_, rules)| rules.is_none());
    let unknown: Vec<&str> = unknown.map(|(namespace, _)| namespace.as_str()).collect();
    if unknown.is_empty() {
        return;
    }
    let place = place(&unknown, rules.len());
    let line = format!(
        "cannot tell what may be read{place}, since the API server does not list all its rules; what \
         is refused will be in the ledger"
    );
    session.progress.say(&line);
    session.journal.note("warn", &line);
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
async fn in_cluster(session: &Session, all: &[Need]) -> Vec<Denied> {
    let what = SourceKind::ClusterResources.name();
    let asked = all
        .iter()
        .filter(|need| need.place == Place::Cluster && need.missing == what);
    let reviews = asked.flat_map(|need| {
        need.resources
            .iter()
            .map(move |resource| review::denied(&session.cluster, need, resource))
    });
    let denied: Vec<Option<String>> = futures::stream::iter(reviews)
        .buffered(session.plan.limits.in_flight)
        .collect()
        .await;
    let denied = denied.into_iter().flatten();
    denied
        .map(|action| Denied {
            place: String::new(),
            missing: what,
            action,
        })
        .collect()
}
