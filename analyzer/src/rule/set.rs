//! A set of rules that fit together.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;

use super::compile;
use super::fault::{Fault, Faults, Faulty};
use super::file::RuleFile;
use super::together::{self, Outline};
use super::yaml::{self, Read};
use super::{Matcher, Rule, TableMatcher};
use crate::facts::Demand;
use crate::finding::Severity;
use crate::scan::{LogMatcher, Scanner};

/// The text of one rule file.
#[derive(Debug, Clone)]
pub(crate) struct RuleText {
    /// Where it is, for messages: `identity/issuer-expired.yaml`.
    pub(crate) path: String,
    /// The YAML.
    pub(crate) yaml: Cow<'static, str>,
    /// The YAML of its cases.
    pub(crate) cases: Option<Cow<'static, str>>,
    /// A built-in rule as JSON.
    pub(crate) ready: Option<&'static str>,
    /// Why its files could not be read.
    pub(crate) unread: Vec<Fault>,
}

impl RuleText {
    /// A rule that is not built in.
    pub(crate) fn new(path: &str, yaml: String, cases: Option<String>) -> Self {
        Self {
            path: path.to_owned(),
            yaml: yaml.into(),
            cases: cases.map(Into::into),
            ready: None,
            unread: Vec::new(),
        }
    }
}

/// Places in [`Rules::list`] and in [`Rule::matchers`] of the matchers that look at a table.
type ByTable = BTreeMap<String, Vec<(usize, usize)>>;

/// Rules that can be run together, in the order of their ids.
#[derive(Debug)]
pub struct Rules {
    pub(crate) list: Vec<Rule>,
    pub(super) by_table: ByTable,
    pub(crate) scanner: Scanner,
    pub(crate) demand: Demand,
}

impl Rules {
    /// Compiles rule files.
    ///
    /// # Errors
    /// All faults of all files.
    pub(crate) fn compile(texts: &[RuleText]) -> Result<Self, Faults> {
        Self::compile_with(texts, &BTreeSet::new(), false)
    }

    /// As [`Self::compile`], but leaves out rules by id, to which others may still refer, and takes
    /// the built-in rules' word for their expressions.
    pub(crate) fn compile_except(
        texts: &[RuleText],
        without: &BTreeSet<String>,
    ) -> Result<Self, Faults> {
        Self::compile_with(texts, without, true)
    }

    fn compile_with(
        texts: &[RuleText],
        without: &BTreeSet<String>,
        trusts_builtin: bool,
    ) -> Result<Self, Faults> {
        let read = |text| compile_one(text, without, trusts_builtin);
        let read: Vec<Compiled<'_>> = texts.par_iter().map(read).collect();
        let mut faults: Vec<Fault> = Vec::new();
        let (mut outlines, mut rules, mut logs) = (Vec::new(), Vec::new(), Vec::new());
        for mut compiled in read {
            faults.append(&mut compiled.faults);
            outlines.extend(compiled.outline);
            rules.extend(compiled.rule.map(|mut rule| {
                rule.move_logs(logs.len());
                rule
            }));
            logs.append(&mut compiled.logs);
        }
        let is_pack = |text: &RuleText| text.ready.is_none() || !trusts_builtin;
        if texts.iter().any(is_pack) {
            together::check(&outlines, outlines.len() < texts.len(), &mut faults);
        }
        if !faults.is_empty() && trusts_builtin {
            // Only their YAML tells the places in built-in rules.
            return Self::compile_with(texts, without, false);
        }
        if !faults.is_empty() {
            faults.sort();
            faults.dedup();
            return Err(Faults(faults));
        }
        rules.sort_by(|a, b| a.id.cmp(&b.id));
        let by_table = number(&mut rules);
        let demand = demand(&rules);
        Ok(Self {
            list: rules,
            by_table,
            scanner: Scanner::new(logs),
            demand,
        })
    }

    /// Gives a rule another severity.
    ///
    /// # Errors
    /// When there is no such rule.
    pub fn set_severity(&mut self, id: &str, severity: Severity) -> Result<(), String> {
        let rule = self.list.iter_mut().find(|rule| rule.id == id);
        let rule = rule.ok_or_else(|| format!("no rule `{id}`"))?;
        rule.severity = severity;
        Ok(())
    }

    /// How many rules there are.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    pub(crate) fn rule(&self, id: &str) -> Option<&Rule> {
        self.list.iter().find(|rule| rule.id == id)
    }
}

