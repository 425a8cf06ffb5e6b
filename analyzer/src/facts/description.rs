//! What `kubectl describe` prints, turned into objects: pods with their containers, and the events
//! of whatever was described.

use std::sync::Arc;

use bundle::EntryInfo;
use serde_json::{Map, Value, json};

use super::event_table::Printed;
use super::{Object, Piece};

/// Whether text begins as a description does.
pub(super) fn is_one(start: &[u8]) -> bool {
    let has = |head: &[u8]| memchr::memmem::find(start, head).is_some();
    let is_whole = start.starts_with(b"Name:  ") && (has(b"\nNamespace:") || has(b"\nLabels:"));
    is_whole || is_events(start)
}

/// Whether text is the part of a description that tells events, by itself.
fn is_events(start: &[u8]) -> bool {
    let mut lines = start.split(|b| *b == b'\n');
    let head = lines.next().unwrap_or_default().trim_ascii();
    let next = lines.next().unwrap_or_default();
    let words = String::from_utf8_lossy(next);
    let words: Vec<&str> = words.split_whitespace().collect();
    head == b"Events:" && words == ["Type", "Reason", "Age", "From", "Message"]
}

/// Parses the descriptions in a text, one after the other.
pub(super) fn parse(entry: &Arc<EntryInfo>, bytes: &[u8]) -> Vec<Piece> {
    let content = String::from_utf8_lossy(bytes);
    let mut pieces = Vec::new();
    let mut open: Option<Described<'_>> = None;
    for (line, number) in content.lines().zip(1u64..) {
        // The events may have been pasted without what they are about.
        if line.starts_with("Name:") || (open.is_none() && line.trim() == "Events:") {
            pieces.extend(open.take().map(|d| d.pieces(entry)).unwrap_or_default());
            open = Some(Described::new(number));
        }
        if let Some(described) = open.as_mut().filter(|_| !line.trim().is_empty()) {
            described.take(line, number);
        }
    }
    pieces.extend(open.map(|d| d.pieces(entry)).unwrap_or_default());
    pieces
}

/// One object as it is described.
#[derive(Default)]
struct Described<'t> {
    line: u64,
    /// The heads of lines without indentation, with what stands behind them.
    fields: Vec<(&'t str, &'t str)>,
    containers: Vec<Container<'t>>,
    conditions: Vec<Value>,
    labels: Map<String, Value>,
    annotations: Map<String, Value>,
    events: Vec<(&'t str, u64)>,
}

/// A container, with what stands below its name: the head of the part, if it is in one, the head
/// and the value.
struct Container<'t> {
    name: &'t str,
    is_init: bool,
    part: &'t str,
    fields: Vec<(&'t str, &'t str, &'t str)>,
}

impl<'t> Described<'t> {
    fn new(line: u64) -> Self {
        Self {
            line,
            ..Self::default()
        }
    }

