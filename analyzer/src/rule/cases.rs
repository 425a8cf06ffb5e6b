//! Runs the cases that stand beside each rule.
//!
//! A case is a bundle in small: its entries go through the same parsing, scanning and deciding
//! as a real one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bundle::layout::EntryKind;
use bundle::{EntryInfo, EntryPath, Manifest};
use jiff::Timestamp;
use regex::Regex;
use serde_json::{Map, Value};

use super::fault::{Fault, Faulty};
use super::file::{CaseFile, CasesFile, Expect};
use super::predicate::unknown;
use super::set::{RuleText, Rules};
use super::spanned::At;
use super::yaml;
use crate::conclude::{Conclusions, Coverage, World, conclude};
use crate::evidence::{Evidence, Subject};
use crate::facts::{self, Context, Fact, Facts, fields};
use crate::finding::Finding;
use crate::scan::{Gathered, gather_entries};

/// "Now" in a case that does not say.
const DEFAULT_AT: &str = "2026-01-01T00:00:00Z";

/// The entry that the rows which a case gives stand in.
pub(super) const ROWS: &str = "case";

/// How the cases of one rule went.
#[derive(Debug, Default)]
pub(crate) struct Tested {
    /// Cases that were run.
    pub(crate) cases: usize,
    /// What went wrong, with the file and the case.
    pub(crate) faults: Vec<Fault>,
}

/// Runs the cases of some rules, whose texts may refer to all of `texts`.
pub(crate) fn test(texts: &[RuleText], only: &[String]) -> Tested {
    let mut tested = Tested::default();
    for text in texts {
        if !only.is_empty() && !only.contains(&id_of(text)) {
            continue;
        }
        let path = path_of(text);
        let mut faulty = Faulty::new(&path);
        tested.cases += test_one(text, texts, &mut faulty);
        tested.faults.append(&mut faulty.faults);
    }
    tested
}

/// The id that a rule's file name tells.
pub(crate) fn id_of(text: &RuleText) -> String {
    let name = text.path.rsplit(['/', '\\']).next().unwrap_or_default();
    name.trim_end_matches(".yaml")
        .trim_end_matches(".yml")
        .to_owned()
}

/// Where the cases of a rule stand.
pub(super) fn path_of(text: &RuleText) -> String {
    let (stem, extension) = text.path.rsplit_once('.').unwrap_or((&text.path, "yaml"));
    format!("{stem}.cases.{extension}")
}

fn test_one(text: &RuleText, texts: &[RuleText], faulty: &mut Faulty<'_>) -> usize {
    let Some(yaml) = &text.cases else {
        faulty.add(
            super::spanned::Spot::default(),
            "missing; a rule needs a case that fires and one that is silent",
        );
        return 0;
    };
    let read = yaml::read::<CasesFile>(&path_of(text), yaml);
    faulty.faults.extend(read.faults);
    let Some(file) = read.value else { return 0 };
    for (expect, word) in [(Expect::Fires, "fires"), (Expect::Silent, "is silent")] {
        if !file.cases.iter().any(|case| case.expect == expect) {
            faulty.add(
                super::spanned::Spot::default(),
                format!("no case that {word}"),
            );
        }
    }
    let id = id_of(text);
    let Ok(rules) = Rules::compile(&with_awaited(text, texts)) else {
        faulty.add(
            super::spanned::Spot::default(),
            "the rule has faults of its own",
        );
        return 0;
    };
    for case in &file.cases {
        run(case, &id, &rules, faulty);
    }
    file.cases.len()
}

/// A rule and those whose findings it waits for, directly or not.
fn with_awaited(text: &RuleText, texts: &[RuleText]) -> Vec<RuleText> {
    let mut chosen = vec![text.clone()];
    let mut seen = BTreeSet::from([id_of(text)]);
    let mut at = 0;
    while let Some(next) = chosen.get(at) {
        at += 1;
        let Some(file) = super::set::parse(next).value else {
            continue;
        };
        for matcher in file.matchers.values() {
            if let super::file::MatcherFile::Finding(other) = &matcher.value
                && seen.insert(other.value.clone())
            {
                chosen.extend(texts.iter().find(|t| id_of(t) == other.value).cloned());
            }
        }
    }
    chosen
}

