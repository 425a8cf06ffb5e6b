//! The table `controller`: what the containers of the control plane and of extensions say about
//! their own work. Each row is one `signal` with the names that belong to it.

use std::collections::BTreeMap;

use super::common::{Scope, Tally, number, tally};
use super::quantiles::Latency;
use super::series::Series;
use crate::facts::Fact;
use crate::facts::kube::{COMPONENT, label};
use crate::facts::row::Row;

/// A counter that becomes a row for each set of the labels named.
struct Counter {
    signal: &'static str,
    family: &'static str,
    /// Labels, and the fields that they become.
    labels: LabelNames,
}

const fn counter(signal: &'static str, family: &'static str, labels: LabelNames) -> Counter {
    Counter {
        signal,
        family,
        labels,
    }
}

/// Labels, each with the field that it becomes.
type LabelNames = &'static [(&'static str, &'static str)];

const SERVICE: LabelNames = &[
    ("service", "name"),
    ("fqn", "name"),
    ("namespace", "of_namespace"),
];
const CLUSTER: &[(&str, &str)] = &[("target_cluster_name", "name")];

const COUNTERS: [Counter; 22] = [
    counter(
        "grpc",
        "grpc_server_handled_total",
        &[
            ("grpc_service", "service"),
            ("grpc_method", "name"),
            ("grpc_code", "code"),
        ],
    ),
    counter(
        "kubernetes-requests",
        "http_client_requests_total",
        &[("client", "name"), ("method", "method"), ("code", "code")],
    ),
    counter(
        "kubernetes-errors",
        "http_client_errors_total",
        &[("client", "name"), ("method", "method")],
    ),
    counter(
        "kubernetes-responses",
        "kube_client_response_status_total",
        &[("status", "code"), ("error", "reason")],
    ),
    counter(
        "watch-errors",
        "kube_watch_errors_total",
        &[("kind", "name"), ("error", "reason")],
    ),
    counter("queue-overflow", "endpoint_updates_queue_overflow", SERVICE),
    counter("queue-overflow", "profile_updates_queue_overflow", SERVICE),
    counter(
        "queue-overflow",
        "endpoint_profile_updates_queue_overflow",
        SERVICE,
    ),
    counter(
        "workqueue-drops",
        "workqueue_drops_total",
        &[("name", "name")],
    ),
    counter(
        "injection-requests",
        "proxy_inject_admission_requests_total",
        &[
            ("namespace", "of_namespace"),
            ("owner_kind", "name"),
            ("annotation_at", "reason"),
        ],
    ),
    counter(
        "injection",
        "proxy_inject_admission_responses_total",
        &[
            ("namespace", "of_namespace"),
            ("owner_kind", "name"),
            ("skip", "code"),
            ("skip_reason", "reason"),
        ],
    ),
    counter(
        "webhook-requests",
        "http_server_requests_total",
        &[("method", "method"), ("code", "code")],
    ),
    counter(
        "status-patch-failures",
        "resource_status_patch_api_errors_total",
        &[],
    ),
    counter(
        "status-patch-failures",
        "resource_status_patch_timeouts_total",
        &[],
    ),
    counter(
        "status-patch-failures",
        "resource_status_patch_enqueue_overflows_total",
        &[],
    ),
    counter(
        "status-patch-failures",
        "resource_status_patch_drops_total",
        &[],
    ),
    counter(
        "gateway-probes",
        "gateway_probes",
        &[
            ("target_cluster_name", "name"),
            ("probe_successful", "code"),
        ],
    ),
    counter(
        "cni-repair",
        "linkerd_cni_repair_controller_pods_deleted_total",
        &[],
    ),
    counter(
        "cni-repair-failures",
        "linkerd_cni_repair_controller_pods_delete_errors_total",
        &[],
    ),
    counter(
        "cni-repair-failures",
        "linkerd_cni_repair_controller_pods_delete_timeout_total",
        &[],
    ),
    counter(
        "cni-repair-failures",
        "linkerd_cni_repair_controller_queue_overflow_total",
        &[],
    ),
    counter(
        "cni-repair-failures",
        "linkerd_cni_repair_controller_events_publish_errors_total",
        &[],
    ),
];

