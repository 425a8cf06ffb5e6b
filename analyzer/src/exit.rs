//! Exit codes.

use std::process::ExitCode;

/// How a run ended. When several hold: 2, 1, 3, 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitStatus {
    /// Everything was examined, and nothing is as bad as `--fail-on`.
    Fine,
    /// Something is at least as bad as `--fail-on`; for `grep`: no line matches.
    Found,
    /// Nothing was done: bad arguments, bundle or rule.
    Failed,
    /// Nothing is as bad as `--fail-on`, but not everything could be examined.
    Incomplete,
}

impl From<ExitStatus> for ExitCode {
    fn from(status: ExitStatus) -> Self {
        Self::from(match status {
            ExitStatus::Fine => 0,
            ExitStatus::Found => 1,
            ExitStatus::Failed => 2,
            ExitStatus::Incomplete => 3,
        })
    }
}
