//! Which rows are kept until the rules are decided: those that a rule may need.
//!
//! Many matchers only rule something out, or single out what another one found, and take most of
//! the rows of a large cluster: every event about a container that started, every meshed pod. Their
//! rows are worth nothing where nothing else of the rule was found, which is known once all rows
//! were judged. Until then only the first of them are kept; in the rare case that they turn out to
//! be needed, their tables are derived once more.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use cel::Context;
use jiff::Timestamp;
use serde_json::Value;

use super::set::Rules;
use super::{Condition, Matcher, Rule, TableMatcher, predicate};
use crate::facts::{Fact, Wanted};
use crate::scan::matches::Scanned;

/// Rows of one matcher that are kept before it is known whether its rule can hold.
const FEW: u64 = 512;

/// Judges the rows of one bundle.
#[derive(Debug)]
pub(crate) struct Keeper<'a> {
    rules: &'a Rules,
    /// Log matchers that matched a line.
    logs: BTreeSet<usize>,
    /// What is known of each table matcher, by its number.
    known: Vec<Known<'a>>,
    /// Who asks each table. Expressions are parsed for this, so it waits for the first row.
    askers: BTreeMap<&'a str, OnceLock<Askers<'a>>>,
    /// By number, whether a matcher's rule can hold; known once all rows were judged.
    needed: OnceLock<Vec<bool>>,
}

/// What is known of one matcher so far.
#[derive(Debug)]
struct Known<'a> {
    rule: &'a Rule,
    matcher: &'a TableMatcher,
    /// Whether it asks for there being no row.
    is_absence: bool,
    /// Rows that it took.
    taken: AtomicU64,
    /// Whether some of them were dropped.
    is_lossy: AtomicBool,
}

impl<'a> Keeper<'a> {
    /// Keeps what `rules` may need, given the lines that they matched.
    pub(crate) fn new(rules: &'a Rules, scanned: &Scanned) -> Self {
        let mut known: Vec<Known<'a>> = Vec::new();
        for rule in &rules.list {
            for named in &rule.matchers {
                known.extend(named.matcher.table().map(|matcher| Known {
                    rule,
                    matcher,
                    is_absence: matches!(named.matcher, Matcher::NoRow { .. }),
                    taken: AtomicU64::new(0),
                    is_lossy: AtomicBool::new(false),
                }));
            }
        }
        known.sort_by_key(|known| known.matcher.number);
        let tables = rules.by_table.keys();
        Self {
            rules,
            askers: tables
                .map(|name| (name.as_str(), OnceLock::new()))
                .collect(),
            logs: scanned.matches.groups.keys().map(|key| key.0).collect(),
            known,
            needed: OnceLock::new(),
        }
    }

    fn known(&self, number: u32) -> Option<&Known<'a>> {
        self.known.get(number as usize)
    }

    /// Whether a rule may hold by what was found so far.
    fn can_hold(&self, condition: &Condition, rule: &Rule) -> bool {
        let has = |number: &usize| {
            let named = rule.matchers.get(*number);
            named.is_some_and(|named| match &named.matcher {
                Matcher::Log(log) => self.logs.contains(log),
                Matcher::Table(table) => self.known(table.number).is_some_and(Known::has_rows),
                Matcher::NoRow { .. } | Matcher::NoLine { .. } | Matcher::Finding(_) => true,
            })
        };
        match condition {
            Condition::Matcher(number) | Condition::Count { of: number, .. } => has(number),
            Condition::All(parts) => parts.iter().all(|part| self.can_hold(part, rule)),
            Condition::Any(parts) => parts.iter().any(|part| self.can_hold(part, rule)),
            Condition::Not(_) => true,
            Condition::Sequence {
                first,
                then,
                is_absent,
                ..
            } => has(first) && (*is_absent || has(then)),
        }
    }

    fn is_needed(&self, known: &Known<'_>) -> bool {
        known.is_absence || self.can_hold(&known.rule.condition, known.rule)
    }

    /// Whether a row is kept; if so, it is left with what its matchers show of it.
    fn keep(&self, fact: &mut Fact, askers: &Askers<'_>, root: &Context<'_, '_>) -> bool {
        let matchers: Vec<&TableMatcher> = askers.of(&fact.fields).collect();
        let mut taken_by = Vec::new();
        let mut shown = BTreeSet::from(["count", "first", "last"]);
        for matcher in &matchers {
            match matcher.take(fact, root) {
                Ok(None) => {}
                Ok(Some(_)) => {
                    taken_by.push(matcher.number);
                    shown.extend(matcher.shown.iter().map(String::as_str));
                }
                // It has to be told when the rule is decided, on the whole row, which any of the
                // others may take then.
                Err(_) => {
                    let known = matchers.iter().filter_map(|m| self.known(m.number));
                    let may_take = known.filter(|known| !known.is_absence);
                    may_take.for_each(|known| _ = known.note());
                    return true;
                }
            }
        }
        let taken_by = self.worth(taken_by);
        if taken_by.is_empty() {
            return false;
        }
        fact.reduce(taken_by, &shown);
        true
    }

    /// Of the matchers that take a row those for which it is kept.
    fn worth(&self, mut taken_by: Vec<u32>) -> Vec<u32> {
        if let Some(needed) = self.needed.get() {
            taken_by.retain(|number| needed.get(*number as usize) == Some(&true));
        }
        let mut is_worth = false;
        taken_by.retain(|number| {
            let Some(known) = self.known(*number) else {
                return false;
            };
            let before = known.note();
            // One row is enough to tell that there is one.
            if known.is_absence && before > 0 {
                return false;
            }
            is_worth |= before < FEW || self.needed.get().is_some() || self.is_needed(known);
            true
        });
        if is_worth {
            return taken_by;
        }
        for known in taken_by.iter().filter_map(|number| self.known(*number)) {
            known.is_lossy.store(true, Ordering::Relaxed);
        }
        Vec::new()
    }
}

