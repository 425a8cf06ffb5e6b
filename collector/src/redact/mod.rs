//! Takes secrets out of bytes on their way from the cluster to the bundle.
//!
//! Three ways in: [`TextRedactor`] for streams of lines (logs, metrics, anything without a known
//! shape), [`FileRedactor`] for files that others have written, whose lines may be a container
//! runtime's records, and [`object::redact`] for Kubernetes objects, which knows where secrets live
//! in them and hands every string to the text patterns. All replace a secret by
//! `[REDACTED:<kind>]` and count it by kind. Plain code: no I/O, no clock, no async.
//!
//! What must survive, because it is evidence: certificates and public keys, identities, names,
//! addresses, paths of files that hold secrets, and every line break.

mod anchors;
mod arguments;
mod assigned;
mod detect;
mod encoded;
pub mod entry;
mod extent;
mod lines;
mod marks;
pub mod names;
pub mod object;
mod private_key;
mod prose;
mod records;
mod text;
mod tokens;
mod unnamed;
mod urls;
mod value;
mod windows;
pub mod yaml;

use std::collections::BTreeMap;

pub use records::FileRedactor;
pub use text::TextRedactor;

/// How many secrets were taken out, by kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts(BTreeMap<&'static str, u64>);

impl Counts {
    /// Counts one secret of `kind`.
    pub fn add(&mut self, kind: &'static str) {
        *self.0.entry(kind).or_default() += 1;
    }

    /// Adds the counts of another stretch of bytes.
    pub fn merge(&mut self, other: &Self) {
        for (kind, count) in &other.0 {
            *self.0.entry(kind).or_default() += count;
        }
    }

    /// Whether nothing was taken out.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The counts as the manifest keeps them.
    pub fn into_map(self) -> BTreeMap<String, u64> {
        let owned = self.0.into_iter();
        owned.map(|(kind, n)| (kind.to_owned(), n)).collect()
    }

    /// How many of one kind.
    pub fn of(&self, kind: &str) -> u64 {
        self.0.get(kind).copied().unwrap_or_default()
    }
}

/// What stands where a secret was.
pub(crate) fn marker(kind: &str) -> String {
    format!("[REDACTED:{kind}]")
}

/// Redacts a short text in place.
pub fn redact_line(line: &mut String, counts: &mut Counts) {
    if let Some(clean) = text::redact_string(line, counts) {
        *line = clean;
    }
}
