//! Puts causes above the symptoms that they account for. A check of `linkerd check` that fails is a
//! symptom of what is found by rules that refer to it.

use std::collections::BTreeSet;

use super::keys::Keys;
use super::overlap;
use crate::evidence::Subject;
use crate::finding::Finding;
use crate::rule::Place;
use crate::rule::set::Rules;

/// Moves every finding that another one accounts for below it, and then those that show nothing
/// but lines of another. `findings` are in report order, so a symptom goes to the worst of its
/// causes.
pub(super) fn fold(findings: Vec<Finding>, rules: &Rules, keys: &Keys<'_>) -> Vec<Finding> {
    let about: Vec<About> = findings
        .iter()
        .map(|finding| About::new(finding, keys))
        .collect();
    let causes: Vec<Option<usize>> = (0..findings.len())
        .map(|symptom| cause_of(symptom, &findings, &about, rules))
        .collect();
    let findings = move_below(findings, &causes);
    let causes = overlap::causes(&findings);
    let mut findings = move_below(findings, &causes);
    findings.iter_mut().for_each(rise);
    findings.sort_by(super::order);
    findings
}

/// A cause does to users what its symptoms do: it is no less bad than the worst of them.
fn rise(finding: &mut Finding) {
    finding.symptoms.iter_mut().for_each(rise);
    let worst = finding.symptoms.iter().map(|s| s.severity).max();
    if let Some(worst) = worst.filter(|worst| *worst > finding.severity) {
        finding.own_severity = Some(finding.severity);
        finding.severity = worst;
    }
    finding.symptoms.sort_by(super::order);
}

/// Moves every finding below the one whose number is given for it.
fn move_below(findings: Vec<Finding>, causes: &[Option<usize>]) -> Vec<Finding> {
    let mut slots: Vec<Option<Finding>> = findings.into_iter().map(Some).collect();
    // From the farthest symptom up, so that each takes its own symptoms along.
    let mut order: Vec<usize> = (0..slots.len()).collect();
    order.sort_by_key(|at| std::cmp::Reverse((depth(*at, causes), *at)));
    for at in order {
        let Some(cause) = causes.get(at).copied().flatten() else {
            continue;
        };
        let symptom = slots.get_mut(at).and_then(Option::take);
        if let (Some(symptom), Some(Some(cause))) = (symptom, slots.get_mut(cause)) {
            cause.symptoms.push(symptom);
        }
    }
    slots.into_iter().flatten().collect()
}

fn depth(at: usize, causes: &[Option<usize>]) -> usize {
    let mut depth = 0;
    let mut next = causes.get(at).copied().flatten();
    while let Some(cause) = next {
        depth += 1;
        if depth > causes.len() {
            break;
        }
        next = causes.get(cause).copied().flatten();
    }
    depth
}

/// The first finding that accounts for this one together with others of its rule.
fn cause_of(symptom: usize, findings: &[Finding], about: &[About], rules: &Rules) -> Option<usize> {
    let (finding, own) = (findings.get(symptom)?, about.get(symptom)?);
    let mut open: Vec<&Near> = own.near.iter().collect();
    let mut first = None;
    for (number, (cause, causes)) in findings.iter().zip(about).enumerate() {
        let rule = rules.rule(&cause.rule)?;
        let mut places = rule.explains.iter();
        let place = places.find(|(id, _)| *id == finding.rule);
        let before = open.len();
        match place.map(|(_, place)| place) {
            Some(Place::Anywhere) => return Some(number),
            Some(Place::Namespace) => open.retain(|near| !near.shares_namespace(causes)),
            Some(Place::Subject) => open.retain(|near| !near.is_reached_by(causes)),
            None => open.retain(|near| !near.is_checked_by(&rule.references)),
        }
        if open.len() < before {
            first = first.or(Some(number));
        }
    }
    if open.is_empty() { first } else { None }
}

/// What a finding is about, widened.
struct About {
    near: Vec<Near>,
    /// Its subjects and their workloads.
    all: BTreeSet<Subject>,
    /// The workloads behind its Services.
    behind: BTreeSet<Subject>,
    namespaces: BTreeSet<String>,
}

/// What is near to one subject.
struct Near {
    /// It, its workload and its node.
    own: BTreeSet<Subject>,
    /// The workloads behind it, if it is a Service.
    behind: BTreeSet<Subject>,
}

impl Near {
    /// Whether a cause is about this, or stands before or behind it. Two Services before one
    /// workload have nothing to do with each other.
    fn is_reached_by(&self, cause: &About) -> bool {
        let touches = |a: &BTreeSet<Subject>, b| !a.is_disjoint(b);
        touches(&self.own, &cause.all)
            || touches(&self.behind, &cause.all)
            || touches(&self.own, &cause.behind)
    }

    /// Whether this is a check of `linkerd check` that fails for what a rule finds.
    fn is_checked_by(&self, references: &[String]) -> bool {
        let mut checks = self.own.iter().filter(|subject| subject.kind == "Check");
        checks.any(|check| references.contains(&check.name))
    }

    fn shares_namespace(&self, cause: &About) -> bool {
        let mut namespaces = self.own.iter().filter_map(namespace_of);
        namespaces.any(|namespace| cause.namespaces.contains(namespace))
    }
}

/// The namespace that a subject is in, or is.
fn namespace_of(subject: &Subject) -> Option<&String> {
    let is_one = subject.kind == "Namespace";
    let own = is_one.then_some(&subject.name);
    subject.namespace.as_ref().or(own)
}

impl About {
    fn new(finding: &Finding, keys: &Keys<'_>) -> Self {
        let near = |subject: &Subject| {
            let own = [
                Some(subject.clone()),
                keys.workload(subject),
                keys.node(subject),
            ];
            Near {
                own: own.into_iter().flatten().collect(),
                behind: keys.backing(subject).collect(),
            }
        };
        let near: Vec<Near> = finding.subjects.iter().map(near).collect();
        // A cause on a pod reaches its workload, but not all else on its node.
        let reach = |subject: &Subject| {
            [Some(subject.clone()), keys.workload(subject)]
                .into_iter()
                .flatten()
                .collect::<Vec<_>>()
        };
        let all = finding.subjects.iter().flat_map(reach).collect();
        let namespaces = finding.subjects.iter().filter_map(namespace_of);
        Self {
            all,
            behind: near.iter().flat_map(|n| n.behind.iter().cloned()).collect(),
            namespaces: namespaces.cloned().collect(),
            near,
        }
    }
}
