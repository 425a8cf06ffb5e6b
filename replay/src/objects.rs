//! Get, list and watch.

use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use futures::StreamExt as _;
use serde_json::{Value, json};

use crate::names::Gvr;
use crate::query::{Continue, Form, Query};
use crate::route::Target;
use crate::selector::{Fields, Labels};
use crate::status::{Status, json_response, put, typed_response};
use crate::store::{Held, Store, place};
use crate::{events, table};

/// Answers a read of a resource or of one object.
pub(crate) fn answer(store: &Store, target: &Target, query: &Query, accept: &str) -> Response {
    let answer = match &target.name {
        Some(name) => get(store, target, name, query, accept),
        None => list_or_watch(store, target, query, accept),
    };
    answer.unwrap_or_else(Status::into_response)
}

fn get(
    store: &Store,
    target: &Target,
    name: &str,
    query: &Query,
    accept: &str,
) -> Result<Response, Status> {
    let form = Form::accepted(accept)?;
    let gvr = &target.gvr;
    let held = held(store, gvr)?;
    let namespace = target.namespace.as_deref().unwrap_or_default();
    let found = held.and_then(|h| h.objects.iter().find(|o| place(o) == (namespace, name)));
    let object = found.ok_or_else(|| Status::not_found(&gvr.plural, &gvr.group, name))?;
    let kind = kind(store, gvr, object);
    if target.subresource == "scale" {
        return Ok(json_response(200, &scale(object)));
    }
    let item = typed(object, gvr, &kind);
    let body = match form {
        Form::Objects => item,
        Form::Metadata => metadata_only(&item),
        Form::Table => table::of(store, gvr, &[item], query.text("includeObject"), &json!({})),
    };
    Ok(json_response(200, &body))
}

/// What is held of a resource: `Ok(None)` if the cluster is known to have none of it.
fn held<'a>(store: &'a Store, gvr: &Gvr) -> Result<Option<&'a Held>, Status> {
    if let Some(held) = store.held(gvr) {
        return Ok(Some(held));
    }
    if store
        .discovery
        .resource(&gvr.api_version(), &gvr.plural)
        .is_none()
    {
        return Err(Status::unknown_resource());
    }
    if store.is_known_empty(gvr) {
        return Ok(None);
    }
    Err(Status::not_held(
        &gvr.plural,
        &gvr.group,
        "the bundle that is replayed does not hold any",
    ))
}

fn kind(store: &Store, gvr: &Gvr, object: &Value) -> String {
    let discovered = store.discovery.resource(&gvr.api_version(), &gvr.plural);
    let discovered = discovered
        .and_then(|r| r.get("kind"))
        .and_then(Value::as_str);
    let own = object.get("kind").and_then(Value::as_str);
    discovered.or(own).unwrap_or("Unknown").to_owned()
}

/// An object in the version that is asked for, with its type.
fn typed(object: &Value, gvr: &Gvr, kind: &str) -> Value {
    let mut item = untyped(object, gvr);
    put(&mut item, "kind", json!(kind));
    put(&mut item, "apiVersion", json!(gvr.api_version()));
    item
}

/// An object as it stands in a list: built-in ones do not repeat their type.
fn untyped(object: &Value, gvr: &Gvr) -> Value {
    let is_event = gvr.group == "events.k8s.io" && gvr.plural == "events";
    let mut item = if is_event {
        events::to_events_api(object)
    } else {
        object.clone()
    };
    if item.get("apiVersion").is_some() {
        put(&mut item, "apiVersion", json!(gvr.api_version()));
    }
    item
}

fn metadata_only(item: &Value) -> Value {
    json!({
        "kind": "PartialObjectMetadata",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": item.get("metadata"),
    })
}

/// The `scale` subresource of a workload.
fn scale(object: &Value) -> Value {
    let selector = object
        .pointer("/spec/selector/matchLabels")
        .and_then(Value::as_object);
    let selector = selector.into_iter().flatten();
    let selector: Vec<String> = selector
        .map(|(n, v)| format!("{n}={}", v.as_str().unwrap_or_default()))
        .collect();
    let mut metadata = json!({});
    for field in [
        "name",
        "namespace",
        "uid",
        "resourceVersion",
        "creationTimestamp",
    ] {
        if let Some(value) = object.pointer(&format!("/metadata/{field}")) {
            put(&mut metadata, field, value.clone());
        }
    }
    json!({
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": metadata,
        "spec": {"replicas": object.pointer("/spec/replicas").unwrap_or(&json!(0))},
        "status": {
            "replicas": object.pointer("/status/replicas").unwrap_or(&json!(0)),
            "selector": selector.join(","),
        },
    })
}