    fn field(&self, name: &str) -> &'t str {
        let found = self.fields.iter().find(|(head, _)| *head == name);
        found.map_or("", |(_, value)| value)
    }

    fn take(&mut self, line: &'t str, number: u64) {
        let text = line.trim();
        let indent = line.len() - line.trim_start().len();
        let (head, value) = text.split_once(':').unwrap_or((text, ""));
        let value = value.trim();
        if indent == 0 || self.fields.is_empty() {
            self.fields.push((head, value));
        }
        let section = self.fields.last().map_or("", |(head, _)| head);
        match section {
            "Labels" | "Annotations" => {
                let item = if indent == 0 { value } else { text };
                self.note(section == "Labels", item);
            }
            _ if indent == 0 => {}
            "Containers" | "Init Containers" => {
                self.take_container(section == "Init Containers", indent, (head, value));
            }
            "Conditions" => {
                if let [kind, status @ ("True" | "False" | "Unknown")] =
                    text.split_whitespace().collect::<Vec<_>>()[..]
                {
                    self.conditions
                        .push(json!({"type": kind, "status": status}));
                }
            }
            "Events" => self.events.push((text, number)),
            _ => {}
        }
    }

    /// A label, `app=cart`, or an annotation, `a.io/b: c`.
    fn note(&mut self, is_label: bool, item: &str) {
        let (into, sign) = if is_label {
            (&mut self.labels, '=')
        } else {
            (&mut self.annotations, ':')
        };
        if let Some((name, value)) = item.split_once(sign) {
            into.insert(name.trim().to_owned(), json!(value.trim()));
        }
    }

    fn take_container(&mut self, is_init: bool, indent: usize, (head, value): (&'t str, &'t str)) {
        if indent == 2 {
            self.containers.push(Container {
                name: head,
                is_init,
                part: "",
                fields: Vec::new(),
            });
            return;
        }
        let Some(container) = self.containers.last_mut() else {
            return;
        };
        if indent == 4 {
            container.part = head;
            container.fields.push(("", head, value));
        } else {
            container.fields.push((container.part, head, value));
        }
    }

    /// What kind of object it is, as far as that shows.
    fn kind(&self) -> &'static str {
        let has = |name: &str| self.fields.iter().any(|(head, _)| *head == name);
        match () {
            () if has("Containers") && has("Node") => "Pod",
            () if has("StrategyType") => "Deployment",
            () if has("Desired Number of Nodes Scheduled") => "DaemonSet",
            () if has("Update Strategy") => "StatefulSet",
            () if has("Parallelism") => "Job",
            () if has("Pods Status") => "ReplicaSet",
            () if has("Taints") => "Node",
            () if has("Endpoints") => "Service",
            () => "",
        }
    }

    /// The pod whose events these are, if one of them tells where it was put.
    fn scheduled(&self) -> Option<(&'static str, &'t str, &'t str)> {
        let mut told = self.events.iter().filter_map(|(text, _)| {
            let (_, rest) = text.split_once("Successfully assigned ")?;
            rest.split(' ').next()?.split_once('/')
        });
        told.next()
            .map(|(namespace, name)| ("Pod", namespace, name))
    }

    fn pieces(&self, entry: &EntryInfo) -> Vec<Piece> {
        let (kind, namespace, name) = match self.field("Name") {
            "" => self.scheduled().unwrap_or_default(),
            name => (self.kind(), self.field("Namespace"), name),
        };
        let events = self.events.iter().filter_map(|(text, number)| {
            let mut cells = text.split("  ").map(str::trim).filter(|c| !c.is_empty());
            let mut next = || cells.next().unwrap_or_default();
            let (level, reason, seen, source) = (next(), next(), next(), next());
            let is_one = matches!(level, "Normal" | "Warning");
            let message = cells.collect::<Vec<_>>().join("  ");
            let printed = Printed {
                namespace,
                kind,
                name,
                part: "",
                seen,
                count: None,
                level,
                reason,
                message: &message,
                source,
            };
            printed.piece(entry, *number).filter(|_| is_one)
        });
        let mut pieces: Vec<Piece> = events.collect();
        if kind == "Pod" && !self.field("Name").is_empty() {
            pieces.push(Piece::Object(Box::new(Object {
                kind: kind.into(),
                group: "".into(),
                namespace: namespace.into(),
                name: name.into(),
                value: self.pod(namespace, name).into(),
                entry: entry.path.as_str().into(),
                line: Some(self.line),
            })));
        }
        pieces
    }

    /// The init containers, or the others.
    fn of(&self, is_init: bool) -> impl Iterator<Item = &Container<'t>> {
        self.containers.iter().filter(move |c| c.is_init == is_init)
    }

    fn pod(&self, namespace: &str, name: &str) -> Value {
        let owner = self.field("Controlled By").split_once('/');
        let owners =
            owner.map(|(kind, name)| json!({"kind": kind, "name": name, "controller": true}));
        let specs =
            |is_init: bool| -> Vec<Value> { self.of(is_init).map(Container::spec).collect() };
        let statuses =
            |is_init: bool| -> Vec<Value> { self.of(is_init).map(Container::status).collect() };
        let node = self.field("Node").split('/').next().unwrap_or_default();
        json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {
                "namespace": namespace, "name": name, "labels": self.labels,
                "annotations": self.annotations, "ownerReferences": owners.as_slice(),
            },
            "spec": {
                "nodeName": if node == "<none>" { "" } else { node },
                "serviceAccountName": self.field("Service Account"),
                "containers": specs(false),
                "initContainers": specs(true),
            },
            "status": {
                "phase": self.field("Status"), "podIP": self.field("IP"),
                "reason": self.field("Reason"), "message": self.field("Message"),
                "startTime": time(self.field("Start Time")), "conditions": self.conditions,
                "containerStatuses": statuses(false),
                "initContainerStatuses": statuses(true),
            },
        })
    }
}

impl Container<'_> {
    fn get(&self, part: &str, head: &str) -> &str {
        let mut fields = self.fields.iter();
        let found = fields.find(|(p, h, _)| *p == part && *h == head);
        found.map_or("", |(_, _, value)| value)
    }

    fn map(&self, part: &str) -> Map<String, Value> {
        let fields = self.fields.iter().filter(|(p, _, _)| *p == part);
        fields
            .map(|(_, head, value)| ((*head).to_owned(), json!(value)))
            .collect()
    }

    fn spec(&self) -> Value {
        let env = self.map("Environment").into_iter();
        let env: Vec<Value> = env
            .map(|(name, value)| json!({"name": name, "value": value}))
            .collect();
        let is_sidecar = self.is_init && self.name == super::kube::PROXY;
        json!({
            "name": self.name,
            "image": self.get("", "Image"),
            "restartPolicy": if is_sidecar { "Always" } else { "" },
            "env": env,
            "resources": {"limits": self.map("Limits"), "requests": self.map("Requests")},
        })
    }

    fn status(&self) -> Value {
        json!({
            "name": self.name,
            "image": self.get("", "Image"),
            "ready": self.get("", "Ready") == "True",
            "restartCount": self.get("", "Restart Count").parse::<i64>().unwrap_or(0),
            "state": self.state("State"),
            "lastState": self.state("Last State"),
        })
    }

    /// `{"waiting": {"reason": …}}`, or nothing if it was never in any state.
    fn state(&self, part: &str) -> Value {
        let state = self.get("", part).to_ascii_lowercase();
        if !matches!(state.as_str(), "waiting" | "running" | "terminated") {
            return json!({});
        }
        let text = |head: &str| Some(self.get(part, head)).filter(|text| !text.is_empty());
        let number = |head: &str| text(head)?.parse::<i64>().ok();
        json!({state: {
            "reason": text("Reason"), "message": text("Message"),
            "exitCode": number("Exit Code"), "signal": number("Signal"),
            "startedAt": text("Started").and_then(time), "finishedAt": text("Finished").and_then(time),
        }})
    }
}

