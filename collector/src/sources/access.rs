//! What the collecting user may do in each namespace.

use bundle::layout::EntryKind;
use serde_json::{Value, json};

use crate::redact::{Counts, object};
use crate::session::{Captured, Item, Session};
use crate::spool::Content;

const PATH: &str = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews";

/// Captures the rules of one namespace, in the shape of troubleshoot's `auth-cani-list`, and
/// returns those of resources if they are all there are.
pub(crate) async fn capture(session: &Session, namespace: String) -> Option<Vec<Value>> {
    let entry = EntryKind::CanI {
        namespace: namespace.clone(),
    };
    let item = Item::new(entry, namespace.clone());
    let mut known = None;
    let capture = async {
        let review = json!({
            "kind": "SelfSubjectRulesReview",
            "apiVersion": "authorization.k8s.io/v1",
            "spec": {"namespace": namespace},
        });
        let mut answer = session.cluster.post_json(PATH, &review).await?;
        // Its authorizers say what they like.
        let mut counts = Counts::default();
        object::redact(&mut answer, &mut counts);
        session.count(&counts);
        let rules = |name: &str| {
            let rules = answer
                .pointer("/status")
                .and_then(|s| s.get(name)?.as_array());
            rules.cloned().unwrap_or_default()
        };
        let all: Vec<String> = rules("resourceRules")
            .iter()
            .chain(&rules("nonResourceRules"))
            .map(Value::to_string)
            .collect();
        let text = format!("[\n{}\n]\n", all.join(",\n"));
        let is_partial = answer.pointer("/status/incomplete") == Some(&Value::Bool(true));
        known = (!is_partial && answer.get("status").is_some()).then(|| rules("resourceRules"));
        let mut captured = Captured::whole(Content::from_bytes(text.into_bytes()));
        // Authorizers such as webhooks cannot list their rules; what they did list is all there is.
        if let Some(error) = answer
            .pointer("/status/evaluationError")
            .and_then(Value::as_str)
            && is_partial
        {
            captured.cut = Some(error.to_owned());
        }
        Ok(captured)
    };
    session.capture(item, capture).await;
    known
}
