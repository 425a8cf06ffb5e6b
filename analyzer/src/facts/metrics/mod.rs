//! Facts from scrapes of `/metrics`: counters and what changed between the two scrapes.
//!
//! A counter's lifetime value tells what happened at some time since the process started; the
//! difference of two scrapes tells what happens now. Tables carry both: `total` or a plain name
//! for the lifetime, `delta` or a name that ends in `_delta` for the difference, which is only
//! there if two scrapes of the same process can be compared.
//!
//! Tables: `metrics`, `edges`, `denials`, `policy_counters`, `detection`, `connections`,
//! `tcp_errors`, `http_errors`, `control_clients`, `proxy_identity`, `processes`, `balancers`,
//! `controller`. Their fields are in `docs/facts-signals.md`.

mod balancers;
mod clients;
mod common;
mod connections;
mod controller;
mod denials;
mod detection;
mod edge;
mod edges;
mod errors;
mod exposition;
mod families;
mod identity;
mod index;
mod numbers;
mod process;
mod quantiles;
mod raw;
mod series;
mod store;

use std::sync::Arc;

use bundle::EntryInfo;
use bundle::layout::EntryKind;
use jiff::Timestamp;
use rayon::prelude::*;

use super::kube::PROXY;
use super::policy::Verdicts;
use super::services::{Clients, note_client};
use super::{Demand, Fact, Gap, Piece, Sources, Table};
use crate::evidence::{Evidence, Subject};
use clients::Totals;
use common::Scope;
use index::Index;
use series::SeriesSet;
use store::{Builder, Store};

/// Whose metrics they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Origin {
    /// A proxy's admin port.
    Proxy,
    /// A control-plane container's admin port.
    Controller,
}

impl Origin {
    fn name(self) -> &'static str {
        match self {
            Self::Proxy => "proxy",
            Self::Controller => "control-plane",
        }
    }
}

/// One scrape.
#[derive(Debug)]
pub struct Scrape {
    origin: Origin,
    namespace: String,
    pod: String,
    container: String,
    number: u32,
    entry: String,
    store: Store,
}

impl Scrape {
    /// What scrapes are ordered by: those of one container follow each other.
    pub(super) fn key(&self) -> (Origin, &str, &str, &str, u32, &str) {
        (
            self.origin,
            &self.namespace,
            &self.pod,
            &self.container,
            self.number,
            &self.entry,
        )
    }

    /// When it was made, by the process' own clock.
    pub(crate) fn told_at(&self) -> Option<Timestamp> {
        let value = |family: &str| {
            let mut samples = self.store.samples();
            samples.find_map(|(name, _, value, _)| (name == family).then_some(value))
        };
        let since_start =
            || Some(value("process_start_time_seconds")? + value("process_uptime_seconds_total")?);
        let seconds = value("process_clock_time_seconds").or_else(since_start)?;
        let since_1970 = jiff::SignedDuration::try_from_secs_f64(seconds).ok()?;
        Timestamp::from_duration(since_1970).ok()
    }

    /// Whether another scrape is of the same container.
    fn is_of_same(&self, other: &Self) -> bool {
        let (a, b) = (self.key(), other.key());
        (a.0, a.1, a.2, a.3) == (b.0, b.1, b.2, b.3)
    }
}

/// Whether text begins as a scrape does, or as `linkerd diagnostics` prints those of pods, perhaps behind
/// the command itself; or whether it is samples alone, as `grep` leaves them.
pub(super) fn is_exposition(start: &[u8]) -> bool {
    /// Lines of a prompt or of headers before it.
    const BEFORE: usize = 20;
    let heads: [&[u8]; 3] = [b"# HELP ", b"# TYPE ", b"# POD "];
    let is_head = |line: &[u8]| heads.iter().any(|head| line.starts_with(head));
    let mut lines = start.split(|b| *b == b'\n').map(<[u8]>::trim_ascii);
    let is_sample = lines.clone().next().is_some_and(is_sample);
    is_sample || lines.by_ref().take(BEFORE).any(is_head)
}

