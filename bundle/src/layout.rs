//! The map between entry paths and what the entries hold.
//!
//! [`EntryKind::of`] and [`EntryKind::path`] are each other's inverse within our own layout; every
//! program asks here and nowhere else where a thing is. Container logs in the layouts of other
//! tools are recognized as well, so an entry's own path is where it is, not that of its kind.

mod foreign;

pub use foreign::{Section, sections};

use crate::resources::{self, Resource};
use crate::{EntryPath, SourceKind};

/// What an entry holds, told by its path alone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EntryKind {
    /// `version.yaml`: troubleshoot's marker.
    Version,
    /// `manifest.json`.
    Manifest,
    /// `cluster-info/cluster_version.json`.
    ClusterVersion,
    /// `cluster-resources/groups.json`: API groups.
    Groups,
    /// `cluster-resources/resources.json`: API resources of every group version.
    Resources,
    /// A list of built-in objects; `namespace` is `None` for cluster-scoped kinds.
    Objects {
        /// Folder name of the kind, see [`Resource::folder`].
        folder: String,
        /// The namespace of the list.
        namespace: Option<String>,
    },
    /// A list of custom resources; `namespace` is `None` for cluster-scoped kinds.
    CustomObjects {
        /// Name of the `CustomResourceDefinition`: `servers.policy.linkerd.io`.
        crd: String,
        /// The namespace of the list.
        namespace: Option<String>,
    },
    /// What the collecting user may do in a namespace.
    CanI {
        /// The namespace.
        namespace: String,
    },
    /// One container's log.
    PodLog {
        /// Namespace of the pod.
        namespace: String,
        /// Name of the pod.
        pod: String,
        /// Name of the container.
        container: String,
        /// Whether it is the log of the container's previous instance.
        previous: bool,
    },
    /// The logs of all containers of a pod in one text, see [`sections`]. Only other tools write
    /// such entries.
    PodLogs {
        /// Namespace of the pod.
        namespace: String,
        /// Name of the pod.
        pod: String,
    },
    /// The n-th scrape of a proxy's `/metrics`.
    ProxyMetrics {
        /// Namespace of the pod.
        namespace: String,
        /// Name of the pod.
        pod: String,
        /// Number of the scrape, from 1.
        scrape: u32,
    },
    /// The n-th scrape of a control-plane container's `/metrics`.
    ControllerMetrics {
        /// Namespace of the pod.
        namespace: String,
        /// Name of the pod.
        pod: String,
        /// Name of the container.
        container: String,
        /// Number of the scrape, from 1.
        scrape: u32,
    },
    /// The certificate chain that a proxy presented, leaf first, PEM.
    ProxyIdentity {
        /// Namespace of the pod.
        namespace: String,
        /// Name of the pod.
        pod: String,
    },
    /// The certificate chain that a webhook or API-service server presented, leaf first, PEM.
    ServerTls {
        /// Namespace of the Service.
        namespace: String,
        /// Name of the Service.
        service: String,
    },
    /// Log level, readiness and liveness as a proxy's admin port told them.
    ProxyState {
        /// Namespace of the pod.
        namespace: String,
        /// Name of the pod.
        pod: String,
    },
    /// From when to when a proxy's log level was raised for the capture, and what it was before.
    LogLevel {
        /// Namespace of the pod.
        namespace: String,
        /// Name of the pod.
        pod: String,
    },
    /// Names, types and key names of Secrets.
    SecretNames {
        /// The namespace.
        namespace: String,
    },
    /// `collector/log.ndjson`: the collector's own log.
    CollectorLog,
    /// A manifest of what had ended when it was written: what a bundle says that was never
    /// finished.
    Checkpoint {
        /// Its number, from 0.
        number: u32,
    },
    /// Anything else.
    Other,
}

impl EntryKind {
    /// Tells what the entry at `path` holds.
    pub fn of(path: &EntryPath) -> Self {
        let parts: Vec<&str> = path.components().collect();
        let kind = match parts.as_slice() {
            ["version.yaml"] => Some(Self::Version),
            ["manifest.json"] => Some(Self::Manifest),
            ["collector", "log.ndjson"] => Some(Self::CollectorLog),
            ["collector", file] => checkpoint(file),
            ["cluster-info", "cluster_version.json"] => Some(Self::ClusterVersion),
            ["cluster-resources", rest @ ..] => cluster_resources(rest),
            ["linkerd", rest @ ..] => linkerd(rest),
            _ => None,
        };
        kind.or_else(|| foreign::of(&parts)).unwrap_or(Self::Other)
    }

