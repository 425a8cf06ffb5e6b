//! Joins the hits of a rule by its key, tries its condition for every key, and makes findings.

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;

use super::hits::{self, Hit, Hits};
use super::render::{self, Draft};
use super::{Decided, World};
use crate::evidence::Subject;
use crate::finding::Finding;
use crate::report::CouldNotCheck;
use crate::rule::set::Rules;
use crate::rule::{By, Condition, Rule};

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
    let joined: Vec<Joined<'a, '_>> = all
        .iter()
        .map(|hits| Joined::of(rule.by, hits, world))
        .collect();
    let (mut findings, mut doubtful) = (Vec::new(), Vec::new());
    for key in keys(&joined, &positive) {
        let group: Group<'_, '_> = joined.iter().map(|hits| hits.of_key(key)).collect();
        if holds(&rule.condition, rule, &group) {
            let proving = proving(&positive, &group, rule);
            let draft = render::draft(rule, key, &group, &proving, world);
            if holds_by_itself(&rule.condition, rule, &group) {
                findings.extend(draft);
            } else {
                doubtful.extend(draft);
            }
        }
    }
    let mut could_not_check = errors(rule, &all);
    // What is only not found because it is not in the bundle proves nothing.
    if !doubtful.is_empty() {
        let gaps = world.coverage.gaps_of_matchers(rule, &negative, rules);
        if gaps.is_empty() {
            findings.extend(doubtful);
        } else {
            could_not_check.extend(gaps);
        }
    }
    Decided {
        findings: cap(merge(findings)),
        could_not_check,
        is_out_of_range: false,
    }
}

/// The hits of one matcher by what they are about.
struct Joined<'a, 'h> {
    /// In the order of all hits of the matcher.
    by_key: BTreeMap<Subject, Vec<(usize, &'h Hit<'a>)>>,
    /// Hits that have no key, and so are of every key.
    of_all: Vec<(usize, &'h Hit<'a>)>,
}

impl<'a, 'h> Joined<'a, 'h> {
    fn of(by: By, hits: &'h Hits<'a>, world: &World<'_>) -> Self {
        let mut joined = Self {
            by_key: BTreeMap::new(),
            of_all: Vec::new(),
        };
        for (number, hit) in hits.list.iter().enumerate() {
            let keys = world.keys.of(by, hit);
            if keys.is_empty() {
                joined.of_all.push((number, hit));
            }
            for key in keys {
                joined.by_key.entry(key).or_default().push((number, hit));
            }
        }
        joined
    }

    /// The hits for a key: its own, and those that have no key at all.
    fn of_key(&self, key: Option<&Subject>) -> Vec<&'h Hit<'a>> {
        let own = key.and_then(|key| self.by_key.get(key));
        let mut hits: Vec<_> = own.into_iter().flatten().chain(&self.of_all).collect();
        hits.sort_by_key(|(number, _)| *number);
        hits.into_iter().map(|(_, hit)| *hit).collect()
    }
}

/// All keys that evidence has; `None` is evidence about the whole bundle.
fn keys<'j>(joined: &'j [Joined<'_, '_>], positive: &[usize]) -> Vec<Option<&'j Subject>> {
    let mut keys = BTreeSet::new();
    let mut has_any = false;
    for hits in positive.iter().filter_map(|n| joined.get(*n)) {
        has_any |= !hits.of_all.is_empty();
        keys.extend(hits.by_key.keys());
    }
    if keys.is_empty() && has_any {
        return vec![None];
    }
    keys.into_iter().map(Some).collect()
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
            is_absent: false,
            within,
        } => follows(&times(hits(first)), &times(hits(then)), *within),
        Condition::Sequence {
            first,
            then,
            is_absent: true,
            within,
        } => {
            let firsts = times(hits(first));
            let last = firsts.last().map(std::slice::from_ref).unwrap_or_default();
            !hits(first).is_empty() && !follows(last, &times(hits(then)), *within)
        }
    }
}

/// Whether a condition holds for one key whatever is not found.
fn holds_by_itself(condition: &Condition, rule: &Rule, group: &Group<'_, '_>) -> bool {
    let also = |part: &Condition| holds_by_itself(part, rule, group);
    match condition {
        Condition::Not(_)
        | Condition::Sequence {
            is_absent: true, ..
        } => false,
        Condition::All(parts) => parts.iter().all(also),
        Condition::Any(parts) => parts.iter().any(also),
        _ => holds(condition, rule, group),
    }
}

/// Whether there are more than `over` within some period of this length.
fn exceeds(hits: &[&Hit<'_>], over: u64, within: Option<SignedDuration>) -> bool {
    let Some(within) = within else {
        return hits.iter().map(|hit| hit.count).sum::<u64>() > over;
    };
    // Seconds since a process started mean nothing beside those of another process.
    let (clocked, uptimes): (Vec<&Hit<'_>>, Vec<&Hit<'_>>) =
        hits.iter().partition(|hit| has_clock(hit));
    let mut alone = uptimes.chunks(1);
    is_dense(&clocked, over, within) || alone.any(|hit| is_dense(hit, over, within))
}

/// Whether a hit tells times of day, and not only seconds since its process started.
fn has_clock(hit: &Hit<'_>) -> bool {
    hit.first.or(hit.last).is_some()
}

fn is_dense(hits: &[&Hit<'_>], over: u64, within: SignedDuration) -> bool {
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

/// When it happened, in seconds, in order.
fn times(hits: &[&Hit<'_>]) -> Vec<i64> {
    let clocked = hits.iter().filter(|hit| has_clock(hit));
    let all = clocked.flat_map(|hit| hit.times());
    let mut times: Vec<i64> = all.map(|(second, _)| second).collect();
    times.sort_unstable();
    times
}

/// Whether something of `thens` comes after something of `firsts`.
fn follows(firsts: &[i64], thens: &[i64], within: Option<SignedDuration>) -> bool {
    firsts.iter().any(|first| {
        let next = thens.get(thens.partition_point(|then| then < first));
        next.is_some_and(|next| within.is_none_or(|within| next - first <= within.as_secs()))
    })
}

/// The matchers that make the condition hold, in its order.
fn proving(positive: &[usize], group: &Group<'_, '_>, rule: &Rule) -> Vec<usize> {
    let is_enough = |number: &usize| holds(&Condition::Matcher(*number), rule, group);
    let mut proving: Vec<usize> = Vec::new();
    for number in positive.iter().copied().filter(is_enough) {
        if !proving.contains(&number) {
            proving.push(number);
        }
    }
    proving
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
fn merge(drafts: Vec<Draft>) -> Vec<Draft> {
    let mut merged: Vec<Draft> = Vec::new();
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    for draft in drafts {
        let message = &draft.finding.message;
        if let Some(known) = places.get(message).and_then(|at| merged.get_mut(*at)) {
            known.absorb(draft);
        } else {
            places.insert(message.clone(), merged.len());
            merged.push(draft);
        }
    }
    merged
}

/// Tells what is beyond the cap in one finding.
fn cap(mut drafts: Vec<Draft>) -> Vec<Finding> {
    if drafts.len() > MAX_FINDINGS {
        let rest = drafts.split_off(MAX_FINDINGS - 1);
        let count = rest.len();
        let mut rest = rest.into_iter();
        if let Some(mut first) = rest.next() {
            first.finding.message = format!(
                "{}, in {count} more places; the first: {}",
                first.finding.title, first.finding.message
            );
            rest.for_each(|draft| first.absorb(draft));
            drafts.push(first);
        }
    }
    drafts.into_iter().map(Draft::settle).collect()
}
