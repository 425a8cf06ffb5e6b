//! A set of rules that fit together: what they refer to exists, nothing waits for itself.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;

use super::compile;
use super::fault::{Fault, Faults, Faulty};
use super::file::{MatcherFile, RuleFile};
use super::predicate::listed;
use super::spanned::Spot;
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
    /// Whether it was checked when this program was made.
    pub(crate) is_builtin: bool,
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
        let parsed: Vec<_> = texts.par_iter().map(|text| (text, parse(text))).collect();
        let mut faults = Vec::new();
        let mut files = Vec::new();
        for (text, file) in parsed {
            match file {
                Ok(file) => files.push((text, file)),
                Err(fault) => faults.push(fault),
            }
        }
        check_together(&files, !faults.is_empty(), &mut faults);
        let compiled = files.into_par_iter().map(|(text, file)| {
            let mut found_here = Faulty::new(&text.path);
            found_here.is_sound = trusts_builtin && text.is_builtin;
            let mut logs = Vec::new();
            let is_wanted = !without.contains(&file.id.value);
            let rule = is_wanted.then(|| compile::rule(file, &mut found_here, &mut logs));
            (rule.flatten(), logs, found_here.faults)
        });
        let mut logs: Vec<LogMatcher> = Vec::new();
        let mut rules = Vec::new();
        for (rule, own_logs, mut found_here) in compiled.collect::<Vec<_>>() {
            rules.extend(rule.map(|mut rule| {
                rule.move_logs(logs.len());
                rule
            }));
            logs.extend(own_logs);
            faults.append(&mut found_here);
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

/// Reads the YAML of one rule.
pub(crate) fn parse(text: &RuleText) -> Result<RuleFile, Fault> {
    serde_saphyr::from_str(&text.yaml).map_err(|e| yaml_fault(&text.path, &e))
}

/// A YAML error as a fault.
pub(super) fn yaml_fault(file: &str, error: &serde_saphyr::Error) -> Fault {
    let place = error
        .location()
        .map(|l| Spot {
            line: l.line(),
            column: l.column(),
        })
        .unwrap_or_default();
    let detail = error.without_snippet().to_string();
    // The place stands in front already.
    let detail = detail
        .split(" at line ")
        .next()
        .unwrap_or(&detail)
        .trim()
        .to_owned();
    Fault {
        file: file.to_owned(),
        place,
        detail,
    }
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

/// Checks that concern several files.
fn check_together(files: &[(&RuleText, RuleFile)], has_unread: bool, faults: &mut Vec<Fault>) {
    let mut seen: BTreeMap<&str, &str> = BTreeMap::new();
    for (text, file) in files {
        let mut found_here = Faulty::new(&text.path);
        let id = file.id.value.as_str();
        if let Some(first) = seen.insert(id, &text.path) {
            found_here.add(file.id.place, format!("`{id}` is also the id of {first}"));
        }
        check_path(text, file, &mut found_here);
        faults.append(&mut found_here.faults);
    }
    // An unread file may be the one that is referred to.
    if has_unread {
        return;
    }
    let ids: Vec<&str> = seen.keys().copied().collect();
    let mut explains: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut waits: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (text, file) in files {
        let mut found_here = Faulty::new(&text.path);
        let id = file.id.value.as_str();
        // A pack may explain rules of another that is not loaded: that is for the lint to tell.
        for explained in file.explains.iter().map(|e| &e.rule) {
            explains.entry(id).or_default().push(&explained.value);
        }
        for matcher in file.matchers.values() {
            if let MatcherFile::Finding(other) = &matcher.value {
                known(&ids, other, &mut found_here);
                waits.entry(id).or_default().push(&other.value);
            }
        }
        faults.append(&mut found_here.faults);
    }
    for (text, file) in files {
        for (edges, word) in [(&explains, "explains"), (&waits, "waits for")] {
            if reaches(edges, &file.id.value) {
                let mut found_here = Faulty::new(&text.path);
                found_here.add(
                    file.id.place,
                    format!("`{}` {word} itself through other rules", file.id.value),
                );
                faults.append(&mut found_here.faults);
            }
        }
    }
}

fn known(ids: &[&str], at: &super::spanned::At<String>, found_here: &mut Faulty<'_>) {
    if !ids.contains(&at.value.as_str()) {
        let near: Vec<&&str> = ids.iter().filter(|id| is_near(id, &at.value)).collect();
        let hint = if near.is_empty() {
            String::new()
        } else {
            format!("; did you mean {}?", listed(&near))
        };
        found_here.add(at.place, format!("no rule `{}`{hint}", at.value));
    }
}

/// Whether two ids share most of their words.
fn is_near(a: &str, b: &str) -> bool {
    let words: BTreeSet<&str> = b.split('-').collect();
    let shared = a.split('-').filter(|word| words.contains(word)).count();
    shared * 2 > words.len()
}

fn check_path(text: &RuleText, file: &RuleFile, found_here: &mut Faulty<'_>) {
    let path = text.path.replace('\\', "/");
    let mut parts = path.rsplit('/');
    let stem = parts
        .next()
        .unwrap_or_default()
        .trim_end_matches(".yaml")
        .trim_end_matches(".yml");
    if stem != file.id.value {
        found_here.add(
            file.id.place,
            format!("the file is `{stem}.yaml`; the id must be the same"),
        );
    }
    if let Some(folder) = parts.next().filter(|folder| *folder != file.topic.value) {
        found_here.add(
            file.topic.place,
            format!("the file is in `{folder}`; the topic must be the same"),
        );
    }
}

fn reaches(edges: &BTreeMap<&str, Vec<&str>>, start: &str) -> bool {
    let mut open: Vec<&str> = edges.get(start).cloned().unwrap_or_default();
    let mut seen = BTreeSet::new();
    while let Some(next) = open.pop() {
        if next == start {
            return true;
        }
        if seen.insert(next) {
            open.extend(edges.get(next).into_iter().flatten());
        }
    }
    false
}
