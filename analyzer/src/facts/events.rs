//! The table `events`: Kubernetes events of either API.

use serde_json::Value;

use jiff::Timestamp;

use super::json::{Json, NULL};
use super::row::{Row, int, seconds_between, text, time};
use super::{Fact, Object, Sources};
use crate::evidence::Subject;

/// Derives the table.
pub(super) fn derive(sources: &Sources<'_>) -> Vec<Fact> {
    sources.rows("events", sources.kind("Event"), |event| {
        let known = [
            ("reason", text(&event.value, "/reason")),
            ("type", text(&event.value, "/type")),
        ];
        let is_wanted = sources.context.wanted.may_take("events", &known);
        is_wanted.then(|| fact(sources, event))
    })
}

/// What an event is about.
struct About<'a> {
    kind: &'a str,
    namespace: &'a str,
    name: &'a str,
    field_path: &'a str,
}

impl<'a> About<'a> {
    fn of(event: &'a Object) -> Self {
        let value = &event.value;
        let object = value
            .get("involvedObject")
            .or_else(|| value.get("regarding"))
            .unwrap_or(&NULL);
        let namespace = match text(object, "/namespace") {
            "" => event.namespace.as_str(),
            namespace => namespace,
        };
        Self {
            kind: text(object, "/kind"),
            namespace,
            name: text(object, "/name"),
            field_path: text(object, "/fieldPath"),
        }
    }

    fn is_cluster_scoped(&self) -> bool {
        let known = bundle::resources::RESOURCES.iter();
        known.filter(|r| r.kind == self.kind).any(|r| !r.namespaced)
    }

    /// Whether the object is still there. `None` if the bundle does not tell.
    fn exists(&self, sources: &Sources<'_>) -> Option<bool> {
        let namespace = if self.is_cluster_scoped() {
            ""
        } else {
            self.namespace
        };
        let is_there = sources.object(self.kind, namespace, self.name).is_some();
        (is_there || sources.is_complete(self.kind, namespace)).then_some(is_there)
    }

    fn subject(&self, event: &Object) -> Subject {
        if self.kind.is_empty() || self.name.is_empty() {
            return event.subject();
        }
        if self.is_cluster_scoped() || self.namespace.is_empty() {
            return Subject::cluster(self.kind, self.name);
        }
        Subject::namespaced(self.kind, self.namespace, self.name)
    }
}

fn fact(sources: &Sources<'_>, event: &Object) -> Fact {
    let value = &event.value;
    let about = About::of(event);
    let message = [text(value, "/message"), text(value, "/note")]
        .into_iter()
        .find(|m| !m.is_empty())
        .unwrap_or_default();
    let counts = ["/series/count", "/count", "/deprecatedCount"];
    let count = counts.iter().find_map(|p| int(value, p)).unwrap_or(1);
    let (first, last) = times(sources, value);
    let (reason, kind) = (text(value, "/reason"), text(value, "/type"));
    let subject = about.subject(event);
    let mut row = Row::new()
        .set("namespace", about.namespace)
        .set("type", kind)
        .set("reason", reason)
        .set("message", message)
        .set("count", count)
        .time("first", first)
        .time("last", last)
        .opt("age_s", last.map(|t| seconds_between(t, sources.at())))
        .opt(
            "duration_s",
            first
                .zip(last)
                .map(|(first, last)| seconds_between(first, last)),
        )
        .set("object", object(&about))
        .opt("object_exists", about.exists(sources))
        .text("container", container(about.field_path, message))
        .text("reporter", reporter(value))
        .text("host", text(value, "/source/host"));
    if !about.is_cluster_scoped() && !about.name.is_empty() {
        row = row.set(
            "workload",
            sources
                .owner_of(about.kind, about.namespace, about.name)
                .to_value(),
        );
    }
    let times = if count > 1 {
        format!(" ({count} times)")
    } else {
        String::new()
    };
    let excerpt = format!(
        "{kind} {reason} {}/{}{times}: {message}",
        about.kind, about.name
    );
    let mut evidence = event.evidence(excerpt.trim_start());
    evidence.time = last.or(first);
    Fact {
        subjects: vec![subject],
        evidence: vec![evidence],
        fields: row.build(),
        kept: None,
    }
}

