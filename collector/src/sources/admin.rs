//! Admin ports: scrapes of the metrics of each proxy and control-plane container, and what a
//! proxy says of itself. Through a port-forward, and when that fails through the API server's
//! pod proxy.

use std::sync::Arc;
use std::time::Duration;

use bundle::layout::EntryKind;
use bundle::{Outcome, SourceKind};
use futures::future::BoxFuture;
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::certificates;
use crate::cluster::{AdminConnection, Answer, Trouble};
use crate::mesh::{Container, ContainerState, Pod};
use crate::nodes;
use crate::queue::{Job, Priority};
use crate::redact::TextRedactor;
use crate::session::{Captured, Item, Session};

/// The first way to an admin port.
const PORT_FORWARD: &str = "port-forward";

/// What one visit to a proxy captures.
const PROXY_SOURCES: &[SourceKind] = &[
    SourceKind::ProxyMetrics,
    SourceKind::ProxyState,
    SourceKind::ProxyIdentity,
];

/// An admin port of a pod, and what its scrapes are called.
#[derive(Debug, Clone)]
struct Port {
    pod: Arc<Pod>,
    /// Whether it is looked at though little may be left of the budget.
    is_important: bool,
    number: u16,
    /// The container, if it is not the proxy.
    container: Option<String>,
}

/// Queues what a pod's admin ports can tell, or records why not.
pub(super) async fn queue(
    session: &Arc<Session>,
    pod: &Arc<Pod>,
    is_control_plane: bool,
    priority: Priority,
) {
    if let Some(proxy) = &pod.proxy {
        let port = Port {
            pod: Arc::clone(pod),
            is_important: priority <= Priority::Sick,
            number: proxy.admin_port,
            container: None,
        };
        match no_way(session, &proxy.state) {
            Some(trouble) => leave_out_proxy(session, &port, &trouble).await,
            None => queue_proxy(session, port, priority),
        }
    }
    for container in pod.containers.iter().filter(|_| is_control_plane) {
        let number = admin_port(container);
        let Some(number) = number else { continue };
        let port = Port {
            pod: Arc::clone(pod),
            is_important: priority <= Priority::Sick,
            number,
            container: Some(container.name.clone()),
        };
        if let Some(trouble) = no_way(session, &container.state) {
            leave_out_scrapes(session, &port, &trouble).await;
            continue;
        }
        intend_scrapes(session, &port);
        let sources = &[SourceKind::ControllerMetrics];
        let job = Job::new(priority, sources, move |session| async move {
            scrape(&session, &port, 1).await;
        });
        session.queue.push(job.on(pod.node.clone()));
    }
}

/// The admin port of a container that is no proxy.
fn admin_port(container: &Container) -> Option<u16> {
    let mut ports = container.ports.iter();
    let admin = ports.find(|(name, _)| name.contains("admin") && name != "linkerd-admin");
    admin.map(|(_, number)| *number)
}

/// Why a container's ports cannot be asked.
fn no_way(session: &Session, state: &ContainerState) -> Option<Trouble> {
    if !session.plan.scope.port_forward {
        return Some(Trouble::new(
            Outcome::Skipped,
            "not asked for: `--no-port-forward`",
        ));
    }
    let why = match state {
        ContainerState::Running => return None,
        ContainerState::Terminated(why) => format!("the container has ended: {why}"),
        ContainerState::WaitingAgain(why) => format!("the container waits to start again: {why}"),
        ContainerState::NeverStarted(why) => format!("the container has not started: {why}"),
    };
    Some(Trouble::absent(why))
}

fn intend_scrapes(session: &Session, port: &Port) {
    for number in 1..=session.plan.scope.scrapes() {
        session.intend(&port.scrape_item(number));
    }
}

async fn leave_out_scrapes(session: &Session, port: &Port, trouble: &Trouble) {
    for number in 1..=session.plan.scope.scrapes() {
        session
            .leave_out(port.scrape_item(number), trouble.clone())
            .await;
    }
}

async fn leave_out_proxy(session: &Session, port: &Port, trouble: &Trouble) {
    leave_out_scrapes(session, port, trouble).await;
    session.leave_out(port.state_item(), trouble.clone()).await;
    let identity = certificates::identity_item(&port.pod);
    session.leave_out(identity, trouble.clone()).await;
}

