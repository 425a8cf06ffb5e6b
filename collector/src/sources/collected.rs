//! The objects of a list while its pages come in, and the entries that they become.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use serde_json::Value;

use super::lists::Listing;
use super::page::Head;
use crate::cluster::Trouble;
use crate::session::Session;
use crate::spool::{Content, Part, SharedSpool};

/// The objects of a list, by namespace.
pub(super) struct Collected {
    pub(super) head: Head,
    spool: SharedSpool,
    parts: BTreeMap<String, Part>,
    /// How many objects each namespace has.
    pub(super) counts: BTreeMap<String, u64>,
    /// The first object of each page so far.
    pub(super) firsts: BTreeSet<String>,
    /// What is to be known of the list though it is whole.
    pub(super) note: Option<String>,
    /// What ended the list before its end.
    pub(super) cut: Option<Trouble>,
}

impl Collected {
    pub(super) fn new(session: &Session) -> Self {
        Self {
            head: Head::default(),
            spool: SharedSpool::new(&session.spools),
            parts: BTreeMap::new(),
            counts: BTreeMap::new(),
            firsts: BTreeSet::new(),
            note: None,
            cut: None,
        }
    }

    /// Adds a redacted object.
    ///
    /// # Errors
    /// When the temporary file cannot be written.
    pub(super) fn add(&mut self, namespace: &str, object: &Value) -> io::Result<()> {
        let part = self.parts.entry(namespace.to_owned()).or_default();
        let count = self.counts.entry(namespace.to_owned()).or_default();
        let separator = if *count == 0 { "" } else { ",\n" };
        *count += 1;
        if self
            .spool
            .write(part, format!("{separator}{object}").as_bytes())
        {
            self.spool.spill(self.parts.values_mut())?;
        }
        Ok(())
    }

    /// Every namespace's list as an entry: an object per line. Built-in kinds have an entry also
    /// where there are no objects, so that nobody takes "none" for "not asked".
    pub(super) fn finish(
        mut self,
        session: &Session,
        listing: &Listing,
        namespace: Option<&str>,
    ) -> Vec<(String, u64, Content)> {
        if !listing.is_namespaced {
            self.parts.entry(String::new()).or_default();
        } else if !listing.is_custom {
            let all = match namespace {
                Some(one) => std::iter::once(one.to_owned()).collect(),
                None => session.mesh().namespaces.clone(),
            };
            for namespace in all {
                self.parts.entry(namespace).or_default();
            }
        }
        for (text, usual) in [
            (&mut self.head.kind, format!("{}List", listing.kind)),
            (&mut self.head.api_version, listing.api_version.clone()),
        ] {
            if text.is_empty() {
                *text = usual;
            }
        }
        let start = format!("{},\"items\":[\n", self.head.open());
        let mut framed = Vec::new();
        for (namespace, body) in std::mem::take(&mut self.parts) {
            let items = self.counts.get(&namespace).copied().unwrap_or(0);
            let end = if items == 0 { "]}\n" } else { "\n]}\n" };
            framed.push((
                (namespace, items),
                body.framed(start.as_bytes(), end.as_bytes()),
            ));
        }
        let contents = self.spool.finish(framed).into_iter();
        contents
            .map(|((n, items), content)| (n, items, content))
            .collect()
    }
}
