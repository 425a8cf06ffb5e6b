//! Gives placeholders their values.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::Value;

use super::World;
use super::decide::Group;
use super::hits::Hit;
use crate::evidence::Subject;
use crate::rule::Rule;
use crate::rule::template::Template;

/// Values listed for one placeholder.
const MAX_VALUES: usize = 5;

/// Bytes of one value in a text.
const MAX_VALUE_BYTES: usize = 300;

/// What the texts of one finding are filled with.
pub(super) struct Words<'a, 'b, 'h> {
    pub(super) rule: &'a Rule,
    pub(super) group: &'a Group<'b, 'h>,
    pub(super) used: &'a [&'h Hit<'b>],
    pub(super) subjects: &'a [Subject],
    pub(super) world: &'a World<'a>,
}

impl Words<'_, '_, '_> {
    /// What stands for a placeholder in prose. What nothing has a value for is `?`; of a
    /// log or pod whose workload is not known, its own name says most.
    pub(super) fn said(&self, placeholder: &str) -> String {
        let text = self.values(placeholder).map(|values| {
            let named = values.into_iter().map(|value| self.with_holder(value));
            cut(listed(named.collect()))
        });
        text.unwrap_or_else(|| {
            let mut all = self.subjects.iter();
            let named = all.find(|s| s.kind == "Log" || s.kind == "Pod");
            match (last_of(placeholder), named) {
                ("workload", Some(named)) => named.name.clone(),
                _ => "?".to_owned(),
            }
        })
    }

    /// A text of several sentences, without those that speak of what is not known.
    pub(super) fn sentences(&self, text: &Template) -> String {
        const UNKNOWN: &str = "\0";
        let whole = text.render(|name| match self.said(name) {
            said if said.is_empty() || said == "?" => UNKNOWN.to_owned(),
            said => said,
        });
        let sentences = whole.split_inclusive(". ");
        let known: String = sentences.filter(|s| !s.contains(UNKNOWN)).collect();
        match known.trim_end() {
            "" => whole.replace(UNKNOWN, "?"),
            known => known.to_owned(),
        }
    }

    /// An address with who has it: `10.1.2.3 (pod shop/cart-1)`.
    fn with_holder(&self, value: String) -> String {
        match self.world.keys.holder(&value) {
            Some(holder) => format!("{value} ({holder})"),
            None => value,
        }
    }

    /// The values of the first alternative that has any.
    pub(super) fn values(&self, placeholder: &str) -> Option<Vec<String>> {
        let mut values = placeholder.split('|').filter_map(|name| self.of_name(name));
        let found = if placeholder.contains('|') {
            values.find(|values| !values.is_empty())?
        } else {
            values.next()?
        };
        if found.is_empty() && placeholder.ends_with(".count") {
            return Some(vec!["0".to_owned()]);
        }
        Some(found)
    }

    /// The values of a name: none where there is nothing to say, because another alternative of
    /// the rule gave the evidence; `None` where it is not known.
    fn of_name(&self, name: &str) -> Option<Vec<String>> {
        let Some((matcher, field)) = name.split_once('.') else {
            let about = || {
                let hits = self.used.iter().flat_map(|hit| &hit.subjects);
                self.subjects.iter().chain(hits)
            };
            return match of_subjects(name, about(), self.world) {
                Some(values) => Some(values).filter(|values| !values.is_empty()),
                None if name == "subjects" => Some(self.subjects.iter().map(full).collect()),
                None => Some(captured(self.used, name)),
            };
        };
        match self.hits_of(matcher) {
            [] => Some(Vec::new()),
            hits => Some(of_hits(hits, field)).filter(|values| !values.is_empty()),
        }
    }

    fn hits_of(&self, matcher: &str) -> &[&Hit<'_>] {
        let mut names = self.rule.matchers.iter();
        let number = names.position(|named| named.name == matcher);
        let hits = number.and_then(|n| self.group.get(n));
        hits.map(Vec::as_slice).unwrap_or_default()
    }
}

