//! The workload that a pod belongs to: what people made and would restart.

use super::row::text;
use super::sources::Sources;
use super::{Name, Object};
use crate::evidence::Subject;

/// A workload.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Owner {
    pub(crate) kind: Name,
    pub(crate) namespace: Name,
    pub(crate) name: Name,
}

impl Owner {
    /// An object as the workload that it is itself.
    pub(crate) fn of(object: &Object) -> Self {
        Self {
            kind: object.kind.clone(),
            namespace: object.namespace.clone(),
            name: object.name.clone(),
        }
    }

    /// The workload as a subject of a finding.
    pub(crate) fn subject(&self) -> Subject {
        Subject::namespaced(
            self.kind.as_str(),
            self.namespace.as_str(),
            self.name.as_str(),
        )
    }

    /// The field `workload` of a row.
    pub(crate) fn to_value(&self) -> serde_json::Value {
        serde_json::json!({"kind": self.kind.as_str(), "name": self.name.as_str()})
    }
}

/// Follows owner references from an object up to what people made.
pub(super) fn top(sources: &Sources<'_>, object: &Object) -> Owner {
    let mut owner = Owner::of(object);
    let mut value = Some(&object.value);
    // Pod, ReplicaSet, Deployment, and perhaps an operator's kind above them. The bound is for
    // references that go round in a circle.
    for _ in 0..5 {
        let Some(reference) = value.and_then(|v| v.pointer("/metadata/ownerReferences/0")) else {
            break;
        };
        let (kind, name) = (text(reference, "/kind"), text(reference, "/name"));
        // A mirror pod belongs to its Node, which is no workload.
        if kind.is_empty() || name.is_empty() || kind == "Node" {
            break;
        }
        let found = sources.object(kind, &owner.namespace, name);
        value = found.map(|o| &o.value);
        (owner.kind, owner.name) = match found {
            Some(object) => (object.kind.clone(), object.name.clone()),
            None => (
                Name::shared(reference, "/kind"),
                Name::shared(reference, "/name"),
            ),
        };
        if found.is_none() {
            return above(owner);
        }
    }
    owner
}

/// What is above an owner that is not in the bundle, told by the way that Kubernetes names
/// `ReplicaSets` of Deployments (`cart-7d9c4f5b6`) and Jobs of `CronJobs` (`backup-29391840`).
pub(super) fn above(owner: Owner) -> Owner {
    let kind = match owner.kind.as_str() {
        "ReplicaSet" => "Deployment",
        "Job" => "CronJob",
        _ => return owner,
    };
    let named_by_controller = |hash: &str| match kind {
        "Deployment" => is_template_hash(hash),
        _ => hash.len() >= 8 && hash.bytes().all(|b| b.is_ascii_digit()),
    };
    match owner.name.rsplit_once('-') {
        Some((name, hash)) if named_by_controller(hash) => Owner {
            kind: kind.into(),
            name: name.into(),
            namespace: owner.namespace,
        },
        _ => owner,
    }
}

/// The letters that Kubernetes makes random suffixes of: no vowels, no 0, 1 and 3.
fn is_safe(b: u8) -> bool {
    b"bcdfghjklmnpqrstvwxz2456789".contains(&b)
}

fn is_template_hash(part: &str) -> bool {
    (6..=10).contains(&part.len()) && part.bytes().all(is_safe)
}

/// Guesses a workload's kind and name from a pod's name: `cart-7d9c4f5b6-x2k8p` is of
/// Deployment `cart`, `db-0` of `StatefulSet` `db`.
pub fn guess(pod: &str) -> (&'static str, &str) {
    let is_random = |part: &str| part.len() == 5 && part.bytes().all(is_safe);
    match pod.rsplit_once('-') {
        Some((rest, suffix)) if is_random(suffix) => match rest.rsplit_once('-') {
            Some((name, hash)) if is_template_hash(hash) => ("Deployment", name),
            Some((name, minute))
                if minute.len() >= 8 && minute.bytes().all(|b| b.is_ascii_digit()) =>
            {
                ("CronJob", name)
            }
            _ => ("DaemonSet", rest),
        },
        Some((name, number))
            if !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()) =>
        {
            ("StatefulSet", name)
        }
        _ => ("Pod", pod),
    }
}

/// The guessed workload of a pod that no list names.
pub(super) fn guessed(namespace: &str, pod: &str) -> Owner {
    let (kind, name) = guess(pod);
    Owner {
        kind: kind.into(),
        namespace: namespace.into(),
        name: name.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pods_workload_is_guessed_from_its_name() {
        assert_eq!(guess("cart-7d9c4f5b6-x2k8p"), ("Deployment", "cart"));
        assert_eq!(
            guess("linkerd-destination-7975c7466c-hjn79"),
            ("Deployment", "linkerd-destination")
        );
        assert_eq!(guess("node-exporter-x2k8p"), ("DaemonSet", "node-exporter"));
        assert_eq!(guess("backup-29391840-x2k8p"), ("CronJob", "backup"));
        assert_eq!(guess("db-0"), ("StatefulSet", "db"));
        assert_eq!(guess("solo"), ("Pod", "solo"));
        assert_eq!(guess(""), ("Pod", ""));
    }
}
