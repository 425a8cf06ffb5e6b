//! All pieces of a bundle, sorted and indexed, for the derivations.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::certificates::Presented;
use super::iptables::InitLog;
use super::metrics::Scrape;
use super::proxies::ProxyState;
use super::row::text;
use super::{Context, Gap, LogEnd, Object, Piece};

/// Namespace and name.
pub(super) type Key = (String, String);

/// What the derivations read.
pub(crate) struct Sources<'a> {
    pub(super) context: Context<'a>,
    objects: BTreeMap<String, Vec<Object>>,
    pub(super) scrapes: Vec<Scrape>,
    pub(super) chains: Vec<Presented>,
    pub(super) init_logs: Vec<InitLog>,
    pub(super) proxy_states: BTreeMap<Key, ProxyState>,
    pub(super) log_ends: BTreeMap<String, LogEnd>,
    pub(super) server_version: Option<String>,
    pub(super) gaps: Vec<Gap>,
    owners: BTreeMap<Key, Owner>,
}

/// The workload that a pod belongs to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Owner {
    pub(super) kind: String,
    pub(super) namespace: String,
    pub(super) name: String,
}

impl<'a> Sources<'a> {
    pub(super) fn new(pieces: Vec<Piece>, context: Context<'a>) -> Self {
        let mut sources = Self {
            context,
            objects: BTreeMap::new(),
            scrapes: Vec::new(),
            chains: Vec::new(),
            init_logs: Vec::new(),
            proxy_states: BTreeMap::new(),
            log_ends: BTreeMap::new(),
            server_version: None,
            gaps: Vec::new(),
            owners: BTreeMap::new(),
        };
        for piece in pieces {
            sources.add(piece);
        }
        sources.sort();
        sources.find_owners();
        sources
    }

    fn add(&mut self, piece: Piece) {
        match piece {
            Piece::Object(object) => {
                self.objects
                    .entry(object.kind.clone())
                    .or_default()
                    .push(*object);
            }
            Piece::Scrape(scrape) => self.scrapes.push(*scrape),
            Piece::Chain(chain) => self.chains.push(*chain),
            Piece::InitLog(log) => self.init_logs.push(*log),
            Piece::ProxyState(state) => {
                self.proxy_states
                    .insert((state.namespace.clone(), state.pod.clone()), *state);
            }
            Piece::ServerVersion(version) => self.server_version = Some(version),
            Piece::LogEnd(end) => {
                self.log_ends.insert(end.entry.clone(), *end);
            }
            Piece::Gap(gap) => self.gaps.push(gap),
        }
    }

    fn sort(&mut self) {
        for objects in self.objects.values_mut() {
            objects.sort_by(|a, b| {
                (&a.namespace, &a.name, &a.entry, a.line).cmp(&(
                    &b.namespace,
                    &b.name,
                    &b.entry,
                    b.line,
                ))
            });
            objects.dedup_by(|a, b| {
                a.namespace == b.namespace && a.name == b.name && a.value == b.value
            });
        }
        self.scrapes.sort_by(|a, b| a.key().cmp(&b.key()));
        self.chains.sort_by(|a, b| a.entry.cmp(&b.entry));
        self.init_logs.sort_by(|a, b| a.entry.cmp(&b.entry));
        self.gaps.sort();
        self.gaps.dedup();
    }

    /// Follows owner references from pods up to what people made.
    fn find_owners(&mut self) {
        let mut owners = BTreeMap::new();
        for pod in self.kind("Pod") {
            let owner = self.top_owner(pod);
            owners.insert((pod.namespace.clone(), pod.name.clone()), owner);
        }
        self.owners = owners;
    }

    fn top_owner(&self, object: &Object) -> Owner {
        let mut owner = Owner {
            kind: object.kind.clone(),
            namespace: object.namespace.clone(),
            name: object.name.clone(),
        };
        let mut value = Some(&object.value);
        // Pod, ReplicaSet, Deployment, and perhaps an operator's kind above them.
        for _ in 0..5 {
            let Some(reference) = value.and_then(|v| v.pointer("/metadata/ownerReferences/0"))
            else {
                break;
            };
            let (kind, name) = (text(reference, "/kind"), text(reference, "/name"));
            if kind.is_empty() || kind == "Node" {
                break;
            }
            let found = self.object(kind, &owner.namespace, name);
            owner = Owner {
                kind: kind.to_owned(),
                name: name.to_owned(),
                ..owner
            };
            value = found.map(|o| &o.value);
            if found.is_none() && kind == "ReplicaSet" {
                owner = deployment_of(owner);
            }
        }
        owner
    }

