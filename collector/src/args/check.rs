//! Flags of `check`.

use std::time::Duration;

use clap::Args;

use super::{AccessArgs, Cli, duration};
use crate::extension::Format;
use crate::plan::Plan;

/// Arguments of `linkerd-collect check`, which `linkerd check` calls.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// How to print the checks.
    #[arg(short, long, value_enum, default_value = "table")]
    pub output: Format,
    /// How long to wait for the API server.
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = duration)]
    pub wait: Duration,
    /// How to reach the cluster.
    #[command(flatten)]
    pub access: AccessArgs,
}

impl CheckArgs {
    /// The plan of a plain capture with the same access.
    ///
    /// # Errors
    /// Never: a plain capture is a sound plan.
    pub fn plan(self) -> Result<Plan, clap::Error> {
        use clap::Parser as _;
        let mut collect = Cli::try_parse_from(["linkerd-collect"])?.collect;
        collect.access = self.access;
        Ok(collect.into_plan())
    }
}
