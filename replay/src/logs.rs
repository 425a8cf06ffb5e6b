//! Pod logs.

use axum::response::Response;
use bundle::layout::EntryKind;
use bundle::{Outcome, SourceKind};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::ledger::failure;
use crate::query::Query;
use crate::route::Target;
use crate::status::{Status, typed_response};
use crate::store::Store;

/// Answers `pods/<name>/log`.
pub(crate) fn answer(store: &Store, target: &Target, query: &Query) -> Result<Response, Status> {
    let namespace = target.namespace.as_deref().unwrap_or_default();
    let name = target.name.as_deref().unwrap_or_default();
    let pod = store
        .pod(namespace, name)
        .ok_or_else(|| Status::not_found("pods", "", name))?;
    let tail = at_least(query, "tailLines", name, 0)?;
    let limit = at_least(query, "limitBytes", name, 1)?;
    let since = at_least(query, "sinceSeconds", name, 1)?;
    let container = container(pod, name, query.text("container"))?;
    let previous = query.flag("previous");
    let kind = EntryKind::PodLog {
        namespace: namespace.to_owned(),
        pod: name.to_owned(),
        container: container.clone(),
        previous,
    };
    let Some(content) = store.read(&kind) else {
        return Err(missing(store, pod, (namespace, name), &container, previous));
    };
    let content = content.map_err(|why| Status::recorded(500, &why))?;
    let from = match (query.text("sinceTime"), since) {
        ("", Some(seconds)) => store
            .now()
            .checked_sub(SignedDuration::from_secs(seconds))
            .ok(),
        ("", None) => None,
        (time, _) => Some(time.parse().map_err(|_| {
            Status::bad_request(format!("parsing time {time:?}: it is no RFC 3339 time"))
        })?),
    };
    let mut out = select(&content, from, tail, query.flag("timestamps"));
    if let Some(limit) = limit.and_then(|l| usize::try_from(l).ok()) {
        out.truncate(limit);
    }
    Ok(typed_response(200, "text/plain", out))
}

/// An integer parameter that may not be below `least`.
fn at_least(query: &Query, name: &str, pod: &str, least: i64) -> Result<Option<i64>, Status> {
    match query.int(name)? {
        Some(value) if value < least => {
            let rule = if least == 0 {
                "greater than or equal to 0"
            } else {
                "greater than 0"
            };
            let detail = format!("Invalid value: {value}: must be {rule}");
            Err(Status::invalid_log_option(pod, name, &detail))
        }
        other => Ok(other),
    }
}

/// The container that is meant: the one named, the default one, or the only one.
fn container(pod: &Value, name: &str, wanted: &str) -> Result<String, Status> {
    let names = |pointer: &str| -> Vec<&str> {
        let list = pod
            .pointer(pointer)
            .and_then(Value::as_array)
            .into_iter()
            .flatten();
        list.filter_map(|c| c.get("name")?.as_str()).collect()
    };
    let (regular, inits) = (names("/spec/containers"), names("/spec/initContainers"));
    let ephemeral = names("/spec/ephemeralContainers");
    if wanted.is_empty() {
        let annotation = "/metadata/annotations/kubectl.kubernetes.io~1default-container";
        let default = pod.pointer(annotation).and_then(Value::as_str);
        return match (default, regular.as_slice()) {
            (Some(default), _) if regular.contains(&default) => Ok(default.to_owned()),
            (_, [only]) => Ok((*only).to_owned()),
            _ => {
                let all = format!("[{}]", regular.join(" "));
                let inits = match inits.as_slice() {
                    [] => String::new(),
                    inits => format!(" or one of the init containers: [{}]", inits.join(" ")),
                };
                let text = format!(
                    "a container name must be specified for pod {name}, choose one of: {all}{inits}"
                );
                Err(Status::bad_request(text))
            }
        };
    }
    if regular
        .iter()
        .chain(&inits)
        .chain(&ephemeral)
        .any(|c| *c == wanted)
    {
        return Ok(wanted.to_owned());
    }
    Err(Status::bad_request(format!(
        "container {wanted} is not valid for pod {name}"
    )))
}

