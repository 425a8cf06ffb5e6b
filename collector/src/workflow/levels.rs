//! Raises the log level of proxies, and puts back what it was.
//!
//! Only a port-forward can do that: a proxy takes a level from its own pod's loopback address
//! alone, and the API server's pod proxy comes from elsewhere.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use bundle::Outcome;
use bundle::layout::EntryKind;
use futures::StreamExt;
use jiff::Timestamp;
use serde_json::json;

use super::{Chosen, LogLevel, Tools, cannot_list, pods};
use crate::cluster::{AdminConnection, Answer, Cluster, Trouble};
use crate::mesh::{ContainerState, Pod};
use crate::progress::say;
use crate::redact::{Counts, redact_line};
use crate::session::{Captured, Item, Session};
use crate::spool::Content;

const PATH: &str = "/proxy-log-level";

/// Bytes of a level that is taken for one.
const LONGEST: usize = 4096;

/// How long to wait before a level is put back once more.
const AGAIN: [Duration; 4] = [
    Duration::ZERO,
    Duration::from_millis(500),
    Duration::from_secs(2),
    Duration::from_secs(5),
];

/// How long one answer may take when levels are put back.
const PATIENCE: Duration = Duration::from_secs(10);

/// The proxies whose level was changed. Everything that it takes to put the levels back is here,
/// outside of the capture, which may end at any moment.
#[derive(Default)]
pub struct Levels {
    raised: Mutex<Vec<Raised>>,
    refused: Mutex<Vec<(Proxy, Trouble)>>,
    cluster: OnceLock<Cluster>,
}

/// A proxy's admin port.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Proxy {
    namespace: String,
    pod: String,
    port: u16,
}

#[derive(Debug, Clone)]
struct Raised {
    proxy: Proxy,
    level: LogLevel,
    former: String,
    at: Timestamp,
}

/// How a level was put back, or not.
struct Restored {
    raised: Raised,
    result: Result<Timestamp, Trouble>,
}

impl Levels {
    /// Raises every chosen proxy that runs.
    ///
    /// # Errors
    /// When there is none, or none could be raised.
    pub(super) async fn raise(
        &self,
        level: &LogLevel,
        chosen: &Chosen,
        tools: Tools<'_>,
    ) -> anyhow::Result<()> {
        let pods = pods::list(tools.cluster, chosen).await;
        let pods = pods.map_err(|trouble| cannot_list(&trouble, "pods"))?;
        let proxies: Vec<_> = pods.iter().filter_map(Proxy::of).collect();
        if proxies.is_empty() {
            let among = pods.len();
            anyhow::bail!("none of the {among} chosen pods is meshed, so no log level was raised");
        }
        self.cluster
            .get_or_init(|| tools.cluster.unstoppable(PATIENCE));
        let (cluster, at_once) = (tools.cluster, tools.cluster.limits().in_flight);
        let raising = proxies.into_iter().map(|(proxy, state)| async move {
            let result = match state {
                ContainerState::Running => self.raise_one(cluster, &proxy, level).await,
                _ => Err(Trouble::absent("the proxy does not run")),
            };
            if let Err(trouble) = result {
                let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
                refused.push((proxy, trouble));
            }
        });
        futures::stream::iter(raising)
            .buffer_unordered(at_once)
            .collect::<()>()
            .await;
        self.report(level, tools)
    }

    fn report(&self, level: &LogLevel, tools: Tools<'_>) -> anyhow::Result<()> {
        let refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        for (proxy, trouble) in refused.iter() {
            let line = format!("not raised: `{}`: {}", proxy.name(), trouble.reason);
            tools.progress.say(&line);
        }
        let raised = self.raised();
        if raised.is_empty() && tools.stop.reason().is_none() {
            anyhow::bail!("no proxy's log level could be raised, so nothing was captured");
        }
        tools.progress.say(&format!(
            "{} proxies log at `{level}` now; their former levels are put back after the capture",
            raised.len()
        ));
        Ok(())
    }

    async fn raise_one(
        &self,
        cluster: &Cluster,
        proxy: &Proxy,
        level: &LogLevel,
    ) -> Result<(), Trouble> {
        let mut admin = proxy.connect(cluster);
        let answer = success(admin.get(PATH).await?)?;
        let former = String::from_utf8_lossy(&answer.body).trim().to_owned();
        let is_plausible = !former.is_empty() && former.len() <= LONGEST;
        if !is_plausible || former.contains(char::is_control) {
            return Err(Trouble::failed("the proxy does not tell its log level"));
        }
        // Noted before it is done: whatever happens from here on, the level is put back.
        self.raised().push(Raised {
            proxy: proxy.clone(),
            level: level.clone(),
            former,
            at: Timestamp::now(),
        });
        let answer = admin.put(PATH, level.as_str()).await?;
        success(answer).map(drop).inspect_err(|_| {
            // It said no, so nothing has changed.
            self.raised().retain(|r| r.proxy != *proxy);
        })
    }

