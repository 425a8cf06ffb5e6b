//! Which `ConfigMap`s are taken: a list of names, each asked for by name, so that no other
//! `ConfigMap` even leaves the API server.

use bundle::resources::Resource;
use serde_json::Value;

use super::lists::{Listing, escape};
use crate::mesh::{name_of, namespace_of};
use crate::session::Session;

/// Names of the `ConfigMap`s that are taken, in order, and the namespaces they are taken from.
pub const ALLOWED: &[(&str, From)] = &[
    ("coredns", From::Namespace("kube-system")),
    (
        "extension-apiserver-authentication",
        From::Namespace("kube-system"),
    ),
    ("kube-proxy", From::Namespace("kube-system")),
    ("kube-root-ca.crt", From::Anywhere),
    ("linkerd-cni-config", From::Anywhere),
    ("linkerd-config", From::Anywhere),
    ("linkerd-identity-trust-roots", From::Anywhere),
    ("prometheus-config", From::Extensions),
];

/// Namespaces that a `ConfigMap` is taken from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum From {
    /// All.
    Anywhere,
    /// This one.
    Namespace(&'static str),
    /// Those of Linkerd's extensions.
    Extensions,
}

impl From {
    /// Whether it may be this namespace, as far as its name tells.
    pub fn may_be(self, namespace: &str) -> bool {
        match self {
            Self::Namespace(only) => namespace == only,
            Self::Anywhere | Self::Extensions => true,
        }
    }
}

/// The listing of all that are allowed.
pub(super) fn listing(resource: &Resource) -> Listing {
    Listing {
        queries: ALLOWED.iter().map(|(name, _)| query(name)).collect(),
        keep: is_allowed,
        ..Listing::built_in(resource)
    }
}

fn query(name: &str) -> String {
    format!("fieldSelector={}", escape(&format!("metadata.name={name}")))
}

/// A server that ignores field selectors must not change what is taken.
fn is_allowed(object: &Value, session: &Session, asked: &str) -> bool {
    let name = name_of(object).unwrap_or_default();
    let namespace = namespace_of(object).unwrap_or_default();
    match ALLOWED.iter().find(|(allowed, _)| *allowed == name) {
        Some((name, from)) if query(name) == asked => match from {
            From::Anywhere => true,
            From::Namespace(only) => namespace == *only,
            From::Extensions => session.mesh().extensions.contains(namespace),
        },
        _ => false,
    }
}
