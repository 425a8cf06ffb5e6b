//! What will be collected, from where, and within which limits. Every default is here or in
//! `args`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::args::{Format, Protect};
use crate::workflow::Workflow;

/// What one run of the collector is to do.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Where the bundle goes; `None` names it after cluster and time.
    pub output: Option<PathBuf>,
    /// The bundle's form.
    pub format: Format,
    /// The bundle that is topped up, if it is not a new one.
    pub resume: Option<PathBuf>,
    /// The file with the secret key of that bundle, if it is encrypted.
    pub identity: Option<PathBuf>,
    /// Whether only the plan is printed.
    pub dry_run: bool,
    /// Whether nothing but errors is printed.
    pub quiet: bool,
    /// Whether the collector's own log is printed.
    pub verbose: bool,
    /// What may leave.
    pub protect: Protect,
    /// How the cluster is reached.
    pub access: Access,
    /// What is captured.
    pub scope: Scope,
    /// What is done before and after.
    pub workflow: Workflow,
    /// How much, how fast, how long.
    pub limits: Limits,
}

/// How the cluster is reached.
#[derive(Debug, Clone, Default)]
pub struct Access {
    /// The kubeconfig file, if not the usual one.
    pub kubeconfig: Option<PathBuf>,
    /// The kubeconfig's context, if not the current one.
    pub context: Option<String>,
    /// The API server's address, if not the kubeconfig's.
    pub api_addr: Option<String>,
    /// The user to act as.
    pub as_user: Option<String>,
    /// The groups to act as.
    pub as_groups: Vec<String>,
}

/// What is captured.
#[derive(Debug, Clone, Default)]
pub struct Scope {
    /// Namespaces of workloads; empty means all.
    pub namespaces: BTreeSet<String>,
    /// The control plane's namespace; `None` finds it by labels.
    pub linkerd_namespace: Option<String>,
    /// The namespace of Linkerd's CNI plugin; `None` finds it by labels.
    pub cni_namespace: Option<String>,
    /// From when on log lines and events are taken; `None` takes all.
    pub since: Option<Moment>,
    /// Up to when; `None` takes all.
    pub until: Option<Moment>,
    /// Whether ports of pods are opened.
    pub port_forward: bool,
    /// Time between two scrapes of an admin port.
    pub scrape_gap: Duration,
    /// How long logs are followed and metrics are scraped; `None` takes what is there.
    pub follow: Option<Duration>,
}

impl Scope {
    /// How often each admin port is scraped: twice, or as often as the window allows.
    pub fn scrapes(&self) -> u32 {
        // More than a thousand would be a load, not a look.
        const MOST: u128 = 1000;
        let gaps = self.follow.map_or(1, |window| {
            window.as_millis() / self.scrape_gap.as_millis().max(1000)
        });
        u32::try_from(gaps.clamp(1, MOST - 1) + 1).unwrap_or(2)
    }

    /// The time that is asked for, seen from `now`.
    pub fn window(&self, now: Timestamp) -> Window {
        let at = |moment: Option<Moment>| moment.and_then(|m| m.before(now));
        Window {
            since: at(self.since),
            until: at(self.until),
        }
    }
}

/// A point in time as it is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// So long before the capture, by the API server's clock.
    Ago(Duration),
    /// This one.
    At(Timestamp),
}

impl Moment {
    fn before(self, now: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Ago(ago) => now.checked_sub(ago).ok(),
            Self::At(at) => Some(at),
        }
    }

    /// As the manifest keeps it: seconds before the capture, or a time.
    fn to_json(self) -> Value {
        match self {
            Self::Ago(ago) => json!(ago.as_secs_f64()),
            Self::At(at) => json!(at.to_string()),
        }
    }

    /// Reads what [`Moment::to_json`] wrote.
    fn from_json(value: &Value) -> Option<Self> {
        match value {
            Value::Number(seconds) => {
                let ago = Duration::try_from_secs_f64(seconds.as_f64()?);
                Some(Self::Ago(ago.ok()?))
            }
            Value::String(at) => Some(Self::At(at.parse().ok()?)),
            _ => None,
        }
    }
}

/// The time that log lines and events are taken from; both ends are in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Window {
    /// The first moment.
    pub since: Option<Timestamp>,
    /// The last moment.
    pub until: Option<Timestamp>,
}

impl Window {
    /// Whether any moment from `first` to `last` is in it.
    pub fn overlaps(&self, first: Timestamp, last: Timestamp) -> bool {
        self.since.is_none_or(|since| last >= since)
            && self.until.is_none_or(|until| first <= until)
    }

    /// Whether no moment is in it.
    pub fn is_empty(&self) -> bool {
        let ends = self.since.zip(self.until);
        ends.is_some_and(|(since, until)| since > until)
    }
}

/// How much, how fast, how long.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Requests at work at once.
    pub in_flight: usize,
    /// Requests at once that need one node, and lists at once.
    pub per_node: usize,
    /// How long an item may stay without an answer, and a stream without its next byte.
    pub item_timeout: Duration,
    /// When the bundle is finished with what is there; `None` means never.
    pub timeout: Option<Duration>,
    /// Objects asked for in one page of a list.
    pub page: u32,
    /// Bytes of one entry kept in memory; the rest goes, redacted, to a temporary file.
    pub spool_memory: usize,
    /// Bytes that the finished bundle may have; `None` means no limit.
    pub max_size: Option<u64>,
    /// Bytes that one log may have in the bundle.
    pub log_bytes: u64,
    /// Bytes that a scrape or another answer read as a whole may have.
    pub answer_bytes: usize,
    /// Attempts at a request that the API server puts off (429, 503).
    pub attempts: u32,
    /// Items of one node in a row that may time out before the node's kubelet is no longer asked.
    pub silent_after: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            in_flight: 16,
            per_node: 4,
            item_timeout: Duration::from_secs(30),
            timeout: None,
            page: 100,
            spool_memory: 128 << 10,
            max_size: None,
            log_bytes: 1 << 30,
            answer_bytes: 64 << 20,
            attempts: 5,
            silent_after: 3,
        }
    }
}

