//! Facts: what is derived once from all entries, before any rule asks.
//!
//! A fact is a row of a named table (`pods`, `services`, `certificates`, …). Rules read rows
//! through CEL, where `row` is the row's fields. Each row knows what it is about and where it
//! was read. `docs/facts.md` lists the tables and fields of the mesh model,
//! `docs/facts-signals.md` those of metrics, certificates and iptables.
//!
//! Two steps, so that the first runs on every core while the bundle is read:
//! [`parse`] turns one entry into [`Piece`]s; [`derive()`] joins all pieces into tables.
//!
//! Fields that are not known are left out of a row, so that rules can ask with `has`. Times are
//! RFC 3339 text, durations are seconds as numbers, sizes are bytes, CPU is millicores.

mod certificates;
mod checks;
mod cluster;
mod components;
mod containers;
pub(crate) mod control_plane;
mod description;
mod endpoints;
mod event_table;
mod events;
pub(crate) mod fields;
mod inject;
mod injector;
mod iptables;
mod jobs;
mod json;
mod kube;
mod listen;
mod mend;
mod mesh;
mod metrics;
mod namespaces;
mod object;
#[cfg(test)]
mod odd;
mod opaque;
pub(crate) mod owner;
mod places;
mod pod_table;
mod pods;
mod policy;
mod printed;
mod proxies;
mod proxy_state;
mod quantity;
mod reader;
#[cfg(test)]
mod recorded;
mod routes;
mod row;
mod service_ports;
mod services;
mod shared;
mod sources;
mod table;
#[cfg(test)]
mod testing;
mod unread;
mod versions;
mod webhooks;
mod workloads;
mod yaml;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bundle::layout::EntryKind;
use bundle::{EntryInfo, Manifest};
use jiff::Timestamp;
use rayon::prelude::*;
use serde_json::Value;

use crate::evidence::{Evidence, Subject};
pub(crate) use json::Json;
pub use object::{Name, Object};
pub use owner::guess as guess_workload;
pub use places::{Place, Places};
pub(crate) use sources::Sources;

/// One row of a fact table.
#[derive(Debug, Clone, PartialEq)]
pub struct Fact {
    /// What the row is about. Never empty.
    pub subjects: Vec<Subject>,
    /// Where it was read. Never empty.
    pub evidence: Vec<Evidence>,
    /// The fields, an object; null once the row is judged.
    pub fields: Value,
    /// What is left of a row that was judged.
    pub(crate) kept: Option<Box<Kept>>,
}

/// What is left of a row that was judged.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Kept {
    /// The numbers of the matchers that take it.
    pub(crate) taken_by: Box<[u32]>,
    /// The fields that they show.
    pub(crate) fields: Json,
}

impl Fact {
    /// Leaves of a row that was judged what its matchers show.
    pub(crate) fn reduce(&mut self, taken_by: Vec<u32>, shown: &BTreeSet<&str>) {
        let mut fields = std::mem::take(&mut self.fields);
        if let Value::Object(fields) = &mut fields {
            fields.retain(|name, _| shown.contains(name.as_str()));
        }
        self.kept = Some(Box::new(Kept {
            taken_by: taken_by.into(),
            fields: fields.into(),
        }));
    }

    /// The field at a JSON pointer, if there is one and it is still known.
    pub(crate) fn field(&self, pointer: &str) -> Option<Value> {
        match &self.kept {
            Some(kept) => kept.fields.pointer(pointer).map(Json::to_value),
            None => self.fields.pointer(pointer).cloned(),
        }
    }
}

/// A table's name and its rows.
pub(crate) type Table = (&'static str, Vec<Fact>);

/// The rows of all tables, by name.
pub type Tables = BTreeMap<&'static str, Vec<Fact>>;

/// All fact tables, by name. Rows are in a stable order.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Facts {
    /// The tables.
    pub tables: Tables,
    /// Where pods belong.
    pub places: Places,
    /// What could not be derived: an object of the wrong shape, a metric line that does not
    /// parse, a certificate cut in half. Each with the entry and a sentence.
    pub gaps: Vec<Gap>,
}

impl Facts {
    /// The rows of a table; empty if there is no such table.
    pub fn table(&self, name: &str) -> &[Fact] {
        self.tables.get(name).map(Vec::as_slice).unwrap_or_default()
    }
}

/// Something that could not be derived from an entry.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Gap {
    /// The entry.
    pub entry: String,
    /// What is wrong with it, in words.
    pub detail: String,
}

