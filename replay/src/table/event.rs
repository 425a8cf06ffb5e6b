//! Rows of events.

use serde_json::{Value, json};

use super::{Clock, Kind, int, text};

pub(super) fn events() -> Kind {
    let columns = [
        "Last Seen",
        "Type",
        "Reason",
        "Object",
        "Subobject*",
        "Source*",
        "Message",
        "First Seen*",
        "Count*",
        "Name*",
    ];
    Kind::new(&columns, cells)
}

/// The value at the first of these pointers that has one: core events and the newer API differ.
fn first<'a>(event: &'a Value, pointers: &[&str]) -> &'a str {
    pointers
        .iter()
        .map(|p| text(event, p))
        .find(|t| !t.is_empty())
        .unwrap_or_default()
}

fn cells(event: &Value, clock: &Clock) -> Vec<Value> {
    let object = event
        .get("involvedObject")
        .or_else(|| event.get("regarding"))
        .unwrap_or(&Value::Null);
    let event_time = text(event, "/eventTime");
    let first_seen = first(event, &["/firstTimestamp", "/deprecatedFirstTimestamp"]);
    let last_seen = first(event, &["/lastTimestamp", "/deprecatedLastTimestamp"]);
    let first_seen = if first_seen.is_empty() {
        event_time
    } else {
        first_seen
    };
    let series = first(event, &["/series/lastObservedTime"]);
    let last_seen = match (last_seen, series) {
        (_, series) if !series.is_empty() => series,
        ("", _) => first_seen,
        (last, _) => last,
    };
    let counts = ["/series/count", "/count", "/deprecatedCount"];
    let count = counts
        .iter()
        .map(|p| int(event, p))
        .find(|c| *c > 0)
        .unwrap_or(1);
    let kind = text(object, "/kind").to_lowercase();
    let message = first(event, &["/message", "/note"]).trim();
    vec![
        clock.since(last_seen),
        json!(text(event, "/type")),
        json!(text(event, "/reason")),
        json!(format!("{kind}/{}", text(object, "/name"))),
        json!(text(object, "/fieldPath")),
        json!(source(event)),
        json!(message),
        clock.since(first_seen),
        json!(count),
        json!(text(event, "/metadata/name")),
    ]
}

fn source(event: &Value) -> String {
    let component = first(event, &["/source/component", "/deprecatedSource/component"]);
    let host = first(event, &["/source/host", "/deprecatedSource/host"]);
    let component = match component {
        "" => first(event, &["/reportingComponent", "/reportingController"]),
        component => component,
    };
    let host = if host.is_empty() {
        text(event, "/reportingInstance")
    } else {
        host
    };
    if host.is_empty() || host == component {
        component.to_owned()
    } else {
        format!("{component}, {host}")
    }
}
