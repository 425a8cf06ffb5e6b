//! What a bundle says, parsed once.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use bundle::layout::EntryKind;
use bundle::{Bundle, Identity, Limits};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::discovery::Discovery;
use crate::ledger::Ledger;
use crate::load::{Loaded, load};
use crate::names::Gvr;

/// Group and plural name.
pub(crate) type Key = (String, String);

/// A bundle, ready to be served. Its objects, discovery and ledger are held in memory (as parsed
/// JSON, some five times their size as text); logs and scrapes are read when they are asked for.
#[derive(Debug)]
pub struct Store {
    bundle: Bundle,
    now: Timestamp,
    captured_at: Timestamp,
    objects: BTreeMap<Key, Held>,
    pub(crate) discovery: Discovery,
    pub(crate) version: Value,
    pub(crate) ledger: Ledger,
    rules: BTreeMap<String, Value>,
    scrapes: Mutex<BTreeMap<String, u32>>,
    warnings: BTreeSet<String>,
    others: BTreeSet<String>,
}

/// Everything recorded of one resource.
#[derive(Debug, Default)]
pub(crate) struct Held {
    /// In the order in which a real server lists them.
    pub(crate) objects: Vec<Value>,
    /// The highest `resourceVersion` of the recorded lists.
    pub(crate) resource_version: u64,
    /// Namespaces whose list cannot be read; empty text for a list of the whole cluster.
    pub(crate) broken: BTreeSet<String>,
}

/// Why a bundle cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It is no bundle.
    #[error(transparent)]
    Bundle(#[from] bundle::OpenError),
    /// It holds nothing that an API server could serve.
    #[error(
        "`{0}` holds no lists of Kubernetes objects; \
         hint: give a bundle (tar.gz, zip), or the folder that holds `cluster-resources/`"
    )]
    NoObjects(String),
}

impl Store {
    /// Opens a bundle and parses its objects. What cannot be read is left out, with a warning.
    ///
    /// # Errors
    /// [`OpenError`] when it is no bundle, or holds no objects.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        Self::open_with(path, &[])
    }

    /// As [`Store::open`], also of a bundle that is encrypted to one of the identities.
    ///
    /// # Errors
    /// As above, and when no identity opens it.
    pub fn open_with(path: &Path, identities: &[Identity]) -> Result<Self, OpenError> {
        let bundle = Bundle::open_with(path, Limits::default(), identities)?;
        let loaded = load(&bundle);
        if loaded.objects.is_empty() {
            return Err(OpenError::NoObjects(path.display().to_string()));
        }
        Ok(Self::of(bundle, loaded))
    }

    fn of(bundle: Bundle, loaded: Loaded) -> Self {
        let discovery = Discovery::of(&loaded);
        let unknown = || json!({"major": "1", "minor": "0", "gitVersion": "v1.0.0"});
        let version = loaded
            .version
            .filter(Value::is_object)
            .unwrap_or_else(unknown);
        let times = loaded.manifest.as_ref().map(|m| {
            let ended = m.finished_at.unwrap_or(m.captured_at);
            (m.captured_at, ended)
        });
        let (captured_at, now) = times.unwrap_or_else(|| {
            let newest = newest(&loaded.objects);
            (newest, newest)
        });
        Self {
            bundle,
            now,
            captured_at,
            discovery,
            version,
            ledger: Ledger::of(loaded.manifest),
            objects: loaded.objects,
            rules: loaded.rules,
            scrapes: Mutex::default(),
            warnings: loaded.warnings,
            others: loaded.others,
        }
    }

    /// What the bundle holds but cannot be served, in words.
    pub fn warnings(&self) -> impl Iterator<Item = &str> {
        self.warnings.iter().map(String::as_str)
    }

    /// The bundle's name.
    pub(crate) fn name(&self) -> String {
        self.bundle.name()
    }

    /// "Now": when the capture ended.
    pub(crate) fn now(&self) -> Timestamp {
        self.now
    }

    /// When the capture began.
    pub(crate) fn captured_at(&self) -> Timestamp {
        self.captured_at
    }

    /// What is held of a resource; `None` if the bundle has no list of it.
    pub(crate) fn held(&self, gvr: &Gvr) -> Option<&Held> {
        let (group, plural) = gvr.stored_as();
        self.objects.get(&(group.to_owned(), plural.to_owned()))
    }

    /// A recorded pod.
    pub(crate) fn pod(&self, namespace: &str, name: &str) -> Option<&Value> {
        let pods = (String::new(), "pods".to_owned());
        self.objects.get(&pods)?.find(namespace, name)
    }

    /// Reads an entry; `None` if it is not in the bundle, an error if it cannot be read.
    pub(crate) fn read(&self, kind: &EntryKind) -> Option<Result<Vec<u8>, String>> {
        let path = kind.path()?;
        let is_there = self.others.contains(path.as_str());
        is_there.then(|| {
            let read = self.bundle.read(path.as_str());
            read.map_err(|problem| format!("`{path}` cannot be read: {}", problem.detail))
        })
    }

    /// What the collecting user may do in a namespace; in one that was not asked about, what is
    /// allowed in the first.
    pub(crate) fn rules(&self, namespace: &str) -> Option<&Value> {
        let own = self.rules.get(namespace);
        own.or_else(|| self.rules.values().next())
    }

    /// The number of the scrape that is due: the n-th request gets the n-th one.
    pub(crate) fn next_scrape(&self, target: &str) -> u32 {
        let mut scrapes = self.scrapes.lock().unwrap_or_else(PoisonError::into_inner);
        let count = scrapes.entry(target.to_owned()).or_default();
        *count = count.saturating_add(1);
        *count
    }
}