/// What one entry holds, parsed.
#[derive(Debug)]
pub enum Piece {
    /// One Kubernetes object.
    Object(Box<Object>),
    /// A list of objects was read, so what it does not name is not there.
    Listed(Listed),
    /// One scrape of a `/metrics` endpoint.
    Scrape(Box<metrics::Scrape>),
    /// A certificate chain that a server presented.
    Chain(Box<certificates::Presented>),
    /// The log of an init container that has to do with iptables.
    InitLog(Box<iptables::InitLog>),
    /// What a proxy's admin port told.
    ProxyState(Box<proxy_state::ProxyState>),
    /// What a check of `linkerd check` came to.
    Check(Box<checks::Check>),
    /// The API server's version.
    ServerVersion(String),
    /// Where a log ends.
    LogEnd(Box<LogEnd>),
    /// Something that could not be parsed.
    Gap(Gap),
}

/// Which list was read whole.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Listed {
    /// The kind of its objects.
    pub kind: String,
    /// The namespace that it covers; empty if all of the kind's objects are in it.
    pub namespace: String,
}

/// The end of one container's log.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LogEnd {
    /// The log.
    pub entry: String,
    /// Which container's log it is, where that is known.
    pub log: Option<EntryKind>,
    /// Number of its last line.
    pub line: u64,
    /// When the last line was written, if it says so.
    pub time: Option<Timestamp>,
    /// The last lines, without their kubelet timestamps, oldest first.
    pub tail: Vec<String>,
}

/// What rules ask for beyond the derived tables.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Demand {
    /// Kinds of objects that the table `objects` holds.
    pub object_kinds: BTreeSet<String>,
    /// Metric families that the table `metrics` holds.
    pub metric_families: BTreeSet<String>,
}

/// Judges rows as soon as they are derived: a large bundle has far more than any rule takes.
pub trait Wanted: Sync {
    /// Drops rows of a table that nobody takes, and notes of the others who does. Called for some
    /// rows at a time; rows that were judged before stay as they are.
    fn judge(&self, table: &str, rows: &mut Vec<Fact>, mesh: &Value, at: Timestamp);

    /// Whether anybody may take a row of a table of which some fields are these: rows that nobody
    /// can take need not be made.
    fn may_take(&self, table: &str, fields: &[(&str, &str)]) -> bool;

    /// Once all rows of all tables were judged, drops those that are not needed after all. Names the
    /// tables of which needed rows were dropped before, and which have to be derived again.
    fn settle(&self, tables: &mut Tables) -> BTreeSet<&'static str>;
}

/// Every row is worth keeping.
#[derive(Debug)]
pub struct Everything;

impl Wanted for Everything {
    fn judge(&self, _table: &str, _rows: &mut Vec<Fact>, _mesh: &Value, _at: Timestamp) {}

    fn may_take(&self, _table: &str, _fields: &[(&str, &str)]) -> bool {
        true
    }

    fn settle(&self, _tables: &mut Tables) -> BTreeSet<&'static str> {
        BTreeSet::new()
    }
}

/// What holds for the whole bundle.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// "Now": the capture time, or what `--at` says.
    pub at: Timestamp,
    /// The moment from which ages count that somebody has printed.
    pub ages_from: Timestamp,
    /// The manifest, if there is a sound one.
    pub manifest: Option<&'a Manifest>,
    /// What rules ask for.
    pub demand: &'a Demand,
    /// Which rows they take.
    pub wanted: &'a dyn Wanted,
}

/// Whether facts are derived from the whole of this entry.
pub fn wants(entry: &EntryInfo) -> bool {
    match &entry.kind {
        EntryKind::Objects { .. }
        | EntryKind::CustomObjects { .. }
        | EntryKind::ClusterVersion
        | EntryKind::ProxyMetrics { .. }
        | EntryKind::ControllerMetrics { .. }
        | EntryKind::ProxyIdentity { .. }
        | EntryKind::ServerTls { .. }
        | EntryKind::ProxyState { .. } => true,
        EntryKind::PodLog { .. } => iptables::wants_log(entry),
        EntryKind::Other => {
            is_foreign_structure(entry.path.file_name())
                || iptables::wants_log(entry)
                || checks::wants_log(entry)
        }
        _ => false,
    }
}

/// Whether a file of a foreign bundle may hold objects, metrics, certificates or events.
fn is_foreign_structure(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    let endings = [
        ".json", ".yaml", ".yml", ".txt", ".prom", ".metrics", ".pem", ".crt", ".cer", ".cert",
        ".key",
    ];
    let is_log = lower.rsplit('.').next() == Some("log");
    !lower.contains('.')
        || endings.iter().any(|e| lower.ends_with(e))
        || (lower.contains("event") && !is_log)
}

