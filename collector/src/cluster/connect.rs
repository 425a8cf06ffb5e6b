//! From flags and kubeconfig to a cluster that answers.

use std::path::PathBuf;
use std::sync::Arc;

use bundle::Outcome;
use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError};
use kube::{Client, Config};
use serde_json::Value;

use super::login::Login;
use super::{Cluster, Trouble, chain};
use crate::plan::{Access, Limits};
use crate::stop::Stop;

/// Why there is no cluster to collect from. `hint` says what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The kubeconfig cannot be read.
    #[error("cannot use kubeconfig {shown}: {why}")]
    Kubeconfig {
        /// Which one, in backticks.
        shown: String,
        /// Why not.
        why: String,
    },
    /// There is neither a kubeconfig nor a service account.
    #[error("there is no kubeconfig at {shown}, and this is no pod in a cluster")]
    Nowhere {
        /// Where it was looked for, in backticks.
        shown: String,
    },
    /// The context is not in the kubeconfig.
    #[error("kubeconfig {shown} has no context `{context}`; it has {known}")]
    NoContext {
        /// Which kubeconfig, in backticks.
        shown: String,
        /// The context asked for.
        context: String,
        /// Those that are there, in backticks.
        known: String,
    },
    /// The client cannot be made: certificates, proxy, exec plugin.
    #[error("cannot prepare the connection to `{server}`: {why}")]
    Client {
        /// The API server.
        server: String,
        /// Why not.
        why: String,
    },
    /// The API server does not answer.
    #[error("cannot reach the API server `{server}`: {why}")]
    Unreachable {
        /// The API server.
        server: String,
        /// Why not.
        why: String,
    },
    /// The API server does not know the user.
    #[error("the API server `{server}` does not let this user in: {why}")]
    Unauthorized {
        /// The API server.
        server: String,
        /// What it said.
        why: String,
    },
}

impl ConnectError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Kubeconfig { .. } | Self::Nowhere { .. } => {
                "name the file with `--kubeconfig FILE`, or set KUBECONFIG"
            }
            Self::NoContext { .. } => "choose one with `--context NAME`",
            Self::Client { .. } => {
                "see whether `kubectl get --raw /version` works with the same kubeconfig and context"
            }
            Self::Unreachable { .. } => {
                "see whether `kubectl get --raw /version` works from here; \
                 another cluster is chosen with `--context NAME` or `--kubeconfig FILE`"
            }
            Self::Unauthorized { .. } => {
                "log in again, then see whether `kubectl auth whoami` works"
            }
        }
    }
}

/// A cluster that has answered.
pub struct Connected {
    /// The cluster.
    pub cluster: Cluster,
    /// What the kubeconfig calls it.
    pub name: String,
    /// The kubeconfig's namespace.
    pub default_namespace: String,
    /// The answer to `GET /version`.
    pub version: Result<Value, Trouble>,
}

/// A client for a cluster, of which nobody knows yet whether it is there.
pub(super) struct Way {
    pub(super) client: Client,
    /// The server's URL as it may be shown.
    server: String,
    /// What the kubeconfig calls the cluster.
    name: String,
    default_namespace: String,
}

impl Way {
    /// Reads the kubeconfig, and gets the credentials that it leads to.
    ///
    /// # Errors
    /// [`ConnectError`] when they do not make a client.
    pub(super) async fn find(access: &Access, limits: &Limits) -> Result<Self, ConnectError> {
        let (mut config, name) = load(access).await?;
        if access.as_user.is_some() || !access.as_groups.is_empty() {
            config.auth_info.impersonate.clone_from(&access.as_user);
            config.auth_info.impersonate_groups = Some(access.as_groups.clone());
        }
        if let Some(address) = &access.api_addr {
            let url = address.parse().map_err(|e| ConnectError::Client {
                server: without_credentials(address),
                why: format!("`--api-addr` is no URL: {e}"),
            });
            config.cluster_url = url?;
        }
        // Retries are ours: they must count against the item's time and obey `Retry-After`.
        config.default_retry = false;
        config.connect_timeout = Some(limits.item_timeout);
        let server = without_credentials(&config.cluster_url.to_string());
        let default_namespace = config.default_namespace.clone();
        let client = Client::try_from(config).map_err(|e| ConnectError::Client {
            server: server.clone(),
            why: chain(&e),
        })?;
        Ok(Self {
            client,
            server,
            name,
            default_namespace,
        })
    }
}

