//! The bundle: the one compressed file that travels from `linkerd-collect` to `linkerd-analyze`.
//!
//! A bundle is a tree of *entries* (logs, lists of Kubernetes objects, metric scrapes,
//! certificate chains) below one top folder, closed by a [`Manifest`] that says who captured
//! what and when, and how every planned item ended (the *ledger*). `docs/format.md` describes
//! the format so that another program can be written from it.
//!
//! - [`layout`] is the map between entry paths and what they hold, [`resources`] the table of
//!   Kubernetes kinds that have a place of their own in it;
//! - [`BundleWriter`] streams entries into a tar.gz or a zip;
//! - [`Bundle`] reads either of them, and any foreign tar, tar.gz, zip, folder or single file,
//!   in place and without trust; [`yaml`] cuts what other tools print into single objects.
//!
//! Synchronous, with no network and no clock: times are given by the caller.

mod certificate;
mod index;
pub mod layout;
mod limits;
mod manifest;
mod path;
mod read;
pub mod resources;
mod seal;
mod source;
mod write;
pub mod yaml;
mod zip_extra;

pub use certificate::{CERTIFICATE_FACTS, CertificateFacts, is_signed_by};
pub use limits::Limits;
pub use manifest::{EntryRecord, FormatVersion, LedgerRow, Manifest, Outcome};
pub use path::{EntryPath, PathError};
pub use read::{
    Block, Bundle, Checkpoints, EntryInfo, Form, Interest, OpenError, Problem, ProblemKind,
    Scratch, Task, Visitor,
};
pub use seal::{Identity, KeyError, Recipient};
pub use source::SourceKind;
pub use write::{BundleWriter, Container, Finished, Size, WriteError, WriterOptions};

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from_digit(u32::from(value), 16).unwrap_or('0');
    bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)])
        .collect()
}

/// SHA-256 of some bytes, in lower-case hexadecimal, as the manifest gives it.
pub fn sha256_hex(bytes: &[u8]) -> String {
    use sha2::Digest as _;
    hex(&sha2::Sha256::digest(bytes))
}
