//! One function per table that is derived from series.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Origin;
use super::series::{Series, SeriesSet};
use crate::evidence::{Evidence, Subject};
use crate::facts::row::Row;
use crate::facts::{Demand, Fact, Sources};

/// Families that the tables below read.
const WANTED: [&str; 38] = [
    "inbound_http_authz_deny_total",
    "inbound_tcp_authz_deny_total",
    "tcp_open_total",
    "tcp_close_total",
    "tcp_open_connections",
    "inbound_tcp_errors_total",
    "outbound_tcp_errors_total",
    "inbound_http_errors_total",
    "outbound_http_errors_total",
    "inbound_tcp_detect_http_results_total",
    "outbound_tcp_detect_http_results_total",
    "outbound_http_route_request_statuses_total",
    "outbound_grpc_route_request_statuses_total",
    "outbound_http_balancer_endpoints",
    "response_total",
    "request_total",
    "response_latency_ms_bucket",
    "control_destination_balancer_endpoints",
    "control_policy_balancer_endpoints",
    "control_identity_balancer_endpoints",
    "control_identity_cert_expiration_timestamp_seconds",
    "control_identity_cert_refreshes_total",
    "control_response_total",
    "identity_cert_expiration_timestamp_seconds",
    "identity_cert_refresh_count",
    "issuer_cert_ttl_seconds",
    "proxy_build_info",
    "process_cpu_seconds_total",
    "process_max_fds",
    "process_open_fds",
    "process_resident_memory_bytes",
    "process_start_time_seconds",
    "process_uptime_seconds_total",
    "rt_workers_busy_duration_seconds_total",
    "tokio_rt_workers_busy_duration_seconds_total",
    "proxy_runtime_workers_busy_duration_seconds_total",
    "inject_report",
    "proxy_inject_admission_responses_total",
];

/// Whether samples of this family are kept.
pub(super) fn wants(family: &str, demand: &Demand) -> bool {
    WANTED.contains(&family)
        || demand.metric_families.contains(family)
        || family.ends_with("workers_busy_duration_seconds_total")
}

