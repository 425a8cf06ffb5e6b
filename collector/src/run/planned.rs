//! `--dry-run`: what would be asked for, and how many of each.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::io::{self, Write};

use anyhow::Context;
use bundle::resources::{CUSTOM_RESOURCE_GROUPS, RESOURCES};
use bundle::{LedgerRow, Outcome, SourceKind};

use crate::exit::ExitStatus;
use crate::mesh::Mesh;
use crate::plan::Limits;
use crate::session::Session;
use crate::sink::Writing;

/// Prints the plan to stdout.
pub(super) fn print(session: Session, writing: Writing) -> anyhow::Result<ExitStatus> {
    let planned = session.queue.planned();
    session.progress.finish();
    let Session {
        plan, mesh, sink, ..
    } = session;
    drop(sink);
    let written = writing.wait().context("the counting thread ended early")?;
    let mesh = mesh.into_inner().unwrap_or_default();
    let mut out = anstream::stdout().lock();
    lists(&mut out, &mesh, &plan.limits)?;
    let scrapes = plan.scope.scrapes();
    items(&mut out, &planned, &written.ledger, scrapes)?;
    for row in written.ledger.iter().filter(|row| is_missing(row)) {
        let reason = row.reason.as_deref().unwrap_or_default();
        writeln!(out, "missing: {} {}: {reason}", row.source, row.object)?;
    }
    let (in_flight, per_node) = (plan.limits.in_flight, plan.limits.per_node);
    writeln!(
        out,
        "at most {in_flight} requests in flight, {per_node} per node"
    )?;
    Ok(ExitStatus::Complete)
}

fn lists(out: &mut dyn Write, mesh: &Mesh, limits: &Limits) -> io::Result<()> {
    let meshed = mesh.pods.iter().filter(|p| p.proxy.is_some()).count();
    let (namespaces, pods) = (mesh.namespaces.len(), mesh.pods.len());
    writeln!(
        out,
        "{namespaces} namespaces, {pods} pods, {meshed} of them meshed"
    )?;
    let pages = format!("kinds, in pages of {}", limits.page);
    line(out, "lists of objects", RESOURCES.len(), &pages)?;
    let groups = CUSTOM_RESOURCE_GROUPS.join(", ");
    line(
        out,
        "custom-resources",
        "all",
        &format!("kinds of {groups}"),
    )?;
    line(out, "discovery", "all", "API groups")?;
    line(out, "auth-cani-list", namespaces, "")
}

/// What the pods were found to have.
fn items(
    out: &mut dyn Write,
    planned: &BTreeMap<SourceKind, u64>,
    ledger: &[LedgerRow],
    scrapes: u32,
) -> io::Result<()> {
    for source in SourceKind::ALL {
        let left_out = |row: &&LedgerRow| {
            row.source == source && matches!(row.outcome, Outcome::Skipped | Outcome::Absent)
        };
        let left_out = ledger.iter().filter(left_out).count();
        let planned = planned.get(&source).copied().unwrap_or(0);
        let is_scrape = matches!(
            source,
            SourceKind::ProxyMetrics | SourceKind::ControllerMetrics
        );
        let twice = is_scrape.then(|| match scrapes {
            2 => "twice each".to_owned(),
            n => format!("{n} times each"),
        });
        let rest = (left_out > 0).then(|| format!("{left_out} more not there or left out"));
        let notes: Vec<String> = twice.into_iter().chain(rest).collect();
        if planned > 0 || left_out > 0 {
            line(out, source.name(), planned, &notes.join(", "))?;
        }
    }
    Ok(())
}

fn is_missing(row: &LedgerRow) -> bool {
    !row.outcome.is_covered() && row.outcome != Outcome::Skipped
}

fn line(out: &mut dyn Write, name: &str, count: impl Display, note: &str) -> io::Result<()> {
    let text = format!("{name:<20} {count:>6}  {note}");
    writeln!(out, "{}", text.trim_end())
}
