//! A recording multiplied into a large cluster, without holding it.
//!
//! The recorded objects stay as they are. A copy of one is its place in the recording and a number
//! ([`Id`]); the copy itself is made when it is asked for, from the recorded object, by putting
//! other names, ids and addresses in it ([`tokens`]) and by counting anew what is there more often
//! now ([`repair`]). [`roster`] finds out what there is, [`layout`] does the arithmetic, [`spread`]
//! tells how often each object is there.

mod context;
mod layout;
mod names;
mod repair;
mod roster;
mod spread;
#[cfg(test)]
mod tests;
mod tokens;

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::Value;

use crate::store::{Held, Key, place};

use layout::Layout;
use names::{Addressed, Addresses, MULTIPLIERS, Numbering};
use roster::{Naming, Roster};
use spread::Spread;
use tokens::{Meaning, Token, Words};

pub(crate) use spread::Id;
pub(crate) use tokens::Nth;

/// The most pods that a recording is multiplied into.
const MAX_PODS: u32 = 100_000;

/// How large a recording shall be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Scale {
    /// Pods of the whole cluster; without, it stays as it was recorded.
    pub pods: Option<u32>,
    /// Bytes that each log has at least, which repeats its lines; 0 leaves logs as they are.
    pub log_bytes: u64,
}

/// Why a recording cannot be multiplied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScaleError {
    /// There is nothing to multiply.
    #[error(
        "the recording has no pods outside of `kube-*` and Linkerd's own namespaces to multiply"
    )]
    NoWorkloads,
    /// Fewer pods than there are, or more than can be named.
    #[error("the recording has {recorded} pods; give a number from {recorded} to {MAX_PODS}")]
    Pods {
        /// How many pods it has.
        recorded: u32,
    },
    /// The names of the recording are too many to look for.
    #[error("the recording has too many names to multiply: {0}")]
    Names(String),
}

/// A multiplied recording.
#[derive(Debug)]
pub(crate) struct Multiplied {
    words: Words,
    meaning: Meaning,
}

impl Multiplied {
    /// Multiplies recorded objects into so many pods.
    pub(crate) fn of(objects: &BTreeMap<Key, Held>, pods: u32) -> Result<Self, ScaleError> {
        let roster = Roster::of(objects);
        let here = u32::try_from(roster.pods.len()).unwrap_or(u32::MAX);
        if here == 0 {
            return Err(ScaleError::NoWorkloads);
        }
        let recorded = roster.kept.saturating_add(here);
        if pods < recorded || pods > MAX_PODS {
            return Err(ScaleError::Pods { recorded });
        }
        let layout = Layout::of(roster.owned, here, pods - roster.kept);
        let (words, slices) = words(objects, &roster);
        let words = Words::of(words).map_err(|e| ScaleError::Names(e.to_string()))?;
        let mut meaning = Meaning {
            layout,
            addresses: Addresses::beside(&roster.addresses()),
            numbering: Numbering::beside(&roster.numbered()),
            roster,
            multiplier: 1,
            slices,
        };
        meaning.choose_multiplier();
        Ok(Self { words, meaning })
    }