/// Derives every table.
pub(super) fn derive(
    sources: &Sources<'_>,
    sets: &[SeriesSet<'_>],
) -> Vec<(&'static str, Vec<Fact>)> {
    let proxies: Vec<&SeriesSet<'_>> = sets.iter().filter(|s| s.origin == Origin::Proxy).collect();
    vec![
        (
            "metrics",
            sets.iter().flat_map(|s| raw(sources, s)).collect(),
        ),
        (
            "denials",
            proxies.iter().flat_map(|s| denials(sources, s)).collect(),
        ),
        (
            "connections",
            proxies
                .iter()
                .flat_map(|s| connections(sources, s))
                .collect(),
        ),
        (
            "tcp_errors",
            proxies
                .iter()
                .flat_map(|s| tcp_errors(sources, s))
                .collect(),
        ),
        (
            "detection",
            proxies.iter().flat_map(|s| detection(sources, s)).collect(),
        ),
        (
            "requests",
            proxies.iter().flat_map(|s| requests(sources, s)).collect(),
        ),
        (
            "responses",
            proxies.iter().flat_map(|s| responses(sources, s)).collect(),
        ),
        (
            "control_clients",
            proxies
                .iter()
                .flat_map(|s| control_clients(sources, s))
                .collect(),
        ),
        (
            "processes",
            sets.iter().map(|s| process(sources, s)).collect(),
        ),
    ]
}

/// A row that starts with whose metrics it is from.
fn row(sources: &Sources<'_>, set: &SeriesSet<'_>) -> Row {
    let owner = sources.owner(set.namespace, set.pod);
    Row::new()
        .set("namespace", set.namespace)
        .set("pod", set.pod)
        .set("workload", json!({"kind": owner.kind, "name": owner.name}))
        .set("two_scrapes", set.has_two)
}

fn text_of(series: &Series<'_>) -> String {
    let labels = series.labels().iter().map(|(n, v)| format!("{n}=\"{v}\""));
    format!(
        "{}{{{}}} {}",
        series.family,
        labels.collect::<Vec<_>>().join(","),
        series.value
    )
}

fn rate(set: &SeriesSet<'_>, delta: Option<f64>) -> Option<f64> {
    Some(delta? / set.interval_s?)
}

/// Table `metrics`: the raw series that rules ask for.
fn raw(sources: &Sources<'_>, set: &SeriesSet<'_>) -> Vec<Fact> {
    let wanted = &sources.context.demand.metric_families;
    let facts = set
        .all()
        .filter(|s| wanted.contains(s.family))
        .map(|series| {
            let labels: BTreeMap<_, _> = series
                .labels()
                .iter()
                .map(|(n, v)| (n.as_str(), v.as_str()))
                .collect();
            let fields = row(sources, set)
                .set("source", set.origin.name())
                .set("container", set.container)
                .set("family", series.family)
                .set("labels", json!(labels))
                .opt("value", number(series.value))
                .opt("previous", series.previous.and_then(number))
                .opt("delta", series.delta().and_then(number))
                .opt("rate", rate(set, series.delta()).and_then(number));
            fact(set, series, fields)
        });
    facts.collect()
}

/// A number that JSON can hold.
fn number(value: f64) -> Option<Value> {
    serde_json::Number::from_f64(value).map(Value::Number)
}

fn fact(set: &SeriesSet<'_>, series: &Series<'_>, fields: Row) -> Fact {
    Fact {
        subjects: vec![set.subject()],
        evidence: vec![set.evidence(series, &text_of(series))],
        fields: fields.build(),
    }
}

/// Table `denials`: who was refused by a proxy's inbound policy.
fn denials(sources: &Sources<'_>, set: &SeriesSet<'_>) -> Vec<Fact> {
    let families = [
        "inbound_http_authz_deny_total",
        "inbound_tcp_authz_deny_total",
    ];
    let series = families
        .iter()
        .flat_map(|f| set.family(f))
        .filter(|s| s.value > 0.0);
    let facts = series.map(|series| {
        let target = series.label("target_addr");
        let port = series.label("srv_port");
        let port = if port.is_empty() {
            target.rsplit(':').next().unwrap_or_default()
        } else {
            port
        };
        let client = series.label("client_id");
        let account = client.split(".serviceaccount.").next().unwrap_or_default();
        let fields = row(sources, set)
            .set(
                "protocol",
                if series.family.contains("http") {
                    "http"
                } else {
                    "tcp"
                },
            )
            .text("server", series.label("srv_name"))
            .text("server_kind", series.label("srv_kind"))
            .set("port", port.parse::<i64>().map_or(Value::Null, Value::from))
            .set("is_admin_port", matches!(port, "4191" | "4190"))
            .text("route", series.label("route_name"))
            .text("client_identity", client)
            .text("client_account", account)
            .set("client_meshed", series.label("tls") == "true")
            .text("skipped_by", &skipping_pods(sources, port))
            .text("unmeshed_pods", &unmeshed_pods(sources, set.namespace))
            .text("no_tls_reason", series.label("no_tls_reason"))
            .set("total", series.value)
            .opt("delta", series.delta());
        fact(set, series, fields)
    });
    facts.collect()
}

/// Meshed pods whose annotation leads connections to this port around their proxy.
fn skipping_pods(sources: &Sources<'_>, port: &str) -> String {
    let annotation = "config.linkerd.io/skip-outbound-ports";
    let skips = |pod: &&crate::facts::Object| {
        let ports = crate::facts::pods::annotation(&pod.value, annotation);
        crate::facts::pods::is_meshed(&pod.value)
            && ports.split(',').any(|r| is_in_range(r.trim(), port))
    };
    names(sources.kind("Pod").iter().filter(skips))
}

/// Whether a port is in `8080` or `8000-8100`.
fn is_in_range(range: &str, port: &str) -> bool {
    let Ok(port) = port.parse::<u16>() else {
        return false;
    };
    match range.split_once('-') {
        Some((from, to)) => {
            from.parse().is_ok_and(|f: u16| f <= port) && to.parse().is_ok_and(|t: u16| port <= t)
        }
        None => range.parse() == Ok(port),
    }
}

/// Pods of a namespace that run without a proxy: likely clients without an identity.
fn unmeshed_pods(sources: &Sources<'_>, namespace: &str) -> String {
    let pods = sources
        .kind("Pod")
        .iter()
        .filter(|p| p.namespace == namespace);
    names(pods.filter(|p| !crate::facts::pods::is_meshed(&p.value)))
}

/// `namespace/name` of the first few pods.
fn names<'a>(pods: impl Iterator<Item = &'a crate::facts::Object>) -> String {
    let all: Vec<String> = pods
        .map(|p| format!("{}/{}", p.namespace, p.name))
        .collect();
    let shown = all.iter().take(3).cloned().collect::<Vec<_>>().join(", ");
    if all.len() > 3 {
        format!("{shown} and {} more", all.len() - 3)
    } else {
        shown
    }
}

