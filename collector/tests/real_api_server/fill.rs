//! Puts custom resource definitions and the objects of a recording into a cluster.

use std::path::Path;

use bundle::layout::EntryKind;
use bundle::{Bundle, Limits};
use kube::Client;
use serde_json::{Value, json};

/// The kinds of Linkerd and of the Gateway API that the collector looks for: group, plural name,
/// kind, version, and whether its objects are in namespaces. Their fields are left open.
pub(crate) const CUSTOM: [(&str, &str, &str, &str, bool); 14] = [
    ("policy.linkerd.io", "servers", "Server", "v1beta3", true),
    (
        "policy.linkerd.io",
        "authorizationpolicies",
        "AuthorizationPolicy",
        "v1alpha1",
        true,
    ),
    (
        "policy.linkerd.io",
        "meshtlsauthentications",
        "MeshTLSAuthentication",
        "v1alpha1",
        true,
    ),
    (
        "policy.linkerd.io",
        "networkauthentications",
        "NetworkAuthentication",
        "v1alpha1",
        true,
    ),
    (
        "policy.linkerd.io",
        "serverauthorizations",
        "ServerAuthorization",
        "v1beta1",
        true,
    ),
    (
        "policy.linkerd.io",
        "httproutes",
        "HTTPRoute",
        "v1beta3",
        true,
    ),
    (
        "policy.linkerd.io",
        "egressnetworks",
        "EgressNetwork",
        "v1alpha1",
        true,
    ),
    (
        "linkerd.io",
        "serviceprofiles",
        "ServiceProfile",
        "v1alpha2",
        true,
    ),
    (
        "workload.linkerd.io",
        "externalworkloads",
        "ExternalWorkload",
        "v1beta1",
        true,
    ),
    ("multicluster.linkerd.io", "links", "Link", "v1alpha3", true),
    (
        "gateway.networking.k8s.io",
        "gatewayclasses",
        "GatewayClass",
        "v1",
        false,
    ),
    (
        "gateway.networking.k8s.io",
        "gateways",
        "Gateway",
        "v1",
        true,
    ),
    (
        "gateway.networking.k8s.io",
        "httproutes",
        "HTTPRoute",
        "v1",
        true,
    ),
    (
        "gateway.networking.k8s.io",
        "grpcroutes",
        "GRPCRoute",
        "v1",
        true,
    ),
];

/// Built-in kinds that are taken from the recording, by folder, in the order in which they are made.
const FOLDERS: [&str; 6] = [
    "namespaces",
    "nodes",
    "services",
    "deployments",
    "pods",
    "events",
];

/// Asks the server to make an object; false if it is there already.
pub(crate) async fn create(client: &Client, path: &str, object: &Value) -> bool {
    let request = http::Request::post(path)
        .header("content-type", "application/json")
        .body(object.to_string().into_bytes())
        .unwrap();
    match client.request::<Value>(request).await {
        Ok(_) => true,
        Err(kube::Error::Api(status)) if status.code == 409 => false,
        Err(e) => panic!("{path}: {e}: {object}"),
    }
}

pub(crate) async fn define(client: &Client) {
    for (group, plural, kind, version, is_namespaced) in CUSTOM {
        let schema = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
        let definition = json!({
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {
                "name": format!("{plural}.{group}"),
                // What a group of Kubernetes' own must say.
                "annotations": {"api-approved.kubernetes.io": "unapproved, for a test"},
            },
            "spec": {
                "group": group,
                "scope": if is_namespaced { "Namespaced" } else { "Cluster" },
                "names": {"plural": plural, "singular": kind.to_lowercase(), "kind": kind},
                "versions": [{
                    "name": version, "served": true, "storage": true,
                    "schema": {"openAPIV3Schema": schema},
                }],
            },
        });
        let path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
        create(client, path, &definition).await;
    }
    for (group, plural, _, version, _) in CUSTOM {
        wait_for(client, &format!("/apis/{group}/{version}/{plural}")).await;
    }
}

/// Waits until a path is served.
async fn wait_for(client: &Client, path: &str) {
    for _ in 0..240 {
        let request = http::Request::get(path).body(Vec::new()).unwrap();
        if client.request_text(request).await.is_ok() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(250)).await;
    }
    panic!("{path} is not served");
}

