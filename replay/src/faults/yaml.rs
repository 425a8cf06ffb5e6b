//! A YAML file as a tree in which everything knows its place, so that all mistakes of a file can be
//! told at once, each with line and column.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;

/// Line and column, from 1; zero if unknown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Spot {
    pub(super) line: u64,
    pub(super) column: u64,
}

impl Spot {
    pub(super) fn of(location: serde_saphyr::Location) -> Self {
        Self {
            line: location.line(),
            column: location.column(),
        }
    }
}

/// Something that stands in a file.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) spot: Spot,
    pub(super) content: Content,
}

/// What stands there.
#[derive(Debug, Clone)]
pub(super) enum Content {
    Nothing,
    /// A text, or a number or flag as it would be written.
    Scalar(String),
    List(Vec<Node>),
    Map(Vec<(String, Spot, Node)>),
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Content>::deserialize(deserializer)?;
        Ok(Self {
            spot: Spot::of(spanned.referenced),
            content: spanned.value,
        })
    }
}

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ContentVisitor)
    }
}

struct ContentVisitor;

impl<'de> Visitor<'de> for ContentVisitor {
    type Value = Content;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Content, E> {
        Ok(Content::Scalar(value.to_string()))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Content, E> {
        Ok(Content::Scalar(value.to_string()))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Content, E> {
        Ok(Content::Scalar(value.to_string()))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Content, E> {
        Ok(Content::Scalar(value.to_string()))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Content, E> {
        Ok(Content::Scalar(value.to_owned()))
    }

    fn visit_unit<E: de::Error>(self) -> Result<Content, E> {
        Ok(Content::Nothing)
    }

    fn visit_none<E: de::Error>(self) -> Result<Content, E> {
        Ok(Content::Nothing)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Content, A::Error> {
        let mut out = Vec::new();
        while let Some(node) = list.next_element()? {
            out.push(node);
        }
        Ok(Content::List(out))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Content, A::Error> {
        let mut out = Vec::new();
        while let Some((key, node)) = map.next_entry::<Spanned<String>, Node>()? {
            let spot = Spot::of(key.referenced);
            out.push((key.value, spot, node));
        }
        Ok(Content::Map(out))
    }
}

/// A mistake in a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Mistake {
    pub(super) spot: Spot,
    /// What is wrong and what to write instead.
    pub(super) detail: String,
}

/// Reads a file as a tree.
pub(super) fn tree(text: &str) -> Result<Node, Mistake> {
    serde_saphyr::from_str(text).map_err(|error| {
        let spot = error.location().map(Spot::of).unwrap_or_default();
        let detail = error.without_snippet().to_string();
        // The place stands in front already.
        let detail = detail.split(" at line ").next().unwrap_or(&detail);
        let detail = detail.trim().to_owned();
        Mistake { spot, detail }
    })
}

/// The entries of a map, taken one by one. What is left over at the end is unknown.
#[derive(Debug)]
pub(super) struct Fields<'a> {
    entries: Vec<&'a (String, Spot, Node)>,
    known: Vec<&'static str>,
    is_map: bool,
}

impl<'a> Fields<'a> {
    /// Those of a node; `what` says what to write if it is no map.
    pub(super) fn of(node: &'a Node, what: &str, mistakes: &mut Vec<Mistake>) -> Self {
        let mut entries = Vec::new();
        let is_map = matches!(node.content, Content::Map(_));
        if let Content::Map(all) = &node.content {
            entries.extend(all);
        } else {
            let detail = format!("this is no map; write {what}");
            let spot = node.spot;
            mistakes.push(Mistake { spot, detail });
        }
        Self {
            entries,
            known: Vec::new(),
            is_map,
        }
    }

    pub(super) fn take(&mut self, name: &'static str) -> Option<&'a Node> {
        self.known.push(name);
        let at = self.entries.iter().position(|(key, ..)| key == name)?;
        Some(&self.entries.remove(at).2)
    }

    /// Takes a value that may not be missing; `what` says what to write.
    pub(super) fn needed(
        &mut self,
        name: &'static str,
        (spot, what): (Spot, &str),
        mistakes: &mut Vec<Mistake>,
    ) -> Option<&'a Node> {
        let found = self.take(name);
        if found.is_none() && self.is_map {
            let detail = format!("`{name}` is missing; write {what}");
            mistakes.push(Mistake { spot, detail });
        }
        found
    }

    /// Whatever was not taken is a mistake.
    pub(super) fn end(self, mistakes: &mut Vec<Mistake>) {
        for (key, spot, _) in self.entries {
            let known = format!("`{}`", self.known.join("`, `"));
            let detail = if self.known.contains(&key.as_str()) {
                format!("`{key}` stands here twice; leave one of them out")
            } else {
                format!("unknown key `{key}`; write one of {known}")
            };
            let spot = *spot;
            mistakes.push(Mistake { spot, detail });
        }
    }
}
