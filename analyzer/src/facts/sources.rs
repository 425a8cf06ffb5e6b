//! All pieces of a bundle, sorted and indexed, for the derivations.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use bundle::SourceKind;
use bundle::layout::EntryKind;
use jiff::{SignedDuration, Timestamp};
use rayon::prelude::*;
use serde_json::Value;

use super::certificates::Presented;
use super::checks::Check;
use super::iptables::InitLog;
use super::json::Json;
use super::metrics::Scrape;
use super::proxy_state::ProxyState;
use super::row::text;
use super::{
    Context, Fact, Gap, Listed, LogEnd, Name, Object, Piece, certificates, control_plane, mesh,
    owner,
};

pub(crate) use super::owner::Owner;

/// Namespace and name.
pub(super) type Key = (String, String);

/// What the derivations read.
pub(crate) struct Sources<'a> {
    pub(super) context: Context<'a>,
    objects: BTreeMap<String, Vec<Object>>,
    listed: BTreeSet<Listed>,
    pub(super) scrapes: Vec<Scrape>,
    pub(super) chains: Vec<Presented>,
    pub(super) init_logs: Vec<InitLog>,
    pub(super) checks: Vec<Check>,
    pub(super) proxy_states: BTreeMap<Key, ProxyState>,
    pub(super) log_ends: BTreeMap<EntryKind, LogEnd>,
    pub(super) server_version: Option<String>,
    pub(super) gaps: Vec<Gap>,
    /// The workload of each pod, in the order of the pods.
    owners: Vec<Owner>,
    pods_of: BTreeMap<Owner, Vec<usize>>,
    /// The namespace of the control plane, if anything tells it.
    control_plane: Option<String>,
    values: Json,
    /// The row of the table `mesh`; null until it is derived.
    pub(super) mesh: Value,
}

impl<'a> Sources<'a> {
    pub(super) fn new(pieces: Vec<Piece>, context: Context<'a>) -> Self {
        let mut sources = Self {
            context,
            objects: BTreeMap::new(),
            listed: BTreeSet::new(),
            scrapes: Vec::new(),
            chains: Vec::new(),
            init_logs: Vec::new(),
            checks: Vec::new(),
            proxy_states: BTreeMap::new(),
            log_ends: BTreeMap::new(),
            server_version: None,
            gaps: Vec::new(),
            owners: Vec::new(),
            pods_of: BTreeMap::new(),
            control_plane: None,
            values: Json::Null,
            mesh: Value::Null,
        };
        for piece in pieces {
            sources.add(piece);
        }
        sources.sort();
        sources.control_plane = control_plane::find(&sources);
        sources.read_values();
        sources.find_owners();
        sources
    }

    /// What could not be derived. The objects of a large cluster take a while to free, which is left
    /// to another thread.
    pub(super) fn into_gaps(self) -> Vec<Gap> {
        let Self {
            objects,
            scrapes,
            gaps,
            ..
        } = self;
        rayon::spawn(move || drop((objects, scrapes)));
        gaps
    }

    fn add(&mut self, piece: Piece) {
        match piece {
            Piece::Object(object) => {
                self.objects
                    .entry(object.kind.to_string())
                    .or_default()
                    .push(*object);
            }
            Piece::Listed(listed) => {
                self.listed.insert(listed);
            }
            Piece::Scrape(scrape) => self.scrapes.push(*scrape),
            Piece::Chain(chain) => self.chains.push(*chain),
            Piece::InitLog(log) => self.init_logs.push(*log),
            Piece::Check(check) => self.checks.push(*check),
            Piece::ProxyState(state) => {
                self.proxy_states
                    .insert((state.namespace.clone(), state.pod.clone()), *state);
            }
            Piece::ServerVersion(version) => self.server_version = Some(version),
            Piece::LogEnd(end) => {
                if let Some(log) = end.log.clone() {
                    self.log_ends.insert(log, *end);
                }
            }
            Piece::Gap(gap) => self.gaps.push(gap),
        }
    }

