//! What is served: a store, and the faults that its answers get.

use std::sync::Arc;

use crate::Store;
use crate::faults::{Active, Faults};

/// A store and its faults.
#[derive(Debug)]
pub struct Replay {
    pub(crate) store: Arc<Store>,
    pub(crate) faults: Active,
}

impl Replay {
    /// The same with these faults instead of any others. Shares of nodes and pods are drawn here.
    #[must_use]
    pub fn with_faults(mut self, faults: &Faults) -> Self {
        self.faults = Active::of(faults, &self.store);
        self
    }

    /// For whom each fault is that chooses nodes or pods, in words.
    pub fn chosen(&self) -> impl Iterator<Item = &str> {
        self.faults.summaries()
    }
}

impl From<Store> for Replay {
    /// A store without faults.
    fn from(store: Store) -> Self {
        let faults = Active::default();
        Self {
            store: Arc::new(store),
            faults,
        }
    }
}