/// Why a log is not in the bundle: what the ledger says, else what a real server would say.
fn missing(
    store: &Store,
    pod: &Value,
    (namespace, name): (&str, &str),
    container: &str,
    previous: bool,
) -> Status {
    let object = format!("{namespace}/{name}/{container}");
    let suffixes: &[&str] = if previous {
        &[" (previous)", " previous", "-previous"]
    } else {
        &[""]
    };
    let row = suffixes.iter().find_map(|suffix| {
        let ledger = &store.ledger;
        ledger.missing(SourceKind::PodLogs, &format!("{object}{suffix}"))
    });
    if let Some(row) = row.filter(|r| r.outcome != Outcome::Absent) {
        return failure(row);
    }
    if previous {
        let text =
            format!("previous terminated container \"{container}\" in pod \"{name}\" not found");
        return Status::bad_request(text);
    }
    let statuses = ["/status/initContainerStatuses", "/status/containerStatuses"];
    let statuses = statuses
        .iter()
        .filter_map(|p| pod.pointer(p)?.as_array())
        .flatten();
    let status = statuses
        .into_iter()
        .find(|s| s.get("name").and_then(Value::as_str) == Some(container));
    let waiting = status
        .and_then(|s| s.pointer("/state/waiting/reason"))
        .and_then(Value::as_str);
    if let Some(reason) = waiting {
        let text =
            format!("container \"{container}\" in pod \"{name}\" is waiting to start: {reason}");
        return Status::bad_request(text);
    }
    let why = "the bundle that is replayed does not hold this log";
    row.map_or_else(|| Status::not_held("pods/log", "", why), failure)
}

/// The lines that are asked for, without their timestamps unless those are wanted.
fn select(content: &[u8], from: Option<Timestamp>, tail: Option<i64>, stamps: bool) -> Vec<u8> {
    let lines: Vec<&[u8]> = content.split_inclusive(|b| *b == b'\n').collect();
    let start = tail.map_or(0, |tail| {
        lines
            .len()
            .saturating_sub(usize::try_from(tail).unwrap_or(usize::MAX))
    });
    let mut out = Vec::new();
    for line in lines.get(start..).unwrap_or_default() {
        let (stamp, text) = split_stamp(line);
        let is_recent = from.is_none_or(|from| stamp.is_none_or(|s| s >= from));
        if is_recent {
            out.extend_from_slice(if stamps { line } else { text });
        }
    }
    out
}

/// Splits a line into kubelet's timestamp and the text.
fn split_stamp(line: &[u8]) -> (Option<Timestamp>, &[u8]) {
    let space = line.iter().take(40).position(|b| *b == b' ');
    let stamp = space.and_then(|at| std::str::from_utf8(line.get(..at)?).ok()?.parse().ok());
    match (stamp, space) {
        (Some(stamp), Some(at)) => (Some(stamp), line.get(at + 1..).unwrap_or_default()),
        _ => (None, line),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &[u8] =
        b"2026-11-23T00:00:01.5Z one\n2026-11-23T00:00:02Z two\n2026-11-23T00:00:03Z three\n";

    #[test]
    fn stamps_are_kept_only_if_wanted() {
        assert_eq!(select(LOG, None, Some(1), false), b"three\n");
        assert_eq!(
            select(LOG, None, Some(1), true),
            b"2026-11-23T00:00:03Z three\n"
        );
        assert_eq!(select(LOG, None, Some(0), false), b"");
    }

    #[test]
    fn lines_before_the_time_are_left_out() {
        let from = "2026-11-23T00:00:02Z".parse().unwrap();
        assert_eq!(select(LOG, Some(from), None, false), b"two\nthree\n");
    }
}