/// Gauges: signal, family, label that names what it is of.
const GAUGES: [(&str, &str, LabelNames); 7] = [
    ("issuer-ttl", "issuer_cert_ttl_seconds", &[]),
    ("workqueue-depth", "workqueue_depth", &[("name", "name")]),
    (
        "workqueue-unfinished-s",
        "workqueue_unfinished_work_seconds",
        &[("name", "name")],
    ),
    ("kubernetes-qps", "http_client_qps", &[("client", "name")]),
    ("gateway-alive", "gateway_alive", CLUSTER),
    ("gateway-enabled", "gateway_enabled", CLUSTER),
    ("gateway-latency-ms", "gateway_latency", CLUSTER),
];

pub(super) fn rows(scope: &Scope<'_>) -> Vec<Fact> {
    let mut facts = Vec::new();
    for counter in &COUNTERS {
        facts.extend(counted(scope, counter));
    }
    for (signal, family, labels) in &GAUGES {
        let series = scope.set.family(family).iter();
        facts.extend(series.map(|s| gauge(scope, signal, labels, s)));
    }
    facts.extend(latencies(scope));
    facts.extend(in_flight(scope));
    facts.extend(missing_services(scope));
    facts
}

/// The start of a row.
fn start(scope: &Scope<'_>, signal: &str) -> Row {
    let set = scope.set;
    let pod = scope.sources.object("Pod", set.namespace, set.pod);
    let component = pod.map_or("", |pod| label(&pod.value, COMPONENT));
    scope
        .row()
        .set("container", set.container)
        .text("component", component)
        .set("signal", signal)
        .opt("uptime_s", scope.uptime())
}

fn named(mut row: Row, labels: &[(&str, &str)], value: impl Fn(&str) -> String) -> Row {
    for (label, field) in labels {
        row = row.text(field, &value(label));
    }
    row
}

