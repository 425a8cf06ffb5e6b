//! The table `policy_problems`: policy objects that do not do what they say.

use super::row::{Row, list, text};
use super::{Fact, Object, Sources};

/// Derives the table.
pub(super) fn derive(sources: &Sources<'_>) -> Vec<Fact> {
    let mut facts = Vec::new();
    for object in sources.all_objects().filter(|o| is_policy(o)) {
        for (problem, detail) in problems(sources, object) {
            let excerpt = format!(
                "{} {}/{}: {detail}",
                object.kind, object.namespace, object.name
            );
            let row = Row::new()
                .set("kind", object.kind.as_str())
                .set("namespace", object.namespace.as_str())
                .set("name", object.name.as_str())
                .set("problem", problem)
                .set("detail", detail);
            let subjects = vec![object.subject()];
            facts.push(Fact {
                subjects,
                evidence: vec![object.evidence(&excerpt)],
                fields: row.build(),
            });
        }
    }
    facts
}

fn group(object: &Object) -> &str {
    text(&object.value, "/apiVersion")
        .split('/')
        .next()
        .unwrap_or_default()
}

fn is_policy(object: &Object) -> bool {
    let groups = [
        "policy.linkerd.io",
        "gateway.networking.k8s.io",
        "linkerd.io",
    ];
    groups.contains(&group(object)) || groups.iter().any(|g| object.kind.ends_with(g))
}

fn problems(sources: &Sources<'_>, object: &Object) -> Vec<(&'static str, String)> {
    let mut found = Vec::new();
    for parent in list(&object.value, "/status/parents")
        .iter()
        .chain([&object.value])
    {
        let pointer = if parent.get("conditions").is_some() {
            "/conditions"
        } else {
            "/status/conditions"
        };
        for condition in list(parent, pointer) {
            let kind = text(condition, "/type");
            if matches!(kind, "Accepted" | "ResolvedRefs") && text(condition, "/status") == "False"
            {
                let (reason, message) = (text(condition, "/reason"), text(condition, "/message"));
                found.push((
                    "not-accepted",
                    format!("{kind} is False ({reason}) {message}"),
                ));
            }
        }
    }
    found.extend(missing_references(sources, object));
    found.extend(bad_durations(object));
    found
}

/// References of an `AuthorizationPolicy` to things that are not in the bundle, although their
/// kind is.
fn missing_references(sources: &Sources<'_>, object: &Object) -> Vec<(&'static str, String)> {
    if !object.kind.starts_with("AuthorizationPolicy")
        && !object.kind.starts_with("authorizationpolicies")
    {
        return Vec::new();
    }
    let target = object.value.pointer("/spec/targetRef");
    let authentications = list(&object.value, "/spec/requiredAuthenticationRefs");
    let references = target.map(|t| (t, "missing-target")).into_iter();
    let references = references.chain(
        authentications
            .iter()
            .map(|a| (a, "missing-authentication")),
    );
    let mut found = Vec::new();
    for (reference, problem) in references {
        let (kind, name) = (text(reference, "/kind"), text(reference, "/name"));
        let namespace = match text(reference, "/namespace") {
            "" => object.namespace.as_str(),
            namespace => namespace,
        };
        let namespace = if kind == "Namespace" { "" } else { namespace };
        if is_listed(sources, kind, namespace) && sources.object(kind, namespace, name).is_none() {
            found.push((
                problem,
                format!("refers to {kind} `{name}`, which does not exist"),
            ));
        }
    }
    found
}

/// Whether the bundle would hold such an object if it existed.
fn is_listed(sources: &Sources<'_>, kind: &str, namespace: &str) -> bool {
    match kind {
        "ServiceAccount" | "Namespace" => !sources.kind(kind).is_empty(),
        "Server"
        | "HTTPRoute"
        | "GRPCRoute"
        | "MeshTLSAuthentication"
        | "NetworkAuthentication" => {
            !sources.kind("Pod").is_empty()
                && (namespace.is_empty() || sources.object("Namespace", "", namespace).is_some())
                && sources.context.manifest.is_some()
        }
        _ => false,
    }
}

/// Durations in `ServiceProfiles` and routes that Linkerd's parsers refuse.
fn bad_durations(object: &Object) -> Vec<(&'static str, String)> {
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
    }
    let names = [
        "timeout.linkerd.io/request",
        "timeout.linkerd.io/response",
        "timeout.linkerd.io/idle",
        "retry.linkerd.io/timeout",
    ];
    for name in names {
        let value = super::pods::annotation(&object.value, name);
        if !value.is_empty() && !is_go_duration(value) {
            found.push((
                "bad-duration",
                format!("annotation `{name}` is `{value}`, which is no duration"),
            ));
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
    let mut units = 0;
    while !rest.is_empty() {
        let number = rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
        let has_digits = rest
            .get(..rest.len() - number.len())
            .is_some_and(|n| n.bytes().any(|b| b.is_ascii_digit()));
        let unit = ["ns", "us", "µs", "ms", "s", "m", "h"]
            .into_iter()
            .find(|u| number.starts_with(u));
        // `ms` must not be read as minutes.
        let unit = if number.starts_with("ms") {
            Some("ms")
        } else {
            unit
        };
        match (has_digits, unit) {
            (true, Some(unit)) => rest = number.get(unit.len()..).unwrap_or_default(),
            _ => return false,
        }
        units += 1;
    }
    units > 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_those_that_go_takes() {
        for good in ["250ms", "1h30m", "1.5s", "0", "10us"] {
            assert!(is_go_duration(good), "{good}");
        }
        for bad in ["250", "5 s", "1d", "", "s", "1week"] {
            assert!(!is_go_duration(bad), "{bad}");
        }
    }
}
