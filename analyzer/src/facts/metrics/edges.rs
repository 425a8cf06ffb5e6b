//! The table `edges`: who calls whom and what becomes of it, as each proxy counted it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::common::{Scope, account, port, split_address};
use super::edge::Edge;
use super::store::Labels;
use crate::evidence::Subject;
use crate::facts::Fact;
use crate::facts::kube::is_control_plane;
use crate::facts::row::Row;

/// What an edge is told apart by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Ends<'a> {
    /// From this pod to a Service, an authority or an address.
    Outbound {
        namespace: &'a str,
        name: &'a str,
        port: &'a str,
    },
    /// From a client to a port of this pod.
    Inbound {
        port: &'a str,
        server: &'a str,
        client: &'a str,
        reason: &'a str,
    },
}

type Edges<'a> = BTreeMap<Ends<'a>, Edge<'a>>;

pub(super) fn rows(scope: &Scope<'_>) -> Vec<Fact> {
    let mut edges = Edges::new();
    add_responses(scope, &mut edges);
    add_requests(scope, &mut edges);
    let facts = edges
        .iter()
        .filter_map(|(ends, edge)| fact(scope, ends, edge));
    facts.collect()
}

fn add_responses<'a>(scope: &Scope<'a>, edges: &mut Edges<'a>) {
    for series in scope.set.family("response_total") {
        let Some(ends) = ends_of(scope, series.labels) else {
            continue;
        };
        let edge = edges.entry(ends).or_default();
        edge.add_response(series);
        describe(edge, series.labels);
    }
    for histogram in scope.set.histograms("response_latency_ms_bucket") {
        if let Some(edge) = ends_of(scope, histogram.labels).and_then(|e| edges.get_mut(&e)) {
            edge.latency.add(histogram);
        }
    }
}

fn add_requests<'a>(scope: &Scope<'a>, edges: &mut Edges<'a>) {
    let statuses = [
        "outbound_http_route_request_statuses_total",
        "outbound_grpc_route_request_statuses_total",
    ];
    for series in scope.set.families(&statuses) {
        let edge = edges.entry(ends_of_parent(series.labels)).or_default();
        edge.add_request(series);
        let route = series.label("route_name");
        if !matches!(route, "" | "http" | "grpc" | "default") {
            edge.routes.insert(route);
        }
    }
    for series in scope.set.family("outbound_http_route_retry_requests_total") {
        let edge = edges.entry(ends_of_parent(series.labels)).or_default();
        edge.retries.add(series);
    }
    let refused = [
        "outbound_http_route_retry_overflow_total",
        "outbound_http_route_retry_limit_exceeded_total",
    ];
    for series in scope.set.families(&refused) {
        let edge = edges.entry(ends_of_parent(series.labels)).or_default();
        edge.retries_refused.add(series);
    }
}

fn ends_of_parent(labels: Labels<'_>) -> Ends<'_> {
    Ends::Outbound {
        namespace: labels.get("parent_namespace"),
        name: labels.get("parent_name"),
        port: labels.get("parent_port"),
    }
}

/// The ends of what `response_total` counts; `None` for the proxy's own ports and for probes.
fn ends_of<'a>(scope: &Scope<'a>, labels: Labels<'a>) -> Option<Ends<'a>> {
    let target = labels.get("target_addr");
    let (ip, target_port) = split_address(target);
    if labels.get("direction") == "inbound" {
        let told = labels.get("srv_port");
        let port = if told.is_empty() { target_port } else { told };
        let is_own = matches!(port, "4191" | "4190");
        let is_probe = labels.get("route_name") == "probe" || labels.get("authz_name") == "probe";
        return (!is_own && !is_probe).then(|| Ends::Inbound {
            port,
            server: labels.get("srv_name"),
            client: labels.get("client_id"),
            reason: labels.get("no_tls_reason"),
        });
    }
    let authority = labels.get("authority");
    let (host, of_authority) = split_address(authority);
    let port = match (of_authority, authority) {
        ("", "") => target_port,
        // Clients leave the port out where it is the default one.
        ("", _) => "80",
        (port, _) => port,
    };
    let service = labels.get("dst_service");
    if !service.is_empty() {
        return Some(Ends::Outbound {
            namespace: labels.get("dst_namespace"),
            name: service,
            port,
        });
    }
    let (namespace, name) = service_of_host(host)
        .or_else(|| scope.service_of(ip))
        .unwrap_or(("", if host.is_empty() { target } else { host }));
    Some(Ends::Outbound {
        namespace,
        name,
        port,
    })
}

/// The Service in a name such as `cart.shop.svc.cluster.local`.
fn service_of_host(host: &str) -> Option<(&str, &str)> {
    let (name, rest) = host.split_once('.')?;
    let (namespace, rest) = rest.split_once('.')?;
    (rest == "svc" || rest.starts_with("svc.")).then_some((namespace, name))
}

/// Collects what labels say of the other end.
fn describe<'a>(edge: &mut Edge<'a>, labels: Labels<'a>) {
    const KINDS: [(&str, &str); 7] = [
        ("dst_deployment", "Deployment"),
        ("dst_statefulset", "StatefulSet"),
        ("dst_daemonset", "DaemonSet"),
        ("dst_job", "Job"),
        ("dst_cronjob", "CronJob"),
        ("dst_replicaset", "ReplicaSet"),
        ("dst_replicationcontroller", "ReplicationController"),
    ];
    for (label, value) in labels.iter().filter(|(_, value)| !value.is_empty()) {
        match label {
            "tls" => edge.tls.insert(value),
            "no_tls_reason" => edge.no_tls_reasons.insert(value),
            "server_id" => edge.identities.insert(value),
            "dst_pod" => edge.pods.insert(value),
            "rt_route" => edge.routes.insert(value),
            "route_name" if value != "default" => edge.routes.insert(value),
            _ => match KINDS.iter().find(|(name, _)| *name == label) {
                Some((_, kind)) => edge.workloads.insert((kind, value)),
                None => continue,
            },
        };
    }
}

