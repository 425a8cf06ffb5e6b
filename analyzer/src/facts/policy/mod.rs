//! Who may connect to what: the tables `policy_servers`, `policy_authorizations`,
//! `policy_ports` and `policy_problems`, as the policy controller decides it.
//!
//! A Server takes over one port of the pods that it selects; authorizations admit clients to
//! Servers, to routes of theirs, or to all Servers of a namespace. A port without a Server is
//! under the default policy of its pod.

mod authorizations;
mod clients;
mod ports;
mod problems;
mod servers;
mod verdicts;

use super::{Sources, Table};
use authorizations::Authorization;
use servers::Server;
pub(super) use verdicts::{Verdicts, verdict};

/// Every Server and every authorization, resolved.
struct Policies<'a> {
    servers: Vec<Server<'a>>,
    authorizations: Vec<Authorization<'a>>,
}

/// Derives the tables.
pub(super) fn derive(sources: &Sources<'_>) -> Vec<Table> {
    let servers = servers::all(sources);
    let authorizations = authorizations::all(sources, &servers);
    let policies = Policies {
        servers,
        authorizations,
    };
    vec![
        ("policy_servers", servers::table(&policies)),
        ("policy_authorizations", authorizations::table(&policies)),
        ("policy_ports", ports::table(sources, &policies)),
        ("policy_problems", problems::table(sources, &policies)),
    ]
}

/// The API group of Linkerd's policy resources.
const GROUP: &str = "policy.linkerd.io";
