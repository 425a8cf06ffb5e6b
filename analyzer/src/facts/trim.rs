//! Drops from objects what no fact reads, as soon as they are parsed: a large cluster has tens
//! of thousands of pods, and most of a pod's text is volumes, mounts and environment.

use serde_json::{Map, Value};

/// Takes the unread parts out of an object.
pub(super) fn trim(kind: &str, object: &mut Value) {
    let Some(object) = object.as_object_mut() else {
        return;
    };
    if let Some(metadata) = child(object, "metadata") {
        for field in ["managedFields", "selfLink", "generateName"] {
            metadata.remove(field);
        }
        if let Some(annotations) = child(metadata, "annotations") {
            annotations.remove("kubectl.kubernetes.io/last-applied-configuration");
        }
    }
    match kind {
        "Pod" => {
            if let Some(spec) = child(object, "spec") {
                trim_pod_spec(spec);
            }
            if let Some(status) = child(object, "status") {
                trim_pod_status(status);
            }
        }
        "CustomResourceDefinition" => trim_definition(object),
        "Event" => trim_event(object),
        _ => {
            let template = child(object, "spec").and_then(|s| child(s, "template"));
            if let Some(spec) = template.and_then(|t| child(t, "spec")) {
                trim_pod_spec(spec);
            }
        }
    }
}

fn child<'a>(object: &'a mut Map<String, Value>, name: &str) -> Option<&'a mut Map<String, Value>> {
    object.get_mut(name)?.as_object_mut()
}

fn items<'a>(
    object: &'a mut Map<String, Value>,
    name: &str,
) -> impl Iterator<Item = &'a mut Map<String, Value>> {
    let list = object.get_mut(name).and_then(Value::as_array_mut);
    list.into_iter().flatten().filter_map(Value::as_object_mut)
}

fn trim_pod_spec(spec: &mut Map<String, Value>) {
    for field in [
        "volumes",
        "tolerations",
        "schedulerName",
        "dnsPolicy",
        "imagePullSecrets",
    ] {
        spec.remove(field);
    }
    for list in ["initContainers", "containers"] {
        for container in items(spec, list) {
            for field in ["volumeMounts", "imagePullPolicy", "terminationMessagePath"] {
                container.remove(field);
            }
            let is_proxy =
                container.get("name").and_then(Value::as_str) == Some(super::kube::PROXY);
            container.remove("envFrom");
            // Environments of applications may hold secrets, and no fact needs them.
            match container.remove("env") {
                Some(variables) if is_proxy => {
                    container.insert("env".to_owned(), flatten(&variables));
                }
                _ => {}
            }
            if let Some(security) = child(container, "securityContext") {
                security.remove("seccompProfile");
            }
        }
    }
}

/// Name to value of the variables that a proxy is configured by: one map instead of a list of
/// some fifty.
fn flatten(variables: &Value) -> Value {
    const UNREAD: [&str; 9] = [
        "KEEPALIVE",
        "KEEP_ALIVE",
        "USER_TIMEOUT",
        "STREAM_",
        "_CONTEXT",
        "_WORKLOAD",
        "LISTEN_ADDR",
        "TOKEN_FILE",
        "IDENTITY_DIR",
    ];
    let variables = variables.as_array().into_iter().flatten();
    let told = variables.filter_map(|v| Some((v.get("name")?.as_str()?, v.get("value")?)));
    let ours = told.filter(|(name, value)| {
        value.is_string()
            && (name.starts_with("LINKERD2_PROXY_") || name.starts_with("_l5d_"))
            && !UNREAD.iter().any(|part| name.contains(part))
    });
    Value::Object(
        ours.map(|(name, value)| (name.to_owned(), value.clone()))
            .collect(),
    )
}

fn trim_pod_status(status: &mut Map<String, Value>) {
    for list in ["initContainerStatuses", "containerStatuses"] {
        for container in items(status, list) {
            for field in [
                "image",
                "containerID",
                "imageID",
                "volumeMounts",
                "allocatedResources",
                "resources",
                "user",
            ] {
                container.remove(field);
            }
        }
    }
    for field in ["hostIP", "hostIPs", "podIPs", "qosClass", "resize"] {
        status.remove(field);
    }
    for condition in items(status, "conditions") {
        condition.remove("lastProbeTime");
    }
}

/// There are more events than anything else.
fn trim_event(object: &mut Map<String, Value>) {
    for field in [
        "kind",
        "apiVersion",
        "reportingInstance",
        "action",
        "related",
    ] {
        object.remove(field);
    }
    if let Some(metadata) = child(object, "metadata") {
        metadata.remove("uid");
    }
    for about in ["involvedObject", "regarding"] {
        if let Some(about) = child(object, about) {
            for field in ["uid", "apiVersion", "resourceVersion"] {
                about.remove(field);
            }
        }
    }
}

/// Of a definition, the schemas are by far the largest part.
fn trim_definition(object: &mut Map<String, Value>) {
    let Some(spec) = child(object, "spec") else {
        return;
    };
    for version in items(spec, "versions") {
        for field in ["schema", "additionalPrinterColumns", "subresources"] {
            version.remove(field);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_the_proxys_environment_stays() {
        let mut pod = json!({"metadata": {"managedFields": []}, "spec": {"volumes": [], "containers": [
            {"name": "app", "env": [{"name": "TOKEN", "value": "x"}]},
            {"name": "linkerd-proxy", "env": [{"name": "LINKERD2_PROXY_LOG", "value": "warn"}]},
            7,
        ]}});
        trim("Pod", &mut pod);
        let kept = json!({"metadata": {}, "spec": {"containers": [
            {"name": "app"},
            {"name": "linkerd-proxy", "env": {"LINKERD2_PROXY_LOG": "warn"}},
            7,
        ]}});
        assert_eq!(pod, kept);
    }
}
