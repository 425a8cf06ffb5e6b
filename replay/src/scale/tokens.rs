//! Finds in any text what copies must have of their own, and puts the copy's in its place.
//!
//! Objects (as JSON), logs and scrapes go the same way, so that they agree with each other. Names
//! of pods, ids and addresses are looked for as whole words. Names of namespaces are words that can
//! mean anything; they are replaced only where the text around them says that they are one.

use std::borrow::Cow;
use std::net::IpAddr;

use aho_corasick::{AhoCorasick, BuildError, Input, MatchKind};

use super::layout::Layout;
use super::names::{Addressed, Addresses, another_id, numbered, suffix};
use super::roster::{Naming, Roster};

/// What a word means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    Namespace,
    Pod(u32),
    /// Of a pod, node or service; the second number is its place among its like.
    Address(Addressed, u32),
    /// A node, and whether its name is a word that can mean anything.
    Node(u32, bool),
    /// An id of a pod or of what comes with each replica.
    ReplicaId,
    /// An id of what a namespace has once.
    SpaceId,
    NodeId(u32),
    /// The name of an endpoint slice, and its place among them.
    Slice(u32),
}

/// Which copy a text is for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Nth {
    pub(super) number: u32,
    /// The copy of the node that the text is of, if it is of one.
    pub(super) node: Option<u32>,
}

/// The words of a recording that copies must have of their own.
#[derive(Debug)]
pub(super) struct Words {
    finder: AhoCorasick,
    words: Vec<(String, Token)>,
}

/// What words become.
#[derive(Debug)]
pub(super) struct Meaning {
    pub(super) layout: Layout,
    pub(super) roster: Roster,
    pub(super) addresses: Addresses,
    pub(super) multiplier: u64,
    /// How many slices there are.
    pub(super) slices: u32,
}

impl Words {
    /// Of words that occur twice the first meaning counts.
    pub(super) fn of(words: Vec<(String, Token)>) -> Result<Self, BuildError> {
        let mut builder = AhoCorasick::builder();
        builder.match_kind(MatchKind::LeftmostLongest);
        let finder = builder.build(words.iter().map(|(word, _)| word))?;
        Ok(Self { finder, words })
    }

    /// A text for a copy.
    pub(super) fn rewrite<'t>(
        &self,
        text: &'t [u8],
        meaning: &Meaning,
        copy: Nth,
    ) -> Cow<'t, [u8]> {
        let mut out: Vec<u8> = Vec::new();
        let (mut done, mut from) = (0, 0);
        while let Some(found) = self.finder.find(Input::new(text).range(from..)) {
            let (start, end) = (found.start(), found.end());
            let before = text.get(..start).unwrap_or_default();
            let after = text.get(end..).unwrap_or_default();
            let word = self.words.get(found.pattern().as_usize());
            let other = word
                .filter(|(_, token)| stands_alone(before, after, token))
                .and_then(|(word, token)| meaning.of(word, token, copy));
            if let Some(other) = other {
                out.extend_from_slice(text.get(done..start).unwrap_or_default());
                out.extend_from_slice(other.as_bytes());
                done = end;
                from = end;
            } else {
                from = start + 1;
            }
        }
        if done == 0 {
            return Cow::Borrowed(text);
        }
        out.extend_from_slice(text.get(done..).unwrap_or_default());
        Cow::Owned(out)
    }
}

impl Meaning {
    /// What a word is in a copy; `None` if it stays.
    pub(super) fn of(&self, word: &str, token: &Token, copy: Nth) -> Option<String> {
        let space = self.layout.space_of(copy.number);
        let node = |number: u32| {
            let node = self.roster.nodes.get(usize::try_from(number).ok()?)?;
            let nodes = self.layout.nodes(node.pods);
            Some(copy.node.unwrap_or(copy.number % nodes))
        };
        let new = match token {
            Token::Namespace => numbered(word, space),
            Token::Pod(pod) => self.pod_name(*pod, copy.number)?,
            Token::Node(number, _) => numbered(word, node(*number)?),
            Token::Address(what, number) => {
                let number = match what {
                    Addressed::Pod => self.serial(*number, copy.number)?,
                    Addressed::Service => of_copies(space, *number, self.roster.services.len())?,
                    Addressed::Node => of_copies(node(*number)?, *number, self.roster.nodes.len())?,
                };
                let recorded: IpAddr = word.parse().ok()?;
                self.addresses.of(recorded, *what, number).to_string()
            }
            Token::ReplicaId => (copy.number > 0).then(|| another_id(word, copy.number))?,
            Token::SpaceId => (space > 0).then(|| another_id(word, space))?,
            Token::NodeId(number) => {
                let node = node(*number)?;
                (node > 0).then(|| another_id(word, node))?
            }
            Token::Slice(number) => {
                let stem = super::names::drawn_stem(word)?;
                let number = copy.number.checked_mul(self.slices)?.checked_add(*number)?;
                (copy.number > 0)
                    .then(|| format!("{stem}{}", suffix(number.into(), self.multiplier)))?
            }
        };
        Some(new)
    }