/// Table `connections`: connections per peer, opened against closed.
fn connections(sources: &Sources<'_>, set: &SeriesSet<'_>) -> Vec<Fact> {
    let key = |s: &Series<'_>| {
        let labels = [
            "direction",
            "peer",
            "target_port",
            "dst_namespace",
            "dst_service",
            "dst_pod",
        ];
        labels.map(|l| s.label(l).to_owned())
    };
    let mut groups: BTreeMap<[String; 6], [f64; 6]> = BTreeMap::new();
    let mut places: BTreeMap<[String; 6], &Series<'_>> = BTreeMap::new();
    for (at, family) in ["tcp_open_total", "tcp_close_total", "tcp_open_connections"]
        .iter()
        .enumerate()
    {
        for series in set.family(family) {
            let sums = groups.entry(key(series)).or_default();
            if let Some(value) = sums.get_mut(at) {
                *value += series.value;
            }
            if let Some(delta) = sums.get_mut(at + 3) {
                *delta += series.value - series.previous.unwrap_or(series.value);
            }
            places.insert(key(series), series);
        }
    }
    let facts = groups.into_iter().filter_map(|(key, [opened, closed, open, d_open, d_close, d_now])| {
        let series = places.get(&key)?;
        let [direction, peer, port, namespace, service, pod] = key;
        let fields = row(sources, set)
            .text("direction", &direction)
            .text("peer", &peer)
            .opt("port", port.parse::<i64>().ok())
            .text("dst_namespace", &namespace)
            .text("dst_service", &service)
            .text("dst_pod", &pod)
            .set("opened", opened)
            .set("closed", closed)
            .set("open", open)
            .set("opened_delta", d_open)
            .set("closed_delta", d_close)
            .set("open_delta", d_now)
            .opt("opened_per_s", set.interval_s.map(|s| d_open / s))
            .opt("open_fds", set.value("process_open_fds"))
            .opt("max_fds", set.value("process_max_fds"));
        let to = if service.is_empty() { String::new() } else { format!(" to {namespace}/{service}") };
        let excerpt = format!(
            "{direction} connections{to} port {port}: {open} open, {opened} opened, {closed} closed; between the scrapes {d_open} opened, {d_close} closed"
        );
        let mut subjects = vec![set.subject()];
        if !service.is_empty() {
            subjects.push(Subject::namespaced("Service", namespace.as_str(), service.as_str()));
        }
        Some(Fact { subjects, evidence: vec![set.evidence(series, &excerpt)], fields: fields.build() })
    });
    facts.collect()
}

/// Table `tcp_errors`: connections that ended in an error.
fn tcp_errors(sources: &Sources<'_>, set: &SeriesSet<'_>) -> Vec<Fact> {
    let families = ["inbound_tcp_errors_total", "outbound_tcp_errors_total"];
    let series = families
        .iter()
        .flat_map(|f| set.family(f))
        .filter(|s| s.value > 0.0);
    let facts = series.map(|series| {
        let port = series.label("target_port");
        let fields = row(sources, set)
            .set(
                "direction",
                if series.family.starts_with("inbound") {
                    "inbound"
                } else {
                    "outbound"
                },
            )
            .text("error", series.label("error"))
            .text("target_ip", series.label("target_ip"))
            .opt("port", port.parse::<i64>().ok())
            .text(
                "service",
                &service_of_ip(sources, series.label("target_ip")),
            )
            .set("total", series.value)
            .opt("delta", series.delta());
        fact(set, series, fields)
    });
    facts.collect()
}

/// `namespace/name` of the Service with this cluster IP.
fn service_of_ip(sources: &Sources<'_>, ip: &str) -> String {
    let services = sources.kind("Service").iter();
    let mut found = services
        .filter(|s| !ip.is_empty() && crate::facts::row::text(&s.value, "/spec/clusterIP") == ip);
    found
        .next()
        .map(|s| format!("{}/{}", s.namespace, s.name))
        .unwrap_or_default()
}

