//! The forms in which a recorded object is shown.

use bundle::resources;
use serde_json::{Value, json};

use crate::events;
use crate::names::Gvr;
use crate::status::put;
use crate::store::Store;

/// How objects of a resource are shown, in the version that is asked for.
#[derive(Debug, Clone)]
pub(crate) struct Shape {
    pub(crate) kind: String,
    api_version: String,
    /// Custom resources say their type in a list too; built-in ones leave it to the list.
    is_custom: bool,
    is_newer_event: bool,
}

impl Shape {
    pub(crate) fn of(store: &Store, gvr: &Gvr) -> Self {
        let known = store.discovery.resource(&gvr.api_version(), &gvr.plural);
        let known = known.and_then(|r| r.get("kind")).and_then(Value::as_str);
        let (group, plural) = gvr.stored_as();
        Self {
            kind: known.unwrap_or("Unknown").to_owned(),
            api_version: gvr.api_version(),
            is_custom: resources::by_plural(group, plural).is_none(),
            is_newer_event: gvr.group == "events.k8s.io",
        }
    }

    /// An object with its type.
    pub(crate) fn alone(&self, object: &Value) -> Value {
        let mut item = if self.is_newer_event {
            events::to_events_api(object)
        } else {
            object.clone()
        };
        put(&mut item, "kind", json!(self.kind));
        put(&mut item, "apiVersion", json!(self.api_version));
        item
    }

    /// An object as it stands in a list.
    pub(crate) fn in_list(&self, object: &Value) -> Value {
        let mut item = self.alone(object);
        if let (false, Some(fields)) = (self.is_custom, item.as_object_mut()) {
            fields.remove("kind");
            fields.remove("apiVersion");
        }
        item
    }

    /// A list up to its items.
    pub(crate) fn list_head(&self, metadata: &Value) -> String {
        let kind = json!(format!("{}List", self.kind));
        let version = json!(self.api_version);
        format!(r#"{{"kind":{kind},"apiVersion":{version},"metadata":{metadata},"items":["#)
    }

    /// What a bookmark of a watch holds.
    pub(crate) fn bookmark(&self, resource_version: u64) -> Value {
        let version = resource_version.to_string();
        json!({
            "kind": self.kind,
            "apiVersion": self.api_version,
            "metadata": {"resourceVersion": version, "creationTimestamp": null},
        })
    }
}

/// An object's metadata alone.
pub(crate) fn metadata_only(item: &Value) -> Value {
    json!({
        "kind": "PartialObjectMetadata",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": item.get("metadata"),
    })
}

/// The `scale` subresource of a workload.
pub(crate) fn scale(object: &Value) -> Value {
    let selector = object.pointer("/spec/selector/matchLabels");
    let selector = selector.and_then(Value::as_object).into_iter().flatten();
    let selector: Vec<String> = selector
        .map(|(n, v)| format!("{n}={}", v.as_str().unwrap_or_default()))
        .collect();
    let mut metadata = json!({});
    let shown = [
        "name",
        "namespace",
        "uid",
        "resourceVersion",
        "creationTimestamp",
    ];
    for field in shown {
        if let Some(value) = object.pointer(&format!("/metadata/{field}")) {
            put(&mut metadata, field, value.clone());
        }
    }
    let count = |pointer: &str| object.pointer(pointer).cloned().unwrap_or_else(|| json!(0));
    json!({
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": metadata,
        "spec": {"replicas": count("/spec/replicas")},
        "status": {"replicas": count("/status/replicas"), "selector": selector.join(",")},
    })
}
