//! The sources, and in which waves they run: namespaces, then all other lists, then what the
//! lists showed to be there.

pub(crate) mod access;
mod admin;
mod certificates;
mod collected;
mod configmaps;
mod discovery;
mod events;
mod lists;
mod log_lines;
mod logs;
mod page;
mod paging;

use std::collections::BTreeSet;
use std::sync::Arc;

use bundle::layout::EntryKind;
use bundle::resources::RESOURCES;
use bundle::{Outcome, SourceKind};

use crate::cluster::Trouble;
use crate::mesh::{Mesh, Pod, Role};
use crate::plan::Scope;
use crate::queue::{Job, Priority};
use crate::session::{Captured, Item, Session};
use crate::spool::Content;

pub use configmaps::ALLOWED as ALLOWED_CONFIG_MAPS;
pub(crate) use lists::escape;
pub(crate) use page::read as read_page;

/// The marker that readers of Replicated's format look for.
pub(crate) const VERSION_YAML: &str =
    "apiVersion: troubleshoot.sh/v1beta2\nkind: SupportBundle\nspec:\n  versionNumber: \"1\"\n";

/// Captures what is known without asking: the marker and the API server's version.
pub async fn begin(session: &Session, version: Result<serde_json::Value, Trouble>) {
    let marker = Item::new(EntryKind::Version, "version.yaml");
    let content = Content::from_bytes(VERSION_YAML.into());
    session
        .capture(marker, async { Ok(Captured::whole(content)) })
        .await;
    let item = Item::new(EntryKind::ClusterVersion, "/version");
    let capture = async {
        let info = version?;
        let text = info.get("gitVersion").cloned().unwrap_or_default();
        let whole = serde_json::json!({"info": info, "string": text});
        Ok(Captured::whole(Content::from_bytes(
            whole.to_string().into_bytes(),
        )))
    };
    session.capture(item, capture).await;
}

/// Lists the namespaces, which says where everything else is looked for.
pub async fn namespaces(session: &Session, default_namespace: &str) {
    if let Some(resource) = bundle::resources::by_folder("namespaces") {
        lists::capture(session, lists::Listing::built_in(resource)).await;
    }
    let mut mesh = session.mesh();
    let asked = &session.plan.scope.namespaces;
    if !asked.is_empty() {
        // An asked-for namespace that is not there ends as empty lists.
        let mut chosen = asked.clone();
        chosen.extend(mesh.extensions.iter().cloned());
        chosen.extend(session.plan.scope.cni_namespace.clone());
        chosen.insert(mesh.linkerd_namespace(session.plan.scope.linkerd_namespace.as_deref()));
        mesh.namespaces = chosen;
    } else if mesh.namespaces.is_empty() {
        let linkerd = mesh.linkerd_namespace(session.plan.scope.linkerd_namespace.as_deref());
        mesh.namespaces
            .extend([linkerd, default_namespace.to_owned()]);
    }
}

/// The lists that say which pods there are and what leads to them: all that a plan needs.
const FOR_THE_PLAN: &[&str] = &[
    "nodes",
    "pods",
    "services",
    "mutating-webhook-configurations",
    "validating-webhook-configurations",
    "apiservices",
];

/// Queues every other list and discovery; for a dry run, the lists that the plan
/// needs.
pub fn queue_lists(session: &Session) {
    let is_dry = session.plan.dry_run;
    let is_wanted = |folder: &str| match folder {
        "namespaces" => false,
        _ => !is_dry || FOR_THE_PLAN.contains(&folder),
    };
    for resource in RESOURCES.iter().filter(|r| is_wanted(r.folder)) {
        let listing = match resource.folder {
            "configmaps" => configmaps::listing(resource),
            _ => lists::Listing::built_in(resource),
        };
        let list = |session: Arc<Session>| async move { lists::capture(&session, listing).await };
        session.queue.push(Job::new(Priority::Lists, &[], list));
    }
    if is_dry {
        return;
    }
    let discover = |session: Arc<Session>| async move { discovery::capture(&session).await };
    session.queue.push(Job::new(Priority::Lists, &[], discover));
}

