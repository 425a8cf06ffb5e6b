//! Whether a chain holds against a set of trust anchors at a given time.
//!
//! Signatures, names of issuers, validity and the CA flag are checked, which both Go and the
//! proxies' webpki require. A proxy compares an anchor by name and key alone, so an anchor's
//! own validity is reported in the table `certificates` and does not fail a chain here.

use jiff::Timestamp;

use super::Certificate;

/// How a verification ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    Ok,
    Expired(String, Timestamp),
    NotYetValid(String, Timestamp),
    UnknownIssuer(String),
    BadSignature(String),
    NotCa(String),
}

impl Verdict {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Expired(..) => "expired",
            Self::NotYetValid(..) => "not-yet-valid",
            Self::UnknownIssuer(_) => "unknown-issuer",
            Self::BadSignature(_) => "bad-signature",
            Self::NotCa(_) => "not-a-ca",
        }
    }

    pub(super) fn reason(&self) -> String {
        match self {
            Self::Ok => "the chain holds".to_owned(),
            Self::Expired(name, at) => format!("`{name}` ended at {at}"),
            Self::NotYetValid(name, at) => format!("`{name}` is valid only from {at}"),
            Self::UnknownIssuer(issuer) => format!("no trust anchor is called `{issuer}`"),
            Self::BadSignature(issuer) => {
                format!("a trust anchor is called `{issuer}`, but its key did not sign this chain")
            }
            Self::NotCa(name) => format!("`{name}` signs others but is no CA"),
        }
    }
}

/// Verifies a chain, leaf first.
pub(super) fn verify(chain: &[Certificate], anchors: &[Certificate], at: Timestamp) -> Verdict {
    for (number, certificate) in chain.iter().enumerate() {
        let name = || match certificate.names.first() {
            Some(name) if certificate.subject.is_empty() => name.clone(),
            _ => certificate.subject.clone(),
        };
        if at > certificate.not_after {
            return Verdict::Expired(name(), certificate.not_after);
        }
        if at < certificate.not_before {
            return Verdict::NotYetValid(name(), certificate.not_before);
        }
        if number > 0 && !certificate.is_ca {
            return Verdict::NotCa(name());
        }
        // An anchor itself may stand in the chain, or a server may serve the very certificate
        // that clients were told to trust.
        if anchors
            .iter()
            .any(|a| a.fingerprint == certificate.fingerprint)
        {
            return Verdict::Ok;
        }
        if let Some(parent) = chain.get(number + 1) {
            if !is_signed_by(certificate, parent) {
                return Verdict::BadSignature(certificate.issuer.clone());
            }
            continue;
        }
        let mut named = anchors
            .iter()
            .filter(|a| a.subject == certificate.issuer)
            .peekable();
        if named.peek().is_none() {
            return Verdict::UnknownIssuer(certificate.issuer.clone());
        }
        return if named.any(|a| is_signed_by(certificate, a)) {
            Verdict::Ok
        } else {
            Verdict::BadSignature(certificate.issuer.clone())
        };
    }
    Verdict::Ok
}

fn is_signed_by(certificate: &Certificate, parent: &Certificate) -> bool {
    if certificate.der.is_empty() {
        certificate.signed_by.contains(&parent.public_key)
    } else if parent.der.is_empty() {
        // The signature was seen to hold or not before the parent's names went, and is not known.
        certificate.issuer == parent.subject
    } else {
        bundle::is_signed_by(&certificate.der, &parent.der)
    }
}
