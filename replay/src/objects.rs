//! Get and list.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::Body;
use axum::response::Response;
use serde_json::{Value, json};

use crate::fields::Fields;
use crate::item::{Item, Objects};
use crate::ledger::failure;
use crate::names::Gvr;
use crate::page::List;
use crate::query::{Form, Query};
use crate::route::Target;
use crate::scale::Id;
use crate::selector::Labels;
use crate::shape::{Shape, metadata_only, scale};
use crate::status::{Status, json_response, typed_response};
use crate::store::Store;
use crate::{table, watch};

/// A list is sent in pieces of about this size.
const PIECE_BYTES: usize = 256 << 10;

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
    let found = found.ok_or_else(|| Status::not_found(&gvr.plural, &gvr.group, name))?;
    let object = &*found.object();
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
) -> Result<Option<Objects<'a>>, Status> {
    let namespace = namespace.map(|n| store.recorded_namespace(n));
    let refusal = store.ledger.refused_list(gvr, namespace);
    let objects = store.objects(gvr);
    if let Some(Objects { held, .. }) = objects {
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
    if objects.is_some() || store.ledger.is_known_empty(gvr) {
        return Ok(objects);
    }
    let why = "the bundle that is replayed does not hold any";
    Err(Status::not_held(&gvr.plural, &gvr.group, why))
}

/// What a list or a watch is of.
pub(crate) struct Chosen<'a> {
    /// In the order of their keys.
    pub(crate) items: Vec<Item<'a>>,
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
    let in_place = held.into_iter().flat_map(|h| h.within(namespace));
    let chosen = in_place
        .filter(|item| labels.matches(|l| item.label(l)) && fields.matches(|f| item.text(f)));
    Ok(Chosen {
        items: chosen.collect(),
        resource_version: held.map_or(0, |h| h.held.resource_version),
    })
}

fn list(
    store: &Arc<Store>,
    target: &Target,
    query: &Query,
    form: Form,
) -> Result<Response, Status> {
    let chosen = choose(store, target, query)?;
    let list = List {
        items: chosen.items,
        namespace: target.namespace.as_deref(),
        resource_version: chosen.resource_version,
    };
    let (page, metadata) = list.page(query)?;
    let shown = Shown {
        shape: Shape::of(store, &target.gvr),
        table: table::Table::of(store, &target.gvr, query.text("includeObject")),
        form,
    };
    let head = shown.head(&metadata);
    let ids: Vec<Id> = page.iter().map(|item| item.id).collect();
    let (store, gvr) = (Arc::clone(store), target.gvr.clone());
    let items = ids.into_iter().enumerate().map(move |(number, id)| {
        let item = store.objects(&gvr).and_then(|objects| objects.item(id));
        let text = item.map(|item| shown.item(&item.object()));
        let comma = if number > 0 { "," } else { "" };
        format!("{comma}{}", text.unwrap_or_default())
    });
    Ok(typed_response(
        200,
        "application/json",
        written(head, items),
    ))
}

/// How the items of a list are shown.
struct Shown {
    shape: Shape,
    table: table::Table,
    form: Form,
}

impl Shown {
    /// A list up to its items.
    fn head(&self, metadata: &Value) -> String {
        match self.form {
            Form::Objects => self.shape.list_head(metadata),
            Form::Metadata => format!(
                r#"{{"kind":"PartialObjectMetadataList","apiVersion":"meta.k8s.io/v1","metadata":{metadata},"items":["#
            ),
            Form::Table => self.table.head(metadata),
        }
    }

    fn item(&self, object: &Value) -> String {
        let item = match self.form {
            Form::Objects => self.shape.in_list(object),
            Form::Metadata => metadata_only(object),
            Form::Table => self.table.cells(self.shape.alone(object)),
        };
        item.to_string()
    }
}

/// A list as text. Its items are made and written one by one, so that no more of them are held than
/// a client takes at once.
fn written(head: String, items: impl Iterator<Item = String> + Send + 'static) -> Body {
    let end = "]}\n".to_owned();
    let parts = std::iter::once(head).chain(items).chain([end]);
    let mut parts = parts.peekable();
    let pieces = std::iter::from_fn(move || {
        let mut piece = parts.next()?;
        while piece.len() < PIECE_BYTES && parts.peek().is_some() {
            piece += &parts.next().unwrap_or_default();
        }
        Some(Ok::<_, Infallible>(piece))
    });
    Body::from_stream(futures::stream::iter(pieces))
}