    /// The path of an entry of this kind in our layout; `None` where it has no place for it, and
    /// for names that cannot stand in a path.
    pub fn path(&self) -> Option<EntryPath> {
        let text = match self {
            Self::Version => "version.yaml".to_owned(),
            Self::Manifest => "manifest.json".to_owned(),
            Self::CollectorLog => "collector/log.ndjson".to_owned(),
            Self::Checkpoint { number } => format!("collector/checkpoint.{number}.json"),
            Self::ClusterVersion => "cluster-info/cluster_version.json".to_owned(),
            Self::Groups => "cluster-resources/groups.json".to_owned(),
            Self::Resources => "cluster-resources/resources.json".to_owned(),
            Self::Objects { folder, namespace } => {
                let below = below(namespace.as_deref());
                format!("cluster-resources/{folder}{below}.json")
            }
            Self::CustomObjects { crd, namespace } => {
                let below = below(namespace.as_deref());
                format!("cluster-resources/custom-resources/{crd}{below}.json")
            }
            Self::CanI { namespace } => {
                format!("cluster-resources/auth-cani-list/{namespace}.json")
            }
            Self::PodLog {
                namespace,
                pod,
                container,
                previous,
            } => {
                let suffix = if *previous { "-previous" } else { "" };
                format!("cluster-resources/pods/logs/{namespace}/{pod}/{container}{suffix}.log")
            }
            Self::ProxyMetrics {
                namespace,
                pod,
                scrape,
            } => {
                format!("linkerd/proxy-metrics/{namespace}/{pod}.{scrape}.prom")
            }
            Self::ControllerMetrics {
                namespace,
                pod,
                container,
                scrape,
            } => {
                format!("linkerd/controller-metrics/{namespace}/{pod}/{container}.{scrape}.prom")
            }
            Self::ProxyIdentity { namespace, pod } => {
                format!("linkerd/identity/{namespace}/{pod}.pem")
            }
            Self::ServerTls { namespace, service } => {
                format!("linkerd/tls/{namespace}/{service}.pem")
            }
            Self::ProxyState { namespace, pod } => {
                format!("linkerd/proxy-state/{namespace}/{pod}.json")
            }
            Self::LogLevel { namespace, pod } => {
                format!("linkerd/log-level/{namespace}/{pod}.json")
            }
            Self::SecretNames { namespace } => format!("linkerd/secrets/{namespace}.json"),
            Self::PodLogs { .. } | Self::Other => return None,
        };
        EntryPath::parse(text).ok()
    }

    /// The built-in kind that a list of objects holds.
    pub fn resource(&self) -> Option<&'static Resource> {
        match self {
            Self::Objects { folder, .. } => resources::by_folder(folder),
            _ => None,
        }
    }

    /// The source that such an entry comes from; `None` for [`EntryKind::Other`].
    pub fn source(&self) -> Option<SourceKind> {
        Some(match self {
            Self::Version | Self::Manifest | Self::CollectorLog | Self::Checkpoint { .. } => {
                SourceKind::Bundle
            }
            Self::ClusterVersion => SourceKind::ClusterInfo,
            Self::Groups | Self::Resources => SourceKind::Discovery,
            Self::Objects { folder, .. } if folder == "events" => SourceKind::Events,
            Self::Objects { .. } => SourceKind::ClusterResources,
            Self::CustomObjects { .. } => SourceKind::CustomResources,
            Self::CanI { .. } => SourceKind::AuthCaniList,
            Self::PodLog { .. } | Self::PodLogs { .. } => SourceKind::PodLogs,
            Self::ProxyMetrics { .. } => SourceKind::ProxyMetrics,
            Self::ControllerMetrics { .. } => SourceKind::ControllerMetrics,
            Self::ProxyIdentity { .. } => SourceKind::ProxyIdentity,
            Self::ServerTls { .. } => SourceKind::ServerTls,
            Self::ProxyState { .. } | Self::LogLevel { .. } => SourceKind::ProxyState,
            Self::SecretNames { .. } => SourceKind::SecretNames,
            Self::Other => return None,
        })
    }
}

fn checkpoint(file: &str) -> Option<EntryKind> {
    let number = file.strip_prefix("checkpoint.")?.strip_suffix(".json")?;
    let number = number
        .parse()
        .ok()
        .filter(|n: &u32| n.to_string() == number)?;
    Some(EntryKind::Checkpoint { number })
}

fn below(namespace: Option<&str>) -> String {
    namespace.map(|n| format!("/{n}")).unwrap_or_default()
}

