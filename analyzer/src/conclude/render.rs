//! Words findings.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::Value;

use super::World;
use super::decide::Group;
use super::hits::Hit;
use crate::evidence::{Evidence, Subject};
use crate::finding::Finding;
use crate::rule::Rule;

/// Values listed for one placeholder.
const MAX_VALUES: usize = 5;

/// Places kept for one finding.
const MAX_EVIDENCE: usize = 8;

/// Bytes of one value in a text.
const MAX_VALUE_BYTES: usize = 300;

/// Makes the finding of one key; `None` if nothing shows it.
pub(super) fn finding(
    rule: &Rule,
    key: Option<&Subject>,
    group: &Group<'_, '_>,
    used: &[&Hit<'_>],
    world: &World<'_>,
) -> Option<Finding> {
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
    let evidence = places(used);
    if evidence.is_empty() {
        return None;
    }
    let words = Words {
        rule,
        group,
        used,
        subjects: &subjects,
        world,
    };
    let render = |name: &str| words.said(name);
    let fill = |name: &str| words.filled(name);
    Some(Finding {
        rule: rule.id.clone(),
        title: rule.title.clone(),
        severity: rule.severity,
        message: rule.message.render(render),
        meaning: rule.meaning.render(render),
        fix: rule.fix.iter().map(|step| step.render(fill)).collect(),
        links: rule.links.clone(),
        occurrences: used.iter().map(|hit| hit.count).sum(),
        first: used.iter().filter_map(|hit| hit.first).min(),
        last: used.iter().filter_map(|hit| hit.last).max(),
        evidence,
        subjects,
        symptoms: Vec::new(),
    })
}

/// The first place of every hit, then the others, up to the cap, in bundle order.
fn places(used: &[&Hit<'_>]) -> Vec<Evidence> {
    let mut chosen: Vec<&Evidence> = Vec::new();
    let depth = used
        .iter()
        .map(|hit| hit.places().count())
        .max()
        .unwrap_or(0);
    for nth in 0..depth {
        for place in used.iter().filter_map(|hit| hit.places().nth(nth)) {
            if chosen.len() < MAX_EVIDENCE && !chosen.contains(&place) {
                chosen.push(place);
            }
        }
    }
    let mut chosen: Vec<Evidence> = chosen.into_iter().cloned().collect();
    chosen.sort();
    chosen
}

/// Takes the subjects and evidence of a finding that says the same into another.
pub(super) fn absorb(known: &mut Finding, other: Finding) {
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
pub(super) fn settle(mut finding: Finding) -> Finding {
    finding.subjects.sort();
    finding.subjects.dedup();
    finding.evidence.sort();
    finding.evidence.dedup();
    finding
}

/// Gives placeholders their values.
struct Words<'a, 'b, 'h> {
    rule: &'a Rule,
    group: &'a Group<'b, 'h>,
    used: &'a [&'h Hit<'b>],
    subjects: &'a [Subject],
    world: &'a World<'a>,
}

impl Words<'_, '_, '_> {
    /// What stands for a placeholder in prose. What nothing has a value for is `?`; of a log
    /// whose workload is not known, its own name says most.
    fn said(&self, placeholder: &str) -> String {
        self.value(placeholder).unwrap_or_else(|| {
            let log = self.subjects.iter().find(|s| s.kind == "Log");
            match (last_of(placeholder), log) {
                ("workload", Some(log)) => log.name.clone(),
                _ => "?".to_owned(),
            }
        })
    }

    /// As [`Self::said`] in a step of a fix: a name that is not known is a word to fill in.
    fn filled(&self, placeholder: &str) -> String {
        let unknown = || match last_of(placeholder) {
            name @ ("namespace" | "pod" | "workload" | "service" | "node") => {
                name.to_ascii_uppercase()
            }
            _ => "?".to_owned(),
        };
        self.value(placeholder).unwrap_or_else(unknown)
    }

    /// The value of the first alternative that has one.
    fn value(&self, placeholder: &str) -> Option<String> {
        let mut values = placeholder.split('|').filter_map(|name| self.of_name(name));
        let text = if placeholder.contains('|') {
            values.find(|text| !text.is_empty())?
        } else {
            values.next()?
        };
        if text.is_empty() && placeholder.ends_with(".count") {
            return Some("0".to_owned());
        }
        let end = text.floor_char_boundary(MAX_VALUE_BYTES);
        match text.get(..end) {
            Some(cut) if end < text.len() => Some(format!("{cut}…")),
            _ => Some(text),
        }
    }

    /// The value of a name: empty where there is nothing to say, because another alternative of
    /// the rule gave the evidence; `None` where it is not known.
    fn of_name(&self, name: &str) -> Option<String> {
        let Some((matcher, field)) = name.split_once('.') else {
            return match self.of_subject(name) {
                Some(text) => Some(text).filter(|text| !text.is_empty()),
                None => Some(captured(self.used, name)),
            };
        };
        let mut names = self.rule.matchers.iter();
        let number = names.position(|named| named.name == matcher);
        let hits = number.and_then(|n| self.group.get(n));
        match hits.map(Vec::as_slice).unwrap_or_default() {
            [] => Some(String::new()),
            hits => Some(of_hits(hits, field)).filter(|text| !text.is_empty()),
        }
    }

    fn of_subject(&self, name: &str) -> Option<String> {
        let keys = &self.world.keys;
        let about: Vec<&Subject> = self
            .subjects
            .iter()
            .chain(self.used.iter().flat_map(|hit| &hit.subjects))
            .collect();
        let of_kind = |kind: &str| {
            about
                .iter()
                .filter(|s| s.kind == kind)
                .map(|s| full(s))
                .collect::<Vec<_>>()
        };
        let found = match name {
            "subject" => self.subjects.first().map(full).into_iter().collect(),
            "subjects" => self.subjects.iter().map(full).collect(),
            "pod" => about
                .iter()
                .filter(|s| s.kind == "Pod")
                .map(|s| s.name.clone())
                .collect(),
            "pods" => of_kind("Pod"),
            "service" => about
                .iter()
                .filter(|s| s.kind == "Service")
                .map(|s| s.name.clone())
                .collect(),
            "namespace" => about
                .iter()
                .filter_map(|s| {
                    s.namespace
                        .clone()
                        .or_else(|| (s.kind == "Namespace").then(|| s.name.clone()))
                })
                .collect(),
            "workload" => about
                .iter()
                .filter_map(|s| keys.workload(s))
                .map(|s| s.name)
                .collect(),
            "node" => about
                .iter()
                .filter_map(|s| keys.node(s))
                .map(|s| s.name)
                .collect(),
            "at" => vec![shown(self.world.at)],
            _ => return None,
        };
        Some(listed(found))
    }
}

/// The last alternative of a placeholder.
fn last_of(placeholder: &str) -> &str {
    placeholder.rsplit('|').next().unwrap_or_default()
}

/// A field of what a matcher matched.
fn of_hits(hits: &[&Hit<'_>], field: &str) -> String {
    match field {
        "count" => hits.iter().map(|hit| hit.count).sum::<u64>().to_string(),
        "first" => hits
            .iter()
            .filter_map(|hit| hit.first)
            .min()
            .map(shown)
            .unwrap_or_default(),
        "last" => hits
            .iter()
            .filter_map(|hit| hit.last)
            .max()
            .map(shown)
            .unwrap_or_default(),
        _ => {
            let pointer = format!("/{}", field.replace('.', "/"));
            let fields = hits.iter().filter_map(|hit| hit.row?.field(&pointer));
            let found: Vec<String> = fields
                .map(|value| plain(&value))
                .filter(|text| !text.is_empty())
                .collect();
            if found.is_empty() {
                captured(hits, field)
            } else {
                listed(found)
            }
        }
    }
}

/// The values of a capture.
fn captured(hits: &[&Hit<'_>], name: &str) -> String {
    let values = hits.iter().filter_map(|hit| hit.captures.get(name));
    listed(values.flatten().cloned().collect())
}

/// `namespace/name`, or the name alone.
pub(crate) fn full(subject: &Subject) -> String {
    match &subject.namespace {
        Some(namespace) => format!("{namespace}/{}", subject.name),
        None => subject.name.clone(),
    }
}

/// A time to the second.
pub(crate) fn shown(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M:%SZ").to_string()
}

fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => match text.parse::<Timestamp>() {
            Ok(time) if text.len() >= 20 => shown(time),
            _ => text.clone(),
        },
        Value::Number(number) => number_text(number.as_f64().unwrap_or_default(), number),
        Value::Array(items) => listed(items.iter().map(plain).collect()),
        other => other.to_string(),
    }
}

/// A number with at most two decimals.
fn number_text(value: f64, number: &serde_json::Number) -> String {
    if number.is_f64() {
        let text = format!("{value:.2}");
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        number.to_string()
    }
}

/// Distinct values in their order: the first few, and how many more.
fn listed(values: Vec<String>) -> String {
    let mut seen = BTreeSet::new();
    let distinct: Vec<String> = values
        .into_iter()
        .filter(|value| seen.insert(value.clone()))
        .collect();
    let more = distinct.len().saturating_sub(MAX_VALUES);
    let text = distinct
        .into_iter()
        .take(MAX_VALUES)
        .collect::<Vec<_>>()
        .join(", ");
    if more > 0 {
        format!("{text} and {more} more")
    } else {
        text
    }
}
