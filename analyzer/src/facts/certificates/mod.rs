//! Facts from certificates: what each one says, and which chains hold at the capture time.
//!
//! Tables: `certificates` (one row for each certificate and role), `certificate_problems` (what
//! is wrong with a text that should hold certificates), `chains` (each chain that a proxy or a
//! webhook server presented, with verdicts), `trust_roots` (what each pod trusts), `issuers` (who
//! signs now) and `rotation` (how far a change of trust anchors has come). Their fields are in
//! `docs/facts-signals.md`. Private keys are never read.

mod anchors;
mod chains;
pub(super) mod files;
mod parse;
mod pem;
mod places;
mod rows;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod trust;
mod verify;

use std::sync::Arc;

use bundle::EntryInfo;
use bundle::layout::EntryKind;

use super::{Gap, Piece, Sources, Table};
use crate::evidence::Subject;
use anchors::Anchors;
use parse::{Certificate, certificates};

/// A chain that a server presented, leaf first.
#[derive(Debug)]
pub struct Presented {
    pub(super) entry: String,
    subject: Subject,
    role: &'static str,
    certificates: Vec<Certificate>,
    /// What stands among them and is none, where that is worth a row.
    broken: Vec<String>,
}

/// Whether a file holds PEM blocks: from its start, or, by its name, behind what `openssl` tells of them.
pub(super) fn is_pem(name: &str, start: &[u8]) -> bool {
    let lower = name.to_ascii_lowercase();
    let mut endings = [".pem", ".crt", ".cer", ".cert"].iter();
    let is_named = endings.any(|ending| lower.ends_with(ending));
    start.starts_with(b"-----BEGIN")
        || (is_named && memchr::memmem::find(start, b"-----BEGIN ").is_some())
}

/// Parses a PEM file.
pub(super) fn parse(entry: &Arc<EntryInfo>, bytes: &[u8]) -> Vec<Piece> {
    let (subject, role) = match &entry.kind {
        EntryKind::ProxyIdentity { namespace, pod } => (
            Subject::namespaced("Pod", namespace.as_str(), pod.as_str()),
            "leaf",
        ),
        EntryKind::ServerTls { namespace, service } => (
            Subject::namespaced("Service", namespace.as_str(), service.as_str()),
            "webhook",
        ),
        _ => (
            Subject::cluster("Certificate", entry.path.file_name()),
            "file",
        ),
    };
    let (certificates, broken) = certificates(bytes);
    let entry = entry.path.to_string();
    // A key in a file is worth more than a gap.
    let (keys, broken): (Vec<String>, Vec<String>) = broken
        .into_iter()
        .partition(|detail| role == "file" && detail.contains("PRIVATE KEY"));
    let gap = |detail| {
        Piece::Gap(Gap {
            entry: entry.clone(),
            detail,
        })
    };
    let mut pieces: Vec<Piece> = broken.into_iter().map(gap).collect();
    if !certificates.is_empty() || !keys.is_empty() {
        pieces.push(Piece::Chain(Box::new(Presented {
            entry,
            subject,
            role,
            certificates,
            broken: keys,
        })));
    }
    pieces
}

/// Derives all tables.
pub(super) fn derive(sources: &Sources<'_>) -> Vec<Table> {
    let anchors = Anchors::of(sources);
    let places = places::all(sources, &anchors);
    vec![
        (
            "certificates",
            rows::certificates(sources, &places, &trust::Signed::of(sources)),
        ),
        ("certificate_problems", rows::problems(&anchors, &places)),
        ("chains", chains::derive(sources, &places, &anchors)),
        ("trust_roots", trust::trust_roots(sources, &anchors)),
        ("issuers", trust::issuers(sources, &anchors)),
        ("rotation", trust::rotation(sources, &anchors)),
    ]
}
