//! A list of the API server that is watched for something new.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use super::Chosen;
use super::sign::{Seen, Sign};
use crate::cluster::{Cluster, Incoming, Trouble};
use crate::mesh::{name_of, namespace_of};
use crate::sources::{escape, read_page};

/// Times an item's time-out after which a watch that the server does not end is begun anew.
const WATCH_TIMES: u32 = 4;

/// How long to wait before a watch is begun anew.
const AGAIN: Duration = Duration::from_secs(1);

/// What is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    Events,
    Pods,
}

/// A list that is watched.
pub(super) struct Watch {
    path: String,
    query: String,
    look: Look,
    version: String,
    /// Restarts of each container, as far as they are known.
    restarts: BTreeMap<(String, String, String), u64>,
}

impl Watch {
    pub(super) fn new(path: String, query: String, look: Look) -> Self {
        Self {
            path,
            query,
            look,
            version: String::new(),
            restarts: BTreeMap::new(),
        }
    }

    /// Watches until the sign is seen; ends only when watching is refused.
    pub(super) async fn run(
        mut self,
        cluster: &Cluster,
        sign: &Sign,
        chosen: &Chosen,
    ) -> Result<String, Trouble> {
        loop {
            let begun = Instant::now();
            let seen = if self.version.is_empty() {
                self.begin(cluster, sign).await
            } else {
                self.follow(cluster, sign).await
            };
            let seen = match seen {
                Ok(Some(seen)) => seen
                    .is_about(cluster, chosen)
                    .await
                    .map(|is| is.then_some(seen)),
                Ok(None) => Ok(None),
                Err(trouble) => Err(trouble),
            };
            match seen {
                Ok(Some(seen)) => return Ok(seen.line),
                // Whoever ends watches at once is not asked all the time; nothing is missed, since
                // the next goes on where this one ended.
                Ok(None) => tokio::time::sleep_until(begun + AGAIN).await,
                Err(trouble) if matches!(trouble.status, Some(400 | 401 | 403)) => {
                    return Err(trouble);
                }
                Err(trouble) => {
                    if trouble.status == Some(410) {
                        self.version.clear();
                    }
                    tokio::time::sleep(AGAIN).await;
                }
            }
        }
    }

    /// Lists, to know from where to watch. Of events that is all: what has been is no sign.
    async fn begin(&mut self, cluster: &Cluster, sign: &Sign) -> Result<Option<Seen>, Trouble> {
        let mut next = String::new();
        let mut seen = None;
        let limit = match self.look {
            Look::Events => 1,
            Look::Pods => cluster.limits().page,
        };
        loop {
            let path = format!(
                "{}?limit={limit}&{}&continue={}",
                self.path,
                self.query,
                escape(&next)
            );
            let limits = cluster.limits();
            let answer = cluster.get(&path, "application/json", limits.item_timeout);
            let bytes = cluster
                .read_body(answer.await?, limits.answer_bytes)
                .await?;
            let head = read_page(&bytes, &mut |object| {
                if self.look == Look::Pods {
                    seen = seen.take().or_else(|| self.restarted(&object));
                }
                Ok(())
            });
            let head = head.map_err(|e| Trouble::failed(format!("the answer is no list: {e}")))?;
            self.version = head.resource_version;
            next = head.next;
            if next.is_empty() || self.look == Look::Events {
                // A server that tells no version watches from now on.
                if self.version.is_empty() {
                    "0".clone_into(&mut self.version);
                }
                return Ok(seen.filter(|seen| sign.is_in(&seen.line)));
            }
        }
    }

    /// One watch, which the server ends before this side would lose its patience.
    async fn follow(&mut self, cluster: &Cluster, sign: &Sign) -> Result<Option<Seen>, Trouble> {
        let seconds = (cluster.limits().item_timeout.as_secs() / 2).max(1);
        let path = format!(
            "{}?watch=true&allowWatchBookmarks=true&timeoutSeconds={seconds}&resourceVersion={}&{}",
            self.path, self.version, self.query
        );
        let limit = cluster.limits().item_timeout;
        let answer = cluster.get(&path, "application/json", limit).await?;
        let mut body = Incoming::new(cluster, answer.into_body(), WATCH_TIMES);
        let mut lines = Vec::new();
        while let Some(chunk) = body.next().await? {
            lines.extend_from_slice(&chunk);
            while let Some(end) = memchr::memchr(b'\n', &lines) {
                let line: Vec<u8> = lines.drain(..=end).collect();
                if let Some(seen) = self.take(&line)?.filter(|seen| sign.is_in(&seen.line)) {
                    return Ok(Some(seen));
                }
            }
            if lines.len() > cluster.limits().answer_bytes {
                return Err(Trouble::failed("a change is too long"));
            }
        }
        Ok(None)
    }

