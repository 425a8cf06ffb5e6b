//! Container logs, current and previous, streamed through redaction.

use std::sync::Arc;
use std::time::Duration;

use bundle::layout::EntryKind;
use bundle::{Outcome, SourceKind};
use http::header::CONTENT_LENGTH;
use tokio::time::Instant;

use super::lists::escape;
use super::log_lines::{self, Until};
use crate::cluster::{Cluster, Incoming, Trouble};
use crate::mesh::{Container, ContainerState, Pod};
use crate::nodes::Way;
use crate::queue::{Job, Priority};
use crate::redact::TextRedactor;
use crate::session::{Begun, Captured, Item, Session};
use crate::spool::Ends;

/// Queues the logs of all containers of a pod, or records why not.
pub(super) async fn queue(
    session: &Arc<Session>,
    pod: &Arc<Pod>,
    wanted: Result<(), &'static str>,
    priority: Priority,
) {
    for (number, container) in pod.containers.iter().enumerate() {
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
            } else if !session.kept.has(&item) {
                session.intend(&item);
                let log = Log {
                    pod: Arc::clone(pod),
                    container: number,
                    previous,
                    priority,
                };
                let is_followed = log.is_growing(container) && !session.plan.dry_run;
                match session.followers.end() {
                    Some(end) if is_followed && end > Instant::now() => follow(session, log, end),
                    _ => queue_one(session, log, None),
                }
            }
        }
    }
}

/// Notes the logs of a pod that are queued later, and says how many they may be.
pub(super) fn intend(session: &Session, pod: &Pod) -> u64 {
    for container in &pod.containers {
        session.intend(&item(pod, container, false));
        if container.has_previous {
            session.intend(&item(pod, container, true));
        }
    }
    pod.containers.len() as u64
}

/// A log that is asked for. Small, since there is one of them for each that waits.
struct Log {
    pod: Arc<Pod>,
    /// Number of the container.
    container: usize,
    previous: bool,
    priority: Priority,
}

/// Queues a log, for when a moment has come if there is one.
fn queue_one(session: &Session, log: Log, not_before: Option<Instant>) {
    session.budget.expect_log(log.priority);
    let (node, priority) = (log.pod.node.clone(), log.priority);
    let work = move |session: Arc<Session>| async move {
        let share = session.budget.share(log.priority);
        let Some(container) = log.pod.containers.get(log.container) else {
            return;
        };
        let item = item(&log.pod, container, log.previous);
        let capture = async {
            let share = share?;
            let captured = log.capture(&session, container, share.bytes).await?;
            Ok(Captured {
                share: Some(share),
                ..captured
            })
        };
        session.capture(item, capture).await;
    };
    let job = Job::new(priority, &[SourceKind::PodLogs], work).on(node);
    session.queue.push(match not_before {
        Some(moment) => job.not_before(moment),
        None => job,
    });
}

