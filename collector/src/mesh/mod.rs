//! What the collector itself needs to know of the objects that pass by: which pods belong to
//! the mesh, which ports they have, and which servers answer webhooks. Diagnosing is the
//! analyzer's business.

mod failing;
mod pod;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;

pub use failing::Failing;
pub use pod::{Container, ContainerState, Pod, Proxy, Role};

/// Facts taken from lists.
#[derive(Debug, Default)]
pub struct Mesh {
    /// Namespaces that lists are asked for; known once the namespaces are listed.
    pub namespaces: BTreeSet<String>,
    /// Namespaces of Linkerd's extensions and of its CNI plugin.
    pub extensions: BTreeSet<String>,
    /// Namespaces whose pods are meant to be meshed.
    pub injected: BTreeSet<String>,
    /// The namespace that a label calls the control plane's.
    pub labelled: Option<String>,
    /// All pods that were listed.
    pub pods: Vec<Arc<Pod>>,
    /// Nodes that are not ready.
    pub unready_nodes: BTreeSet<String>,
    /// Services that webhook configurations and API services point to, as namespace and name.
    pub servers: BTreeMap<(String, String), u16>,
    /// Services by namespace and name.
    pub services: BTreeMap<(String, String), Service>,
}

/// What leads from a Service to a pod that serves it.
#[derive(Debug, Clone, Default)]
pub struct Service {
    selector: BTreeMap<String, String>,
    /// Port and target port.
    ports: Vec<(u16, Target)>,
}

impl Service {
    /// Whether it selects a pod of its namespace.
    fn selects(&self, pod: &Pod) -> bool {
        let mut selector = self.selector.iter();
        !self.selector.is_empty() && selector.all(|(k, v)| pod.labels.get(k) == Some(v))
    }
}

#[derive(Debug, Clone)]
enum Target {
    Number(u16),
    Name(String),
}

impl Mesh {
    /// Looks at an object of a list as it passes by.
    pub fn look_at(&mut self, folder: &str, object: &Value) {
        match folder {
            "namespaces" => self.namespace(object),
            "nodes" => self.node(object),
            "pods" => self.pods.extend(Pod::from_object(object).map(Arc::new)),
            "services" => self.service(object),
            "mutating-webhook-configurations" | "validating-webhook-configurations" => {
                self.webhooks(object);
            }
            "apiservices" => self.server(object.pointer("/spec/service"), object),
            _ => {}
        }
    }

    /// Forgets what a list told whose objects are about to come again.
    pub fn forget(&mut self, folder: &str, namespace: Option<&str>) {
        if folder == "pods" {
            self.pods
                .retain(|pod| namespace.is_some_and(|n| n != pod.namespace));
        }
    }

    fn namespace(&mut self, object: &Value) {
        let Some(name) = name_of(object) else { return };
        self.namespaces.insert(name.to_owned());
        if label(object, "linkerd.io/is-control-plane") == Some("true") {
            self.labelled = Some(name.to_owned());
        }
        let is_extension = label(object, "linkerd.io/extension").is_some()
            || label(object, "linkerd.io/cni-resource").is_some();
        if is_extension {
            self.extensions.insert(name.to_owned());
        }
        if is_injected(object) {
            self.injected.insert(name.to_owned());
        }
    }

    fn node(&mut self, object: &Value) {
        let conditions = object
            .pointer("/status/conditions")
            .and_then(Value::as_array);
        let ready = conditions
            .into_iter()
            .flatten()
            .find(|c| c.get("type").and_then(Value::as_str) == Some("Ready"));
        let is_ready = ready.and_then(|c| c.get("status")).and_then(Value::as_str) == Some("True");
        if let (Some(name), false) = (name_of(object), is_ready) {
            self.unready_nodes.insert(name.to_owned());
        }
    }

    fn service(&mut self, object: &Value) {
        let (Some(namespace), Some(name)) = (namespace_of(object), name_of(object)) else {
            return;
        };
        let selector = object.pointer("/spec/selector").and_then(Value::as_object);
        let ports = object.pointer("/spec/ports").and_then(Value::as_array);
        let service = Service {
            selector: selector.map(strings).unwrap_or_default(),
            ports: ports.into_iter().flatten().filter_map(port).collect(),
        };
        let key = (namespace.to_owned(), name.to_owned());
        self.services.insert(key, service);
    }

    fn webhooks(&mut self, object: &Value) {
        let webhooks = object.get("webhooks").and_then(Value::as_array);
        for webhook in webhooks.into_iter().flatten() {
            self.server(webhook.pointer("/clientConfig/service"), object);
        }
    }

    /// Only Linkerd's own servers: others would be asked for nothing that a rule reads.
    fn server(&mut self, service: Option<&Value>, object: &Value) {
        let field = |name: &str| service?.get(name)?.as_str();
        let (Some(namespace), Some(name)) = (field("namespace"), field("name")) else {
            return;
        };
        let is_ours = name_of(object).is_some_and(|n| n.contains("linkerd"))
            || label(object, "linkerd.io/control-plane-ns").is_some()
            || label(object, "linkerd.io/extension").is_some();
        let port = service.and_then(|s| s.get("port")).and_then(Value::as_u64);
        let port = port.and_then(|p| u16::try_from(p).ok()).unwrap_or(443);
        if is_ours {
            let key = (namespace.to_owned(), name.to_owned());
            self.servers.insert(key, port);
        }
    }

    /// Whether a Service selects a pod.
    pub fn selects(&self, service: (&str, &str), pod: &Pod) -> bool {
        let key = (service.0.to_owned(), service.1.to_owned());
        self.services.get(&key).is_some_and(|s| s.selects(pod))
    }