    fn sort(&mut self) {
        self.objects.par_iter_mut().for_each(|(kind, objects)| {
            // Events are the same under both of their API groups.
            let is_event = *kind == "Event";
            let group = |a: &Object, b: &Object| {
                if is_event {
                    Ordering::Equal
                } else {
                    a.group.cmp(&b.group)
                }
            };
            let version = |o: &Object| -> u64 {
                text(&o.value, "/metadata/resourceVersion")
                    .parse()
                    .unwrap_or(0)
            };
            objects.sort_by(|a, b| {
                (&a.namespace, &a.name)
                    .cmp(&(&b.namespace, &b.name))
                    .then_with(|| group(a, b))
                    // The newest first.
                    .then_with(|| version(b).cmp(&version(a)))
                    .then_with(|| (&a.entry, a.line).cmp(&(&b.entry, b.line)))
            });
            objects.dedup_by(|later, kept| {
                later.namespace == kept.namespace
                    && later.name == kept.name
                    && group(later, kept).is_eq()
            });
            objects.shrink_to_fit();
        });
        self.drop_known_from_tables();
        self.scrapes.sort_by(|a, b| a.key().cmp(&b.key()));
        self.chains.sort_by(|a, b| a.entry.cmp(&b.entry));
        if self.objects.is_empty() {
            certificates::files::settle(&mut self.chains);
        }
        self.checks.sort_by(|a, b| a.place().cmp(b.place()));
        self.init_logs.sort_by(|a, b| a.entry.cmp(&b.entry));
    }

    /// Drops pods of a table without namespaces that are there with their namespace as well.
    fn drop_known_from_tables(&mut self) {
        let Some(pods) = self.objects.get_mut("Pod") else {
            return;
        };
        let bare = pods.partition_point(|pod| pod.namespace.is_empty());
        if bare == 0 {
            return;
        }
        let named = pods.split_off(bare);
        let names: BTreeSet<&str> = named.iter().map(|pod| pod.name.as_str()).collect();
        pods.retain(|pod| pod.value.get("printed").is_none() || !names.contains(pod.name.as_str()));
        pods.extend(named);
    }

    /// Reads the chart values that the control plane was installed with.
    fn read_values(&mut self) {
        let config = self.object(
            "ConfigMap",
            self.control_plane_namespace(),
            "linkerd-config",
        );
        let Some((entry, result)) = config.map(|c| (c.entry.to_string(), mesh::values(&c.value)))
        else {
            return;
        };
        match result {
            Ok(values) => self.values = values,
            Err(detail) => self.gaps.push(Gap { entry, detail }),
        }
        self.gaps.sort();
        self.gaps.dedup();
    }

    fn find_owners(&mut self) {
        let mut owners = Vec::new();
        let mut pods_of: BTreeMap<Owner, Vec<usize>> = BTreeMap::new();
        for (at, pod) in self.kind("Pod").iter().enumerate() {
            let owner = owner::top(self, pod);
            // A Job's pods count for the Job as well as for the CronJob above it.
            let direct = Owner {
                kind: Name::shared(&pod.value, "/metadata/ownerReferences/0/kind"),
                namespace: pod.namespace.clone(),
                name: Name::shared(&pod.value, "/metadata/ownerReferences/0/name"),
            };
            if direct != owner && !direct.name.is_empty() {
                pods_of.entry(direct).or_default().push(at);
            }
            pods_of.entry(owner.clone()).or_default().push(at);
            owners.push(owner);
        }
        self.owners = owners;
        self.pods_of = pods_of;
    }

    /// The objects of a kind, ordered by namespace and name.
    pub(super) fn kind(&self, kind: &str) -> &[Object] {
        self.objects
            .get(kind)
            .map(Vec::as_slice)
            .unwrap_or_default()
    }

    /// The objects of a kind in one namespace, ordered by name.
    pub(super) fn in_namespace(&self, kind: &str, namespace: &str) -> &[Object] {
        let all = self.kind(kind);
        let start = all.partition_point(|o| o.namespace.as_str() < namespace);
        let end = all.partition_point(|o| o.namespace.as_str() <= namespace);
        all.get(start..end).unwrap_or_default()
    }

    /// Every object of every kind.
    pub(super) fn all_objects(&self) -> impl Iterator<Item = &Object> {
        self.objects.values().flatten()
    }

    /// One object.
    pub(super) fn object(&self, kind: &str, namespace: &str, name: &str) -> Option<&Object> {
        self.kind(kind).get(self.position(kind, namespace, name)?)
    }

    /// The place of an object among those of its kind.
    fn position(&self, kind: &str, namespace: &str, name: &str) -> Option<usize> {
        let place = |o: &Object| (o.namespace.as_str(), o.name.as_str()).cmp(&(namespace, name));
        let objects = self.kind(kind);
        // Of those of several groups the first counts.
        let at = objects.partition_point(|o| place(o).is_lt());
        let is_it = objects.get(at).is_some_and(|o| place(o).is_eq());
        is_it.then_some(at)
    }

    /// Whether all objects of this kind in this namespace are in the bundle, so that what is not
    /// there does not exist. `namespace` is empty for cluster-scoped kinds.
    pub(super) fn is_complete(&self, kind: &str, namespace: &str) -> bool {
        let has = |namespace: &str| {
            self.listed.contains(&Listed {
                kind: kind.to_owned(),
                namespace: namespace.to_owned(),
            })
        };
        has("")
            || (!namespace.is_empty()
                && (has(namespace) || self.has_no_failed_list(kind, namespace)))
    }

