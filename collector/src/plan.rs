//! What will be collected, from where, and within which limits. Every default is here or in
//! `args`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};

use crate::args::{Format, Protect};

/// What one run of the collector is to do.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Where the bundle goes; `None` names it after cluster and time.
    pub output: Option<PathBuf>,
    /// The bundle's form.
    pub format: Format,
    /// Whether only the plan is printed.
    pub dry_run: bool,
    /// Whether nothing but errors is printed.
    pub quiet: bool,
    /// What may leave.
    pub protect: Protect,
    /// How the cluster is reached.
    pub access: Access,
    /// What is captured.
    pub scope: Scope,
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
    /// How old log lines may be; `None` takes all.
    pub since: Option<Duration>,
    /// Whether ports of pods are opened.
    pub port_forward: bool,
    /// Time between the two scrapes of an admin port.
    pub scrape_gap: Duration,
}

/// How much, how fast, how long.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Items in the works at once.
    pub in_flight: usize,
    /// Items in the works at once that need the kubelet of one node.
    pub per_node: usize,
    /// How long an item may stay without an answer, and a stream without its next byte.
    pub item_timeout: Duration,
    /// When the bundle is finished with what is there; `None` means never.
    pub timeout: Option<Duration>,
    /// Objects asked for in one page of a list.
    pub page: u32,
    /// Bytes of one entry kept in memory; the rest goes, redacted, to a temporary file.
    pub spool_memory: usize,
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
            page: 250,
            spool_memory: 128 << 10,
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
        said("since", scope.since.map(seconds));
        said("timeout", self.limits.timeout.map(seconds));
        let off = !scope.port_forward;
        said("no-port-forward", off.then_some(Value::Bool(true)));
        let anonymize = self.protect.anonymize;
        said("anonymize", anonymize.then_some(Value::Bool(true)));
        said("context", self.access.context.as_ref().map(|c| json!(c)));
        said("as", self.access.as_user.as_ref().map(|u| json!(u)));
        let groups = &self.access.as_groups;
        said("as-group", (!groups.is_empty()).then(|| json!(groups)));
        let linkerd = &scope.linkerd_namespace;
        said("linkerd-namespace", linkerd.as_ref().map(|n| json!(n)));
        options
    }
}
