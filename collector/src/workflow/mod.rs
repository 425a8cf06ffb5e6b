//! The support workflow around a capture: raise the log level of proxies, wait while the trouble
//! is reproduced or until a sign of it is seen, capture, put the levels back.
//!
//! [`prepare`] is everything before the capture, [`Levels::restore`] what must happen after it
//! however it ends.

mod debug;
mod level;
mod levels;
mod pods;
mod sign;
mod watch;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

pub use level::LogLevel;
pub use levels::Levels;
pub use sign::Sign;

use crate::cluster::{Cluster, Trouble};
use crate::plan::Plan;
use crate::progress::Progress;
use crate::stop::Stop;

/// What is done around a capture.
#[derive(Debug, Clone, Default)]
pub struct Workflow {
    /// The level that proxies are raised to.
    pub level: Option<LogLevel>,
    /// How long to wait before the capture; with a sign to wait for, at most.
    pub wait: Option<Duration>,
    /// What to wait for.
    pub sign: Option<Sign>,
    /// Which pods it is about, as a label selector; `None` means all.
    pub selector: Option<String>,
    /// Whether packet captures of debug sidecars are asked for.
    pub packet_capture: bool,
}

impl Workflow {
    /// The options as the manifest keeps them.
    pub fn options(&self) -> BTreeMap<String, Value> {
        let level = self.level.as_ref().map(|l| json!(l.as_str()));
        let sign = self.sign.as_ref().map(Sign::option);
        let pairs = [
            ("proxy-log-level", level),
            ("for", self.wait.map(|d| json!(d.as_secs_f64()))),
            ("pods", self.selector.as_ref().map(|s| json!(s))),
            ("packet-capture", self.packet_capture.then_some(json!(true))),
        ];
        let said = pairs.into_iter().chain(sign);
        said.filter_map(|(name, value)| Some((name.to_owned(), value?)))
            .collect()
    }
}

/// The pods that the workflow is about.
struct Chosen {
    namespaces: BTreeSet<String>,
    selector: Option<String>,
}

impl Chosen {
    fn of(plan: &Plan) -> Self {
        Self {
            namespaces: plan.scope.namespaces.clone(),
            selector: plan.workflow.selector.clone(),
        }
    }

    /// Paths of the lists of a kind of the core group that cover the namespaces.
    fn paths(&self, plural: &str) -> Vec<String> {
        if self.namespaces.is_empty() {
            return vec![format!("/api/v1/{plural}")];
        }
        let within = |n: &String| format!("/api/v1/namespaces/{n}/{plural}");
        self.namespaces.iter().map(within).collect()
    }
}

/// How the preparation ended.
pub enum Ready {
    /// The capture may begin. What was seen, if a sign was waited for.
    Capture(Option<String>),
    /// There is nothing to capture; the user was told what to do.
    Nothing,
}

/// Whom to ask, what to tell the user, and when to give up.
#[derive(Clone, Copy)]
pub struct Tools<'a> {
    /// The cluster.
    pub cluster: &'a Cluster,
    /// What the user sees.
    pub progress: &'a Progress,
    /// Whether to end.
    pub stop: &'a Stop,
}

/// Does everything that comes before the capture.
///
/// # Errors
/// When no level could be raised, or a sign did not come within `--timeout`.
pub async fn prepare(plan: &Plan, levels: &Levels, tools: Tools<'_>) -> anyhow::Result<Ready> {
    let (workflow, chosen) = (&plan.workflow, Chosen::of(plan));
    if workflow.packet_capture && !debug::has_sidecar(&chosen, tools).await? {
        return Ok(Ready::Nothing);
    }
    if let Some(level) = &workflow.level {
        levels.raise(level, &chosen, tools).await?;
    }
    let until = workflow.wait.map(|wait| Instant::now() + wait);
    let Some(sign) = &workflow.sign else {
        if let (Some(wait), Some(until)) = (workflow.wait, until) {
            pause(wait, until, tools).await;
        }
        return Ok(Ready::Capture(None));
    };
    let deadline = plan.limits.timeout.map(|limit| Instant::now() + limit);
    let seen = tokio::select! {
        seen = sign::wait(sign, &chosen, tools) => Some(seen?),
        () = at(until) => None,
        () = at(deadline) => {
            let limit = plan.limits.timeout.unwrap_or_default().as_secs();
            anyhow::bail!("{} was not seen within {limit} s (`--timeout`)", sign.words());
        }
        _ = tools.stop.wait() => None,
    };
    let line = match &seen {
        Some(line) => format!("seen, capturing: {line}"),
        None => format!("{} was not seen; capturing", sign.words()),
    };
    if tools.stop.reason().is_none() {
        tools.progress.say(&line);
    }
    Ok(Ready::Capture(seen))
}

async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

async fn pause(wait: Duration, until: Instant, tools: Tools<'_>) {
    let seconds = wait.as_secs();
    tools.progress.say(&format!(
        "reproduce the trouble now; capturing in {seconds} s"
    ));
    tokio::select! {
        () = tokio::time::sleep_until(until) => {}
        _ = tools.stop.wait() => {}
    }
}

/// A list that could not be had, with what it was wanted for.
fn cannot_list(trouble: &Trouble, what: &str) -> anyhow::Error {
    let hint = match trouble.status {
        Some(403) => "; choose namespaces that you may list with `-n`",
        Some(400) => "; see `--pods`, a label selector as `kubectl get pods -l` takes it",
        _ => "",
    };
    anyhow::anyhow!("{what} cannot be listed: {}{hint}", trouble.reason)
}
