//! The least role for a plan, and its binding, as YAML for `kubectl apply -f -`.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

use anyhow::Context;
use serde_json::{Value, json};

use super::needs::{NON_RESOURCE_PATHS, Need, Place, needs};
use crate::plan::Plan;

/// Who gets the role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// A user.
    User(String),
    /// A group.
    Group(String),
    /// A `ServiceAccount`, which is made if it is not there.
    ServiceAccount {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
}

impl Subject {
    fn value(&self) -> Value {
        let group = "rbac.authorization.k8s.io";
        match self {
            Self::User(name) => json!({"kind": "User", "apiGroup": group, "name": name}),
            Self::Group(name) => json!({"kind": "Group", "apiGroup": group, "name": name}),
            Self::ServiceAccount { namespace, name } => {
                json!({"kind": "ServiceAccount", "namespace": namespace, "name": name})
            }
        }
    }
}

/// The name of everything that is printed.
pub(super) const NAME: &str = "linkerd-collect";

/// Prints the role for a plan, with its binding.
///
/// # Errors
/// When stdout is gone.
pub fn print(plan: &Plan, subject: &Subject, out: &mut dyn Write) -> anyhow::Result<()> {
    let namespaces = &plan.scope.namespaces;
    if !namespaces.is_empty() {
        writeln!(
            out,
            "# Namespaces of Linkerd's extensions, such as linkerd-viz, are read only if they are\n\
             # named with -n too."
        )?;
    }
    documents(&objects(plan, subject), out)
}

/// Writes objects as a stream of YAML documents.
pub(super) fn documents(objects: &[Value], out: &mut dyn Write) -> anyhow::Result<()> {
    for object in objects {
        let yaml = serde_saphyr::to_string(object).context("cannot write YAML")?;
        writeln!(out, "---\n{}", yaml.trim_end())?;
    }
    Ok(())
}

/// The objects: the account if it is one, roles, bindings.
pub(super) fn objects(plan: &Plan, subject: &Subject) -> Vec<Value> {
    let mut objects = Vec::new();
    if let Subject::ServiceAccount { namespace, name } = subject {
        objects.push(json!({
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": {"name": name, "namespace": namespace},
        }));
    }
    let needs = needs(plan);
    let chosen = chosen_namespaces(plan);
    // Where all namespaces are captured, one role says it all.
    let (cluster, within): (Vec<Need>, Vec<Need>) = needs
        .into_iter()
        .partition(|need| chosen.is_empty() || need.place == Place::Cluster);
    let mut rules = rules(&cluster, chosen.is_empty());
    rules.push(json!({"nonResourceURLs": NON_RESOURCE_PATHS, "verbs": ["get"]}));
    objects.extend(role(None, &rules, subject));
    for namespace in &chosen {
        objects.extend(role(Some(namespace), &self::rules(&within, false), subject));
    }
    objects
}

/// The namespaces that get a role of their own; none if all are captured.
fn chosen_namespaces(plan: &Plan) -> BTreeSet<String> {
    let mut chosen = plan.scope.namespaces.clone();
    if !chosen.is_empty() {
        let linkerd = plan.scope.linkerd_namespace.as_deref();
        chosen.insert(linkerd.unwrap_or("linkerd").to_owned());
    }
    chosen
}

/// A role and its binding.
fn role(namespace: Option<&String>, rules: &[Value], subject: &Subject) -> [Value; 2] {
    let prefix = if namespace.is_some() { "" } else { "Cluster" };
    let metadata = match namespace {
        Some(namespace) => json!({"name": NAME, "namespace": namespace}),
        None => json!({"name": NAME}),
    };
    let group = "rbac.authorization.k8s.io";
    let role = json!({
        "apiVersion": format!("{group}/v1"),
        "kind": format!("{prefix}Role"),
        "metadata": metadata,
        "rules": rules,
    });
    let binding = json!({
        "apiVersion": format!("{group}/v1"),
        "kind": format!("{prefix}RoleBinding"),
        "metadata": metadata,
        "roleRef": {"apiGroup": group, "kind": format!("{prefix}Role"), "name": NAME},
        "subjects": [subject.value()],
    });
    [role, binding]
}

/// What the resources of one group are allowed for: their verbs and names.
type Allowed<'a> = (&'a str, &'a [&'a str], &'a [&'a str]);

/// Rules for needs, those with the same verbs in one group joined.
fn rules(needs: &[Need], all_in_one: bool) -> Vec<Value> {
    let mut joined: BTreeMap<Allowed<'_>, BTreeSet<&str>> = BTreeMap::new();
    for need in needs {
        let key = (need.group, need.verbs, need.names.as_slice());
        joined.entry(key).or_default().extend(&need.resources);
    }
    let rules = joined
        .into_iter()
        .map(|((group, verbs, names), mut resources)| {
            if all_in_one && resources.contains("*") {
                resources.retain(|r| *r == "*");
            }
            let mut rule = json!({"apiGroups": [group], "resources": resources, "verbs": verbs});
            if let (Value::Object(rule), false) = (&mut rule, names.is_empty()) {
                rule.insert("resourceNames".to_owned(), json!(names));
            }
            rule
        });
    rules.collect()
}