    fn take(&mut self, line: &[u8]) -> Result<Option<Seen>, Trouble> {
        let Ok(change) = serde_json::from_slice::<Value>(line) else {
            return Ok(None);
        };
        let kind = change.get("type").and_then(Value::as_str);
        let object = change.get("object").unwrap_or(&Value::Null);
        if kind == Some("ERROR") {
            let code = object.get("code").and_then(Value::as_u64);
            let code = code.and_then(|c| u16::try_from(c).ok());
            let message = object.get("message").and_then(Value::as_str);
            let mut trouble = Trouble::failed(message.unwrap_or("the watch broke off"));
            trouble.status = code;
            return Err(trouble);
        }
        let version = object.pointer("/metadata/resourceVersion");
        if let Some(version) = version.and_then(Value::as_str) {
            version.clone_into(&mut self.version);
        }
        Ok(match (kind, self.look) {
            (Some("ADDED" | "MODIFIED"), Look::Events) => warning(object),
            (Some("ADDED" | "MODIFIED"), Look::Pods) => self.restarted(object),
            _ => None,
        })
    }

    /// The line of a container that has restarted more often than was known.
    fn restarted(&mut self, pod: &Value) -> Option<Seen> {
        let (namespace, name) = (namespace_of(pod)?, name_of(pod)?);
        let mut seen = None;
        for list in ["initContainerStatuses", "containerStatuses"] {
            let statuses = pod.pointer("/status").and_then(|s| s.get(list)?.as_array());
            for status in statuses.into_iter().flatten() {
                let container = status.get("name").and_then(Value::as_str).unwrap_or("");
                let count = status.get("restartCount").and_then(Value::as_u64);
                let count = count.unwrap_or(0);
                let key = (namespace.to_owned(), name.to_owned(), container.to_owned());
                let known = self.restarts.insert(key, count);
                if known.is_some_and(|known| count > known) {
                    let why = status.pointer("/lastState/terminated/reason");
                    let why = why.and_then(Value::as_str).unwrap_or("reason not told");
                    let line = format!(
                        "Restarted Pod/{namespace}/{name}: container {container}, \
                         {count} restarts, {why}"
                    );
                    seen = Some(Seen {
                        line,
                        event_of: None,
                    });
                }
            }
        }
        seen
    }
}

/// A Warning event; a server that ignores the field selector sends others too.
fn warning(event: &Value) -> Option<Seen> {
    let text = |pointer: &str| event.pointer(pointer).and_then(Value::as_str).unwrap_or("");
    let object = ["kind", "namespace", "name"];
    let object = object.map(|field| text(&format!("/involvedObject/{field}")).to_owned());
    (text("/type") == "Warning").then(|| Seen {
        line: format!(
            "{} {}: {}",
            text("/reason"),
            object.join("/"),
            text("/message").trim()
        ),
        event_of: Some(object),
    })
}

#[cfg(test)]
mod tests {
    use regex::Regex;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_restart_is_seen_when_the_count_grows_not_when_it_is_first_told() {
        let mut watch = Watch::new(String::new(), String::new(), Look::Pods);
        let pod = |count: u64| {
            json!({
                "metadata": {"namespace": "shop", "name": "cart"},
                "status": {"containerStatuses": [{
                    "name": "app", "restartCount": count,
                    "lastState": {"terminated": {"reason": "OOMKilled"}},
                }]},
            })
        };
        assert_eq!(watch.restarted(&pod(3)), None);
        assert_eq!(watch.restarted(&pod(3)), None);
        let line = watch.restarted(&pod(4)).unwrap().line;
        assert_eq!(
            line,
            "Restarted Pod/shop/cart: container app, 4 restarts, OOMKilled"
        );
        assert!(Sign::matching(Regex::new("OOMK").unwrap()).is_in(&line));
        assert!(!Sign::matching(Regex::new("BackOff").unwrap()).is_in(&line));
    }

    #[test]
    fn only_warnings_are_signs_and_an_expired_watch_says_so() {
        let mut watch = Watch::new(String::new(), String::new(), Look::Events);
        let line = |text: Value| text.to_string().into_bytes();
        let event = |kind: &str| {
            json!({"type": "ADDED", "object": {"type": kind, "reason": "BackOff",
                "metadata": {"resourceVersion": "7"},
                "involvedObject": {"kind": "Pod", "namespace": "shop", "name": "cart"},
                "message": "Back-off restarting"}})
        };
        assert_eq!(watch.take(&line(event("Normal"))), Ok(None));
        assert_eq!(watch.version, "7");
        assert_eq!(
            watch.take(&line(event("Warning"))).unwrap().unwrap().line,
            "BackOff Pod/shop/cart: Back-off restarting"
        );
        let gone = json!({"type": "ERROR", "object": {"code": 410, "message": "too old"}});
        assert_eq!(watch.take(&line(gone)).unwrap_err().status, Some(410));
        assert_eq!(watch.take(b"nonsense"), Ok(None));
    }
}
