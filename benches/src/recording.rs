//! What one recording holds, but for its logs.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use bundle::layout::EntryKind;
use bundle::{Block, Bundle, EntryInfo, EntryPath, Interest, Limits, Problem, Scratch, Visitor};
use serde_json::Value;

/// A recording's entries, whole.
#[derive(Debug)]
pub(crate) struct Recording(BTreeMap<EntryPath, Vec<u8>>);

impl Recording {
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let bundle = Bundle::open(path, Limits::default())?;
        let entries = Entries::default();
        let mut scratch = Scratch::default();
        for task in bundle.plan(&entries) {
            bundle.run(&task, &mut scratch, &entries);
        }
        let entries = entries.0.into_inner();
        Ok(Self(entries.unwrap_or_else(PoisonError::into_inner)))
    }

    /// The objects of a kind's lists, with their namespaces.
    pub(crate) fn items(&self, kind: &str) -> Vec<(String, Value)> {
        let start = format!("cluster-resources/{kind}/");
        let lists = self.0.iter().filter_map(|(path, bytes)| {
            let rest = path.as_str().strip_prefix(&start)?;
            let list: Value = serde_json::from_slice(bytes).ok()?;
            Some((rest.strip_suffix(".json")?, list))
        });
        let items = lists.flat_map(|(namespace, list)| {
            let items = list.get("items").and_then(Value::as_array).cloned();
            let items = items.unwrap_or_default().into_iter();
            items.map(move |item| (namespace.to_owned(), item))
        });
        items.collect()
    }

    pub(crate) fn scrape(&self, namespace: &str, pod: &str, number: u32) -> Option<String> {
        let kind = EntryKind::ProxyMetrics {
            namespace: namespace.to_owned(),
            pod: pod.to_owned(),
            scrape: number,
        };
        String::from_utf8(self.0.get(&kind.path()?)?.clone()).ok()
    }

    /// Cluster-scoped lists, and all of the control plane's namespace.
    pub(crate) fn cluster(&self) -> BTreeMap<EntryPath, Vec<u8>> {
        let is_taken = |path: &str| {
            let in_folder = path.strip_prefix("cluster-resources/");
            in_folder.is_some_and(|rest| !rest.contains('/') || rest.ends_with("/linkerd.json"))
        };
        let taken = self.0.iter().filter(|(path, _)| is_taken(path.as_str()));
        taken.map(|(p, bytes)| (p.clone(), bytes.clone())).collect()
    }
}

/// The text at a JSON pointer; empty if there is none.
pub(crate) fn text(value: &Value, pointer: &str) -> String {
    let text = value.pointer(pointer).and_then(Value::as_str);
    text.unwrap_or_default().to_owned()
}

#[derive(Default)]
struct Entries(Mutex<BTreeMap<EntryPath, Vec<u8>>>);

impl Visitor for Entries {
    fn interest(&self, entry: &EntryInfo) -> Interest {
        match entry.kind {
            EntryKind::PodLog { .. } | EntryKind::Manifest => Interest::Skip,
            _ => Interest::Whole,
        }
    }

    fn block(&self, _entry: &Arc<EntryInfo>, _block: Block<'_>) {}

    fn whole(&self, entry: &Arc<EntryInfo>, bytes: Vec<u8>) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(entry.path.clone(), bytes);
    }

    fn problem(&self, _problem: Problem) {}
}
