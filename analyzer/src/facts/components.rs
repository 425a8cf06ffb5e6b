//! The table `components`: the workloads of the control plane and of extensions, and whether
//! they would survive the loss of a node.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::json::{Json, NULL};
use super::kube::{
    COMPONENT, EXTENSION, PROXY, is_true, label, registry, selects, spec_containers, statuses, tag,
};
use super::quantity::resources;
use super::row::{Row, int, text};
use super::sources::Owner;
use super::workloads::Replicas;
use super::{Fact, Object, Sources, containers};
use crate::evidence::Evidence;

/// What no mesh works without, with the name of its Deployment.
const CORE: [(&str, &str); 3] = [
    ("destination", "linkerd-destination"),
    ("identity", "linkerd-identity"),
    ("proxy-injector", "linkerd-proxy-injector"),
];

/// The component of the core that a Deployment of this name is.
pub(super) fn of_deployment(name: &str) -> Option<&'static str> {
    let mut core = CORE.iter();
    core.find(|(_, deployment)| *deployment == name)
        .map(|(component, _)| *component)
}

/// One component.
pub(super) struct Component<'a> {
    /// `destination`, `identity`, `proxy-injector`, or what its label says.
    pub(super) name: String,
    pub(super) extension: String,
    pub(super) is_core: bool,
    pub(super) is_present: bool,
    /// Its workload, if that is in the bundle.
    pub(super) object: Option<&'a Object>,
    pods: Vec<&'a Object>,
    /// How many pods there should be; unknown if only pods are in the bundle.
    pub(super) desired: Option<i64>,
    pub(super) ready: i64,
    pub(super) version: String,
    pub(super) owner: Owner,
}

impl<'a> Component<'a> {
    /// Where it shows that it is there: its workload, or else a pod.
    pub(super) fn anchor(&self) -> Option<&'a Object> {
        self.object.or_else(|| self.pods.first().copied())
    }

    pub(super) fn is_down(&self) -> bool {
        !self.is_present || self.ready == 0
    }
}

/// Every component, those of the core first.
pub(super) fn all<'a>(sources: &'a Sources<'_>) -> Vec<Component<'a>> {
    let namespace = sources.control_plane_namespace();
    let mut found: Vec<Component<'_>> = Vec::new();
    for object in ["Deployment", "DaemonSet", "StatefulSet"]
        .iter()
        .flat_map(|k| sources.kind(k))
    {
        found.extend(of_workload(sources, object));
    }
    let mut seen: BTreeSet<Owner> = found.iter().map(|c| c.owner.clone()).collect();
    for pod in sources.kind("Pod") {
        let owner = sources.owner(&pod.namespace, &pod.name);
        if is_ours(sources, pod)
            && owner.kind != "Job"
            && owner.kind != "CronJob"
            && !seen.contains(&owner)
        {
            found.push(of_pods(sources, pod, owner.clone()));
            seen.insert(owner);
        }
    }
    let is_there = !found.is_empty()
        || sources
            .object("ConfigMap", namespace, "linkerd-config")
            .is_some();
    for (name, deployment) in CORE {
        let is_known = is_there && sources.is_complete("Deployment", namespace);
        if is_known && !found.iter().any(|c| c.is_core && c.name == name) {
            found.push(absent(namespace, name, deployment));
        }
    }
    found.sort_by(|a, b| {
        (!a.is_core, &a.extension, &a.name, &a.owner).cmp(&(
            !b.is_core,
            &b.extension,
            &b.name,
            &b.owner,
        ))
    });
    found
}

/// Whether an object is of the control plane or of an extension.
fn is_ours(sources: &Sources<'_>, object: &Object) -> bool {
    !label(&object.value, COMPONENT).is_empty() || !extension_of(sources, object).is_empty()
}

fn extension_of<'a>(sources: &'a Sources<'_>, object: &'a Object) -> &'a str {
    let own = label(&object.value, EXTENSION);
    let namespace = || sources.object("Namespace", "", &object.namespace);
    if own.is_empty() {
        namespace()
            .map(|n| label(&n.value, EXTENSION))
            .unwrap_or_default()
    } else {
        own
    }
}

fn name_of(object: &Object) -> String {
    let core = of_deployment(&object.name);
    let labels = [
        label(&object.value, COMPONENT),
        label(&object.value, "component"),
    ];
    let labelled = labels.into_iter().find(|l| !l.is_empty());
    core.or(labelled).unwrap_or(&object.name).to_owned()
}

