//! What a bundle says, parsed once.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

use bundle::layout::EntryKind;
use bundle::resources;
use bundle::{Bundle, LedgerRow, Limits, Manifest, Outcome, SourceKind};
use jiff::Timestamp;
use serde_json::Value;

use crate::discovery::Discovery;
use crate::names::Gvr;

/// Group and plural name.
type Key = (String, String);

/// A bundle, ready to be served. Objects are held in memory, logs and scrapes are read when they
/// are asked for.
#[derive(Debug)]
pub struct Store {
    bundle: Bundle,
    manifest: Option<Manifest>,
    now: Timestamp,
    objects: BTreeMap<Key, Held>,
    pub(crate) discovery: Discovery,
    pub(crate) version: Value,
    rules: BTreeMap<String, Value>,
    scrapes: Mutex<BTreeMap<String, AtomicU32>>,
}

/// Everything recorded of one resource.
#[derive(Debug, Default)]
pub(crate) struct Held {
    /// Ordered by namespace and name, as a real server lists them.
    pub(crate) objects: Vec<Value>,
    /// The highest `resourceVersion` of the recorded lists.
    pub(crate) resource_version: u64,
}

/// Why a bundle cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It is no bundle.
    #[error(transparent)]
    Bundle(#[from] bundle::OpenError),
    /// It holds nothing that an API server could serve.
    #[error("`{0}` holds no lists of Kubernetes objects; is it a bundle?")]
    NoObjects(String),
}

impl Store {
    /// Opens a bundle and parses its objects. A list that cannot be parsed is left out.
    ///
    /// # Errors
    /// [`OpenError`] when it is no bundle, or holds no objects.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let bundle = Bundle::open(path, Limits::default())?;
        let manifest = bundle.manifest();
        let mut objects: BTreeMap<Key, Held> = BTreeMap::new();
        let mut rules = BTreeMap::new();
        for entry in bundle.entries() {
            let Some(key) = resource_of(&entry.kind) else {
                if let EntryKind::CanI { namespace } = &entry.kind
                    && let Some(list) = read_json(&bundle, entry.path.as_str())
                {
                    rules.insert(namespace.clone(), list);
                }
                continue;
            };
            let held = objects.entry(key).or_default();
            if let Some(list) = read_json(&bundle, entry.path.as_str()) {
                held.take(list);
            }
        }
        if objects.is_empty() {
            return Err(OpenError::NoObjects(path.display().to_string()));
        }
        for held in objects.values_mut() {
            held.objects.sort_by(|a, b| place(a).cmp(&place(b)));
        }
        let discovery = Discovery::of(&bundle, &objects.keys().cloned().collect::<Vec<_>>());
        let version = read_json(&bundle, "cluster-info/cluster_version.json")
            .and_then(|v| v.get("info").cloned())
            .unwrap_or_else(
                || serde_json::json!({"major": "1", "minor": "0", "gitVersion": "v1.0.0"}),
            );
        let now = manifest
            .as_ref()
            .map(|m| m.finished_at.unwrap_or(m.captured_at));
        let now = now.unwrap_or_else(|| newest(&objects));
        let scrapes = Mutex::default();
        Ok(Self {
            bundle,
            manifest,
            now,
            objects,
            discovery,
            version,
            rules,
            scrapes,
        })
    }

    /// The bundle's name.
    pub(crate) fn name(&self) -> &str {
        self.bundle.path().to_str().unwrap_or("a bundle")
    }

    /// "Now": when the capture ended.
    pub(crate) fn now(&self) -> Timestamp {
        self.now
    }

    /// When the capture began.
    pub(crate) fn captured_at(&self) -> Timestamp {
        self.manifest.as_ref().map_or(self.now, |m| m.captured_at)
    }

    /// What is held of a resource; `None` if the bundle has no list of it.
    pub(crate) fn held(&self, gvr: &Gvr) -> Option<&Held> {
        let key = match (gvr.group.as_str(), gvr.plural.as_str()) {
            ("events.k8s.io", "events") => (String::new(), "events".to_owned()),
            _ => gvr.key(),
        };
        self.objects.get(&key)
    }

    /// Every resource held.
    pub(crate) fn pod(&self, namespace: &str, name: &str) -> Option<&Value> {
        let held = self.objects.get(&(String::new(), "pods".to_owned()))?;
        held.objects.iter().find(|p| place(p) == (namespace, name))
    }

    /// Reads an entry; `None` if it is not in the bundle.
    pub(crate) fn read(&self, kind: &EntryKind) -> Option<Vec<u8>> {
        self.bundle.read(kind.path()?.as_str()).ok()
    }

    /// What the collecting user may do in a namespace.
    pub(crate) fn rules(&self, namespace: &str) -> Option<&Value> {
        self.rules
            .get(namespace)
            .or_else(|| self.rules.values().next())
    }

    /// The number of the scrape that is due: the n-th request gets the n-th one.
    pub(crate) fn next_scrape(&self, target: &str) -> u32 {
        let mut scrapes = self.scrapes.lock().unwrap_or_else(PoisonError::into_inner);
        let count = scrapes.entry(target.to_owned()).or_default();
        count.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// The ledger's row of an item that is not in the bundle, if it says why.
    pub(crate) fn refusal(&self, source: SourceKind, object: &str) -> Option<&LedgerRow> {
        let rows = self.manifest.as_ref()?.ledger.iter();
        let mut rows = rows.filter(|r| r.source == source && r.object == object);
        rows.find(|r| !matches!(r.outcome, Outcome::Complete | Outcome::Truncated))
    }

    /// Whether the ledger says that the cluster has no such custom resource.
    pub(crate) fn is_known_empty(&self, gvr: &Gvr) -> bool {
        let crd = format!("{}.{}", gvr.plural, gvr.group);
        let listed = self.manifest.as_ref().is_some_and(|m| {
            m.ledger
                .iter()
                .any(|r| r.object == crd && r.outcome == Outcome::Absent)
        });
        // One version of a resource may be listed while another is asked for.
        listed
            || resources::CUSTOM_RESOURCE_GROUPS.contains(&gvr.group.as_str())
                && self.manifest.is_none()
    }
}

