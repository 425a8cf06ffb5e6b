//! What a bundle says, parsed once.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use bundle::layout::EntryKind;
use bundle::{Bundle, Identity, Limits};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::discovery::Discovery;
use crate::entries::Entries;
use crate::item::{Item, Objects};
use crate::ledger::Ledger;
use crate::load::{Loaded, load};
use crate::memory::Memory;
use crate::names::Gvr;
use crate::scale::{Id, Multiplied, Nth, Scale, ScaleError};

/// Group and plural name.
pub(crate) type Key = (String, String);

/// A bundle, ready to be served. Its objects, discovery and ledger are held in memory (as parsed
/// JSON, some five times their size as text); logs and scrapes are read when they are asked for.
#[derive(Debug)]
pub struct Store {
    entries: Entries,
    now: Timestamp,
    captured_at: Timestamp,
    objects: BTreeMap<Key, Held>,
    pub(crate) discovery: Discovery,
    pub(crate) version: Value,
    pub(crate) ledger: Ledger,
    rules: BTreeMap<String, Value>,
    pub(crate) memory: Memory,
    warnings: BTreeSet<String>,
    multiplied: Option<Multiplied>,
    log_bytes: u64,
}

/// Everything recorded of one resource.
#[derive(Debug, Default)]
pub(crate) struct Held {
    /// As recorded, in the order in which a real server lists them.
    pub(crate) objects: Vec<Value>,
    /// What is served, in that order as well.
    pub(crate) order: Vec<Id>,
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
            entries: Entries::of(bundle, loaded.others),
            now,
            captured_at,
            discovery,
            version,
            ledger: Ledger::of(loaded.manifest),
            objects: loaded.objects,
            rules: loaded.rules,
            memory: Memory::default(),
            warnings: loaded.warnings,
            multiplied: None,
            log_bytes: 0,
        }
    }

    /// The same as a larger cluster. Of what is multiplied only numbers are held.
    ///
    /// # Errors
    /// [`ScaleError`] when the recording cannot be multiplied into so many pods.
    pub fn scaled(mut self, scale: &Scale) -> Result<Self, ScaleError> {
        self.log_bytes = scale.log_bytes;
        if let Some(pods) = scale.pods {
            let multiplied = Multiplied::of(&self.objects, pods)?;
            for (key, held) in &mut self.objects {
                held.multiply(key, &multiplied);
            }
            self.multiplied = Some(multiplied);
        }
        Ok(self)
    }

    /// Bytes that each log has at least.
    pub(crate) fn log_bytes(&self) -> u64 {
        self.log_bytes
    }

    /// What the bundle holds but cannot be served, in words.
    pub fn warnings(&self) -> impl Iterator<Item = &str> {
        self.warnings.iter().map(String::as_str)
    }

    /// The bundle's name.
    pub(crate) fn name(&self) -> String {
        self.entries.name()
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
    pub(crate) fn objects(&self, gvr: &Gvr) -> Option<Objects<'_>> {
        let (group, plural) = gvr.stored_as();
        self.listed(group, plural)
    }

    fn listed(&self, group: &str, plural: &str) -> Option<Objects<'_>> {
        let key = (group.to_owned(), plural.to_owned());
        let (key, held) = self.objects.get_key_value(&key)?;
        Some(Objects {
            key,
            held,
            multiplied: self.multiplied.as_ref(),
        })
    }

    pub(crate) fn pod(&self, namespace: &str, name: &str) -> Option<Item<'_>> {
        self.listed("", "pods")?.find(namespace, name)
    }

    pub(crate) fn pods(&self) -> impl Iterator<Item = Item<'_>> {
        let pods = self.listed("", "pods").into_iter();
        pods.flat_map(|pods| pods.within(None))
    }

    pub(crate) fn nodes(&self) -> impl Iterator<Item = Item<'_>> {
        let nodes = self.listed("", "nodes").into_iter();
        nodes.flat_map(|nodes| nodes.within(None))
    }

    /// The recorded namespace that is meant, or of which this one is a copy.
    pub(crate) fn recorded_namespace<'a>(&self, namespace: &'a str) -> &'a str {
        let multiplied = self.multiplied.as_ref();
        multiplied.map_or(namespace, |m| m.recorded_namespace(namespace))
    }

    /// Reads an entry; `None` if it is not in the bundle, an error if it cannot be read.
    pub(crate) fn read(&self, kind: &EntryKind) -> Option<Result<Arc<Vec<u8>>, String>> {
        self.entries.read(kind)
    }

    /// What the collecting user may do in a namespace; in one that was not asked about, what is
    /// allowed in the first.
    pub(crate) fn rules(&self, namespace: &str) -> Option<&Value> {
        let own = self.rules.get(self.recorded_namespace(namespace));
        own.or_else(|| self.rules.values().next())
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
        let bases = 0..self.objects.len();
        let nth = Nth::default();
        self.order = bases.map(|base| Id { base, nth }).collect();
    }

    /// Brings the copies of all objects in order.
    fn multiply(&mut self, key: &Key, multiplied: &Multiplied) {
        let bases = self.objects.iter().enumerate();
        let ids = bases.flat_map(|(base, object)| {
            let copies = multiplied.copies(key, object).into_iter();
            copies.map(move |nth| Id { base, nth })
        });
        let mut order: Vec<Id> = ids.collect();
        let objects = Objects {
            key,
            held: self,
            multiplied: Some(multiplied),
        };
        order.sort_by_cached_key(|id| objects.item(*id).map(|item| item.path()));
        self.order = order;
    }

    /// A recorded object by name; `namespace` is empty for cluster-scoped ones.
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
fn key(object: &Value) -> String {
    let (namespace, name) = place(object);
    join(namespace, name)
}

pub(crate) fn join(namespace: &str, name: &str) -> String {
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
