//! Words findings.

use std::collections::BTreeSet;

use super::World;
use super::decide::Group;
use super::hits::Hit;
use super::proof::{MAX_EVIDENCE, places};
use super::steps::{self, Step};
use super::words::{Words, without_loose_end};
use crate::evidence::Subject;
use crate::finding::Finding;
use crate::rule::Rule;

/// A finding whose steps may still take in those of others that say the same.
pub(super) struct Draft {
    pub(super) finding: Finding,
    steps: Vec<Step>,
}

/// Makes the finding of one key; `None` if nothing shows it. `proving` are the matchers that make
/// the condition hold, in its order.
pub(super) fn draft(
    rule: &Rule,
    key: Option<&Subject>,
    group: &Group<'_, '_>,
    proving: &[usize],
    world: &World<'_>,
) -> Option<Draft> {
    let used = used(group, proving);
    let mut subjects: BTreeSet<Subject> = match key {
        Some(key) => BTreeSet::from([key.clone()]),
        None => used
            .iter()
            .flat_map(|hit| hit.subjects.iter().cloned())
            .collect(),
    };
    if subjects.is_empty() {
        subjects.insert(Subject::cluster("Cluster", "cluster"));
    }
    let subjects: Vec<Subject> = subjects.into_iter().collect();
    let evidence = places(&used);
    if evidence.is_empty() {
        return None;
    }
    let words = Words {
        rule,
        group,
        used: &used,
        subjects: &subjects,
        world,
    };
    let render = |name: &str| words.said(name);
    let steps = steps::of(&words, key, proving);
    let finding = Finding {
        rule: rule.id.clone(),
        title: rule.title.clone(),
        severity: rule.severity,
        own_severity: None,
        message: without_loose_end(&rule.message.render(render)),
        meaning: words.sentences(&rule.meaning),
        fix: Vec::new(),
        links: rule.links.clone(),
        occurrences: used.iter().map(|hit| hit.count).sum(),
        first: used.iter().filter_map(|hit| hit.first).min(),
        last: used.iter().filter_map(|hit| hit.last).max(),
        evidence,
        subjects,
        symptoms: Vec::new(),
    };
    Some(Draft { finding, steps })
}

/// The hits that stand as evidence, in the order of matchers.
fn used<'b, 'h>(group: &Group<'b, 'h>, proving: &[usize]) -> Vec<&'h Hit<'b>> {
    let numbers: BTreeSet<usize> = proving.iter().copied().collect();
    let hits = numbers.iter().filter_map(|n| group.get(*n));
    hits.flatten().copied().collect()
}

impl Draft {
    /// Takes the subjects, evidence and steps of a finding that says the same into this one.
    pub(super) fn absorb(&mut self, other: Self) {
        for (known, step) in self.steps.iter_mut().zip(other.steps) {
            known.absorb(step);
        }
        let (known, other) = (&mut self.finding, other.finding);
        known.subjects.extend(other.subjects);
        known.occurrences += other.occurrences;
        known.first = match (known.first, other.first) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        known.last = known.last.max(other.last);
        let room = MAX_EVIDENCE.saturating_sub(known.evidence.len());
        known.evidence.extend(other.evidence.into_iter().take(room));
    }

    /// Puts what was absorbed in order, each once.
    pub(super) fn settle(self) -> Finding {
        let mut finding = self.finding;
        finding.fix = self.steps.into_iter().map(Step::told).collect();
        finding.subjects.sort();
        finding.subjects.dedup();
        finding.evidence.sort();
        finding.evidence.dedup();
        finding
    }
}
