//! Certificates. A name cannot be changed in one without breaking its signature, so a certificate
//! that holds names becomes a block of what was read from it: its names as tokens, its times and
//! key, and who signed it.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bundle::CertificateFacts;
use memchr::memmem;

use super::{Anonymizer, vocabulary};

const BEGIN: &[u8] = b"-----BEGIN CERTIFICATE-----";
const END: &[u8] = b"-----END CERTIFICATE-----";

/// The text before the next certificate, the certificate with its frame, and the text behind it.
pub(super) fn next_pem(text: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let start = memmem::find(text, BEGIN)?;
    let (before, rest) = text.split_at_checked(start)?;
    let end = memmem::find(rest, END)? + END.len();
    let (pem, after) = rest.split_at_checked(end)?;
    Some((before, pem, after))
}

/// The DER of a certificate in its frame; line breaks may be written out.
fn der_of(pem: &[u8]) -> Option<Vec<u8>> {
    let body = pem.strip_prefix(BEGIN)?.strip_suffix(END)?;
    let text = String::from_utf8_lossy(body)
        .replace("\\n", "")
        .replace("\\r", "");
    let text: String = text.split_whitespace().collect();
    BASE64_STANDARD.decode(text).ok()
}

/// Adds the DER of authorities among the certificates of a text, or of what it is the base64 of.
pub(super) fn authorities(text: &[u8], found: &mut Vec<Vec<u8>>) {
    if text.starts_with(b"LS0t")
        && let Ok(plain) = BASE64_STANDARD.decode(text)
    {
        return authorities(&plain, found);
    }
    let mut rest = text;
    while let Some((_, pem, after)) = next_pem(rest) {
        let der = der_of(pem).filter(|der| CertificateFacts::of(der).is_ok_and(|c| c.is_ca));
        found.extend(der.filter(|der| !found.contains(der)));
        rest = after;
    }
}

impl Anonymizer {
    /// What stands for a certificate in its frame: itself, if its names tell nothing.
    pub(super) fn pem(&self, pem: &[u8]) -> Vec<u8> {
        let read = der_of(pem).and_then(|der| Some((CertificateFacts::of(&der).ok()?, der)));
        let Some((facts, der)) = read else {
            return pem.to_vec();
        };
        let names = facts.names.iter().chain([&facts.subject, &facts.issuer]);
        if names.clone().all(|name| tells_nothing(name)) {
            return pem.to_vec();
        }
        let all = |names: &[String]| names.iter().map(|n| self.certificate_name(n)).collect();
        let told = CertificateFacts {
            subject: self.certificate_name(&facts.subject),
            issuer: self.certificate_name(&facts.issuer),
            subject_id: self.name_id(&facts.subject, &facts.subject_id),
            issuer_id: self.name_id(&facts.issuer, &facts.issuer_id),
            names: all(&facts.names),
            permitted: all(&facts.permitted),
            fingerprint: self.hidden(&facts.fingerprint),
            signed_by: facts.signers(&der, &self.authorities),
            ..facts
        };
        // Line breaks are written as they were.
        let line = if memmem::find(pem, b"\\n").is_some() {
            "\\n"
        } else {
            "\n"
        };
        told.to_pem(line).into_bytes()
    }

    fn certificate_name(&self, name: &str) -> String {
        if tells_nothing(name) {
            return name.to_owned();
        }
        let other = self.string(name);
        let is_token = |label: &str| label.len() == 11 && label.starts_with('n');
        let mut labels = other.split(['.', '/', ':']);
        if other != name && labels.all(|l| is_token(l) || tells_nothing(l)) {
            other
        } else {
            self.learn(name)
        }
    }

    /// What stands for a whole name, the same wherever it is: a certificate whose names tell
    /// nothing stays as it is.
    fn name_id(&self, name: &str, id: &str) -> String {
        if tells_nothing(name) {
            id.to_owned()
        } else {
            self.hidden(id)
        }
    }

    /// A fingerprint by which nobody finds the certificate again.
    fn hidden(&self, fingerprint: &str) -> String {
        bundle::hex(&self.key.hash("fingerprint", fingerprint.as_bytes()))
    }
}

/// Whether all words of a name are those of the mesh and the cluster.
fn tells_nothing(name: &str) -> bool {
    let plain = |label: &str| vocabulary::stays(label) || label.split('-').all(vocabulary::stays);
    name.split(['.', '/', ':', ' ']).all(plain)
}