/// Whether a line is a sample with labels: `name{label="value"} 1.5`.
fn is_sample(line: &[u8]) -> bool {
    let line = String::from_utf8_lossy(line);
    let Some((name, rest)) = line.split_once('{') else {
        return false;
    };
    let is_name = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b':';
    let value = rest.rsplit_once("} ").map(|(_, value)| value);
    let is_value = value.is_some_and(|value| value.parse::<f64>().is_ok());
    !name.is_empty() && name.bytes().all(is_name) && rest.contains("=\"") && is_value
}

/// Parses one scrape, or the output of `linkerd diagnostics proxy-metrics` for several pods.
pub(super) fn parse(entry: &Arc<EntryInfo>, bytes: &[u8], demand: &Demand) -> Vec<Piece> {
    let whole = scrape_of(entry);
    if entry.kind != EntryKind::Other {
        return parse_part(whole, bytes, demand, 0);
    }
    let mut pieces = Vec::new();
    for (pod, start, end) in parts(bytes) {
        let part = bytes.get(start..end).unwrap_or_default();
        let before = bytes.get(..start).unwrap_or_default();
        let lines = memchr::memchr_iter(b'\n', before).count() as u64;
        let scrape = Scrape {
            pod: pod.unwrap_or_else(|| whole.pod.clone()),
            ..scrape_of(entry)
        };
        pieces.extend(parse_part(scrape, part, demand, lines));
    }
    pieces
}

/// The parts of a text that start with `# POD <name> (i of n)`, as `linkerd diagnostics` prints
/// them, with the pod's name; the whole text if there is no such line.
fn parts(bytes: &[u8]) -> Vec<(Option<String>, usize, usize)> {
    const MARK: &[u8] = b"# POD ";
    let starts: Vec<usize> = memchr::memmem::find_iter(bytes, MARK)
        .filter(|at| *at == 0 || bytes.get(at - 1) == Some(&b'\n'))
        .collect();
    if starts.is_empty() {
        return vec![(None, 0, bytes.len())];
    }
    let ends = starts.iter().skip(1).copied().chain([bytes.len()]);
    let part = |(start, end): (&usize, usize)| {
        let rest = bytes.get(start + MARK.len()..end).unwrap_or_default();
        let name = rest
            .split(u8::is_ascii_whitespace)
            .next()
            .unwrap_or_default();
        (
            Some(String::from_utf8_lossy(name).into_owned()),
            *start,
            end,
        )
    };
    starts.iter().zip(ends).map(part).collect()
}

fn parse_part(mut scrape: Scrape, bytes: &[u8], demand: &Demand, lines_before: u64) -> Vec<Piece> {
    let mut builder = Builder::default();
    let faults = exposition::read(
        bytes,
        |family| Builder::wants(family, demand),
        |line| builder.take(line, demand, lines_before),
    );
    scrape.store = builder.finish();
    let gap = |detail| {
        Piece::Gap(Gap {
            entry: scrape.entry.clone(),
            detail,
        })
    };
    let mut pieces: Vec<Piece> = faults.in_words().into_iter().map(gap).collect();
    pieces.push(Piece::Scrape(Box::new(scrape)));
    pieces
}

/// An empty scrape that knows whose it is.
fn scrape_of(entry: &EntryInfo) -> Scrape {
    let (origin, namespace, pod, container, number) = match &entry.kind {
        EntryKind::ProxyMetrics {
            namespace,
            pod,
            scrape,
        } => (
            Origin::Proxy,
            namespace.as_str(),
            pod.as_str(),
            PROXY,
            *scrape,
        ),
        EntryKind::ControllerMetrics {
            namespace,
            pod,
            container,
            scrape,
        } => (
            Origin::Controller,
            namespace.as_str(),
            pod.as_str(),
            container.as_str(),
            *scrape,
        ),
        _ => {
            let name = entry.path.file_name();
            let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
            (Origin::Proxy, "", stem, PROXY, 1)
        }
    };
    Scrape {
        origin,
        namespace: namespace.to_owned(),
        pod: pod.to_owned(),
        container: container.to_owned(),
        number,
        entry: entry.path.to_string(),
        store: Store::default(),
    }
}

/// The tables, in the order in which [`rows`] fills them.
const TABLES: [&str; 13] = [
    "metrics",
    "edges",
    "denials",
    "policy_counters",
    "detection",
    "connections",
    "tcp_errors",
    "http_errors",
    "control_clients",
    "proxy_identity",
    "processes",
    "balancers",
    "controller",
];