/// Queues what the lists showed to be there: logs, admin ports, certificates.
pub async fn queue_pods(session: &Arc<Session>) {
    let mesh = std::mem::take(&mut *session.mesh());
    for node in &mesh.unready_nodes {
        session.nodes.distrust(node);
    }
    let linkerd = mesh.linkerd_namespace(session.plan.scope.linkerd_namespace.as_deref());
    let choice = Choice::new(&mesh, &session.plan.scope, linkerd.clone());
    if mesh.pods.is_empty() {
        let item = Item {
            source: SourceKind::PodLogs,
            object: "all pods".to_owned(),
            entry: None,
        };
        let reason = "no pod was listed, so there are none to be asked";
        session
            .leave_out(item, Trouble::new(Outcome::Skipped, reason))
            .await;
    }
    let mut pods: Vec<_> = mesh.pods.iter().collect();
    // Where not every log can be followed, those that matter are.
    pods.sort_by_key(|pod| choice.priority(pod));
    let is_limited = session.budget.is_limited();
    let mut later = 0;
    for pod in pods {
        let priority = choice.priority(pod);
        // Ports before logs: they are asked by more ways, and are of this very moment.
        if choice.wants_ports(pod) {
            admin::queue(session, pod, choice.is_control_plane(pod), priority).await;
        }
        // Where not all will fit, what the metrics tell says which logs come next.
        let is_now = !is_limited || priority <= Priority::Sick;
        if is_now {
            logs::queue(session, pod, choice.wants_logs(pod), priority).await;
        } else if choice.wants_logs(pod).is_ok() {
            later += logs::intend(session, pod);
        }
    }
    if is_limited {
        session.budget.expect_others(later);
    }
    certificates::queue_servers(session, &mesh).await;
    secrets(session, &linkerd).await;
    // Jobs know their pods; the rest is needed only where some are yet to be queued.
    if is_limited || session.plan.dry_run {
        *session.mesh() = mesh;
    }
}

/// Queues the logs that were put off until the metrics had told which edges fail.
pub async fn queue_the_rest(session: &Arc<Session>) {
    if !session.budget.is_limited() {
        return;
    }
    session.budget.expect_others(0);
    let mesh = std::mem::take(&mut *session.mesh());
    let failing = std::mem::take(&mut *session.failing());
    let linkerd = mesh.linkerd_namespace(session.plan.scope.linkerd_namespace.as_deref());
    let choice = Choice::new(&mesh, &session.plan.scope, linkerd);
    let mut workloads = BTreeSet::new();
    for pod in &mesh.pods {
        let is_first = workloads.insert((pod.namespace.as_str(), pod.owner.as_str()));
        let serves = |namespace: &str, service: &str| mesh.selects((namespace, service), pod);
        let priority = match choice.priority(pod) {
            Priority::Ordinary if failing.has(pod, serves) => Priority::Edge,
            Priority::Ordinary if is_first => Priority::Sample,
            priority => priority,
        };
        if priority > Priority::Sick {
            logs::queue(session, pod, choice.wants_logs(pod), priority).await;
        }
    }
    *session.mesh() = mesh;
}

/// No Secret is read; the ledger says so.
async fn secrets(session: &Session, linkerd: &str) {
    let entry = EntryKind::SecretNames {
        namespace: linkerd.to_owned(),
    };
    let reason = "no Secret is read: a list of Secrets cannot be had without their values";
    let trouble = Trouble::new(Outcome::Skipped, reason);
    session.leave_out(Item::new(entry, linkerd), trouble).await;
}

/// Which pods are looked at, and how soon.
struct Choice<'a> {
    scope: &'a Scope,
    linkerd: String,
    extensions: &'a BTreeSet<String>,
    /// Namespaces that hold a meshed pod, or one that should be.
    meshed: BTreeSet<&'a str>,
}

impl<'a> Choice<'a> {
    fn new(mesh: &'a Mesh, scope: &'a Scope, linkerd: String) -> Self {
        let meshed = mesh
            .pods
            .iter()
            .filter(|p| p.proxy.is_some() || p.is_injected);
        let meshed = meshed.map(|p| p.namespace.as_str());
        Self {
            scope,
            linkerd,
            extensions: &mesh.extensions,
            meshed: meshed
                .chain(mesh.injected.iter().map(String::as_str))
                .collect(),
        }
    }

    fn is_control_plane(&self, pod: &Pod) -> bool {
        pod.role != Role::Workload
            || pod.namespace == self.linkerd
            || self.extensions.contains(&pod.namespace)
    }

    fn wants_ports(&self, pod: &Pod) -> bool {
        pod.proxy.is_some() || self.is_control_plane(pod)
    }

    /// Why a pod's logs are left out, if they are.
    fn wants_logs(&self, pod: &Pod) -> Result<(), &'static str> {
        let is_wanted = self.is_control_plane(pod)
            || pod.proxy.is_some()
            || pod.is_dns()
            || self.meshed.contains(pod.namespace.as_str())
            || self.scope.namespaces.contains(&pod.namespace);
        let reason = "neither the pod nor its namespace belongs to the mesh; \
                      `--namespace` takes it in";
        if is_wanted { Ok(()) } else { Err(reason) }
    }

    fn priority(&self, pod: &Pod) -> Priority {
        match (self.is_control_plane(pod), pod.is_sick) {
            (true, true) => Priority::SickControlPlane,
            (true, false) => Priority::ControlPlane,
            (false, true) => Priority::Sick,
            (false, false) => Priority::Ordinary,
        }
    }
}
