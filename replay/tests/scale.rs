//! A multiplied recording, asked by a client on loopback: it has to be of one piece.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use std::collections::{BTreeMap, BTreeSet};

use linkerd_replay::{Scale, Store};
use serde_json::Value;
use support::{Server, recording};

const PODS: &str = "/api/v1/pods";

async fn large(pods: u32) -> Server {
    let scale = Scale {
        pods: Some(pods),
        log_bytes: 0,
    };
    Server::large("healthy", &scale).await
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

fn place(object: &Value) -> (String, String) {
    let of = |field| text(object, &format!("/metadata/{field}")).to_owned();
    (of("namespace"), of("name"))
}

/// How many different values stand at a pointer; objects without it are left out.
fn distinct(objects: &[Value], pointer: &str) -> usize {
    let all = objects.iter().map(|o| text(o, pointer));
    all.filter(|t| !t.is_empty()).collect::<BTreeSet<_>>().len()
}

#[tokio::test]
async fn ten_thousand_pods_have_their_own_names_uids_and_addresses() {
    let server = large(10_000).await;
    let pods = server.pages(PODS, 500).await;
    assert_eq!(pods.len(), 10_000);
    let places: BTreeSet<_> = pods.iter().map(place).collect();
    assert_eq!(places.len(), 10_000);
    assert_eq!(distinct(&pods, "/metadata/uid"), 10_000);
    // The recording's own pods on the host's network share the node's address.
    let own: Vec<Value> = pods
        .into_iter()
        .filter(|p| p["spec"]["hostNetwork"] != true)
        .collect();
    assert_eq!(distinct(&own, "/status/podIP"), own.len());
    let listed: Vec<String> = own
        .iter()
        .map(place)
        .map(|(s, n)| format!("{s}/{n}"))
        .collect();
    assert!(listed.is_sorted(), "lists are in the order of keys");
}

#[tokio::test]
async fn each_pod_is_found_by_its_name_and_on_its_node() {
    let server = large(300).await;
    let pods = server.pages(PODS, 70).await;
    let nodes = server.pages("/api/v1/nodes", 500).await;
    let nodes: BTreeSet<String> = nodes.iter().map(|n| place(n).1).collect();
    let mut on: BTreeMap<&str, usize> = BTreeMap::new();
    for pod in &pods {
        let (namespace, name) = place(pod);
        let path = format!("/api/v1/namespaces/{namespace}/pods/{name}");
        let mut alone = server.get(&path).await.json();
        alone
            .as_object_mut()
            .unwrap()
            .retain(|key, _| pod.get(key).is_some());
        assert_eq!(&alone, pod);
        let node = text(pod, "/spec/nodeName");
        assert!(nodes.contains(node), "{node}");
        *on.entry(node).or_default() += 1;
    }
    assert_eq!(on.len(), nodes.len());
    for (node, count) in on {
        assert!((20..=45).contains(&count), "{node} has {count} pods");
        let path = format!("{PODS}?fieldSelector=spec.nodeName%3D{node}");
        let found = server.get(&path).await.json();
        assert_eq!(found["items"].as_array().unwrap().len(), count, "{node}");
    }
}

#[tokio::test]
async fn endpoints_name_pods_that_are_there() {
    let server = large(123).await;
    let pods = server.pages(PODS, 500).await;
    let pods: BTreeMap<(String, String), Value> =
        pods.into_iter().map(|p| (place(&p), p)).collect();
    let mut addresses: BTreeMap<(String, String), BTreeSet<String>> = BTreeMap::new();
    let slices = server
        .pages("/apis/discovery.k8s.io/v1/endpointslices", 500)
        .await;
    for slice in &slices {
        let service = text(slice, "/metadata/labels/kubernetes.io~1service-name").to_owned();
        let of_service = addresses.entry((place(slice).0, service)).or_default();
        for endpoint in slice["endpoints"].as_array().into_iter().flatten() {
            let address = text(endpoint, "/addresses/0").to_owned();
            of_service.insert(address.clone());
            if endpoint.get("targetRef").is_none() {
                continue;
            }
            let target = |field| text(endpoint, &format!("/targetRef/{field}")).to_owned();
            let pod = &pods[&(target("namespace"), target("name"))];
            assert_eq!(target("namespace"), place(slice).0);
            assert_eq!(target("uid"), text(pod, "/metadata/uid"));
            assert_eq!(address, text(pod, "/status/podIP"));
            assert_eq!(endpoint["nodeName"], pod["spec"]["nodeName"]);
        }
    }
    for endpoints in server.pages("/api/v1/endpoints", 500).await {
        let subsets = endpoints["subsets"].as_array().into_iter().flatten();
        let all = subsets.flat_map(|s| s["addresses"].as_array().into_iter().flatten());
        let all: BTreeSet<String> = all.map(|a| text(a, "/ip").to_owned()).collect();
        if let Some(of_slices) = addresses.get(&place(&endpoints)) {
            assert_eq!(&all, of_slices, "{:?}", place(&endpoints));
        }
    }
}

#[tokio::test]
async fn owners_exist_and_count_their_pods() {
    let server = large(137).await;
    let mut owned: BTreeMap<String, u64> = BTreeMap::new();
    for pod in server.pages(PODS, 500).await {
        let owner = text(&pod, "/metadata/ownerReferences/0/uid");
        *owned.entry(owner.to_owned()).or_default() += 1;
    }
    let sets = server.pages("/apis/apps/v1/replicasets", 500).await;
    let mut deployments: BTreeMap<String, u64> = BTreeMap::new();
    for set in &sets {
        let there = owned.remove(text(set, "/metadata/uid")).unwrap_or(0);
        let counted = set["status"]["replicas"].as_u64().unwrap();
        assert_eq!(there, counted, "{:?}", place(set));
        let owner = text(set, "/metadata/ownerReferences/0/uid").to_owned();
        *deployments.entry(owner).or_default() += there;
    }
    for deployment in server.pages("/apis/apps/v1/deployments", 500).await {
        let there = deployments.remove(text(&deployment, "/metadata/uid"));
        let counted = deployment["status"]["replicas"].as_u64().unwrap_or(0);
        assert_eq!(there.unwrap_or(0), counted, "{:?}", place(&deployment));
    }
    assert!(
        deployments.is_empty() && owned.keys().all(String::is_empty),
        "{owned:?}"
    );
    assert_eq!(distinct(&sets, "/metadata/uid"), sets.len());
}

#[tokio::test]
async fn every_namespace_and_service_of_a_copy_is_its_own() {
    let server = large(500).await;
    let namespaces = server.pages("/api/v1/namespaces", 500).await;
    let names: BTreeSet<String> = namespaces.iter().map(|n| place(n).1).collect();
    assert_eq!(names.len(), namespaces.len());
    assert!(
        names.contains("shop") && names.contains("shop-0001") && !names.contains("linkerd-0001")
    );
    for namespace in &namespaces {
        let label = text(namespace, "/metadata/labels/kubernetes.io~1metadata.name");
        assert_eq!(label, place(namespace).1);
    }
    let services = server.pages("/api/v1/services", 500).await;
    for service in &services {
        assert!(names.contains(&place(service).0));
    }
    let with_address: Vec<Value> = services
        .into_iter()
        .filter(|s| text(s, "/spec/clusterIP") != "None")
        .collect();
    assert_eq!(
        distinct(&with_address, "/spec/clusterIP"),
        with_address.len()
    );
    for event in server.pages("/api/v1/events", 500).await {
        assert_eq!(text(&event, "/involvedObject/namespace"), place(&event).0);
    }
}

#[tokio::test]
async fn logs_and_metrics_of_a_copy_speak_of_the_copy() {
    let server = large(200).await;
    let pods = server.pages(PODS, 500).await;
    let is_copy = |p: &&Value| place(p).0 == "shop-0001" && place(p).1.starts_with("frontend");
    let pod = pods.iter().find(is_copy).unwrap();
    let (namespace, name) = place(pod);
    let path = format!("/api/v1/namespaces/{namespace}/pods/{name}");
    let log = server
        .get(&format!("{path}/log?container=linkerd-proxy"))
        .await;
    assert_eq!(log.status, 200);
    assert!(
        log.text().contains("frontend.shop-0001.serviceaccount"),
        "{}",
        log.text()
    );
    let path = format!("/api/v1/namespaces/{namespace}/pods/{name}:4191/proxy/metrics");
    let metrics = server.get(&path).await.text();
    let meets = |word: &str| metrics.contains(word);
    assert!(meets("dst_namespace=\"shop-0001\"") && meets("catalog.shop-0001.svc.cluster.local"));
    assert!(!meets("namespace=\"shop\"") && !meets("catalog.shop.svc.cluster.local"));
    // Whom it talks to is there as well, under the address that it says.
    let names: BTreeSet<String> = pods.iter().map(|p| place(p).1).collect();
    let targets = metrics.split("dst_pod=\"").skip(1);
    let targets: BTreeSet<&str> = targets.filter_map(|t| t.split('"').next()).collect();
    assert!(!targets.is_empty());
    for target in targets.iter().filter(|t| !t.is_empty()) {
        assert!(names.contains(*target), "{target}");
    }
}

#[tokio::test]
async fn a_watch_and_a_table_have_all_of_a_copy() {
    let server = large(200).await;
    let pods = "/api/v1/namespaces/shop-0001/pods";
    let listed = server.get(pods).await.json()["items"]
        .as_array()
        .unwrap()
        .len();
    assert!(listed > 0);
    let table = server
        .get_as(pods, "application/json;as=Table;v=v1;g=meta.k8s.io")
        .await;
    let table = table.json();
    assert_eq!(table["rows"].as_array().unwrap().len(), listed);
    assert_eq!(table["columnDefinitions"][0]["name"], "Name");
    let watch = server
        .get(&format!("{pods}?watch=true&timeoutSeconds=1"))
        .await
        .text();
    assert_eq!(
        watch.lines().filter(|l| l.contains("\"ADDED\"")).count(),
        listed
    );
    let selected = server
        .get(&format!("{pods}?labelSelector=app%3Dcatalog"))
        .await
        .json();
    let selected = selected["items"].as_array().unwrap();
    assert!(!selected.is_empty() && selected.len() < listed);
}

#[tokio::test]
async fn a_log_is_as_long_as_it_shall_be() {
    let scale = Scale {
        pods: None,
        log_bytes: 3_000_000,
    };
    let server = Server::large("healthy", &scale).await;
    let log = "/api/v1/namespaces/shop/pods/catalog-7cc5f8978b-zwdmb/log?container=linkerd-proxy";
    let whole = server.get(&format!("{log}&timestamps=true")).await.body;
    assert!(
        whole.len() >= 3_000_000 && whole.len() < 4_000_000,
        "{}",
        whole.len()
    );
    let tail = server
        .get(&format!("{log}&timestamps=true&tailLines=500"))
        .await
        .body;
    assert_eq!(tail.split_inclusive(|b| *b == b'\n').count(), 500);
    assert!(whole.ends_with(&tail));
    let cut = server
        .get(&format!("{log}&timestamps=true&limitBytes=12345"))
        .await
        .body;
    assert_eq!(cut, whole[..12345]);
}

#[test]
fn all_recordings_can_be_multiplied_and_none_made_smaller() {
    let scale = |pods| Scale {
        pods: Some(pods),
        log_bytes: 0,
    };
    let folder = recording("healthy");
    let folder = std::fs::read_dir(folder.parent().unwrap()).unwrap();
    for file in folder {
        let path = file.unwrap().path();
        if path.to_string_lossy().contains(".truth.") {
            continue;
        }
        let open = || Store::open(&path).unwrap();
        open().scaled(&scale(400)).unwrap();
        let refusal = open().scaled(&scale(1)).unwrap_err().to_string();
        assert!(refusal.contains("give a number from"), "{refusal}");
    }
}
