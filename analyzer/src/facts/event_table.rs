//! A line of the table that `kubectl get events` prints, turned into an Event object.

use bundle::EntryInfo;
use serde_json::json;

use super::table::Cells;
use super::{Object, Piece};

/// Columns that tell the table from others.
pub(super) const COLUMNS: [&str; 5] = ["LAST SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"];

/// The event of a line, with or without a namespace.
pub(super) fn event(entry: &EntryInfo, cells: &Cells<'_, '_>, number: u64) -> Option<Piece> {
    let object = cells.get("OBJECT");
    let (kind, name) = object.split_once('/').unwrap_or(("", object));
    let printed = Printed {
        namespace: cells.get("NAMESPACE"),
        kind: &kind_of(kind),
        name,
        part: cells.get("SUBOBJECT"),
        seen: cells.get("LAST SEEN"),
        count: cells.get("COUNT").parse().ok(),
        level: cells.get("TYPE"),
        reason: cells.get("REASON"),
        message: cells.get("MESSAGE"),
        source: cells.get("SOURCE"),
    };
    printed.piece(entry, number)
}

/// An event as kubectl prints it.
pub(super) struct Printed<'a> {
    pub(super) namespace: &'a str,
    /// Kind and name of what it is about, and the path of a part of it.
    pub(super) kind: &'a str,
    pub(super) name: &'a str,
    pub(super) part: &'a str,
    /// `3m2s (x14 over 40m)`
    pub(super) seen: &'a str,
    /// How often, where it is not in `seen`.
    pub(super) count: Option<i64>,
    /// `Normal` or `Warning`.
    pub(super) level: &'a str,
    pub(super) reason: &'a str,
    pub(super) message: &'a str,
    pub(super) source: &'a str,
}

impl Printed<'_> {
    /// The event as an object; `None` if it says no reason.
    pub(super) fn piece(&self, entry: &EntryInfo, number: u64) -> Option<Piece> {
        if self.reason.is_empty() {
            return None;
        }
        let repeated = self.seen.split_once("(x");
        let repeated = repeated.and_then(|(_, rest)| rest.split(' ').next()?.parse::<i64>().ok());
        let count = repeated.or(self.count).unwrap_or(1);
        let age = self.seen.split(' ').next().and_then(age_s);
        let event_name = format!("{}:{number}", entry.path);
        let value = json!({
            "metadata": {"namespace": self.namespace, "name": event_name},
            "involvedObject": {
                "kind": self.kind, "namespace": self.namespace, "name": self.name,
                "fieldPath": self.part,
            },
            "type": self.level,
            "reason": self.reason,
            "message": self.message,
            "source": {"component": self.source.split(',').next()},
            "count": count,
            "printedAge": age,
        });
        Some(Piece::Object(Box::new(Object {
            kind: "Event".into(),
            group: "".into(),
            namespace: self.namespace.into(),
            name: event_name.as_str().into(),
            value: value.into(),
            entry: entry.path.as_str().into(),
            line: Some(number),
        })))
    }
}

/// Seconds of an age as kubectl prints it: `45s`, `3m2s`, `2d5h`, `3y14d`.
pub(super) fn age_s(text: &str) -> Option<i64> {
    let mut total = 0i64;
    let mut number = String::new();
    for letter in text.chars() {
        if letter.is_ascii_digit() {
            number.push(letter);
            continue;
        }
        let unit = match letter {
            's' => 1,
            'm' => 60,
            'h' => 3600,
            'd' => 86_400,
            'y' => 31_536_000,
            _ => return None,
        };
        total = total.checked_add(number.parse::<i64>().ok()?.checked_mul(unit)?)?;
        number.clear();
    }
    number.is_empty().then_some(total)
}

/// The kind that kubectl prints as a lower-case resource name.
fn kind_of(resource: &str) -> String {
    let singular = resource.split('.').next().unwrap_or(resource);
    let known = bundle::resources::RESOURCES.iter();
    let mut known = known.filter(|r| r.kind.eq_ignore_ascii_case(singular) || r.plural == singular);
    known
        .next()
        .map_or_else(|| singular.to_owned(), |r| r.kind.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::row::{int, text};
    use crate::facts::testing::pieces;

    fn events(table: &str) -> Vec<Object> {
        let pieces = pieces("events.txt", table).into_iter();
        let objects = pieces.filter_map(|p| {
            if let Piece::Object(o) = p {
                Some(*o)
            } else {
                None
            }
        });
        objects.collect()
    }

    #[test]
    fn the_table_of_kubectl_is_read_by_its_columns() {
        let table = "LAST SEEN            TYPE      REASON    OBJECT            MESSAGE\n\
            3m2s (x14 over 40m)  Warning   BackOff   pod/cart-1        Back-off restarting failed container app in pod cart-1\n";
        let events = events(table);
        assert_eq!(events.len(), 1);
        let event = &events[0].value;
        assert_eq!(text(event, "/reason"), "BackOff");
        assert_eq!(text(event, "/involvedObject/kind"), "Pod");
        assert_eq!(int(event, "/count"), Some(14));
        assert_eq!(int(event, "/printedAge"), Some(182));
        assert_eq!(events[0].line, Some(2));
    }

    #[test]
    fn the_namespace_column_is_read_where_it_is_there() {
        let table = "NAMESPACE   LAST SEEN   TYPE      REASON         OBJECT                        MESSAGE\n\
            lodging     2m          Warning   FailedCreate   replicaset/rooms-7ffdcc66d4   Error creating: violates PodSecurity\n";
        let events = events(table);
        assert_eq!(events[0].namespace, "lodging");
        assert_eq!(text(&events[0].value, "/involvedObject/kind"), "ReplicaSet");
        assert_eq!(
            text(&events[0].value, "/message"),
            "Error creating: violates PodSecurity"
        );
    }

    #[test]
    fn a_table_that_lost_its_alignment_is_split_at_its_gaps() {
        let table = "LAST SEEN   TYPE      REASON      OBJECT            MESSAGE\n\
            3m2s (x14 over 40m)  Warning  Unhealthy  pod/cart-1  Readiness probe failed:  Get \"http://10.8.1.9:4191/ready\"\n";
        let events = events(table);
        let told = |pointer: &str| text(&events[0].value, pointer).to_owned();
        assert_eq!(told("/reason"), "Unhealthy");
        assert_eq!(told("/involvedObject/name"), "cart-1");
        assert_eq!(
            told("/message"),
            "Readiness probe failed:  Get \"http://10.8.1.9:4191/ready\""
        );
        assert_eq!(int(&events[0].value, "/count"), Some(14));
    }

    #[test]
    fn a_table_that_is_cut_or_torn_gives_no_panic() {
        for table in [
            "LAST SEEN TYPE REASON OBJECT MESSAGE",
            "LAST SEEN TYPE REASON OBJECT MESSAGE\nä\nü ö ä ß é\n",
        ] {
            assert!(events(table).len() <= 2);
        }
    }
}
