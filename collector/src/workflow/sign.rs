//! What a capture may wait for: a Warning event, or a container that restarts.

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use regex::Regex;
use serde_json::{Value, json};

use super::watch::{Look, Watch};
use super::{Chosen, Tools, cannot_list, pods};
use crate::cluster::{Cluster, Trouble};
use crate::sources::escape;

/// What is waited for: a Warning event or a restart, whose line matches if there is a pattern.
#[derive(Debug, Clone)]
pub struct Sign(Option<Regex>);

impl Sign {
    /// Any of them.
    pub fn any() -> Self {
        Self(None)
    }

    /// One whose line, `REASON KIND/NAMESPACE/NAME: MESSAGE`, matches.
    pub fn matching(pattern: Regex) -> Self {
        Self(Some(pattern))
    }

    pub(super) fn option(&self) -> (&'static str, Option<Value>) {
        match &self.0 {
            Some(pattern) => ("until-event", Some(json!(pattern.as_str()))),
            None => ("watch", Some(json!(true))),
        }
    }

    /// It, in a sentence.
    pub(super) fn words(&self) -> String {
        match &self.0 {
            Some(pattern) => format!("a Warning event or restart that matches `{pattern}`"),
            None => "a Warning event or restart".to_owned(),
        }
    }

    pub(super) fn is_in(&self, line: &str) -> bool {
        self.0.as_ref().is_none_or(|p| p.is_match(line))
    }
}

/// Waits until the sign is seen, and returns its line.
///
/// # Errors
/// When nothing can be watched.
pub(super) async fn wait(sign: &Sign, chosen: &Chosen, tools: Tools<'_>) -> anyhow::Result<String> {
    tools.progress.say(&format!("waiting for {}", sign.words()));
    let selector = chosen.selector.as_deref();
    let events = chosen.paths("events").into_iter().map(|path| {
        Watch::new(
            path,
            "fieldSelector=type%3DWarning".to_owned(),
            Look::Events,
        )
    });
    let pods = chosen.paths("pods").into_iter().map(|path| {
        let query = selector.map(|s| format!("labelSelector={}", escape(s)));
        Watch::new(path, query.unwrap_or_default(), Look::Pods)
    });
    let mut watches: FuturesUnordered<_> = events
        .chain(pods)
        .map(|watch| watch.run(tools.cluster, sign, chosen))
        .collect();
    let mut last = Trouble::absent("there is nothing to watch");
    while let Some(ended) = watches.next().await {
        match ended {
            Ok(line) => return Ok(line),
            Err(trouble) => {
                tools
                    .progress
                    .say(&format!("not watched: {}", trouble.reason));
                last = trouble;
            }
        }
    }
    Err(cannot_list(&last, "neither events nor pods"))
}

/// Something that was seen.
#[derive(Debug, PartialEq)]
pub(super) struct Seen {
    pub(super) line: String,
    /// Of an event: the kind, namespace and name of what it is about.
    pub(super) event_of: Option<[String; 3]>,
}

impl Seen {
    /// Whether it is about a chosen pod. The API server limits pods by the selector, but not the
    /// events about them.
    pub(super) async fn is_about(
        &self,
        cluster: &Cluster,
        chosen: &Chosen,
    ) -> Result<bool, Trouble> {
        let (Some([kind, namespace, name]), Some(_)) = (&self.event_of, &chosen.selector) else {
            return Ok(true);
        };
        if kind != "Pod" {
            return Ok(false);
        }
        let pods = pods::list(cluster, chosen).await?;
        Ok(pods
            .iter()
            .any(|pod| pod.namespace == *namespace && pod.name == *name))
    }
}
