//! Container logs, current and previous, streamed through redaction.

use std::sync::Arc;

use bundle::layout::EntryKind;
use bundle::{Outcome, SourceKind};
use tokio::time::Instant;

use super::lists::escape;
use crate::cluster::{Cluster, Trouble};
use crate::mesh::{Container, ContainerState, Pod};
use crate::queue::{Job, Priority};
use crate::redact::TextRedactor;
use crate::session::{Captured, Item, Session};

/// What stands in a log answer of 200 when the kubelet cannot read the log.
const NO_LOG: &str = "unable to retrieve container logs for ";

/// Queues the logs of all containers of a pod, or records why not.
pub(super) async fn queue(
    session: &Arc<Session>,
    pod: &Arc<Pod>,
    wanted: Result<(), &'static str>,
    priority: Priority,
) {
    for container in &pod.containers {
        for previous in [false, true] {
            if previous && !container.has_previous {
                continue;
            }
            let item = item(pod, container, previous);
            if let Err(reason) = wanted {
                session
                    .leave_out(item, Trouble::new(Outcome::Skipped, reason))
                    .await;
            } else if let (false, ContainerState::NeverStarted(why)) = (previous, &container.state)
            {
                let reason = format!("the container has not started: {why}");
                session.leave_out(item, Trouble::absent(reason)).await;
            } else {
                let log = Log {
                    pod: Arc::clone(pod),
                    container: container.name.clone(),
                    previous,
                };
                let is_followed = log.is_growing(container) && !session.plan.dry_run;
                match session.followers.end() {
                    Some(end) if is_followed => {
                        follow(session, log, item, end, priority);
                    }
                    _ => push(session, log, item, priority, None),
                }
            }
        }
    }
}

/// One container's log.
#[derive(Debug, Clone)]
struct Log {
    pod: Arc<Pod>,
    container: String,
    previous: bool,
}

impl Log {
    fn is_growing(&self, container: &Container) -> bool {
        !self.previous && container.state == ContainerState::Running
    }
}

/// Queues a log, for when a moment has come if there is one.
fn push(session: &Session, log: Log, item: Item, priority: Priority, not_before: Option<Instant>) {
    let node = log.pod.node.clone();
    let job = Job::new(
        priority,
        &[SourceKind::PodLogs],
        move |session| async move {
            let capture = capture(&session, &log);
            session.capture(item, capture).await;
        },
    )
    .on(node);
    session.queue.push(match not_before {
        Some(moment) => job.not_before(moment),
        None => job,
    });
}

/// Follows a log until the end of the window. Where there is no place left to follow it, it is
/// taken then.
fn follow(session: &Arc<Session>, log: Log, item: Item, end: Instant, priority: Priority) {
    let Some(place) = session.followers.place() else {
        return push(session, log, item, priority, Some(end));
    };
    let own = Arc::clone(session);
    session.followers.spawn(async move {
        let captured = async {
            let path = path(&own, &log) + "&follow=true";
            match stream(&own, &path, Some(end)).await.map_err(judge) {
                // A kubelet answers only with the first line; there may be none yet.
                Err(trouble) if trouble.outcome == Outcome::TimedOut => {
                    own.cluster.wait_until(end).await?;
                    capture(&own, &log).await
                }
                result => result,
            }
        };
        own.capture(item, captured).await;
        drop(place);
    });
}

fn item(pod: &Pod, container: &Container, previous: bool) -> Item {
    let suffix = if previous { " (previous)" } else { "" };
    Item {
        source: SourceKind::PodLogs,
        object: format!("{}/{}/{}{suffix}", pod.namespace, pod.name, container.name),
        entry: Some(EntryKind::PodLog {
            namespace: pod.namespace.clone(),
            pod: pod.name.clone(),
            container: container.name.clone(),
            previous,
        }),
    }
}

async fn capture(session: &Session, log: &Log) -> Result<Captured, Trouble> {
    let node = log.pod.node.as_deref();
    session.nodes.check(node)?;
    let result = stream(session, &path(session, log), None).await;
    let result = result.map_err(judge);
    session.nodes.note(node, &result);
    result
}

fn path(session: &Session, log: &Log) -> String {
    let mut path = format!(
        "/api/v1/namespaces/{}/pods/{}/log?container={}&timestamps=true",
        log.pod.namespace,
        log.pod.name,
        escape(&log.container)
    );
    if log.previous {
        path.push_str("&previous=true");
    }
    if let Some(since) = session.plan.scope.since {
        path.push_str("&sinceSeconds=");
        path.push_str(&since.as_secs().max(1).to_string());
    }
    path
}