/// Follows a log until the end of the window. Where there is no place left to follow it, it is
/// taken then.
fn follow(session: &Arc<Session>, log: Log, end: Instant) {
    let Some(place) = session.followers.place() else {
        return queue_one(session, log, Some(end));
    };
    session.budget.expect_log(log.priority);
    let own = Arc::clone(session);
    session.followers.add(async move {
        let Some(container) = log.pod.containers.get(log.container) else {
            return;
        };
        let item = item(&log.pod, container, log.previous);
        let begun = Begun::now();
        let result = {
            let _shown = own
                .progress
                .begin(format!("{} {}", item.source, item.object));
            log.followed(&own, container, end).await
        };
        drop(place);
        match result {
            // A kubelet answers only with the first line, and there was none in the window.
            Err(trouble) if trouble.outcome == Outcome::TimedOut => {
                queue_one(&own, log, Some(end));
            }
            result => {
                own.deliver(item, begun, result).await;
            }
        }
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

impl Log {
    fn is_growing(&self, container: &Container) -> bool {
        !self.previous && container.state == ContainerState::Running
    }

    /// Captures the log, `bytes` of it at most.
    async fn capture(
        &self,
        session: &Session,
        container: &Container,
        bytes: u64,
    ) -> Result<Captured, Trouble> {
        let node = self.pod.node.as_deref();
        session.nodes.check(node, Way::Log)?;
        let limit = session.plan.limits.item_timeout;
        let asked = Asked {
            cluster: &session.cluster,
            path: &self.path(session, container),
            limit: session.nodes.patience(node, limit),
            end: None,
        };
        let result = asked.stream(session, bytes).await.map_err(judge);
        session.nodes.note(node, Way::Log, &result);
        result
    }

    /// Captures the log with what comes until the end of the window.
    async fn followed(
        &self,
        session: &Session,
        container: &Container,
        end: Instant,
    ) -> Result<Captured, Trouble> {
        let share = session.budget.share(self.priority)?;
        let asked = Asked {
            cluster: &session.cluster.apart(),
            path: &(self.path(session, container) + "&follow=true"),
            limit: end.saturating_duration_since(Instant::now()),
            end: Some(end),
        };
        let captured = asked.stream(session, share.bytes).await.map_err(judge)?;
        Ok(Captured {
            share: Some(share),
            ..captured
        })
    }

    fn path(&self, session: &Session, container: &Container) -> String {
        let (namespace, pod) = (&self.pod.namespace, &self.pod.name);
        let container = escape(&container.name);
        let mut path = format!(
            "/api/v1/namespaces/{namespace}/pods/{pod}/log?container={container}&timestamps=true"
        );
        if self.previous {
            path.push_str("&previous=true");
        }
        if let Some(since) = session.window.since {
            path.push_str("&sinceTime=");
            path.push_str(&escape(&since.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()));
        }
        path
    }
}

/// Bytes that are redacted at once. What the client hands over has up to 400 kB, and with many
/// logs at once copies of that would count.
const PART_BYTES: usize = 64 << 10;

/// Times an item's time-out in which a log must have ended.
const LOG_TIMES: u32 = 20;

/// Times the most that is kept of a log that are read to get at its end.
const READ_TIMES: u64 = 4;

/// What is asked for, of whom, and how long it may take.
struct Asked<'a> {
    cluster: &'a Cluster,
    path: &'a str,
    /// Time that the answer has to begin.
    limit: Duration,
    /// When a log that is followed is let go.
    end: Option<Instant>,
}

impl Asked<'_> {
    /// Streams the log into a spool. What came before trouble is kept.
    async fn stream(&self, session: &Session, bytes: u64) -> Result<Captured, Trouble> {
        let cluster = self.cluster;
        let answer = cluster.get(self.path, "*/*", self.limit).await?;
        // A kubelet's logs come in chunks; where something else gave the length, it may be wrong.
        let has_length = answer.headers().contains_key(CONTENT_LENGTH);
        let mut body = Incoming::new(cluster, answer.into_body(), LOG_TIMES);
        let mut unread = session.plan.limits.log_bytes.saturating_mul(READ_TIMES);
        let mut redactor = TextRedactor::default();
        let mut ends = Ends::new(session.spools.spool(), bytes);
        let mut until = Until::new(session.window.until);
        let mut seen = log_lines::Seen::default();
        let mut clean = Vec::new();
        let mut cut = loop {
            let next = match self.end {
                Some(end) => body.next_before(end).await,
                None => body.next().await,
            };
            match next {
                Ok(None) => break None,
                Ok(Some(chunk)) => {
                    seen.note(&chunk);
                    for part in chunk.chunks(PART_BYTES) {
                        redactor.push(part, &mut clean);
                        write(&mut ends, until.take(&clean))?;
                        clean.clear();
                    }
                    if until.is_over() {
                        break None;
                    }
                    unread = unread.saturating_sub(chunk.len() as u64);
                    if unread == 0 {
                        break Some("the log had no end: more of it was not read".to_owned());
                    }
                }
                Err(trouble) if seen.is_empty() => return Err(trouble),
                Err(trouble) => break Some(format!("the log broke off: {}", trouble.reason)),
            }
        };
        let counts = redactor.finish(&mut clean);
        write(&mut ends, until.take(&clean))?;
        session.count(&counts);
        seen.check()?;
        if cut.is_none() {
            let amiss = has_length && !seen.ends_with_a_line() && !until.is_over();
            let short = || "the log ends within a line: its length was given wrongly".to_owned();
            cut = seen.excuse_at_end().or(amiss.then(short));
        }
        let (content, left_out) = ends.finish().map_err(|e| unwritten(&e))?;
        let left_out = (left_out > 0).then(|| {
            let why = session.budget.why_cut();
            format!("{left_out} bytes in the middle of the log were left out: {why}")
        });
        let cuts: Vec<String> = left_out.into_iter().chain(cut).collect();
        Ok(Captured {
            cut: (!cuts.is_empty()).then(|| cuts.join("; ")),
            ..Captured::whole(content)
        })
    }
}

fn write(ends: &mut Ends, clean: &[u8]) -> Result<(), Trouble> {
    ends.write(clean).map_err(|e| unwritten(&e))
}

fn unwritten(error: &std::io::Error) -> Trouble {
    Trouble::failed(format!("cannot write a temporary file: {error}"))
}

/// Tells apart what the kubelet's HTTP statuses do not.
fn judge(mut trouble: Trouble) -> Trouble {
    let says = |words: &[&str]| words.iter().any(|w| trouble.reason.contains(w));
    let absent = ["not found", "is waiting to start", "is not available"];
    if trouble.status == Some(400) && says(&absent) {
        trouble.outcome = Outcome::Absent;
    }
    trouble
}

#[cfg(test)]
mod tests {
    use super::*;

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
