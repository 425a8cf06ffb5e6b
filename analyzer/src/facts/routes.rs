//! The table `routes`: `HTTPRoutes`, `GRPCRoutes`, `TLSRoutes`, `TCPRoutes` and `ServiceProfiles`, and
//! what is wrong with them.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::json::Json;
use super::kube::annotation;
use super::row::{Row, entries, int, list, text};
use super::{Fact, Object, Sources};

/// The kinds that are routes.
const KINDS: [&str; 5] = [
    "HTTPRoute",
    "GRPCRoute",
    "TLSRoute",
    "TCPRoute",
    "ServiceProfile",
];

/// Annotations whose values are durations.
const DURATIONS: [&str; 9] = [
    "timeout.linkerd.io/request",
    "timeout.linkerd.io/response",
    "timeout.linkerd.io/idle",
    "retry.linkerd.io/timeout",
    "balancer.linkerd.io/failure-accrual-consecutive-max-penalty",
    "balancer.linkerd.io/failure-accrual-consecutive-min-penalty",
    "config.linkerd.io/proxy-outbound-connect-timeout",
    "config.linkerd.io/proxy-inbound-connect-timeout",
    "config.linkerd.io/shutdown-grace-period",
];

/// Derives the table.
pub(super) fn derive(sources: &Sources<'_>) -> Vec<Fact> {
    KINDS
        .iter()
        .flat_map(|kind| sources.kind(kind))
        .map(|route| fact(sources, route))
        .collect()
}

fn fact(sources: &Sources<'_>, route: &Object) -> Fact {
    let value = &route.value;
    let parents: Vec<Value> = list(value, "/spec/parentRefs")
        .iter()
        .map(|p| parent(route, p))
        .collect();
    let backends: BTreeSet<String> = backends(route).map(|b| reference(route, b)).collect();
    let statuses = list(value, "/status/parents");
    let accepted = (!statuses.is_empty()).then(|| {
        let conditions = statuses.iter().flat_map(|p| list(p, "/conditions"));
        let mut accepted = conditions.filter(|c| text(c, "/type") == "Accepted");
        accepted.all(|c| text(c, "/status") == "True")
    });
    let problems: Vec<String> = problems(sources, route)
        .into_iter()
        .map(|(_, why)| why)
        .collect();
    let rules = ["/spec/rules", "/spec/routes"]
        .iter()
        .map(|p| list(value, p).len())
        .sum::<usize>();
    let row = Row::new()
        .set("kind", route.kind.as_str())
        .set("group", route.group.as_str())
        .set("namespace", route.namespace.as_str())
        .set("name", route.name.as_str())
        .set("parents", parents)
        .set("backends", json!(backends))
        .set("rules", rules)
        .opt("accepted", accepted)
        .set("problems", json!(problems));
    let shown = if problems.is_empty() {
        String::new()
    } else {
        format!(": {}", problems.join("; "))
    };
    let excerpt = format!("{} {}{shown}", route.kind, route.place());
    Fact {
        subjects: vec![route.subject()],
        evidence: vec![route.evidence(&excerpt)],
        fields: row.build(),
        kept: None,
    }
}

fn parent(route: &Object, parent: &Json) -> Value {
    let kind = text(parent, "/kind");
    Row::new()
        .set("kind", if kind.is_empty() { "Gateway" } else { kind })
        .set("namespace", own_or(parent, &route.namespace))
        .set("name", text(parent, "/name"))
        .opt("port", int(parent, "/port"))
        .build()
}

fn own_or<'a>(reference: &'a Json, namespace: &'a str) -> &'a str {
    match text(reference, "/namespace") {
        "" => namespace,
        own => own,
    }
}

fn backends(route: &Object) -> impl Iterator<Item = &Json> {
    list(&route.value, "/spec/rules")
        .iter()
        .flat_map(|r| list(r, "/backendRefs"))
}

fn reference(route: &Object, backend: &Json) -> String {
    let kind = text(backend, "/kind");
    let kind = if kind.is_empty() { "Service" } else { kind };
    format!(
        "{kind} {}/{}",
        own_or(backend, &route.namespace),
        text(backend, "/name")
    )
}

/// What is wrong with a route, or with the durations that any object's annotations give.
pub(super) fn problems(sources: &Sources<'_>, object: &Object) -> Vec<(&'static str, String)> {
    let mut found = durations(object);
    if KINDS.contains(&object.kind.as_str()) {
        found.extend(missing(sources, object));
    }
    found
}

