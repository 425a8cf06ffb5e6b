//! Rows of nodes, namespaces, configuration, access rules and the other built-in kinds.

use serde_json::{Value, json};

use super::{Clock, Kind, int, len, list, name, or_none, selector, text};

/// The table of a kind of these groups.
#[expect(clippy::too_many_lines, reason = "a table: one arm for each kind")]
pub(super) fn kind(group: &str, plural: &str) -> Option<Kind> {
    Some(match (group, plural) {
        ("", "nodes") => Kind::new(
            &[
                "Name",
                "Status",
                "Roles",
                "Age",
                "Version",
                "Internal-IP*",
                "External-IP*",
                "OS-Image*",
                "Kernel-Version*",
                "Container-Runtime*",
            ],
            node,
        ),
        ("", "namespaces") => Kind::new(&["Name", "Status", "Age"], |v, clock| {
            vec![name(v), json!(text(v, "/status/phase")), clock.age(v)]
        }),
        ("", "configmaps") => Kind::new(&["Name", "Data", "Age"], |v, clock| {
            vec![
                name(v),
                json!(len(v, "/data") + len(v, "/binaryData")),
                clock.age(v),
            ]
        }),
        ("", "serviceaccounts") => Kind::new(&["Name", "Secrets", "Age"], |v, clock| {
            vec![name(v), json!(len(v, "/secrets")), clock.age(v)]
        }),
        ("", "resourcequotas") => Kind::new(&["Name", "Request", "Limit", "Age"], quota),
        (
            "admissionregistration.k8s.io",
            "mutatingwebhookconfigurations" | "validatingwebhookconfigurations",
        ) => Kind::new(&["Name", "Webhooks:integer", "Age"], |v, clock| {
            vec![name(v), json!(len(v, "/webhooks")), clock.age(v)]
        }),
        ("apiregistration.k8s.io", "apiservices") => {
            Kind::new(&["Name", "Service", "Available", "Age"], api_service)
        }
        ("coordination.k8s.io", "leases") => Kind::new(&["Name", "Holder", "Age"], |v, clock| {
            vec![
                name(v),
                json!(text(v, "/spec/holderIdentity")),
                clock.age(v),
            ]
        }),
        ("networking.k8s.io", "networkpolicies") => {
            Kind::new(&["Name", "Pod-Selector", "Age"], |v, clock| {
                vec![
                    name(v),
                    or_none(&selector(v, "/spec/podSelector")),
                    clock.age(v),
                ]
            })
        }
        ("policy", "poddisruptionbudgets") => Kind::new(
            &[
                "Name",
                "Min Available",
                "Max Unavailable",
                "Allowed Disruptions:integer",
                "Age",
            ],
            disruption_budget,
        ),
        ("rbac.authorization.k8s.io", "clusterrolebindings" | "rolebindings") => Kind::new(
            &[
                "Name",
                "Role",
                "Age",
                "Users*",
                "Groups*",
                "ServiceAccounts*",
            ],
            binding,
        ),
        ("storage.k8s.io", "storageclasses") => Kind::new(
            &[
                "Name",
                "Provisioner",
                "ReclaimPolicy",
                "VolumeBindingMode",
                "AllowVolumeExpansion",
                "Age",
            ],
            storage_class,
        ),
        // These have no columns of their own on a real server either.
        ("", "limitranges")
        | ("rbac.authorization.k8s.io", "clusterroles" | "roles")
        | ("apiextensions.k8s.io", "customresourcedefinitions") => {
            Kind::new(&["Name", "Created At:date"], |v, _| {
                vec![name(v), json!(text(v, "/metadata/creationTimestamp"))]
            })
        }
        _ => return None,
    })
}

fn node(value: &Value, clock: &Clock) -> Vec<Value> {
    let ready = list(value, "/status/conditions")
        .iter()
        .find(|c| text(c, "/type") == "Ready");
    let status = match ready.map(|c| text(c, "/status")) {
        Some("True") => "Ready",
        Some(_) => "NotReady",
        None => "Unknown",
    };
    let cordoned = value
        .pointer("/spec/unschedulable")
        .and_then(Value::as_bool)
        == Some(true);
    let status = if cordoned {
        format!("{status},SchedulingDisabled")
    } else {
        status.to_owned()
    };
    let labels = value
        .pointer("/metadata/labels")
        .and_then(Value::as_object)
        .into_iter()
        .flatten();
    let roles: Vec<&str> = labels
        .filter_map(|(n, _)| n.strip_prefix("node-role.kubernetes.io/"))
        .collect();
    let address = |kind: &str| {
        let mut all = list(value, "/status/addresses").iter();
        all.find(|a| text(a, "/type") == kind)
            .map(|a| text(a, "/address"))
            .unwrap_or_default()
    };
    let unknown = |text: &str| json!(if text.is_empty() { "<unknown>" } else { text });
    vec![
        name(value),
        json!(status),
        or_none(&roles.join(",")),
        clock.age(value),
        json!(text(value, "/status/nodeInfo/kubeletVersion")),
        or_none(address("InternalIP")),
        or_none(address("ExternalIP")),
        unknown(text(value, "/status/nodeInfo/osImage")),
        unknown(text(value, "/status/nodeInfo/kernelVersion")),
        unknown(text(value, "/status/nodeInfo/containerRuntimeVersion")),
    ]
}

