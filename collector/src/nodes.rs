//! Which nodes have stopped answering, and by which way, so that they are not asked in vain.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bundle::Outcome;

use crate::cluster::Trouble;

/// The ways to what is on a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// Logs, which its kubelet reads.
    Log,
    /// Ports that its kubelet opens.
    PortForward,
    /// Ports that the API server itself connects to.
    PodProxy,
}

impl Way {
    fn name(self) -> &'static str {
        match self {
            Self::Log => "logs",
            Self::PortForward => "port-forwards",
            Self::PodProxy => "the pod proxy",
        }
    }

    /// Whether it needs the node's kubelet.
    fn is_through_kubelet(self) -> bool {
        self != Self::PodProxy
    }
}

/// What is known of each node.
#[derive(Debug)]
pub struct Nodes {
    nodes: Mutex<BTreeMap<String, Node>>,
    silent_after: u32,
}

#[derive(Debug, Default)]
struct Node {
    /// Items in a row that got no answer, by way.
    unanswered: BTreeMap<Way, u32>,
    /// Whether its kubelet, and whether its network, has ever answered.
    kubelet_answered: bool,
    network_answered: bool,
    /// Whether nothing good is expected of it.
    is_distrusted: bool,
}

impl Nodes {
    /// Takes a node for silent after so many items in a row without an answer.
    pub fn new(silent_after: u32) -> Self {
        Self {
            nodes: Mutex::default(),
            silent_after,
        }
    }

    /// Notes how an item ended that went to `node`.
    pub fn note<T>(&self, node: Option<&str>, way: Way, result: &Result<T, Trouble>) {
        let Some(name) = node else { return };
        let mut nodes = self.lock();
        match result {
            Ok(_) => {
                let node = nodes.entry(name.to_owned()).or_default();
                node.unanswered.remove(&way);
                if way.is_through_kubelet() {
                    node.kubelet_answered = true;
                } else {
                    node.network_answered = true;
                }
            }
            Err(trouble) if trouble.outcome == Outcome::TimedOut || trouble.is_unreachable() => {
                let node = nodes.entry(name.to_owned()).or_default();
                *node.unanswered.entry(way).or_default() += 1;
            }
            // The API server's own word, or the end of collecting, says nothing about a node.
            Err(_) => {}
        }
    }

    /// Expects nothing good of a node that is not ready: one item without an answer is enough.
    pub fn distrust(&self, name: &str) {
        let mut nodes = self.lock();
        nodes.entry(name.to_owned()).or_default().is_distrusted = true;
    }

    /// Trouble instead of asking a node that no longer answers.
    ///
    /// # Errors
    /// [`Trouble`] when it is silent by this way.
    pub fn check(&self, node: Option<&str>, way: Way) -> Result<(), Trouble> {
        let nodes = self.lock();
        let Some((name, known)) = node.and_then(|n| nodes.get_key_value(n)) else {
            return Ok(());
        };
        // What has another way beside it need not be tried as often.
        let is_hopeless = known.is_distrusted || way == Way::PortForward;
        let most = if is_hopeless && !known.has_answered(way) {
            1
        } else {
            self.silent_after
        };
        if known.unanswered(way) < most {
            return Ok(());
        }
        let way = way.name();
        let reason =
            format!("node `{name}` has stopped answering by {way}, so it was not asked again");
        Err(Trouble::new(Outcome::TimedOut, reason))
    }

    /// How long a log of a node may take to begin, where an item has `limit`: half of it while its
    /// kubelet has let others wait in vain and has never answered.
    pub fn patience(&self, node: Option<&str>, limit: Duration) -> Duration {
        let nodes = self.lock();
        let known = node.and_then(|n| nodes.get(n));
        let is_doubtful = |n: &Node| {
            let mut ways = n.unanswered.keys();
            !n.kubelet_answered && ways.any(|way| way.is_through_kubelet())
        };
        match known {
            Some(node) if is_doubtful(node) => limit / 2,
            _ => limit,
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Node>> {
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Node {
    fn has_answered(&self, way: Way) -> bool {
        if way.is_through_kubelet() {
            self.kubelet_answered
        } else {
            self.network_answered
        }
    }

    /// Items in a row without an answer that count against a way. Before it has ever answered,
    /// those by other ways that have not either count as well: a dead node is known at once.
    fn unanswered(&self, way: Way) -> u32 {
        let own = self.unanswered.get(&way).copied().unwrap_or(0);
        if own == 0 || self.has_answered(way) {
            return own;
        }
        let never = self
            .unanswered
            .iter()
            .filter(|(w, _)| !self.has_answered(**w));
        never.map(|(_, count)| count).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn late() -> Result<(), Trouble> {
        Err(Trouble::new(Outcome::TimedOut, "late"))
    }

    #[test]
    fn a_node_is_silent_after_some_items_in_a_row_and_any_answer_ends_that() {
        let nodes = Nodes::new(2);
        let a = Some("a");
        nodes.note(a, Way::Log, &late());
        nodes.note(a, Way::Log, &Ok(()));
        nodes.note(a, Way::Log, &late());
        assert!(nodes.check(a, Way::Log).is_ok());
        nodes.note(a, Way::Log, &Err::<(), _>(Trouble::absent("gone")));
        nodes.note(a, Way::Log, &late());
        assert!(nodes.check(a, Way::Log).is_err());
        assert!(nodes.check(a, Way::PodProxy).is_ok());
        assert!(nodes.check(Some("b"), Way::Log).is_ok() && nodes.check(None, Way::Log).is_ok());
    }

    #[test]
    fn ways_of_a_node_that_never_answered_count_together_but_each_is_tried() {
        let nodes = Nodes::new(3);
        let a = Some("a");
        nodes.note(a, Way::Log, &late());
        nodes.note(a, Way::Log, &late());
        nodes.note(a, Way::PortForward, &late());
        assert!(nodes.check(a, Way::Log).is_err());
        assert!(nodes.check(a, Way::PortForward).is_err());
        assert!(nodes.check(a, Way::PodProxy).is_ok());
        nodes.note(a, Way::PodProxy, &Ok(()));
        assert!(nodes.check(a, Way::Log).is_err(), "a dead kubelet");
        nodes.note(a, Way::PortForward, &Ok(()));
        assert!(nodes.check(a, Way::Log).is_ok());
    }

    #[test]
    fn a_port_forward_is_given_up_at_once_by_a_kubelet_that_never_answered_and_logs_wait_less() {
        let nodes = Nodes::new(3);
        let (a, limit) = (Some("a"), Duration::from_secs(30));
        assert_eq!(nodes.patience(a, limit), limit);
        nodes.note(a, Way::PortForward, &late());
        assert!(nodes.check(a, Way::PortForward).is_err());
        assert!(nodes.check(a, Way::Log).is_ok() && nodes.check(a, Way::PodProxy).is_ok());
        assert_eq!(nodes.patience(a, limit), limit / 2);
        nodes.note(a, Way::Log, &Ok(()));
        assert!(nodes.check(a, Way::PortForward).is_ok());
        assert_eq!(nodes.patience(a, limit), limit);
    }

    #[test]
    fn one_item_is_enough_for_a_node_that_is_not_ready() {
        let nodes = Nodes::new(3);
        nodes.distrust("a");
        assert!(nodes.check(Some("a"), Way::Log).is_ok());
        nodes.note(Some("a"), Way::Log, &late());
        assert!(nodes.check(Some("a"), Way::Log).is_err());
    }
}
