//! Sources: the kinds of things that are captured.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One kind of thing captured. The same name is used in the collector's plan, the ledger and
/// the `needs` of a rule.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum SourceKind {
    /// The bundle's own entries, such as `version.yaml` and the collector's log.
    Bundle,
    /// `GET /version`.
    ClusterInfo,
    /// Lists of built-in Kubernetes objects, but for events.
    ClusterResources,
    /// Kubernetes events.
    Events,
    /// Linkerd's, Gateway API's and cert-manager's custom resources.
    CustomResources,
    /// API groups and resources.
    Discovery,
    /// What the collecting user may do in each namespace.
    AuthCaniList,
    /// Container logs. Those of `linkerd-init` are the iptables evidence.
    #[serde(alias = "logs")]
    PodLogs,
    /// Scrapes of the proxies' admin port.
    #[serde(alias = "linkerd/proxy-metrics")]
    ProxyMetrics,
    /// Scrapes of the admin ports of control-plane containers.
    #[serde(alias = "linkerd/controller-metrics")]
    ControllerMetrics,
    /// The certificate chain that each proxy presents.
    #[serde(alias = "linkerd/identity")]
    ProxyIdentity,
    /// Certificate chains presented by webhook and API-service servers.
    #[serde(alias = "linkerd/tls")]
    ServerTls,
    /// Log level, readiness and liveness as the proxy's admin port tells them.
    #[serde(alias = "linkerd/proxy-state")]
    ProxyState,
    /// Names, types and key names of Secrets; never their values.
    #[serde(alias = "secrets")]
    SecretNames,
}

impl SourceKind {
    /// Every source, in the order of the plan.
    pub const ALL: [Self; 14] = [
        Self::Bundle,
        Self::ClusterInfo,
        Self::ClusterResources,
        Self::Events,
        Self::CustomResources,
        Self::Discovery,
        Self::AuthCaniList,
        Self::PodLogs,
        Self::ProxyMetrics,
        Self::ControllerMetrics,
        Self::ProxyIdentity,
        Self::ServerTls,
        Self::ProxyState,
        Self::SecretNames,
    ];

    /// The name used in the ledger, in rules and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bundle => "bundle",
            Self::ClusterInfo => "cluster-info",
            Self::ClusterResources => "cluster-resources",
            Self::Events => "events",
            Self::CustomResources => "custom-resources",
            Self::Discovery => "discovery",
            Self::AuthCaniList => "auth-cani-list",
            Self::PodLogs => "pod-logs",
            Self::ProxyMetrics => "proxy-metrics",
            Self::ControllerMetrics => "controller-metrics",
            Self::ProxyIdentity => "proxy-identity",
            Self::ServerTls => "server-tls",
            Self::ProxyState => "proxy-state",
            Self::SecretNames => "secret-names",
        }
    }
}

impl fmt::Display for SourceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
