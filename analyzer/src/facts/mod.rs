//! Facts: what is derived once from all entries, before any rule asks.
//!
//! A fact is a row of a named table (`pods`, `services`, `certificates`, …). Rules read rows
//! through CEL, where `row` is the row's fields. Each row knows what it is about and where it
//! was read.
//!
//! Two steps, so that the first runs on every core while the bundle is read:
//! [`parse`] turns one entry into a [`Piece`]; [`derive`] joins all pieces into tables.

use std::collections::BTreeMap;
use std::sync::Arc;

use bundle::{EntryInfo, Manifest};
use jiff::Timestamp;
use serde_json::Value;

use crate::evidence::{Evidence, Subject};

/// One row of a fact table.
#[derive(Debug, Clone, PartialEq)]
pub struct Fact {
    /// What the row is about. Never empty.
    pub subjects: Vec<Subject>,
    /// Where it was read. Never empty.
    pub evidence: Vec<Evidence>,
    /// The fields, an object.
    pub fields: Value,
}

/// All fact tables, by name. Rows are in a stable order.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Facts {
    /// The tables.
    pub tables: BTreeMap<&'static str, Vec<Fact>>,
    /// What could not be derived: an object of the wrong shape, a metric line that does not
    /// parse, a certificate cut in half. Each with the entry and a sentence.
    pub gaps: Vec<Gap>,
}

/// Something that could not be derived from an entry.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Gap {
    /// The entry.
    pub entry: String,
    /// What is wrong with it, in words.
    pub detail: String,
}

/// What one entry holds, parsed.
#[derive(Debug)]
pub enum Piece {}

/// What holds for the whole bundle.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// "Now": the capture time, or what `--at` says.
    pub at: Timestamp,
    /// The manifest, if there is a sound one.
    pub manifest: Option<&'a Manifest>,
}

/// Whether facts are derived from the whole of this entry.
pub fn wants(_entry: &EntryInfo) -> bool {
    false
}

/// Parses one entry. Pure; runs on any thread.
pub fn parse(_entry: &Arc<EntryInfo>, _bytes: Vec<u8>) -> Vec<Piece> {
    Vec::new()
}

/// Joins the pieces, in any order, into tables that do not depend on that order.
pub fn derive(_pieces: Vec<Piece>, _context: Context<'_>) -> Facts {
    Facts::default()
}
