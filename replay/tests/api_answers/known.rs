//! The differences that `differences.md` lists.

use std::fmt;

use crate::compare::Difference;

/// A row of the table.
pub(crate) struct Known {
    answers: String,
    place: String,
}

impl Known {
    pub(crate) fn covers(&self, difference: &Difference) -> bool {
        matches(&self.answers, &difference.answer) && matches(&self.place, &difference.place)
    }
}

impl fmt::Display for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", self.answers, self.place)
    }
}

/// Reads the rows of the form "| `answers` | `place` | reason |".
pub(crate) fn list() -> Vec<Known> {
    let rows = include_str!("differences.md").lines();
    let rows = rows.filter(|line| line.starts_with("| `"));
    let known = rows.map(|row| {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        let [answers, place, reason] = cells.as_slice() else {
            panic!("not three cells: {row}");
        };
        assert!(reason.len() > 10, "no reason: {row}");
        let own = |cell: &str| cell.trim_matches('`').to_owned();
        Known {
            answers: own(answers),
            place: own(place),
        }
    });
    known.collect()
}

/// Whether a text is of a form in which `*` stands for anything.
fn matches(form: &str, text: &str) -> bool {
    match form.split_once('*') {
        None => form == text,
        Some((start, rest)) => {
            let Some(text) = text.strip_prefix(start) else {
                return false;
            };
            (0..=text.len())
                .filter(|at| text.is_char_boundary(*at))
                .any(|at| matches(rest, &text[at..]))
        }
    }
}

#[test]
fn a_star_stands_for_anything() {
    assert!(matches("/items/*/spec", "/items/3/spec"));
    assert!(matches("*", ""));
    assert!(!matches("/items/*/spec", "/items/3/status"));
}