/// `true`, `false`, or `mixed`.
fn tls(values: &BTreeSet<&str>) -> &'static str {
    match (values.contains("true"), values.len()) {
        (true, 1) => "true",
        (true, _) => "mixed",
        (false, 0) => "",
        (false, _) => "false",
    }
}

fn texts(values: &BTreeSet<&str>) -> Option<Value> {
    (!values.is_empty()).then(|| json!(values))
}

fn fact(scope: &Scope<'_>, ends: &Ends<'_>, edge: &Edge<'_>) -> Option<Fact> {
    let line = edge.line()?;
    let is_control_plane = scope
        .sources
        .object("Pod", scope.set.namespace, scope.set.pod)
        .is_some_and(|pod| is_control_plane(&pod.value));
    let own = format!("{}/{}", scope.set.namespace, scope.owner.name);
    let row = scope.row().set("is_control_plane", is_control_plane);
    let (row, other, subject) = match ends {
        Ends::Outbound { .. } => outbound(row, ends, edge),
        Ends::Inbound { .. } => inbound(row, ends),
    };
    let is_outbound = matches!(ends, Ends::Outbound { .. });
    let (from, to) = if is_outbound {
        (own, other)
    } else {
        (other, own)
    };
    let row = row
        .set(
            "direction",
            if is_outbound { "outbound" } else { "inbound" },
        )
        .set("from", from.as_str())
        .set("to", to.as_str())
        .text("tls", tls(&edge.tls))
        .opt("no_tls_reasons", texts(&edge.no_tls_reasons))
        .opt("routes", texts(&edge.routes))
        .opt("uptime_s", scope.uptime());
    let row = edge.fields(row, scope.set.has_two);
    let words = edge.in_words();
    let excerpt = format!("{from} -> {to}: {words}; in brackets the growth between the scrapes");
    let mut fact = scope.told(line, &excerpt, row);
    fact.subjects.extend(subject);
    Some(fact)
}

/// Fields of an edge that leaves the pod, the other end in words, and as a subject.
fn outbound(row: Row, ends: &Ends<'_>, edge: &Edge<'_>) -> (Row, String, Option<Subject>) {
    let Ends::Outbound {
        namespace,
        name,
        port: number,
    } = ends
    else {
        return (row, String::new(), None);
    };
    let row = row.text("dst", name).opt("port", port(number));
    let row = if namespace.is_empty() {
        row
    } else {
        row.set("dst_namespace", *namespace)
            .set("dst_service", *name)
    };
    let workloads = edge.workloads.iter();
    let workloads: Vec<Value> = workloads
        .map(|(kind, name)| json!({"kind": kind, "name": name}))
        .collect();
    let row = row
        .opt("dst_workload", workloads.first().cloned())
        .opt("dst_pods", texts(&edge.pods))
        .opt("server_identities", texts(&edge.identities));
    let place = if namespace.is_empty() {
        (*name).to_owned()
    } else {
        format!("{namespace}/{name}")
    };
    let subject =
        (!namespace.is_empty()).then(|| Subject::namespaced("Service", *namespace, *name));
    (row, format!("{place}:{number}"), subject)
}

/// Fields of an edge that comes into the pod, the other end in words, and as a subject.
fn inbound(row: Row, ends: &Ends<'_>) -> (Row, String, Option<Subject>) {
    let Ends::Inbound {
        port: number,
        server,
        client,
        reason,
    } = ends
    else {
        return (row, String::new(), None);
    };
    let of_client = account(client);
    let (name, namespace) = of_client.split_once('.').unwrap_or((of_client, ""));
    let row = row
        .opt("port", port(number))
        .text("server", server)
        .text("client_identity", client)
        .text("client_account", of_client)
        .text("client_namespace", namespace);
    let other = if !namespace.is_empty() {
        format!("{namespace}/{name}")
    } else if !client.is_empty() {
        (*client).to_owned()
    } else if reason.is_empty() {
        "a client without a certificate".to_owned()
    } else {
        format!("a client without mTLS ({reason})")
    };
    let subject =
        (!namespace.is_empty()).then(|| Subject::namespaced("ServiceAccount", namespace, name));
    (row, other, subject)
}
