//! Joins the hits of a rule by its key, tries its condition for every key, and makes findings.

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;

use super::hits::{self, Hit, Hits};
use super::{Decided, World, render};
use crate::evidence::Subject;
use crate::finding::Finding;
use crate::report::CouldNotCheck;
use crate::rule::set::Rules;
use crate::rule::{Condition, Rule};

/// Findings of one rule before the rest is told in one.
const MAX_FINDINGS: usize = 20;

/// The hits of every matcher for one key.
pub(super) type Group<'a, 'h> = Vec<Vec<&'h Hit<'a>>>;

/// Decides one rule.
pub(super) fn decide<'a>(
    rule: &Rule,
    rules: &'a Rules,
    world: &'a World<'_>,
    done: &'a BTreeMap<&str, Decided>,
) -> Decided {
    let all: Vec<Hits<'a>> = rule
        .matchers
        .iter()
        .map(|named| hits::of(named, rule, rules, world, done))
        .collect();
    let (mut positive, mut negative) = (Vec::new(), Vec::new());
    rule.condition.matchers(&mut positive, &mut negative);
    let keys = keys(rule, &all, &positive, world);
    let mut findings = Vec::new();
    for key in &keys {
        let group: Group<'_, '_> = all
            .iter()
            .map(|hits| of_key(rule, hits, key.as_ref(), world))
            .collect();
        if holds(&rule.condition, rule, &group) {
            let evidence = used(&positive, &group, rule);
            if let Some(finding) = render::finding(rule, key.as_ref(), &group, &evidence, world) {
                findings.push(finding);
            }
        }
    }
    let mut could_not_check = errors(rule, &all);
    // What is only not found because it is not in the bundle proves nothing.
    if !findings.is_empty() && !negative.is_empty() {
        let gaps = world.coverage.gaps_of_matchers(rule, &negative, rules);
        if !gaps.is_empty() {
            findings.clear();
            could_not_check.extend(gaps);
        }
    }
    Decided {
        findings: cap(merge(findings)),
        could_not_check,
        is_out_of_range: false,
    }
}

/// All keys that evidence has; `None` is evidence about the whole bundle.
fn keys(
    rule: &Rule,
    all: &[Hits<'_>],
    positive: &[usize],
    world: &World<'_>,
) -> Vec<Option<Subject>> {
    let mut keys = BTreeSet::new();
    let mut has_any = false;
    for hit in positive
        .iter()
        .filter_map(|n| all.get(*n))
        .flat_map(|hits| &hits.list)
    {
        has_any = true;
        keys.extend(world.keys.of(rule.by, hit));
    }
    if keys.is_empty() && has_any {
        return vec![None];
    }
    keys.into_iter().map(Some).collect()
}

/// The hits of one matcher for a key: its own, and those that have no key at all.
fn of_key<'a, 'h>(
    rule: &Rule,
    hits: &'h Hits<'a>,
    key: Option<&Subject>,
    world: &World<'_>,
) -> Vec<&'h Hit<'a>> {
    let is_of = |hit: &&Hit<'_>| {
        let keys = world.keys.of(rule.by, hit);
        keys.is_empty() || key.is_some_and(|key| keys.contains(key))
    };
    hits.list.iter().filter(is_of).collect()
}

/// Whether a condition holds for one key.
fn holds(condition: &Condition, rule: &Rule, group: &Group<'_, '_>) -> bool {
    let hits = |number: &usize| group.get(*number).map(Vec::as_slice).unwrap_or_default();
    match condition {
        Condition::Matcher(number) => {
            let least = rule
                .matchers
                .get(*number)
                .map_or(1, |named| named.min_count);
            let found: u64 = hits(number).iter().map(|hit| hit.count).sum();
            !hits(number).is_empty() && found >= least
        }
        Condition::All(parts) => parts.iter().all(|part| holds(part, rule, group)),
        Condition::Any(parts) => parts.iter().any(|part| holds(part, rule, group)),
        Condition::Not(part) => !holds(part, rule, group),
        Condition::Count { of, over, within } => exceeds(hits(of), *over, *within),
        Condition::Sequence {
            first,
            then,
            is_absent,
            within,
        } => follows(hits(first), hits(then), *within) != *is_absent && !hits(first).is_empty(),
    }
}