/// The first case of a rule that fires, with the finding that it is there for.
pub(super) fn first_that_fires(text: &RuleText, texts: &[RuleText]) -> Option<(CaseFile, Finding)> {
    let file: CasesFile = yaml::read("", text.cases.as_deref()?).value?;
    let mut cases = file.cases.into_iter();
    let case = cases.find(|case| case.expect == Expect::Fires)?;
    let rules = Rules::compile(&with_awaited(text, texts)).ok()?;
    let at = case.at.as_ref().map_or(DEFAULT_AT, |at| &at.value);
    let gathered = gather_entries(entries(&case.files).0, &rules.scanner, &rules.demand);
    let mut found = conclusions(&case, at.parse().ok()?, &rules, gathered).findings;
    found.retain(|finding| finding.rule == id_of(text));
    let meant = case
        .message
        .as_ref()
        .and_then(|at| Regex::new(&at.value).ok());
    let is_meant = |f: &Finding| {
        meant
            .as_ref()
            .is_none_or(|regex| regex.is_match(&f.message))
    };
    let number = found.iter().position(is_meant)?;
    Some((case, found.swap_remove(number)))
}

fn run(case: &CaseFile, id: &str, rules: &Rules, faulty: &mut Faulty<'_>) {
    let place = case
        .at
        .as_ref()
        .or(case.message.as_ref())
        .map(|at| at.place)
        .unwrap_or_default();
    let at = match &case.at {
        Some(At { value, place }) => {
            let wrong = || format!("`{value}` is no time; write one as `{DEFAULT_AT}`");
            faulty.check(*place, value.parse::<Timestamp>().map_err(|_| wrong()))
        }
        None => DEFAULT_AT.parse().ok(),
    };
    let Some(at) = at else { return };
    let name = &case.name;
    let (entries, bad) = entries(&case.files);
    let bad = bad.iter().map(|path| format!("`{path}` is no entry path"));
    for detail in bad.chain(unknown_fields(&case.facts)) {
        faulty.add(place, format!("case \"{name}\": {detail}"));
    }
    let gathered = gather_entries(entries, &rules.scanner, &rules.demand);
    let conclusions = conclusions(case, at, rules, gathered);
    let found: Vec<&Finding> = conclusions
        .findings
        .iter()
        .filter(|f| f.rule == id)
        .collect();
    let is_open = conclusions
        .could_not_check
        .iter()
        .find(|row| row.rule == id);
    match case.expect {
        Expect::Fires => check_fired(case, &found, is_open.map(|row| row.reason.as_str()), faulty),
        Expect::Silent => {
            if let Some(finding) = found.first() {
                faulty.add(
                    place,
                    format!(
                        "case \"{name}\" should be silent, but says: {}",
                        finding.message
                    ),
                );
            }
        }
        Expect::CouldNotCheck if is_open.is_none() => {
            let instead = if found.is_empty() {
                "it is clear"
            } else {
                "it fires"
            };
            faulty.add(
                place,
                format!("case \"{name}\" should not be decided, but {instead}"),
            );
        }
        Expect::CouldNotCheck => {}
    }
}

fn check_fired(case: &CaseFile, found: &[&Finding], open: Option<&str>, faulty: &mut Faulty<'_>) {
    let place = case
        .message
        .as_ref()
        .or(case.at.as_ref())
        .map(|at| at.place)
        .unwrap_or_default();
    if found.is_empty() {
        let why = open
            .map(|reason| format!("; it could not be checked: {reason}"))
            .unwrap_or_default();
        faulty.add(
            place,
            format!("case \"{}\" should fire, and does not{why}", case.name),
        );
    }
    let Some(message) = &case.message else { return };
    let Some(regex) = faulty.check(message.place, Regex::new(&message.value)) else {
        return;
    };
    if let Some(first) = found.first()
        && !found.iter().any(|finding| regex.is_match(&finding.message))
    {
        faulty.add(
            message.place,
            format!("case \"{}\": the message is: {}", case.name, first.message),
        );
    }
}

type Entries = Vec<(Arc<EntryInfo>, Vec<u8>)>;

/// Entries from texts, and the paths that are none.
fn entries(files: &BTreeMap<String, String>) -> (Entries, Vec<String>) {
    let mut entries = Vec::new();
    let mut bad = Vec::new();
    for (path, text) in files {
        match EntryPath::parse(path.clone()) {
            Ok(path) => {
                let kind = EntryKind::of(&path);
                let info = EntryInfo {
                    path,
                    kind,
                    bytes: Some(text.len() as u64),
                };
                entries.push((Arc::new(info), text.clone().into_bytes()));
            }
            Err(_) => bad.push(path.clone()),
        }
    }
    (entries, bad)
}