/// The matchers of one table, by a field that must have one of some texts. A row is asked by few of
/// them.
#[derive(Debug, Default)]
struct Askers<'a> {
    by_field: BTreeMap<&'a str, HashMap<&'a str, Vec<&'a TableMatcher>>>,
    others: Vec<&'a TableMatcher>,
}

impl<'a> Askers<'a> {
    fn of_table(rules: &'a Rules, table: &str) -> Self {
        let mut askers = Self::default();
        for (rule, matcher) in rules.by_table.get(table).into_iter().flatten() {
            let rule = rules.list.get(*rule);
            let named = rule.and_then(|rule| rule.matchers.get(*matcher));
            let Some(matcher) = named.and_then(|named| named.matcher.table()) else {
                continue;
            };
            let Some((field, values)) = matcher.equality() else {
                askers.others.push(matcher);
                continue;
            };
            let by_value = askers.by_field.entry(field).or_default();
            let values: BTreeSet<&str> = values.iter().filter_map(Value::as_str).collect();
            for value in values {
                by_value.entry(value).or_default().push(matcher);
            }
        }
        askers
    }

    /// Whether a row that has these fields may concern any.
    fn may_take(&self, fields: &[(&str, &str)]) -> bool {
        let is_asked = |(field, by_value): (&&str, &HashMap<&str, Vec<&TableMatcher>>)| {
            let known = fields.iter().find(|(name, _)| name == field);
            known.is_none_or(|(_, value)| by_value.contains_key(value))
        };
        !self.others.is_empty() || self.by_field.iter().any(is_asked)
    }

    /// Those that a row may concern.
    fn of(&self, row: &Value) -> impl Iterator<Item = &'a TableMatcher> {
        let named = self
            .by_field
            .iter()
            .filter_map(|(field, by_value)| by_value.get(row.get(field)?.as_str()?));
        named.flatten().chain(&self.others).copied()
    }
}

impl Known<'_> {
    /// Counts a row; gives how many there were before.
    fn note(&self) -> u64 {
        self.taken.fetch_add(1, Ordering::Relaxed)
    }

    fn has_rows(&self) -> bool {
        self.taken.load(Ordering::Relaxed) > 0
    }
}