    /// A namespace without objects of a kind may have no list in the bundle. It is complete if
    /// the manifest tells of no list of custom resources that failed.
    fn has_no_failed_list(&self, kind: &str, namespace: &str) -> bool {
        let Some(manifest) = self.context.manifest else {
            return false;
        };
        let Some(crd) = self.crd_of(kind) else {
            return false;
        };
        let is_namespace_read = ["Pod", "Service"].iter().any(|k| {
            self.listed.contains(&Listed {
                kind: (*k).to_owned(),
                namespace: namespace.to_owned(),
            })
        });
        let of_crd = |object: &str| object == crd || object.split('/').next() == Some(crd.as_str());
        let rows = manifest
            .ledger
            .iter()
            .filter(|r| r.source == SourceKind::CustomResources);
        let mut rows = rows.filter(|r| of_crd(&r.object)).peekable();
        is_namespace_read && rows.peek().is_some() && rows.all(|r| r.outcome.is_covered())
    }

    /// The name of the `CustomResourceDefinition` of a kind, if the cluster has one.
    fn crd_of(&self, kind: &str) -> Option<String> {
        let crds = self.kind("CustomResourceDefinition").iter();
        let mut crds = crds.filter(|c| text(&c.value, "/spec/names/kind") == kind);
        crds.next().map(|c| c.name.to_string())
    }

    /// The workload that a pod belongs to. For a pod that no list names, it is guessed from the
    /// shape of its name.
    pub(super) fn owner(&self, namespace: &str, pod: &str) -> Owner {
        self.position("Pod", namespace, pod)
            .and_then(|at| self.owners.get(at).cloned())
            .unwrap_or_else(|| owner::guessed(namespace, pod))
    }

    /// The workload of any object that events name.
    pub(super) fn owner_of(&self, kind: &str, namespace: &str, name: &str) -> Owner {
        if kind == "Pod" {
            return self.owner(namespace, name);
        }
        if let Some(object) = self.object(kind, namespace, name) {
            return owner::top(self, object);
        }
        owner::above(Owner {
            kind: kind.into(),
            namespace: namespace.into(),
            name: name.into(),
        })
    }

    /// The pods of a workload.
    pub(super) fn pods_of(&self, owner: &Owner) -> impl Iterator<Item = &Object> {
        let pods = self.kind("Pod");
        let found = self
            .pods_of
            .get(owner)
            .map(Vec::as_slice)
            .unwrap_or_default();
        found.iter().filter_map(|at| pods.get(*at))
    }

    /// Drops rows of a table that nobody takes.
    pub(super) fn judge(&self, table: &str, rows: &mut Vec<Fact>) {
        let Context { wanted, at, .. } = self.context;
        wanted.judge(table, rows, &self.mesh, at);
    }

    /// The rows of a table that are made from one object each, on all cores, without those that
    /// nobody asks for: all of them would take more room than the objects.
    pub(super) fn rows<F: IntoIterator<Item = Fact>>(
        &self,
        table: &str,
        objects: &[Object],
        of: impl Fn(&Object) -> F + Sync,
    ) -> Vec<Fact> {
        /// Objects whose rows are held at once by each thread.
        const CHUNK: usize = 128;
        let chunks = objects.par_chunks(CHUNK).map(|chunk| {
            let mut rows: Vec<Fact> = chunk.iter().flat_map(&of).collect();
            self.judge(table, &mut rows);
            rows
        });
        chunks.collect::<Vec<_>>().into_iter().flatten().collect()
    }

    /// "Now".
    pub(super) fn at(&self) -> Timestamp {
        self.context.at
    }

    /// The moment so long before which something was, by an age that somebody has printed.
    pub(super) fn before(&self, age_s: i64) -> Option<Timestamp> {
        let age = SignedDuration::from_secs(age_s);
        self.context.ages_from.checked_sub(age).ok()
    }

    /// The namespace of the control plane; `linkerd` if nothing tells.
    pub(super) fn control_plane_namespace(&self) -> &str {
        self.control_plane
            .as_deref()
            .unwrap_or(control_plane::USUAL)
    }

    /// The namespace of the control plane, if anything tells it.
    pub(super) fn control_plane(&self) -> Option<&str> {
        self.control_plane.as_deref()
    }

    /// The chart values in `linkerd-config`; null if there are none.
    pub(super) fn values(&self) -> &Json {
        &self.values
    }
}