/// Table `detection`: how protocol detection ended, per direction and port.
fn detection(sources: &Sources<'_>, set: &SeriesSet<'_>) -> Vec<Fact> {
    let families = [
        "inbound_tcp_detect_http_results_total",
        "outbound_tcp_detect_http_results_total",
    ];
    let mut groups: BTreeMap<[String; 4], BTreeMap<&str, (f64, f64)>> = BTreeMap::new();
    let mut places: BTreeMap<[String; 4], &Series<'_>> = BTreeMap::new();
    for series in families.iter().flat_map(|f| set.family(f)) {
        let inbound = series.family.starts_with("inbound");
        let port = if inbound {
            series.label("srv_port")
        } else {
            series.label("parent_port")
        };
        let key = [
            if inbound { "inbound" } else { "outbound" }.to_owned(),
            port.to_owned(),
            series.label("parent_namespace").to_owned(),
            series.label("parent_name").to_owned(),
        ];
        let result = series.label("result");
        let sums = groups
            .entry(key.clone())
            .or_default()
            .entry(result)
            .or_default();
        sums.0 += series.value;
        sums.1 += series.delta().unwrap_or(0.0);
        if matches!(result, "read_timeout" | "error") && series.value > 0.0 {
            places.insert(key, series);
        } else {
            places.entry(key).or_insert(series);
        }
    }
    let facts = groups.into_iter().filter_map(|(key, results)| {
        let series = places.get(&key)?;
        let [direction, port, namespace, service] = key;
        let of = |result: &str| results.get(result).copied().unwrap_or_default();
        let http = of("http/1").0 + of("http/2").0;
        let fields = row(sources, set)
            .text("direction", &direction)
            .opt("port", port.parse::<i64>().ok())
            .text("dst_namespace", &namespace)
            .text("dst_service", &service)
            .set("timeouts", of("read_timeout").0)
            .set("timeouts_delta", of("read_timeout").1)
            .set("errors", of("error").0)
            .set("errors_delta", of("error").1)
            .set("not_http", of("not_http").0)
            .set("http", http);
        let excerpt = format!(
            "{direction} protocol detection on port {port} {namespace}/{service}: {} timeouts, {} errors, {http} HTTP, {} other",
            of("read_timeout").0, of("error").0, of("not_http").0
        );
        let mut subjects = vec![set.subject()];
        if !service.is_empty() {
            subjects.push(Subject::namespaced("Service", namespace.as_str(), service.as_str()));
        }
        Some(Fact { subjects, evidence: vec![set.evidence(series, &excerpt)], fields: fields.build() })
    });
    facts.collect()
}

/// Table `requests`: outbound requests per Service, with what became of them.
fn requests(sources: &Sources<'_>, set: &SeriesSet<'_>) -> Vec<Fact> {
    let families = [
        "outbound_http_route_request_statuses_total",
        "outbound_grpc_route_request_statuses_total",
    ];
    let mut groups: BTreeMap<[String; 4], BTreeMap<String, (f64, f64)>> = BTreeMap::new();
    let mut places: BTreeMap<[String; 4], &Series<'_>> = BTreeMap::new();
    for series in families.iter().flat_map(|f| set.family(f)) {
        let labels = [
            "parent_kind",
            "parent_namespace",
            "parent_name",
            "parent_port",
        ];
        let key = labels.map(|l| series.label(l).to_owned());
        let error = series.label("error");
        let outcome = if error.is_empty() {
            series.label("http_status")
        } else {
            error
        };
        let outcome = if outcome.is_empty() {
            series.label("grpc_status")
        } else {
            outcome
        };
        let sums = groups
            .entry(key.clone())
            .or_default()
            .entry(outcome.to_owned())
            .or_default();
        sums.0 += series.value;
        sums.1 += series.delta().unwrap_or(0.0);
        let current = places.entry(key).or_insert(series);
        if !error.is_empty() && series.value > current.value {
            *current = series;
        }
    }
    let facts = groups.into_iter().filter_map(|(key, outcomes)| {
        let series = places.get(&key)?;
        Some(request_fact(sources, set, series, &key, &outcomes))
    });
    facts.collect()
}

