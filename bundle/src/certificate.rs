//! What is read from a certificate, and how it stands in a bundle whose names were anonymized.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use x509_parser::extensions::{ExtendedKeyUsage, GeneralName, KeyUsage, ParsedExtension};
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::public_key::PublicKey;
use x509_parser::x509::X509Name;

use crate::{hex, sha256_hex};

/// The label of the PEM block that stands in the place of a certificate.
pub const CERTIFICATE_FACTS: &str = "CERTIFICATE FACTS";

/// What is read from a certificate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CertificateFacts {
    /// Common name of the subject, or the whole name if it has none.
    pub subject: String,
    /// Common name of the issuer, or the whole name if it has none.
    pub issuer: String,
    /// SHA-256 of the subject's whole name in DER, in hexadecimal; of an anonymized name, another
    /// number of that form that stands for it. Equal names have equal ones.
    pub subject_id: String,
    /// The same of the issuer's name.
    pub issuer_id: String,
    /// SHA-256 of the subject's name and the key: what a proxy keeps of a trust anchor.
    pub anchor_id: String,
    /// When it begins to be valid.
    pub not_before: Timestamp,
    /// When it ends to be valid.
    pub not_after: Timestamp,
    /// DNS names and URIs.
    pub names: Vec<String>,
    /// Whether it may sign others.
    pub is_ca: bool,
    /// How many certificates may stand between it and a leaf, if that is limited.
    pub path_len: Option<u32>,
    /// Kind of the key: `EC`, `RSA`, `Ed25519` or `other`.
    pub key_kind: String,
    /// Bits of the key.
    pub key_bits: usize,
    /// Name of the signature algorithm, or its object identifier.
    pub signature: String,
    /// Names of the key usages; empty if none are stated.
    pub usages: Vec<String>,
    /// Names of the extended key usages; empty if none are stated.
    pub purposes: Vec<String>,
    /// Whether extended key usages are stated, known ones or others.
    pub has_purposes: bool,
    /// Domains that names below this certificate must be in; empty if there is no limit.
    pub permitted: Vec<String>,
    /// Identifier of the key, in hexadecimal.
    pub subject_key_id: String,
    /// Identifier of the key that signed it, in hexadecimal.
    pub authority_key_id: String,
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
        let (key_kind, key_bits) = key(&parsed);
        let basic = parsed.basic_constraints().ok().flatten();
        let usage = parsed.key_usage().ok().flatten().map(|e| *e.value);
        let purposes = parsed.extended_key_usage().ok().flatten();
        let names = parsed.subject_alternative_name().ok().flatten();
        let names = names.map(|san| san.value.general_names.iter().filter_map(name).collect());
        let mut identity = parsed.subject().as_raw().to_vec();
        identity.extend_from_slice(parsed.public_key().raw);
        let (subject_key_id, authority_key_id) = key_ids(&parsed);
        Ok(Self {
            subject: common_name(parsed.subject()),
            issuer: common_name(parsed.issuer()),
            subject_id: sha256_hex(parsed.subject().as_raw()),
            issuer_id: sha256_hex(parsed.issuer().as_raw()),
            anchor_id: sha256_hex(&identity),
            not_before: time(parsed.validity().not_before)?,
            not_after: time(parsed.validity().not_after)?,
            names: names.unwrap_or_default(),
            is_ca: parsed.is_ca(),
            path_len: basic.and_then(|b| b.value.path_len_constraint),
            key_kind: key_kind.to_owned(),
            key_bits,
            signature: signature_name(&parsed.signature_algorithm.algorithm.to_id_string()),
            usages: usage.map(usages).unwrap_or_default(),
            has_purposes: purposes.is_some(),
            purposes: purposes
                .map(|p| self::purposes(p.value))
                .unwrap_or_default(),
            permitted: permitted(&parsed),
            subject_key_id,
            authority_key_id,
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

fn key(parsed: &X509Certificate<'_>) -> (&'static str, usize) {
    const ED25519: &str = "1.3.101.112";
    let algorithm = parsed.public_key().algorithm.algorithm.to_id_string();
    match parsed.public_key().parsed() {
        _ if algorithm == ED25519 => ("Ed25519", 256),
        Ok(PublicKey::RSA(key)) => ("RSA", key.key_size()),
        // The points of P-521 are written in 66 bytes.
        Ok(PublicKey::EC(point)) => (
            "EC",
            if point.key_size() == 528 {
                521
            } else {
                point.key_size()
            },
        ),
        Ok(key) => ("other", key.key_size()),
        Err(_) => ("other", 0),
    }
}

fn signature_name(identifier: &str) -> String {
    let known = [
        ("1.2.840.10045.4.1", "ECDSA-SHA1"),
        ("1.2.840.10045.4.3.2", "ECDSA-SHA256"),
        ("1.2.840.10045.4.3.3", "ECDSA-SHA384"),
        ("1.2.840.10045.4.3.4", "ECDSA-SHA512"),
        ("1.2.840.113549.1.1.4", "RSA-MD5"),
        ("1.2.840.113549.1.1.5", "RSA-SHA1"),
        ("1.2.840.113549.1.1.10", "RSA-PSS"),
        ("1.2.840.113549.1.1.11", "RSA-SHA256"),
        ("1.2.840.113549.1.1.12", "RSA-SHA384"),
        ("1.2.840.113549.1.1.13", "RSA-SHA512"),
        ("1.3.101.112", "Ed25519"),
    ];
    let found = known.iter().find(|(id, _)| *id == identifier);
    found.map_or(identifier, |(_, name)| name).to_owned()
}

fn usages(usage: KeyUsage) -> Vec<String> {
    let all = [
        (usage.digital_signature(), "digital-signature"),
        (usage.key_encipherment(), "key-encipherment"),
        (usage.key_agreement(), "key-agreement"),
        (usage.key_cert_sign(), "cert-sign"),
        (usage.crl_sign(), "crl-sign"),
    ];
    let stated = all.iter().filter(|(is_stated, _)| *is_stated);
    stated.map(|(_, name)| (*name).to_owned()).collect()
}

fn purposes(usage: &ExtendedKeyUsage<'_>) -> Vec<String> {
    let all = [
        (usage.any, "any"),
        (usage.server_auth, "server"),
        (usage.client_auth, "client"),
        (usage.code_signing, "code-signing"),
        (usage.ocsp_signing, "ocsp-signing"),
    ];
    let stated = all.iter().filter(|(is_stated, _)| *is_stated);
    stated.map(|(_, name)| (*name).to_owned()).collect()
}

fn permitted(parsed: &X509Certificate<'_>) -> Vec<String> {
    let limits = parsed.name_constraints().ok().flatten();
    let trees = limits.and_then(|l| l.value.permitted_subtrees.as_ref());
    let names = trees.into_iter().flatten().filter_map(|t| name(&t.base));
    names.collect()
}

/// The identifiers of the own key and of the issuer's, in hexadecimal.
fn key_ids(parsed: &X509Certificate<'_>) -> (String, String) {
    let mut found = (String::new(), String::new());
    for extension in parsed.extensions() {
        match extension.parsed_extension() {
            ParsedExtension::SubjectKeyIdentifier(id) => found.0 = hex(id.0),
            ParsedExtension::AuthorityKeyIdentifier(id) => {
                found.1 = id
                    .key_identifier
                    .as_ref()
                    .map(|id| hex(id.0))
                    .unwrap_or_default();
            }
            _ => {}
        }
    }
    found
}

fn name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(dns) => Some((*dns).to_owned()),
        GeneralName::URI(uri) => Some((*uri).to_owned()),
        _ => None,
    }
}

fn common_name(name: &X509Name<'_>) -> String {
    let common = name.iter_common_name().next().and_then(|n| n.as_str().ok());
    common.map_or_else(|| name.to_string(), str::to_owned)
}
