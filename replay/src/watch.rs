//! Watches: the recorded state as events, then bookmarks. Nothing changes in a recording.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use futures::{Stream, StreamExt as _};
use serde_json::{Value, json};

use crate::names::Gvr;
use crate::objects::choose;
use crate::query::{Form, Query};
use crate::route::Target;
use crate::scale::Id;
use crate::shape::{Shape, metadata_only};
use crate::status::{Status, typed_response};
use crate::store::Store;
use crate::table::Table;

/// How often a bookmark is sent, in seconds.
const BOOKMARK_SECONDS: u64 = 60;
/// How long a watch lasts if the client does not say, in seconds: a real server ends watches
/// after half an hour or more.
const WATCH_SECONDS: u64 = 1800;
/// How long a watch may last at most, in seconds.
const MAX_WATCH_SECONDS: u64 = 24 * 3600;

/// Answers a watch.
pub(crate) fn answer(
    store: &Arc<Store>,
    target: &Target,
    query: &Query,
    form: Form,
) -> Result<Response, Status> {
    if query.flag("sendInitialEvents") {
        // In the words of a server whose feature gate is off, so that clients list first.
        let text =
            "sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled";
        return Err(Status::forbidden_option("sendInitialEvents", text));
    }
    let chosen = choose(store, target, query)?;
    let seconds = query.int("timeoutSeconds")?;
    let from = query.int("resourceVersion")?;
    let from = from.and_then(|v| u64::try_from(v).ok()).unwrap_or(0);
    let versions = chosen.items.iter().filter_map(|item| {
        let version = item.text("/metadata/resourceVersion")?;
        version.parse::<u64>().ok()
    });
    let oldest = versions.min().unwrap_or(chosen.resource_version);
    if from > 0 && from < oldest.min(chosen.resource_version) {
        let text = format!("too old resource version: {from} ({oldest})");
        let event = json!({"type": "ERROR", "object": Status::expired(text).to_json()});
        return Ok(typed_response(
            200,
            "application/json",
            format!("{event}\n"),
        ));
    }
    let ids: Vec<Id> = match from {
        0 => chosen.items.iter().map(|item| item.id).collect(),
        _ => Vec::new(),
    };
    let shown = Shown::of(store, target, query, form);
    let bookmark = shown.bookmark(chosen.resource_version);
    let bookmark = query.flag("allowWatchBookmarks").then_some(bookmark);
    let events = events(Arc::clone(store), target.gvr.clone(), ids, shown);
    let seconds = seconds.and_then(|s| u64::try_from(s).ok());
    let seconds = seconds.filter(|s| *s > 0).unwrap_or(WATCH_SECONDS);
    let rest = bookmarks(bookmark, seconds.min(MAX_WATCH_SECONDS));
    let body = Body::from_stream(events.chain(rest).map(Ok::<_, Infallible>));
    Ok(typed_response(200, "application/json", body))
}

/// How the object of an event is shown.
struct Shown {
    shape: Shape,
    form: Form,
    table: Table,
}

impl Shown {
    fn of(store: &Store, target: &Target, query: &Query, form: Form) -> Self {
        Self {
            shape: Shape::of(store, &target.gvr),
            form,
            table: Table::of(store, &target.gvr, query.text("includeObject")),
        }
    }

    fn event(&self, object: &Value, is_first: bool) -> String {
        let item = self.shape.alone(object);
        let shown = match self.form {
            Form::Objects => item,
            Form::Metadata => metadata_only(&item),
            Form::Table => self.table.row(item, is_first),
        };
        line(&json!({"type": "ADDED", "object": shown}))
    }

    fn bookmark(&self, resource_version: u64) -> String {
        let object = match self.form {
            Form::Table => Table::bookmark(resource_version),
            _ => self.shape.bookmark(resource_version),
        };
        line(&json!({"type": "BOOKMARK", "object": object}))
    }
}

fn line(event: &Value) -> String {
    format!("{event}\n")
}

/// The recorded objects, each made ready when the client takes it.
fn events(store: Arc<Store>, gvr: Gvr, ids: Vec<Id>, shown: Shown) -> impl Stream<Item = String> {
    let numbered = ids.into_iter().enumerate();
    let events = numbered.filter_map(move |(number, id)| {
        let item = store.objects(&gvr)?.item(id)?;
        Some(shown.event(&item.object(), number == 0))
    });
    futures::stream::iter(events)
}

/// A bookmark each minute and at the end.
fn bookmarks(bookmark: Option<String>, seconds: u64) -> impl Stream<Item = String> {
    let steps = seconds.div_ceil(BOOKMARK_SECONDS);
    futures::stream::iter(0..steps).then(move |step| {
        let bookmark = bookmark.clone().unwrap_or_default();
        let left = seconds.saturating_sub(step * BOOKMARK_SECONDS);
        async move {
            tokio::time::sleep(Duration::from_secs(left.min(BOOKMARK_SECONDS))).await;
            bookmark
        }
    })
}
