//! Which fields the rows of each table have.
//!
//! The pages that document the tables are the list: what they do not name cannot be asked for.
//! Tests hold every row that they derive against them.

use std::collections::BTreeMap;
use std::sync::LazyLock;

/// The documentation of all tables.
const PAGES: [&str; 2] = [
    include_str!("../../../docs/facts.md"),
    include_str!("../../../docs/facts-signals.md"),
];

/// The section whose first table holds the fields of all of its tables.
const SHARED_BY_ALL: &str = "Metrics";

static TABLES: LazyLock<BTreeMap<&str, Shape>> = LazyLock::new(|| {
    let pages = PAGES.iter().copied();
    pages.flat_map(read).collect()
});

/// What is known of the fields of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Nothing.
    Free,
    /// It has these at most.
    Fields(Fields),
    /// It is a list of such.
    List(Box<Shape>),
    /// It is a map of such by keys of any name.
    Map(Box<Shape>),
}

/// Fields by their names.
pub(crate) type Fields = BTreeMap<String, Shape>;

/// The rows of a table; free if there is no such table.
pub(crate) fn of(table: &str) -> &'static Shape {
    TABLES.get(table).unwrap_or(&Shape::Free)
}

impl Shape {
    /// A field, or an entry of a map.
    ///
    /// # Errors
    /// The names of the fields, if it has other fields only.
    pub(crate) fn field(&self, name: &str) -> Result<&Self, Vec<&str>> {
        match self {
            Self::Fields(fields) => {
                let found = fields.get(name);
                found.ok_or_else(|| fields.keys().map(String::as_str).collect())
            }
            Self::Map(inner) => Ok(inner),
            Self::List(_) | Self::Free => Ok(&Self::Free),
        }
    }

    /// What a loop over it, or an index into it, comes to.
    pub(crate) fn item(&self) -> &Self {
        match self {
            Self::List(item) => item,
            _ => &Self::Free,
        }
    }
}

/// The tables of a page.
fn read(page: &'static str) -> Vec<(&'static str, Shape)> {
    let mut tables: Vec<(&str, Shape)> = Vec::new();
    // The heading of the chapter, and what its tables may share.
    let (mut chapter, mut shared) = ("", Fields::new());
    for section in page.split("\n## ").skip(1) {
        for (nth, part) in section.split("\n### ").enumerate() {
            let (heading, text) = part.split_once('\n').unwrap_or((part, ""));
            let Listed {
                mut fields, others, ..
            } = Listed::in_section(text);
            if nth == 0 {
                (chapter, shared) = (heading, fields.clone());
            } else if chapter == SHARED_BY_ALL || others.contains(&"") {
                fields.extend(shared.clone());
            }
            for (name, shape) in &tables {
                if let (true, Shape::Fields(known)) = (others.contains(name), shape) {
                    fields.extend(known.clone());
                }
            }
            let names = heading.split(", ").filter(|_| !fields.is_empty());
            tables.extend(names.map(|name| (name, Shape::Fields(fields.clone()))));
        }
    }
    tables
}

/// What a section's table lists.
#[derive(Default)]
struct Listed {
    fields: Fields,
    /// Other tables whose fields it has too; empty for what the chapter shares.
    others: Vec<&'static str>,
    /// Those that may be counted between two scrapes too.
    counted: Vec<&'static str>,
}

impl Listed {
    fn in_section(text: &'static str) -> Self {
        let lines = text
            .lines()
            .skip_while(|line| !line.starts_with("| field |"));
        let rows = lines.skip(2).take_while(|line| line.starts_with("| "));
        let mut listed = Self::default();
        rows.for_each(|row| listed.add(row));
        listed
    }

    fn add(&mut self, row: &'static str) {
        let row = row.trim_start_matches("| ");
        let (names, rest) = row.split_once(" | ").unwrap_or((row, ""));
        if names.starts_with("the same with `_delta`") {
            let counted = std::mem::take(&mut self.counted).into_iter();
            self.fields.extend(counted.map(delta));
        } else if names.starts_with("the ") {
            let other = quoted(names).next().unwrap_or("");
            self.others.push(other);
        } else {
            for name in quoted(names) {
                self.fields.insert(name.to_owned(), shape(name, rest));
                if rest.contains("with `_delta`") {
                    self.fields.extend([delta(name)]);
                } else if rest.starts_with("number, always") {
                    self.counted.push(name);
                }
            }
        }
    }
}

/// What was counted of something between two scrapes.
fn delta(name: &str) -> (String, Shape) {
    (format!("{name}_delta"), Shape::Free)
}

/// What a table says of the fields of a field: ``list of `{kind, name}`, always``.
fn shape(name: &str, kind: &'static str) -> Shape {
    let kind = kind.split(" | ").next().unwrap_or(kind);
    let inner = quoted(kind).find_map(|text| text.strip_prefix('{')?.strip_suffix('}'));
    let names = match inner {
        // It is the same everywhere.
        None if name == "workload" => "kind, name",
        None => return Shape::Free,
        Some(names) => names,
    };
    let fields = names.split(", ").map(|name| (name.to_owned(), Shape::Free));
    let fields = Shape::Fields(fields.collect());
    match kind.split(' ').next() {
        Some("list") => Shape::List(Box::new(fields)),
        Some("map") => Shape::Map(Box::new(fields)),
        _ => fields,
    }
}

/// What stands in back-quotes.
fn quoted(text: &'static str) -> impl Iterator<Item = &'static str> {
    text.split('`').skip(1).step_by(2)
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::{Shape, of};
    use crate::facts::Facts;

    /// Fails if a row has a field that is not documented.
    pub(crate) fn hold(facts: &Facts) {
        let mut unknown = BTreeSet::new();
        for (table, rows) in &facts.tables {
            assert_ne!(*of(table), Shape::Free, "`{table}` is not documented");
            for row in rows {
                fits(table, of(table), &row.fields, &mut unknown);
            }
        }
        assert!(unknown.is_empty(), "not documented: {unknown:?}");
    }

    fn fits(path: &str, shape: &Shape, value: &Value, unknown: &mut BTreeSet<String>) {
        match value {
            Value::Object(fields) => {
                for (name, value) in fields {
                    let path = format!("{path}.{name}");
                    match shape.field(name) {
                        Ok(inner) => fits(&path, inner, value, unknown),
                        Err(_) => drop(unknown.insert(path)),
                    }
                }
            }
            Value::Array(items) => {
                let path = format!("{path}[]");
                let all = items.iter();
                all.for_each(|item| fits(&path, shape.item(), item, unknown));
            }
            _ => {}
        }
    }

    #[test]
    fn pages_tell_the_fields_of_rows_and_of_what_is_in_them() {
        let row = of("services");
        let port = row.field("ports").unwrap().item();
        assert_eq!(port.field("target_port"), Ok(&Shape::Free));
        let known = port.field("targetPort").unwrap_err();
        assert!(known.contains(&"target_port"), "{known:?}");
        assert!(of("edges").field("two_scrapes").is_ok());
        assert!(of("edges").field("failfast_delta").is_ok());
        assert!(of("edges").field("direction_delta").is_err());
        assert!(of("policy_counters").field("is_admin_port").is_ok());
        assert!(of("chains").field("days_left").is_ok());
        assert!(of("rotation").field("fingerprint").is_err());
        let component = of("mesh").field("components").unwrap().field("any");
        assert!(component.unwrap().field("ready").is_ok());
        assert!(of("pods").field("workload").unwrap().field("node").is_err());
        assert_eq!(of("nothing"), &Shape::Free);
    }
}