impl Wanted for Keeper<'_> {
    fn judge(&self, table: &str, rows: &mut Vec<Fact>, mesh: &Value, at: Timestamp) {
        let Some(askers) = self.askers.get(table) else {
            rows.clear();
            return;
        };
        if rows.is_empty() {
            return;
        }
        let askers = askers.get_or_init(|| Askers::of_table(self.rules, table));
        let root = predicate::context(at, mesh);
        rows.retain_mut(|fact| fact.kept.is_some() || self.keep(fact, askers, &root));
    }

    fn may_take(&self, table: &str, fields: &[(&str, &str)]) -> bool {
        let askers = self.askers.get(table);
        askers.is_some_and(|askers| {
            let askers = askers.get_or_init(|| Askers::of_table(self.rules, table));
            askers.may_take(fields)
        })
    }

    fn settle(&self, tables: &mut BTreeMap<&'static str, Vec<Fact>>) -> BTreeSet<&'static str> {
        let needed: Vec<bool> = self.known.iter().map(|k| self.is_needed(k)).collect();
        let lost = self
            .known
            .iter()
            .zip(&needed)
            .filter_map(|(known, is_needed)| {
                let is_lost = *is_needed && known.is_lossy.load(Ordering::Relaxed);
                is_lost.then_some(known.matcher.table.as_str())
            });
        let lost: BTreeSet<&str> = lost.collect();
        let is_needed = |number: &u32| needed.get(*number as usize) == Some(&true);
        let mut again = BTreeSet::new();
        for (name, rows) in tables {
            if lost.contains(name) {
                *rows = Vec::new();
                again.insert(*name);
                continue;
            }
            rows.retain_mut(|fact| match &mut fact.kept {
                Some(kept) => {
                    kept.taken_by = kept.taken_by.iter().copied().filter(is_needed).collect();
                    !kept.taken_by.is_empty()
                }
                None => true,
            });
            rows.shrink_to_fit();
        }
        for known in self
            .known
            .iter()
            .filter(|k| again.contains(k.matcher.table.as_str()))
        {
            known.taken.store(0, Ordering::Relaxed);
        }
        _ = self.needed.set(needed);
        again
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::evidence::{Evidence, Subject};
    use crate::rule::set::RuleText;

    const RULE: &str = r#"
id: pod-waits
title: A pod waits
severity: low
topic: workloads
matchers:
  meshed: {fact: {table: pods, where: "row.meshed"}}
  waits: {fact: {table: pods, where: "row.phase in ['Pending']"}}
  none: {absent: {source: cluster-resources, table: nodes, where: "row.ready"}}
condition: {all: [meshed, waits, none]}
message: "`{pod}` waits"
meaning: It is not there.
fix: ["look at it"]
links: []
references: [seen-on-a-real-mesh]
"#;

    fn rules() -> Rules {
        let text = RuleText::new("workloads/pod-waits.yaml", RULE.to_owned(), None);
        Rules::compile(&[text]).unwrap()
    }

    fn row(fields: Value) -> Fact {
        Fact {
            subjects: vec![Subject::cluster("Pod", "cart")],
            evidence: vec![Evidence::of_entry("pods.json", "cart")],
            fields,
            kept: None,
        }
    }

    /// As many rows of running pods as a large cluster has, and some of pods that wait.
    fn pods(waiting: usize) -> Vec<Fact> {
        let meshed = (0..3 * FEW).map(|_| row(json!({"meshed": true, "phase": "Running"})));
        let waiting = (0..waiting).map(|_| row(json!({"meshed": false, "phase": "Pending"})));
        meshed.chain(waiting).collect()
    }

    /// The rows of `pods` that are kept in the end, and whether that took two rounds.
    fn kept(waiting: usize) -> (usize, bool) {
        let rules = rules();
        let keeper = Keeper::new(&rules, &Scanned::default());
        let judged = || {
            let mut rows = pods(waiting);
            keeper.judge("pods", &mut rows, &Value::Null, Timestamp::UNIX_EPOCH);
            rows
        };
        let mut tables = BTreeMap::from([("pods", judged())]);
        let again = !keeper.settle(&mut tables).is_empty();
        if again {
            tables.insert("pods", judged());
        }
        (tables["pods"].len(), again)
    }

    #[test]
    fn rows_of_a_rule_that_cannot_hold_are_dropped() {
        assert_eq!(kept(0), (0, false));
    }

    #[test]
    fn rows_that_turn_out_to_be_needed_are_all_there() {
        let all = usize::try_from(3 * FEW).unwrap();
        assert_eq!(kept(2), (all + 2, true));
    }

    #[test]
    fn one_row_tells_that_a_table_is_not_empty() {
        let rules = rules();
        let keeper = Keeper::new(&rules, &Scanned::default());
        // The first cannot be judged, so it tells nothing.
        let ready = [json!("perhaps"), json!(true), json!(true)];
        let mut rows: Vec<Fact> = ready.iter().map(|r| row(json!({"ready": r}))).collect();
        keeper.judge("nodes", &mut rows, &Value::Null, Timestamp::UNIX_EPOCH);
        let mut tables = BTreeMap::from([("nodes", rows)]);
        assert!(keeper.settle(&mut tables).is_empty());
        let judged: Vec<bool> = tables["nodes"]
            .iter()
            .map(|fact| fact.kept.is_some())
            .collect();
        assert_eq!(judged, [false, true]);
    }

    #[test]
    fn a_row_that_cannot_be_judged_is_kept_whole() {
        let rules = rules();
        let keeper = Keeper::new(&rules, &Scanned::default());
        let fields = json!({"meshed": "perhaps", "phase": "Running"});
        let mut rows = vec![row(fields.clone())];
        keeper.judge("pods", &mut rows, &Value::Null, Timestamp::UNIX_EPOCH);
        let mut tables = BTreeMap::from([("pods", rows)]);
        keeper.settle(&mut tables);
        assert_eq!(tables["pods"][0].fields, fields);
        assert_eq!(tables["pods"][0].kept, None);
    }
}
