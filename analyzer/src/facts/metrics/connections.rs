//! The table `connections`: TCP connections per direction, side and other end, where any were
//! opened between the scrapes or many are open.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::common::{Scope, Tally, account, port, split_address, tally};
use super::series::Series;
use crate::evidence::Subject;
use crate::facts::Fact;
use crate::facts::row::Row;

/// What connections are told apart by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Ends<'a> {
    direction: &'a str,
    /// `src`: the side that accepted; `dst`: the side that connected.
    peer: &'a str,
    port: &'a str,
    namespace: &'a str,
    /// Service, authority, address, or the client's identity.
    name: &'a str,
}

#[derive(Debug, Default)]
struct Counts<'a> {
    opened: Tally,
    closed: Tally,
    open: f64,
    open_before: Option<f64>,
    /// By the system's error, for those that ended in one.
    errors: BTreeMap<&'a str, f64>,
    tls: &'a str,
    pod: &'a str,
    line: u64,
}

/// Other ends with fewer connections than this, open or opened between the scrapes, are left out.
const MANY: f64 = 20.0;
/// Unless so many ended in an error, or were accepted and never made onwards.
const FEW: f64 = 5.0;

pub(super) fn rows(scope: &Scope<'_>) -> Vec<Fact> {
    let mut groups: BTreeMap<Ends<'_>, Counts<'_>> = BTreeMap::new();
    let families = ["tcp_open_total", "tcp_close_total", "tcp_open_connections"];
    for series in scope.set.families(&families) {
        if let Some(ends) = ends(scope, series) {
            add(groups.entry(ends).or_default(), series);
        }
    }
    let dials = dials(&groups);
    let facts = groups.iter().filter_map(|(ends, counts)| {
        // The accepting side of an outbound connection knows how many were made onwards.
        let is_src = ends.direction == "outbound" && ends.peer == "src";
        let dialled = dials.get(&(ends.namespace, ends.name, ends.port));
        let dialled = is_src.then(|| dialled.copied().unwrap_or(0.0));
        is_telling(counts, dialled).then(|| fact(scope, ends, counts, dialled))
    });
    facts.collect()
}

fn is_telling(counts: &Counts<'_>, dialled: Option<f64>) -> bool {
    let errors: f64 = counts.errors.values().sum();
    counts.open >= MANY
        || counts.opened.delta >= MANY
        || errors >= FEW
        || (counts.opened.total >= FEW && dialled == Some(0.0))
}

/// How many connections a proxy made on behalf of its pod, by destination.
fn dials<'a>(
    groups: &BTreeMap<Ends<'a>, Counts<'_>>,
) -> BTreeMap<(&'a str, &'a str, &'a str), f64> {
    let dialled = groups
        .iter()
        .filter(|(e, _)| e.direction == "outbound" && e.peer == "dst");
    dialled
        .map(|(e, c)| ((e.namespace, e.name, e.port), c.opened.total))
        .collect()
}

/// The ends of a series; `None` for the proxy's own ports.
fn ends<'a>(scope: &Scope<'a>, series: &Series<'a>) -> Option<Ends<'a>> {
    let target = series.label("target_addr");
    let (ip, target_port) = split_address(target);
    let direction = series.label("direction");
    let peer = series.label("peer");
    if direction == "inbound" {
        let told = series.label("srv_port");
        let port = if told.is_empty() { target_port } else { told };
        let name = match (series.label("client_id"), series.label("tls")) {
            ("", "true") => "no-client-certificate",
            ("", _) => series.label("no_tls_reason"),
            (client, _) => client,
        };
        return (!matches!(port, "4191" | "4190")).then_some(Ends {
            direction,
            peer,
            port,
            namespace: "",
            name,
        });
    }
    let authority = series.label("authority");
    let (host, of_authority) = split_address(authority);
    let port = if of_authority.is_empty() {
        target_port
    } else {
        of_authority
    };
    let service = match series.label("dst_service") {
        "" => scope.service_of(ip),
        service => Some((series.label("dst_namespace"), service)),
    };
    let (namespace, name) = service.unwrap_or(("", if host.is_empty() { target } else { host }));
    Some(Ends {
        direction,
        peer,
        port,
        namespace,
        name,
    })
}

