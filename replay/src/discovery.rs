//! Which groups and resources there are, in the old and the aggregated form.

use std::collections::BTreeMap;

use bundle::Bundle;
use bundle::resources;
use serde_json::{Value, json};

use crate::status::put;

/// The content type of aggregated discovery.
pub(crate) const AGGREGATED: &str =
    "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

/// API groups and the resources of each group version.
#[derive(Debug, Default)]
pub(crate) struct Discovery {
    /// `APIGroup`s, the core group first.
    groups: Vec<Value>,
    /// `APIResourceList`s by group version.
    lists: BTreeMap<String, Value>,
}

impl Discovery {
    /// From the recorded discovery, or else from the lists that the bundle holds.
    pub(crate) fn of(bundle: &Bundle, held: &[(String, String)]) -> Self {
        let read =
            |path: &str| -> Option<Value> { serde_json::from_slice(&bundle.read(path).ok()?).ok() };
        let groups = read("cluster-resources/groups.json").and_then(as_list);
        let lists = read("cluster-resources/resources.json").and_then(as_list);
        match (groups, lists) {
            (Some(groups), Some(lists)) if !groups.is_empty() && !lists.is_empty() => {
                let lists = lists.into_iter().filter_map(|list| {
                    Some((list.get("groupVersion")?.as_str()?.to_owned(), list))
                });
                Self {
                    groups,
                    lists: lists.collect(),
                }
            }
            _ => Self::synthesized(held),
        }
    }

    fn synthesized(held: &[(String, String)]) -> Self {
        let mut lists: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        for (group, plural) in held {
            let known = resources::by_plural(group, plural);
            let kind = known.map_or_else(|| kind_of(plural), |r| r.kind.to_owned());
            let namespaced = known.is_none_or(|r| r.namespaced);
            let version = if group.is_empty() {
                "v1".to_owned()
            } else {
                format!("{group}/v1")
            };
            lists.entry(version).or_default().push(json!({
                "name": plural, "singularName": kind.to_lowercase(), "namespaced": namespaced,
                "kind": kind, "verbs": ["get", "list", "watch"],
            }));
        }
        let groups = lists.keys().map(|version| {
            let name = version.split_once('/').map_or("", |(group, _)| group);
            let entry = json!({"groupVersion": version, "version": "v1"});
            json!({"name": name, "versions": [entry], "preferredVersion": entry})
        });
        let groups = groups.collect();
        let lists = lists.into_iter().map(|(version, resources)| {
            let list =
                json!({"kind": "APIResourceList", "groupVersion": version, "resources": resources});
            (version, list)
        });
        Self {
            groups,
            lists: lists.collect(),
        }
    }

    /// `/api`.
    pub(crate) fn core() -> Value {
        json!({
            "kind": "APIVersions",
            "versions": ["v1"],
            "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": ""}],
        })
    }

    /// `/apis`.
    pub(crate) fn group_list(&self) -> Value {
        let groups: Vec<&Value> = self.named_groups().collect();
        json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})
    }

    fn named_groups(&self) -> impl Iterator<Item = &Value> {
        self.groups
            .iter()
            .filter(|g| name(g).is_some_and(|n| !n.is_empty()))
    }

    /// `/apis/<group>`.
    pub(crate) fn group(&self, wanted: &str) -> Option<Value> {
        let group = self.named_groups().find(|g| name(g) == Some(wanted))?;
        let mut out = group.clone();
        put(&mut out, "kind", json!("APIGroup"));
        put(&mut out, "apiVersion", json!("v1"));
        Some(out)
    }

    /// `/api/v1` or `/apis/<group>/<version>`.
    pub(crate) fn resources(&self, group_version: &str) -> Option<Value> {
        let mut list = self.lists.get(group_version)?.clone();
        // A real server says the version of the list itself for named groups only.
        if group_version.contains('/') {
            put(&mut list, "apiVersion", json!("v1"));
        }
        Some(list)
    }

    /// A resource's record in its group version.
    pub(crate) fn resource(&self, group_version: &str, plural: &str) -> Option<&Value> {
        let resources = self
            .lists
            .get(group_version)?
            .get("resources")?
            .as_array()?;
        resources.iter().find(|r| name(r) == Some(plural))
    }

    /// The aggregated form of `/api` or `/apis`.
    pub(crate) fn aggregated(&self, is_core: bool) -> Value {
        let groups = self
            .groups
            .iter()
            .filter(|g| name(g).is_none_or(str::is_empty) == is_core);
        let items: Vec<Value> = groups.map(|group| self.aggregated_group(group)).collect();
        json!({
            "kind": "APIGroupDiscoveryList",
            "apiVersion": "apidiscovery.k8s.io/v2",
            "metadata": {},
            "items": items,
        })
    }

    fn aggregated_group(&self, group: &Value) -> Value {
        let versions = group
            .get("versions")
            .and_then(Value::as_array)
            .into_iter()
            .flatten();
        let versions: Vec<Value> = versions
            .filter_map(|version| {
                let list = self.lists.get(version.get("groupVersion")?.as_str()?)?;
                Some(json!({
                    "version": version.get("version")?,
                    "resources": aggregated_resources(list),
                    "freshness": "Current",
                }))
            })
            .collect();
        let mut metadata = json!({"creationTimestamp": null});
        if let Some(name) = name(group).filter(|n| !n.is_empty()) {
            put(&mut metadata, "name", json!(name));
        }
        json!({"metadata": metadata, "versions": versions})
    }
}

