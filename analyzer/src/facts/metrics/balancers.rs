//! The table `balancers`: the endpoints behind each Service that a proxy sends to, and whether
//! it waits for one.

use std::collections::BTreeMap;

use super::common::{Scope, port, sum, tally};
use super::series::Series;
use crate::evidence::Subject;
use crate::facts::Fact;

/// Names of the Service, of the backend, and the backend's port.
type Key<'a> = [&'a str; 6];

pub(super) fn rows(scope: &Scope<'_>) -> Vec<Fact> {
    let protocols = ["http", "tcp", "tls"];
    let facts = protocols.iter().flat_map(|p| of_protocol(scope, p));
    facts.collect()
}

fn of_protocol(scope: &Scope<'_>, protocol: &str) -> Vec<Fact> {
    let family = |suffix: &str| {
        let name = format!("outbound_{protocol}_balancer_{suffix}");
        scope.set.family(&name)
    };
    let mut keys: BTreeMap<Key<'_>, &Series<'_>> = BTreeMap::new();
    for series in family("endpoints") {
        keys.entry(key(series)).or_insert(series);
    }
    let facts = keys.into_iter().map(|(key, series)| {
        let of = |suffix| family(suffix).iter().filter(|s| self::key(s) == key);
        let state = |state| {
            let of_state = of("endpoints").filter(|s| s.label("endpoint_state") == state);
            of_state.map(|s| s.value).sum::<f64>()
        };
        let gauge = |suffix| of(suffix).map(|s| s.value).reduce(|a, b| a + b);
        let [parent_namespace, parent, parent_port, namespace, backend, backend_port] = key;
        let (ready, pending) = (state("ready"), state("pending"));
        let shut_at = gauge("queue_gate_shut_time_seconds").filter(|t| *t > 0.0);
        let is_shut = shut_at.is_some() && gauge("queue_gate_open_time_seconds") == Some(0.0);
        let row = scope
            .row()
            .set("protocol", protocol)
            .text("dst_namespace", parent_namespace)
            .text("dst_service", parent)
            .opt("port", port(parent_port))
            .text("backend_namespace", namespace)
            .text("backend", backend)
            .opt("backend_port", port(backend_port))
            .set("ready", ready)
            .set("pending", pending)
            .opt("endpoints", gauge("p2c_endpoints"))
            .opt("queue_length", gauge("queue_length"))
            .set("in_failfast", is_shut)
            .opt(
                "failfast_for_s",
                shut_at.filter(|_| is_shut).map(|t| scope.now() - t),
            );
        let has_two = scope.set.has_two;
        let row = tally(row, "queued", sum(of("queue_requests_total"), |_| true), has_two);
        let row = tally(row, "gate_shut", sum(of("queue_gate_shut_total"), |_| true), has_two);
        let state = if is_shut { ", in fail-fast" } else { "" };
        let excerpt = format!(
            "{protocol} balancer of {parent_namespace}/{parent}:{parent_port}: {ready} endpoints ready, {pending} pending{state}"
        );
        let mut fact = scope.told(series.line, &excerpt, row);
        if !parent.is_empty() {
            fact.subjects.push(Subject::namespaced("Service", parent_namespace, parent));
        }
        fact
    });
    facts.collect()
}

fn key<'a>(series: &Series<'a>) -> Key<'a> {
    [
        "parent_namespace",
        "parent_name",
        "parent_port",
        "backend_namespace",
        "backend_name",
        "backend_port",
    ]
    .map(|label| series.label(label))
}