fn object(about: &About<'_>) -> Value {
    Row::new()
        .set("kind", about.kind)
        .set("namespace", about.namespace)
        .set("name", about.name)
        .text("field_path", about.field_path)
        .build()
}

/// When an event was seen first and last.
fn times(sources: &Sources<'_>, value: &Json) -> (Option<Timestamp>, Option<Timestamp>) {
    let lasts = [
        "/series/lastObservedTime",
        "/lastTimestamp",
        "/deprecatedLastTimestamp",
        "/eventTime",
    ];
    let firsts = [
        "/firstTimestamp",
        "/deprecatedFirstTimestamp",
        "/eventTime",
        "/metadata/creationTimestamp",
    ];
    // A printed table only says how long ago it was.
    let printed = int(value, "/printedAge").and_then(|age| sources.before(age));
    let last = lasts.iter().find_map(|p| time(value, p)).or(printed);
    let first = firsts.iter().find_map(|p| time(value, p)).or(last);
    (first, last)
}

fn reporter(value: &Json) -> &str {
    let places = [
        "/source/component",
        "/reportingComponent",
        "/reportingController",
        "/deprecatedSource/component",
    ];
    places
        .iter()
        .map(|p| text(value, p))
        .find(|s| !s.is_empty())
        .unwrap_or_default()
}

/// The container that an event is about: from the field path, else from the message.
fn container<'a>(field_path: &'a str, message: &'a str) -> &'a str {
    let in_braces = field_path
        .split_once('{')
        .and_then(|(_, rest)| rest.strip_suffix('}'));
    let named = || {
        let starts = [
            "failed container ",
            "Stopping container ",
            "Created container ",
            "Started container ",
            "Container ",
        ];
        let rest = starts
            .iter()
            .find_map(|s| message.split_once(s))
            .map(|(_, rest)| rest)?;
        rest.split([' ', ',', '=']).next()
    };
    in_braces.or_else(named).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::container;
    use crate::facts::testing::{facts, list, row};

    #[test]
    fn a_container_is_found_in_the_path_or_the_message() {
        assert_eq!(
            container("spec.initContainers{linkerd-proxy}", ""),
            "linkerd-proxy"
        );
        assert_eq!(
            container("", "Back-off restarting failed container app in pod cart-1"),
            "app"
        );
        assert_eq!(container("spec", "nothing"), "");
    }

    #[test]
    fn an_event_of_the_new_api_gives_the_same_row() {
        let old = json!({"metadata": {"name": "cart.1", "namespace": "shop"}, "reason": "Unhealthy", "type": "Warning",
            "message": "Readiness probe failed", "count": 4, "lastTimestamp": "2026-11-23T11:59:00Z",
            "involvedObject": {"kind": "Pod", "name": "cart-1", "namespace": "shop"}, "source": {"component": "kubelet"}});
        let new = json!({"metadata": {"name": "cart.2", "namespace": "shop"}, "reason": "Unhealthy", "type": "Warning",
            "note": "Readiness probe failed", "series": {"count": 4, "lastObservedTime": "2026-11-23T11:59:00Z"},
            "regarding": {"kind": "Pod", "name": "cart-1", "namespace": "shop"}, "reportingController": "kubelet"});
        let of = |event| {
            let facts = facts(
                &[(
                    "cluster-resources/events/shop.json",
                    list("Event", &[event]),
                )],
                None,
            );
            row(&facts, "events", "reason", "Unhealthy").clone()
        };
        let (mut old, mut new) = (of(old), of(new));
        for row in [&mut old, &mut new] {
            row.as_object_mut().unwrap().remove("first");
        }
        assert_eq!(old, new);
        assert_eq!(old["age_s"], 60.0);
    }

    #[test]
    fn fields_of_the_wrong_type_are_left_out() {
        let odd = json!({"metadata": {"name": "x", "namespace": 7}, "reason": ["a"], "count": "many", "involvedObject": 3});
        let facts = facts(
            &[("cluster-resources/events/shop.json", list("Event", &[odd]))],
            None,
        );
        assert_eq!(facts.table("events").len(), 1);
        assert_eq!(facts.table("events")[0].fields["count"], 1);
    }
}