/// Connects, and asks for the version to see that somebody is there.
///
/// # Errors
/// [`ConnectError`] when nobody is, or does not let us in.
pub async fn connect(
    access: &Access,
    limits: &Limits,
    stop: &Stop,
) -> Result<Connected, ConnectError> {
    let Way {
        client,
        server,
        name,
        default_namespace,
    } = Way::find(access, limits).await?;
    let login = Login::new(access.clone(), limits.clone(), client);
    let cluster = Cluster::new(Arc::new(login), limits.clone(), stop.clone());
    let version = cluster.get_json("/version").await;
    match &version {
        Err(trouble) if trouble.status == Some(401) => Err(ConnectError::Unauthorized {
            server,
            why: trouble.reason.clone(),
        }),
        // Any answer of HTTP shows that a cluster is there; 403 on `/version` is no end.
        Err(trouble) if trouble.status.is_none() && trouble.outcome != Outcome::Skipped => {
            Err(ConnectError::Unreachable {
                server,
                why: trouble.reason.clone(),
            })
        }
        _ => Ok(Connected {
            cluster,
            name,
            default_namespace,
            version,
        }),
    }
}

async fn load(access: &Access) -> Result<(Config, String), ConnectError> {
    let shown = shown(access);
    let wrong = |e: &KubeconfigError| ConnectError::Kubeconfig {
        shown: shown.clone(),
        why: chain(e),
    };
    let read = match &access.kubeconfig {
        Some(path) => Kubeconfig::read_from(path),
        None => Kubeconfig::read(),
    };
    let kubeconfig = match read {
        Ok(kubeconfig) => kubeconfig,
        Err(e) if access.kubeconfig.is_none() && is_missing(&e) => {
            let config = Config::incluster();
            let config = config.map_err(|_| ConnectError::Nowhere { shown })?;
            return Ok((config, "in-cluster".to_owned()));
        }
        Err(e) => return Err(wrong(&e)),
    };
    let context = access
        .context
        .clone()
        .or_else(|| kubeconfig.current_context.clone());
    let found = context.as_ref().and_then(|wanted| {
        let named = kubeconfig.contexts.iter().find(|c| c.name == *wanted)?;
        Some(named.context.as_ref()?.cluster.clone())
    });
    let Some(name) = found else {
        let known = kubeconfig.contexts.iter().map(|c| format!("`{}`", c.name));
        let known: Vec<String> = known.collect();
        return Err(ConnectError::NoContext {
            shown,
            context: context.unwrap_or_default(),
            known: if known.is_empty() {
                "none".to_owned()
            } else {
                known.join(", ")
            },
        });
    };
    let options = KubeConfigOptions {
        context,
        ..KubeConfigOptions::default()
    };
    let config = Config::from_custom_kubeconfig(kubeconfig, &options).await;
    Ok((config.map_err(|e| wrong(&e))?, name))
}

fn is_missing(error: &KubeconfigError) -> bool {
    match error {
        KubeconfigError::FindPath => true,
        KubeconfigError::ReadConfig(io, _) => io.kind() == std::io::ErrorKind::NotFound,
        _ => false,
    }
}

/// Where the kubeconfig is, or should be.
fn shown(access: &Access) -> String {
    let usual = || match std::env::var_os("KUBECONFIG").filter(|v| !v.is_empty()) {
        Some(path) => PathBuf::from(path),
        None => PathBuf::from("~/.kube/config"),
    };
    let path = access.kubeconfig.clone().unwrap_or_else(usual);
    format!("`{}`", path.display())
}

/// A server's URL as it may be shown.
fn without_credentials(url: &str) -> String {
    match url.split_once("://") {
        Some((scheme, rest)) => {
            let authority = rest.find('/').unwrap_or(rest.len());
            let host = rest.get(..authority).and_then(|a| a.rfind('@'));
            let rest = host.and_then(|at| rest.get(at + 1..)).unwrap_or(rest);
            format!("{scheme}://{}", rest.trim_end_matches('/'))
        }
        None => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_servers_url_is_shown_without_credentials() {
        assert_eq!(without_credentials("https://u:p@h:6443/"), "https://h:6443");
        assert_eq!(without_credentials("http://h/a@b"), "http://h/a@b");
    }
}