/// Derives all tables from all scrapes, container by container on all cores, and whom they show
/// to call which Service.
pub(super) fn derive(sources: &Sources<'_>, verdicts: &Verdicts<'_>) -> (Vec<Table>, Clients) {
    let index = Index::new(sources);
    let groups: Vec<&[Scrape]> = sources.scrapes.chunk_by(Scrape::is_of_same).collect();
    let parts = groups.par_chunks(CHUNK).map(|groups| {
        let mut part = Part::default();
        for scrapes in groups {
            if let Some(set) = SeriesSet::of(&index, scrapes) {
                part.add(rows(&Scope::new(sources, &index, verdicts, &set)));
            }
        }
        for (name, rows) in TABLES.iter().zip(&mut part.rows) {
            // Its rows are judged when all are counted.
            if *name == clients::TABLE {
                part.totals.count(rows);
            } else {
                sources.judge(name, rows);
            }
        }
        part
    });
    let mut tables: Vec<Table> = TABLES.iter().map(|name| (*name, Vec::new())).collect();
    let mut clients = Clients::new();
    let mut totals = Totals::default();
    for part in parts.collect::<Vec<_>>() {
        for ((_, all), rows) in tables.iter_mut().zip(part.rows) {
            all.extend(rows);
        }
        for (service, found) in part.clients {
            clients.entry(service).or_default().extend(found);
        }
        totals.add(part.totals);
    }
    totals.tell(&mut tables);
    (tables, clients)
}

/// Containers whose rows are held at once by each thread.
const CHUNK: usize = 16;

/// What some containers give.
#[derive(Default)]
struct Part {
    rows: [Vec<Fact>; TABLES.len()],
    clients: Clients,
    totals: Totals,
}

impl Part {
    fn add(&mut self, rows: [Vec<Fact>; TABLES.len()]) {
        for (all, rows) in self.rows.iter_mut().zip(rows) {
            for fact in &rows {
                note_client(&mut self.clients, fact);
            }
            all.extend(rows);
        }
    }
}

/// The rows of one container, table by table.
fn rows(scope: &Scope<'_>) -> [Vec<Fact>; TABLES.len()] {
    let mut rows = <[Vec<Fact>; TABLES.len()]>::default();
    let [
        metrics,
        edges,
        denials,
        policy_counters,
        detection,
        connections,
        tcp_errors,
        http_errors,
        control_clients,
        proxy_identity,
        processes,
        balancers,
        controller,
    ] = &mut rows;
    *metrics = raw::rows(scope);
    *processes = vec![process::row(scope)];
    match scope.set.origin {
        Origin::Proxy => {
            *edges = edges::rows(scope);
            *denials = denials::denied(scope);
            *policy_counters = denials::others(scope);
            *detection = detection::rows(scope);
            *connections = connections::rows(scope);
            *tcp_errors = errors::tcp(scope);
            *http_errors = errors::http(scope);
            *control_clients = clients::rows(scope);
            *proxy_identity = identity::rows(scope);
            *balancers = balancers::rows(scope);
        }
        Origin::Controller => *controller = controller::rows(scope),
    }
    rows
}

/// Seconds that identity says its issuer is still valid, with where it says so. Of several
/// replicas the one whose issuer ends first.
pub(super) fn issuer_ttl(sources: &Sources<'_>) -> Option<(f64, Subject, Evidence)> {
    let index = Index::new(sources);
    let groups = sources.scrapes.chunk_by(Scrape::is_of_same);
    let sets = groups.filter_map(|scrapes| SeriesSet::of(&index, scrapes));
    let ttls = sets.filter_map(|set| {
        // Zero means that no issuer is loaded yet.
        let series = set.family("issuer_cert_ttl_seconds").first()?;
        let text = format!("issuer_cert_ttl_seconds {}", series.value);
        let is_told = series.value.is_finite() && series.value != 0.0;
        is_told.then(|| {
            (
                series.value,
                set.subject(),
                set.evidence(series.line, &text),
            )
        })
    });
    ttls.min_by(|a, b| a.0.total_cmp(&b.0))
}
