//! What the ports of recorded pods answer: metrics, readiness, log level.

use bundle::SourceKind;
use bundle::layout::EntryKind;
use serde_json::Value;

use crate::store::Store;

/// The proxy's admin port.
const PROXY_ADMIN: u16 = 4191;
const PROXY: &str = "linkerd-proxy";

/// An answer of a pod's port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    fn text(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self {
            status,
            body: body.into(),
        }
    }

    /// The answer as HTTP/1.1.
    pub(crate) fn to_http(&self) -> Vec<u8> {
        let reason = http::StatusCode::from_u16(self.status)
            .ok()
            .and_then(|s| s.canonical_reason());
        let head = format!(
            "HTTP/1.1 {} {}\r\ncontent-type: text/plain\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
            self.status,
            reason.unwrap_or("Unknown"),
            self.body.len()
        );
        [head.as_bytes(), &self.body].concat()
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

/// A port of a pod.
#[derive(Debug, Clone)]
pub(crate) struct Port<'a> {
    store: &'a Store,
    namespace: &'a str,
    pod: &'a str,
    listener: Listener,
}

impl<'a> Port<'a> {
    /// Finds who listens; an error says why nobody answers.
    pub(crate) fn find(
        store: &'a Store,
        namespace: &'a str,
        pod: &'a str,
        number: u16,
    ) -> Result<Self, String> {
        let object = store
            .pod(namespace, pod)
            .ok_or_else(|| format!("pods \"{pod}\" not found"))?;
        let listener = listener(object, number)
            .ok_or_else(|| format!("nothing of port {number} of pod {pod} is recorded"))?;
        Ok(Self {
            store,
            namespace,
            pod,
            listener,
        })
    }

    /// Answers a request; an error is a connection that was refused when the bundle was made.
    pub(crate) fn answer(&self, method: &str, path: &str) -> Result<Answer, String> {
        if method != "GET" {
            return Ok(Answer::text(405, "a replay is read-only\n"));
        }
        let path = path.split('?').next().unwrap_or_default();
        match (path, &self.listener) {
            ("/metrics", _) => self.metrics(),
            ("/ready", Listener::Proxy) => self.state("ready"),
            ("/live", Listener::Proxy) => self.state("live"),
            ("/proxy-log-level", Listener::Proxy) => self.state("log_level"),
            ("/ready" | "/ping" | "/live", Listener::Container(name)) => Ok(self.readiness(name)),
            _ => Ok(Answer::text(404, "404 page not found\n")),
        }
    }

    fn metrics(&self) -> Result<Answer, String> {
        let target = format!("{}/{}/{:?}", self.namespace, self.pod, self.listener);
        // Before the first scrape is taken, so that a refused one counts as well.
        let due = self.store.next_scrape(&target);
        let scrape = (1..=due)
            .rev()
            .find_map(|n| self.store.read(&self.entry(n)));
        if let Some(body) = scrape {
            return Ok(Answer::text(200, body));
        }
        let (source, object) = match &self.listener {
            Listener::Proxy => (
                SourceKind::ProxyMetrics,
                format!("{}/{}", self.namespace, self.pod),
            ),
            Listener::Container(name) => (
                SourceKind::ControllerMetrics,
                format!("{}/{}/{name}", self.namespace, self.pod),
            ),
        };
        let names = [format!("{object} #{due}"), format!("{object} #1"), object];
        let row = names
            .iter()
            .find_map(|name| self.store.refusal(source, name));
        match row.and_then(|r| r.status.filter(|s| *s >= 400).zip(r.reason.clone())) {
            Some((status, reason)) => Ok(Answer::text(status, reason)),
            None => Err(row
                .and_then(|r| r.reason.clone())
                .unwrap_or_else(|| "no scrape is recorded".to_owned())),
        }
    }

    fn entry(&self, scrape: u32) -> EntryKind {
        let (namespace, pod) = (self.namespace.to_owned(), self.pod.to_owned());
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
        let (namespace, pod) = (self.namespace.to_owned(), self.pod.to_owned());
        let recorded = self.store.read(&EntryKind::ProxyState { namespace, pod });
        let recorded: Option<Value> =
            recorded.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let told = recorded.as_ref().and_then(|r| r.get(field));
        let status = told.and_then(|t| t.get("status")).and_then(Value::as_u64);
        let body = told
            .and_then(|t| t.get("body"))
            .and_then(Value::as_str)
            .unwrap_or_default();
        match status.and_then(|s| u16::try_from(s).ok()) {
            Some(status) => Ok(Answer::text(status, body)),
            None => Err("nothing is recorded of the proxy's state".to_owned()),
        }
    }

    /// Whether the container was ready when the bundle was made.
    fn readiness(&self, container: &str) -> Answer {
        let pod = self.store.pod(self.namespace, self.pod);
        let statuses = pod.and_then(|p| p.pointer("/status/containerStatuses")?.as_array());
        let mut statuses = statuses.into_iter().flatten();
        let status = statuses.find(|s| s.get("name").and_then(Value::as_str) == Some(container));
        match status.and_then(|s| s.get("ready")).and_then(Value::as_bool) {
            Some(true) => Answer::text(200, "ok\n"),
            _ => Answer::text(503, "not ready\n"),
        }
    }
}

/// Who listens on a port, told by the pod's spec.
fn listener(pod: &Value, number: u16) -> Option<Listener> {
    let lists = ["/spec/initContainers", "/spec/containers"];
    let containers = lists
        .iter()
        .filter_map(|p| pod.pointer(p)?.as_array())
        .flatten();
    for container in containers {
        let name = container.get("name")?.as_str()?;
        let ports = container
            .get("ports")
            .and_then(Value::as_array)
            .into_iter()
            .flatten();
        let declares = ports
            .filter_map(|p| p.get("containerPort")?.as_u64())
            .any(|p| p == u64::from(number));
        match (name, declares) {
            (PROXY, _) if declares || number == PROXY_ADMIN => return Some(Listener::Proxy),
            (PROXY, _) => {}
            (name, true) => return Some(Listener::Container(name.to_owned())),
            _ => {}
        }
    }
    None
}
