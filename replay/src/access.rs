//! Access reviews, answered from what the collecting user was allowed to do.

use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};

use crate::protobuf;
use crate::status::{Status, json_response};
use crate::store::Store;

/// Whether a POST to this resource is a question, not a write.
pub(crate) fn is_review(group: &str, plural: &str) -> bool {
    matches!(
        (group, plural),
        (
            "authorization.k8s.io",
            "selfsubjectaccessreviews" | "selfsubjectrulesreviews"
        ) | ("authentication.k8s.io", "selfsubjectreviews")
    )
}

/// Answers a review.
pub(crate) fn answer(store: &Store, plural: &str, body: &[u8]) -> Response {
    let json = serde_json::from_slice::<Value>(body).ok();
    let json = json.map(|r| r.get("spec").cloned().unwrap_or_else(|| json!({})));
    let Some(spec) = json.or_else(|| protobuf::review(plural, body)) else {
        let text = "the object provided is neither JSON nor protobuf of a review";
        return Status::bad_request(text).into_response();
    };
    let review = match plural {
        "selfsubjectaccessreviews" => access_review(store, &spec),
        "selfsubjectrulesreviews" => rules_review(store, &spec),
        _ => json!({
            "kind": "SelfSubjectReview",
            "apiVersion": "authentication.k8s.io/v1",
            "metadata": {"creationTimestamp": null},
            "status": {"userInfo": {"username": "replay", "groups": ["system:authenticated"]}},
        }),
    };
    json_response(201, &review)
}

fn access_review(store: &Store, spec: &Value) -> Value {
    json!({
        "kind": "SelfSubjectAccessReview",
        "apiVersion": "authorization.k8s.io/v1",
        "metadata": {"creationTimestamp": null},
        "spec": spec,
        "status": {"allowed": is_allowed(store, spec)},
    })
}

fn is_allowed(store: &Store, spec: &Value) -> bool {
    let text = |pointer: &str| {
        spec.pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    let rules = store.rules(text("/resourceAttributes/namespace"));
    let rules = rules.and_then(Value::as_array).into_iter().flatten();
    let holds = |rule: &Value, field: &str, wanted: &str| {
        let list = rule
            .get(field)
            .and_then(Value::as_array)
            .into_iter()
            .flatten();
        list.filter_map(Value::as_str).any(|v| {
            v == "*" || v == wanted || v.strip_suffix('*').is_some_and(|p| wanted.starts_with(p))
        })
    };
    let mut rules = rules;
    if spec.get("nonResourceAttributes").is_some() {
        let (verb, path) = (
            text("/nonResourceAttributes/verb"),
            text("/nonResourceAttributes/path"),
        );
        return rules.any(|r| holds(r, "verbs", verb) && holds(r, "nonResourceURLs", path));
    }
    let attribute = |name: &str| text(&format!("/resourceAttributes/{name}")).to_owned();
    let (verb, group) = (attribute("verb"), attribute("group"));
    let resource = match attribute("subresource").as_str() {
        "" => attribute("resource"),
        sub => format!("{}/{sub}", attribute("resource")),
    };
    rules.any(|r| {
        holds(r, "verbs", &verb)
            && holds(r, "apiGroups", &group)
            && holds(r, "resources", &resource)
    })
}

fn rules_review(store: &Store, spec: &Value) -> Value {
    let namespace = spec
        .get("namespace")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let rules = store
        .rules(namespace)
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    let (urls, resources): (Vec<Value>, Vec<Value>) = rules
        .into_iter()
        .partition(|r| r.get("nonResourceURLs").is_some());
    json!({
        "kind": "SelfSubjectRulesReview",
        "apiVersion": "authorization.k8s.io/v1",
        "metadata": {"creationTimestamp": null},
        "spec": {},
        "status": {"resourceRules": resources, "nonResourceRules": urls, "incomplete": false},
    })
}
