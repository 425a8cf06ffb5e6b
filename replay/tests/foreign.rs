//! A capture of another tool, served: its objects, and the logs whose containers its paths tell.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use std::path::Path;

use bundle::layout::EntryKind;
use bundle::{Bundle, Limits};
use serde_json::{Value, json};
use support::{Server, recording};

/// Lays the objects and logs of a recording out as `oc adm must-gather` does.
fn must_gather(name: &str, folder: &Path) {
    let top = folder.join("must-gather.local.42/quay-io-x-sha256-y");
    let write = |path: String, content: &[u8]| {
        let path = top.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    };
    let bundle = Bundle::open(&recording(name), Limits::default()).unwrap();
    for entry in bundle.entries() {
        let read = || bundle.read(entry.path.as_str()).unwrap();
        match &entry.kind {
            EntryKind::Objects {
                folder,
                namespace: Some(namespace),
            } => {
                let list: Value = serde_json::from_slice(&read()).unwrap();
                let yaml = format!("---\n{}", serde_saphyr::to_string(&list).unwrap());
                write(
                    format!("namespaces/{namespace}/core/{folder}.yaml"),
                    yaml.as_bytes(),
                );
            }
            EntryKind::CustomObjects { crd, namespace } => {
                let list: Value = serde_json::from_slice(&read()).unwrap();
                let namespace = namespace.as_deref().unwrap_or("none");
                for mut item in list["items"].as_array().cloned().unwrap_or_default() {
                    item["kind"] = json!(list["kind"].as_str().unwrap().trim_end_matches("List"));
                    item["apiVersion"] = list["apiVersion"].clone();
                    let name = item["metadata"]["name"].as_str().unwrap();
                    let yaml = format!("---\n{}", serde_saphyr::to_string(&item).unwrap());
                    write(
                        format!("namespaces/{namespace}/{crd}/{name}.yaml"),
                        yaml.as_bytes(),
                    );
                }
            }
            EntryKind::PodLog {
                namespace,
                pod,
                container,
                previous,
            } => {
                let file = if *previous { "previous" } else { "current" };
                let below = format!("pods/{pod}/{container}/{container}/logs/{file}.log");
                write(format!("namespaces/{namespace}/{below}"), &read());
            }
            _ => {}
        }
    }
}

/// Namespace and name of everything in a list.
fn names(list: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let items = list["items"].as_array().unwrap().iter();
    items
        .map(|item| {
            let metadata = &item["metadata"];
            (text(&metadata["namespace"]), text(&metadata["name"]))
        })
        .collect()
}

#[tokio::test]
async fn a_must_gather_is_served_like_the_bundle_of_the_same_cluster() {
    let folder = tempfile::tempdir().unwrap();
    must_gather("authz-denied", folder.path());
    let foreign = Server::of(folder.path()).await;
    let own = Server::of_recording("authz-denied").await;
    for path in [
        "/api/v1/pods",
        "/api/v1/namespaces/retail/services",
        "/apis/apps/v1/deployments",
        "/apis/policy.linkerd.io/v1beta3/servers",
        "/apis/policy.linkerd.io/v1alpha1/authorizationpolicies",
    ] {
        let expected = names(&own.get(path).await.json());
        assert!(!expected.is_empty(), "{path}");
        assert_eq!(names(&foreign.get(path).await.json()), expected, "{path}");
    }
    let pods = names(&own.get("/api/v1/pods").await.json());
    let (namespace, pod) = pods.iter().find(|(n, _)| n == "retail").unwrap();
    let log = format!("/api/v1/namespaces/{namespace}/pods/{pod}/log?container=linkerd-proxy");
    let expected = own.get(&log).await;
    assert!(!expected.text().is_empty());
    assert_eq!(foreign.get(&log).await.text(), expected.text());
}
