//! Decides, rule by rule, what all the evidence together amounts to.
//!
//! [`hits`] finds what each matcher matched, [`keys`] says what a hit is about, [`decide`] joins
//! hits by the rule's key and tries its condition. [`render`] makes the findings: [`proof`] chooses
//! what they quote, [`words`] and [`steps`] fill their texts. [`coverage`] tells what could not be
//! decided, [`fold`] puts causes above their symptoms. Pure: the same facts and matches give the
//! same findings.

mod coverage;
mod decide;
mod fold;
mod hits;
mod keys;
mod overlap;
mod proof;
mod render;
mod steps;
mod words;

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};

use jiff::Timestamp;
use serde_json::Value;

pub(crate) use coverage::Coverage;
use keys::Keys;
pub(crate) use words::{full, shown};

use crate::facts::Facts;
use crate::facts::control_plane::{USUAL, named_in};
use crate::finding::Finding;
use crate::report::CouldNotCheck;
use crate::rule::set::Rules;
use crate::rule::version::{Range, Version};
use crate::rule::{Matcher, Rule};
use crate::scan::matches::{Group, Scanned};
use crate::scan::{panic_text, parallel};

/// Everything that rules are decided by.
pub(crate) struct World<'a> {
    pub(crate) at: Timestamp,
    pub(crate) facts: &'a Facts,
    pub(crate) scanned: &'a Scanned,
    pub(crate) coverage: &'a Coverage<'a>,
    pub(crate) keys: Keys<'a>,
    pub(crate) mesh: &'a Value,
    /// The namespace of the control plane; the usual one if nothing tells.
    pub(crate) control_plane: &'a str,
}

impl<'a> World<'a> {
    pub(crate) fn new(
        at: Timestamp,
        facts: &'a Facts,
        scanned: &'a Scanned,
        coverage: &'a Coverage<'a>,
    ) -> Self {
        let mesh = facts
            .table("mesh")
            .first()
            .map_or(&Value::Null, |fact| &fact.fields);
        Self {
            at,
            facts,
            scanned,
            coverage,
            keys: Keys::new(facts),
            mesh,
            control_plane: control_plane(facts, scanned),
        }
    }
}

/// The namespace of the control plane: of the facts, else the first that a line which matters names.
fn control_plane<'a>(facts: &'a Facts, scanned: &'a Scanned) -> &'a str {
    let known = facts.places.control_plane.as_deref();
    let named = || {
        let lines = scanned.matches.groups.values().flat_map(Group::lines);
        lines.map(|line| line.text.as_ref()).find_map(named_in)
    };
    known.or_else(named).unwrap_or(USUAL)
}

/// What one rule came to.
#[derive(Debug, Default)]
pub(crate) struct Decided {
    pub(crate) findings: Vec<Finding>,
    pub(crate) could_not_check: Vec<CouldNotCheck>,
    /// Whether the rule does not apply to these versions.
    pub(crate) is_out_of_range: bool,
}

/// What all rules came to.
#[derive(Debug, Default)]
pub(crate) struct Conclusions {
    pub(crate) findings: Vec<Finding>,
    pub(crate) could_not_check: Vec<CouldNotCheck>,
    /// Rules that hold.
    pub(crate) found: usize,
    /// Rules that were decided and do not hold.
    pub(crate) clear: usize,
    /// Rules that do not apply to these versions.
    pub(crate) not_applicable: usize,
}

/// Decides all rules.
pub(crate) fn conclude(rules: &Rules, world: &World<'_>, threads: usize) -> Conclusions {
    let mut done: BTreeMap<&str, Decided> = BTreeMap::new();
    let mut open: Vec<&Rule> = rules.list.iter().collect();
    while !open.is_empty() {
        let (ready, waiting): (Vec<&Rule>, Vec<&Rule>) = open.iter().partition(|rule| {
            awaited(rule).all(|id| done.contains_key(id) || rules.rule(id).is_none())
        });
        // Cycles are refused when rules are compiled; this is for the rule that slips through.
        let (ready, waiting) = if ready.is_empty() {
            (waiting, Vec::new())
        } else {
            (ready, waiting)
        };
        let decided = parallel::map(&ready, threads, |rule| guarded(rule, rules, world, &done));
        done.extend(ready.iter().map(|rule| rule.id.as_str()).zip(decided));
        open = waiting;
    }
    gather(rules, world, done)
}

