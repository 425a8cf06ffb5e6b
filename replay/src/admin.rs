//! What the ports of recorded pods answer: metrics, readiness, log level.

use bundle::SourceKind;
use bundle::layout::EntryKind;
use serde_json::Value;

use crate::item::Item;
use crate::ledger::plain;
use crate::level;
use crate::store::Store;

/// The proxy's admin port.
const PROXY_ADMIN: u16 = 4191;
const PROXY: &str = "linkerd-proxy";
/// Scrapes looked for, however often a client has asked: bundles hold two.
const MAX_SCRAPES: u32 = 100;

/// An answer of a pod's port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn text(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self {
            status,
            body: body.into(),
        }
    }
}

/// Who listens on a port of a recorded pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Listener {
    /// The proxy's admin server.
    Proxy,
    /// The admin server of this container.
    Container(String),
}

/// What a client asks a port.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Question<'a> {
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    pub(crate) body: &'a [u8],
    /// Whether it comes from the pod's loopback, as what is forwarded does.
    pub(crate) is_local: bool,
}

/// A port of a pod. What can be asked of it was recorded; nothing else is answered.
#[derive(Debug, Clone)]
pub(crate) struct Port<'a> {
    store: &'a Store,
    pod: Item<'a>,
    /// Namespace and name of the recorded pod.
    recorded: (&'a str, &'a str),
    listener: Listener,
}

impl<'a> Port<'a> {
    /// Finds who listens; an error says why nobody answers.
    pub(crate) fn find(
        store: &'a Store,
        namespace: &str,
        name: &str,
        number: u16,
    ) -> Result<Self, String> {
        let pod = store.pod(namespace, name);
        let pod = pod.ok_or_else(|| format!("pods \"{name}\" not found"))?;
        let listener = listener(&pod.object(), number)
            .ok_or_else(|| format!("nothing of port {number} of pod {name} is recorded"))?;
        Ok(Self {
            store,
            recorded: pod.recorded_place(),
            pod,
            listener,
        })
    }

    /// Answers a request; an error is a connection that was refused when the bundle was made.
    pub(crate) fn answer(&self, question: Question<'_>) -> Result<Answer, String> {
        let path = question.path.split('?').next().unwrap_or_default();
        let is_level = path == "/proxy-log-level" && self.listener == Listener::Proxy;
        if is_level && !question.is_local {
            let text = "Requests are only permitted from localhost.\n";
            return Ok(Answer::text(403, text));
        }
        if is_level && question.method == "PUT" {
            return Ok(self.set_level(question.body));
        }
        if !matches!(question.method, "GET" | "HEAD") {
            return Ok(Answer::text(405, "a replay is read-only\n"));
        }
        match (path, &self.listener) {
            ("/metrics", _) => self.metrics(),
            ("/ready", Listener::Proxy) => self.state("ready"),
            ("/live", Listener::Proxy) => self.state("live"),
            ("/proxy-log-level", Listener::Proxy) => self.level(),
            ("/ready" | "/ping" | "/live", Listener::Container(name)) => Ok(self.readiness(name)),
            _ => Ok(Answer::text(404, "404 page not found\n")),
        }
    }

    /// The log level that the proxy was told, or else the recorded one.
    fn level(&self) -> Result<Answer, String> {
        match self.store.memory.level(&self.pod.path()) {
            Some(level) => Ok(Answer::text(200, level)),
            None => self.state("log_level"),
        }
    }

    /// Tells the proxy a log level, as long as the replay lasts.
    fn set_level(&self, sent: &[u8]) -> Answer {
        match level::parse(sent) {
            Ok(level) => {
                self.store.memory.set_level(&self.pod.path(), level);
                Answer::text(204, "")
            }
            Err(why) => Answer::text(400, why),
        }
    }

    /// A name in the ledger: of the recorded pod.
    fn object(&self) -> String {
        format!("{}/{}", self.recorded.0, self.recorded.1)
    }

    fn metrics(&self) -> Result<Answer, String> {
        let target = format!("{}/{:?}", self.pod.path(), self.listener);
        // Counted even if it is refused, so that the n-th request gets what the n-th got.
        let due = self.store.memory.next_scrape(&target);
        let (source, object) = match &self.listener {
            Listener::Proxy => (SourceKind::ProxyMetrics, self.object()),
            Listener::Container(name) => (
                SourceKind::ControllerMetrics,
                format!("{}/{name}", self.object()),
            ),
        };
        let ledger = &self.store.ledger;
        let own = ledger.missing(source, &format!("{object} #{due}"));
        let mut newest_first = (1..=due.min(MAX_SCRAPES)).rev();
        let scrape = newest_first.find_map(|n| self.store.read(&self.entry(n)));
        if let (Some(scrape), None) = (scrape, own) {
            return scrape.map(|body| Answer::text(200, self.pod.rewrite(&body)));
        }
        let names = [format!("{object} #1"), object];
        let other = || names.iter().find_map(|name| ledger.missing(source, name));
        let Some(row) = own.or_else(other) else {
            return Err("no scrape is recorded".to_owned());
        };
        let reason = plain(row.reason.as_deref().unwrap_or("no scrape is recorded"));
        match row.status.filter(|s| *s >= 400) {
            Some(status) => Ok(Answer::text(status, reason)),
            None => Err(reason.to_owned()),
        }
    }

