//! Facts: what is derived once from all entries, before any rule asks.
//!
//! A fact is a row of a named table (`pods`, `services`, `certificates`, …). Rules read rows
//! through CEL, where `row` is the row's fields. Each row knows what it is about and where it
//! was read. `docs/facts.md` lists every table and field.
//!
//! Two steps, so that the first runs on every core while the bundle is read:
//! [`parse`] turns one entry into [`Piece`]s; [`derive()`] joins all pieces into tables.

mod certificates;
mod cluster;
mod containers;
mod events;
mod iptables;
mod mesh;
mod metrics;
mod object;
mod pods;
mod policy;
mod proxies;
mod row;
mod services;
mod sources;
mod webhooks;
mod workloads;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bundle::layout::EntryKind;
use bundle::{EntryInfo, Manifest};
use jiff::Timestamp;
use serde_json::Value;

use crate::evidence::{Evidence, Subject};
pub use object::Object;
pub(crate) use sources::Sources;

/// One row of a fact table.
#[derive(Debug, Clone, PartialEq)]
pub struct Fact {
    /// What the row is about. Never empty.
    pub subjects: Vec<Subject>,
    /// Where it was read. Never empty.
    pub evidence: Vec<Evidence>,
    /// The fields, an object.
    pub fields: Value,
}

/// All fact tables, by name. Rows are in a stable order.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Facts {
    /// The tables.
    pub tables: BTreeMap<&'static str, Vec<Fact>>,
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
    /// One scrape of a `/metrics` endpoint.
    Scrape(Box<metrics::Scrape>),
    /// A certificate chain that a server presented.
    Chain(Box<certificates::Presented>),
    /// The log of an init container that has to do with iptables.
    InitLog(Box<iptables::InitLog>),
    /// What a proxy's admin port told.
    ProxyState(Box<proxies::ProxyState>),
    /// The API server's version.
    ServerVersion(String),
    /// Where a log ends.
    LogEnd(Box<LogEnd>),
    /// Something that could not be parsed.
    Gap(Gap),
}

/// The end of one container's log.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LogEnd {
    /// The log.
    pub entry: String,
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

/// What holds for the whole bundle.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// "Now": the capture time, or what `--at` says.
    pub at: Timestamp,
    /// The manifest, if there is a sound one.
    pub manifest: Option<&'a Manifest>,
    /// What rules ask for.
    pub demand: &'a Demand,
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
        EntryKind::PodLog { .. } => iptables::wants(entry),
        EntryKind::Other => is_foreign_structure(entry.path.file_name(), entry.bytes),
        _ => false,
    }
}

/// A text beyond this is a log, not something that somebody printed.
const MAX_PRINTED_BYTES: u64 = 16 << 20;

/// Whether a file of a foreign bundle may hold objects, metrics, certificates or events, told by
/// its name. What a `.txt` holds only its content tells.
fn is_foreign_structure(name: &str, bytes: Option<u64>) -> bool {
    let lower = name.to_ascii_lowercase();
    let extension = lower.rsplit_once('.').map(|(_, extension)| extension);
    match extension {
        Some("json" | "yaml" | "yml" | "prom" | "metrics" | "pem" | "crt") => true,
        Some("txt" | "out") | None => bytes.is_some_and(|b| b <= MAX_PRINTED_BYTES),
        Some("log") => false,
        Some(_) => lower.contains("event"),
    }
}

/// Parses one entry. Pure; runs on any thread.
pub fn parse(entry: &Arc<EntryInfo>, bytes: &[u8], demand: &Demand) -> Vec<Piece> {
    match &entry.kind {
        EntryKind::Objects { .. } | EntryKind::CustomObjects { .. } => object::parse(entry, bytes),
        EntryKind::ClusterVersion => mesh::parse_version(entry, bytes),
        EntryKind::ProxyMetrics { .. } | EntryKind::ControllerMetrics { .. } => {
            metrics::parse(entry, bytes, demand)
        }
        EntryKind::ProxyIdentity { .. } | EntryKind::ServerTls { .. } => {
            certificates::parse(entry, bytes)
        }
        EntryKind::ProxyState { .. } => proxies::parse(entry, bytes),
        EntryKind::PodLog { .. } => iptables::parse(entry, bytes),
        _ => parse_foreign(entry, bytes, demand),
    }
}

/// Parses a file that is told by its content alone.
fn parse_foreign(entry: &Arc<EntryInfo>, bytes: &[u8], demand: &Demand) -> Vec<Piece> {
    let start = bytes.trim_ascii_start();
    if start.starts_with(b"-----BEGIN") {
        certificates::parse(entry, bytes)
    } else if start.starts_with(b"# HELP") || start.starts_with(b"# TYPE") {
        metrics::parse(entry, bytes, demand)
    } else if events::is_table(start) {
        events::parse_table(entry, bytes)
    } else if [
        b"{".as_slice(),
        b"[",
        b"apiVersion:",
        b"kind:",
        b"items:",
        b"---",
        b"metadata:",
    ]
    .iter()
    .any(|first| start.starts_with(first))
    {
        object::parse(entry, bytes)
    } else {
        Vec::new()
    }
}

/// Joins the pieces, in any order, into tables that do not depend on that order.
pub fn derive(pieces: Vec<Piece>, context: Context<'_>) -> Facts {
    let sources = Sources::new(pieces, context);
    let mut facts = Facts {
        tables: BTreeMap::new(),
        gaps: sources.gaps.clone(),
    };
    let mut add = |name: &'static str, rows: Vec<Fact>| {
        facts.tables.insert(name, rows);
    };
    add("mesh", mesh::derive(&sources));
    add("pods", pods::derive(&sources));
    add("containers", containers::derive(&sources));
    add("workloads", workloads::derive(&sources));
    add("services", services::derive(&sources));
    add("nodes", cluster::nodes(&sources));
    add("namespaces", cluster::namespaces(&sources));
    add("apiservices", cluster::apiservices(&sources));
    add("ledger", cluster::ledger(&sources));
    add("objects", cluster::objects(&sources));
    add("events", events::derive(&sources));
    add("webhooks", webhooks::derive(&sources));
    add("proxies", proxies::derive(&sources));
    add("policy_problems", policy::derive(&sources));
    add("iptables", iptables::derive(&sources));
    for (name, rows) in metrics::derive(&sources) {
        add(name, rows);
    }
    for (name, rows) in certificates::derive(&sources) {
        add(name, rows);
    }
    facts
}

#[cfg(test)]
pub(crate) mod testing {
    //! What tests of the derivations need.

    use std::sync::Arc;

    use bundle::layout::EntryKind;
    use bundle::{EntryInfo, EntryPath};

    /// An entry at this path.
    pub(crate) fn entry(path: &EntryPath) -> Arc<EntryInfo> {
        Arc::new(EntryInfo {
            path: path.clone(),
            kind: EntryKind::of(path),
            bytes: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_has_its_place_in_the_documentation() {
        let documentation = include_str!("../../../docs/facts.md");
        let demand = Demand::default();
        let context = Context {
            at: Timestamp::UNIX_EPOCH,
            manifest: None,
            demand: &demand,
        };
        for table in derive(Vec::new(), context).tables.keys() {
            assert!(
                documentation.contains(&format!("\n## {table}\n")),
                "{table}"
            );
        }
    }
}