    /// The objects of a kind, ordered by namespace and name.
    pub(super) fn kind(&self, kind: &str) -> &[Object] {
        self.objects
            .get(kind)
            .map(Vec::as_slice)
            .unwrap_or_default()
    }

    /// Every object of every kind.
    pub(super) fn all_objects(&self) -> impl Iterator<Item = &Object> {
        self.objects.values().flatten()
    }

    /// One object.
    pub(super) fn object(&self, kind: &str, namespace: &str, name: &str) -> Option<&Object> {
        let objects = self.kind(kind);
        let at = objects
            .binary_search_by(|o| (o.namespace.as_str(), o.name.as_str()).cmp(&(namespace, name)));
        at.ok().and_then(|at| objects.get(at))
    }

    /// The workload that a pod belongs to. For a pod that no list names, it is guessed from the
    /// shape of its name.
    pub(super) fn owner(&self, namespace: &str, pod: &str) -> Owner {
        let key = (namespace.to_owned(), pod.to_owned());
        self.owners
            .get(&key)
            .cloned()
            .unwrap_or_else(|| guess_owner(namespace, pod))
    }

    /// "Now".
    pub(super) fn at(&self) -> Timestamp {
        self.context.at
    }

    /// The namespace of the control plane.
    pub(super) fn control_plane_namespace(&self) -> String {
        let by_label = self.kind("Pod").iter().find_map(|pod| {
            let component = pod
                .value
                .pointer("/metadata/labels/linkerd.io~1control-plane-component")?;
            matches!(
                component.as_str(),
                Some("destination" | "identity" | "proxy-injector")
            )
            .then(|| pod.namespace.clone())
        });
        let by_config = || {
            let configs = self.kind("ConfigMap").iter();
            configs
                .filter(|c| c.name == "linkerd-config")
                .map(|c| c.namespace.clone())
                .next()
        };
        let by_workload = || {
            let deployments = self.kind("Deployment").iter();
            let known = [
                "linkerd-destination",
                "linkerd-identity",
                "linkerd-proxy-injector",
            ];
            deployments
                .filter(|d| known.contains(&d.name.as_str()))
                .map(|d| d.namespace.clone())
                .next()
        };
        by_label
            .or_else(by_config)
            .or_else(by_workload)
            .unwrap_or_else(|| "linkerd".to_owned())
    }
}

/// The Deployment of a `ReplicaSet` that is not in the bundle.
fn deployment_of(owner: Owner) -> Owner {
    match owner.name.rsplit_once('-') {
        Some((name, hash)) if hash.len() >= 5 => Owner {
            kind: "Deployment".to_owned(),
            name: name.to_owned(),
            ..owner
        },
        _ => owner,
    }
}

/// Guesses a workload from a pod's name: `cart-7d9c4f5b6-x2k8p` is of Deployment `cart`,
/// `db-0` of `StatefulSet` `db`.
pub(crate) fn guess(pod: &str) -> (&'static str, String) {
    let random = |part: &str| part.len() == 5 && part.bytes().all(|b| b.is_ascii_alphanumeric());
    let hash = |part: &str| {
        (6..=10).contains(&part.len())
            && part.bytes().all(|b| b.is_ascii_alphanumeric())
            && part.bytes().any(|b| b.is_ascii_digit())
    };
    match pod.rsplit_once('-') {
        Some((rest, suffix)) if random(suffix) => match rest.rsplit_once('-') {
            Some((name, middle)) if hash(middle) => ("Deployment", name.to_owned()),
            _ => ("DaemonSet", rest.to_owned()),
        },
        Some((name, number))
            if number.bytes().all(|b| b.is_ascii_digit()) && !number.is_empty() =>
        {
            ("StatefulSet", name.to_owned())
        }
        _ => ("Pod", pod.to_owned()),
    }
}

fn guess_owner(namespace: &str, pod: &str) -> Owner {
    let (kind, name) = guess(pod);
    Owner {
        kind: kind.to_owned(),
        namespace: namespace.to_owned(),
        name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pods_workload_is_guessed_from_its_name() {
        assert_eq!(
            guess("cart-7d9c4f5b6-x2k8p"),
            ("Deployment", "cart".to_owned())
        );
        assert_eq!(
            guess("node-exporter-x2k8p"),
            ("DaemonSet", "node-exporter".to_owned())
        );
        assert_eq!(guess("db-0"), ("StatefulSet", "db".to_owned()));
        assert_eq!(guess("solo"), ("Pod", "solo".to_owned()));
    }
}
