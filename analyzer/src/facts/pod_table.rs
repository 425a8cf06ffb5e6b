//! Lines of the tables that `kubectl get pods` and `kubectl get nodes` print, turned into objects that
//! say no more than their line does.

use bundle::EntryInfo;
use serde_json::{Value, json};

use super::event_table::age_s;
use super::table::Cells;
use super::{Object, Piece, components, owner};

/// Columns that tell the table of pods from others.
pub(super) const POD_COLUMNS: [&str; 4] = ["NAME", "READY", "STATUS", "RESTARTS"];
/// Columns that tell the table of nodes from others.
pub(super) const NODE_COLUMNS: [&str; 4] = ["NAME", "STATUS", "ROLES", "VERSION"];

/// The pod of a line.
pub(super) fn pod(entry: &EntryInfo, cells: &Cells<'_, '_>, number: u64) -> Option<Piece> {
    let name = cells.get("NAME");
    // `kubectl get all` says the kind before the name.
    let name = name.strip_prefix("pod/").unwrap_or(name);
    let status = cells.get("STATUS");
    let (ready, all) = cells.get("READY").split_once('/')?;
    let (ready, all): (i64, i64) = (ready.parse().ok()?, all.parse().ok()?);
    if name.is_empty() || name.contains('/') || status.is_empty() {
        return None;
    }
    let restarts = cells.get("RESTARTS").split(' ').next().unwrap_or_default();
    let (owner_kind, owner_name) = owner::guess(name);
    let owner = json!({"kind": owner_kind, "name": owner_name, "controller": true});
    let owners = (owner_kind != "Pod").then_some(owner);
    let labels: Value = components::of_deployment(owner_name)
        .filter(|_| owner_kind == "Deployment")
        .map_or_else(|| json!({}), |c| json!({super::kube::COMPONENT: c}));
    let mut metadata = json!({"labels": labels, "ownerReferences": owners.as_slice()});
    if let (Some(metadata), true) = (metadata.as_object_mut(), status == "Terminating") {
        metadata.insert("deletionTimestamp".to_owned(), Value::Null);
    }
    let is_ready = if ready == all && status == "Running" {
        "True"
    } else {
        "False"
    };
    let value = json!({
        "metadata": metadata,
        "spec": {"nodeName": cells.get("NODE")},
        "status": {
            "phase": phase(status), "podIP": cells.get("IP"),
            "reason": if status == "Evicted" { status } else { "" },
            "conditions": [{"type": "Ready", "status": is_ready}],
            "containerStatuses": [{"restartCount": restarts.parse::<i64>().unwrap_or(0)}],
        },
        "printed": {"status": status, "ready": ready, "containers": all, "age": age_s(cells.get("AGE"))},
    });
    let place = (cells.get("NAMESPACE"), name);
    Some(object("Pod", place, value, (entry, number)))
}

/// The phase that a pod with this status has.
fn phase(status: &str) -> &'static str {
    match status {
        "Completed" | "Succeeded" => "Succeeded",
        "Evicted" | "Failed" | "ContainerStatusUnknown" => "Failed",
        "Running" | "NotReady" | "CrashLoopBackOff" | "Error" | "OOMKilled" => "Running",
        "Unknown" | "Terminating" => "Unknown",
        _ => "Pending",
    }
}

/// The node of a line.
pub(super) fn node(entry: &EntryInfo, cells: &Cells<'_, '_>, number: u64) -> Option<Piece> {
    let name = cells.get("NAME");
    let name = name.strip_prefix("node/").unwrap_or(name);
    let mut states = cells.get("STATUS").split(',');
    // A kubelet that says that it is not ready and one that says nothing look the same.
    let ready = match states.next()? {
        "Ready" => "True",
        "NotReady" => "False",
        "Unknown" => "Unknown",
        _ => return None,
    };
    let value = json!({
        "metadata": {},
        "spec": {"unschedulable": states.any(|s| s == "SchedulingDisabled")},
        "status": {
            "conditions": [{"type": "Ready", "status": ready}],
            "nodeInfo": {"kubeletVersion": cells.get("VERSION")},
        },
    });
    (!name.is_empty()).then(|| object("Node", ("", name), value, (entry, number)))
}