/// What some subjects are called; `None` if the name is none of a kind of subject.
pub(super) fn of_subjects<'s>(
    name: &str,
    mut about: impl Iterator<Item = &'s Subject>,
    world: &World<'_>,
) -> Option<Vec<String>> {
    let keys = &world.keys;
    let of_kind = |s: &Subject, kind: &str| (s.kind == kind).then(|| s.name.clone());
    let value = |s: &Subject| match name {
        "pod" => of_kind(s, "Pod"),
        "pods" => (s.kind == "Pod").then(|| full(s)),
        "service" => of_kind(s, "Service"),
        "namespace" => s.namespace.clone().or_else(|| of_kind(s, "Namespace")),
        "workload" => keys.workload(s).map(|workload| workload.name),
        "node" => keys.node(s).map(|node| node.name),
        _ => None,
    };
    match name {
        "pod" | "pods" | "service" | "namespace" | "workload" | "node" => {
            Some(about.filter_map(value).collect())
        }
        "subject" => Some(about.next().map(full).into_iter().collect()),
        "at" => Some(vec![shown(world.at)]),
        "control_plane" => Some(vec![world.control_plane.to_owned()]),
        _ => None,
    }
}

/// The last alternative of a placeholder.
pub(super) fn last_of(placeholder: &str) -> &str {
    placeholder.rsplit('|').next().unwrap_or_default()
}

/// The values of a field of what a matcher matched.
pub(super) fn of_hits(hits: &[&Hit<'_>], field: &str) -> Vec<String> {
    let time = |time: Option<Timestamp>| time.map(shown).into_iter().collect();
    match field {
        "count" => vec![hits.iter().map(|hit| hit.count).sum::<u64>().to_string()],
        "first" => time(hits.iter().filter_map(|hit| hit.first).min()),
        "last" => time(hits.iter().filter_map(|hit| hit.last).max()),
        _ => {
            let pointer = format!("/{}", field.replace('.', "/"));
            let fields = hits.iter().filter_map(|hit| hit.row?.field(&pointer));
            let found = fields.map(|value| plain(&value));
            let found: Vec<String> = found.filter(|text| !text.is_empty()).collect();
            if found.is_empty() {
                captured(hits, field)
            } else {
                found
            }
        }
    }
}

/// The values of a capture.
pub(super) fn captured(hits: &[&Hit<'_>], name: &str) -> Vec<String> {
    let values = hits.iter().filter_map(|hit| hit.captures.get(name));
    values.flatten().cloned().collect()
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

/// A value that is not too long for a text.
pub(super) fn cut(text: String) -> String {
    let end = text.floor_char_boundary(MAX_VALUE_BYTES);
    match text.get(..end) {
        Some(cut) if end < text.len() => format!("{cut}…"),
        _ => text,
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

/// A message without an end that introduces what is not known: `it fails: ?`, `it fails ()`.
pub(super) fn without_loose_end(message: &str) -> String {
    const LOOSE: [&str; 12] = [
        ": ?", ", ?", "; ?", " (?)", " ()", " (``)", " `?`", " ``", ":", ",", ";", " (",
    ];
    let mut text = message.trim_end();
    while let Some(rest) = LOOSE.iter().find_map(|end| text.strip_suffix(end)) {
        text = rest.trim_end();
    }
    text.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_does_not_end_in_what_introduces_nothing() {
        for (text, want) in [
            ("it fails: ", "it fails"),
            ("it fails: ?", "it fails"),
            ("it fails (): ``", "it fails"),
            ("it fails: why? (x)", "it fails: why? (x)"),
        ] {
            assert_eq!(without_loose_end(text), want);
        }
    }

    #[test]
    fn values_are_told_once_and_the_first_few() {
        let values = ["a", "b", "a", "c", "d", "e", "f"].map(str::to_owned);
        assert_eq!(listed(values.to_vec()), "a, b, c, d, e and 1 more");
    }
}
