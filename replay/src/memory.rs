//! What clients have done to the pods, as far as pods remember it.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// How often each port was scraped, and which log level each proxy was told.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    scrapes: Mutex<BTreeMap<String, u32>>,
    levels: Mutex<BTreeMap<String, String>>,
}

impl Memory {
    /// The number of the scrape that is due: the n-th request gets the n-th one.
    pub(crate) fn next_scrape(&self, target: &str) -> u32 {
        let mut scrapes = self.scrapes.lock().unwrap_or_else(PoisonError::into_inner);
        let count = scrapes.entry(target.to_owned()).or_default();
        *count = count.saturating_add(1);
        *count
    }

    /// The level that the proxy of a pod was told, if it was told one.
    pub(crate) fn level(&self, pod: &str) -> Option<String> {
        let levels = self.levels.lock().unwrap_or_else(PoisonError::into_inner);
        levels.get(pod).cloned()
    }

    /// Tells the proxy of a pod a level.
    pub(crate) fn set_level(&self, pod: &str, level: &str) {
        let mut levels = self.levels.lock().unwrap_or_else(PoisonError::into_inner);
        levels.insert(pod.to_owned(), level.to_owned());
    }
}
