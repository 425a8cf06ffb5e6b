//! What the bundle does not hold, and which rules therefore could not be decided.

use std::collections::{BTreeMap, BTreeSet};

use bundle::layout::EntryKind;
use bundle::{EntryPath, LedgerRow, Manifest, Outcome, Problem, SourceKind};

use crate::report::CouldNotCheck;
use crate::rule::set::Rules;
use crate::rule::{Matcher, Rule};
use crate::scan::LogMatcher;

/// The command that gathers everything.
pub(super) const COLLECT: &str = "linkerd-collect -o bundle.tar.gz";

/// What was to be in the bundle and is not.
#[derive(Debug, Default)]
pub(crate) struct Coverage<'a> {
    /// Ledger rows that left something to be wished for.
    missing: Vec<&'a LedgerRow>,
    /// Paths to why they are not whole.
    cut: BTreeMap<String, String>,
    /// Sources with at least one entry.
    present: BTreeSet<SourceKind>,
    /// Containers with at least one log.
    containers: BTreeSet<String>,
    /// Whether some log tells no container.
    has_unknown_logs: bool,
    has_ledger: bool,
}

impl<'a> Coverage<'a> {
    /// Gathers it from the ledger, the entries and what could not be read.
    pub(crate) fn new<'e>(
        manifest: Option<&'a Manifest>,
        entries: impl Iterator<Item = &'e String>,
        problems: &[Problem],
    ) -> Self {
        let mut coverage = Self::default();
        let ledger = manifest.map(|m| m.ledger.as_slice()).unwrap_or_default();
        coverage.has_ledger = !ledger.is_empty();
        for row in ledger.iter().filter(|row| !row.outcome.is_covered()) {
            if let Some(path) = &row.path {
                coverage.cut.insert(path.to_string(), reason_of(row));
            }
            coverage.missing.push(row);
        }
        for problem in problems {
            if let Some(path) = &problem.path {
                coverage.cut.insert(path.clone(), problem.detail.clone());
            }
        }
        for entry in entries {
            coverage.note(entry);
        }
        coverage
    }

    fn note(&mut self, entry: &str) {
        let Ok(path) = EntryPath::parse(entry) else {
            return;
        };
        let kind = EntryKind::of(&path);
        self.present.extend(kind.source());
        match kind {
            EntryKind::PodLog { container, .. } => {
                self.containers.insert(container);
            }
            // Of which containers, only its content tells.
            EntryKind::PodLogs { .. } => self.has_unknown_logs = true,
            EntryKind::Other => {
                // A foreign file may hold anything: it counts as what its name says.
                let name = path.file_name().to_ascii_lowercase();
                match name.rsplit('.').next() {
                    _ if name.contains("event") => {
                        self.present.insert(SourceKind::Events);
                    }
                    Some("json" | "yaml" | "yml") => self.present.extend([
                        SourceKind::ClusterResources,
                        SourceKind::CustomResources,
                        SourceKind::Events,
                    ]),
                    Some("pem" | "crt") => {
                        self.present.insert(SourceKind::ProxyIdentity);
                    }
                    Some("prom" | "metrics") => {
                        self.present.insert(SourceKind::ProxyMetrics);
                    }
                    _ => {
                        self.present.insert(SourceKind::PodLogs);
                        self.has_unknown_logs = true;
                    }
                }
            }
            _ => {}
        }
    }

    /// Why an entry is not whole.
    pub(super) fn cut(&self, entry: &str) -> Option<&str> {
        self.cut.get(entry).map(String::as_str)
    }

    /// What of a rule's sources is missing.
    pub(super) fn gaps_of(&self, rule: &Rule, rules: &Rules) -> Vec<CouldNotCheck> {
        let all: Vec<usize> = (0..rule.matchers.len()).collect();
        self.gaps_of_matchers(rule, &all, rules)
    }

    /// Whether the bundle says how its capture went.
    pub(super) fn has_ledger(&self) -> bool {
        self.has_ledger
    }

    /// What of the sources of some matchers of a rule is missing: one row for each source.
    pub(super) fn gaps_of_matchers(
        &self,
        rule: &Rule,
        matchers: &[usize],
        rules: &Rules,
    ) -> Vec<CouldNotCheck> {
        let mut sources: BTreeMap<SourceKind, Option<BTreeSet<&str>>> = BTreeMap::new();
        for named in matchers.iter().filter_map(|n| rule.matchers.get(*n)) {
            for (source, containers) in needed(&named.matcher, rules) {
                let known = sources
                    .entry(source)
                    .or_insert_with(|| Some(BTreeSet::new()));
                match (known.as_mut(), containers) {
                    (Some(known), Some(containers)) => known.extend(containers),
                    _ => *known = None,
                }
            }
        }
        if let Some(needs) = &rule.needs {
            sources.retain(|source, _| needs.contains(source));
            for source in needs {
                sources.entry(*source).or_insert(None);
            }
        }
        let gaps = sources
            .iter()
            .filter_map(|(source, containers)| self.gap(*source, containers.as_ref()));
        gaps.map(|(reason, how_to_get_it)| CouldNotCheck {
            rule: rule.id.clone(),
            reason,
            how_to_get_it,
        })
        .collect()
    }

    /// Why a source is not covered, and how to get it.
    fn gap(
        &self,
        source: SourceKind,
        containers: Option<&BTreeSet<&str>>,
    ) -> Option<(String, String)> {
        if self.has_ledger {
            let rows: Vec<&&LedgerRow> = self
                .missing
                .iter()
                .filter(|row| row.source == source && concerns(row, containers))
                .collect();
            let first = rows.first()?;
            let others = match rows.len() {
                1 => String::new(),
                count => format!(" and {} more", count - 1),
            };
            let reason = format!(
                "{source} of `{}`{others}: {}",
                first.object,
                reason_of(first)
            );
            return Some((reason, command(source, &first.object)));
        }
        let is_there = match containers {
            Some(containers) if source == SourceKind::PodLogs && !containers.is_empty() => {
                self.has_unknown_logs || containers.iter().any(|c| self.containers.contains(*c))
            }
            _ => self.present.contains(&source),
        };
        if is_there {
            return None;
        }
        let wanted = containers.filter(|wanted| !wanted.is_empty());
        let of = match wanted.filter(|_| self.present.contains(&source)) {
            // In one line for all rules about several of them.
            Some(wanted) if OURS.iter().filter(|c| wanted.contains(*c)).count() > 1 => {
                " of the control plane and its extensions".to_owned()
            }
            Some(wanted) => {
                let names = wanted.iter().map(|c| format!("`{c}`"));
                format!(" of {}", names.collect::<Vec<_>>().join(", "))
            }
            None => String::new(),
        };
        Some((
            format!("the bundle holds no {source}{of}"),
            command(source, ""),
        ))
    }
}

