//! Discovery for a bundle that recorded none: of what the bundle holds.

use std::collections::{BTreeMap, BTreeSet};

use bundle::resources;
use serde_json::{Value, json};

use crate::load::Loaded;
use crate::status::put;
use crate::store::{Held, Key, place};

/// Short names, which people type more often than long ones.
const SHORT_NAMES: [(&str, &str); 21] = [
    ("configmaps", "cm"),
    ("cronjobs", "cj"),
    ("customresourcedefinitions", "crd"),
    ("daemonsets", "ds"),
    ("deployments", "deploy"),
    ("endpoints", "ep"),
    ("events", "ev"),
    ("limitranges", "limits"),
    ("namespaces", "ns"),
    ("networkpolicies", "netpol"),
    ("nodes", "no"),
    ("poddisruptionbudgets", "pdb"),
    ("pods", "po"),
    ("replicasets", "rs"),
    ("resourcequotas", "quota"),
    ("serviceaccounts", "sa"),
    ("services", "svc"),
    ("statefulsets", "sts"),
    ("storageclasses", "sc"),
    ("serviceprofiles", "sp"),
    ("servers", "srv"),
];

/// Reviews, which are answered whatever the bundle holds: group, plural name, kind.
const REVIEWS: [(&str, &str, &str); 3] = [
    (
        "authorization.k8s.io",
        "selfsubjectaccessreviews",
        "SelfSubjectAccessReview",
    ),
    (
        "authorization.k8s.io",
        "selfsubjectrulesreviews",
        "SelfSubjectRulesReview",
    ),
    (
        "authentication.k8s.io",
        "selfsubjectreviews",
        "SelfSubjectReview",
    ),
];

/// `APIGroup`s, and `APIResourceList`s by group version.
pub(crate) fn synthesize(loaded: &Loaded) -> (Vec<Value>, BTreeMap<String, Value>) {
    let mut lists: BTreeMap<(String, String), Vec<Value>> = BTreeMap::new();
    for (key, held) in &loaded.objects {
        for version in versions(loaded, key, held) {
            let place = (key.0.clone(), version);
            lists.entry(place).or_default().push(record(key, held));
        }
        if *key == (String::new(), "events".to_owned()) {
            let newer = ("events.k8s.io".to_owned(), "v1".to_owned());
            lists.entry(newer).or_default().push(record(key, held));
        }
    }
    for (group, plural, kind) in REVIEWS {
        let review = json!({
            "name": plural, "singularName": kind.to_lowercase(), "namespaced": false,
            "kind": kind, "verbs": ["create"],
        });
        let place = (group.to_owned(), "v1".to_owned());
        lists.entry(place).or_default().push(review);
    }
    let names: BTreeSet<&String> = lists.keys().map(|(group, _)| group).collect();
    let groups = names.into_iter().map(|name| {
        let of_group = lists.keys().filter(|(group, _)| group == name);
        // The newest first, as a server prefers it.
        let versions = of_group.rev().map(
            |(group, version)| json!({"groupVersion": join(group, version), "version": version}),
        );
        let versions: Vec<Value> = versions.collect();
        json!({"name": name, "preferredVersion": versions.first(), "versions": versions})
    });
    let groups = groups.collect();
    let lists = lists.into_iter().map(|((group, version), resources)| {
        let version = join(&group, &version);
        let list =
            json!({"kind": "APIResourceList", "groupVersion": version, "resources": resources});
        (version, list)
    });
    (groups, lists.collect())
}

fn join(group: &str, version: &str) -> String {
    if group.is_empty() {
        version.to_owned()
    } else {
        format!("{group}/{version}")
    }
}

/// The versions in which a resource is served: as its definition says, or as its objects are.
fn versions(loaded: &Loaded, (group, plural): &Key, held: &Held) -> BTreeSet<String> {
    if let Some(known) = resources::by_plural(group, plural) {
        return BTreeSet::from([known.version.to_owned()]);
    }
    let definitions = (
        "apiextensions.k8s.io".to_owned(),
        "customresourcedefinitions".to_owned(),
    );
    let definition = loaded.objects.get(&definitions);
    let definition = definition.and_then(|d| d.find("", &format!("{plural}.{group}")));
    let listed = definition.and_then(|d| d.pointer("/spec/versions")?.as_array());
    let listed = listed.into_iter().flatten();
    let served = listed.filter(|v| v.get("served").and_then(Value::as_bool) != Some(false));
    let served = served.filter_map(|v| v.get("name")?.as_str());
    let own = held
        .objects
        .iter()
        .filter_map(|o| o.get("apiVersion")?.as_str()?.split_once('/'))
        .map(|(_, version)| version);
    let mut versions: BTreeSet<String> = served.chain(own).map(str::to_owned).collect();
    if versions.is_empty() {
        versions.insert("v1".to_owned());
    }
    versions
}

fn record((group, plural): &Key, held: &Held) -> Value {
    let known = resources::by_plural(group, plural);
    let first = held.objects.first();
    let own = first.and_then(|o| o.get("kind")).and_then(Value::as_str);
    let kind = known.map(|r| r.kind).or(own).map(str::to_owned);
    let kind = kind.unwrap_or_else(|| kind_of(plural));
    let has_namespace = first.is_none_or(|o| !place(o).0.is_empty());
    let mut record = json!({
        "name": plural,
        "singularName": kind.to_lowercase(),
        "namespaced": known.map_or(has_namespace, |r| r.namespaced),
        "kind": kind,
        "verbs": ["get", "list", "watch"],
    });
    if let Some((_, short)) = SHORT_NAMES.iter().find(|(name, _)| name == plural) {
        put(&mut record, "shortNames", json!([short]));
    }
    record
}

/// A likely kind for a plural name that is not known: `gadgets` is `Gadget`.
fn kind_of(plural: &str) -> String {
    let singular = plural.strip_suffix("ies").map(|s| format!("{s}y"));
    let singular = singular.or_else(|| plural.strip_suffix('s').map(str::to_owned));
    let singular = singular.unwrap_or_else(|| plural.to_owned());
    let mut letters = singular.chars();
    let first = letters.next().map(char::to_uppercase);
    first.into_iter().flatten().chain(letters).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_is_discovered_in_its_own_versions() {
        let mut loaded = Loaded::default();
        let mut servers = Held::default();
        servers.take(json!([{
            "kind": "Server", "apiVersion": "policy.linkerd.io/v1beta3",
            "metadata": {"namespace": "shop", "name": "a"},
        }]));
        let key = ("policy.linkerd.io".to_owned(), "servers".to_owned());
        loaded.objects.insert(key, servers);
        let pods = (String::new(), "pods".to_owned());
        loaded.objects.insert(pods, Held::default());
        let (groups, lists) = synthesize(&loaded);
        assert_eq!(groups[0]["name"], "");
        let servers = &lists["policy.linkerd.io/v1beta3"]["resources"][0];
        assert_eq!(
            (&servers["kind"], &servers["namespaced"]),
            (&json!("Server"), &json!(true))
        );
        assert_eq!(lists["v1"]["resources"][0]["shortNames"], json!(["po"]));
        assert!(lists.contains_key("authorization.k8s.io/v1"));
    }

    #[test]
    fn an_unknown_plural_gets_a_likely_kind() {
        assert_eq!(kind_of("gadgets"), "Gadget");
        assert_eq!(kind_of("policies"), "Policy");
        assert_eq!(kind_of(""), "");
    }
}
