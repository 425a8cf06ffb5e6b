//! Reads a bundle's objects for the names that tell whose cluster it is.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use bundle::layout::EntryKind;
use bundle::{Block, Bundle, EntryInfo, Interest, Problem, Visitor};
use serde_json::Value;

use super::{certificates, vocabulary};
use crate::reading::read_all;
use crate::run::threads;

/// Labels whose values name workloads.
const NAMING_LABELS: &[&str] = &[
    "app",
    "k8s-app",
    "app.kubernetes.io/name",
    "app.kubernetes.io/instance",
    "app.kubernetes.io/part-of",
];

/// Names, and authorities' certificates in DER.
#[derive(Default)]
pub(super) struct Gathered {
    pub(super) names: BTreeSet<String>,
    pub(super) authorities: Vec<Vec<u8>>,
}

/// Reads all lists of objects and all certificates.
pub(super) fn gather(bundle: &Bundle) -> Gathered {
    let gatherer = Gatherer::default();
    read_all(bundle, &gatherer, threads());
    let gathered = gatherer.0.into_inner();
    gathered.unwrap_or_else(PoisonError::into_inner)
}

#[derive(Default)]
struct Gatherer(Mutex<Gathered>);

impl Visitor for Gatherer {
    fn interest(&self, entry: &EntryInfo) -> Interest {
        let name = entry.path.file_name();
        if name.ends_with(".json") || name.ends_with(".pem") || name.ends_with(".crt") {
            Interest::Whole
        } else {
            Interest::Blocks
        }
    }

    fn block(&self, _: &Arc<EntryInfo>, block: Block<'_>) {
        let mut found = Gathered::default();
        found.of_cluster(block.bytes);
        self.add(found);
    }

    fn whole(&self, entry: &Arc<EntryInfo>, bytes: Vec<u8>) {
        let mut found = Gathered::default();
        match serde_json::from_slice::<Value>(&bytes) {
            Ok(value) => found.list(&value),
            Err(_) => certificates::authorities(&bytes, &mut found.authorities),
        }
        if let Some(namespace) = namespace_of(&entry.kind) {
            found.name(namespace);
        }
        self.add(found);
    }

    // The reading that rewrites the entries tells of it.
    fn problem(&self, _: Problem) {}
}

impl Gatherer {
    fn add(&self, mut found: Gathered) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.names.append(&mut found.names);
        for key in found.authorities {
            if !all.authorities.contains(&key) {
                all.authorities.push(key);
            }
        }
    }
}

/// The namespace in an entry's path, which also one without objects has.
fn namespace_of(kind: &EntryKind) -> Option<&str> {
    match kind {
        EntryKind::Objects { namespace, .. } | EntryKind::CustomObjects { namespace, .. } => {
            namespace.as_deref()
        }
        EntryKind::CanI { namespace }
        | EntryKind::ProxyIdentity { namespace, .. }
        | EntryKind::ServerTls { namespace, .. }
        | EntryKind::ProxyState { namespace, .. }
        | EntryKind::LogLevel { namespace, .. }
        | EntryKind::SecretNames { namespace } => Some(namespace),
        _ => None,
    }
}

impl Gathered {
    /// Adds a name, unless it stays.
    fn name(&mut self, name: &str) {
        let is_label = name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
        if is_label && !vocabulary::stays(name) {
            self.names.insert(name.to_owned());
        }
    }

    /// Adds the labels of a host's or node's name.
    fn host(&mut self, name: &str) {
        if name.parse::<std::net::IpAddr>().is_err() {
            name.split('.').for_each(|label| self.name(label));
        }
    }

    fn list(&mut self, list: &Value) {
        let kind = text(list, "/kind").trim_end_matches("List");
        match list.get("items").and_then(Value::as_array) {
            Some(items) => items.iter().for_each(|item| self.object(item, kind)),
            None => self.object(list, kind),
        }
        self.strings(list);
        // A manifest's, which may name namespaces that were left out.
        let options = list
            .get("options")
            .and_then(Value::as_object)
            .into_iter()
            .flatten();
        for (_, value) in options.filter(|(option, _)| option.contains("namespace")) {
            let values = value
                .as_array()
                .map_or(std::slice::from_ref(value), Vec::as_slice);
            values
                .iter()
                .filter_map(Value::as_str)
                .for_each(|name| self.name(name));
        }
    }

