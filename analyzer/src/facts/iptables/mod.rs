//! Facts from init containers: what linkerd-init did to the packet filter, and whether another
//! init container undid it.
//!
//! Table `iptables`: one row for each init container's log that speaks of iptables.

mod log;
mod walk;

use std::sync::Arc;

use bundle::EntryInfo;
use bundle::layout::EntryKind;

use super::row::Row;
use super::{Fact, Piece, Sources};
use crate::evidence::{Evidence, Subject};
pub(super) use log::InitLog;

/// Names of the containers that set up redirection.
const INIT: [&str; 2] = ["linkerd-init", "linkerd-network-validator"];
/// A log beyond this is no init container's.
const MAX_BYTES: u64 = 1 << 20;

/// Whether an entry may be the log of an init container that has to do with iptables. Other
/// containers' logs are looked at too, as long as they are short: any init container may change
/// the tables.
pub(super) fn wants(entry: &EntryInfo) -> bool {
    let EntryKind::PodLog { container, .. } = &entry.kind else {
        return false;
    };
    let is_small = entry.bytes.is_none_or(|b| b <= MAX_BYTES);
    is_small
        && (INIT.contains(&container.as_str()) || !super::pods::PROXY.eq(container))
        && entry
            .bytes
            .is_none_or(|b| b <= 64 << 10 || INIT.contains(&container.as_str()))
}

/// Parses the log of an init container.
pub(super) fn parse(entry: &Arc<EntryInfo>, bytes: &[u8]) -> Vec<Piece> {
    let EntryKind::PodLog {
        namespace,
        pod,
        container,
        previous,
    } = &entry.kind
    else {
        return Vec::new();
    };
    let log = log::parse(bytes, INIT.contains(&container.as_str()));
    log.map(|mut log| {
        log.entry = entry.path.to_string();
        log.namespace.clone_from(namespace);
        log.pod.clone_from(pod);
        log.container.clone_from(container);
        log.previous = *previous;
        Piece::InitLog(Box::new(log))
    })
    .into_iter()
    .collect()
}

/// Derives the table.
pub(super) fn derive(sources: &Sources<'_>) -> Vec<Fact> {
    sources
        .init_logs
        .iter()
        .map(|log| fact(sources, log))
        .collect()
}

#[expect(
    clippy::too_many_lines,
    reason = "one line for each field of the table"
)]
fn fact(sources: &Sources<'_>, log: &InitLog) -> Fact {
    let owner = sources.owner(&log.namespace, &log.pod);
    let verdicts = log.rules.as_ref().map(|rules| walk::verdicts(rules));
    let inbound = verdicts.as_ref().map(|v| v.inbound);
    let outbound = verdicts.as_ref().map(|v| v.outbound);
    let ignored = |ports: &[String]| ports.join(",");
    let is_linkerd = INIT.contains(&log.container.as_str());
    let bypasses = inbound == Some(walk::Verdict::Bypasses) && outbound == inbound;
    // Tables that had the proxy's rules and now lead around it were emptied in between.
    let flushed = log.flushed || (!is_linkerd && log.had_proxy_chains && bypasses);
    let row = Row::new()
        .set("namespace", log.namespace.as_str())
        .set("pod", log.pod.as_str())
        .set("container", log.container.as_str())
        .set(
            "workload",
            serde_json::json!({"kind": owner.kind, "name": owner.name}),
        )
        .set("previous", log.previous)
        .set("is_linkerd", is_linkerd)
        .set("failed", log.failure.is_some())
        .text("failure", log.failure.as_deref().unwrap_or_default())
        .text("failure_kind", log.failure_kind())
        .set("commands", log.commands)
        .text("backend", &log.backend)
        .set("flushed", flushed)
        .set("knows_tables", log.rules.is_some())
        .opt("inbound", inbound.map(walk::Verdict::name))
        .opt("outbound", outbound.map(walk::Verdict::name))
        .opt(
            "proxy_outbound",
            verdicts.as_ref().map(|v| v.proxy_outbound.name()),
        )
        .text(
            "inbound_skip",
            &verdicts
                .as_ref()
                .map(|v| ignored(&v.inbound_skip))
                .unwrap_or_default(),
        )
        .text(
            "outbound_skip",
            &verdicts
                .as_ref()
                .map(|v| ignored(&v.outbound_skip))
                .unwrap_or_default(),
        )
        .set(
            "foreign_chains",
            verdicts
                .as_ref()
                .map(|v| v.foreign_chains.clone())
                .unwrap_or_default(),
        );
    let excerpt = match (&log.failure, flushed) {
        (Some(failure), _) => failure.clone(),
        (None, true) if log.flush_line.is_empty() => {
            "the nat table that is printed last has no rule that leads to the proxy".to_owned()
        }
        (None, true) => log.flush_line.clone(),
        (None, false) => format!("{} commands run with {}", log.commands, log.backend),
    };
    let evidence = Evidence {
        line: Some(log.line),
        ..Evidence::of_entry(log.entry.as_str(), excerpt)
    };
    Fact {
        subjects: vec![Subject::namespaced(
            "Pod",
            log.namespace.as_str(),
            log.pod.as_str(),
        )],
        evidence: vec![evidence],
        fields: row.build(),
    }
}
