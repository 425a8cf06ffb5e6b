//! A certificate, as it is or as what was read from it.

use bundle::CertificateFacts;

use super::pem::{self, Block};

/// What is kept of a certificate.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Certificate {
    /// DER, for verifying signatures; empty in an anonymized bundle.
    pub(super) der: Box<[u8]>,
    pub(super) facts: CertificateFacts,
}

impl std::ops::Deref for Certificate {
    type Target = CertificateFacts;

    fn deref(&self) -> &CertificateFacts {
        &self.facts
    }
}

impl Certificate {
    /// The name that people know it by.
    pub(super) fn name(&self) -> &str {
        match self.names.first() {
            Some(name) if self.subject.is_empty() => name,
            _ => &self.subject,
        }
    }

    /// One line about the certificate.
    pub(super) fn in_words(&self) -> String {
        format!(
            "`{}` of issuer `{}`, valid from {} to {}",
            self.name(),
            self.issuer,
            self.not_before,
            self.not_after
        )
    }

    /// Whether it is its own issuer by name.
    pub(super) fn is_self_issued(&self) -> bool {
        self.subject_id == self.issuer_id
    }

    /// Kind and size of the key, such as `EC 256`.
    pub(super) fn key(&self) -> String {
        format!("{} {}", self.key_kind, self.key_bits)
    }
}

/// Reads every certificate; what could not be read is told in words.
pub(super) fn certificates(pem: &[u8]) -> (Vec<Certificate>, Vec<String>) {
    let mut found = Vec::new();
    let mut broken = Vec::new();
    for (number, block) in pem::blocks(pem).into_iter().enumerate() {
        let number = number + 1;
        let read = match block {
            Block::Certificate(der) => certificate(&der),
            Block::Facts(json) => facts(&json),
            Block::Other(label) => {
                broken.push(format!("block {number} is no certificate but a `{label}`"));
                continue;
            }
            Block::Broken(why) => {
                broken.push(format!("certificate {number} cannot be read: {why}"));
                continue;
            }
        };
        match read {
            Ok(certificate) => found.push(certificate),
            Err(e) => broken.push(format!("certificate {number} cannot be parsed: {e}")),
        }
    }
    if found.is_empty() && broken.is_empty() && !pem.trim_ascii().is_empty() {
        broken.push("holds no certificate".to_owned());
    }
    (found, broken)
}

fn certificate(der: &[u8]) -> Result<Certificate, String> {
    let facts = CertificateFacts::of(der)?;
    let der = der.into();
    Ok(Certificate { der, facts })
}

/// What an anonymized bundle has in the place of a certificate.
fn facts(json: &[u8]) -> Result<Certificate, String> {
    let facts = serde_json::from_slice(json).map_err(|e| e.to_string())?;
    let der = Box::default();
    Ok(Certificate { der, facts })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn half_a_certificate_is_told_and_not_a_panic() {
        let pem = b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";
        let (found, broken) = certificates(pem);
        assert!(found.is_empty());
        assert_eq!(broken.len(), 1);
        let (_, broken) = certificates(b"no certificate at all");
        assert_eq!(broken.len(), 1);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(der in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _unread = certificate(&der);
        }

        #[test]
        fn a_certificate_with_a_changed_byte_does_not_make_it_panic(at in 0_usize..900, byte in any::<u8>()) {
            let mut der = super::super::testing::leaf_der();
            let at = at % der.len();
            der[at] = byte;
            let _unread = certificate(&der);
        }
    }
}
