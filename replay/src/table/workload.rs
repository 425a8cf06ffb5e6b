//! Rows of workloads and of what serves them.

use serde_json::{Value, json};

use super::{Clock, Kind, int, len, list, name, or_none, pairs, selector, text};

/// The table of a kind of these groups.
#[expect(clippy::too_many_lines, reason = "a table: one arm for each kind")]
pub(super) fn kind(group: &str, plural: &str) -> Option<Kind> {
    Some(match (group, plural) {
        ("apps", "deployments") => Kind::new(
            &[
                "Name",
                "Ready",
                "Up-to-date",
                "Available",
                "Age",
                "Containers*",
                "Images*",
                "Selector*",
            ],
            deployment,
        ),
        ("apps", "replicasets") => Kind::new(
            &[
                "Name",
                "Desired:integer",
                "Current:integer",
                "Ready:integer",
                "Age",
                "Containers*",
                "Images*",
                "Selector*",
            ],
            replica_set,
        ),
        ("apps", "statefulsets") => Kind::new(
            &["Name", "Ready", "Age", "Containers*", "Images*"],
            stateful_set,
        ),
        ("apps", "daemonsets") => Kind::new(
            &[
                "Name",
                "Desired:integer",
                "Current:integer",
                "Ready:integer",
                "Up-to-date:integer",
                "Available:integer",
                "Node Selector",
                "Age",
                "Containers*",
                "Images*",
                "Selector*",
            ],
            daemon_set,
        ),
        ("batch", "jobs") => Kind::new(
            &[
                "Name",
                "Status",
                "Completions",
                "Duration",
                "Age",
                "Containers*",
                "Images*",
                "Selector*",
            ],
            job,
        ),
        ("batch", "cronjobs") => Kind::new(
            &[
                "Name",
                "Schedule",
                "Timezone",
                "Suspend:boolean",
                "Active:integer",
                "Last Schedule",
                "Age",
                "Containers*",
                "Images*",
                "Selector*",
            ],
            cron_job,
        ),
        ("", "services") => Kind::new(
            &[
                "Name",
                "Type",
                "Cluster-IP",
                "External-IP",
                "Port(s)",
                "Age",
                "Selector*",
            ],
            service,
        ),
        ("", "endpoints") => Kind::new(&["Name", "Endpoints", "Age"], endpoints),
        ("discovery.k8s.io", "endpointslices") => Kind::new(
            &["Name", "AddressType", "Ports", "Endpoints", "Age"],
            endpoint_slice,
        ),
        _ => return None,
    })
}

/// Names and images of a template's containers.
fn containers(value: &Value, pointer: &str) -> [Value; 2] {
    let all = list(value, pointer);
    let join = |field: &str| {
        all.iter()
            .map(|c| text(c, field))
            .collect::<Vec<_>>()
            .join(",")
    };
    [json!(join("/name")), json!(join("/image"))]
}

const TEMPLATE: &str = "/spec/template/spec/containers";

fn deployment(value: &Value, clock: &Clock) -> Vec<Value> {
    let desired = value
        .pointer("/spec/replicas")
        .and_then(Value::as_i64)
        .unwrap_or(1);
    let [names, images] = containers(value, TEMPLATE);
    vec![
        name(value),
        json!(format!("{}/{desired}", int(value, "/status/readyReplicas"))),
        json!(int(value, "/status/updatedReplicas")),
        json!(int(value, "/status/availableReplicas")),
        clock.age(value),
        names,
        images,
        json!(selector(value, "/spec/selector")),
    ]
}

fn replica_set(value: &Value, clock: &Clock) -> Vec<Value> {
    let [names, images] = containers(value, TEMPLATE);
    vec![
        name(value),
        json!(int(value, "/spec/replicas")),
        json!(int(value, "/status/replicas")),
        json!(int(value, "/status/readyReplicas")),
        clock.age(value),
        names,
        images,
        json!(selector(value, "/spec/selector")),
    ]
}

fn stateful_set(value: &Value, clock: &Clock) -> Vec<Value> {
    let desired = value
        .pointer("/spec/replicas")
        .and_then(Value::as_i64)
        .unwrap_or(1);
    let [names, images] = containers(value, TEMPLATE);
    let ready = format!("{}/{desired}", int(value, "/status/readyReplicas"));
    vec![name(value), json!(ready), clock.age(value), names, images]
}

fn daemon_set(value: &Value, clock: &Clock) -> Vec<Value> {
    let [names, images] = containers(value, TEMPLATE);
    let count = |field: &str| json!(int(value, &format!("/status/{field}")));
    vec![
        name(value),
        count("desiredNumberScheduled"),
        count("currentNumberScheduled"),
        count("numberReady"),
        count("updatedNumberScheduled"),
        count("numberAvailable"),
        or_none(&pairs(value.pointer("/spec/template/spec/nodeSelector"))),
        clock.age(value),
        names,
        images,
        json!(selector(value, "/spec/selector")),
    ]
}

