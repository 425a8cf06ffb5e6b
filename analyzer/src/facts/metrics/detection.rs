//! The table `detection`: how protocol and TLS detection ended, per direction and port, where it
//! ended badly.

use std::collections::BTreeMap;

use super::common::{Scope, Tally, port, split_address, sum, tally};
use super::series::Series;
use crate::evidence::Subject;
use crate::facts::Fact;

/// A direction, a port, and the Service beyond it.
type Key<'a> = (&'static str, &'a str, &'a str, &'a str);

const FAMILIES: [&str; 2] = [
    "inbound_tcp_detect_http_results_total",
    "outbound_tcp_detect_http_results_total",
];

/// What is said of TLS detection in the counters of errors.
const TLS_TIMEOUT: &str = "tls detection timeout";

pub(super) fn rows(scope: &Scope<'_>) -> Vec<Fact> {
    let mut groups: BTreeMap<Key<'_>, Vec<&Series<'_>>> = BTreeMap::new();
    for series in scope.set.families(&FAMILIES) {
        groups.entry(key(series)).or_default().push(series);
    }
    for series in scope.set.family("inbound_tcp_errors_total") {
        if series.label("error") == TLS_TIMEOUT {
            let (_, port) = split_address(series.label("target_addr"));
            let key = ("inbound", port, "", "");
            groups.entry(key).or_default().push(series);
        }
    }
    let facts = groups
        .iter()
        .filter_map(|(key, group)| fact(scope, key, group));
    facts.collect()
}

fn key<'a>(series: &Series<'a>) -> Key<'a> {
    if series.is_inbound() {
        return ("inbound", series.label("srv_port"), "", "");
    }
    (
        "outbound",
        series.label("parent_port"),
        series.label("parent_namespace"),
        series.label("parent_name"),
    )
}

fn fact(scope: &Scope<'_>, key: &Key<'_>, group: &[&Series<'_>]) -> Option<Fact> {
    let (direction, number, namespace, service) = *key;
    let of = |result: &str| -> Tally {
        sum(group.iter().copied(), |s| {
            FAMILIES.contains(&s.family) && s.label("result") == result
        })
    };
    let (timeouts, errors, not_http) = (of("read_timeout"), of("error"), of("not_http"));
    let http = of("http/1").plus(of("http/2"));
    let tls = sum(group.iter().copied(), |s| s.label("error") == TLS_TIMEOUT);
    let bad = [timeouts, errors, not_http, tls];
    if bad.iter().all(|t| t.total == 0.0) {
        return None;
    }
    let all = timeouts.total + errors.total + not_http.total + http.total;
    let has_two = scope.set.has_two;
    let mut row = scope
        .row()
        .set("direction", direction)
        .opt("port", port(number))
        .text("dst_namespace", namespace)
        .text("dst_service", service);
    for (name, of) in [
        ("timeouts", timeouts),
        ("errors", errors),
        ("not_http", not_http),
        ("http", http),
        ("tls_timeouts", tls),
    ] {
        row = tally(row, name, of, has_two);
    }
    let failed = timeouts.total + errors.total;
    row = row.opt("failed_ratio", (all > 0.0).then(|| failed / all));
    let place = group
        .iter()
        .find(|s| {
            matches!(s.label("result"), "read_timeout" | "error") || s.label("error") == TLS_TIMEOUT
        })
        .or(group.first())?;
    let excerpt = format!(
        "{direction} protocol detection on port {number} {namespace}/{service}: {} timeouts, {} errors, {} TLS timeouts, {} HTTP, {} other",
        timeouts.total, errors.total, tls.total, http.total, not_http.total
    );
    let mut fact = scope.told(place.line, &excerpt, row);
    if !service.is_empty() {
        fact.subjects
            .push(Subject::namespaced("Service", namespace, service));
    }
    Some(fact)
}