/// Whether there are more than `over` within some period of this length.
fn exceeds(hits: &[&Hit<'_>], over: u64, within: Option<SignedDuration>) -> bool {
    let Some(within) = within else {
        return hits.iter().map(|hit| hit.count).sum::<u64>() > over;
    };
    let mut seconds: BTreeMap<i64, u64> = BTreeMap::new();
    for (second, count) in hits.iter().flat_map(|hit| hit.times()) {
        *seconds.entry(second).or_default() += count;
    }
    let seconds: Vec<(i64, u64)> = seconds.into_iter().collect();
    let (mut start, mut sum) = (0, 0);
    for (second, count) in &seconds {
        sum += count;
        while let Some((early, passed)) = seconds.get(start)
            && second - early > within.as_secs()
        {
            sum -= passed;
            start += 1;
        }
        if sum > over {
            return true;
        }
    }
    false
}

/// Whether something of `then` comes after something of `first`: for an absent follower, after
/// the last of `first`.
fn follows(first: &[&Hit<'_>], then: &[&Hit<'_>], within: Option<SignedDuration>) -> bool {
    let times = |hits: &[&Hit<'_>]| -> Vec<i64> {
        let mut times: Vec<i64> = hits
            .iter()
            .flat_map(|hit| hit.times())
            .map(|(second, _)| second)
            .collect();
        times.sort_unstable();
        times
    };
    let (firsts, thens) = (times(first), times(then));
    firsts.iter().any(|first| {
        let next = thens.get(thens.partition_point(|then| then < first));
        next.is_some_and(|next| within.is_none_or(|within| next - first <= within.as_secs()))
    })
}

/// The hits that stand as evidence: those of matchers that make the condition hold.
fn used<'a, 'h>(positive: &[usize], group: &Group<'a, 'h>, rule: &Rule) -> Vec<&'h Hit<'a>> {
    let is_enough = |number: &usize| holds(&Condition::Matcher(*number), rule, group);
    let numbers: BTreeSet<usize> = positive.iter().copied().filter(is_enough).collect();
    numbers
        .iter()
        .filter_map(|n| group.get(*n))
        .flatten()
        .copied()
        .collect()
}

/// Rows for predicates that failed and for absence that cannot be told.
fn errors(rule: &Rule, all: &[Hits<'_>]) -> Vec<CouldNotCheck> {
    let mut rows = Vec::new();
    for hits in all {
        if let Some(first) = hits.errors.first() {
            let more = hits.errors.len() - 1;
            let more = if more > 0 {
                format!(" (and {more} more)")
            } else {
                String::new()
            };
            rows.push(CouldNotCheck {
                rule: rule.id.clone(),
                reason: format!("{first}{more}"),
                how_to_get_it: format!(
                    "guard the expression with `has`; see `linkerd-analyze rules show {}`",
                    rule.id
                ),
            });
        }
        if let Some(reason) = &hits.uncovered {
            rows.push(CouldNotCheck {
                rule: rule.id.clone(),
                reason: reason.clone(),
                how_to_get_it: super::coverage::COLLECT.to_owned(),
            });
        }
    }
    rows
}

/// Joins findings that say the same.
fn merge(findings: Vec<Finding>) -> Vec<Finding> {
    let mut merged: Vec<Finding> = Vec::new();
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    for finding in findings {
        if let Some(known) = places
            .get(&finding.message)
            .and_then(|at| merged.get_mut(*at))
        {
            render::absorb(known, finding);
        } else {
            places.insert(finding.message.clone(), merged.len());
            merged.push(finding);
        }
    }
    merged
}

/// Tells what is beyond the cap in one finding.
fn cap(mut findings: Vec<Finding>) -> Vec<Finding> {
    if findings.len() <= MAX_FINDINGS {
        return findings;
    }
    let rest = findings.split_off(MAX_FINDINGS - 1);
    let count = rest.len();
    let mut rest = rest.into_iter();
    if let Some(mut first) = rest.next() {
        first.message = format!(
            "{}, in {count} more places; the first: {}",
            first.title, first.message
        );
        rest.for_each(|finding| render::absorb(&mut first, finding));
        findings.push(first);
    }
    findings
}
