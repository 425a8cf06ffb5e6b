//! The addresses behind Services: `EndpointSlices`, or Endpoints where there are no slices.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::kube::label;
use super::row::{int, list, text};
use super::{Object, Sources};

/// The addresses of one Service.
#[derive(Debug, Default, Clone)]
pub(super) struct Addresses<'a> {
    pub(super) ready: BTreeSet<&'a str>,
    pub(super) not_ready: BTreeSet<&'a str>,
    /// Addresses of pods that are being deleted.
    pub(super) terminating: BTreeSet<&'a str>,
    /// The ports that traffic is sent to.
    pub(super) ports: BTreeSet<i64>,
    /// What holds them.
    pub(super) objects: Vec<&'a Object>,
    /// Whether the bundle says anything of this Service's addresses, were it that there are none.
    pub(super) is_known: bool,
}

/// The addresses of every Service.
pub(super) struct Endpoints<'a> {
    sources: &'a Sources<'a>,
    slices: BTreeMap<(&'a str, &'a str), Vec<&'a Object>>,
}

impl<'a> Endpoints<'a> {
    pub(super) fn of(sources: &'a Sources<'a>) -> Self {
        let mut slices: BTreeMap<_, Vec<&Object>> = BTreeMap::new();
        for slice in sources.kind("EndpointSlice") {
            let service = label(&slice.value, "kubernetes.io/service-name");
            slices
                .entry((slice.namespace.as_str(), service))
                .or_default()
                .push(slice);
        }
        Self { sources, slices }
    }

    /// The addresses of one Service.
    pub(super) fn get(&self, namespace: &str, service: &str) -> Addresses<'a> {
        let mut found = Addresses::default();
        if let Some(slices) = self.slices.get(&(namespace, service)) {
            found.is_known = true;
            for slice in slices {
                found.add_slice(slice);
            }
        } else if let Some(classic) = self.sources.object("Endpoints", namespace, service) {
            found.is_known = true;
            found.add_classic(classic);
        } else {
            found.is_known = ["EndpointSlice", "Endpoints"]
                .iter()
                .any(|k| self.sources.is_complete(k, namespace));
        }
        found
    }
}

impl<'a> Addresses<'a> {
    fn add_slice(&mut self, slice: &'a Object) {
        self.objects.push(slice);
        for endpoint in list(&slice.value, "/endpoints") {
            let condition = |name: &str| {
                endpoint
                    .pointer(&format!("/conditions/{name}"))
                    .and_then(Value::as_bool)
            };
            // The API says that a missing `ready` means ready.
            let set = match (condition("ready").unwrap_or(true), condition("terminating")) {
                (true, _) => &mut self.ready,
                (false, Some(true)) => &mut self.terminating,
                (false, _) => &mut self.not_ready,
            };
            set.extend(
                list(endpoint, "/addresses")
                    .iter()
                    .filter_map(Value::as_str),
            );
        }
        self.ports.extend(
            list(&slice.value, "/ports")
                .iter()
                .filter_map(|p| int(p, "/port")),
        );
    }

    fn add_classic(&mut self, endpoints: &'a Object) {
        self.objects.push(endpoints);
        for subset in list(&endpoints.value, "/subsets") {
            let addresses = |side| {
                list(subset, side)
                    .iter()
                    .map(|a| text(a, "/ip"))
                    .filter(|ip| !ip.is_empty())
            };
            self.ready.extend(addresses("/addresses"));
            self.not_ready.extend(addresses("/notReadyAddresses"));
            self.ports.extend(
                list(subset, "/ports")
                    .iter()
                    .filter_map(|p| int(p, "/port")),
            );
        }
    }
}