fn object(
    kind: &str,
    (namespace, name): (&str, &str),
    value: Value,
    (entry, number): (&EntryInfo, u64),
) -> Piece {
    Piece::Object(Box::new(Object {
        kind: kind.into(),
        group: "".into(),
        namespace: namespace.into(),
        name: name.into(),
        value: value.into(),
        entry: entry.path.as_str().into(),
        line: Some(number),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::json::Json;
    use crate::facts::row::text;
    use crate::facts::testing::pieces;

    fn objects(table: &str) -> (Vec<Object>, Vec<String>) {
        let (mut objects, mut gaps) = (Vec::new(), Vec::new());
        for piece in pieces("pods.txt", table) {
            match piece {
                Piece::Object(object) => objects.push(*object),
                Piece::Gap(gap) => gaps.push(gap.detail),
                _ => {}
            }
        }
        (objects, gaps)
    }

    #[test]
    fn a_pod_is_what_its_line_tells() {
        let table = "NAMESPACE   NAME                                      READY   STATUS                  RESTARTS      AGE    IP         NODE
linkerd     linkerd-destination-7bf86774c8-v85bh      0/4     Init:CrashLoopBackOff   3 (56s ago)   109s   10.8.1.9   node-a
";
        let (found, gaps) = objects(table);
        assert_eq!((found.len(), gaps.len()), (1, 0));
        let told = |pointer: &str| text(&found[0].value, pointer).to_owned();
        assert_eq!(found[0].namespace, "linkerd");
        assert_eq!(told("/metadata/ownerReferences/0/kind"), "Deployment");
        assert_eq!(told("/printed/status"), "Init:CrashLoopBackOff");
        assert_eq!(told("/status/phase"), "Pending");
        assert_eq!(told("/status/podIP"), "10.8.1.9");
        assert_eq!(told("/spec/nodeName"), "node-a");
        let number = |pointer: &str| found[0].value.pointer(pointer).and_then(Json::as_i64);
        assert_eq!(number("/printed/age"), Some(109));
        assert_eq!(number("/status/containerStatuses/0/restartCount"), Some(3));
        assert!(found[0].value.pointer("/spec/containers").is_none());
    }

    #[test]
    fn several_tables_are_told_apart_by_their_heads() {
        let table = "$ kubectl get all
NAME          READY   STATUS    RESTARTS   AGE
pod/cart-0    1/1     Running   0          2h

NAME           TYPE        CLUSTER-IP   EXTERNAL-IP   PORT(S)   AGE
service/cart   ClusterIP   10.0.0.7     <none>        80/TCP    2h

$ kubectl get nodes
NAME     STATUS                        ROLES    AGE   VERSION
node-a   NotReady,SchedulingDisabled   <none>   2d    v1.29.1
";
        let (found, gaps) = objects(table);
        let names: Vec<_> = found
            .iter()
            .map(|o| (o.kind.as_str(), o.name.as_str()))
            .collect();
        assert_eq!(names, [("Pod", "cart-0"), ("Node", "node-a")]);
        assert_eq!(gaps, Vec::<String>::new());
        let node = &found[1].value;
        assert_eq!(text(node, "/status/conditions/0/status"), "False");
    }

    #[test]
    fn lines_that_do_not_fit_are_a_gap() {
        let (found, gaps) = objects(
            "NAME READY STATUS RESTARTS AGE\na 1/1 Running 0 2h\nNo resources\nb x Running 0 2h\n",
        );
        assert_eq!(found.len(), 1);
        assert_eq!(
            gaps,
            ["has 2 lines, from line 3, that do not fit the columns of their table"]
        );
    }
}
