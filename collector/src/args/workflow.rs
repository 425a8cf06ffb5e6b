//! Flags of the support workflow.

use std::time::Duration;

use clap::{ArgGroup, Args};
use regex::Regex;

use super::duration;
use crate::workflow::{LogLevel, Sign, Workflow};

/// Raise, reproduce, capture, restore.
#[derive(Debug, Args)]
#[command(next_help_heading = "Support workflow")]
#[command(group = ArgGroup::new("window").multiple(true))]
#[command(group = ArgGroup::new("chosen").multiple(true))]
pub struct WorkflowArgs {
    /// Raises the log level of proxies before the capture, such as debug or warn,linkerd=debug,
    /// and puts the former levels back after it, also when it is interrupted.
    #[arg(long, value_name = "LEVEL", requires = "window", group = "chosen")]
    #[arg(conflicts_with_all = ["dry_run", "no_port_forward"])]
    pub proxy_log_level: Option<LogLevel>,
    /// How long the raised level stays before the capture: reproduce the trouble meanwhile.
    #[arg(long = "for", value_name = "DURATION", value_parser = duration)]
    #[arg(group = "window", requires = "proxy_log_level")]
    pub wait: Option<Duration>,
    /// Which pods the level, the watch or the packet capture is about, as a label selector
    /// [default: all of the namespaces that are captured].
    #[arg(long, value_name = "SELECTOR", requires = "chosen")]
    pub pods: Option<String>,
    /// Follows logs for so long, and scrapes metrics every `--scrape-gap` meanwhile.
    #[arg(long, value_name = "DURATION", value_parser = duration, group = "window")]
    pub follow: Option<Duration>,
    /// Waits for a Warning event or container restart whose line `REASON KIND/NAMESPACE/NAME:
    /// MESSAGE` matches this regular expression, then captures. `--timeout` bounds the wait, and
    /// then the capture anew.
    #[arg(long, value_name = "PATTERN", groups = ["window", "chosen"])]
    #[arg(conflicts_with = "dry_run")]
    pub until_event: Option<Regex>,
    /// Waits for any Warning event or container restart, then captures.
    #[arg(long, groups = ["window", "chosen"])]
    #[arg(conflicts_with_all = ["dry_run", "until_event"])]
    pub watch: bool,
    /// Takes what Linkerd's debug sidecar has captured of the network; where no pod has one,
    /// prints how to add it and captures nothing.
    #[arg(long, group = "chosen")]
    pub packet_capture: bool,
}

impl WorkflowArgs {
    /// What is done around the capture.
    pub fn into_workflow(self) -> Workflow {
        let any = self.watch.then(Sign::any);
        Workflow {
            level: self.proxy_log_level,
            wait: self.wait,
            sign: self.until_event.map(Sign::matching).or(any),
            selector: self.pods,
            packet_capture: self.packet_capture,
        }
    }
}