impl Held {
    /// Takes the objects of a list; false if it is none.
    pub(crate) fn take(&mut self, list: Value) -> bool {
        let version = list.pointer("/metadata/resourceVersion");
        let version = version.and_then(Value::as_str).and_then(|v| v.parse().ok());
        self.resource_version = self.resource_version.max(version.unwrap_or(0));
        let items = match list {
            Value::Object(mut list) => list.remove("items"),
            items => Some(items),
        };
        match items {
            Some(Value::Array(items)) => {
                let objects = items.into_iter().filter(Value::is_object);
                self.objects.extend(objects);
                true
            }
            // Go writes an empty list as `null` at times.
            Some(Value::Null) => true,
            _ => false,
        }
    }

    /// Brings the objects in order; of two of one name the first stays.
    pub(crate) fn settle(&mut self) {
        self.objects.sort_by_cached_key(key);
        self.objects.dedup_by(|a, b| key(a) == key(b));
    }

    /// An object by name; `namespace` is empty for cluster-scoped ones.
    pub(crate) fn find(&self, namespace: &str, name: &str) -> Option<&Value> {
        let wanted = join(namespace, name);
        let at = self.objects.binary_search_by_key(&wanted, key).ok()?;
        self.objects.get(at)
    }
}

/// Namespace and name of an object.
pub(crate) fn place(object: &Value) -> (&str, &str) {
    let text = |pointer| {
        let text = object.pointer(pointer).and_then(Value::as_str);
        text.unwrap_or_default()
    };
    (text("/metadata/namespace"), text("/metadata/name"))
}

/// What etcd orders objects by: `namespace/name` or `name`.
pub(crate) fn key(object: &Value) -> String {
    let (namespace, name) = place(object);
    join(namespace, name)
}

fn join(namespace: &str, name: &str) -> String {
    if namespace.is_empty() {
        name.to_owned()
    } else {
        format!("{namespace}/{name}")
    }
}

/// The newest time that any object tells, for a bundle without a manifest.
fn newest(objects: &BTreeMap<Key, Held>) -> Timestamp {
    let pointers = [
        "/lastTimestamp",
        "/metadata/creationTimestamp",
        "/spec/renewTime",
    ];
    let all = objects.values().flat_map(|h| &h.objects);
    let times = all.flat_map(|o| {
        let times = pointers
            .iter()
            .map(|p| o.pointer(p)?.as_str()?.parse().ok());
        times.flatten()
    });
    times.max().unwrap_or(Timestamp::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(namespace: &str, name: &str) -> Value {
        json!({"metadata": {"namespace": namespace, "name": name}})
    }

    #[test]
    fn objects_are_in_the_order_of_etcd_and_found_in_it() {
        let mut held = Held::default();
        let items = [("shop", "b"), ("shop-2", "a"), ("shop", "a"), ("shop", "a")];
        let items: Vec<Value> = items.iter().map(|(s, n)| object(s, n)).collect();
        assert!(held.take(json!({"items": items})));
        held.settle();
        let keys: Vec<String> = held.objects.iter().map(key).collect();
        assert_eq!(keys, ["shop-2/a", "shop/a", "shop/b"]);
        assert_eq!(held.find("shop", "b"), Some(&object("shop", "b")));
        assert_eq!(held.find("shop", "c"), None);
    }

    #[test]
    fn what_is_no_list_is_not_taken() {
        let mut held = Held::default();
        assert!(held.take(json!({"items": null})));
        for value in [json!({"kind": "PodList"}), json!({"items": {}}), json!(3)] {
            assert!(!held.take(value));
        }
    }
}