    fn object(&mut self, object: &Value, list_kind: &str) {
        let kind = match text(object, "/kind") {
            "" => list_kind,
            kind => kind,
        };
        let namespace = text(object, "/metadata/namespace");
        let name = text(object, "/metadata/name");
        self.name(namespace);
        self.hosts(object);
        match kind {
            "Namespace" => self.name(name),
            "Node" => self.host(name),
            "Event" | "Lease" => {}
            _ if namespace.is_empty() || vocabulary::is_system_namespace(namespace) => {}
            _ => self.of_user(object, kind, name),
        }
    }

    /// Names of an object in a namespace that is neither the cluster's nor the mesh's.
    fn of_user(&mut self, object: &Value, kind: &str, name: &str) {
        let owners = object
            .pointer("/metadata/ownerReferences")
            .and_then(Value::as_array);
        let owner = owners.and_then(|o| o.first()).map(|o| text(o, "/name"));
        match (kind, owner) {
            // What a controller made is named after it, with suffixes that tell nothing.
            ("Pod" | "ReplicaSet" | "EndpointSlice" | "Job", Some(owner)) => {
                let hash = text(object, "/metadata/labels/pod-template-hash");
                let base = owner.strip_suffix(hash).and_then(|o| o.strip_suffix('-'));
                self.name(base.filter(|_| !hash.is_empty()).unwrap_or(owner));
            }
            _ => self.host(name),
        }
        for list in ["/spec/containers", "/spec/initContainers"] {
            for container in object
                .pointer(list)
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
            {
                self.name(text(container, "/name"));
            }
        }
        self.name(text(object, "/spec/serviceAccountName"));
        for label in NAMING_LABELS {
            let escaped = label.replace('/', "~1");
            for place in ["/metadata/labels/", "/spec/template/metadata/labels/"] {
                self.name(text(object, &format!("{place}{escaped}")));
            }
        }
    }

    /// Host names, wherever a field is called so.
    fn hosts(&mut self, value: &Value) {
        match value {
            Value::Object(map) => {
                for (key, value) in map {
                    let is_host = matches!(
                        key.as_str(),
                        "host" | "hostname" | "hostnames" | "hosts" | "externalName" | "nodeName"
                    );
                    match value {
                        Value::String(host) if is_host => self.external(host),
                        Value::Array(hosts) if is_host => {
                            hosts
                                .iter()
                                .filter_map(Value::as_str)
                                .for_each(|h| self.external(h));
                        }
                        _ => self.hosts(value),
                    }
                }
            }
            Value::Array(items) => items.iter().for_each(|item| self.hosts(item)),
            _ => {}
        }
    }

    /// A host outside, of which the last label says nothing.
    fn external(&mut self, host: &str) {
        if host.contains('.') && vocabulary::is_host(host) {
            let labels = host.rsplit_once('.').map_or("", |(labels, _)| labels);
            self.host(labels.trim_start_matches("*."));
        }
    }

    /// Names of objects and namespaces that are told by their form: `web.shop.svc` and
    /// `web.shop.serviceaccount.identity`.
    fn of_cluster(&mut self, text: &[u8]) {
        for mark in [&b".svc"[..], b".serviceaccount."] {
            for at in memchr::memmem::find_iter(text, mark) {
                let before = text.get(at.saturating_sub(130)..at).unwrap_or_default();
                let of_name = |b: &&u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.');
                let len = before.iter().rev().take_while(of_name).count();
                let name = before.get(before.len() - len..).unwrap_or_default();
                let name = String::from_utf8_lossy(name);
                let mut labels = name.rsplit('.');
                labels
                    .next()
                    .into_iter()
                    .for_each(|namespace| self.name(namespace));
                // A pod's is known with its suffixes from its owner.
                labels
                    .next()
                    .into_iter()
                    .for_each(|object| self.name(object));
            }
        }
    }

    /// What strings tell: authorities' certificates, and names by their form.
    fn strings(&mut self, value: &Value) {
        match value {
            Value::Object(map) => map.values().for_each(|v| self.strings(v)),
            Value::Array(items) => items.iter().for_each(|v| self.strings(v)),
            Value::String(text) => {
                certificates::authorities(text.as_bytes(), &mut self.authorities);
                self.of_cluster(text.as_bytes());
            }
            _ => {}
        }
    }
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
}
