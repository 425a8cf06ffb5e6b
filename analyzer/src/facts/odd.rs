//! Objects that are not as Kubernetes would have them: whatever stands in a field, nothing
//! panics and the other rows are derived.

use serde_json::{Value, json};

use super::Facts;
use super::testing::{facts, list, row};

/// One object of every kind that tables are made from, with most of the fields that are read.
fn objects() -> Vec<(&'static str, Value)> {
    let mut objects = running();
    objects.extend(made());
    objects.extend(of_cluster());
    objects.extend(policies());
    objects
}

/// What changes all the time.
fn running() -> Vec<(&'static str, Value)> {
    let pod = json!({
        "metadata": {"name": "cart-7d9c4f5b6-x2k8p", "namespace": "shop", "creationTimestamp": "2026-11-23T11:00:00Z",
            "labels": {"app": "cart"}, "annotations": {"config.linkerd.io/opaque-ports": "25"},
            "ownerReferences": [{"kind": "ReplicaSet", "name": "cart-7d9c4f5b6"}]},
        "spec": {"nodeName": "a", "serviceAccountName": "cart",
            "initContainers": [{"name": "linkerd-init", "args": ["--proxy-uid"], "securityContext": {"capabilities": {"add": ["NET_ADMIN"]}}}],
            "containers": [
                {"name": "cart", "image": "cart", "ports": [{"name": "main", "containerPort": 8080}], "resources": {"limits": {"cpu": "1"}},
                    "args": ["-addr", ":8081"], "readinessProbe": {"httpGet": {"port": 8080, "path": "/"}}},
                {"name": "linkerd-proxy", "image": "proxy:edge-26.8.3", "env": [{"name": "LINKERD2_PROXY_LOG", "value": "warn"}]}]},
        "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "False", "reason": "x"}],
            "initContainerStatuses": [{"name": "linkerd-init", "restartCount": 1, "state": {"terminated": {"exitCode": 1}}}],
            "containerStatuses": [{"name": "cart", "restartCount": 2, "ready": false, "started": true,
                "state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": {"terminated": {"exitCode": 2, "message": "panic: x\n"}}}]},
    });
    let service = json!({"metadata": {"name": "cart", "namespace": "shop"},
        "spec": {"selector": {"app": "cart"}, "ports": [{"port": 80, "targetPort": "main"}]}});
    let slice = json!({"metadata": {"name": "cart-1", "namespace": "shop", "labels": {"kubernetes.io/service-name": "cart"}},
        "endpoints": [{"addresses": ["10.0.0.1"], "conditions": {"ready": true}}], "ports": [{"port": 8080}]});
    let event = json!({"metadata": {"name": "e", "namespace": "shop"}, "reason": "FailedCreate", "type": "Warning", "message": "no",
        "count": 2, "lastTimestamp": "2026-11-23T11:30:00Z", "involvedObject": {"kind": "ReplicaSet", "name": "cart-7d9c4f5b6", "namespace": "shop"}});
    vec![
        ("Pod", pod),
        ("Service", service),
        ("EndpointSlice", slice),
        ("Event", event),
    ]
}

/// Workloads.
fn made() -> Vec<(&'static str, Value)> {
    let template = json!({
        "metadata": {"labels": {"app": "cart"}, "annotations": {"linkerd.io/inject": "enabled"}},
        "spec": {"hostNetwork": false, "containers": [{"name": "cart", "image": "example.com/cart:1"}]},
    });
    let condition =
        json!([{"type": "Ready", "status": "True", "lastTransitionTime": "2026-11-23T11:30:00Z"}]);
    vec![
        (
            "Deployment",
            json!({"metadata": {"name": "cart", "namespace": "shop"}, "spec": {"replicas": 2, "template": template},
            "status": {"readyReplicas": 1, "conditions": condition}}),
        ),
        (
            "Job",
            json!({"metadata": {"name": "import", "namespace": "shop"}, "spec": {"completions": 1, "template": template}, "status": {"active": 1}}),
        ),
    ]
}