fn reason_of(row: &LedgerRow) -> String {
    let outcome = match row.outcome {
        Outcome::Complete => "complete",
        Outcome::Truncated => "cut short",
        Outcome::Refused => "refused",
        Outcome::TimedOut => "timed out",
        Outcome::Failed => "failed",
        Outcome::Absent => "absent",
        Outcome::Skipped => "skipped",
    };
    match &row.reason {
        Some(reason) => format!("{outcome} ({})", crate::evidence::shorten(reason)),
        None => outcome.to_owned(),
    }
}

/// Whether a row about a log is about one of these containers.
fn concerns(row: &LedgerRow, containers: Option<&BTreeSet<&str>>) -> bool {
    match containers {
        Some(containers) if row.source == SourceKind::PodLogs && !containers.is_empty() => {
            let last = row.object.rsplit('/').next().unwrap_or_default();
            containers.contains(last.split(' ').next().unwrap_or(last))
        }
        _ => true,
    }
}

/// Containers of the control plane and its extensions.
const OURS: [&str; 8] = [
    "destination",
    "identity",
    "policy",
    "proxy-injector",
    "sp-validator",
    "service-mirror",
    "tap",
    "metrics-api",
];

type Needed<'r> = Vec<(SourceKind, Option<Vec<&'r str>>)>;

