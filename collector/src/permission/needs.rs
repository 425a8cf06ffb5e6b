//! The table of what a capture asks the API server for, by resource and verb.

use bundle::SourceKind;
use bundle::resources::{CUSTOM_RESOURCE_GROUPS, RESOURCES};

use crate::plan::Plan;
use crate::sources::ALLOWED_CONFIG_MAPS;

/// Kinds of the captured groups whose objects live in no namespace.
const CLUSTER_SCOPED_CUSTOM: &[(&str, &[&str])] = &[
    ("gateway.networking.k8s.io", &["gatewayclasses"]),
    ("cert-manager.io", &["clusterissuers"]),
    ("trust.cert-manager.io", &["bundles", "clusterbundles"]),
];

/// Where something must be allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// In the cluster as a whole.
    Cluster,
    /// In every namespace that is captured.
    Namespaces,
}

/// One thing that must be allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Need {
    /// The API group; empty for the core group.
    pub group: &'static str,
    /// Resources, such as `pods/log`; `*` means all of the group.
    pub resources: Vec<&'static str>,
    /// Verbs; without the first nothing works.
    pub verbs: &'static [&'static str],
    /// Names of objects; empty means all.
    pub names: Vec<&'static str>,
    /// Where.
    pub place: Place,
    /// What is missing without it.
    pub missing: &'static str,
}

impl Need {
    fn new(group: &'static str, resource: &'static str, verbs: &'static [&'static str]) -> Self {
        Self {
            group,
            resources: vec![resource],
            verbs,
            names: Vec::new(),
            place: Place::Namespaces,
            missing: "",
        }
    }

    /// The first verb and a resource, as a user would name them.
    pub(crate) fn action(&self, resource: &str) -> String {
        let verb = self.verbs.first().copied().unwrap_or_default();
        match self.group {
            "" => format!("{verb} {resource}"),
            group => format!("{verb} {resource}.{group}"),
        }
    }

    fn missing(self, missing: &'static str) -> Self {
        Self { missing, ..self }
    }

    fn in_cluster(self) -> Self {
        Self {
            place: Place::Cluster,
            ..self
        }
    }
}

/// Everything that this plan asks for, but for the paths of `NON_RESOURCE_PATHS`.
pub fn needs(plan: &Plan) -> Vec<Need> {
    let mut needs: Vec<Need> = RESOURCES.iter().map(built_in).collect();
    needs.extend(custom());
    needs.push(Need::new("", "pods/log", &["get"]).missing(SourceKind::PodLogs.name()));
    if plan.scope.port_forward {
        // Clients that open a port-forward by WebSocket need `get`; newer API servers ask for
        // `create` besides.
        let forward = Need::new("", "pods/portforward", &["get", "create"]);
        needs.push(forward.missing("proxy-metrics, proxy-state, proxy-identity, server-tls"));
        let proxy = Need::new("", "pods/proxy", &["get"]);
        needs.push(proxy.missing("metrics where a port-forward fails"));
    }
    if plan.workflow.sign.is_some() {
        for resource in ["events", "pods"] {
            let watch = Need::new("", resource, &["watch"]);
            needs.push(watch.missing("the event or restart that is waited for"));
        }
    }
    for review in ["selfsubjectrulesreviews", "selfsubjectaccessreviews"] {
        let create = Need::new("authorization.k8s.io", review, &["create"]).in_cluster();
        needs.push(create.missing(SourceKind::AuthCaniList.name()));
    }
    needs
}

/// Paths that are no resources: discovery and the version.
pub(super) const NON_RESOURCE_PATHS: &[&str] = &["/api", "/api/*", "/apis", "/apis/*", "/version"];

fn built_in(resource: &bundle::resources::Resource) -> Need {
    let need = Need::new(resource.group, resource.plural, &["list"]);
    let need = match resource.plural {
        "events" => need.missing(SourceKind::Events.name()),
        "pods" => need.missing("pods, and with them all logs and metrics"),
        _ => need.missing(SourceKind::ClusterResources.name()),
    };
    if !resource.namespaced {
        return need.in_cluster();
    }
    match resource.plural {
        // Each is asked for by name, and a role can say so.
        "configmaps" => Need {
            names: ALLOWED_CONFIG_MAPS.iter().map(|(name, _)| *name).collect(),
            ..need
        },
        _ => need,
    }
}

fn custom() -> impl Iterator<Item = Need> {
    let missing = SourceKind::CustomResources.name();
    let all = CUSTOM_RESOURCE_GROUPS
        .iter()
        .map(move |group| Need::new(group, "*", &["list"]).missing(missing));
    let cluster = CLUSTER_SCOPED_CUSTOM
        .iter()
        .map(move |(group, resources)| Need {
            resources: resources.to_vec(),
            ..Need::new(group, "", &["list"])
                .in_cluster()
                .missing(missing)
        });
    all.chain(cluster)
}