/// Parses one entry. Pure; runs on any thread.
pub fn parse(entry: &Arc<EntryInfo>, bytes: &[u8], demand: &Demand) -> Vec<Piece> {
    match &entry.kind {
        EntryKind::Objects { .. } | EntryKind::CustomObjects { .. } => {
            reader::parse(entry, bytes, demand)
        }
        EntryKind::ClusterVersion => mesh::parse_version(entry, bytes),
        EntryKind::ProxyMetrics { .. } | EntryKind::ControllerMetrics { .. } => {
            metrics::parse(entry, bytes, demand)
        }
        EntryKind::ProxyIdentity { .. } | EntryKind::ServerTls { .. } => {
            certificates::parse(entry, bytes)
        }
        EntryKind::ProxyState { .. } => proxy_state::parse(entry, bytes),
        EntryKind::PodLog { .. } => iptables::parse(entry, bytes),
        _ => parse_foreign(entry, bytes, demand),
    }
}

/// Whether text is what kubectl printed of objects or events, and so no log, whatever its name.
pub(crate) fn is_printed(bytes: &[u8]) -> bool {
    let start = bytes.trim_ascii_start();
    printed::is_table(start) || description::is_one(start)
}

/// Parses a file that is told by its content alone.
fn parse_foreign(entry: &Arc<EntryInfo>, bytes: &[u8], demand: &Demand) -> Vec<Piece> {
    let start = bytes.trim_ascii_start();
    if checks::is_output(entry, start) {
        checks::parse(entry, bytes)
    } else if iptables::wants_log(entry)
        || iptables::is_saved(start)
        || iptables::is_init_log(start)
    {
        iptables::parse(entry, bytes)
    } else if certificates::is_pem(entry.path.file_name(), start) {
        certificates::parse(entry, bytes)
    } else if metrics::is_exposition(start) {
        metrics::parse(entry, bytes, demand)
    } else if description::is_one(start) {
        description::parse(entry, bytes)
    } else if printed::is_table(start) {
        printed::parse(entry, bytes)
    } else if reader::is_likely(start) {
        reader::parse(entry, bytes, demand)
    } else {
        Vec::new()
    }
}

type Derivation = fn(&Sources<'_>) -> Vec<Fact>;

/// Tables that are derived on their own.
const ALONE: [(&str, Derivation); 18] = [
    ("checks", checks::derive),
    ("components", components::derive),
    ("versions", versions::derive),
    ("pods", pods::derive),
    ("containers", containers::derive),
    ("proxies", proxies::derive),
    ("workloads", workloads::derive),
    ("nodes", cluster::nodes),
    ("namespaces", namespaces::derive),
    ("apiservices", cluster::apiservices),
    ("leases", cluster::leases),
    ("ledger", cluster::ledger),
    ("objects", cluster::objects),
    ("events", events::derive),
    ("webhooks", webhooks::derive),
    ("routes", routes::derive),
    ("iptables", iptables::derive),
    ("iptables_probes", iptables::probes),
];

fn alone(sources: &Sources<'_>, is_wanted: impl Fn(&str) -> bool + Sync) -> Tables {
    let wanted = ALONE.par_iter().filter(|(name, _)| is_wanted(name));
    let tables = wanted.map(|(name, derive)| {
        let mut rows = derive(sources);
        sources.judge(name, &mut rows);
        (*name, rows)
    });
    tables.collect()
}

/// Tables that are derived together, or from one another.
fn joined(sources: &Sources<'_>) -> Tables {
    let policies = policy::derive(sources);
    let verdicts = policy::Verdicts::of(&policies);
    let (metrics, clients) = metrics::derive(sources, &verdicts);
    let all = policies
        .into_iter()
        .chain(metrics)
        .chain(certificates::derive(sources))
        .chain([("services", services::derive(sources, &clients))]);
    let judged = all.map(|(name, mut rows)| {
        sources.judge(name, &mut rows);
        (name, rows)
    });
    judged.collect()
}

/// Joins the pieces, in any order, into tables that do not depend on that order. Of the rows, those
/// are kept that [`Context::wanted`] takes, and that of `mesh`.
pub fn derive(pieces: Vec<Piece>, context: Context<'_>) -> Facts {
    let mut sources = Sources::new(pieces, context);
    let mesh = mesh::derive(&sources);
    if let Some(row) = mesh.first() {
        sources.mesh.clone_from(&row.fields);
    }
    let sources = sources;
    let (mut tables, others) = rayon::join(|| alone(&sources, |_| true), || joined(&sources));
    tables.extend(others);
    // Its row is kept whole, but counts as any other.
    sources.judge("mesh", &mut mesh.clone());
    let again = context.wanted.settle(&mut tables);
    if !again.is_empty() {
        let rows = alone(&sources, |name| again.contains(name));
        let is_joined = again.iter().any(|name| !rows.contains_key(name));
        tables.extend(rows);
        if is_joined {
            tables.extend(joined(&sources));
        }
    }
    tables.insert("mesh", mesh);
    Facts {
        tables,
        places: Places::of(&sources),
        gaps: sources.into_gaps(),
    }
}
