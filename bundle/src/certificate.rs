//! What is read from a certificate, and how it stands in a bundle whose names were anonymized.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::public_key::PublicKey;

use crate::sha256_hex;

/// The label of the PEM block that stands in the place of a certificate.
pub const CERTIFICATE_FACTS: &str = "CERTIFICATE FACTS";

/// What is read from a certificate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CertificateFacts {
    /// Common name of the subject, or the whole name if it has none.
    pub subject: String,
    /// Common name of the issuer, or the whole name if it has none.
    pub issuer: String,
    /// When it begins to be valid.
    pub not_before: Timestamp,
    /// When it ends to be valid.
    pub not_after: Timestamp,
    /// DNS names and URIs.
    pub names: Vec<String>,
    /// Whether it may sign others.
    pub is_ca: bool,
    /// Kind and size of the key, such as `EC 256`.
    pub key: String,
    /// Object identifier of the signature algorithm.
    pub signature: String,
    /// SHA-256 of the DER in hexadecimal; of an anonymized certificate, another number of that
    /// form that stands for it.
    pub fingerprint: String,
    /// SHA-256 of the public key, in hexadecimal.
    pub public_key: String,
    /// Of an anonymized certificate, the public keys that its signature holds against.
    #[serde(default)]
    pub signed_by: Vec<String>,
}

impl CertificateFacts {
    /// Reads a certificate in DER.
    ///
    /// # Errors
    /// Why it cannot be parsed.
    pub fn of(der: &[u8]) -> Result<Self, String> {
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
        Ok(Self {
            subject: common_name(parsed.subject()),
            issuer: common_name(parsed.issuer()),
            not_before: time(parsed.validity().not_before)?,
            not_after: time(parsed.validity().not_after)?,
            names: names.unwrap_or_default(),
            is_ca: parsed.is_ca(),
            key,
            signature: parsed.signature_algorithm.algorithm.to_id_string(),
            fingerprint: sha256_hex(der),
            public_key: sha256_hex(parsed.public_key().raw),
            signed_by: Vec::new(),
        })
    }

    /// Which of the authorities, each in DER, signed the certificate `der`: their public keys.
    pub fn signers(&self, der: &[u8], authorities: &[Vec<u8>]) -> Vec<String> {
        let signers = authorities
            .iter()
            .filter(|authority| is_signed_by(der, authority));
        let keys = signers.filter_map(|authority| Some(Self::of(authority).ok()?.public_key));
        let keys: std::collections::BTreeSet<String> = keys.collect();
        keys.into_iter().collect()
    }

    /// A PEM block with everything in it, its lines ended by `line_break`.
    pub fn to_pem(&self, line_break: &str) -> String {
        let json = serde_json::to_vec(self).unwrap_or_default();
        let text = BASE64_STANDARD.encode(json);
        let mut pem = format!("-----BEGIN {CERTIFICATE_FACTS}-----{line_break}");
        let mut rest = text.as_str();
        while !rest.is_empty() {
            let (line, tail) = rest.split_at(rest.len().min(64));
            pem.push_str(line);
            pem.push_str(line_break);
            rest = tail;
        }
        pem + "-----END " + CERTIFICATE_FACTS + "-----"
    }
}

/// Whether the signature of one certificate in DER holds against the key of another.
pub fn is_signed_by(certificate: &[u8], parent: &[u8]) -> bool {
    let (Ok((_, child)), Ok((_, parent))) = (
        X509Certificate::from_der(certificate),
        X509Certificate::from_der(parent),
    ) else {
        return false;
    };
    child.verify_signature(Some(parent.public_key())).is_ok()
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