fn request_fact(
    sources: &Sources<'_>,
    set: &SeriesSet<'_>,
    series: &Series<'_>,
    [kind, namespace, name, port]: &[String; 4],
    outcomes: &BTreeMap<String, (f64, f64)>,
) -> Fact {
    let sum = |picks: &dyn Fn(&str) -> bool| {
        let picked = outcomes.iter().filter(|(o, _)| picks(o));
        picked.fold((0.0, 0.0), |(t, d), (_, (total, delta))| {
            (t + total, d + delta)
        })
    };
    let all = sum(&|_| true);
    let server_errors = sum(&|o| o.len() == 3 && o.starts_with('5'));
    let (failfast, loadshed) = (sum(&|o| o == "FAIL_FAST"), sum(&|o| o == "LOAD_SHED"));
    let proxy_errors = sum(&|o| !o.is_empty() && !o.bytes().all(|b| b.is_ascii_digit()));
    let failures = server_errors.1 + proxy_errors.1;
    let fields = row(sources, set)
        .text("parent_kind", kind)
        .text("dst_namespace", namespace)
        .text("dst_service", name)
        .opt("port", port.parse::<i64>().ok())
        .set("total", all.0)
        .set("delta", all.1)
        .set("server_errors", server_errors.0)
        .set("server_errors_delta", server_errors.1)
        .set("forbidden_delta", sum(&|o| o == "403").1)
        .set("forbidden", sum(&|o| o == "403").0)
        .set("failfast", failfast.0)
        .set("failfast_delta", failfast.1)
        .set("loadshed", loadshed.0)
        .set("loadshed_delta", loadshed.1)
        .set("proxy_errors", proxy_errors.0)
        .set("proxy_errors_delta", proxy_errors.1)
        .opt("failure_ratio", (all.1 > 0.0).then(|| failures / all.1));
    let told: Vec<String> = outcomes
        .iter()
        .map(|(o, (t, d))| format!("{o}: {t} (+{d})"))
        .collect();
    let excerpt = format!(
        "requests to {namespace}/{name}:{port} by outcome, with growth between the scrapes: {}",
        told.join(", ")
    );
    Fact {
        subjects: vec![
            set.subject(),
            Subject::namespaced(kind.as_str(), namespace.as_str(), name.as_str()),
        ],
        evidence: vec![set.evidence(series, &excerpt)],
        fields: fields.build(),
    }
}

/// Table `responses`: success and latency per peer, from both sides.
fn responses(sources: &Sources<'_>, set: &SeriesSet<'_>) -> Vec<Fact> {
    let key = |s: &Series<'_>| {
        let labels = [
            "direction",
            "target_port",
            "dst_namespace",
            "dst_service",
            "route_name",
        ];
        labels.map(|l| s.label(l).to_owned())
    };
    let mut groups: BTreeMap<[String; 5], ([f64; 5], &Series<'_>)> = BTreeMap::new();
    for series in set.family("response_total") {
        let (sums, _) = groups.entry(key(series)).or_insert(([0.0; 5], series));
        let failed = series.label("classification") == "failure";
        let gateway = matches!(series.label("status_code"), "502" | "503" | "504");
        let delta = series.delta().unwrap_or(0.0);
        let add = [
            series.value,
            delta,
            f64::from(u8::from(failed)) * series.value,
            f64::from(u8::from(failed)) * delta,
            f64::from(u8::from(gateway)) * series.value,
        ];
        sums.iter_mut().zip(add).for_each(|(sum, add)| *sum += add);
    }
    let facts = groups.into_iter().map(|(key, ([total, delta, failures, failures_delta, gateway], series))| {
        let latency = set.family("response_latency_ms_bucket").iter().filter(|s| {
            let labels = ["direction", "target_port", "dst_namespace", "dst_service", "route_name"];
            labels.iter().zip(&key).all(|(l, k)| s.label(l) == k)
        });
        let latency: Vec<&Series<'_>> = latency.collect();
        let [direction, port, namespace, service, route] = &key;
        let fields = row(sources, set)
            .text("direction", direction)
            .opt("port", port.parse::<i64>().ok())
            .text("dst_namespace", namespace)
            .text("dst_service", service)
            .text("route", route)
            .set("total", total)
            .set("delta", delta)
            .set("failures", failures)
            .set("failures_delta", failures_delta)
            .set("gateway_errors", gateway)
            .opt("success_ratio", (delta > 0.0).then(|| 1.0 - failures_delta / delta))
            .opt("p50_ms", quantile(&latency, 0.50))
            .opt("p95_ms", quantile(&latency, 0.95));
        let excerpt = format!("{direction} responses port {port} {namespace}/{service}: {total} in all, {failures} failures; between the scrapes {delta} and {failures_delta}");
        Fact {
            subjects: vec![set.subject()],
            evidence: vec![set.evidence(series, &excerpt)],
            fields: fields.build(),
        }
    });
    facts.collect()
}