fn of_workload<'a>(sources: &'a Sources<'_>, object: &'a Object) -> Option<Component<'a>> {
    let beside_core = object.namespace == sources.control_plane_namespace();
    let name = name_of(object);
    let is_core = beside_core && CORE.iter().any(|(core, _)| *core == name);
    if !is_core && !is_ours(sources, object) {
        return None;
    }
    let owner = Owner::of(object);
    let replicas = Replicas::of(object);
    let template = object.value.pointer("/spec/template").unwrap_or(&NULL);
    Some(Component {
        extension: extension_of(sources, object).to_owned(),
        is_core,
        is_present: true,
        object: Some(object),
        pods: sources.pods_of(&owner).collect(),
        desired: Some(replicas.desired),
        ready: replicas.ready,
        version: version_of(template, &name),
        name,
        owner,
    })
}

/// A component of which only pods are in the bundle.
fn of_pods<'a>(sources: &'a Sources<'_>, pod: &'a Object, owner: Owner) -> Component<'a> {
    let pods: Vec<&Object> = sources.pods_of(&owner).collect();
    let name = match label(&pod.value, COMPONENT) {
        "" => match label(&pod.value, "component") {
            "" => owner.name.to_string(),
            name => name.to_owned(),
        },
        name => name.to_owned(),
    };
    Component {
        extension: extension_of(sources, pod).to_owned(),
        is_core: CORE.iter().any(|(core, _)| *core == name),
        is_present: true,
        object: None,
        ready: i64::try_from(pods.iter().filter(|p| is_true(&p.value, "Ready")).count())
            .unwrap_or(i64::MAX),
        pods,
        desired: None,
        version: version_of(&pod.value, &name),
        name,
        owner,
    }
}

fn absent(namespace: &str, name: &str, deployment: &str) -> Component<'static> {
    Component {
        name: name.to_owned(),
        extension: String::new(),
        is_core: true,
        is_present: false,
        object: None,
        pods: Vec::new(),
        desired: None,
        ready: 0,
        version: String::new(),
        owner: Owner {
            kind: "Deployment".into(),
            namespace: namespace.into(),
            name: deployment.into(),
        },
    }
}

/// The tag of the component's own image: of the container that has its name, else of the first
/// that is not the proxy's.
fn version_of(template: &Json, component: &str) -> String {
    let own = |c: &&Json| text(c, "/name") == component;
    let containers = || super::row::list(template, "/spec/containers").iter();
    let found = containers()
        .find(own)
        .or_else(|| containers().find(|c| text(c, "/name") != PROXY));
    found
        .map(|c| tag(text(c, "/image")).to_owned())
        .unwrap_or_default()
}

/// Derives the table.
pub(super) fn derive(sources: &Sources<'_>) -> Vec<Fact> {
    all(sources)
        .iter()
        .filter_map(|c| fact(sources, c))
        .collect()
}

fn fields(sources: &Sources<'_>, component: &Component<'_>) -> Row {
    let owner = &component.owner;
    let restarts: i64 = component
        .pods
        .iter()
        .flat_map(|p| statuses(&p.value))
        .filter_map(|s| int(s, "/restartCount"))
        .sum();
    let row = Row::new()
        .set("name", component.name.as_str())
        .set("namespace", owner.namespace.as_str())
        .set("workload", owner.to_value())
        .set("core", component.is_core)
        .text("extension", &component.extension)
        .set("present", component.is_present)
        .opt("desired", component.desired)
        .set("ready", component.ready)
        .set("pods", component.pods.len())
        .set("restarts", restarts)
        .set(
            "scaled_to_zero",
            component.desired == Some(0) && owner.kind != "DaemonSet",
        )
        .set("down", component.is_down())
        .text("version", &component.version);
    posture(row, sources, component)
}

fn fact(sources: &Sources<'_>, component: &Component<'_>) -> Option<Fact> {
    let owner = &component.owner;
    let place = format!("{} {}/{}", owner.kind, owner.namespace, owner.name);
    let excerpt = match (component.is_present, component.desired) {
        (false, _) => format!("{place} does not exist"),
        (true, Some(0)) => format!("{place}: scaled to 0"),
        (true, Some(desired)) => format!("{place}: {} of {desired} ready", component.ready),
        (true, None) => format!("{place}: {} of its pods ready", component.ready),
    };
    let mut subjects = vec![owner.subject()];
    subjects.extend(component.pods.iter().map(|p| p.subject()));
    let mut evidence: Vec<Evidence> = component
        .object
        .map(|o| o.evidence(&excerpt))
        .into_iter()
        .collect();
    let unready = component
        .pods
        .iter()
        .filter(|p| !is_true(&p.value, "Ready"));
    evidence.extend(unready.map(|p| {
        p.evidence(&format!(
            "Pod {}: {}",
            p.place(),
            super::pods::status(&p.value)
        ))
    }));
    if evidence.is_empty() {
        evidence.push(place_of(sources, component, &excerpt)?);
    }
    Some(Fact {
        subjects,
        evidence,
        fields: fields(sources, component).build(),
        kept: None,
    })
}