/// Series that differ in other labels are added up.
fn counted(scope: &Scope<'_>, counter: &Counter) -> Vec<Fact> {
    let mut groups: BTreeMap<Vec<&str>, (Tally, &Series<'_>)> = BTreeMap::new();
    for series in scope.set.family(counter.family) {
        let key = counter
            .labels
            .iter()
            .map(|(l, _)| series.label(l))
            .collect();
        groups
            .entry(key)
            .or_insert((Tally::default(), series))
            .0
            .add(series);
    }
    let facts = groups.into_values().map(|(sum, series)| {
        let row = start(scope, counter.signal).set("family", counter.family);
        let row = named(row, counter.labels, |l| series.label(l).to_owned());
        let is_failure = is_failure(counter.signal, series);
        let row = tally(row, "total", sum, false)
            .opt("delta", scope.set.has_two.then_some(sum.delta))
            .opt(
                "per_s",
                scope.set.rate(scope.set.has_two.then_some(sum.delta)),
            )
            .set("is_failure", is_failure);
        scope.fact(series, row)
    });
    facts.collect()
}

/// Whether what was counted is a failure of the control plane: clients that went away and
/// answers that say that something does not exist are none.
fn is_failure(signal: &str, series: &Series<'_>) -> bool {
    let http = |code: &str| code.starts_with('5') || matches!(code, "401" | "403" | "429");
    match signal {
        "grpc" => !matches!(
            series
                .label("grpc_code")
                .to_ascii_lowercase()
                .replace('_', "")
                .as_str(),
            "ok" | "canceled" | "cancelled" | "notfound"
        ),
        "kubernetes-requests" | "webhook-requests" => http(series.label("code")),
        "kubernetes-responses" => http(series.label("status")) || !series.label("error").is_empty(),
        "injection" => series.label("skip") == "true",
        "injection-requests" | "cni-repair" => false,
        "gateway-probes" => series.label("probe_successful") == "false",
        _ => true,
    }
}

fn gauge(scope: &Scope<'_>, signal: &str, labels: &[(&str, &str)], series: &Series<'_>) -> Fact {
    let row = start(scope, signal).set("family", series.family);
    let row = named(row, labels, |l| series.label(l).to_owned())
        .opt("value", number(series.value))
        .opt("previous", series.previous.and_then(number));
    scope.fact(series, row)
}

/// Quantiles of requests to the Kubernetes API, and of how far informers lag behind.
fn latencies(scope: &Scope<'_>) -> Vec<Fact> {
    let mut groups: BTreeMap<(&str, &str), (Latency, u64)> = BTreeMap::new();
    for histogram in scope.set.all_histograms() {
        let key = match histogram
            .family
            .strip_suffix("_informer_lag_seconds_bucket")
        {
            Some(kind) => ("informer-lag", kind),
            None if histogram.family == "http_client_request_latency_seconds_bucket" => {
                ("kubernetes-latency", histogram.labels.get("client"))
            }
            None => continue,
        };
        let (latency, _) = groups
            .entry(key)
            .or_insert((Latency::default(), histogram.line));
        latency.add(histogram);
    }
    let facts = groups.into_iter().map(|((signal, name), (latency, line))| {
        let newest = latency.newest();
        let row = start(scope, signal)
            .text("name", name)
            .opt("p50_s", newest.at(0.50))
            .opt("p95_s", newest.at(0.95))
            .opt("p95_s_total", latency.lifetime.at(0.95))
            .set("total", latency.lifetime.count())
            .opt("delta", scope.set.has_two.then(|| latency.delta.count()));
        let excerpt = format!(
            "{signal} of {name}: 95 % within {:.3} s, {} samples",
            newest.at(0.95).unwrap_or(0.0),
            newest.count()
        );
        scope.told(line, &excerpt, row)
    });
    facts.collect()
}

/// Calls that are open now: for streams, roughly the proxies that are connected.
fn in_flight(scope: &Scope<'_>) -> Vec<Fact> {
    let mut groups: BTreeMap<(&str, &str), (f64, &Series<'_>)> = BTreeMap::new();
    for series in scope
        .set
        .families(&["grpc_server_started_total", "grpc_server_handled_total"])
    {
        let key = (series.label("grpc_service"), series.label("grpc_method"));
        let sign = if series.family == "grpc_server_started_total" {
            1.0
        } else {
            -1.0
        };
        groups.entry(key).or_insert((0.0, series)).0 += sign * series.value;
    }
    let facts = groups
        .into_iter()
        .map(|((service, method), (open, series))| {
            let row = start(scope, "grpc-open")
                .text("service", service)
                .text("name", method)
                .set("value", open);
            scope.fact(series, row)
        });
    facts.collect()
}

/// Services that clients ask for and that do not exist.
fn missing_services(scope: &Scope<'_>) -> Vec<Fact> {
    let set = scope.set;
    let key = |s: &Series<'_>| ["namespace", "service", "port"].map(|l| s.label(l).to_owned());
    let asked_for = set
        .family("endpoints_subscribers")
        .iter()
        .filter(|s| s.value > 0.0);
    let facts = asked_for.filter_map(|subscribers| {
        let wanted = key(subscribers);
        let exists = set
            .family("endpoints_exists")
            .iter()
            .find(|s| key(s) == wanted)?;
        (exists.value == 0.0).then(|| {
            let [namespace, service, port] = &wanted;
            let row = start(scope, "service-missing")
                .text("of_namespace", namespace)
                .text("name", service)
                .opt("port", super::common::port(port))
                .set("value", subscribers.value);
            scope.fact(subscribers, row)
        })
    });
    facts.collect()
}