/// The sources that a matcher reads, and the containers if it names some.
fn needed<'r>(matcher: &'r Matcher, rules: &'r Rules) -> Needed<'r> {
    let logs = |number: usize| {
        let containers = rules
            .scanner
            .matchers()
            .get(number)
            .map(|m: &LogMatcher| &m.containers);
        let names = containers.map(|names| names.iter().map(String::as_str).collect::<Vec<_>>());
        vec![(SourceKind::PodLogs, names.filter(|names| !names.is_empty()))]
    };
    match matcher {
        Matcher::Log(number) | Matcher::NoLine { log: number } => logs(*number),
        Matcher::Table(table) => of_table(&table.table, table),
        Matcher::NoRow { source, .. } => vec![(*source, None)],
        Matcher::Finding(_) => Vec::new(),
    }
}

fn of_table<'r>(name: &str, table: &'r crate::rule::TableMatcher) -> Needed<'r> {
    let is_pinned = |pointer: &str, value: &str| {
        let mut tests = table.tests.iter().filter(|test| test.pointer == pointer);
        tests.any(|test| test.any_of.iter().any(|v| v == value))
    };
    let source = match name {
        "events" => SourceKind::Events,
        "metrics" | "processes" if is_pinned("/source", "control-plane") => {
            SourceKind::ControllerMetrics
        }
        "controller" | "issuers" => SourceKind::ControllerMetrics,
        "metrics" | "processes" | "edges" | "denials" | "policy_counters" | "detection"
        | "connections" | "tcp_errors" | "http_errors" | "control_clients" | "proxy_identity"
        | "balancers" => SourceKind::ProxyMetrics,
        "proxies" => SourceKind::ProxyState,
        "certificates" | "chains" if is_pinned("/role", "webhook") => SourceKind::ServerTls,
        "certificates" if is_pinned("/role", "leaf") || is_pinned("/role", "issuer") => {
            SourceKind::ProxyIdentity
        }
        "chains" => SourceKind::ProxyIdentity,
        "policy_servers"
        | "policy_authorizations"
        | "policy_ports"
        | "policy_problems"
        | "routes" => SourceKind::CustomResources,
        "iptables" | "iptables_probes" => {
            return vec![(SourceKind::PodLogs, Some(vec!["linkerd-init"]))];
        }
        "ledger" => return Vec::new(),
        _ => SourceKind::ClusterResources,
    };
    vec![(source, None)]
}

/// The command that fetches what is missing.
fn command(source: SourceKind, object: &str) -> String {
    let mut parts = object.split([' ', '/']);
    let (namespace, name, last) = (parts.next(), parts.next(), parts.next());
    match (source, namespace, name, last) {
        (SourceKind::PodLogs, Some(namespace), Some(pod), Some(container))
            if !container.is_empty() =>
        {
            format!("kubectl logs -n {namespace} {pod} -c {container} --timestamps")
        }
        (SourceKind::ProxyMetrics, Some(namespace), Some(pod), _) => {
            format!("linkerd diagnostics proxy-metrics -n {namespace} po/{pod}")
        }
        (SourceKind::ProxyIdentity, Some(namespace), Some(pod), _) => {
            format!("linkerd identity -n {namespace} {pod}")
        }
        (SourceKind::Events, Some(namespace), ..)
            if !namespace.is_empty() && namespace != "events" =>
        {
            format!("kubectl get events -n {namespace} -o json")
        }
        _ => COLLECT.to_owned(),
    }
}