/// Streams a log into a spool, up to a moment if there is one. What came before trouble is kept.
async fn stream(
    session: &Session,
    path: &str,
    until: Option<Instant>,
) -> Result<Captured, Trouble> {
    let cluster: &Cluster = &session.cluster;
    let mut body = cluster.get(path, "*/*").await?.into_body();
    let mut redactor = TextRedactor::default();
    let mut spool = session.spools.spool();
    let mut start = Vec::new();
    let mut clean = Vec::new();
    let limit = session.plan.limits.log_bytes;
    let cut = loop {
        let next = match until {
            Some(moment) => cluster.next_chunk_before(&mut body, moment).await,
            None => cluster.next_chunk(&mut body).await,
        };
        match next {
            Ok(None) => break None,
            Ok(Some(chunk)) => {
                let missing = 512usize.saturating_sub(start.len());
                start.extend_from_slice(chunk.get(..missing).unwrap_or(&chunk));
                redactor.push(&chunk, &mut clean);
                write(&mut spool, &mut clean)?;
            }
            Err(trouble) if start.is_empty() => return Err(trouble),
            Err(trouble) => break Some(format!("the log broke off: {}", trouble.reason)),
        }
        if spool.len() > limit {
            break Some(format!("only the first {limit} bytes were taken"));
        }
    };
    let counts = redactor.finish(&mut clean);
    write(&mut spool, &mut clean)?;
    session.count(&counts);
    if let Some(message) = no_log(&start) {
        return Err(Trouble::failed(message));
    }
    Ok(Captured {
        cut,
        ..Captured::whole(spool.finish())
    })
}

fn write(spool: &mut crate::spool::Spool, clean: &mut Vec<u8>) -> Result<(), Trouble> {
    let written = spool.write(clean);
    clean.clear();
    written.map_err(|e| Trouble::failed(format!("cannot write a temporary file: {e}")))
}

/// The kubelet's excuse, if that is all there is.
fn no_log(start: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(start);
    let mut lines = text.lines();
    let line = lines.next()?.trim();
    let at = line.find(NO_LOG)?;
    // A timestamp may stand before it, but no other word.
    let before = line.get(..at)?.trim_end();
    let is_first = before.is_empty() || before.parse::<jiff::Timestamp>().is_ok();
    (is_first && lines.next().is_none()).then(|| line.get(at..).unwrap_or(line).to_owned())
}

/// Tells apart what the kubelet's HTTP statuses do not.
fn judge(mut trouble: Trouble) -> Trouble {
    let says = |words: &[&str]| words.iter().any(|w| trouble.reason.contains(w));
    match trouble.status {
        Some(400) if says(&["not found", "is waiting to start", "is not available"]) => {
            trouble.outcome = Outcome::Absent;
        }
        Some(500..) if says(&["timeout", "Timeout", "deadline exceeded"]) => {
            trouble.outcome = Outcome::TimedOut;
        }
        _ => {}
    }
    trouble
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kubelets_excuse_is_no_log_and_a_log_that_quotes_it_is() {
        let excuse = b"unable to retrieve container logs for containerd://abc";
        assert!(no_log(excuse).is_some());
        assert!(
            no_log(b"2026-11-23T00:00:00Z unable to retrieve container logs for x\n").is_some()
        );
        assert!(no_log(b"error: unable to retrieve container logs for x").is_none());
        assert!(no_log(b"unable to retrieve container logs for x\nmore").is_none());
        assert!(no_log(b"").is_none());
    }

    #[test]
    fn a_kubelet_that_does_not_answer_the_api_server_has_timed_out() {
        let judged = |code: u16, message: &str| {
            let status = http::StatusCode::from_u16(code).unwrap();
            judge(Trouble::from_answer(status, message.as_bytes())).outcome
        };
        let late = r#"Get "https://10.0.0.1:10250/x": net/http: TLS handshake timeout"#;
        assert_eq!(judged(500, late), Outcome::TimedOut);
        assert_eq!(judged(500, "connection refused"), Outcome::Failed);
        let waiting = "container \"a\" in pod \"b\" is waiting to start: PodInitializing";
        assert_eq!(judged(400, waiting), Outcome::Absent);
    }
}
