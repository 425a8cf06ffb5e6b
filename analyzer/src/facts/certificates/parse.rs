//! PEM text to certificates.

use bundle::{CERTIFICATE_FACTS, CertificateFacts};
use x509_parser::pem::Pem;

/// A certificate, as it is or as what was read from it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Certificate {
    /// DER, for verifying signatures; empty in an anonymized bundle.
    pub(super) der: Vec<u8>,
    pub(super) facts: CertificateFacts,
}

impl std::ops::Deref for Certificate {
    type Target = CertificateFacts;

    fn deref(&self) -> &CertificateFacts {
        &self.facts
    }
}

impl Certificate {
    /// One line about the certificate.
    pub(super) fn in_words(&self) -> String {
        let subject = self
            .names
            .first()
            .filter(|_| self.subject.is_empty())
            .unwrap_or(&self.subject);
        format!(
            "`{subject}` of issuer `{}`, valid from {} to {}",
            self.issuer, self.not_before, self.not_after
        )
    }
}

/// Reads every certificate; what could not be read is told in words.
pub(super) fn certificates(pem: &[u8]) -> (Vec<Certificate>, Vec<String>) {
    let mut found = Vec::new();
    let mut broken = Vec::new();
    for (number, block) in Pem::iter_from_buffer(pem).enumerate() {
        match block {
            Ok(block) => {
                let read = match block.label.as_str() {
                    "CERTIFICATE" => certificate(&block.contents),
                    CERTIFICATE_FACTS => facts(&block.contents),
                    _ => continue,
                };
                match read {
                    Ok(certificate) => found.push(certificate),
                    Err(e) => {
                        broken.push(format!("certificate {} cannot be parsed: {e}", number + 1));
                    }
                }
            }
            Err(e) => {
                broken.push(format!("PEM block {} is broken: {e}", number + 1));
                break;
            }
        }
    }
    if found.is_empty() && broken.is_empty() && !pem.trim_ascii().is_empty() {
        broken.push("holds no certificate".to_owned());
    }
    (found, broken)
}

fn certificate(der: &[u8]) -> Result<Certificate, String> {
    let facts = CertificateFacts::of(der)?;
    let der = der.to_vec();
    Ok(Certificate { der, facts })
}

/// What an anonymized bundle has in the place of a certificate.
fn facts(json: &[u8]) -> Result<Certificate, String> {
    let facts = serde_json::from_slice(json).map_err(|e| e.to_string())?;
    let der = Vec::new();
    Ok(Certificate { der, facts })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_certificate_is_told_and_not_a_panic() {
        let pem = b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";
        let (found, broken) = certificates(pem);
        assert!(found.is_empty());
        assert_eq!(broken.len(), 1);
        let (_, broken) = certificates(b"no certificate at all");
        assert_eq!(broken.len(), 1);
    }
}