fn as_list(value: Value) -> Option<Vec<Value>> {
    match value {
        Value::Array(list) => Some(list),
        _ => None,
    }
}

fn name(value: &Value) -> Option<&str> {
    value.get("name")?.as_str()
}

/// A likely kind for a plural name that is not known: `gadgets` is `Gadget`.
fn kind_of(plural: &str) -> String {
    let singular = plural.strip_suffix("ies").map(|s| format!("{s}y"));
    let singular = singular.or_else(|| plural.strip_suffix('s').map(str::to_owned));
    let singular = singular.unwrap_or_else(|| plural.to_owned());
    let mut letters = singular.chars();
    letters
        .next()
        .map(|c| c.to_uppercase().chain(letters).collect())
        .unwrap_or_default()
}

/// Resources of one version with their subresources folded below them.
fn aggregated_resources(list: &Value) -> Vec<Value> {
    let all: Vec<&Value> = list
        .get("resources")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .collect();
    let parents = all
        .iter()
        .filter(|r| name(r).is_some_and(|n| !n.contains('/')));
    let mut out: Vec<Value> = parents.map(|r| aggregated_resource(r, &all)).collect();
    // A subresource without a resource of its own still gets a record.
    let orphans = all.iter().filter(|r| {
        name(r)
            .and_then(|n| n.split_once('/'))
            .is_some_and(|(parent, _)| !all.iter().any(|other| name(other) == Some(parent)))
    });
    out.extend(orphans.map(|r| aggregated_resource(r, &[])));
    out
}

fn aggregated_resource(resource: &Value, all: &[&Value]) -> Value {
    let plural = name(resource).unwrap_or_default();
    let namespaced = resource
        .get("namespaced")
        .and_then(Value::as_bool)
        .unwrap_or(false);
    let mut out = json!({
        "resource": plural,
        "responseKind": response_kind(resource),
        "scope": if namespaced { "Namespaced" } else { "Cluster" },
        "singularResource": resource.get("singularName"),
        "verbs": resource.get("verbs"),
    });
    for field in ["shortNames", "categories"] {
        if let Some(value) = resource.get(field) {
            put(&mut out, field, value.clone());
        }
    }
    let subresources: Vec<Value> = all
        .iter()
        .filter_map(|r| {
            let (parent, sub) = name(r)?.split_once('/')?;
            (parent == plural).then(|| {
                json!({"subresource": sub, "responseKind": response_kind(r), "verbs": r.get("verbs")})
            })
        })
        .collect();
    if !subresources.is_empty() {
        put(&mut out, "subresources", json!(subresources));
    }
    out
}

fn response_kind(resource: &Value) -> Value {
    let text = |field: &str| {
        resource
            .get(field)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    json!({"group": text("group"), "version": text("version"), "kind": text("kind")})
}
