//! Core events in the shape of `events.k8s.io/v1`, which is how newer clients ask for them.

use serde_json::{Value, json};

/// Rewrites a core event.
pub(crate) fn to_events_api(event: &Value) -> Value {
    let mut out = event.clone();
    let Some(object) = out.as_object_mut() else {
        return out;
    };
    let renames = [
        ("involvedObject", "regarding"),
        ("message", "note"),
        ("source", "deprecatedSource"),
        ("firstTimestamp", "deprecatedFirstTimestamp"),
        ("lastTimestamp", "deprecatedLastTimestamp"),
        ("count", "deprecatedCount"),
        ("reportingComponent", "reportingController"),
    ];
    for (core, name) in renames {
        if let Some(value) = object.remove(core) {
            object.insert(name.to_owned(), value);
        }
    }
    object.entry("eventTime").or_insert(json!(null));
    out
}
