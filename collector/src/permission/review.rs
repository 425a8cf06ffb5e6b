//! One question to the API server: may this user do that everywhere?

use serde_json::{Value, json};

use super::needs::Need;
use crate::cluster::Cluster;

const PATH: &str = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";

/// What is not allowed, as verb and resource; `None` if it is, or if nothing is known.
pub(crate) async fn denied(cluster: &Cluster, need: &Need, resource: &str) -> Option<String> {
    let (name, subresource) = resource.split_once('/').unwrap_or((resource, ""));
    let attributes = json!({
        "verb": need.verbs.first()?,
        "group": need.group,
        "resource": name,
        "subresource": subresource,
        "name": need.names.first().copied().unwrap_or(""),
    });
    let review = json!({
        "kind": "SelfSubjectAccessReview",
        "apiVersion": "authorization.k8s.io/v1",
        "spec": {"resourceAttributes": attributes},
    });
    let answer = cluster.post_json(PATH, &review).await.ok()?;
    let is_allowed = answer.pointer("/status/allowed").and_then(Value::as_bool);
    (is_allowed == Some(false)).then(|| need.action(resource))
}