    fn entry(&self, scrape: u32) -> EntryKind {
        let (namespace, pod) = self.recorded;
        let (namespace, pod) = (namespace.to_owned(), pod.to_owned());
        match &self.listener {
            Listener::Proxy => EntryKind::ProxyMetrics {
                namespace,
                pod,
                scrape,
            },
            Listener::Container(name) => EntryKind::ControllerMetrics {
                namespace,
                pod,
                container: name.clone(),
                scrape,
            },
        }
    }

    /// What the proxy's admin port told when the bundle was made.
    fn state(&self, field: &str) -> Result<Answer, String> {
        let (namespace, pod) = self.recorded;
        let (namespace, pod) = (namespace.to_owned(), pod.to_owned());
        let recorded = self.store.read(&EntryKind::ProxyState { namespace, pod });
        let recorded = recorded.transpose()?;
        let recorded: Option<Value> =
            recorded.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let told = recorded.as_ref().and_then(|r| r.get(field));
        let status = told.and_then(|t| t.get("status")).and_then(Value::as_u64);
        let body = told
            .and_then(|t| t.get("body"))
            .and_then(Value::as_str)
            .unwrap_or_default();
        if let Some(status) = status.and_then(|s| u16::try_from(s).ok()) {
            return Ok(Answer::text(status, body));
        }
        let ledger = &self.store.ledger;
        let row = ledger.missing(SourceKind::ProxyState, &self.object());
        let reason = row.and_then(|r| r.reason.as_deref());
        let unknown = "nothing is recorded of the proxy's state";
        Err(plain(reason.unwrap_or(unknown)).to_owned())
    }

    /// Whether the container was ready when the bundle was made.
    fn readiness(&self, container: &str) -> Answer {
        let pod = self.pod.object();
        let statuses = pod.pointer("/status/containerStatuses");
        let statuses = statuses.and_then(Value::as_array);
        let mut statuses = statuses.into_iter().flatten();
        let status = statuses.find(|s| s.get("name").and_then(Value::as_str) == Some(container));
        match status.and_then(|s| s.get("ready")).and_then(Value::as_bool) {
            Some(true) => Answer::text(200, "ok\n"),
            _ => Answer::text(503, "not ready\n"),
        }
    }
}

/// Who listens on a port, told by the pod's spec. Only admin ports are recorded.
fn listener(pod: &Value, number: u16) -> Option<Listener> {
    let lists = ["/spec/initContainers", "/spec/containers"];
    let containers = lists.iter().filter_map(|p| pod.pointer(p)?.as_array());
    for container in containers.flatten() {
        let text = |value: &Value, field: &str| -> String {
            let text = value.get(field).and_then(Value::as_str);
            text.unwrap_or_default().to_owned()
        };
        let name = text(container, "name");
        let ports = container.get("ports").and_then(Value::as_array);
        let admin: Vec<u64> = ports
            .into_iter()
            .flatten()
            .filter(|port| text(port, "name").contains("admin"))
            .filter_map(|port| port.get("containerPort")?.as_u64())
            .collect();
        if name == PROXY && admin.is_empty() && number == PROXY_ADMIN {
            return Some(Listener::Proxy);
        }
        if admin.contains(&u64::from(number)) {
            return Some(match name.as_str() {
                PROXY => Listener::Proxy,
                _ => Listener::Container(name),
            });
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_listener_is_told_by_the_pods_spec() {
        let pod = json!({"spec": {
            "initContainers": [{"name": "linkerd-proxy", "ports": [
                {"name": "linkerd-proxy", "containerPort": 4143},
                {"name": "linkerd-admin", "containerPort": 5191},
            ]}],
            "containers": [
                {"ports": "nonsense"},
                {"name": "destination", "ports": [
                    {"name": "grpc", "containerPort": 8086},
                    {"name": "dest-admin", "containerPort": 9996},
                ]},
            ],
        }});
        assert_eq!(listener(&pod, 5191), Some(Listener::Proxy));
        let destination = Listener::Container("destination".to_owned());
        assert_eq!(listener(&pod, 9996), Some(destination));
        for other in [4143, 4191, 8086, 0] {
            assert_eq!(listener(&pod, other), None, "{other}");
        }
        let bare = json!({"spec": {"containers": [{"name": "linkerd-proxy"}]}});
        assert_eq!(listener(&bare, 4191), Some(Listener::Proxy));
    }
}