fn list_or_watch(
    store: &Store,
    target: &Target,
    query: &Query,
    accept: &str,
) -> Result<Response, Status> {
    let form = Form::accepted(accept)?;
    let labels = Labels::parse(query.text("labelSelector"))?;
    let fields = Fields::parse(query.text("fieldSelector"), &target.gvr.plural)?;
    let limit = query
        .int("limit")?
        .and_then(|l| usize::try_from(l).ok())
        .filter(|l| *l > 0);
    let held = held(store, &target.gvr)?;
    let version = held.map_or(0, |h| h.resource_version);
    let all = held.map(|h| h.objects.as_slice()).unwrap_or_default();
    let in_place = all
        .iter()
        .filter(|o| target.namespace.as_deref().is_none_or(|n| place(o).0 == n));
    let chosen: Vec<&Value> = in_place
        .filter(|o| labels.matches(o) && fields.matches(o))
        .collect();
    if query.flag("watch") {
        return watch(store, target, query, &chosen, version);
    }
    let (page, mut metadata) = page(target, query, &chosen, limit)?;
    put(&mut metadata, "resourceVersion", json!(version.to_string()));
    let first = page.first().copied().unwrap_or(&Value::Null);
    let kind = kind(store, &target.gvr, first);
    let body = match form {
        Form::Objects => json!({
            "kind": format!("{kind}List"),
            "apiVersion": target.gvr.api_version(),
            "metadata": metadata,
            "items": page.iter().map(|o| untyped(o, &target.gvr)).collect::<Vec<_>>(),
        }),
        Form::Metadata => json!({
            "kind": "PartialObjectMetadataList",
            "apiVersion": "meta.k8s.io/v1",
            "metadata": metadata,
            "items": page.iter().map(|o| metadata_only(o)).collect::<Vec<_>>(),
        }),
        Form::Table => {
            let items: Vec<Value> = page.iter().map(|o| typed(o, &target.gvr, &kind)).collect();
            table::of(
                store,
                &target.gvr,
                &items,
                query.text("includeObject"),
                &metadata,
            )
        }
    };
    Ok(json_response(200, &body))
}

/// The page that is asked for, and the metadata of its list.
fn page<'a>(
    target: &Target,
    query: &Query,
    chosen: &[&'a Value],
    limit: Option<usize>,
) -> Result<(Vec<&'a Value>, Value), Status> {
    let key = |object: &Value| {
        let (namespace, name) = place(object);
        match (target.namespace.is_some(), namespace) {
            (true, _) | (_, "") => name.to_owned(),
            _ => format!("{namespace}/{name}"),
        }
    };
    let start = match query.text("continue") {
        "" => 0,
        token => {
            let after = Continue::decode(token)?;
            chosen.partition_point(|o| key(o) <= after.start)
        }
    };
    let rest = chosen.get(start..).unwrap_or_default();
    let taken = limit.unwrap_or(rest.len()).min(rest.len());
    let (page, remaining) = rest.split_at_checked(taken).unwrap_or((rest, &[]));
    let mut metadata = json!({});
    if let (Some(last), false) = (page.last(), remaining.is_empty()) {
        let version = last
            .pointer("/metadata/resourceVersion")
            .and_then(Value::as_str);
        let resource_version = version.and_then(|v| v.parse().ok()).unwrap_or(0);
        put(
            &mut metadata,
            "continue",
            json!(
                Continue {
                    resource_version,
                    start: key(last)
                }
                .encode()
            ),
        );
        let is_selected =
            !query.text("labelSelector").is_empty() || !query.text("fieldSelector").is_empty();
        if !is_selected {
            put(&mut metadata, "remainingItemCount", json!(remaining.len()));
        }
    }
    Ok((page.to_vec(), metadata))
}

/// The current state as events, then bookmarks until the time is over.
fn watch(
    store: &Store,
    target: &Target,
    query: &Query,
    chosen: &[&Value],
    version: u64,
) -> Result<Response, Status> {
    if query.flag("sendInitialEvents") {
        let detail = "Forbidden: sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled";
        return Err(Status::invalid(
            "ListOptions",
            "meta.k8s.io",
            "",
            "sendInitialEvents",
            detail,
        ));
    }
    let from = query
        .int("resourceVersion")?
        .and_then(|v| u64::try_from(v).ok())
        .unwrap_or(0);
    let oldest = chosen.iter().filter_map(|o| {
        o.pointer("/metadata/resourceVersion")?
            .as_str()?
            .parse()
            .ok()
    });
    let oldest: u64 = oldest.min().unwrap_or(version);
    let first = chosen.first().copied().unwrap_or(&Value::Null);
    let kind = kind(store, &target.gvr, first);
    let mut lines = String::new();
    if from > 0 && from < oldest.min(version) {
        let text = format!("too old resource version: {from} ({oldest})");
        lines = line(&json!({"type": "ERROR", "object": Status::expired(text).to_json()}));
        return Ok(typed_response(200, "application/json", lines));
    }
    if from == 0 {
        for object in chosen {
            lines += &line(&json!({"type": "ADDED", "object": typed(object, &target.gvr, &kind)}));
        }
    }
    let bookmarks = query.flag("allowWatchBookmarks");
    let bookmark = line(&json!({
        "type": "BOOKMARK",
        "object": {
            "kind": kind,
            "apiVersion": target.gvr.api_version(),
            "metadata": {"resourceVersion": version.to_string(), "creationTimestamp": null},
        },
    }));
    // A real server ends watches after half an hour or so.
    let seconds = query
        .int("timeoutSeconds")?
        .and_then(|s| u64::try_from(s).ok())
        .unwrap_or(1800);
    Ok(typed_response(
        200,
        "application/json",
        Body::from_stream(stream(lines, bookmarks.then_some(bookmark), seconds)),
    ))
}

fn line(event: &Value) -> String {
    format!("{event}\n")
}

/// How often a bookmark is sent.
const BOOKMARK_SECONDS: u64 = 60;

/// The first lines, then a bookmark each minute, then the end.
fn stream(
    lines: String,
    bookmark: Option<String>,
    seconds: u64,
) -> impl futures::Stream<Item = Result<String, std::convert::Infallible>> {
    let steps = seconds.div_ceil(BOOKMARK_SECONDS).max(1);
    let rest = futures::stream::iter(0..steps).then(move |step| {
        let bookmark = bookmark.clone();
        async move {
            let left = seconds
                .saturating_sub(step * BOOKMARK_SECONDS)
                .min(BOOKMARK_SECONDS);
            tokio::time::sleep(std::time::Duration::from_secs(left)).await;
            Ok(bookmark.unwrap_or_default())
        }
    });
    futures::stream::iter([Ok(lines)]).chain(rest)
}
