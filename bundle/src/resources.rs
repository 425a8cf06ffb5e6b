//! The Kubernetes kinds that have a place of their own in a bundle.
//!
//! Folder names are those of Replicated's troubleshoot where it has one, so that its readers
//! find our lists and we find theirs.

/// One built-in kind and the folder that holds its lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resource {
    /// The folder (or file stem, if cluster-scoped) below `cluster-resources/`.
    pub folder: &'static str,
    /// The API group; empty for the core group.
    pub group: &'static str,
    /// The version that is asked for.
    pub version: &'static str,
    /// The resource's plural name in URLs.
    pub plural: &'static str,
    /// The kind of one object.
    pub kind: &'static str,
    /// Whether its objects live in namespaces.
    pub namespaced: bool,
}

impl Resource {
    /// `v1` or `apps/v1`.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.to_owned()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }
}

const fn cluster(
    folder: &'static str,
    group: &'static str,
    plural: &'static str,
    kind: &'static str,
) -> Resource {
    Resource {
        folder,
        group,
        version: "v1",
        plural,
        kind,
        namespaced: false,
    }
}

const fn namespaced(
    folder: &'static str,
    group: &'static str,
    plural: &'static str,
    kind: &'static str,
) -> Resource {
    Resource {
        folder,
        group,
        version: "v1",
        plural,
        kind,
        namespaced: true,
    }
}

/// Every built-in kind that is captured, cluster-scoped ones first.
pub const RESOURCES: &[Resource] = &[
    cluster("nodes", "", "nodes", "Node"),
    cluster("namespaces", "", "namespaces", "Namespace"),
    cluster(
        "clusterroles",
        "rbac.authorization.k8s.io",
        "clusterroles",
        "ClusterRole",
    ),
    cluster(
        "clusterrolebindings",
        "rbac.authorization.k8s.io",
        "clusterrolebindings",
        "ClusterRoleBinding",
    ),
    cluster(
        "custom-resource-definitions",
        "apiextensions.k8s.io",
        "customresourcedefinitions",
        "CustomResourceDefinition",
    ),
    cluster(
        "mutating-webhook-configurations",
        "admissionregistration.k8s.io",
        "mutatingwebhookconfigurations",
        "MutatingWebhookConfiguration",
    ),
    cluster(
        "validating-webhook-configurations",
        "admissionregistration.k8s.io",
        "validatingwebhookconfigurations",
        "ValidatingWebhookConfiguration",
    ),
    cluster(
        "apiservices",
        "apiregistration.k8s.io",
        "apiservices",
        "APIService",
    ),
    cluster(
        "storage-classes",
        "storage.k8s.io",
        "storageclasses",
        "StorageClass",
    ),
    namespaced("pods", "", "pods", "Pod"),
    namespaced("events", "", "events", "Event"),
    namespaced("deployments", "apps", "deployments", "Deployment"),
    namespaced("replicasets", "apps", "replicasets", "ReplicaSet"),
    namespaced("statefulsets", "apps", "statefulsets", "StatefulSet"),
    namespaced("daemonsets", "apps", "daemonsets", "DaemonSet"),
    namespaced("jobs", "batch", "jobs", "Job"),
    namespaced("cronjobs", "batch", "cronjobs", "CronJob"),
    namespaced("services", "", "services", "Service"),
    namespaced("endpoints", "", "endpoints", "Endpoints"),
    namespaced(
        "endpointslices",
        "discovery.k8s.io",
        "endpointslices",
        "EndpointSlice",
    ),
    namespaced("configmaps", "", "configmaps", "ConfigMap"),
    namespaced("serviceaccounts", "", "serviceaccounts", "ServiceAccount"),
    namespaced("leases", "coordination.k8s.io", "leases", "Lease"),
    namespaced("roles", "rbac.authorization.k8s.io", "roles", "Role"),
    namespaced(
        "rolebindings",
        "rbac.authorization.k8s.io",
        "rolebindings",
        "RoleBinding",
    ),
    namespaced(
        "network-policy",
        "networking.k8s.io",
        "networkpolicies",
        "NetworkPolicy",
    ),
    namespaced(
        "pod-disruption-budgets",
        "policy",
        "poddisruptionbudgets",
        "PodDisruptionBudget",
    ),
    namespaced("limitranges", "", "limitranges", "LimitRange"),
    namespaced("resource-quota", "", "resourcequotas", "ResourceQuota"),
];

/// The API groups whose custom resources are captured whole.
pub const CUSTOM_RESOURCE_GROUPS: &[&str] = &[
    "linkerd.io",
    "policy.linkerd.io",
    "workload.linkerd.io",
    "multicluster.linkerd.io",
    "gateway.networking.k8s.io",
    "cert-manager.io",
    "trust.cert-manager.io",
];

/// Finds a built-in kind by the folder that holds its lists.
pub fn by_folder(folder: &str) -> Option<&'static Resource> {
    RESOURCES.iter().find(|r| r.folder == folder)
}

/// Finds a built-in kind by API group and plural name.
pub fn by_plural(group: &str, plural: &str) -> Option<&'static Resource> {
    RESOURCES
        .iter()
        .find(|r| r.group == group && r.plural == plural)
}
