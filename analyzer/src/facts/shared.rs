//! Texts, lists and maps of one entry, each once. The pods of a workload have the same containers
//! and labels, and its events name the same objects: what differs between two objects is a small
//! part of them.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;

use foldhash::fast::RandomState;

use super::json::{Json, Pair};

/// What was kept of one entry so far.
#[derive(Debug, Default)]
pub(super) struct Shared {
    hasher: RandomState,
    texts: HashSet<Arc<str>, RandomState>,
    lists: HashMap<u64, Arc<[Json]>, RandomState>,
    maps: HashMap<u64, Arc<[Pair]>, RandomState>,
}

impl Shared {
    /// A text, without a copy of one that is known.
    pub(super) fn text(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.texts.get(text) {
            return Arc::clone(known);
        }
        let new: Arc<str> = text.into();
        self.texts.insert(Arc::clone(&new));
        new
    }

    /// A list of values that are all of this entry.
    pub(super) fn list(&mut self, items: Vec<Json>) -> Arc<[Json]> {
        let mut hasher = self.hasher.build_hasher();
        items.iter().for_each(|item| feed(item, &mut hasher));
        once(&mut self.lists, hasher.finish(), items, is_same)
    }

    /// A map of pairs that are all of this entry.
    pub(super) fn map(&mut self, pairs: Vec<Pair>) -> Arc<[Pair]> {
        let mut hasher = self.hasher.build_hasher();
        for (key, value) in &pairs {
            hasher.write_usize(key.as_ptr().addr());
            feed(value, &mut hasher);
        }
        let is_same = |a: &Pair, b: &Pair| Arc::ptr_eq(&a.0, &b.0) && is_same(&a.1, &b.1);
        once(&mut self.maps, hasher.finish(), pairs, is_same)
    }
}

/// The same parts if they are known. Of different parts with one hash, only the first are shared.
fn once<T>(
    known: &mut HashMap<u64, Arc<[T]>, RandomState>,
    hash: u64,
    parts: Vec<T>,
    is_same: impl Fn(&T, &T) -> bool,
) -> Arc<[T]> {
    match known.entry(hash) {
        Entry::Vacant(free) => Arc::clone(free.insert(parts.into())),
        Entry::Occupied(found) => {
            let found = found.get();
            let is_equal =
                found.len() == parts.len() && found.iter().zip(&parts).all(|(a, b)| is_same(a, b));
            if is_equal {
                Arc::clone(found)
            } else {
                parts.into()
            }
        }
    }
}

/// Hashes a value without going into it: what is equal in it is the same already.
fn feed(value: &Json, into: &mut impl Hasher) {
    match value {
        Json::Null => into.write_u8(0),
        Json::Bool(value) => into.write_u8(1 + u8::from(*value)),
        Json::Int(value) => into.write_i64(*value),
        Json::Float(value) => into.write_u64(value.to_bits()),
        Json::Text(text) => into.write_usize(text.as_ptr().addr()),
        Json::List(list) => into.write_usize(list.as_ptr().addr()),
        Json::Map(map) => into.write_usize(map.as_ptr().addr()),
    }
}

fn is_same(a: &Json, b: &Json) -> bool {
    match (a, b) {
        (Json::Text(a), Json::Text(b)) => Arc::ptr_eq(a, b),
        (Json::List(a), Json::List(b)) => Arc::ptr_eq(a, b),
        (Json::Map(a), Json::Map(b)) => Arc::ptr_eq(a, b),
        (Json::Float(a), Json::Float(b)) => a.to_bits() == b.to_bits(),
        (a, b) => a == b,
    }
}