/// `Tue, 03 Jun 2025 09:00:00 +0000` as RFC 3339.
fn time(text: &str) -> Option<String> {
    let told = jiff::fmt::rfc2822::parse(text).ok()?;
    Some(told.timestamp().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::testing::pieces;

    const POD: &str = "Name:             cart-7d9c4f5b6-x2k8p
Namespace:        shop
Node:             node-a/10.0.1.7
Labels:           app=cart
                  tier=web
Annotations:      linkerd.io/inject: enabled
Status:           Running
IP:               10.8.1.9
Controlled By:  ReplicaSet/cart-7d9c4f5b6
Containers:
  linkerd-proxy:
    Image:          cr.l5d.io/linkerd/proxy:edge-24.11.8
    State:          Waiting
      Reason:       CrashLoopBackOff
    Last State:     Terminated
      Reason:       OOMKilled
      Exit Code:    137
      Finished:     Tue, 03 Jun 2025 09:10:00 +0000
    Ready:          False
    Restart Count:  9
    Limits:
      memory:  64Mi
Conditions:
  Type    Status
  Ready   False
Events:
  Type     Reason   Age               From     Message
  ----     ------   ----              ----     -------
  Warning  BackOff  2s (x5 over 45s)  kubelet  Back-off restarting  failed container
";

    fn objects(text: &str) -> Vec<Object> {
        let pieces = pieces("describe.txt", text).into_iter();
        let objects = pieces.filter_map(|piece| match piece {
            Piece::Object(object) => Some(*object),
            _ => None,
        });
        objects.collect()
    }

    #[test]
    fn a_description_of_a_pod_gives_the_pod_and_its_events() {
        let found = objects(&format!("{POD}\n\n{POD}"));
        let kinds: Vec<&str> = found.iter().map(|o| o.kind.as_str()).collect();
        assert_eq!(kinds, ["Event", "Pod", "Event", "Pod"]);
        let text = |at: usize, pointer: &str| {
            let value = found[at].value.pointer(pointer);
            value.map(ToString::to_string).unwrap_or_default()
        };
        assert_eq!(found[1].namespace, "shop");
        assert_eq!(text(1, "/metadata/labels/tier"), "\"web\"");
        assert_eq!(
            text(1, "/metadata/ownerReferences/0/kind"),
            "\"ReplicaSet\""
        );
        assert_eq!(
            text(1, "/spec/containers/0/resources/limits/memory"),
            "\"64Mi\""
        );
        let status = "/status/containerStatuses/0";
        assert_eq!(text(1, &format!("{status}/restartCount")), "9");
        let finished = text(1, &format!("{status}/lastState/terminated/finishedAt"));
        assert_eq!(finished, "\"2025-06-03T09:10:00Z\"");
        assert_eq!(text(0, "/count"), "5");
        assert_eq!(
            text(0, "/message"),
            "\"Back-off restarting  failed container\""
        );
        assert_eq!(text(0, "/involvedObject/kind"), "\"Pod\"");
    }

    #[test]
    fn events_alone_tell_their_pod_where_one_of_them_names_it() {
        let (_, events) = POD.split_once("Events:\n").unwrap();
        let put = "  Normal  Scheduled  6m  default-scheduler  Successfully assigned shop/cart-0 to node-a\n";
        let found = objects(&format!("Events:\n{events}{put}"));
        assert_eq!(found.len(), 2);
        for (event, name) in found.iter().zip(["cart-0", "cart-0"]) {
            let about = event.value.pointer("/involvedObject/name");
            assert_eq!(about.and_then(crate::facts::Json::as_str), Some(name));
            assert_eq!(event.namespace, "shop");
        }
        let alone = objects(&format!("Events:\n{events}"));
        assert_eq!(alone.len(), 1);
        assert_eq!(alone[0].namespace, "");
    }

    #[test]
    fn what_is_cut_or_torn_gives_what_there_is() {
        for end in 0..POD.len() {
            objects(&POD[..end]);
        }
    }
}
