//! PEM files that somebody handed over without a cluster: what each certificate in them is for.
//!
//! In a bundle, its place tells that. Of files alone, what a certificate says of itself does: who
//! signs itself is a trust anchor, another CA an issuer, and what has a workload's or a Service's name
//! the certificate of a proxy or of a webhook.

use std::collections::BTreeMap;

use crate::evidence::Subject;

use super::Presented;
use super::parse::Certificate;

/// The role of what no better one is known for.
const FILE: &str = "file";

/// Names of issuers begin so by the guide, also of those that were not made as CAs.
const ISSUER: &str = "identity.";

/// Certificates of all files that are not their own issuers, by their names; of several the first.
type Issuers = BTreeMap<String, Certificate>;

/// Gives the certificates of files the roles that they have in a mesh.
pub(in crate::facts) fn settle(chains: &mut Vec<Presented>) {
    let (files, mut settled): (Vec<_>, Vec<_>) =
        std::mem::take(chains).into_iter().partition(is_file);
    let mut issuers = Issuers::new();
    for certificate in files.iter().flat_map(|file| &file.certificates) {
        if !certificate.is_self_issued() {
            let name = certificate.subject_id.clone();
            issuers.entry(name).or_insert_with(|| certificate.clone());
        }
    }
    settled.extend(files.into_iter().flat_map(|file| apart(file, &issuers)));
    *chains = settled;
}

fn is_file(chain: &Presented) -> bool {
    chain.role == FILE
}

/// The certificates of a file by their roles.
fn apart(file: Presented, issuers: &Issuers) -> Vec<Presented> {
    let mut parts: Vec<Presented> = Vec::new();
    for certificate in &file.certificates {
        let role = role_of(certificate, &file.entry);
        let above = if role == "leaf" || role == "issuer" {
            above(certificate, issuers)
        } else {
            Vec::new()
        };
        parts.push(Presented {
            entry: file.entry.clone(),
            subject: Subject::cluster("Certificate", certificate.name()),
            role,
            certificates: [vec![certificate.clone()], above].concat(),
            broken: Vec::new(),
        });
    }
    if !file.broken.is_empty() {
        parts.push(Presented {
            certificates: Vec::new(),
            ..file
        });
    }
    parts
}

fn role_of(certificate: &Certificate, entry: &str) -> &'static str {
    let file = entry.rsplit('/').next().unwrap_or(entry);
    let is_named = |part: &str| {
        let names = certificate.names.iter().map(String::as_str);
        let mut names = names.chain([certificate.subject.as_str()]);
        names.any(|name| name.contains(part))
    };
    if is_named(".serviceaccount.identity.") || is_named("spiffe://") {
        "leaf"
    } else if is_named(".svc") && !certificate.is_ca {
        "webhook"
    } else if certificate.is_self_issued() {
        "trust-anchor"
    } else if certificate.is_ca
        || file.contains("issuer")
        || certificate.subject.starts_with(ISSUER)
    {
        "issuer"
    } else {
        FILE
    }
}

/// The issuers above a certificate, up to its trust anchor, which is not one of them.
fn above(certificate: &Certificate, issuers: &Issuers) -> Vec<Certificate> {
    /// More are in no mesh; files may name each other in a circle.
    const MOST: usize = 5;
    let signer = |below: &Certificate| issuers.get(&below.issuer_id).cloned();
    let first = signer(certificate);
    std::iter::successors(first, signer).take(MOST).collect()
}
