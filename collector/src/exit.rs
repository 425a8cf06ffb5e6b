//! How the program ends.

use std::process::ExitCode;

/// The exit code, by meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitStatus {
    /// A bundle was written and nothing in its plan is missing.
    Complete,
    /// A check of `linkerd-collect check` failed.
    ChecksFailed,
    /// No bundle was written: bad arguments, no cluster, no disk.
    NoBundle,
    /// A bundle was written; its ledger says what is missing.
    Incomplete,
    /// Stopped at once by a second interrupt; the unfinished file still opens.
    Interrupted,
}

impl From<ExitStatus> for ExitCode {
    fn from(status: ExitStatus) -> Self {
        Self::from(match status {
            ExitStatus::Complete => 0,
            ExitStatus::ChecksFailed => 1,
            ExitStatus::NoBundle => 2,
            ExitStatus::Incomplete => 3,
            ExitStatus::Interrupted => 130,
        })
    }
}
