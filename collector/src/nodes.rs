//! Which nodes' kubelets have stopped answering, so that they are not asked in vain.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use bundle::Outcome;

use crate::cluster::Trouble;

/// What is known of each node's kubelet.
#[derive(Debug)]
pub struct Nodes {
    /// Items in a row that timed out, by node.
    in_a_row: Mutex<BTreeMap<String, u32>>,
    silent_after: u32,
}

impl Nodes {
    /// Takes a kubelet for silent after so many items in a row without an answer.
    pub fn new(silent_after: u32) -> Self {
        Self {
            in_a_row: Mutex::default(),
            silent_after,
        }
    }

    /// Notes how an item ended that went through the kubelet of `node`.
    pub fn note<T>(&self, node: Option<&str>, result: &Result<T, Trouble>) {
        let Some(node) = node else { return };
        let mut in_a_row = self.in_a_row.lock().unwrap_or_else(PoisonError::into_inner);
        match result {
            Err(trouble) if trouble.outcome == Outcome::TimedOut => {
                *in_a_row.entry(node.to_owned()).or_default() += 1;
            }
            // The end of collecting says nothing about a node.
            Err(trouble) if trouble.outcome == Outcome::Skipped => {}
            _ => {
                in_a_row.remove(node);
            }
        }
    }

    /// Expects nothing good of a node that is not ready: one time-out is enough.
    pub fn distrust(&self, node: &str) {
        let mut in_a_row = self.in_a_row.lock().unwrap_or_else(PoisonError::into_inner);
        in_a_row.insert(node.to_owned(), self.silent_after.saturating_sub(1));
    }

    /// Trouble instead of asking a kubelet that no longer answers.
    ///
    /// # Errors
    /// [`Trouble`] when it is silent.
    pub fn check(&self, node: Option<&str>) -> Result<(), Trouble> {
        let in_a_row = self.in_a_row.lock().unwrap_or_else(PoisonError::into_inner);
        let times = node.and_then(|n| in_a_row.get(n)).copied().unwrap_or(0);
        if times < self.silent_after {
            return Ok(());
        }
        let node = node.unwrap_or_default();
        Err(Trouble::new(
            Outcome::TimedOut,
            format!(
                "the kubelet of node `{node}` has stopped answering, so it was not asked again"
            ),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kubelet_is_silent_after_some_time_outs_in_a_row_and_any_answer_ends_that() {
        let nodes = Nodes::new(2);
        let late: Result<(), _> = Err(Trouble::new(Outcome::TimedOut, "late"));
        nodes.note(Some("a"), &late);
        nodes.note(Some("a"), &Ok(()));
        nodes.note(Some("a"), &late);
        assert!(nodes.check(Some("a")).is_ok());
        nodes.note(Some("a"), &late);
        assert!(nodes.check(Some("a")).is_err());
        assert!(nodes.check(Some("b")).is_ok() && nodes.check(None).is_ok());
        nodes.distrust("b");
        nodes.note(Some("b"), &late);
        assert!(nodes.check(Some("b")).is_err());
    }
}