/// The objects of a recording, each with the path of the list that it goes to.
fn recorded(recording: &str) -> Vec<(String, Value)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/recordings");
    let bundle = Bundle::open(&folder.join(recording), Limits::default()).unwrap();
    let mut out = Vec::new();
    let entries = bundle.entries();
    let order = |kind: &EntryKind| match kind {
        EntryKind::Objects { .. } => {
            let folder = kind.resource()?.folder;
            FOLDERS.iter().position(|f| *f == folder)
        }
        EntryKind::CustomObjects { .. } => Some(FOLDERS.len()),
        _ => None,
    };
    let mut chosen: Vec<_> = entries
        .iter()
        .filter(|e| order(&e.kind).is_some())
        .collect();
    chosen.sort_by_key(|e| order(&e.kind));
    for entry in chosen {
        let list: Value =
            serde_json::from_slice(&bundle.read(entry.path.as_str()).unwrap()).unwrap();
        for object in list["items"].as_array().into_iter().flatten() {
            if let Some(path) = path_of(&entry.kind, object) {
                out.push((path, object.clone()));
            }
        }
    }
    out
}

fn path_of(kind: &EntryKind, object: &Value) -> Option<String> {
    let (group, version, plural) = if let EntryKind::CustomObjects { crd, .. } = kind {
        let (plural, group) = crd.split_once('.')?;
        let known = CUSTOM.iter().find(|c| (c.0, c.1) == (group, plural))?;
        (group, known.3, plural)
    } else {
        let resource = kind.resource()?;
        (resource.group, resource.version, resource.plural)
    };
    let root = match group {
        "" => format!("/api/{version}"),
        group => format!("/apis/{group}/{version}"),
    };
    Some(match object["metadata"]["namespace"].as_str() {
        Some(namespace) => format!("{root}/namespaces/{namespace}/{plural}"),
        None => format!("{root}/{plural}"),
    })
}

/// Makes the objects of a recording; gives the path of its list and the name of each.
pub(crate) async fn fill(client: &Client, recording: &str) -> Vec<(String, String)> {
    let mut made: Vec<(String, String)> = Vec::new();
    for (path, mut object) in recorded(recording) {
        let status = object.as_object_mut().unwrap().remove("status");
        let metadata = object["metadata"].as_object_mut().unwrap();
        for field in [
            "uid",
            "resourceVersion",
            "creationTimestamp",
            "generation",
            "ownerReferences",
        ] {
            metadata.remove(field);
        }
        let name = metadata["name"].as_str().unwrap().to_owned();
        if let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut) {
            // Addresses are the server's to give, but for none.
            if spec.get("clusterIP").is_some_and(|ip| ip != "None") {
                spec.remove("clusterIP");
                spec.remove("clusterIPs");
            }
        }
        if !create(client, &path, &object).await {
            continue;
        }
        made.push((path.clone(), name.clone()));
        if path.ends_with("/pods") || path.ends_with("/nodes") {
            set_status(
                client,
                &format!("{path}/{name}/status"),
                status.unwrap_or_default(),
            )
            .await;
        }
    }
    made
}

async fn set_status(client: &Client, path: &str, mut status: Value) {
    if status.get("daemonEndpoints").is_some() {
        // No kubelet is here, and one of another machine may not be asked.
        status["addresses"] = json!([{"type": "InternalIP", "address": "127.0.0.1"}]);
        status["daemonEndpoints"] = json!({"kubeletEndpoint": {"Port": 1}});
    }
    let request = http::Request::patch(path)
        .header("content-type", "application/merge-patch+json")
        .body(json!({"status": status}).to_string().into_bytes())
        .unwrap();
    let patched = client.request::<Value>(request).await;
    patched.unwrap_or_else(|e| panic!("{path}: {e}"));
}

/// Makes so many events in a namespace.
pub(crate) async fn make_events(client: &Client, namespace: &str, count: usize) {
    for number in 0..count {
        let event = json!({
            "kind": "Event",
            "apiVersion": "v1",
            "metadata": {"name": format!("made.{number:04}"), "namespace": namespace},
            "involvedObject": {"kind": "Namespace", "name": namespace, "namespace": namespace},
            "reason": "Made", "message": format!("number {number}"), "type": "Normal",
        });
        let path = format!("/api/v1/namespaces/{namespace}/events");
        create(client, &path, &event).await;
    }
}