    /// The control plane's namespace: as asked for, as labelled, as its pods say, or `linkerd`.
    pub fn linkerd_namespace(&self, asked: Option<&str>) -> String {
        let of_pods = || {
            let mut pods = self.pods.iter();
            pods.find(|p| p.role == Role::Core)
                .map(|p| p.namespace.as_str())
        };
        let named = asked.or(self.labelled.as_deref());
        named.or_else(of_pods).unwrap_or("linkerd").to_owned()
    }

    /// A pod behind a Service, a ready one if there is any, and the port that it serves there.
    ///
    /// # Errors
    /// What is missing on the way.
    pub fn server_pod(
        &self,
        namespace: &str,
        name: &str,
        port: u16,
    ) -> Result<(&Arc<Pod>, u16), String> {
        let key = (namespace.to_owned(), name.to_owned());
        let service = self.services.get(&key);
        let service = service.ok_or_else(|| format!("there is no Service `{namespace}/{name}`"))?;
        let chosen = |pod: &&Arc<Pod>| pod.namespace == namespace && service.selects(pod);
        let pods: Vec<&Arc<Pod>> = self.pods.iter().filter(chosen).collect();
        let ready = pods.iter().find(|p| p.is_ready);
        let pod = ready.or_else(|| pods.iter().find(|p| p.is_running()));
        let pod = pod.ok_or_else(|| match pods.len() {
            0 => "the Service selects no pod".to_owned(),
            n => format!("none of the {n} pods of the Service runs"),
        })?;
        let target = service
            .ports
            .iter()
            .find(|(p, _)| *p == port)
            .map(|(_, t)| t);
        let target = match target {
            Some(Target::Number(number)) => Some(*number),
            Some(Target::Name(name)) => pod.port(name),
            None => None,
        };
        let missing = || {
            format!(
                "port {port} of the Service leads to no port of pod `{}`",
                pod.name
            )
        };
        Ok((pod, target.ok_or_else(missing)?))
    }
}

fn port(port: &Value) -> Option<(u16, Target)> {
    let number = u16::try_from(port.get("port")?.as_u64()?).ok()?;
    let target = match port.get("targetPort") {
        Some(Value::String(name)) => Target::Name(name.clone()),
        Some(Value::Number(n)) => Target::Number(u16::try_from(n.as_u64()?).ok()?),
        _ => Target::Number(number),
    };
    Some((number, target))
}

pub(crate) fn name_of(object: &Value) -> Option<&str> {
    object.pointer("/metadata/name")?.as_str()
}

pub(crate) fn namespace_of(object: &Value) -> Option<&str> {
    object.pointer("/metadata/namespace")?.as_str()
}

/// Whether the injector is asked to mesh the pod, or the pods of the namespace.
pub(crate) fn is_injected(object: &Value) -> bool {
    let annotations = object.pointer("/metadata/annotations");
    let inject = annotations.and_then(|a| a.get("linkerd.io/inject")?.as_str());
    matches!(inject, Some("enabled" | "ingress"))
}

fn label<'a>(object: &'a Value, key: &str) -> Option<&'a str> {
    object.pointer("/metadata/labels")?.get(key)?.as_str()
}

fn strings(map: &serde_json::Map<String, Value>) -> BTreeMap<String, String> {
    let text = map
        .iter()
        .filter_map(|(k, v)| Some((k.clone(), v.as_str()?.to_owned())));
    text.collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_webhook_leads_to_a_ready_pod_and_its_port() {
        let mut mesh = Mesh::default();
        mesh.look_at("mutating-webhook-configurations", &json!({
            "metadata": {"name": "linkerd-proxy-injector-webhook-config"},
            "webhooks": [{"clientConfig": {"service": {"namespace": "linkerd", "name": "linkerd-proxy-injector"}}}],
        }));
        mesh.look_at("services", &json!({
            "metadata": {"namespace": "linkerd", "name": "linkerd-proxy-injector"},
            "spec": {"selector": {"c": "injector"}, "ports": [{"port": 443, "targetPort": "proxy-injector"}]},
        }));
        let missing = mesh.server_pod("linkerd", "linkerd-proxy-injector", 443);
        assert_eq!(missing.unwrap_err(), "the Service selects no pod");
        mesh.look_at("pods", &json!({
            "metadata": {"namespace": "linkerd", "name": "i", "labels": {"c": "injector"}},
            "spec": {"containers": [{"name": "x", "ports": [{"name": "proxy-injector", "containerPort": 8443}]}]},
            "status": {"conditions": [{"type": "Ready", "status": "True"}]},
        }));
        let ((namespace, name), port) = mesh.servers.first_key_value().unwrap();
        let (pod, port) = mesh.server_pod(namespace, name, *port).unwrap();
        assert_eq!((pod.name.as_str(), port), ("i", 8443));
    }

    #[test]
    fn the_control_planes_namespace_is_found_by_label_then_by_its_pods() {
        let mut mesh = Mesh::default();
        assert_eq!(mesh.linkerd_namespace(None), "linkerd");
        mesh.look_at(
            "pods",
            &json!({"metadata": {"namespace": "l5d", "name": "d",
            "labels": {"linkerd.io/control-plane-component": "destination"}}}),
        );
        assert_eq!(mesh.linkerd_namespace(None), "l5d");
        mesh.look_at(
            "namespaces",
            &json!({"metadata": {"name": "mesh",
            "labels": {"linkerd.io/is-control-plane": "true"}}}),
        );
        assert_eq!(mesh.linkerd_namespace(None), "mesh");
        assert_eq!(mesh.linkerd_namespace(Some("asked")), "asked");
    }
}