/// Where it shows that a component is not there, or only pods show that it is.
fn place_of(sources: &Sources<'_>, component: &Component<'_>, excerpt: &str) -> Option<Evidence> {
    let namespace = sources.control_plane_namespace();
    let pod = component.pods.first().copied();
    let beside = sources.in_namespace("Deployment", namespace).first();
    let config = sources.object("ConfigMap", namespace, "linkerd-config");
    pod.or(beside)
        .or(config)
        .map(|object| object.evidence(excerpt))
}

/// Whether it would survive the loss of a node or a burst of load.
fn posture(row: Row, sources: &Sources<'_>, component: &Component<'_>) -> Row {
    let Some(object) = component.object else {
        return row;
    };
    let template = object.value.pointer("/spec/template").unwrap_or(&NULL);
    let nodes: BTreeSet<&str> = component
        .pods
        .iter()
        .map(|p| text(&p.value, "/spec/nodeName"))
        .filter(|n| !n.is_empty())
        .collect();
    let labels = template.pointer("/metadata/labels");
    let mut budgets = sources
        .in_namespace("PodDisruptionBudget", &object.namespace)
        .iter();
    let has_budget = budgets.any(|b| {
        b.value
            .pointer("/spec/selector")
            .is_some_and(|s| selects(s, labels))
    });
    let known_budgets = sources.is_complete("PodDisruptionBudget", &object.namespace);
    let own = || spec_containers(template).filter(|c| text(c, "/name") != "linkerd-init");
    let registries: BTreeSet<&str> = spec_containers(template)
        .map(|c| registry(text(c, "/image")))
        .collect();
    let sizes = own().map(|c| (text(c, "/name").to_owned(), resources(c)));
    row.set("nodes", nodes.len())
        .set(
            "anti_affinity",
            template.pointer("/spec/affinity/podAntiAffinity").is_some(),
        )
        .opt("disruption_budget", known_budgets.then_some(has_budget))
        .set("images", containers::images(template))
        .set("registries", json!(registries))
        .set("resources", Value::Object(sizes.collect()))
        .text("priority_class", text(template, "/spec/priorityClassName"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::facts::testing::{facts, list, row};

    #[test]
    fn pods_alone_tell_the_components() {
        let pod = json!({"metadata": {"name": "linkerd-identity-7777c9fdcc-2crtj", "namespace": "mesh",
            "labels": {"linkerd.io/control-plane-component": "identity"}},
            "spec": {"containers": [{"name": "identity", "image": "example.com/controller:enterprise-2.18.1"}]},
            "status": {"conditions": [{"type": "Ready", "status": "True"}]}});
        let facts = facts(&[("pods.json", list("Pod", &[pod]))], None);
        let identity = row(&facts, "components", "name", "identity");
        assert_eq!(
            (&identity["ready"], &identity["down"]),
            (&json!(1), &json!(false))
        );
        assert!(identity.get("desired").is_none());
        // Deployments are not listed, so nobody knows whether the others exist.
        assert_eq!(facts.table("components").len(), 1);
        let mesh = &facts.table("mesh")[0].fields;
        assert_eq!(mesh["control_plane_namespace"], "mesh");
        assert_eq!(
            (&mesh["version"], &mesh["version_from"]),
            (&json!("enterprise-2.18.1"), &json!("image"))
        );
    }

    #[test]
    fn a_component_that_is_not_listed_is_missing() {
        let deployment = json!({"metadata": {"name": "linkerd-identity", "namespace": "linkerd"},
            "spec": {"replicas": 1}, "status": {"readyReplicas": 1}});
        let facts = facts(
            &[(
                "cluster-resources/deployments/linkerd.json",
                list("Deployment", &[deployment]),
            )],
            None,
        );
        let mesh = &facts.table("mesh")[0].fields;
        assert_eq!(
            mesh["missing"],
            json!(["linkerd-destination", "linkerd-proxy-injector"])
        );
        assert_eq!(
            row(&facts, "components", "name", "destination")["down"],
            true
        );
    }
}