fn queue_proxy(session: &Session, port: Port, priority: Priority) {
    intend_scrapes(session, &port);
    session.intend(&port.state_item());
    session.intend(&certificates::identity_item(&port.pod));
    let node = port.pod.node.clone();
    let job = Job::new(priority, PROXY_SOURCES, move |session| async move {
        scrape(&session, &port, 1).await;
        let state = proxy_state(&session, &port);
        session.capture(port.state_item(), state).await;
        certificates::capture_identity(&session, &port.pod).await;
    });
    session.queue.push(job.on(node));
}

/// Scrapes once, and queues the next scrape for when the gap is over.
async fn scrape(session: &Session, port: &Port, number: u32) {
    let begun = Instant::now();
    let capture = capture_scrape(session, port);
    session.capture(port.scrape_item(number), capture).await;
    if number < session.plan.scope.scrapes() {
        let due = begun + session.plan.scope.scrape_gap;
        session
            .queue
            .push(scrape_again(port.clone(), number + 1).not_before(due));
    }
}

fn scrape_again(port: Port, number: u32) -> Job {
    let node = port.pod.node.clone();
    let job = Job::new(Priority::Again, &[], move |session| {
        // Boxed, since a scrape queues a scrape.
        let again: BoxFuture<'static, ()> =
            Box::pin(async move { scrape(&session, &port, number).await });
        again
    });
    job.on(node)
}

async fn capture_scrape(session: &Session, port: &Port) -> Result<Captured, Trouble> {
    session.budget.admit_scrape(port.is_important)?;
    let mut way = Way::new(session, port);
    let (answer, via) = way.get("/metrics").await?;
    if std::str::from_utf8(&answer.body).is_err() {
        return Err(Trouble::failed("the answer is no metrics: it is no text"));
    }
    if session.budget.is_limited() && port.container.is_none() {
        session.failing().look_at(&port.pod, &answer.body);
    }
    let mut redactor = TextRedactor::default();
    let mut clean = Vec::new();
    redactor.push(&answer.body, &mut clean);
    let counts = redactor.finish(&mut clean);
    session.count(&counts);
    let mut spool = session.spools.spool();
    let written = spool.write(&clean);
    written.map_err(|e| Trouble::failed(format!("cannot write a temporary file: {e}")))?;
    Ok(Captured {
        status: Some(answer.status.as_u16()),
        via: Some(via),
        cut: ends_within_a_line(&answer.body),
        ..Captured::whole(spool.finish())
    })
}

/// Every line of a scrape ends with a line break; where the last does not, a wrong length was
/// given.
fn ends_within_a_line(body: &[u8]) -> Option<String> {
    let is_whole = body.last().is_none_or(|b| *b == b'\n');
    (!is_whole).then(|| "the answer ends within a line".to_owned())
}

/// Log level, readiness and liveness, as they were answered.
async fn proxy_state(session: &Session, port: &Port) -> Result<Captured, Trouble> {
    let mut way = Way::new(session, port);
    let mut state = Map::new();
    let mut missing = Vec::new();
    let mut last_via = None;
    for (name, path) in [
        ("log_level", "/proxy-log-level"),
        ("ready", "/ready"),
        ("live", "/live"),
    ] {
        match way.get_any(path).await {
            Ok((answer, via)) => {
                let mut body = String::from_utf8_lossy(&answer.body).into_owned();
                let mut counts = crate::redact::Counts::default();
                crate::redact::redact_line(&mut body, &mut counts);
                session.count(&counts);
                let told = json!({"status": answer.status.as_u16(), "body": body});
                state.insert(name.to_owned(), told);
                last_via = Some(via);
            }
            Err(trouble) if state.is_empty() => return Err(trouble),
            Err(trouble) => missing.push(format!("{path}: {}", trouble.reason)),
        }
    }
    let text = Value::Object(state).to_string() + "\n";
    Ok(Captured {
        via: last_via,
        cut: (!missing.is_empty()).then(|| missing.join("; ")),
        ..Captured::whole(crate::spool::Content::from_bytes(text.into_bytes()))
    })
}

/// The ways to an admin port, one after the other. Each has half of the item's time to begin to
/// answer.
struct Way<'a> {
    session: &'a Session,
    port: &'a Port,
    limit: Duration,
    forward: AdminConnection<'a>,
}

