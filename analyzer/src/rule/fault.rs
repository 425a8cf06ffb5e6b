//! Faults of rule files: every one is reported, with its place and what to write instead.

use std::fmt;

use super::spanned::Spot;

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
    pub(super) faults: Vec<Fault>,
    /// Whether its expressions are known to be sound.
    pub(super) is_sound: bool,
}

impl<'a> Faulty<'a> {
    pub(super) fn new(file: &'a str) -> Self {
        Self {
            file,
            faults: Vec::new(),
            is_sound: false,
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
}
