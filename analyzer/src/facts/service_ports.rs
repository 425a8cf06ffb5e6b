//! The ports of a Service, compared with what its pods say of themselves.

use std::collections::BTreeSet;

use serde_json::Value;

use super::kube::{PROXY, spec_containers};
use super::row::{Row, int, list, text};
use super::{Object, listen};

/// One port of a Service, compared with what the selected pods declare.
pub(super) struct Port {
    pub(super) row: Value,
    /// The target is a name that no container of the pods declares: nothing can be sent there.
    pub(super) is_mismatch: bool,
    /// The target is a number that no container declares, though they declare other ports, or
    /// the containers' arguments name other ports to listen on. A container may listen on a port
    /// that it does not declare, so this is only a hint.
    pub(super) is_suspect: bool,
}

impl Port {
    pub(super) fn of(port: &Value, pods: &[&Object]) -> Self {
        let number = int(port, "/port");
        let target = port
            .get("targetPort")
            .filter(|t| t.as_i64() != Some(0))
            .cloned();
        let target = target
            .or_else(|| number.map(Value::from))
            .unwrap_or_default();
        let has_target = |container: &Value| {
            list(container, "/ports").iter().any(|p| {
                let field = if target.is_string() {
                    "name"
                } else {
                    "containerPort"
                };
                p.get(field) == Some(&target)
            })
        };
        let declared = pods
            .iter()
            .any(|pod| spec_containers(&pod.value).any(has_target));
        let has_others = pods.iter().any(|pod| {
            let own = spec_containers(&pod.value).filter(|c| text(c, "/name") != PROXY);
            own.flat_map(|c| list(c, "/ports")).next().is_some()
        });
        let protocol = text(port, "/protocol");
        let row = Row::new()
            .text("name", text(port, "/name"))
            .opt("port", number)
            .set("target_port", target.clone())
            .set(
                "protocol",
                if protocol.is_empty() { "TCP" } else { protocol },
            )
            .text("app_protocol", text(port, "/appProtocol"))
            .set("target_declared", declared);
        let is_mismatch = target.is_string() && !declared && !pods.is_empty();
        let told_otherwise =
            number_of(&target, pods).is_some_and(|number| is_told_otherwise(number, pods));
        let is_suspect = (target.is_i64() && !declared && has_others) || told_otherwise;
        Self {
            row: row.build(),
            is_mismatch,
            is_suspect,
        }
    }
}

/// Whether the containers that declare a port, or all if none does, are told by their arguments
/// to listen on others.
fn is_told_otherwise(number: i64, pods: &[&Object]) -> bool {
    let declares = |c: &&Value| {
        let mut ports = list(c, "/ports").iter();
        ports.any(|p| int(p, "/containerPort") == Some(number))
    };
    let declaring: BTreeSet<i64> = own(pods).filter(declares).flat_map(listen::ports).collect();
    let is_declared = own(pods).any(|c| declares(&c));
    let told = if is_declared {
        declaring
    } else {
        listen_hints(pods)
    };
    !told.is_empty() && !told.contains(&number)
}

/// The containers of some pods but for those of Linkerd.
fn own<'a>(pods: &[&'a Object]) -> impl Iterator<Item = &'a Value> {
    let containers = pods.iter().flat_map(|p| spec_containers(&p.value));
    containers.filter(|c| !text(c, "/name").starts_with("linkerd-"))
}

/// The ports that the arguments of the pods' own containers name to listen on.
pub(super) fn listen_hints(pods: &[&Object]) -> BTreeSet<i64> {
    own(pods).flat_map(listen::ports).collect()
}

/// The number of a target port that may be given by name.
fn number_of(target: &Value, pods: &[&Object]) -> Option<i64> {
    let by_name = || {
        let name = target.as_str()?;
        let containers = pods.iter().flat_map(|p| spec_containers(&p.value));
        let mut ports = containers.flat_map(|c| list(c, "/ports"));
        ports
            .find(|p| text(p, "/name") == name)
            .and_then(|p| int(p, "/containerPort"))
    };
    target.as_i64().or_else(by_name)
}
