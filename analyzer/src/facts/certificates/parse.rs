//! PEM text to certificates.

use jiff::Timestamp;
use x509_parser::extensions::GeneralName;
use x509_parser::pem::Pem;
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::public_key::PublicKey;

/// What is kept of a certificate.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Certificate {
    /// DER, for verifying signatures.
    pub(super) der: Vec<u8>,
    /// Common name of the subject, or the whole name if it has none.
    pub(super) subject: String,
    /// Common name of the issuer, or the whole name if it has none.
    pub(super) issuer: String,
    pub(super) not_before: Timestamp,
    pub(super) not_after: Timestamp,
    /// DNS names and URIs.
    pub(super) names: Vec<String>,
    pub(super) is_ca: bool,
    /// Kind and size of the key, such as `EC 256`.
    pub(super) key: String,
    /// Object identifier of the signature algorithm.
    pub(super) signature: String,
    /// SHA-256 of the DER, in hexadecimal.
    pub(super) fingerprint: String,
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
            Ok(block) if block.label == "CERTIFICATE" => match certificate(&block.contents) {
                Ok(certificate) => found.push(certificate),
                Err(e) => broken.push(format!("certificate {} cannot be parsed: {e}", number + 1)),
            },
            Ok(_) => {}
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
    let (_, parsed) = X509Certificate::from_der(der).map_err(|e| e.to_string())?;
    let time = |t: x509_parser::time::ASN1Time| {
        Timestamp::from_second(t.timestamp()).map_err(|e| e.to_string())
    };
    let names = parsed.subject_alternative_name().ok().flatten();
    let names = names.map(|san| san.value.general_names.iter().filter_map(name).collect());
    let key = match parsed.public_key().parsed() {
        Ok(PublicKey::RSA(key)) => format!("RSA {}", key.key_size()),
        Ok(PublicKey::EC(point)) => format!("EC {}", point.key_size()),
        Ok(_) => "other".to_owned(),
        Err(_) => "unreadable".to_owned(),
    };
    Ok(Certificate {
        der: der.to_vec(),
        subject: common_name(parsed.subject()),
        issuer: common_name(parsed.issuer()),
        not_before: time(parsed.validity().not_before)?,
        not_after: time(parsed.validity().not_after)?,
        names: names.unwrap_or_default(),
        is_ca: parsed.is_ca(),
        key,
        signature: parsed.signature_algorithm.algorithm.to_id_string(),
        fingerprint: sha256(der),
    })
}

fn name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(dns) => Some((*dns).to_owned()),
        GeneralName::URI(uri) => Some((*uri).to_owned()),
        _ => None,
    }
}

fn common_name(name: &x509_parser::x509::X509Name<'_>) -> String {
    let common = name.iter_common_name().next().and_then(|n| n.as_str().ok());
    common.map_or_else(|| name.to_string(), str::to_owned)
}

fn sha256(der: &[u8]) -> String {
    bundle::sha256_hex(der)
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
