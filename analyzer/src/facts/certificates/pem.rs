//! PEM text, block by block, so that one broken block does not hide the others.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bundle::CERTIFICATE_FACTS;

/// A block of a PEM text.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Block {
    /// The DER of a certificate.
    Certificate(Vec<u8>),
    /// What stands in the place of a certificate in an anonymized bundle, as JSON.
    Facts(Vec<u8>),
    /// A block of another kind, by its label.
    Other(String),
    /// A block that cannot be read, and why.
    Broken(String),
}

const BEGIN: &str = "-----BEGIN ";
const DASHES: &str = "-----";

/// Every block, in order. Text around blocks is passed over.
pub(super) fn blocks(pem: &[u8]) -> Vec<Block> {
    let text = String::from_utf8_lossy(pem);
    let mut rest: &str = &text;
    let mut blocks = Vec::new();
    while let Some((_, after)) = rest.split_once(BEGIN) {
        // The block reaches up to the next one's start at most.
        let own = after.split(BEGIN).next().unwrap_or(after);
        rest = after.get(own.len()..).unwrap_or_default();
        blocks.push(block(own));
    }
    blocks
}

/// Reads a block from after its `-----BEGIN `.
fn block(text: &str) -> Block {
    let Some((label, body)) = text.split_once(DASHES) else {
        return Block::Broken("its first line is cut".to_owned());
    };
    let kind = match label {
        "CERTIFICATE" | "X509 CERTIFICATE" | "TRUSTED CERTIFICATE" => Block::Certificate,
        CERTIFICATE_FACTS => Block::Facts,
        _ => return Block::Other(label.chars().take(60).collect()),
    };
    let Some((body, _)) = body.split_once("-----END ") else {
        return Block::Broken("it is cut before its last line".to_owned());
    };
    let body: String = body.split_whitespace().collect();
    match STANDARD.decode(body) {
        Ok(content) => kind(content),
        Err(e) => Block::Broken(format!("it is no base64: {e}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_broken_block_does_not_hide_the_next() {
        let pem = "# root\r\n-----BEGIN CERTIFICATE-----\r\nMII\n-----BEGIN CERTIFICATE-----\r\nAQI=\r\n-----END CERTIFICATE-----\r\n-----BEGIN EC PRIVATE KEY-----\nx";
        let found = blocks(pem.as_bytes());
        assert!(matches!(found[0], Block::Broken(_)));
        assert_eq!(found[1], Block::Certificate(vec![1, 2]));
        assert_eq!(found[2], Block::Other("EC PRIVATE KEY".to_owned()));
        assert_eq!(found.len(), 3);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "(-----(BEGIN|END) (CERTIFICATE|KEY)-----|[a-zA-Z0-9+/=\n -]){0,40}") {
            blocks(text.as_bytes());
        }
    }
}
