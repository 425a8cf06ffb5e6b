//! Which events are taken: those of the time that is asked for.

use jiff::Timestamp;
use serde_json::Value;

use crate::session::Session;

/// Whether an event is of the time that is asked for. One that went on for a while is of every
/// moment between, and one that does not say when is taken.
pub(super) fn is_in_time(event: &Value, session: &Session, _query: &str) -> bool {
    match span(event) {
        (Some(first), Some(last)) => session.window.overlaps(first, last),
        _ => true,
    }
}

/// When an event was first and last seen, by whichever of its fields says so.
fn span(event: &Value) -> (Option<Timestamp>, Option<Timestamp>) {
    let time =
        |pointer: &str| -> Option<Timestamp> { event.pointer(pointer)?.as_str()?.parse().ok() };
    let last = [
        "/series/lastObservedTime",
        "/lastTimestamp",
        "/eventTime",
        "/metadata/creationTimestamp",
    ];
    let last = last.into_iter().find_map(time);
    let first = ["/firstTimestamp", "/eventTime"];
    (first.into_iter().find_map(time).or(last), last)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_events_time_is_read_from_old_and_new_fields() {
        let at = |hour: u8| format!("2026-11-23T{hour:02}:00:00Z");
        let hours = |event: Value| {
            let hour = |time: Option<Timestamp>| time.map(|t| t.strftime("%H").to_string());
            let (first, last) = span(&event);
            (hour(first), hour(last))
        };
        let both = |a: &str, b: &str| (Some(a.to_owned()), Some(b.to_owned()));
        let old = json!({"firstTimestamp": at(1), "lastTimestamp": at(2), "eventTime": null});
        assert_eq!(hours(old), both("01", "02"));
        let new = json!({"eventTime": at(3), "series": {"lastObservedTime": at(4)}});
        assert_eq!(hours(new), both("03", "04"));
        let bare = json!({"metadata": {"creationTimestamp": at(5)}});
        assert_eq!(hours(bare), both("05", "05"));
        assert_eq!(hours(json!({"lastTimestamp": "x"})), (None, None));
    }
}
