//! Whole recordings, made up small, multiplied.

use super::*;
use serde_json::json;

fn pod(name: &str, owner: Option<&str>) -> Value {
    let owners = owner.map(|kind| json!({"kind": kind, "uid": "5e7", "controller": true}));
    json!({
        "metadata": {
            "namespace": "data", "name": name, "uid": format!("{name}-1d"),
            "ownerReferences": owners.into_iter().collect::<Vec<_>>(),
        },
        "spec": {"nodeName": "worker"},
    })
}

fn recording() -> BTreeMap<Key, Held> {
    let named = |name: &str| json!({"metadata": {"name": name}});
    let pods = [
        pod("db-0", Some("StatefulSet")),
        pod("db-1", Some("StatefulSet")),
        pod("web-7cc5f8978b-zwdmb", Some("ReplicaSet")),
        pod("debug", None),
    ];
    let service = json!({"metadata": {"namespace": "data", "name": "worker", "uid": "5c"}});
    let lists = [
        (
            "namespaces",
            json!([named("data"), named("data-0001"), named("kube-system")]),
        ),
        ("nodes", json!([named("worker")])),
        ("pods", json!(pods)),
        ("services", json!([service])),
    ];
    let held = lists.map(|(plural, items)| {
        let mut held = Held::default();
        held.take(json!({"items": items}));
        held.settle();
        ((String::new(), plural.to_owned()), held)
    });
    BTreeMap::from(held)
}

/// The places of everything of a kind, and what stands at a pointer.
fn served(plural: &str, pods: u32, pointer: &str) -> Vec<(String, String)> {
    let objects = recording();
    let multiplied = Multiplied::of(&objects, pods).unwrap();
    let key = (String::new(), plural.to_owned());
    let all = objects[&key].objects.iter().flat_map(|recorded| {
        let copies = multiplied.copies(&key, recorded).into_iter();
        copies.map(|nth| {
            let namespace = multiplied.namespace(place(recorded).0, nth);
            let name = multiplied.name(&key, recorded, nth);
            let object = multiplied.object(&key, recorded, nth);
            assert_eq!(place(&object), (&*namespace, &*name));
            let value = object.pointer(pointer).and_then(Value::as_str);
            let value = value.unwrap_or_default().to_owned();
            (format!("{namespace}/{name}"), value)
        })
    });
    let mut all: Vec<(String, String)> = all.collect();
    all.sort();
    all
}

#[test]
fn sets_count_on_and_a_pod_of_nobody_has_no_replicas() {
    let pods = served("pods", 34, "/spec/nodeName");
    assert_eq!(pods.len(), 34);
    let names: Vec<&str> = pods.iter().map(|(place, _)| place.as_str()).collect();
    for name in [
        "data/db-0",
        "data/db-1",
        "data/db-17",
        "data-00001/db-0",
        "data-00001/debug",
    ] {
        assert!(names.contains(&name), "{name}: {names:?}");
    }
    assert_eq!(names.iter().filter(|n| n.ends_with("/debug")).count(), 2);
    assert!(pods.iter().all(|(_, node)| node.starts_with("worker")));
}

#[test]
fn a_node_whose_name_is_a_word_is_copied_and_the_word_stays_elsewhere() {
    let nodes = served("nodes", 100, "/metadata/name");
    let names: Vec<&str> = nodes.iter().map(|(_, name)| name.as_str()).collect();
    assert!(
        names.len() > 2 && names.contains(&"worker-00001"),
        "{names:?}"
    );
    let services = served("services", 100, "/metadata/name");
    assert!(services.iter().all(|(_, name)| name == "worker"));
}

#[test]
fn namespaces_without_pods_and_those_of_the_system_are_there_once() {
    let namespaces = served("namespaces", 60, "/metadata/name");
    let names: Vec<&str> = namespaces.iter().map(|(_, name)| name.as_str()).collect();
    assert_eq!(names, ["data", "data-00001", "data-0001", "kube-system"]);
}