/// Rules whose findings a rule asks for.
fn awaited(rule: &Rule) -> impl Iterator<Item = &str> {
    rule.matchers
        .iter()
        .filter_map(|named| match &named.matcher {
            Matcher::Finding(id) => Some(id.as_str()),
            _ => None,
        })
}

/// Decides one rule; a panic becomes a row.
fn guarded(
    rule: &Rule,
    rules: &Rules,
    world: &World<'_>,
    done: &BTreeMap<&str, Decided>,
) -> Decided {
    let work = || {
        if !applies(rule, world.mesh) {
            return Decided {
                is_out_of_range: true,
                ..Decided::default()
            };
        }
        let mut decided = decide::decide(rule, rules, world, done);
        // What is found needs no excuse; what is not may be found in what is missing.
        if decided.findings.is_empty() {
            decided
                .could_not_check
                .extend(world.coverage.gaps_of(rule, rules));
        }
        decided
    };
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| Decided {
        could_not_check: vec![CouldNotCheck {
            rule: rule.id.clone(),
            reason: format!("a defect of this program: {}", panic_text(panic.as_ref())),
            how_to_get_it: "report it with the bundle's manifest".to_owned(),
        }],
        ..Decided::default()
    })
}

/// Whether a rule applies to the versions that the bundle tells of. Unknown versions do.
fn applies(rule: &Rule, mesh: &Value) -> bool {
    let within = |range: &Option<Range>, versions: Vec<&str>| {
        let Some(range) = range else { return true };
        let known: Vec<Version> = versions.into_iter().filter_map(Version::parse).collect();
        known.is_empty() || known.iter().any(|version| range.holds(version))
    };
    let one = |name: &str| mesh.get(name).and_then(Value::as_str).into_iter().collect();
    let proxies = match mesh.get("proxy_versions") {
        Some(Value::Array(versions)) => versions.iter().filter_map(Value::as_str).collect(),
        Some(Value::Object(versions)) => versions.keys().map(String::as_str).collect(),
        _ => Vec::new(),
    };
    within(&rule.proxy, proxies)
        && within(&rule.control_plane, one("version"))
        && within(&rule.kubernetes, one("kubernetes_version"))
}

fn gather(rules: &Rules, world: &World<'_>, done: BTreeMap<&str, Decided>) -> Conclusions {
    let mut all = Conclusions::default();
    let mut undecided = BTreeSet::new();
    for (id, decided) in done {
        if decided.is_out_of_range {
            all.not_applicable += 1;
        } else if !decided.findings.is_empty() {
            all.found += 1;
        } else if decided.could_not_check.is_empty() {
            all.clear += 1;
        } else {
            undecided.insert(id);
        }
        all.findings.extend(decided.findings);
        all.could_not_check.extend(decided.could_not_check);
    }
    all.could_not_check.sort();
    all.could_not_check.dedup();
    all.findings.sort_by(order);
    all.findings = fold::fold(all.findings, rules, &world.keys);
    all
}

/// The order in which findings are reported.
pub(crate) fn order(a: &Finding, b: &Finding) -> std::cmp::Ordering {
    let place = |f: &Finding| f.evidence.first().map(|e| (e.entry.clone(), e.line));
    b.severity
        .cmp(&a.severity)
        .then_with(|| a.rule.cmp(&b.rule))
        .then_with(|| a.subjects.cmp(&b.subjects))
        .then_with(|| place(a).cmp(&place(b)))
        .then_with(|| a.message.cmp(&b.message))
}