    /// The number of a copied pod; `None` for the recorded one.
    fn serial(&self, pod: u32, copy: u32) -> Option<u32> {
        self.layout.serial(pod, copy).filter(|_| copy > 0)
    }

    /// A copied pod's name; `None` if it stays.
    pub(super) fn pod_name(&self, number: u32, copy: u32) -> Option<String> {
        let pod = self.roster.pods.get(usize::try_from(number).ok()?)?;
        let serial = self.serial(number, copy)?;
        match &pod.naming {
            Naming::Drawn(stem) => {
                Some(format!("{stem}{}", suffix(serial.into(), self.multiplier)))
            }
            Naming::Ordinal { stem, ordinal, of } => {
                let before = self.layout.replica_of(copy).saturating_mul(*of);
                Some(format!("{stem}-{}", before.saturating_add(*ordinal)))
            }
            Naming::Given => None,
        }
    }
}

/// The number of a copy of something of which there are so many; `None` for what was recorded.
fn of_copies(copy: u32, number: u32, of: usize) -> Option<u32> {
    let before = copy.checked_mul(u32::try_from(of).ok()?)?;
    before.checked_add(number).filter(|_| copy > 0)
}

/// Whether a word is one, and not a part of another.
fn stands_alone(before: &[u8], after: &[u8], token: &Token) -> bool {
    let is_of_word = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    if before.last().is_some_and(is_of_word) || after.first().is_some_and(is_of_word) {
        return false;
    }
    match token {
        Token::Namespace => names_a_namespace(before, after),
        Token::Node(_, true) => names_a_node(before),
        // `10.0.0.1` is not in `110.0.0.1.5`, and is in `10.0.0.1.` at the end of a sentence.
        Token::Address(..) => {
            let goes_on = matches!(after, [b'.', next, ..] if next.is_ascii_digit());
            !goes_on && before.last() != Some(&b'.')
        }
        _ => true,
    }
}

/// Whether what is before a word says that it is the name of a node.
fn names_a_node(before: &[u8]) -> bool {
    // `"nodeName":"worker"`, `node="worker"`, `assigned shop/cart to worker`.
    let keys: [&[u8]; 5] = [
        b"nodename",
        b"host",
        b"hostname",
        b"node",
        b"reportinginstance",
    ];
    names_after(before, &keys) || before.ends_with(b" to ")
}

/// Whether a text ends with one of some keys and what stands between a key and its value.
fn names_after(before: &[u8], keys: &[&[u8]]) -> bool {
    let is_mark = |b: &u8| matches!(b, b'"' | b'\\' | b'=' | b':' | b' ' | b'/' | b'\'');
    let marks = before
        .iter()
        .rev()
        .take(8)
        .take_while(|b| is_mark(b))
        .count();
    let key = before.get(..before.len() - marks).unwrap_or_default();
    marks > 0 && keys.iter().any(|k| ends_with_key(key, k))
}

/// Whether what is around a word says that it is the name of a namespace.
fn names_a_namespace(before: &[u8], after: &[u8]) -> bool {
    // `namespace="shop"`, `"linkerd.io/workload-ns":"shop"`, `{\"ns\":\"shop\"`, `namespaces/shop`.
    let keys: [&[u8]; 4] = [
        b"namespace",
        b"namespaces",
        b"ns",
        b"kubernetes.io/metadata.name",
    ];
    if names_after(before, &keys) {
        return true;
    }
    // `cart.shop.svc.cluster.local`, `default.shop.serviceaccount.identity.linkerd.cluster.local`.
    if [&b".svc"[..], b".serviceaccount", b".pod."]
        .iter()
        .any(|s| after.starts_with(s))
    {
        return true;
    }
    // `cart.shop:8080`.
    let is_port = matches!(after, [b':', digit, ..] if digit.is_ascii_digit());
    if is_port && matches!(before, [.., host, b'.'] if host.is_ascii_alphanumeric()) {
        return true;
    }
    // `shop/cart-7cc5f8978b-zwdmb`.
    let is_path = matches!(after, [b'/', next, ..] if next.is_ascii_alphanumeric());
    is_path
        && before
            .last()
            .is_none_or(|b| matches!(b, b'"' | b'\'' | b' ' | b'(' | b'[' | b'=' | b','))
}

/// Whether a text ends with a key, of which the last word may be in any case.
fn ends_with_key(text: &[u8], key: &[u8]) -> bool {
    let Some((before, end)) = text.split_at_checked(text.len().wrapping_sub(key.len())) else {
        return false;
    };
    end.eq_ignore_ascii_case(key) && !before.last().is_some_and(u8::is_ascii_alphanumeric)
}
