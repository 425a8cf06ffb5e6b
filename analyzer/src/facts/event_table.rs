//! The table that `kubectl get events` prints, turned into Event objects.

use std::sync::Arc;

use bundle::EntryInfo;
use serde_json::json;

use super::{Object, Piece};

const COLUMNS: [&str; 6] = [
    "NAMESPACE",
    "LAST SEEN",
    "TYPE",
    "REASON",
    "OBJECT",
    "MESSAGE",
];

/// Columns that `-o wide` prints after those above, or between them.
const WIDE: [&str; 5] = ["SUBOBJECT", "SOURCE", "FIRST SEEN", "COUNT", "NAME"];

/// Whether text is the table that `kubectl get events` prints.
pub(super) fn is_table(start: &[u8]) -> bool {
    let line = start.split(|b| *b == b'\n').next().unwrap_or_default();
    let head = String::from_utf8_lossy(line);
    COLUMNS.iter().skip(1).all(|word| head.contains(word))
}

/// Where each column of a table starts.
struct Head<'a> {
    columns: Vec<(usize, &'a str)>,
}

impl<'a> Head<'a> {
    /// Columns of a kubectl table start where their heads start.
    fn of(line: &str) -> Self {
        let names = COLUMNS.iter().chain(&WIDE).copied();
        let is_word = |at: usize, name: &str| {
            let before = at.checked_sub(1).and_then(|i| line.as_bytes().get(i));
            let after = line.as_bytes().get(at + name.len());
            before.is_none_or(|b| *b == b' ') && after.is_none_or(u8::is_ascii_whitespace)
        };
        let found = names.filter_map(|name| {
            let mut places = line
                .match_indices(name)
                .filter(|(at, _)| is_word(*at, name));
            Some((places.next()?.0, name))
        });
        let mut columns: Vec<(usize, &'a str)> = found.collect();
        columns.sort_unstable();
        // `NAMESPACE` and `NAME` may not be told apart at the same place.
        columns.dedup_by_key(|(at, _)| *at);
        Self { columns }
    }

    fn cell<'t>(&self, line: &'t str, wanted: &str) -> &'t str {
        let Some(at) = self.columns.iter().position(|(_, name)| *name == wanted) else {
            return "";
        };
        let start = self.columns.get(at).map_or(0, |(start, _)| *start);
        let end = self
            .columns
            .get(at + 1)
            .map_or(line.len(), |(next, _)| (*next).min(line.len()));
        line.get(start..end).map(str::trim).unwrap_or_default()
    }
}

/// Parses the table, with or without the namespace column.
pub(super) fn parse(entry: &Arc<EntryInfo>, bytes: &[u8]) -> Vec<Piece> {
    let content = String::from_utf8_lossy(bytes);
    let mut lines = content
        .lines()
        .zip(1u64..)
        .filter(|(l, _)| !l.trim().is_empty());
    let Some((head, _)) = lines.next() else {
        return Vec::new();
    };
    let head = Head::of(head);
    lines
        .filter_map(|(line, number)| event(entry, &head, line, number))
        .collect()
}

fn event(entry: &EntryInfo, head: &Head<'_>, line: &str, number: u64) -> Option<Piece> {
    let object = head.cell(line, "OBJECT");
    let (kind, name) = object.split_once('/').unwrap_or(("", object));
    let printed = Printed {
        namespace: head.cell(line, "NAMESPACE"),
        kind: &kind_of(kind),
        name,
        part: head.cell(line, "SUBOBJECT"),
        seen: head.cell(line, "LAST SEEN"),
        count: head.cell(line, "COUNT").parse().ok(),
        level: head.cell(line, "TYPE"),
        reason: head.cell(line, "REASON"),
        message: head.cell(line, "MESSAGE"),
        source: head.cell(line, "SOURCE"),
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
fn age_s(text: &str) -> Option<i64> {
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
    fn a_table_that_is_cut_or_torn_gives_no_panic() {
        for table in [
            "LAST SEEN TYPE REASON OBJECT MESSAGE",
            "LAST SEEN TYPE REASON OBJECT MESSAGE\nä\nü ö ä ß é\n",
        ] {
            assert!(events(table).len() <= 2);
        }
    }
}
