//! What the policy objects say of one client of one port.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::facts::owner::Owner;
use crate::facts::{Fact, Table};

/// Namespace, kind and name of a workload, and one of its ports.
type Key<'a> = (&'a str, &'a str, &'a str, i64);

/// The rows of `policy_ports`, to look up the one of a port.
#[derive(Debug, Default)]
pub(in crate::facts) struct Verdicts<'a> {
    ports: BTreeMap<Key<'a>, &'a Value>,
}

impl<'a> Verdicts<'a> {
    pub(in crate::facts) fn of(tables: &'a [Table]) -> Self {
        let rows = tables.iter().filter(|(name, _)| *name == "policy_ports");
        let ports = rows.flat_map(|(_, rows)| rows).filter_map(|fact: &Fact| {
            let text = |pointer: &str| fact.fields.pointer(pointer)?.as_str();
            let workload = (text("/workload/kind")?, text("/workload/name")?);
            let port = fact.fields.get("port")?.as_i64()?;
            let key = (text("/namespace")?, workload.0, workload.1, port);
            Some((key, &fact.fields))
        });
        Self {
            ports: ports.collect(),
        }
    }

    /// The row of a port.
    pub(in crate::facts) fn port(&self, owner: &Owner, port: i64) -> Option<&'a Value> {
        let key = (
            owner.namespace.as_str(),
            owner.kind.as_str(),
            owner.name.as_str(),
            port,
        );
        self.ports.get(&key).copied()
    }
}

/// Whether the row of a port admits a client: `admitted`, `not-admitted`, or `by-network` where it
/// depends on its address. `None` where routes of the Server may admit it.
pub(in crate::facts) fn verdict(
    port: &Value,
    identity: &str,
    is_meshed: bool,
) -> Option<&'static str> {
    if port.get("has_route_authorizations")?.as_bool()? {
        return None;
    }
    let allowed = port.get("allowed")?.as_array()?;
    let ways: Vec<Way> = allowed
        .iter()
        .filter_map(|words| Way::of(words.as_str()?, identity, is_meshed))
        .collect();
    Some(if ways.contains(&Way::Open) {
        "admitted"
    } else if ways.is_empty() {
        "not-admitted"
    } else {
        "by-network"
    })
}

/// How a phrase of `allowed` lets a client in.
#[derive(Debug, PartialEq, Eq)]
enum Way {
    Open,
    /// Only from some networks.
    ByNetwork,
}

impl Way {
    fn of(words: &str, identity: &str, is_meshed: bool) -> Option<Self> {
        let networks = words.split_once(" from ").or(words.split_once(" of the "));
        let who = networks.map_or(words, |(who, _)| who);
        let is_it = match who {
            "anyone" => true,
            "any meshed client" => is_meshed,
            _ => match who.strip_prefix('*') {
                Some(suffix) => !identity.is_empty() && identity.ends_with(suffix),
                None => who == identity,
            },
        };
        let way = if networks.is_some() {
            Self::ByNetwork
        } else {
            Self::Open
        };
        is_it.then_some(way)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_client_is_held_against_each_way_in() {
        let of = |allowed: &[&str], identity: &str| {
            let port = json!({"has_route_authorizations": false, "allowed": allowed});
            verdict(&port, identity, !identity.is_empty()).unwrap()
        };
        let web = "web.shop.serviceaccount.identity.linkerd.cluster.local";
        let shop = "*.shop.serviceaccount.identity.linkerd.cluster.local";
        assert_eq!(of(&[], web), "not-admitted");
        assert_eq!(of(&["anyone"], ""), "admitted");
        assert_eq!(of(&["any meshed client"], ""), "not-admitted");
        assert_eq!(of(&["any meshed client"], web), "admitted");
        assert_eq!(of(&[shop], web), "admitted");
        assert_eq!(of(&[&shop.replace("shop", "pay")], web), "not-admitted");
        assert_eq!(of(&[web], web), "admitted");
        assert_eq!(of(&["anyone from 10.0.0.0/8"], ""), "by-network");
        let cluster = "any meshed client of the cluster's networks";
        assert_eq!(of(&[cluster], web), "by-network");
    }

    #[test]
    fn what_routes_admit_is_not_known() {
        let port = json!({"has_route_authorizations": true, "allowed": []});
        assert_eq!(verdict(&port, "", false), None);
    }
}
