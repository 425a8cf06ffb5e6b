//! Field selectors.

use std::borrow::Cow;

use crate::names::Gvr;
use crate::status::Status;

/// A parsed `fieldSelector`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Fields(Vec<Term>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Term {
    name: String,
    value: String,
    /// Whether the field shall have the value, or any other.
    is_wanted: bool,
}

/// Fields that can be selected besides the name, by group and plural name, and the words with
/// which a server refuses any other (`@` is the field).
const OWN: [(&str, &str, &str, &[&str]); 8] = [
    (
        "",
        "pods",
        UNSUPPORTED,
        &[
            "metadata.namespace",
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "spec.hostNetwork",
            "status.phase",
            "status.podIP",
            "status.podIPs",
            "status.nominatedNodeName",
        ],
    ),
    (
        "",
        "events",
        UNSUPPORTED,
        &[
            "metadata.namespace",
            "involvedObject.kind",
            "involvedObject.namespace",
            "involvedObject.name",
            "involvedObject.uid",
            "involvedObject.apiVersion",
            "involvedObject.resourceVersion",
            "involvedObject.fieldPath",
            "reason",
            "reportingComponent",
            "source",
            "type",
        ],
    ),
    (
        "events.k8s.io",
        "events",
        UNSUPPORTED,
        &[
            "metadata.namespace",
            "regarding.kind",
            "regarding.namespace",
            "regarding.name",
            "regarding.uid",
            "regarding.apiVersion",
            "regarding.resourceVersion",
            "regarding.fieldPath",
            "reason",
            "reportingController",
            "type",
        ],
    ),
    ("", "namespaces", UNSUPPORTED, &["status.phase"]),
    ("", "nodes", UNSUPPORTED, &["spec.unschedulable"]),
    (
        "",
        "services",
        UNSUPPORTED,
        &["metadata.namespace", "spec.clusterIP", "spec.type"],
    ),
    (
        "apps",
        "replicasets",
        "field label \"@\" not supported for appsv1.ReplicaSet",
        &["metadata.namespace", "status.replicas"],
    ),
    (
        "batch",
        "jobs",
        "field label \"@\" not supported for Job",
        &["metadata.namespace", "status.successful"],
    ),
];
const UNSUPPORTED: &str = "field label not supported: @";
/// The words for a kind that has no fields of its own.
const UNKNOWN: &str =
    "\"@\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\"";

impl Fields {
    pub(crate) fn parse(text: &str, gvr: &Gvr) -> Result<Self, Status> {
        let own = OWN
            .iter()
            .find(|(group, plural, ..)| (*group, *plural) == (&gvr.group, &gvr.plural));
        let (words, own) = own.map_or((UNKNOWN, &["metadata.namespace"][..]), |o| (o.2, o.3));
        let terms = split(text).into_iter().filter(|t| !t.is_empty());
        let terms = terms.map(|term| {
            let term = Term::parse(&term)?;
            if term.name != "metadata.name" && !own.contains(&term.name.as_str()) {
                return Err(Status::bad_request(words.replace('@', &term.name)));
            }
            Ok(term)
        });
        terms.collect::<Result<_, _>>().map(Self)
    }

    /// Whether fields match; `field` gives what stands at a JSON pointer.
    pub(crate) fn matches<'a>(&self, field: impl Fn(&str) -> Option<Cow<'a, str>>) -> bool {
        self.0.iter().all(|term| term.matches(&field))
    }
}

/// Splits at commas, but for those behind a backslash.
fn split(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match (letter, parts.last_mut()) {
            (',', _) => parts.push(String::new()),
            ('\\', Some(part)) => part.extend(['\\'].into_iter().chain(letters.next())),
            (letter, Some(part)) => part.push(letter),
            (_, None) => {}
        }
    }
    parts.iter().map(|p| p.trim().to_owned()).collect()
}

impl Term {
    fn parse(text: &str) -> Result<Self, Status> {
        let (name, value, is_wanted) = if let Some((name, value)) = text.split_once("!=") {
            (name, value, false)
        } else if let Some((name, value)) = text.split_once("==") {
            (name, value, true)
        } else if let Some((name, value)) = text.split_once('=') {
            (name, value, true)
        } else {
            let text = format!("invalid selector: '{text}'; can't understand '{text}'");
            return Err(Status::bad_request(text));
        };
        let mut plain = String::new();
        let mut letters = value.chars();
        while let Some(letter) = letters.next() {
            plain.extend(if letter == '\\' {
                letters.next()
            } else {
                Some(letter)
            });
        }
        Ok(Self {
            name: name.trim().to_owned(),
            value: plain,
            is_wanted,
        })
    }

    fn matches<'a>(&self, field: impl Fn(&str) -> Option<Cow<'a, str>>) -> bool {
        let pointer = match self.name.as_str() {
            "source" => "/source/component".to_owned(),
            // Recorded events are in the older shape.
            "reportingController" => "/reportingComponent".to_owned(),
            "status.successful" => "/status/succeeded".to_owned(),
            name => match name.strip_prefix("regarding.") {
                Some(field) => format!("/involvedObject/{field}"),
                None => format!("/{}", name.replace('.', "/")),
            },
        };
        let found = field(&pointer).unwrap_or_else(|| self.missing().into());
        (found == self.value) == self.is_wanted
    }

    /// What a field that is not there counts as.
    fn missing(&self) -> &'static str {
        match self.name.as_str() {
            "spec.unschedulable" | "spec.hostNetwork" => "false",
            "status.replicas" | "status.successful" => "0",
            _ => "",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gvr(group: &str, plural: &str) -> Gvr {
        Gvr {
            group: group.to_owned(),
            version: "v1".to_owned(),
            plural: plural.to_owned(),
        }
    }

    fn holds(selector: &str) -> bool {
        let field = |pointer: &str| match pointer {
            "/metadata/name" => Some("a".into()),
            "/status/phase" => Some("Running".into()),
            _ => None,
        };
        let fields = Fields::parse(selector, &gvr("", "pods")).unwrap();
        fields.matches(field)
    }

    #[test]
    fn fields_are_equal_or_not() {
        for selector in [
            "",
            "status.phase=Running",
            "metadata.name==a,status.phase!=Failed",
            "spec.nodeName=",
            "spec.hostNetwork=false",
        ] {
            assert!(holds(selector), "{selector}");
        }
        assert!(!holds("status.phase!=Running"));
        assert!(!holds("status.phase=Running\\,"));
    }

    #[test]
    fn fields_are_those_of_the_kind() {
        let refusal = |text: &str, gvr: &Gvr| {
            let refused = Fields::parse(text, gvr).unwrap_err().to_json();
            refused["message"].as_str().unwrap().to_owned()
        };
        assert_eq!(
            refusal("spec.colour=red", &gvr("", "pods")),
            "field label not supported: spec.colour"
        );
        assert_eq!(
            refusal("status.phase=x", &gvr("apps", "deployments")),
            "\"status.phase\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\""
        );
        assert!(refusal("status.phase", &gvr("", "pods")).contains("can't understand"));
    }
}
