//! The same log lines are told once: findings that show no others than a worse one does.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use crate::finding::{Finding, Severity};

/// Entry and line.
type Spot<'a> = (&'a str, u64);

/// For every finding the one whose lines hold all of its own: of the worst, of those about the
/// most subjects, the first by id. Findings of one rule stay beside each other.
pub(super) fn causes(findings: &[Finding]) -> Vec<Option<usize>> {
    let lines: Vec<BTreeSet<Spot<'_>>> = findings.iter().map(lines).collect();
    let mut by_line: BTreeMap<Spot<'_>, Vec<usize>> = BTreeMap::new();
    for (number, spots) in lines.iter().enumerate() {
        for spot in spots {
            by_line.entry(*spot).or_default().push(number);
        }
    }
    let cause_of = |(finding, own): (&Finding, &BTreeSet<Spot<'_>>)| {
        let others = by_line.get(own.first()?)?.iter();
        let covers = others.filter_map(|number| {
            let (other, all) = (findings.get(*number)?, lines.get(*number)?);
            let is_above = other.rule != finding.rule && rank(other) < rank(finding);
            (is_above && own.is_subset(all)).then_some((rank(other), *number))
        });
        covers.min().map(|(_, number)| number)
    };
    findings.iter().zip(&lines).map(cause_of).collect()
}

/// The lines of logs among its evidence.
fn lines(finding: &Finding) -> BTreeSet<Spot<'_>> {
    let spots = finding.evidence.iter();
    spots
        .filter_map(|e| Some((e.entry.as_str(), e.line?)))
        .collect()
}

/// What comes first is told above what comes later.
fn rank(finding: &Finding) -> (Reverse<Severity>, Reverse<usize>, &str) {
    let subjects = finding.subjects.len();
    (Reverse(finding.severity), Reverse(subjects), &finding.rule)
}
