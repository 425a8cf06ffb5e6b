//! Exit codes.

use std::process::ExitCode;

/// How the program ends. `docs/exit-codes.md` lists them for users.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitStatus {
    /// Served until it was interrupted.
    Served,
    /// Nothing was served: bad arguments, no bundle, a faults file with mistakes, no port.
    Failed,
    /// The command ended with this code; 128 and the signal's number if a signal ended it.
    Command(u8),
}

impl From<ExitStatus> for ExitCode {
    fn from(status: ExitStatus) -> Self {
        Self::from(match status {
            ExitStatus::Served => 0,
            ExitStatus::Failed => 2,
            ExitStatus::Command(code) => code,
        })
    }
}
