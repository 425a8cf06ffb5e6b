//! A bundle in the eyes of Replicated's `sbctl` and its like: each path and shape that they rely
//! on, as their sources have it.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use std::collections::BTreeSet;

use serde_json::{Value, json};
use support::{Reply, Run, Server, collect, list};

/// What `sbctl` calls the folders of resources whose plural it does not use.
const RENAMED: [(&str, &str); 4] = [
    ("storageclasses", "storage-classes"),
    ("customresourcedefinitions", "custom-resource-definitions"),
    ("networkpolicies", "network-policy"),
    ("resourcequotas", "resource-quota"),
];

/// A cluster with an object of every kind.
fn run() -> Run {
    let server = Server::start(|asked| {
        let plural = asked.path.rsplit('/').next().unwrap_or_default();
        let resource = bundle::resources::RESOURCES
            .iter()
            .find(|r| r.plural == plural);
        match (asked.path.as_str(), resource) {
            ("/apis", _) => {
                let version =
                    json!({"groupVersion": "policy.linkerd.io/v1beta3", "version": "v1beta3"});
                let group = json!({"name": "policy.linkerd.io", "versions": [version], "preferredVersion": version});
                Some(Reply::Json(
                    200,
                    json!({"kind": "APIGroupList", "groups": [group]}),
                ))
            }
            ("/apis/policy.linkerd.io/v1beta3", _) => {
                let servers = json!({"name": "servers", "kind": "Server", "namespaced": true, "verbs": ["list"]});
                Some(Reply::Json(
                    200,
                    json!({"kind": "APIResourceList", "apiVersion": "v1",
                    "groupVersion": "policy.linkerd.io/v1beta3", "resources": [servers]}),
                ))
            }
            ("/apis/policy.linkerd.io/v1beta3/servers", _) => Some(Reply::Json(
                200,
                json!({
                    "kind": "ServerList", "apiVersion": "policy.linkerd.io/v1beta3", "metadata": {},
                    "items": [{"metadata": {"namespace": "shop", "name": "s"}}],
                }),
            )),
            (_, Some(resource)) if !matches!(plural, "pods" | "namespaces" | "configmaps") => {
                let mut object = json!({"metadata": {"name": "x"}});
                if resource.namespaced {
                    object["metadata"]["namespace"] = json!("shop");
                }
                let mut answer = list(&[object]);
                answer["kind"] = json!(format!("{}List", resource.kind));
                answer["apiVersion"] = json!(resource.api_version());
                Some(Reply::Json(200, answer))
            }
            _ => None,
        }
    });
    let run = collect(&server, &["--no-port-forward"]);
    assert_eq!(run.code(), 0, "{}", run.stderr());
    run
}

fn parsed(run: &Run, path: &str) -> Value {
    serde_json::from_str(&run.entry(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

#[test]
fn the_marker_and_the_version_are_where_they_are_looked_for() {
    let run = run();
    let marker: Value = serde_saphyr::from_str(&run.entry("version.yaml")).unwrap();
    assert_eq!(marker["apiVersion"], "troubleshoot.sh/v1beta2");
    assert_eq!(marker["kind"], "SupportBundle");
    assert_eq!(marker["spec"]["versionNumber"], "1");
    let version = parsed(&run, "cluster-info/cluster_version.json");
    assert_eq!(version["info"]["gitVersion"], "v1.33.0");
    assert_eq!(version["string"], "v1.33.0");
}

#[test]
fn every_kind_is_a_list_that_says_what_it_is_in_the_folder_that_is_looked_into() {
    let run = run();
    for resource in bundle::resources::RESOURCES
        .iter()
        .filter(|r| r.plural != "configmaps")
    {
        let renamed = RENAMED
            .iter()
            .find(|(plural, _)| *plural == resource.plural);
        // Kinds that `sbctl` knows by their plural; others are our own, and it passes them over.
        let folder = match (renamed, resource.folder.contains('-')) {
            (Some((_, folder)), _) => *folder,
            (None, true) => resource.folder,
            (None, false) => resource.plural,
        };
        let below = if resource.namespaced { "/shop" } else { "" };
        let path = format!("cluster-resources/{folder}{below}.json");
        let list = parsed(&run, &path);
        assert!(list["kind"].as_str().unwrap().ends_with("List"), "{path}");
        assert!(
            list["apiVersion"].is_string() && list["items"].is_array(),
            "{path}"
        );
        assert_eq!(list["items"][0]["kind"], resource.kind, "{path}");
    }
    let servers = parsed(
        &run,
        "cluster-resources/custom-resources/servers.policy.linkerd.io/shop.json",
    );
    assert_eq!(servers["kind"], "ServerList");
    assert_eq!(servers["apiVersion"], "policy.linkerd.io/v1beta3");
    assert_eq!(servers["items"][0]["kind"], "Server");
}

#[test]
fn discovery_is_in_the_form_that_is_served_again() {
    let run = run();
    let groups = parsed(&run, "cluster-resources/groups.json");
    // The core group is told by having the one version `v1`.
    let is_core = |group: &&Value| {
        let versions = group["versions"].as_array().unwrap();
        versions.len() == 1 && versions[0]["groupVersion"] == "v1"
    };
    assert_eq!(groups.as_array().unwrap().iter().filter(is_core).count(), 1);
    let resources = parsed(&run, "cluster-resources/resources.json");
    let resources = resources.as_array().unwrap();
    let core = resources
        .iter()
        .find(|r| r["groupVersion"] == "v1")
        .unwrap();
    assert!(core.get("apiVersion").is_none() && core["resources"].is_array());
    let versions: BTreeSet<&str> = resources
        .iter()
        .map(|r| r["groupVersion"].as_str().unwrap())
        .collect();
    assert!(versions.contains("policy.linkerd.io/v1beta3"));
}

#[test]
fn logs_and_permissions_are_where_they_are_looked_for() {
    let run = run();
    for container in ["app", "linkerd-proxy"] {
        run.entry(&format!(
            "cluster-resources/pods/logs/shop/cart/{container}.log"
        ));
    }
    let rules = parsed(&run, "cluster-resources/auth-cani-list/shop.json");
    assert!(rules[0]["verbs"].is_array() && rules[0]["resources"].is_array());
    let all = run.bundle();
    // The folder with the shortest path counts, so there must be only one of the name.
    let twice = all.entries().iter().filter(|e| {
        let mut parts = e.path.components().skip(1);
        parts.any(|part| part == "cluster-resources")
    });
    assert_eq!(twice.count(), 0);
}