    /// A text of the recording, for a copy.
    pub(crate) fn rewrite<'t>(&self, text: &'t [u8], copy: Nth) -> Cow<'t, [u8]> {
        self.words.rewrite(text, &self.meaning, copy)
    }

    /// The namespace of a copy of an object.
    pub(crate) fn namespace<'a>(&self, recorded: &'a str, copy: Nth) -> Cow<'a, str> {
        let space = self.meaning.layout.space_of(copy.number);
        if space > 0 && self.meaning.roster.namespaces.contains(recorded) {
            return Cow::Owned(self.meaning.numbering.name(recorded, space));
        }
        Cow::Borrowed(recorded)
    }

    /// The name of a copy of an object.
    pub(crate) fn name<'a>(&self, key: &Key, recorded: &'a Value, nth: Nth) -> Cow<'a, str> {
        let name = place(recorded).1;
        match self.given_name(key, recorded, nth) {
            Some(given) => Cow::Owned(given),
            None => self.value("name", name, nth),
        }
    }

    /// The name of a copy of a namespace, or of what is named as its node.
    fn given_name(&self, key: &Key, recorded: &Value, nth: Nth) -> Option<String> {
        let name = place(recorded).1;
        if let Some(node) = nth.node {
            return Some(self.meaning.numbering.name(name, node));
        }
        let is_namespace = (key.0.as_str(), key.1.as_str()) == ("", "namespaces");
        let is_copied = is_namespace && self.meaning.roster.namespaces.contains(name);
        let space = self.meaning.layout.space_of(nth.number);
        is_copied.then(|| self.meaning.numbering.name(name, space))
    }

    /// The recorded namespace of which this one is a copy.
    pub(crate) fn recorded_namespace<'a>(&self, namespace: &'a str) -> &'a str {
        let recorded = namespace.rsplit_once('-').filter(|(stem, number)| {
            let space = number.parse().ok().filter(|n| *n > 0);
            self.meaning.roster.namespaces.contains(*stem)
                && space.is_some_and(|n| {
                    n < self.meaning.layout.spaces()
                        && self.meaning.numbering.name(stem, n) == namespace
                })
        });
        recorded.map_or(namespace, |(stem, _)| stem)
    }

    /// The value of a field in a copy; the field's name tells what the value means.
    pub(crate) fn value<'a>(&self, field: &str, recorded: &'a str, copy: Nth) -> Cow<'a, str> {
        let before = format!("{field}\":\"");
        let text = format!("{before}{recorded}");
        match self.rewrite(text.as_bytes(), copy) {
            Cow::Borrowed(_) => Cow::Borrowed(recorded),
            Cow::Owned(text) => {
                let value = text.get(before.len()..).unwrap_or_default();
                Cow::Owned(String::from_utf8_lossy(value).into_owned())
            }
        }
    }

    /// A copy of a recorded object.
    pub(crate) fn object<'a>(&self, key: &Key, recorded: &'a Value, copy: Nth) -> Cow<'a, Value> {
        let copied = self.plain(recorded, copy);
        self.repaired(key, recorded, copied, copy)
    }

    /// The same before anything is counted anew.
    fn plain<'a>(&self, recorded: &'a Value, copy: Nth) -> Cow<'a, Value> {
        if copy == Nth::default() {
            return Cow::Borrowed(recorded);
        }
        let text = recorded.to_string();
        match self.rewrite(text.as_bytes(), copy) {
            Cow::Borrowed(_) => Cow::Borrowed(recorded),
            // Only words within texts change, so that what was JSON still is.
            Cow::Owned(text) => {
                serde_json::from_slice(&text).map_or(Cow::Borrowed(recorded), Cow::Owned)
            }
        }
    }
}

impl Meaning {
    /// Takes the first multiplier that gives no copied pod the name of a recorded one.
    fn choose_multiplier(&mut self) {
        for multiplier in MULTIPLIERS {
            self.multiplier = multiplier;
            let layout = &self.layout;
            let mut copies = layout.copies_of_space(0).filter(|c| *c > 0);
            let meets = copies.any(|copy| {
                (0..).zip(&self.roster.pods).any(|(number, pod)| {
                    let name = self.pod_name(number, copy);
                    name.is_some_and(|n| self.roster.number(&pod.namespace, &n).is_some())
                })
            });
            if !meets {
                return;
            }
        }
    }
}

/// Everything that copies must have of their own, and how many endpoint slices are among it.
fn words(objects: &BTreeMap<Key, Held>, roster: &Roster) -> (Vec<(String, Token)>, u32) {
    let mut words: Vec<(String, Token)> = Vec::new();
    for (number, node) in (0..).zip(&roster.nodes) {
        let is_word = node.name.bytes().all(|b| b.is_ascii_alphabetic());
        words.push((node.name.clone(), Token::Node(number, is_word)));
        let addresses = node.addresses.iter().map(ToString::to_string);
        words.extend(addresses.map(|a| (a, Token::Address(Addressed::Node, number))));
        words.extend(
            node.ids
                .iter()
                .map(|id| (id.clone(), Token::NodeId(number))),
        );
    }
    for (number, pod) in (0..).zip(&roster.pods) {
        if pod.naming != Naming::Given {
            words.push((pod.name.clone(), Token::Pod(number)));
        }
        let addresses = pod.addresses.iter().map(ToString::to_string);
        words.extend(addresses.map(|a| (a, Token::Address(Addressed::Pod, number))));
        let ids = std::iter::once(&pod.uid).chain(&pod.containers);
        words.extend(ids.map(|id| (id.clone(), Token::ReplicaId)));
    }
    for (number, address) in (0..).zip(&roster.services) {
        let token = Token::Address(Addressed::Service, number);
        words.push((address.to_string(), token));
    }
    words.extend(
        roster
            .namespaces
            .iter()
            .map(|n| (n.clone(), Token::Namespace)),
    );
    let mut slices = 0;
    for (key, held) in objects {
        for (object, spread) in held.objects.iter().map(|o| (o, Spread::of(key, o, roster))) {
            let token = match spread {
                Spread::Once | Spread::Nodes(_) => continue,
                Spread::Spaces => Token::SpaceId,
                Spread::Pod(_) | Spread::Pods => Token::ReplicaId,
            };
            words.extend(roster::text(object, "/metadata/uid").map(|id| (id.to_owned(), token)));
            if spread == Spread::Pods {
                let name = roster::text(object, "/metadata/name");
                words.extend(name.map(|n| (n.to_owned(), Token::Slice(slices))));
                slices += 1;
            }
        }
    }
    words.retain(|(word, _)| !word.is_empty());
    (words, slices)
}