impl<'a> Way<'a> {
    fn new(session: &'a Session, port: &'a Port) -> Self {
        let limit = session.plan.limits.item_timeout / 2;
        let pod = (port.pod.namespace.as_str(), port.pod.name.as_str());
        Self {
            session,
            port,
            limit,
            forward: AdminConnection::new(&session.cluster, pod, port.number, limit),
        }
    }

    /// A success, by whichever way there is one.
    async fn get(&mut self, path: &str) -> Result<(Answer, &'static str), Trouble> {
        let first = match self.forwarded(path).await.and_then(success) {
            Ok(answer) => return Ok((answer, PORT_FORWARD)),
            Err(trouble) => trouble,
        };
        let second = self.proxied(path, &first).await?.and_then(success);
        second.map(proxied).map_err(|second| both(&first, &second))
    }

    /// Any answer: that of a proxy that is not ready says so by its status.
    async fn get_any(&mut self, path: &str) -> Result<(Answer, &'static str), Trouble> {
        let first = match self.forwarded(path).await {
            Ok(answer) => return Ok((answer, PORT_FORWARD)),
            Err(trouble) => trouble,
        };
        let second = self.proxied(path, &first).await?;
        second.map(proxied).map_err(|second| both(&first, &second))
    }

    async fn forwarded(&mut self, path: &str) -> Result<Answer, Trouble> {
        let node = self.port.pod.node.as_deref();
        let nodes = &self.session.nodes;
        nodes.check(node, nodes::Way::PortForward)?;
        let result = self.forward.get(path).await;
        nodes.note(node, nodes::Way::PortForward, &result);
        result
    }

    /// The second way; `Err` when the first makes it pointless.
    async fn proxied(
        &mut self,
        path: &str,
        first: &Trouble,
    ) -> Result<Result<Answer, Trouble>, Trouble> {
        // Neither a pod that is gone nor the end of collecting is a reason to go on.
        if matches!(first.outcome, Outcome::Absent | Outcome::Skipped) {
            return Err(first.clone());
        }
        let pod = &self.port.pod;
        let path = format!(
            "/api/v1/namespaces/{}/pods/{}:{}/proxy{path}",
            pod.namespace, pod.name, self.port.number
        );
        let (nodes, node) = (&self.session.nodes, pod.node.as_deref());
        if let Err(trouble) = nodes.check(node, nodes::Way::PodProxy) {
            return Ok(Err(trouble));
        }
        let result = self.session.cluster.get_proxied(&path, self.limit).await;
        nodes.note(node, nodes::Way::PodProxy, &result);
        Ok(result)
    }
}

fn success(answer: Answer) -> Result<Answer, Trouble> {
    if answer.status.is_success() {
        Ok(answer)
    } else {
        Err(Trouble::from_answer(answer.status, &answer.body))
    }
}

fn proxied(answer: Answer) -> (Answer, &'static str) {
    (answer, "pod-proxy")
}

/// Why neither way led to an answer.
fn both(first: &Trouble, second: &Trouble) -> Trouble {
    // Who says that the pod is gone, or that this user may not, knows more than who says nothing.
    let has_word = matches!(second.outcome, Outcome::Absent | Outcome::Refused);
    let outcome = match first.outcome {
        Outcome::TimedOut if has_word => second.outcome,
        outcome => outcome,
    };
    Trouble {
        outcome,
        status: first.status.or(second.status),
        reason: format!(
            "port-forward: {}; pod proxy: {}",
            first.reason, second.reason
        ),
    }
}

impl Port {
    fn scrape_item(&self, scrape: u32) -> Item {
        let (namespace, pod) = (self.pod.namespace.clone(), self.pod.name.clone());
        let object = format!("{namespace}/{pod}");
        match self.container.clone() {
            None => Item::new(
                EntryKind::ProxyMetrics {
                    namespace,
                    pod,
                    scrape,
                },
                format!("{object} #{scrape}"),
            ),
            Some(container) => Item {
                source: SourceKind::ControllerMetrics,
                object: format!("{object}/{container} #{scrape}"),
                entry: Some(EntryKind::ControllerMetrics {
                    namespace,
                    pod,
                    container,
                    scrape,
                }),
            },
        }
    }

    fn state_item(&self) -> Item {
        let (namespace, pod) = (self.pod.namespace.clone(), self.pod.name.clone());
        let object = format!("{namespace}/{pod}");
        Item::new(EntryKind::ProxyState { namespace, pod }, object)
    }
}