fn add<'a>(counts: &mut Counts<'a>, series: &Series<'a>) {
    match series.family {
        "tcp_open_total" => counts.opened.add(series),
        "tcp_close_total" => {
            counts.closed.add(series);
            let error = series.label("errno");
            if !error.is_empty() {
                *counts.errors.entry(error).or_default() += series.value;
            }
        }
        _ => {
            counts.open += series.value;
            if let Some(before) = series.previous {
                *counts.open_before.get_or_insert(0.0) += before;
            }
            counts.line = series.line;
        }
    }
    if counts.line == 0 {
        counts.line = series.line;
    }
    counts.tls = series.label("tls");
    let pod = series.label("dst_pod");
    if !pod.is_empty() {
        counts.pod = pod;
    }
}

fn fact(scope: &Scope<'_>, ends: &Ends<'_>, counts: &Counts<'_>, dialled: Option<f64>) -> Fact {
    let has_two = scope.set.has_two;
    let is_inbound = ends.direction == "inbound";
    let row = scope
        .row()
        .set("direction", ends.direction)
        .set("peer", ends.peer)
        .opt("port", port(ends.port))
        .text("tls", counts.tls);
    let row = if is_inbound {
        let client = account(ends.name);
        row.text("client_account", client)
            .text("client", if client.is_empty() { ends.name } else { client })
    } else {
        row.text("dst_namespace", ends.namespace)
            .text(
                if ends.namespace.is_empty() {
                    "dst"
                } else {
                    "dst_service"
                },
                ends.name,
            )
            .text("dst_pod", counts.pod)
    };
    let row = tally(row, "opened", counts.opened, has_two);
    let row = tally(row, "closed", counts.closed, has_two);
    let growth = counts.opened.delta - counts.closed.delta;
    let row = row
        .set("open", counts.open)
        .opt("open_before", counts.open_before)
        .opt("growth", has_two.then_some(growth))
        .opt(
            "opened_per_s",
            scope.set.rate(has_two.then_some(counts.opened.delta)),
        )
        .opt("kept_ratio", kept_ratio(counts, has_two))
        .opt("interval_s", scope.set.interval_s)
        .set("errors", errors(counts));
    let row = process(scope, row.opt("dialled", dialled));
    finish(scope, ends, counts, row)
}

/// The share of the connections opened that stayed open: between the scrapes, or in all.
fn kept_ratio(counts: &Counts<'_>, has_two: bool) -> Option<f64> {
    let (opened, closed) = if has_two && counts.opened.delta > 0.0 {
        (counts.opened.delta, counts.closed.delta)
    } else {
        (counts.opened.total, counts.closed.total)
    };
    (opened > 0.0).then(|| ((opened - closed) / opened).max(0.0))
}

fn errors(counts: &Counts<'_>) -> Value {
    let told = counts.errors.iter();
    Value::Object(told.map(|(n, c)| ((*n).to_owned(), json!(c))).collect())
}

fn process(scope: &Scope<'_>, row: Row) -> Row {
    row.opt("process_open_fds", scope.set.value("process_open_fds"))
        .opt("process_max_fds", scope.set.value("process_max_fds"))
        .opt("uptime_s", scope.uptime())
}

fn finish(scope: &Scope<'_>, ends: &Ends<'_>, counts: &Counts<'_>, row: Row) -> Fact {
    let other = if ends.namespace.is_empty() {
        ends.name.to_owned()
    } else {
        format!("{}/{}", ends.namespace, ends.name)
    };
    let excerpt = format!(
        "{} connections ({} side), port {}, other end {other}: {} open, {} opened (+{}), {} closed (+{})",
        ends.direction,
        ends.peer,
        ends.port,
        counts.open,
        counts.opened.total,
        counts.opened.delta,
        counts.closed.total,
        counts.closed.delta,
    );
    let mut fact = scope.told(counts.line, &excerpt, row);
    if !ends.namespace.is_empty() {
        fact.subjects
            .push(Subject::namespaced("Service", ends.namespace, ends.name));
    }
    fact
}
