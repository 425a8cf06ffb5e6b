//! `linkerd-collect check`: whether a capture would get what it asks for.

use std::collections::BTreeMap;
use std::io::Write;
use std::time::Duration;

use futures::StreamExt;

use super::report::{Check, Format, Report};
use crate::cluster::{Cluster, connect};
use crate::exit::ExitStatus;
use crate::permission::{Need, needs, review};
use crate::plan::Plan;
use crate::stop::Stop;

const REACHABLE: &str = "can reach the Kubernetes API";
const REACHABLE_HINT: &str = "https://linkerd.io/2/checks/#k8s-api";
const RBAC_HINT: &str = "https://kubernetes.io/docs/reference/access-authn-authz/rbac/";

/// What is checked, and whether a need belongs to it.
type Topic = (&'static str, fn(&Need) -> bool);

const TOPICS: [Topic; 3] = [
    ("can list Kubernetes and Linkerd resources", |need| {
        // Whether all of a group may be listed says nothing about the kinds that it has.
        need.verbs.first() == Some(&"list") && need.resources != ["*"]
    }),
    ("can read container logs", |need| {
        need.resources == ["pods/log"]
    }),
    ("can reach the admin ports of proxies", |need| {
        need.resources == ["pods/portforward"]
    }),
];

/// Checks, and prints what came of it.
///
/// # Errors
/// When stdout is gone.
pub async fn check(
    plan: &Plan,
    patience: Duration,
    format: Format,
    out: &mut dyn Write,
) -> anyhow::Result<ExitStatus> {
    let stop = Stop::default();
    let connecting = connect(&plan.access, &plan.limits, &stop);
    let connected = match tokio::time::timeout(patience, connecting).await {
        Ok(connected) => connected.map_err(|e| format!("{e}; {}", e.hint())),
        Err(_) => Err(format!("no answer within {} s", patience.as_secs())),
    };
    let checks = match connected {
        Err(why) => vec![Check::error(REACHABLE, why, REACHABLE_HINT)],
        Ok(connected) => {
            let mut checks = vec![Check::success(REACHABLE)];
            checks.extend(permissions(&connected.cluster, plan).await);
            checks
        }
    };
    let report = Report::of(checks);
    report.write(format, out)?;
    Ok(if report.is_success() {
        ExitStatus::Complete
    } else {
        ExitStatus::ChecksFailed
    })
}

async fn permissions(cluster: &Cluster, plan: &Plan) -> Vec<Check> {
    let needs = needs(plan);
    let topic_of = |need: &Need| TOPICS.iter().position(|(_, is_of)| is_of(need));
    let asked = needs
        .iter()
        .filter_map(|need| Some((topic_of(need)?, need)));
    let reviews = asked.flat_map(|(topic, need)| {
        need.resources.iter().map(move |resource| async move {
            let denied = review::denied(cluster, need, resource).await;
            denied.map(|action| (topic, action))
        })
    });
    let denied: Vec<(usize, String)> = futures::stream::iter(reviews)
        .buffered(cluster.limits().in_flight)
        .filter_map(std::future::ready)
        .collect()
        .await;
    let mut by_topic: BTreeMap<usize, Vec<String>> = BTreeMap::new();
    for (topic, action) in denied {
        by_topic.entry(topic).or_default().push(action);
    }
    let judge = |(topic, (description, _)): (usize, &Topic)| match by_topic.get(&topic) {
        None => Check::success(description),
        Some(actions) => {
            let actions = actions.join(", ");
            let why = format!(
                "not in every namespace: {actions}; `linkerd-collect rbac` prints the role"
            );
            Check::warning(description, why, RBAC_HINT)
        }
    };
    TOPICS.iter().enumerate().map(judge).collect()
}
