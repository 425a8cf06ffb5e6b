//! Pod logs.

use std::convert::Infallible;

use axum::body::Body;
use axum::response::Response;
use bundle::layout::EntryKind;
use bundle::{Outcome, SourceKind};
use jiff::SignedDuration;
use serde_json::Value;

use crate::ledger::failure;
use crate::query::Query;
use crate::repeat::{Log, Wanted};
use crate::route::Target;
use crate::status::{Status, typed_response};
use crate::store::{Store, place};

/// Answers `pods/<name>/log`.
pub(crate) fn answer(store: &Store, target: &Target, query: &Query) -> Result<Response, Status> {
    let namespace = target.namespace.as_deref().unwrap_or_default();
    let name = target.name.as_deref().unwrap_or_default();
    let item = store
        .pod(namespace, name)
        .ok_or_else(|| Status::not_found("pods", "", name))?;
    let pod = &*item.object();
    let tail = at_least(query, "tailLines", name, 0)?;
    let limit = at_least(query, "limitBytes", name, 1)?;
    let since = at_least(query, "sinceSeconds", name, 1)?;
    let container = container(pod, name, query.text("container"))?;
    let previous = query.flag("previous");
    let place = item.recorded_place();
    let kind = EntryKind::PodLog {
        namespace: place.0.to_owned(),
        pod: place.1.to_owned(),
        container: container.clone(),
        previous,
    };
    let Some(content) = store.read(&kind) else {
        return Err(missing(store, pod, place, &container, previous));
    };
    let content = content.map_err(|why| Status::recorded(500, &why))?;
    let log = Log::of(item.rewrite(&content), store.log_bytes());
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
    let wanted = Wanted {
        from,
        tail: tail.and_then(|t| u64::try_from(t).ok()),
        stamps: query.flag("timestamps"),
    };
    let limit = limit.and_then(|l| usize::try_from(l).ok());
    let pieces = limited(log.pieces(wanted), limit.unwrap_or(usize::MAX));
    let body = futures::stream::iter(pieces.map(Ok::<_, Infallible>));
    Ok(typed_response(200, "text/plain", Body::from_stream(body)))
}

/// The first so many bytes.
fn limited(
    pieces: impl Iterator<Item = Vec<u8>>,
    mut left: usize,
) -> impl Iterator<Item = Vec<u8>> {
    pieces.map_while(move |mut piece| {
        piece.truncate(left);
        left -= piece.len();
        (!piece.is_empty()).then_some(piece)
    })
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
    (namespace, recorded): (&str, &str),
    container: &str,
    previous: bool,
) -> Status {
    let object = format!("{namespace}/{recorded}/{container}");
    let name = place(pod).1;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_beyond_the_limit_are_cut() {
        let pieces = || [b"one ".to_vec(), b"two".to_vec()].into_iter();
        let cut = |limit| -> Vec<u8> { limited(pieces(), limit).flatten().collect() };
        assert_eq!(cut(6), b"one tw");
        assert_eq!(cut(4), b"one ");
        assert_eq!(cut(usize::MAX), b"one two");
    }
}
