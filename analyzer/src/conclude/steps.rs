//! Fills the steps of a fix so that they can be pasted: a step speaks of one thing, and tells of
//! how many others the same holds.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use super::hits::Hit;
use super::words::{Words, captured, cut, last_of, of_hits, of_subjects};
use crate::evidence::Subject;
use crate::rule::template::Template;

/// What a shell takes for more than text.
const ACTIVE: [char; 10] = ['$', ';', '&', '|', '<', '>', '`', '\'', '"', '\\'];

/// A step, for the first of what it is about.
pub(super) struct Step {
    text: String,
    /// Hashes of the step for each of all, as there may be many.
    all: BTreeSet<u64>,
}

impl Step {
    /// The same step for several, of which there is one at least.
    fn of(mut texts: impl Iterator<Item = String>) -> Option<Self> {
        let text = texts.next()?;
        let all = texts.map(|other| hash(&other)).chain([hash(&text)]);
        Some(Self {
            all: all.collect(),
            text,
        })
    }

    /// Takes in the same step of a finding that says the same.
    pub(super) fn absorb(&mut self, other: Self) {
        self.all.extend(other.all);
    }

    /// The step as it is shown.
    pub(super) fn told(self) -> String {
        match self.all.len() {
            0 | 1 => self.text,
            all => format!("{}   # and {} more", self.text, all - 1),
        }
    }
}

fn hash(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

/// One hit that a step may speak of, and the number of its matcher.
#[derive(Clone, Copy)]
struct Lead<'a, 'b> {
    number: usize,
    hit: &'a Hit<'b>,
    key: Option<&'a Subject>,
}

/// The steps of a finding. `proving` are the matchers that make it hold, in the order in which the
/// condition names them.
pub(super) fn of(words: &Words<'_, '_, '_>, key: Option<&Subject>, proving: &[usize]) -> Vec<Step> {
    let steps = words.rule.fix.iter();
    steps
        .map(|step| filled(step, words, key, proving))
        .collect()
}

/// A step for each hit of the matcher that knows the most of what the step names.
fn filled(
    step: &Template,
    words: &Words<'_, '_, '_>,
    key: Option<&Subject>,
    proving: &[usize],
) -> Step {
    let leads = |number: usize| {
        let hits = words.group.get(number).into_iter().flatten();
        hits.map(move |hit| Lead { number, hit, key })
    };
    let known = |number: &usize| {
        let known = Cell::new(0);
        if let Some(lead) = leads(*number).next() {
            step.render(|name| {
                known.set(known.get() + usize::from(own(lead, name, words).is_some()));
                String::new()
            });
        }
        known.get()
    };
    // The first of those that know the same: the last in the other direction.
    let best = proving.iter().rev().max_by_key(|number| known(number));
    // What all of the finding know is looked up once, not for each lead.
    let known_to_all: RefCell<BTreeMap<String, String>> = RefCell::default();
    let of_all = |name: &str| {
        let mut known = known_to_all.borrow_mut();
        let value = known.entry(name.to_owned());
        value.or_insert_with(|| any(name, words)).clone()
    };
    let render = |lead: Lead<'_, '_>| {
        step.render(|name| own(lead, name, words).unwrap_or_else(|| of_all(name)))
    };
    let texts = best
        .into_iter()
        .flat_map(|number| leads(*number))
        .map(render);
    Step::of(texts).unwrap_or_else(|| Step {
        text: step.render(of_all),
        all: BTreeSet::new(),
    })
}

/// What a lead itself knows for a placeholder.
fn own(lead: Lead<'_, '_>, placeholder: &str, words: &Words<'_, '_, '_>) -> Option<String> {
    let hit = std::slice::from_ref(&lead.hit);
    let about = || lead.key.into_iter().chain(&lead.hit.subjects);
    let of_name = |name: &str| match name.split_once('.') {
        Some((_, "count" | "first" | "last")) => None,
        Some((matcher, field)) => {
            let named = words.rule.matchers.get(lead.number)?;
            let values = (named.name == matcher).then(|| of_hits(hit, field));
            values?.into_iter().next()
        }
        None => match of_subjects(name, about(), words.world) {
            Some(values) => values.into_iter().next(),
            None => captured(hit, name).into_iter().next(),
        },
    };
    placeholder.split('|').find_map(of_name).map(plain)
}

/// What anything of the finding knows for a placeholder; a name that is not known is a word to
/// fill in.
fn any(placeholder: &str, words: &Words<'_, '_, '_>) -> String {
    let known = words.values(placeholder);
    let unknown = || match last_of(placeholder) {
        name @ ("namespace" | "pod" | "workload" | "service" | "node") => name.to_ascii_uppercase(),
        _ => "?".to_owned(),
    };
    let first = known.map(|values| values.into_iter().next().unwrap_or_default());
    first.map_or_else(unknown, plain)
}

/// A value that a shell takes for text and nothing else: it may come from anybody.
fn plain(value: String) -> String {
    let is_active = |c: char| ACTIVE.contains(&c) || c.is_control();
    cut(value).replace(is_active, "?")
}
