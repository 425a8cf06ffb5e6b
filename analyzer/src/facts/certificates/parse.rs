//! What is kept of a certificate.

use jiff::Timestamp;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{ExtendedKeyUsage, GeneralName, KeyUsage, ParsedExtension};
use x509_parser::prelude::FromDer;
use x509_parser::public_key::PublicKey;
use x509_parser::x509::X509Name;

use super::pem::{self, Block};

/// What is kept of a certificate.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Certificate {
    /// DER, for verifying signatures.
    pub(super) der: Box<[u8]>,
    /// Common name of the subject, or the whole name if it has none.
    pub(super) subject: String,
    /// Common name of the issuer, or the whole name if it has none.
    pub(super) issuer: String,
    /// The subject's name and the key: what a proxy keeps of a trust anchor.
    pub(super) anchor_id: String,
    pub(super) subject_name: Box<[u8]>,
    pub(super) issuer_name: Box<[u8]>,
    pub(super) not_before: Timestamp,
    pub(super) not_after: Timestamp,
    /// DNS names and URIs.
    pub(super) names: Vec<String>,
    pub(super) is_ca: bool,
    pub(super) path_len: Option<u32>,
    /// Kind of the key: `EC`, `RSA`, `Ed25519` or `other`.
    pub(super) key_kind: &'static str,
    pub(super) key_bits: usize,
    /// Name of the signature algorithm, or its object identifier.
    pub(super) signature: String,
    /// Names of the key usages; empty if none are stated.
    pub(super) usages: Vec<&'static str>,
    /// Names of the extended key usages; empty if none are stated.
    pub(super) purposes: Vec<&'static str>,
    pub(super) has_purposes: bool,
    /// Domains that names below this certificate must be in; empty if there is no limit.
    pub(super) permitted: Vec<String>,
    pub(super) subject_key_id: String,
    pub(super) authority_key_id: String,
    /// SHA-256 of the DER, in hexadecimal.
    pub(super) fingerprint: String,
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
        self.subject_name == self.issuer_name
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
        match block {
            Block::Certificate(der) => match certificate(&der) {
                Ok(certificate) => found.push(certificate),
                Err(e) => broken.push(format!("certificate {number} cannot be parsed: {e}")),
            },
            Block::Other(label) => {
                broken.push(format!("block {number} is no certificate but a `{label}`"));
            }
            Block::Broken(why) => {
                broken.push(format!("certificate {number} cannot be read: {why}"));
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
    let (key_kind, key_bits) = key(&parsed);
    let basic = parsed.basic_constraints().ok().flatten();
    let usage = parsed.key_usage().ok().flatten().map(|e| *e.value);
    let purposes = parsed.extended_key_usage().ok().flatten();
    let names = parsed.subject_alternative_name().ok().flatten();
    let names = names.map(|san| san.value.general_names.iter().filter_map(name).collect());
    let subject_name = parsed.subject().as_raw();
    let mut identity = subject_name.to_vec();
    identity.extend_from_slice(parsed.public_key().raw);
    let (subject_key_id, authority_key_id) = key_ids(&parsed);
    Ok(Certificate {
        der: der.into(),
        subject: common_name(parsed.subject()),
        issuer: common_name(parsed.issuer()),
        anchor_id: bundle::sha256_hex(&identity),
        subject_name: subject_name.into(),
        issuer_name: parsed.issuer().as_raw().into(),
        not_before: time(parsed.validity().not_before)?,
        not_after: time(parsed.validity().not_after)?,
        names: names.unwrap_or_default(),
        is_ca: parsed.is_ca(),
        path_len: basic.and_then(|b| b.value.path_len_constraint),
        key_kind,
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
        fingerprint: bundle::sha256_hex(der),
    })
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

fn usages(usage: KeyUsage) -> Vec<&'static str> {
    let all = [
        (usage.digital_signature(), "digital-signature"),
        (usage.key_encipherment(), "key-encipherment"),
        (usage.key_agreement(), "key-agreement"),
        (usage.key_cert_sign(), "cert-sign"),
        (usage.crl_sign(), "crl-sign"),
    ];
    let stated = all.iter().filter(|(is_stated, _)| *is_stated);
    stated.map(|(_, name)| *name).collect()
}

fn purposes(usage: &ExtendedKeyUsage<'_>) -> Vec<&'static str> {
    let all = [
        (usage.any, "any"),
        (usage.server_auth, "server"),
        (usage.client_auth, "client"),
        (usage.code_signing, "code-signing"),
        (usage.ocsp_signing, "ocsp-signing"),
    ];
    let stated = all.iter().filter(|(is_stated, _)| *is_stated);
    stated.map(|(_, name)| *name).collect()
}

fn permitted(parsed: &X509Certificate<'_>) -> Vec<String> {
    let limits = parsed.name_constraints().ok().flatten();
    let trees = limits.and_then(|l| l.value.permitted_subtrees.as_ref());
    let names = trees.into_iter().flatten().filter_map(|t| name(&t.base));
    names.collect()
}

/// The identifiers of the own key and of the issuer's, in hexadecimal.
fn key_ids(parsed: &X509Certificate<'_>) -> (String, String) {
    let hex = |bytes: &[u8]| {
        bytes
            .iter()
            .fold(String::new(), |text, b| text + &format!("{b:02x}"))
    };
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
