//! Whom an authorization admits.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::facts::row::{flag, list, text};
use crate::facts::{Object, Sources};

/// Clients that are admitted. All conditions hold together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Clients {
    /// Identities, `*` for any, `*.shop.serviceaccount…` for a namespace. Empty if no
    /// identity is asked for.
    pub(super) identities: BTreeSet<String>,
    /// CIDRs that clients must come from. Empty if they may come from anywhere.
    pub(super) networks: BTreeSet<String>,
    /// Whether a TLS identity is asked for at all.
    pub(super) needs_identity: bool,
    /// References that lead nowhere, in words.
    pub(super) missing: Vec<String>,
    /// What the policy controller refuses, in words.
    pub(super) invalid: Vec<String>,
}

impl Clients {
    /// Whether a client without a proxy may connect.
    pub(super) fn admits_unmeshed(&self) -> bool {
        !self.needs_identity && self.invalid.is_empty()
    }

    /// Whether every meshed client may connect, from wherever the networks allow.
    pub(super) fn admits_any_meshed(&self) -> bool {
        self.invalid.is_empty() && (!self.needs_identity || self.identities.contains("*"))
    }

    /// The fields of a row.
    pub(super) fn to_value(&self) -> Value {
        json!({
            "identities": self.identities,
            "networks": self.networks,
            "needs_identity": self.needs_identity,
        })
    }

    /// One phrase for each way in.
    pub(super) fn words(&self) -> Vec<String> {
        let from: Vec<&str> = self.networks.iter().map(String::as_str).collect();
        let from = if from.is_empty() {
            String::new()
        } else {
            format!(" from {}", from.join(", "))
        };
        if !self.needs_identity {
            return vec![format!("anyone{from}")];
        }
        if self.identities.contains("*") {
            return vec![format!("any meshed client{from}")];
        }
        self.identities
            .iter()
            .map(|i| format!("{i}{from}"))
            .collect()
    }

    /// Reads the `client` of a `ServerAuthorization`.
    pub(super) fn of_server_authorization(sources: &Sources<'_>, object: &Object) -> Self {
        let mut clients = Self::default();
        let client = object.value.pointer("/spec/client").unwrap_or(&Value::Null);
        clients.add_networks(list(client, "/networks"));
        if flag(client, "/unauthenticated") {
            return clients;
        }
        clients.needs_identity = true;
        let Some(mesh) = client.get("meshTLS").filter(|m| m.is_object()) else {
            clients
                .invalid
                .push("`client` names neither `unauthenticated` nor `meshTLS`".to_owned());
            return clients;
        };
        if flag(mesh, "/unauthenticatedTLS") {
            clients.needs_identity = false;
            return clients;
        }
        clients.add_identities(mesh);
        for account in list(mesh, "/serviceAccounts") {
            clients.add_account(sources, &object.namespace, account);
        }
        clients
    }

    /// Reads the `requiredAuthenticationRefs` of an `AuthorizationPolicy`. With none, anyone is
    /// admitted.
    pub(super) fn of_authorization_policy(sources: &Sources<'_>, object: &Object) -> Self {
        let mut clients = Self::default();
        let mut mesh_references = 0;
        for reference in list(&object.value, "/spec/requiredAuthenticationRefs") {
            let kind = text(reference, "/kind");
            match kind {
                "MeshTLSAuthentication" | "ServiceAccount" => mesh_references += 1,
                "NetworkAuthentication" => {}
                other => clients
                    .invalid
                    .push(format!("refers to a {other:?}, which is no authentication")),
            }
            clients.add_reference(sources, object, reference);
        }
        if mesh_references > 1 {
            let why = format!(
                "has {mesh_references} references to MeshTLSAuthentications or ServiceAccounts; one is allowed"
            );
            clients.invalid.push(why);
        }
        clients
    }

    fn add_reference(&mut self, sources: &Sources<'_>, object: &Object, reference: &Value) {
        let (kind, name) = (text(reference, "/kind"), text(reference, "/name"));
        if kind == "ServiceAccount" {
            self.needs_identity = true;
            self.add_account(sources, &object.namespace, reference);
            return;
        }
        let namespace = own_or(reference, &object.namespace);
        let Some(found) = sources.object(kind, namespace, name) else {
            self.needs_identity |= kind == "MeshTLSAuthentication";
            if sources.is_complete(kind, namespace) {
                self.missing
                    .push(format!("{kind} `{namespace}/{name}` does not exist"));
            }
            return;
        };
        if kind == "NetworkAuthentication" {
            self.add_networks(list(&found.value, "/spec/networks"));
        } else {
            self.needs_identity = true;
            self.add_identities(found.value.get("spec").unwrap_or(&Value::Null));
            for reference in list(&found.value, "/spec/identityRefs") {
                self.add_identity_reference(sources, &found.namespace, reference);
            }
        }
    }

    fn add_identities(&mut self, spec: &Value) {
        let named = list(spec, "/identities").iter().filter_map(Value::as_str);
        self.identities.extend(named.map(str::to_owned));
    }

    fn add_identity_reference(
        &mut self,
        sources: &Sources<'_>,
        namespace: &str,
        reference: &Value,
    ) {
        if text(reference, "/kind") == "Namespace" {
            let name = text(reference, "/name");
            if sources.is_complete("Namespace", "")
                && sources.object("Namespace", "", name).is_none()
            {
                self.missing
                    .push(format!("Namespace `{name}` does not exist"));
            }
            self.identities.insert(identity(sources, "*", name));
        } else {
            self.add_account(sources, namespace, reference);
        }
    }

    fn add_account(&mut self, sources: &Sources<'_>, namespace: &str, reference: &Value) {
        let namespace = own_or(reference, namespace);
        let name = text(reference, "/name");
        if sources.is_complete("ServiceAccount", namespace)
            && sources.object("ServiceAccount", namespace, name).is_none()
        {
            self.missing.push(format!(
                "ServiceAccount `{namespace}/{name}` does not exist"
            ));
        }
        self.identities.insert(identity(sources, name, namespace));
    }

    fn add_networks(&mut self, networks: &[Value]) {
        for network in networks {
            let cidr = network.as_str().unwrap_or_else(|| text(network, "/cidr"));
            let except: Vec<&str> = list(network, "/except")
                .iter()
                .filter_map(Value::as_str)
                .collect();
            let without = if except.is_empty() {
                String::new()
            } else {
                format!(" except {}", except.join(", "))
            };
            if !cidr.is_empty() {
                self.networks.insert(format!("{cidr}{without}"));
            }
        }
    }
}

/// The namespace that a reference names, or the one that it stands in.
pub(super) fn own_or<'a>(reference: &'a Value, namespace: &'a str) -> &'a str {
    match text(reference, "/namespace") {
        "" => namespace,
        own => own,
    }
}

/// The identity of a `ServiceAccount`.
fn identity(sources: &Sources<'_>, account: &str, namespace: &str) -> String {
    let domain = match text(sources.values(), "/identityTrustDomain") {
        "" => "cluster.local",
        domain => domain,
    };
    let control_plane = sources.control_plane_namespace();
    format!("{account}.{namespace}.serviceaccount.identity.{control_plane}.{domain}")
}
