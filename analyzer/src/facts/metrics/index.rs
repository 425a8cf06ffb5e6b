//! What the tables look up in the rest of the bundle, gathered once.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::facts::kube::{annotation, is_meshed};
use crate::facts::row::{list, text};
use crate::facts::{Object, Sources};

/// Addresses, names and times that metrics refer to.
#[derive(Debug)]
pub(super) struct Index<'a> {
    services: BTreeMap<&'a str, &'a Object>,
    scraped: BTreeMap<&'a str, Timestamp>,
    /// Pods with the outbound ports that skip their proxy.
    skipping: Vec<(&'a Object, &'a str)>,
    unmeshed: BTreeMap<&'a str, Vec<&'a Object>>,
}

/// How many pods a row names before it only counts them.
const NAMED: usize = 3;

impl<'a> Index<'a> {
    pub(super) fn new(sources: &'a Sources<'_>) -> Self {
        let mut index = Self {
            services: BTreeMap::new(),
            scraped: BTreeMap::new(),
            skipping: Vec::new(),
            unmeshed: BTreeMap::new(),
        };
        for service in sources.kind("Service") {
            let one = text(&service.value, "/spec/clusterIP");
            let more = list(&service.value, "/spec/clusterIPs").iter();
            for ip in more.filter_map(|ip| ip.as_str()).chain([one]) {
                if !ip.is_empty() && ip != "None" {
                    index.services.insert(ip, service);
                }
            }
        }
        for pod in sources.kind("Pod") {
            index.add_pod(pod);
        }
        let ledger = sources.context.manifest.map(|m| m.ledger.as_slice());
        for row in ledger.unwrap_or_default() {
            if let (Some(path), Some(at)) = (&row.path, row.at) {
                index.scraped.insert(path.as_str(), at);
            }
        }
        index
    }

    fn add_pod(&mut self, pod: &'a Object) {
        if is_meshed(&pod.value) {
            let ports = annotation(&pod.value, "config.linkerd.io/skip-outbound-ports");
            if !ports.is_empty() {
                self.skipping.push((pod, ports));
            }
        } else {
            self.unmeshed
                .entry(pod.namespace.as_str())
                .or_default()
                .push(pod);
        }
    }

    /// The Service with this cluster IP.
    pub(super) fn service(&self, ip: &str) -> Option<&'a Object> {
        self.services.get(ip).copied()
    }

    /// When an entry was asked for, by the ledger.
    pub(super) fn asked_at(&self, entry: &str) -> Option<Timestamp> {
        self.scraped.get(entry).copied()
    }

    /// Seconds between two entries, by the ledger.
    pub(super) fn seconds_between(&self, first: &str, last: &str) -> Option<f64> {
        let duration = self.asked_at(last)?.duration_since(self.asked_at(first)?);
        Some(duration.as_secs_f64())
    }

    /// Meshed pods whose annotation leads connections to this port around their proxy, in words.
    pub(super) fn skipping_pods(&self, port: &str) -> String {
        let skips = |ports: &str| ports.split(',').any(|r| is_in_range(r.trim(), port));
        let pods = self.skipping.iter().filter(|(_, ports)| skips(ports));
        names(pods.map(|(pod, _)| *pod))
    }

    /// Pods of a namespace that run without a proxy, in words: likely clients without identity.
    pub(super) fn unmeshed_pods(&self, namespace: &str) -> String {
        let pods = self.unmeshed.get(namespace);
        names(pods.into_iter().flatten().copied())
    }
}

/// Whether a port is in `8080` or `8000-8100`.
fn is_in_range(range: &str, port: &str) -> bool {
    let Ok(port) = port.parse::<u16>() else {
        return false;
    };
    match range.split_once('-') {
        Some((from, to)) => {
            from.parse().is_ok_and(|f: u16| f <= port) && to.parse().is_ok_and(|t: u16| port <= t)
        }
        None => range.parse() == Ok(port),
    }
}

/// `namespace/name` of the first few pods.
fn names<'a>(pods: impl Iterator<Item = &'a Object>) -> String {
    let mut shown = Vec::new();
    let mut more = 0;
    for pod in pods {
        if shown.len() < NAMED {
            shown.push(format!("{}/{}", pod.namespace, pod.name));
        } else {
            more += 1;
        }
    }
    let shown = shown.join(", ");
    if more > 0 {
        format!("{shown} and {more} more")
    } else {
        shown
    }
}
