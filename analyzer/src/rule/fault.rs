//! Faults of rule files: every one is reported, with its place and what to write instead.

use std::fmt;

use super::inside;
use super::predicate::Slip;
use super::set::RuleText;
use super::spanned::{At, Spot};
use crate::scan::expression::PatternError;

/// One fault of one file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fault {
    /// The file.
    pub(crate) file: String,
    /// Where in it.
    pub(crate) place: Spot,
    /// What is wrong and what to write.
    pub(crate) detail: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Spot { line, column } = self.place;
        if line == 0 {
            write!(f, "{}: {}", self.file, self.detail)
        } else {
            write!(f, "{}:{line}:{column}: {}", self.file, self.detail)
        }
    }
}

/// All faults of all files.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", listed(.0))]
pub struct Faults(pub(crate) Vec<Fault>);

fn listed(faults: &[Fault]) -> String {
    let lines: Vec<String> = faults.iter().map(ToString::to_string).collect();
    let count = match faults.len() {
        1 => "1 fault in the rules".to_owned(),
        count => format!("{count} faults in the rules"),
    };
    format!("{count}\n{}", lines.join("\n"))
}

/// Gathers the faults of one file.
#[derive(Debug)]
pub(super) struct Faulty<'a> {
    file: &'a str,
    /// Its text, in which places within values are looked for.
    yaml: &'a str,
    pub(super) faults: Vec<Fault>,
    /// Whether its expressions are known to be sound.
    pub(super) is_sound: bool,
}

impl<'a> Faulty<'a> {
    pub(super) fn new(file: &'a str) -> Self {
        Self {
            file,
            yaml: "",
            faults: Vec::new(),
            is_sound: false,
        }
    }

    /// As [`Self::new`], for a file whose text is at hand.
    pub(super) fn of(text: &'a RuleText) -> Self {
        Self {
            yaml: &text.yaml,
            ..Self::new(&text.path)
        }
    }

    pub(super) fn add(&mut self, place: Spot, detail: impl Into<String>) {
        self.faults.push(Fault {
            file: self.file.to_owned(),
            place,
            detail: detail.into(),
        });
    }

    /// Takes note of an error; gives the value otherwise.
    pub(super) fn check<T, E: fmt::Display>(
        &mut self,
        place: Spot,
        result: Result<T, E>,
    ) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(error) => {
                self.add(place, error.to_string());
                None
            }
        }
    }

    /// Takes note of what is wrong within a regex; gives what it stands for otherwise.
    pub(super) fn check_regex<T>(
        &mut self,
        at: &At<String>,
        result: Result<T, PatternError>,
    ) -> Option<T> {
        let place = |error: &PatternError| match error.at() {
            Some(within) => inside::place(self.yaml, at.place, &at.value, within),
            None => at.place,
        };
        let place = result.as_ref().err().map(place).unwrap_or_default();
        self.check(place, result)
    }

    /// Takes note of all that is wrong within a value; gives what it stands for otherwise.
    pub(super) fn check_inside<T>(
        &mut self,
        at: &At<String>,
        result: Result<T, Vec<Slip>>,
    ) -> Option<T> {
        let slips = match result {
            Ok(value) => return Some(value),
            Err(slips) => slips,
        };
        for slip in slips {
            let place = inside::place(self.yaml, at.place, &at.value, slip.at);
            self.add(place, slip.detail);
        }
        None
    }
}