    fn raised(&self) -> MutexGuard<'_, Vec<Raised>> {
        self.raised.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts all levels back and records that in the bundle.
    pub async fn restore_into(&self, session: &Session) {
        for restored in self.put_back().await {
            let (raised, result) = (restored.raised, restored.result);
            let item = raised.proxy.item();
            if session.kept.has(&item) && result.is_ok() {
                let line = format!("the earlier record of `{}` stays", item.object);
                session.journal.note("info", &line);
                continue;
            }
            let mut former = raised.former;
            let mut counts = Counts::default();
            redact_line(&mut former, &mut counts);
            session.count(&counts);
            let told = result.map(|at| {
                let told = json!({
                    "former": former,
                    "raised_to": raised.level.as_str(),
                    "raised_at": raised.at,
                    "restored_at": at,
                });
                let text = told.to_string() + "\n";
                Captured::whole(Content::from_bytes(text.into_bytes()))
            });
            session
                .deliver(item, crate::session::Begun::now(), told)
                .await;
        }
        let refused =
            std::mem::take(&mut *self.refused.lock().unwrap_or_else(PoisonError::into_inner));
        for (proxy, trouble) in refused {
            let trouble = trouble.context("the log level was not raised");
            session.leave_out(proxy.item(), trouble).await;
        }
    }

    /// Puts back whatever has not been put back yet.
    pub async fn restore(&self) {
        let left = self.raised().len();
        if left > 0 {
            say(&format!("putting {left} log levels back"));
        }
        self.put_back().await;
    }

    /// Puts all levels back, with more than one attempt, and says loudly where that failed.
    async fn put_back(&self) -> Vec<Restored> {
        let raised = self.raised().clone();
        let Some(cluster) = self.cluster.get().filter(|_| !raised.is_empty()) else {
            return Vec::new();
        };
        let work = raised.into_iter().map(|raised| async move {
            let result = put_back_one(cluster, &raised).await;
            // What was tried to the end is not tried again by whoever comes next.
            self.raised().retain(|r| r.proxy != raised.proxy);
            Restored { raised, result }
        });
        let at_once = cluster.limits().in_flight;
        let work = futures::stream::iter(work).buffer_unordered(at_once);
        let restored: Vec<Restored> = work.collect().await;
        warn(&restored);
        restored
    }
}

async fn put_back_one(cluster: &Cluster, raised: &Raised) -> Result<Timestamp, Trouble> {
    let mut last = Trouble::failed("it was not tried");
    for pause in AGAIN {
        tokio::time::sleep(pause).await;
        let mut admin = raised.proxy.connect(cluster);
        match admin.put(PATH, &raised.former).await.and_then(success) {
            Ok(_) => return Ok(Timestamp::now()),
            Err(trouble) if trouble.outcome == Outcome::Absent => {
                return Err(trouble.context("the pod is gone, and its log level with it"));
            }
            Err(trouble) => last = trouble,
        }
    }
    let before = format!(
        "the log level is still `{}`, it was `{}`, and could not be put back",
        raised.level, raised.former
    );
    Err(last.context(&before))
}

/// Says which levels could not be put back. Nobody may miss that, so not even `--quiet` hides it.
fn warn(restored: &[Restored]) {
    let left = restored.iter().filter_map(|r| match &r.result {
        Err(trouble) if trouble.outcome != Outcome::Absent => Some((&r.raised, trouble)),
        _ => None,
    });
    for (raised, trouble) in left {
        let (name, by_hand) = (raised.proxy.name(), raised.by_hand());
        let reason = &trouble.reason;
        say(&format!(
            "WARNING: `{name}`: {reason}\n  put it back by hand:\n    {by_hand}"
        ));
    }
}

impl Raised {
    /// What to type where this program could not.
    fn by_hand(&self) -> String {
        let Proxy {
            namespace,
            pod,
            port,
        } = &self.proxy;
        let former = self.former.replace('\'', r"'\''");
        format!(
            "kubectl -n {namespace} port-forward pod/{pod} {port} & sleep 2; \
             curl -X PUT --data '{former}' http://localhost:{port}{PATH}; kill %%"
        )
    }
}

impl Proxy {
    fn of(pod: &Arc<Pod>) -> Option<(Self, ContainerState)> {
        let proxy = pod.proxy.as_ref()?;
        let own = Self {
            namespace: pod.namespace.clone(),
            pod: pod.name.clone(),
            port: proxy.admin_port,
        };
        Some((own, proxy.state.clone()))
    }

    fn name(&self) -> String {
        format!("{}/{}", self.namespace, self.pod)
    }

    fn connect<'a>(&'a self, cluster: &'a Cluster) -> AdminConnection<'a> {
        let pod = (self.namespace.as_str(), self.pod.as_str());
        AdminConnection::new(cluster, pod, self.port, cluster.limits().item_timeout)
    }

    fn item(&self) -> Item {
        let entry = EntryKind::LogLevel {
            namespace: self.namespace.clone(),
            pod: self.pod.clone(),
        };
        Item::new(entry, format!("{} (log level)", self.name()))
    }
}

fn success(answer: Answer) -> Result<Answer, Trouble> {
    if answer.status.is_success() {
        Ok(answer)
    } else {
        Err(Trouble::from_answer(answer.status, &answer.body))
    }
}