fn conclusions(
    case: &CaseFile,
    at: Timestamp,
    rules: &Rules,
    mut gathered: Gathered,
) -> Conclusions {
    let pieces = std::mem::take(&mut gathered.pieces);
    let manifest: Option<&Manifest> = gathered.manifest.as_ref();
    let mut facts = facts::derive(
        pieces,
        Context {
            at,
            ages_from: at,
            manifest,
            demand: &rules.demand,
            // The rows that the case gives may change which others are asked for.
            wanted: &facts::Everything,
        },
    );
    add_rows(&mut facts, &case.facts);
    // Rows that stand for a source cover it.
    let mut names: BTreeSet<String> = gathered.entries.keys().cloned().collect();
    if !case.facts.is_empty() {
        names.extend(STANDING_FOR.map(str::to_owned));
    }
    let coverage = Coverage::new(manifest, names.iter(), &gathered.problems);
    let world = World::new(at, &facts, &gathered.scanned, &coverage);
    conclude(rules, &world, 1)
}

/// Entries whose sources count as covered in a case that gives rows of facts.
const STANDING_FOR: [&str; 8] = [
    "cluster-resources/pods/case.json",
    "cluster-resources/events/case.json",
    "cluster-resources/custom-resources/servers.policy.linkerd.io/case.json",
    "cluster-resources/pods/logs/case/case/linkerd-init.log",
    "linkerd/proxy-metrics/case/case.1.prom",
    "linkerd/controller-metrics/case/case/case.1.prom",
    "linkerd/identity/case/case.pem",
    "linkerd/tls/case/case.pem",
];

fn add_rows(facts: &mut Facts, tables: &BTreeMap<String, Vec<Value>>) {
    for (name, rows) in tables {
        let Some(table) = super::compile::table_name(name) else {
            continue;
        };
        let made = rows.iter().map(|fields| Fact {
            subjects: vec![subject(name, fields)],
            evidence: vec![Evidence::of_entry(ROWS, fields.to_string())],
            fields: fields.clone(),
            kept: None,
        });
        let made: Vec<Fact> = made.collect();
        for fact in &made {
            facts.places.learn(table, fact);
        }
        facts.tables.entry(table).or_default().extend(made);
    }
}

/// Fields of a case's rows that no such row has. Those that say what a row is about, and how often it
/// was seen, may be in any.
fn unknown_fields(tables: &BTreeMap<String, Vec<Value>>) -> BTreeSet<String> {
    const OF_ANY: [&str; 5] = ["kind", "namespace", "name", "pod", "count"];
    let mut slips = BTreeSet::new();
    for (table, rows) in tables {
        let row = fields::of(table);
        let names = rows.iter().filter_map(Value::as_object).flat_map(Map::keys);
        let own = names.filter(|name| !OF_ANY.contains(&name.as_str()));
        let wrong = own.filter_map(|name| Some(unknown(name, &row.field(name).err()?)));
        slips.extend(wrong.map(|slip| format!("`{table}`: {slip}")));
    }
    slips
}

/// What a row of a case is about, told by the fields that rows usually have.
fn subject(table: &str, fields: &Value) -> Subject {
    let text = |pointer: &str| {
        fields
            .pointer(pointer)
            .and_then(Value::as_str)
            .filter(|t| !t.is_empty())
    };
    let namespace = text("/namespace").or_else(|| text("/object/metadata/namespace"));
    let own = |kind: &str, name: &str| Subject {
        kind: kind.to_owned(),
        namespace: namespace.map(str::to_owned),
        name: name.to_owned(),
    };
    if let (Some(kind), Some(name)) = (text("/object/kind"), text("/object/name")) {
        return own(kind, name);
    }
    if let (Some(kind), Some(name)) = (
        text("/kind"),
        text("/object/metadata/name").or_else(|| text("/name")),
    ) {
        return own(kind, name);
    }
    if let Some(pod) = text("/pod") {
        return own("Pod", pod);
    }
    let kind = match table {
        "pods" => "Pod",
        "services" => "Service",
        "workloads" => "Deployment",
        "nodes" => return Subject::cluster("Node", text("/name").unwrap_or("node")),
        "namespaces" => return Subject::cluster("Namespace", text("/name").unwrap_or("namespace")),
        "certificates" => "Certificate",
        _ => "Cluster",
    };
    own(
        kind,
        text("/name").or_else(|| text("/service")).unwrap_or("case"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cases_of_all_built_in_rules_go_as_they_say() {
        let tested = test(&super::super::builtin::rules(), &[]);
        let faults: Vec<String> = tested.faults.iter().map(ToString::to_string).collect();
        assert!(faults.is_empty(), "{}", faults.join("\n"));
    }
}