/// Parents and backends that do not exist.
fn missing(sources: &Sources<'_>, route: &Object) -> Vec<(&'static str, String)> {
    let parents = list(&route.value, "/spec/parentRefs")
        .iter()
        .map(|p| (p, "missing-parent"));
    let referred = parents.chain(backends(route).map(|b| (b, "missing-backend")));
    let absent = referred.filter_map(|(reference, problem)| {
        let kind = match text(reference, "/kind") {
            "" if problem == "missing-backend" => "Service",
            kind => kind,
        };
        let (namespace, name) = (
            own_or(reference, &route.namespace),
            text(reference, "/name"),
        );
        let is_absent = matches!(kind, "Service" | "Server" | "EgressNetwork")
            && sources.is_complete(kind, namespace)
            && sources.object(kind, namespace, name).is_none();
        is_absent.then(|| {
            (
                problem,
                format!("refers to {kind} `{namespace}/{name}`, which does not exist"),
            )
        })
    });
    absent.collect()
}

/// Durations that Linkerd's parsers refuse.
fn durations(object: &Object) -> Vec<(&'static str, String)> {
    let mut found = Vec::new();
    if object.kind == "ServiceProfile" {
        for route in list(&object.value, "/spec/routes") {
            let timeout = text(route, "/timeout");
            if !timeout.is_empty() && !is_go_duration(timeout) {
                let name = text(route, "/name");
                found.push((
                    "bad-duration",
                    format!("route `{name}` has the timeout `{timeout}`, which is no duration"),
                ));
            }
        }
        let ttl = text(&object.value, "/spec/retryBudget/ttl");
        if !ttl.is_empty() && !is_go_duration(ttl) {
            found.push((
                "bad-duration",
                format!("the retry budget has the ttl `{ttl}`, which is no duration"),
            ));
        }
    }
    if entries(&object.value, "/metadata/annotations")
        .next()
        .is_some()
    {
        for name in DURATIONS {
            let value = annotation(&object.value, name);
            if !value.is_empty() && !is_go_duration(value) {
                found.push((
                    "bad-duration",
                    format!("annotation `{name}` is `{value}`, which is no duration"),
                ));
            }
        }
    }
    found
}

/// Whether Go's `time.ParseDuration` would take the text: numbers, each with a unit.
fn is_go_duration(text: &str) -> bool {
    let mut rest = text.strip_prefix(['+', '-']).unwrap_or(text);
    if rest == "0" {
        return true;
    }
    let is_part_of_number = |c: char| c.is_ascii_digit() || c == '.';
    let mut parts = 0;
    while !rest.is_empty() {
        let unit = rest.trim_start_matches(is_part_of_number);
        let number = rest.get(..rest.len() - unit.len()).unwrap_or_default();
        // `ms` must not be read as minutes.
        let units = ["ns", "us", "µs", "μs", "ms", "s", "m", "h"];
        let is_number = number.parse::<f64>().is_ok();
        match units
            .iter()
            .find_map(|u| unit.strip_prefix(u))
            .filter(|_| is_number)
        {
            Some(after) => rest = after,
            None => return false,
        }
        parts += 1;
    }
    parts > 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::testing::{facts, list as items, row};

    #[test]
    fn durations_are_those_that_go_takes() {
        for good in ["250ms", "1h30m", "1.5s", "0", "10us"] {
            assert!(is_go_duration(good), "{good}");
        }
        for bad in ["250", "5 s", "1d", "", "s", "1week", "1.2.3s"] {
            assert!(!is_go_duration(bad), "{bad}");
        }
    }

    #[test]
    fn a_profile_with_a_bad_timeout_is_a_problem() {
        let profile = json!({"apiVersion": "linkerd.io/v1alpha2", "metadata": {"name": "cart.shop.svc.cluster.local", "namespace": "shop"},
            "spec": {"routes": [{"name": "GET /", "timeout": "5 seconds"}, 3]}});
        let facts = facts(
            &[(
                "cluster-resources/custom-resources/serviceprofiles.linkerd.io/shop.json",
                items("ServiceProfile", &[profile]),
            )],
            None,
        );
        assert_eq!(
            row(&facts, "policy_problems", "problem", "bad-duration")["kind"],
            "ServiceProfile"
        );
        assert_eq!(
            facts.table("routes")[0].fields["problems"]
                .as_array()
                .map(Vec::len),
            Some(1)
        );
    }
}