/// A quantile of what was observed between the scrapes, as the upper bound of its bucket.
fn quantile(buckets: &[&Series<'_>], quantile: f64) -> Option<f64> {
    let mut bounds: BTreeMap<u64, f64> = BTreeMap::new();
    let mut total = 0.0;
    for series in buckets {
        let count = series.delta().unwrap_or(series.value);
        match series.label("le") {
            "+Inf" => total += count,
            bound => {
                *bounds
                    .entry(bound.parse::<f64>().ok()?.to_bits())
                    .or_default() += count;
            }
        }
    }
    (total > 0.0).then_some(())?;
    let wanted = total * quantile;
    bounds
        .into_iter()
        .find(|(_, count)| *count >= wanted)
        .map(|(bound, _)| f64::from_bits(bound))
}

/// Table `control_clients`: whether a proxy reaches each control-plane component.
fn control_clients(sources: &Sources<'_>, set: &SeriesSet<'_>) -> Vec<Fact> {
    let components = ["destination", "policy", "identity"];
    let facts = components.iter().filter_map(|component| {
        let family = format!("control_{component}_balancer_endpoints");
        let series = set.family(&family);
        let first = series.first()?;
        let of = |state: &str| -> f64 {
            series
                .iter()
                .filter(|s| s.label("endpoint_state") == state)
                .map(|s| s.value)
                .sum()
        };
        let (ready, pending) = (of("ready"), of("pending"));
        let fields = row(sources, set)
            .set("component", *component)
            .text("address", first.label("addr"))
            .set("ready", ready)
            .set("pending", pending)
            .set("reachable", ready > 0.0);
        let excerpt = format!(
            "{component} at {}: {ready} endpoints ready, {pending} pending",
            first.label("addr")
        );
        Some(Fact {
            subjects: vec![set.subject()],
            evidence: vec![set.evidence(first, &excerpt)],
            fields: fields.build(),
        })
    });
    facts.collect()
}

/// Table `processes`: resources and identity of each scraped process.
fn process(sources: &Sources<'_>, set: &SeriesSet<'_>) -> Fact {
    let at = sources.at().as_duration().as_secs_f64();
    let expiry = set
        .value("control_identity_cert_expiration_timestamp_seconds")
        .or_else(|| set.value("identity_cert_expiration_timestamp_seconds"))
        .filter(|t| *t > 0.0);
    let cpu = set
        .family("process_cpu_seconds_total")
        .first()
        .and_then(Series::delta);
    let busy: f64 = set
        .all()
        .filter(|s| s.family.ends_with("workers_busy_duration_seconds_total"))
        .filter_map(Series::delta)
        .sum();
    let started = set.value("process_start_time_seconds");
    let version = set
        .family("proxy_build_info")
        .first()
        .map(|s| s.label("version"));
    let fields = row(sources, set)
        .set("source", set.origin.name())
        .set("container", set.container)
        .opt("version", version)
        .opt("cert_expires_in_s", expiry.map(|t| t - at))
        .opt(
            "cert_refreshes",
            set.value("control_identity_cert_refreshes_total"),
        )
        .opt("issuer_ttl_s", set.value("issuer_cert_ttl_seconds"))
        .opt(
            "issuer_days_left",
            set.value("issuer_cert_ttl_seconds").map(|s| s / 86_400.0),
        )
        .opt("open_fds", set.value("process_open_fds"))
        .opt("max_fds", set.value("process_max_fds"))
        .opt("memory_bytes", set.value("process_resident_memory_bytes"))
        .opt("uptime_s", started.map(|t| at - t))
        .opt("cpu_per_s", rate(set, cpu))
        .opt(
            "busy_per_cpu",
            cpu.filter(|c| *c > 0.0 && busy > 0.0).map(|c| busy / c),
        );
    let fds = set.value("process_open_fds").unwrap_or(0.0);
    let ends = expiry.map_or_else(String::new, |t| {
        format!(", certificate ends {:.0} s after the capture", t - at)
    });
    let excerpt = format!("{}: {fds} open file descriptors{ends}", set.container);
    Fact {
        subjects: vec![set.subject()],
        evidence: vec![Evidence::of_entry(set.entry, excerpt)],
        fields: fields.build(),
    }
}
