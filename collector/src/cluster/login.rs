//! The client, and a new one when the server no longer takes its credentials: a token that was
//! good when collecting began may have been replaced on disk, or be had anew from a plugin.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use http::StatusCode;
use kube::Client;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::connect::{ConnectError, Way};
use crate::plan::{Access, Limits};

/// Time between two looks for other credentials. Who is refused for good must not run a plugin
/// for each request.
const PAUSE: Duration = Duration::from_secs(10);

/// How one gets in.
pub(super) struct Login {
    access: Access,
    limits: Limits,
    current: RwLock<Current>,
    renewed: Mutex<Option<Instant>>,
    /// Whether the server has let anybody in.
    was_good: AtomicBool,
}

struct Current {
    client: Client,
    /// How often there were other credentials before.
    number: u32,
}

impl Login {
    /// With the credentials that `access` has led to.
    pub(super) fn new(access: Access, limits: Limits, client: Client) -> Self {
        let current = Current { client, number: 0 };
        Self {
            access,
            limits,
            current: RwLock::new(current),
            renewed: Mutex::default(),
            was_good: AtomicBool::new(false),
        }
    }

    /// The client, and which one it is.
    pub(super) fn client(&self) -> (Client, u32) {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        (current.client.clone(), current.number)
    }

    /// Notes an answer to a client. Whether the request is worth sending once more, with another.
    pub(super) async fn is_renewed_after(&self, status: StatusCode, number: u32) -> bool {
        if status != StatusCode::UNAUTHORIZED {
            self.was_good.store(true, Ordering::Relaxed);
            return false;
        }
        let mut renewed = self.renewed.lock().await;
        let (_, now) = self.client();
        if now != number {
            return true;
        }
        let is_too_soon = renewed.is_some_and(|at| at.elapsed() < PAUSE);
        if is_too_soon || !self.was_good.load(Ordering::Relaxed) {
            return false;
        }
        *renewed = Some(Instant::now());
        let Some(client) = self.renew().await else {
            return false;
        };
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        *current = Current {
            client,
            number: number + 1,
        };
        true
    }

    /// Reads kubeconfig, token file and plugin again. On a thread of its own, since a plugin
    /// takes as long as it likes.
    async fn renew(&self) -> Option<Client> {
        let (access, limits) = (self.access.clone(), self.limits.clone());
        let runtime = tokio::runtime::Handle::current();
        let making = tokio::task::spawn_blocking(move || -> Result<Client, ConnectError> {
            Ok(runtime.block_on(Way::find(&access, &limits))?.client)
        });
        let made = tokio::time::timeout(self.limits.item_timeout, making).await;
        made.ok()?.ok()?.ok()
    }
}