fn quota(value: &Value, clock: &Clock) -> Vec<Value> {
    let hard = value
        .pointer("/status/hard")
        .and_then(Value::as_object)
        .into_iter()
        .flatten();
    let (mut requests, mut limits) = (Vec::new(), Vec::new());
    for (resource, hard) in hard {
        let used = value.pointer("/status/used").and_then(|u| u.get(resource));
        let shown = format!(
            "{resource}: {}/{}",
            used.and_then(Value::as_str).unwrap_or_default(),
            hard.as_str().unwrap_or_default()
        );
        if resource.starts_with("limits") {
            &mut limits
        } else {
            &mut requests
        }
        .push(shown);
    }
    vec![
        name(value),
        json!(requests.join(", ")),
        json!(limits.join(", ")),
        clock.age(value),
    ]
}

fn api_service(value: &Value, clock: &Clock) -> Vec<Value> {
    let service = match (
        text(value, "/spec/service/namespace"),
        text(value, "/spec/service/name"),
    ) {
        (_, "") => "Local".to_owned(),
        (namespace, name) => format!("{namespace}/{name}"),
    };
    let available = list(value, "/status/conditions")
        .iter()
        .find(|c| text(c, "/type") == "Available");
    let shown = match available.map(|c| (text(c, "/status"), text(c, "/reason"))) {
        Some(("True", _)) => "True".to_owned(),
        Some((status, reason)) => format!("{status} ({reason})"),
        None => "Unknown".to_owned(),
    };
    vec![name(value), json!(service), json!(shown), clock.age(value)]
}

fn disruption_budget(value: &Value, clock: &Clock) -> Vec<Value> {
    let shown = |pointer: &str| match value.pointer(pointer) {
        Some(Value::String(text)) => json!(text),
        Some(Value::Number(number)) => json!(number.to_string()),
        _ => json!("N/A"),
    };
    vec![
        name(value),
        shown("/spec/minAvailable"),
        shown("/spec/maxUnavailable"),
        json!(int(value, "/status/disruptionsAllowed")),
        clock.age(value),
    ]
}

fn binding(value: &Value, clock: &Clock) -> Vec<Value> {
    let subjects = |kind: &str| {
        let of_kind = list(value, "/subjects")
            .iter()
            .filter(|s| text(s, "/kind") == kind);
        let names = of_kind.map(|s| match text(s, "/namespace") {
            "" => text(s, "/name").to_owned(),
            namespace => format!("{namespace}/{}", text(s, "/name")),
        });
        json!(names.collect::<Vec<_>>().join(", "))
    };
    vec![
        name(value),
        json!(format!(
            "{}/{}",
            text(value, "/roleRef/kind"),
            text(value, "/roleRef/name")
        )),
        clock.age(value),
        subjects("User"),
        subjects("Group"),
        subjects("ServiceAccount"),
    ]
}

fn storage_class(value: &Value, clock: &Clock) -> Vec<Value> {
    let default = "storageclass.kubernetes.io/is-default-class";
    let annotations = value.pointer("/metadata/annotations");
    let is_default = annotations
        .and_then(|a| a.get(default))
        .and_then(Value::as_str)
        == Some("true");
    let own = text(value, "/metadata/name");
    let shown = if is_default {
        format!("{own} (default)")
    } else {
        own.to_owned()
    };
    let or = |pointer: &str, other: &str| match text(value, pointer) {
        "" => json!(other),
        text => json!(text),
    };
    let expands = value
        .get("allowVolumeExpansion")
        .and_then(Value::as_bool)
        .unwrap_or(false);
    vec![
        json!(shown),
        json!(text(value, "/provisioner")),
        or("/reclaimPolicy", "Delete"),
        or("/volumeBindingMode", "Immediate"),
        json!(expands),
        clock.age(value),
    ]
}
