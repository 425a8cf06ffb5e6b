//! Get and list.

use std::sync::Arc;

use axum::response::Response;
use serde_json::{Value, json};

use crate::fields::Fields;
use crate::ledger::failure;
use crate::names::Gvr;
use crate::page::List;
use crate::query::{Form, Query};
use crate::route::Target;
use crate::selector::Labels;
use crate::shape::{Shape, metadata_only, scale};
use crate::status::{Status, json_response, typed_response};
use crate::store::{Held, Store, place};
use crate::{table, watch};

/// Answers a read of a resource or of one object.
pub(crate) fn answer(
    store: &Arc<Store>,
    target: &Target,
    query: &Query,
    accept: &str,
) -> Result<Response, Status> {
    let form = Form::accepted(accept)?;
    let gvr = &target.gvr;
    let record = store.discovery.resource(&gvr.api_version(), &gvr.plural);
    let record = record.ok_or_else(Status::unknown_resource)?;
    let is_namespaced = record.get("namespaced").and_then(Value::as_bool) == Some(true);
    let is_list = target.name.is_none();
    // Namespaced objects are read below their namespace, and only lists go across all of them.
    if target.namespace.is_some() != is_namespaced && !(is_list && target.namespace.is_none()) {
        return Err(Status::unknown_resource());
    }
    match &target.name {
        Some(name) => get(store, target, name, query, form),
        None if query.flag("watch") => watch::answer(store, target, query, form),
        None => list(store, target, query, form),
    }
}

fn get(
    store: &Store,
    target: &Target,
    name: &str,
    query: &Query,
    form: Form,
) -> Result<Response, Status> {
    let gvr = &target.gvr;
    let held = held(store, gvr, target.namespace.as_deref())?;
    let namespace = target.namespace.as_deref().unwrap_or_default();
    let found = held.and_then(|h| h.find(namespace, name));
    let object = found.ok_or_else(|| Status::not_found(&gvr.plural, &gvr.group, name))?;
    if target.subresource == "scale" {
        return Ok(json_response(200, &scale(object)));
    }
    let item = Shape::of(store, gvr).alone(object);
    let body = match form {
        Form::Objects => item,
        Form::Metadata => metadata_only(&item),
        Form::Table => {
            let table = table::Table::of(store, gvr, query.text("includeObject"));
            table.whole(std::iter::once(item), &json!({}))
        }
    };
    Ok(json_response(200, &body))
}

/// What is held of a resource: `Ok(None)` if the cluster is known to have none of it.
fn held<'a>(
    store: &'a Store,
    gvr: &Gvr,
    namespace: Option<&str>,
) -> Result<Option<&'a Held>, Status> {
    let refusal = store.ledger.refused_list(gvr, namespace);
    let held = store.held(gvr);
    if let Some(held) = held {
        let is_broken = namespace.is_some_and(|n| held.broken.contains(n))
            || held.broken.contains("")
            || held.objects.is_empty() && !held.broken.is_empty();
        if is_broken {
            let text = format!("the list of {} in the bundle cannot be read", gvr.plural);
            return Err(Status::recorded(500, &text));
        }
    }
    if let Some(row) = refusal {
        return Err(failure(row).about(&gvr.plural, &gvr.group));
    }
    if held.is_some() || store.ledger.is_known_empty(gvr) {
        return Ok(held);
    }
    let why = "the bundle that is replayed does not hold any";
    Err(Status::not_held(&gvr.plural, &gvr.group, why))
}

/// What a list or a watch is of.
pub(crate) struct Chosen<'a> {
    /// In the order of their keys.
    pub(crate) objects: Vec<&'a Value>,
    pub(crate) resource_version: u64,
}

/// The objects that are asked for.
pub(crate) fn choose<'a>(
    store: &'a Store,
    target: &Target,
    query: &Query,
) -> Result<Chosen<'a>, Status> {
    let labels = Labels::parse(query.text("labelSelector"))?;
    let fields = Fields::parse(query.text("fieldSelector"), &target.gvr)?;
    let namespace = target.namespace.as_deref();
    let held = held(store, &target.gvr, namespace)?;
    let all = held.map(|h| h.objects.as_slice()).unwrap_or_default();
    let in_place = all
        .iter()
        .filter(|o| namespace.is_none_or(|n| place(o).0 == n));
    let chosen = in_place.filter(|o| labels.matches(o) && fields.matches(o));
    Ok(Chosen {
        objects: chosen.collect(),
        resource_version: held.map_or(0, |h| h.resource_version),
    })
}

fn list(store: &Store, target: &Target, query: &Query, form: Form) -> Result<Response, Status> {
    let chosen = choose(store, target, query)?;
    let list = List {
        objects: chosen.objects,
        namespace: target.namespace.as_deref(),
        resource_version: chosen.resource_version,
    };
    let (page, metadata) = list.page(query)?;
    let shape = Shape::of(store, &target.gvr);
    let body = match form {
        Form::Objects => {
            let items = page.iter().map(|o| shape.in_list(o));
            written(&shape.list_head(&metadata), items)
        }
        Form::Metadata => {
            let head = format!(
                r#"{{"kind":"PartialObjectMetadataList","apiVersion":"meta.k8s.io/v1","metadata":{metadata},"items":["#
            );
            written(&head, page.iter().map(|o| metadata_only(o)))
        }
        Form::Table => {
            let table = table::Table::of(store, &target.gvr, query.text("includeObject"));
            let items = page.iter().map(|o| shape.alone(o));
            table.whole(items, &metadata).to_string()
        }
    };
    Ok(typed_response(200, "application/json", body))
}

/// A list as text: its items are changed and written one by one, so that no second tree of all of
/// them is made.
fn written(head: &str, items: impl Iterator<Item = Value>) -> String {
    let mut out = head.to_owned();
    for (number, item) in items.enumerate() {
        if number > 0 {
            out.push(',');
        }
        out += &item.to_string();
    }
    out + "]}\n"
}