fn cluster_resources(parts: &[&str]) -> Option<EntryKind> {
    Some(match parts {
        ["groups.json"] => EntryKind::Groups,
        ["resources.json"] => EntryKind::Resources,
        ["auth-cani-list", file] => EntryKind::CanI {
            namespace: stem(file, ".json")?,
        },
        ["pods", "logs", namespace, pod, file] => {
            let stem = stem(file, ".log")?;
            // Where troubleshoot says why it has no log.
            if stem.ends_with("-logs-errors") {
                return None;
            }
            let (container, previous) = match stem.strip_suffix("-previous") {
                Some(container) if !container.is_empty() => (container.to_owned(), true),
                _ => (stem, false),
            };
            let (namespace, pod) = ((*namespace).to_owned(), (*pod).to_owned());
            EntryKind::PodLog {
                namespace,
                pod,
                container,
                previous,
            }
        }
        // Troubleshoot writes each as YAML too.
        ["custom-resources", file] => EntryKind::CustomObjects {
            crd: stem(file, ".json")?,
            namespace: None,
        },
        ["custom-resources", crd, file] => EntryKind::CustomObjects {
            crd: (*crd).to_owned(),
            namespace: Some(stem(file, ".json")?),
        },
        [file] => {
            let folder = stem(file, ".json")?;
            resources::by_folder(&folder)?;
            EntryKind::Objects {
                folder,
                namespace: None,
            }
        }
        [folder, file] => {
            resources::by_folder(folder)?;
            EntryKind::Objects {
                folder: (*folder).to_owned(),
                namespace: Some(stem(file, ".json")?),
            }
        }
        _ => return None,
    })
}

fn linkerd(parts: &[&str]) -> Option<EntryKind> {
    let own = |text: &str| text.to_owned();
    Some(match parts {
        ["proxy-metrics", namespace, file] => {
            let (pod, scrape) = numbered(file)?;
            EntryKind::ProxyMetrics {
                namespace: own(namespace),
                pod,
                scrape,
            }
        }
        ["controller-metrics", namespace, pod, file] => {
            let (container, scrape) = numbered(file)?;
            EntryKind::ControllerMetrics {
                namespace: own(namespace),
                pod: own(pod),
                container,
                scrape,
            }
        }
        ["identity", namespace, file] => EntryKind::ProxyIdentity {
            namespace: own(namespace),
            pod: stem(file, ".pem")?,
        },
        ["tls", namespace, file] => EntryKind::ServerTls {
            namespace: own(namespace),
            service: stem(file, ".pem")?,
        },
        ["proxy-state", namespace, file] => EntryKind::ProxyState {
            namespace: own(namespace),
            pod: stem(file, ".json")?,
        },
        ["log-level", namespace, file] => EntryKind::LogLevel {
            namespace: own(namespace),
            pod: stem(file, ".json")?,
        },
        ["secrets", file] => EntryKind::SecretNames {
            namespace: stem(file, ".json")?,
        },
        _ => return None,
    })
}

fn stem(file: &str, extension: &str) -> Option<String> {
    file.strip_suffix(extension)
        .filter(|s| !s.is_empty())
        .map(str::to_owned)
}

/// Splits `cart-5f6b.2.prom` into the name and the scrape's number.
fn numbered(file: &str) -> Option<(String, u32)> {
    let (name, scrape) = file.strip_suffix(".prom")?.rsplit_once('.')?;
    Some((name.to_owned(), scrape.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kind_and_path_are_each_others_inverse() {
        for text in [
            "version.yaml",
            "manifest.json",
            "collector/log.ndjson",
            "collector/checkpoint.12.json",
            "cluster-info/cluster_version.json",
            "cluster-resources/groups.json",
            "cluster-resources/resources.json",
            "cluster-resources/nodes.json",
            "cluster-resources/network-policy/shop.json",
            "cluster-resources/custom-resources/servers.policy.linkerd.io/shop.json",
            "cluster-resources/custom-resources/gatewayclasses.gateway.networking.k8s.io.json",
            "cluster-resources/auth-cani-list/shop.json",
            "cluster-resources/pods/logs/shop/cart-5f6b/linkerd-proxy.log",
            "cluster-resources/pods/logs/shop/cart-5f6b/linkerd-proxy-previous.log",
            "linkerd/proxy-metrics/shop/cart-5f6b.2.prom",
            "linkerd/controller-metrics/linkerd/linkerd-destination-1/policy.1.prom",
            "linkerd/identity/shop/cart-5f6b.pem",
            "linkerd/tls/linkerd/linkerd-sp-validator.pem",
            "linkerd/proxy-state/shop/cart-5f6b.json",
            "linkerd/log-level/shop/cart-5f6b.json",
            "linkerd/secrets/linkerd.json",
        ] {
            let path = EntryPath::parse(text).unwrap();
            let kind = EntryKind::of(&path);
            assert_ne!(kind, EntryKind::Other, "{text}");
            assert_eq!(kind.path(), Some(path), "{kind:?}");
        }
    }

    #[test]
    fn a_path_of_no_known_shape_is_other() {
        for text in [
            "notes.txt",
            "linkerd/proxy-metrics/shop/cart.prom",
            "cluster-resources/x/y.json",
        ] {
            assert_eq!(
                EntryKind::of(&EntryPath::parse(text).unwrap()),
                EntryKind::Other
            );
        }
    }
}
