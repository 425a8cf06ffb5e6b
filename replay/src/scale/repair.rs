//! What is counted or gathered in an object, once there is more of it.

use std::borrow::Cow;

use serde_json::{Value, json};

use crate::status::put;
use crate::store::{Key, place};

use super::roster::text;
use super::spread::pod_of;
use super::{Multiplied, Nth};

/// Where workloads count their pods.
const COUNTS: [&str; 19] = [
    "/spec/replicas",
    "/spec/parallelism",
    "/spec/completions",
    "/status/replicas",
    "/status/readyReplicas",
    "/status/availableReplicas",
    "/status/unavailableReplicas",
    "/status/updatedReplicas",
    "/status/currentReplicas",
    "/status/fullyLabeledReplicas",
    "/status/desiredNumberScheduled",
    "/status/currentNumberScheduled",
    "/status/updatedNumberScheduled",
    "/status/numberReady",
    "/status/numberAvailable",
    "/status/numberUnavailable",
    "/status/active",
    "/status/succeeded",
    "/status/failed",
];

impl Multiplied {
    /// The copy of an object with everything that is counted or gathered in it.
    pub(super) fn repaired<'a>(
        &self,
        key: &Key,
        recorded: &'a Value,
        copied: Cow<'a, Value>,
        copy: Nth,
    ) -> Cow<'a, Value> {
        let roster = &self.meaning.roster;
        if let Some(name) = self.given_name(key, recorded, copy) {
            let mut named = copied.into_owned();
            if let Some(metadata) = named.get_mut("metadata") {
                put(metadata, "name", json!(name));
            }
            return Cow::Owned(named);
        }
        match (key.0.as_str(), key.1.as_str()) {
            _ if !roster.namespaces.contains(place(recorded).0) => copied,
            ("apps" | "batch", _) => self.counted(recorded, copied, copy),
            ("", "endpoints") => self.gathered(recorded, copied, copy),
            ("discovery.k8s.io", "endpointslices") => self.parted(recorded, copied, copy),
            _ => copied,
        }
    }

    /// A workload whose counts are those of its pods.
    fn counted<'a>(&self, recorded: &Value, copied: Cow<'a, Value>, copy: Nth) -> Cow<'a, Value> {
        let layout = &self.meaning.layout;
        let uid = text(recorded, "/metadata/uid").unwrap_or_default();
        let Some(pods) = self.meaning.roster.workloads.get(uid) else {
            return copied;
        };
        let space = layout.space_of(copy.number);
        let there = layout.copies_of_space(space).map(|copy| {
            pods.iter()
                .filter(|pod| layout.serial(**pod, copy).is_some())
                .count()
        });
        let (there, before) = (there.sum::<usize>() as u64, pods.len() as u64);
        let mut workload = copied.into_owned();
        for pointer in COUNTS {
            let Some(count) = workload.pointer_mut(pointer) else {
                continue;
            };
            if let Some(old) = count.as_u64() {
                *count = json!(old.saturating_mul(there).div_ceil(before.max(1)));
            }
        }
        Cow::Owned(workload)
    }

    /// Endpoints with the addresses of all replicas.
    fn gathered<'a>(&self, recorded: &Value, copied: Cow<'a, Value>, copy: Nth) -> Cow<'a, Value> {
        let layout = &self.meaning.layout;
        let mut endpoints = copied.into_owned();
        let space = layout.space_of(copy.number);
        let subsets = layout.copies_of_space(space).flat_map(|number| {
            let of = Nth { number, ..copy };
            let subsets = recorded.get("subsets").and_then(Value::as_array);
            let subsets = subsets.into_iter().flatten();
            subsets.filter_map(move |subset| self.subset(subset, place(recorded).0, of))
        });
        let subsets: Vec<Value> = subsets.collect();
        if !subsets.is_empty() {
            put(&mut endpoints, "subsets", subsets.into());
        }
        Cow::Owned(endpoints)
    }

    /// A subset of endpoints for a copy, if any of its pods is there.
    fn subset(&self, recorded: &Value, namespace: &str, copy: Nth) -> Option<Value> {
        let mut subset = recorded.clone();
        let mut is_any = false;
        for field in ["addresses", "notReadyAddresses"] {
            let Some(all) = recorded.get(field).and_then(Value::as_array) else {
                continue;
            };
            let there = self.there(all, namespace, copy);
            is_any |= !there.is_empty();
            put(&mut subset, field, there.into());
        }
        is_any.then_some(subset)
    }

    /// A slice with the endpoints whose pods are there.
    fn parted<'a>(&self, recorded: &Value, copied: Cow<'a, Value>, copy: Nth) -> Cow<'a, Value> {
        let Some(all) = recorded.get("endpoints").and_then(Value::as_array) else {
            return copied;
        };
        let mut slice = copied.into_owned();
        let there = self.there(all, place(recorded).0, copy);
        put(&mut slice, "endpoints", there.into());
        Cow::Owned(slice)
    }

    /// Those endpoints whose pods a copy has. Such without a pod are in the first copy of each
    /// namespace.
    fn there(&self, endpoints: &[Value], namespace: &str, copy: Nth) -> Vec<Value> {
        let layout = &self.meaning.layout;
        let there = endpoints.iter().filter(|endpoint| {
            match pod_of(endpoint, namespace, &self.meaning.roster) {
                Some(pod) => layout.serial(pod, copy.number).is_some(),
                None => layout.replica_of(copy.number) == 0,
            }
        });
        there.map(|e| self.plain(e, copy).into_owned()).collect()
    }
}
