//! Which groups and resources there are, in the old and the aggregated form.

use std::collections::{BTreeMap, BTreeSet};

use bundle::resources;
use serde_json::{Value, json};

use crate::load::Loaded;
use crate::status::put;
use crate::synthesize::synthesize;

/// The content type of aggregated discovery.
pub(crate) const AGGREGATED: &str =
    "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

/// Paths that are served besides those of resources.
const OTHER_PATHS: [&str; 4] = ["/healthz", "/livez", "/readyz", "/version"];

/// API groups and the resources of each group version.
#[derive(Debug, Default)]
pub(crate) struct Discovery {
    /// `APIGroup`s, the core group first.
    groups: Vec<Value>,
    /// `APIResourceList`s by group version.
    lists: BTreeMap<String, Value>,
    /// Groups that are made by custom resource definitions.
    custom_groups: BTreeSet<String>,
}

impl Discovery {
    /// From the recorded discovery, or else from the lists that the bundle holds.
    pub(crate) fn of(loaded: &Loaded) -> Self {
        let list = |value: &Option<Value>| value.as_ref()?.as_array().cloned();
        let groups = list(&loaded.groups).unwrap_or_default();
        let lists = list(&loaded.resources).unwrap_or_default();
        let lists = lists.into_iter().filter_map(|list| {
            let version = list.get("groupVersion")?.as_str()?.to_owned();
            list.get("resources")?.as_array()?;
            Some((version, list))
        });
        let lists: BTreeMap<String, Value> = lists.collect();
        let (groups, lists) = if groups.is_empty() || lists.is_empty() {
            synthesize(loaded)
        } else {
            (groups, lists)
        };
        let definitions = "customresourcedefinitions".to_owned();
        let definitions = ("apiextensions.k8s.io".to_owned(), definitions);
        let definitions = loaded.objects.get(&definitions).into_iter();
        let custom = definitions
            .flat_map(|held| &held.objects)
            .filter_map(|d| d.pointer("/spec/group")?.as_str());
        let known = resources::CUSTOM_RESOURCE_GROUPS.iter().copied();
        Self {
            groups,
            lists,
            custom_groups: custom.chain(known).map(str::to_owned).collect(),
        }
    }

    /// `/`: every path that is served.
    pub(crate) fn paths(&self) -> Value {
        let mut paths: BTreeSet<String> = OTHER_PATHS.map(str::to_owned).into();
        paths.extend(["/api", "/apis", "/apis/"].map(str::to_owned));
        for version in self.lists.keys() {
            match version.split_once('/') {
                Some((group, _)) => {
                    paths.insert(format!("/apis/{group}"));
                    paths.insert(format!("/apis/{version}"));
                }
                None => {
                    paths.insert(format!("/api/{version}"));
                }
            }
        }
        json!({"paths": paths})
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

    /// Whether a group version is served.
    pub(crate) fn has_version(&self, group_version: &str) -> bool {
        self.lists.contains_key(group_version)
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
                let group_version = version.get("groupVersion")?.as_str()?;
                let resources = self.lists.get(group_version)?.get("resources")?;
                let own = group_version.split_once('/');
                let own = own.filter(|(group, _)| self.custom_groups.contains(*group));
                Some(json!({
                    "version": version.get("version")?,
                    "resources": aggregated_resources(resources, own),
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

fn name(value: &Value) -> Option<&str> {
    value.get("name")?.as_str()
}

/// Group and version that responses of custom resources name; built-in ones leave them out.
type Own<'a> = Option<(&'a str, &'a str)>;

/// Resources of one version with their subresources folded below them.
fn aggregated_resources(resources: &Value, own: Own<'_>) -> Vec<Value> {
    let all: Vec<&Value> = resources.as_array().into_iter().flatten().collect();
    let parents = all
        .iter()
        .filter(|r| name(r).is_some_and(|n| !n.contains('/')));
    let mut out: Vec<Value> = parents.map(|r| aggregated_resource(r, &all, own)).collect();
    // A subresource without a resource of its own still gets a record.
    let orphans = all.iter().filter(|r| {
        name(r)
            .and_then(|n| n.split_once('/'))
            .is_some_and(|(parent, _)| !all.iter().any(|other| name(other) == Some(parent)))
    });
    out.extend(orphans.map(|r| aggregated_resource(r, &[], own)));
    out
}

fn aggregated_resource(resource: &Value, all: &[&Value], own: Own<'_>) -> Value {
    let plural = name(resource).unwrap_or_default();
    let namespaced = resource.get("namespaced").and_then(Value::as_bool);
    let scope = if namespaced == Some(true) {
        "Namespaced"
    } else {
        "Cluster"
    };
    let mut out = json!({
        "resource": plural,
        "responseKind": response_kind(resource, own),
        "scope": scope,
        "singularResource": resource.get("singularName"),
        "verbs": resource.get("verbs"),
    });
    for field in ["shortNames", "categories"] {
        if let Some(value) = resource.get(field) {
            put(&mut out, field, value.clone());
        }
    }
    let subresources = all.iter().filter_map(|r| {
        let (parent, sub) = name(r)?.split_once('/')?;
        let kind = response_kind(r, own);
        let verbs = r.get("verbs");
        (parent == plural)
            .then(|| json!({"subresource": sub, "responseKind": kind, "verbs": verbs}))
    });
    let subresources: Vec<Value> = subresources.collect();
    if !subresources.is_empty() {
        put(&mut out, "subresources", json!(subresources));
    }
    out
}

fn response_kind(resource: &Value, own: Own<'_>) -> Value {
    let text = |field: &str| resource.get(field).and_then(Value::as_str);
    let (group, version) = own.unwrap_or_default();
    json!({
        "group": text("group").unwrap_or(group),
        "version": text("version").unwrap_or(version),
        "kind": text("kind").unwrap_or_default(),
    })
}