/// One rule file, compiled.
#[derive(Default)]
struct Compiled<'a> {
    /// None if it could not be read.
    outline: Option<Outline<'a>>,
    /// None if it has faults, or is not wanted.
    rule: Option<Rule>,
    logs: Vec<LogMatcher>,
    faults: Vec<Fault>,
}

fn compile_one<'a>(
    text: &'a RuleText,
    without: &BTreeSet<String>,
    trusts_builtin: bool,
) -> Compiled<'a> {
    let mut compiled = Compiled::default();
    if !text.unread.is_empty() {
        compiled.faults.clone_from(&text.unread);
        return compiled;
    }
    let mut found_here = Faulty::of(text);
    let ready = text.ready.filter(|_| trusts_builtin);
    found_here.is_sound = ready.is_some();
    let file = ready.and_then(self::ready).or_else(|| {
        let read = parse(text);
        found_here.faults.extend(read.faults);
        read.value
    });
    if let Some(file) = file {
        compiled.outline = Some(Outline::of(text, &file));
        if !without.contains(&file.id.value) {
            compiled.rule = compile::rule(file, &mut found_here, &mut compiled.logs);
        }
    }
    compiled.faults = found_here.faults;
    compiled
}

/// Reads the YAML of one rule.
pub(super) fn parse(text: &RuleText) -> Read<RuleFile> {
    yaml::read(&text.path, &text.yaml)
}

/// Reads the JSON of a built-in rule. What it does not hold as the YAML does is left to [`parse`].
fn ready(json: &str) -> Option<RuleFile> {
    serde_json::from_str(json).ok()
}

/// Numbers the matchers of tables, tells them what their rules show, and gives their places.
fn number(rules: &mut [Rule]) -> ByTable {
    let mut by_table = ByTable::new();
    let mut next = 0;
    for (at, rule) in rules.iter_mut().enumerate() {
        let texts = [&rule.message, &rule.meaning].into_iter().chain(&rule.fix);
        let names: Vec<String> = texts
            .flat_map(|text| text.names().flat_map(|name| name.split('|')))
            .map(str::to_owned)
            .collect();
        for (which, named) in rule.matchers.iter_mut().enumerate() {
            let (Matcher::Table(table) | Matcher::NoRow { table, .. }) = &mut named.matcher else {
                continue;
            };
            table.number = next;
            next += 1;
            let of_matcher = names.iter().filter_map(|name| {
                let (matcher, field) = name.split_once('.')?;
                (matcher == named.name).then(|| field.split('.').next().unwrap_or(field).to_owned())
            });
            table.shown.extend(of_matcher);
            let of_text = table.text.iter().map(|(pointer, _)| pointer);
            table
                .shown
                .extend(of_text.map(|pointer| pointer.trim_start_matches('/').to_owned()));
            by_table
                .entry(table.table.clone())
                .or_default()
                .push((at, which));
        }
    }
    by_table
}

/// What rules ask facts for.
fn demand(rules: &[Rule]) -> Demand {
    let mut demand = Demand::default();
    let matchers = rules.iter().flat_map(|rule| &rule.matchers);
    for named in matchers {
        let (Matcher::Table(table) | Matcher::NoRow { table, .. }) = &named.matcher else {
            continue;
        };
        let values = |pointer: &str| text_values(table, pointer);
        match table.table.as_str() {
            "objects" => demand.object_kinds.extend(values("/kind")),
            "metrics" => demand.metric_families.extend(values("/family")),
            _ => {}
        }
    }
    demand
}

fn text_values(table: &TableMatcher, pointer: &str) -> Vec<String> {
    let test = table.tests.iter().find(|test| test.pointer == pointer);
    let values = test.into_iter().flat_map(|test| &test.any_of);
    values
        .filter_map(|value| value.as_str().map(str::to_owned))
        .collect()
}

#[cfg(test)]
mod tests {
    use regex::Regex;

    use super::super::builtin;
    use super::*;

    #[test]
    fn the_json_of_every_built_in_rule_says_what_its_yaml_says() {
        let places = Regex::new(r"Spot \{ line: \d+, column: \d+ \}").unwrap();
        let shown = |file: RuleFile| places.replace_all(&format!("{file:?}"), "").into_owned();
        for text in builtin::rules() {
            let json = text.ready.and_then(ready);
            let json = json.unwrap_or_else(|| panic!("quote what is not text in {}", text.path));
            assert_eq!(
                shown(json),
                shown(parse(&text).value.unwrap()),
                "{}",
                text.path
            );
        }
    }
}