/// What belongs to no application.
fn of_cluster() -> Vec<(&'static str, Value)> {
    let condition =
        json!([{"type": "Ready", "status": "True", "lastTransitionTime": "2026-11-23T11:30:00Z"}]);
    let hook = json!({"name": "linkerd-proxy-injector.linkerd.io", "namespaceSelector": {"matchExpressions": [
        {"key": "k", "operator": "NotIn", "values": ["v"]}]}, "clientConfig": {"service": {"name": "cart", "namespace": "shop"}}});
    vec![
        (
            "Namespace",
            json!({"metadata": {"name": "shop", "annotations": {"linkerd.io/inject": "enabled"}}}),
        ),
        (
            "Node",
            json!({"metadata": {"name": "a"}, "spec": {"taints": [{"key": "k", "effect": "NoSchedule"}]}, "status": {"conditions": condition}}),
        ),
        (
            "ConfigMap",
            json!({"metadata": {"name": "linkerd-config", "namespace": "linkerd"}, "data": {"values": "linkerdVersion: edge-26.8.3\n"}}),
        ),
        (
            "Lease",
            json!({"metadata": {"name": "l", "namespace": "shop"}, "spec": {"holderIdentity": "x", "leaseDurationSeconds": 9, "renewTime": "2026-11-23T11:30:00Z"}}),
        ),
        (
            "MutatingWebhookConfiguration",
            json!({"metadata": {"name": "w"}, "webhooks": [hook]}),
        ),
        (
            "APIService",
            json!({"metadata": {"name": "v1.x"}, "spec": {"service": {"name": "cart"}}, "status": {"conditions": condition}}),
        ),
    ]
}

/// Policies and routes.
fn policies() -> Vec<(&'static str, Value)> {
    let policy = |kind: &str, spec: Value| json!({"apiVersion": "policy.linkerd.io/v1", "kind": kind, "metadata": {"name": "p", "namespace": "shop"}, "spec": spec});
    vec![
        (
            "Server",
            policy(
                "Server",
                json!({"podSelector": {"matchLabels": {"app": "cart"}}, "port": "main"}),
            ),
        ),
        (
            "AuthorizationPolicy",
            policy(
                "AuthorizationPolicy",
                json!({"targetRef": {"kind": "Server", "name": "p"},
            "requiredAuthenticationRefs": [{"kind": "MeshTLSAuthentication", "name": "p"}]}),
            ),
        ),
        (
            "MeshTLSAuthentication",
            policy(
                "MeshTLSAuthentication",
                json!({"identities": ["*"], "identityRefs": [{"kind": "ServiceAccount", "name": "cart"}]}),
            ),
        ),
        (
            "ServerAuthorization",
            policy(
                "ServerAuthorization",
                json!({"server": {"selector": {}}, "client": {"meshTLS": {"identities": ["*"]}, "networks": [{"cidr": "10.0.0.0/8"}]}}),
            ),
        ),
        (
            "HTTPRoute",
            policy(
                "HTTPRoute",
                json!({"parentRefs": [{"kind": "Server", "name": "p"}], "rules": [{"backendRefs": [{"name": "cart"}]}]}),
            ),
        ),
        (
            "ServiceProfile",
            json!({"metadata": {"name": "sp", "namespace": "shop"}, "spec": {"routes": [{"name": "r", "timeout": "1s"}]}}),
        ),
    ]
}

/// Every place in a value.
fn pointers(value: &Value, at: &str, out: &mut Vec<String>) {
    if !at.is_empty() {
        out.push(at.to_owned());
    }
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                let key = key.replace('~', "~0").replace('/', "~1");
                pointers(value, &format!("{at}/{key}"), out);
            }
        }
        Value::Array(list) => {
            for (index, value) in list.iter().enumerate() {
                pointers(value, &format!("{at}/{index}"), out);
            }
        }
        _ => {}
    }
}

fn derived(objects: &[(&str, Value)]) -> Facts {
    let files: Vec<(String, Value)> = objects
        .iter()
        .map(|(kind, object)| {
            (
                format!("{kind}.json"),
                list(kind, std::slice::from_ref(object)),
            )
        })
        .collect();
    let files: Vec<(&str, Value)> = files
        .iter()
        .map(|(path, list)| (path.as_str(), list.clone()))
        .collect();
    facts(&files, None)
}

#[test]
fn whatever_stands_in_a_field_nothing_panics() {
    let sound = objects();
    let all = derived(&sound);
    assert_eq!(all.gaps, []);
    assert_eq!(
        row(&all, "workloads", "kind", "Deployment")["create_failure"],
        "no"
    );
    for (at, (kind, object)) in sound.iter().enumerate() {
        let mut places = Vec::new();
        pointers(object, "", &mut places);
        for place in places {
            for wrong in [
                Value::Null,
                json!(-7),
                json!("ä\u{0}"),
                json!([3]),
                json!({"x": []}),
            ] {
                let mut broken = sound.clone();
                *broken[at].1.pointer_mut(&place).unwrap() = wrong.clone();
                let facts = derived(&broken);
                // Without its name an object is a gap; nothing else may lose another row.
                let is_lost = place == "/metadata" || place == "/metadata/name" || place == "/kind";
                assert!(
                    is_lost || facts.gaps.len() <= 1,
                    "{kind} {place} {wrong}: {:?}",
                    facts.gaps
                );
                let nodes = usize::from(*kind != "Node" || !is_lost);
                assert!(
                    facts.table("nodes").len() >= nodes,
                    "{kind} {place} {wrong}"
                );
            }
        }
    }
}
