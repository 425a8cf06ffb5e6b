//! Which requests a fault is for.

use super::asked::{Asked, Verb, Via};
use super::glob::Glob;

/// Nodes or pods that a fault is for.
#[derive(Debug, Clone)]
pub(super) enum Choice {
    Named(Vec<Glob>),
    /// Millionths of all.
    Share(u32),
}

/// The same, once it is known how many there are.
#[derive(Debug, Clone)]
pub(super) enum Chosen {
    All,
    Named(Vec<Glob>),
    /// Those whose draw is not above this one; `None` if there are none at all.
    Drawn(Option<u64>),
}

impl Chosen {
    pub(super) fn has(&self, name: &str, draw: impl FnOnce() -> u64) -> bool {
        match self {
            Self::All => true,
            Self::Named(globs) => globs.iter().any(|g| g.matches(name)),
            Self::Drawn(highest) => highest.is_some_and(|h| draw() <= h),
        }
    }
}

/// What must hold of a request, but for nodes, pods and shares. What is not given holds.
#[derive(Debug, Clone, Default)]
pub(super) struct Pattern {
    pub(super) verbs: Option<Vec<Verb>>,
    pub(super) paths: Option<Vec<Glob>>,
    pub(super) query: Vec<(String, Vec<Glob>)>,
    pub(super) resources: Option<Vec<Glob>>,
    pub(super) subresources: Option<Vec<Glob>>,
    pub(super) namespaces: Option<Vec<Glob>>,
    pub(super) via: Option<Vec<Via>>,
}

impl Pattern {
    pub(super) fn matches(&self, asked: &Asked) -> bool {
        is_among(self.verbs.as_ref(), &asked.verb)
            && is_among(self.via.as_ref(), &asked.via)
            && any(self.paths.as_ref(), &asked.path)
            && any(self.resources.as_ref(), &asked.resource)
            && any(self.subresources.as_ref(), &asked.subresource)
            && self.has_namespace(asked.namespace.as_deref())
            && self.query.iter().all(|(name, globs)| {
                let value = asked.query.get(name);
                value.is_some_and(|v| globs.iter().any(|g| g.matches(v)))
            })
    }

    pub(super) fn has_namespace(&self, namespace: Option<&str>) -> bool {
        match (&self.namespaces, namespace) {
            (None, _) => true,
            (Some(_), None) => false,
            (globs, Some(namespace)) => any(globs.as_ref(), namespace),
        }
    }
}

fn is_among<T: PartialEq>(wanted: Option<&Vec<T>>, found: &T) -> bool {
    wanted.is_none_or(|w| w.contains(found))
}

fn any(globs: Option<&Vec<Glob>>, text: &str) -> bool {
    globs.is_none_or(|globs| globs.iter().any(|g| g.matches(text)))
}

/// The nodes and pods of a fault.
#[derive(Debug)]
pub(super) struct Members {
    pub(super) nodes: Chosen,
    pub(super) pods: Chosen,
}

impl Members {
    pub(super) fn have(&self, asked: &Asked, draw: impl Fn(&str) -> u64) -> bool {
        self.have_node(asked.node.as_deref(), &draw)
            && match (&self.pods, asked.pod()) {
                (Chosen::All, _) => true,
                (_, None) => false,
                (pods, Some(name)) => {
                    let namespace = asked.namespace.as_deref().unwrap_or_default();
                    pods.has(name, || draw(&format!("{namespace}/{name}")))
                }
            }
    }

    pub(super) fn have_node(&self, node: Option<&str>, draw: impl Fn(&str) -> u64) -> bool {
        match (&self.nodes, node) {
            (Chosen::All, _) => true,
            (_, None) => false,
            (nodes, Some(node)) => nodes.has(node, || draw(node)),
        }
    }
}
