//! Facts from init containers: what linkerd-init did to the packet filter, and whether another
//! init container undid it.
//!
//! Tables: `iptables`, one row for each init container's log that speaks of iptables, and
//! `iptables_probes`, one row for each probe packet that does not end as it should or is skipped
//! on purpose. Their fields are in `docs/facts-signals.md`.

mod anomalies;
mod dump;
mod failure;
mod line;
mod log;
mod pod;
mod probes;
mod rows;
mod rules;
#[cfg(test)]
mod tests;
mod walk;

use std::sync::Arc;

use bundle::EntryInfo;
use bundle::layout::EntryKind;

use super::{Fact, Piece, Sources};
pub(super) use log::InitLog;

/// Names of the containers that set up redirection or look whether it works.
const INIT: [&str; 2] = ["linkerd-init", "linkerd-network-validator"];
/// A log beyond this is no init container's.
const MAX_BYTES: u64 = 1 << 20;
/// Nor is that of a container of another name beyond this.
const MAX_FOREIGN_BYTES: u64 = 64 << 10;

/// Whether an entry may be the log of an init container that has to do with iptables. Other
/// containers' logs are looked at too, as long as they are short: any init container may change
/// the tables.
pub(super) fn wants_log(entry: &EntryInfo) -> bool {
    match &entry.kind {
        EntryKind::PodLog { container, .. } if INIT.contains(&container.as_str()) => {
            entry.bytes.is_none_or(|b| b <= MAX_BYTES)
        }
        EntryKind::PodLog { container, .. } => {
            container != super::kube::PROXY && entry.bytes.is_some_and(|b| b <= MAX_FOREIGN_BYTES)
        }
        EntryKind::Other => {
            let name = entry.path.file_name();
            let is_other = name.ends_with(".log") && !name.contains(super::kube::PROXY);
            if is_init(name) {
                entry.bytes.is_none_or(|b| b <= MAX_BYTES)
            } else {
                is_other && entry.bytes.is_some_and(|b| b <= MAX_FOREIGN_BYTES)
            }
        }
        _ => false,
    }
}

fn is_init(name: &str) -> bool {
    name.contains("linkerd-init") || name.contains("proxy-init")
}

/// Parses the log of an init container.
pub(super) fn parse(entry: &Arc<EntryInfo>, bytes: &[u8]) -> Vec<Piece> {
    let (namespace, pod, container, previous) = if let EntryKind::PodLog {
        namespace,
        pod,
        container,
        previous,
    } = &entry.kind
    {
        (
            namespace.as_str(),
            pod.as_str(),
            container.as_str(),
            *previous,
        )
    } else {
        let name = entry.path.file_name();
        let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
        // Whose log it is without such a name, only the bundle's pods may know.
        let container = if is_init(name) { "linkerd-init" } else { "" };
        ("", stem, container, name.contains("previous"))
    };
    let log = log::parse(bytes, INIT.contains(&container));
    log.map(|mut log| {
        log.entry = entry.path.to_string();
        namespace.clone_into(&mut log.namespace);
        pod.clone_into(&mut log.pod);
        container.clone_into(&mut log.container);
        log.previous = previous;
        Piece::InitLog(Box::new(log))
    })
    .into_iter()
    .collect()
}

/// Derives the table `iptables`.
pub(super) fn derive(sources: &Sources<'_>) -> Vec<Fact> {
    let logs = sources.init_logs.iter();
    logs.map(|log| rows::log(sources, log)).collect()
}

/// Derives the table `iptables_probes`.
pub(super) fn probes(sources: &Sources<'_>) -> Vec<Fact> {
    let logs = sources.init_logs.iter();
    logs.flat_map(|log| rows::probes(sources, log)).collect()
}