impl Held {
    fn take(&mut self, list: Value) {
        let version = list
            .pointer("/metadata/resourceVersion")
            .and_then(Value::as_str);
        let version = version.and_then(|v| v.parse().ok()).unwrap_or(0);
        self.resource_version = self.resource_version.max(version);
        match list {
            Value::Object(mut list) => {
                if let Some(Value::Array(items)) = list.remove("items") {
                    self.objects
                        .extend(items.into_iter().filter(Value::is_object));
                }
            }
            Value::Array(items) => self
                .objects
                .extend(items.into_iter().filter(Value::is_object)),
            _ => {}
        }
    }
}

/// Namespace and name of an object.
pub(crate) fn place(object: &Value) -> (&str, &str) {
    let text = |pointer| {
        object
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    (text("/metadata/namespace"), text("/metadata/name"))
}

/// The resource whose list an entry holds.
fn resource_of(kind: &EntryKind) -> Option<Key> {
    match kind {
        EntryKind::Objects { .. } => kind
            .resource()
            .map(|r| (r.group.to_owned(), r.plural.to_owned())),
        EntryKind::CustomObjects { crd, .. } => {
            let (plural, group) = crd.split_once('.')?;
            Some((group.to_owned(), plural.to_owned()))
        }
        _ => None,
    }
}

fn read_json(bundle: &Bundle, path: &str) -> Option<Value> {
    serde_json::from_slice(&bundle.read(path).ok()?).ok()
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
        pointers
            .iter()
            .filter_map(|p| o.pointer(p)?.as_str()?.parse().ok())
    });
    times.max().unwrap_or(Timestamp::UNIX_EPOCH)
}