fn job(value: &Value, clock: &Clock) -> Vec<Value> {
    let condition = |kind: &str| {
        let mut conditions = list(value, "/status/conditions").iter();
        conditions.any(|c| text(c, "/type") == kind && text(c, "/status") == "True")
    };
    let statuses = [
        "Complete",
        "Failed",
        "Suspended",
        "FailureTarget",
        "SuccessCriteriaMet",
    ];
    let status = statuses
        .into_iter()
        .find(|s| condition(s))
        .unwrap_or("Running");
    let status = if value.pointer("/metadata/deletionTimestamp").is_some() {
        "Terminating"
    } else {
        status
    };
    let succeeded = int(value, "/status/succeeded");
    let completions = match value.pointer("/spec/completions").and_then(Value::as_i64) {
        Some(completions) => format!("{succeeded}/{completions}"),
        None => match int(value, "/spec/parallelism") {
            parallelism if parallelism > 1 => format!("{succeeded}/1 of {parallelism}"),
            _ => format!("{succeeded}/1"),
        },
    };
    let [names, images] = containers(value, TEMPLATE);
    vec![
        name(value),
        json!(status),
        json!(completions),
        json!(clock.between(
            text(value, "/status/startTime"),
            text(value, "/status/completionTime")
        )),
        clock.age(value),
        names,
        images,
        json!(selector(value, "/spec/selector")),
    ]
}

fn cron_job(value: &Value, clock: &Clock) -> Vec<Value> {
    let [names, images] = containers(value, "/spec/jobTemplate/spec/template/spec/containers");
    let last = text(value, "/status/lastScheduleTime");
    vec![
        name(value),
        json!(text(value, "/spec/schedule")),
        or_none(text(value, "/spec/timeZone")),
        json!(
            value
                .pointer("/spec/suspend")
                .and_then(Value::as_bool)
                .unwrap_or(false)
        ),
        json!(len(value, "/status/active")),
        if last.is_empty() {
            json!("<none>")
        } else {
            clock.since(last)
        },
        clock.age(value),
        names,
        images,
        or_none(&selector(value, "/spec/jobTemplate/spec/selector")),
    ]
}

fn service(value: &Value, clock: &Clock) -> Vec<Value> {
    let kind = text(value, "/spec/type");
    let ports: Vec<String> = list(value, "/spec/ports")
        .iter()
        .map(|p| {
            let (port, protocol) = (int(p, "/port"), text(p, "/protocol"));
            match int(p, "/nodePort") {
                0 => format!("{port}/{protocol}"),
                node => format!("{port}:{node}/{protocol}"),
            }
        })
        .collect();
    vec![
        name(value),
        json!(kind),
        or_none(text(value, "/spec/clusterIP")),
        json!(external_ip(value, kind)),
        or_none(&ports.join(",")),
        clock.age(value),
        or_none(&pairs(value.pointer("/spec/selector"))),
    ]
}

fn external_ip(value: &Value, kind: &str) -> String {
    let external: Vec<&str> = list(value, "/spec/externalIPs")
        .iter()
        .filter_map(Value::as_str)
        .collect();
    let ingress = list(value, "/status/loadBalancer/ingress").iter();
    let ingress: Vec<&str> = ingress
        .map(|i| {
            if text(i, "/ip").is_empty() {
                text(i, "/hostname")
            } else {
                text(i, "/ip")
            }
        })
        .collect();
    match kind {
        "ExternalName" => text(value, "/spec/externalName").to_owned(),
        "LoadBalancer" if ingress.is_empty() && external.is_empty() => "<pending>".to_owned(),
        "LoadBalancer" => [ingress, external].concat().join(","),
        _ if external.is_empty() => "<none>".to_owned(),
        _ => external.join(","),
    }
}

/// At most three of them, and how many more there are.
fn shorten(all: &[String]) -> String {
    match all {
        [] => "<none>".to_owned(),
        all if all.len() > 3 => {
            let first = all.iter().take(3).cloned().collect::<Vec<_>>().join(",");
            format!("{first} + {} more...", all.len() - 3)
        }
        all => all.join(","),
    }
}

fn endpoints(value: &Value, clock: &Clock) -> Vec<Value> {
    let mut all = Vec::new();
    for subset in list(value, "/subsets") {
        let addresses = list(subset, "/addresses");
        let ports = list(subset, "/ports");
        if ports.is_empty() {
            all.extend(addresses.iter().map(|a| text(a, "/ip").to_owned()));
        }
        for port in ports {
            let with_port = |a: &Value| format!("{}:{}", text(a, "/ip"), int(port, "/port"));
            all.extend(addresses.iter().map(with_port));
        }
    }
    vec![name(value), json!(shorten(&all)), clock.age(value)]
}

fn endpoint_slice(value: &Value, clock: &Clock) -> Vec<Value> {
    let ports: Vec<String> = list(value, "/ports")
        .iter()
        .map(|p| match p.get("port").and_then(Value::as_i64) {
            Some(port) => port.to_string(),
            None => "*".to_owned(),
        })
        .collect();
    let ports = if value.get("ports").is_none_or(Value::is_null) {
        "<unset>".to_owned()
    } else {
        shorten(&ports)
    };
    let addresses = list(value, "/endpoints")
        .iter()
        .flat_map(|e| list(e, "/addresses"));
    let addresses: Vec<String> = addresses
        .filter_map(|a| a.as_str().map(str::to_owned))
        .collect();
    let shown = if addresses.is_empty() {
        "<unset>".to_owned()
    } else {
        shorten(&addresses)
    };
    vec![
        name(value),
        json!(text(value, "/addressType")),
        json!(ports),
        json!(shown),
        clock.age(value),
    ]
}