impl Plan {
    /// The options as the manifest keeps them: long flag names, and only what was said or
    /// matters for reading the bundle.
    pub fn options(&self) -> BTreeMap<String, Value> {
        let seconds = |d: Duration| json!(d.as_secs_f64());
        let mut options = BTreeMap::from([
            ("format".to_owned(), json!(self.format.extension())),
            ("scrape-gap".to_owned(), seconds(self.scope.scrape_gap)),
            ("item-timeout".to_owned(), seconds(self.limits.item_timeout)),
            ("concurrency".to_owned(), json!(self.limits.in_flight)),
        ]);
        let mut said = |name: &str, value: Option<Value>| {
            options.extend(value.map(|v| (name.to_owned(), v)));
        };
        let scope = &self.scope;
        let names = &scope.namespaces;
        said("namespace", (!names.is_empty()).then(|| json!(names)));
        said("since", scope.since.map(Moment::to_json));
        said("until", scope.until.map(Moment::to_json));
        said("max-size", self.limits.max_size.map(|m| json!(m)));
        said("resume", self.resume.is_some().then_some(Value::Bool(true)));
        said("timeout", self.limits.timeout.map(seconds));
        let off = !scope.port_forward;
        said("follow", scope.follow.map(seconds));
        said("no-port-forward", off.then_some(Value::Bool(true)));
        let anonymize = self.protect.anonymize;
        said("anonymize", anonymize.then_some(Value::Bool(true)));
        said("context", self.access.context.as_ref().map(|c| json!(c)));
        said("as", self.access.as_user.as_ref().map(|u| json!(u)));
        let groups = &self.access.as_groups;
        said("as-group", (!groups.is_empty()).then(|| json!(groups)));
        let linkerd = &scope.linkerd_namespace;
        said("linkerd-namespace", linkerd.as_ref().map(|n| json!(n)));
        let cni = &scope.cni_namespace;
        said("cni-namespace", cni.as_ref().map(|n| json!(n)));
        options.extend(self.workflow.options());
        options
    }

    /// Takes over from the options of the bundle that is topped up what was not said anew: a
    /// bundle is topped up to what it was meant to be.
    pub fn take_over(&mut self, options: &BTreeMap<String, Value>) {
        let scope = &mut self.scope;
        let moment = |name: &str| options.get(name).and_then(Moment::from_json);
        scope.since = scope.since.or_else(|| moment("since"));
        scope.until = scope.until.or_else(|| moment("until"));
        if scope.namespaces.is_empty() {
            let names = options.get("namespace").and_then(Value::as_array);
            let names = names.into_iter().flatten().filter_map(Value::as_str);
            scope.namespaces = names.map(str::to_owned).collect();
        }
        let name = |option: &str| Some(options.get(option)?.as_str()?.to_owned());
        let linkerd = scope.linkerd_namespace.take();
        scope.linkerd_namespace = linkerd.or_else(|| name("linkerd-namespace"));
        let cni = scope.cni_namespace.take();
        scope.cni_namespace = cni.or_else(|| name("cni-namespace"));
        let seconds = |name: &str| Duration::try_from_secs_f64(options.get(name)?.as_f64()?).ok();
        scope.follow = scope.follow.or_else(|| seconds("follow"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_holds_both_of_its_ends() {
        let now: Timestamp = "2026-11-23T10:00:00Z".parse().unwrap();
        let scope = Scope {
            since: Some(Moment::Ago(Duration::from_hours(2))),
            until: Some(Moment::At("2026-11-23T09:00:00Z".parse().unwrap())),
            ..Scope::default()
        };
        let window = scope.window(now);
        let has = |time: &str| {
            let moment = time.parse().unwrap();
            window.overlaps(moment, moment)
        };
        assert!(has("2026-11-23T08:00:00Z") && has("2026-11-23T09:00:00Z"));
        assert!(!has("2026-11-23T07:59:59Z") && !has("2026-11-23T09:00:00.1Z"));
        for moment in [scope.since, scope.until].into_iter().flatten() {
            assert_eq!(Moment::from_json(&moment.to_json()), Some(moment));
        }
    }

    #[test]
    fn there_are_two_scrapes_or_one_for_each_gap_of_a_window() {
        let scrapes = |follow: Option<u64>, gap_s: u64| {
            let scope = Scope {
                follow: follow.map(Duration::from_secs),
                scrape_gap: Duration::from_secs(gap_s),
                ..Scope::default()
            };
            scope.scrapes()
        };
        assert_eq!(scrapes(None, 10), 2);
        assert_eq!(scrapes(Some(60), 10), 7);
        assert_eq!(scrapes(Some(5), 10), 2);
        assert_eq!(scrapes(Some(3), 0), 4);
        assert_eq!(scrapes(Some(1_000_000), 1), 1000);
    }
}
