//! Encrypted bundles: the age format (age-encryption.org/v1) with X25519 keys.
//!
//! [`header`] wraps the file's key for each recipient, [`stream`] encrypts the content in chunks
//! that can be read in any order. The primitives are those of well-kept crates; why the format
//! itself is written here is told in `docs/decisions/0003-age-by-hand.md`.

mod header;
mod stream;

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use bech32::{Bech32, Hrp};
use ring::rand::{SecureRandom, SystemRandom};
use x25519_dalek::{PublicKey, StaticSecret};

pub(crate) use header::{MAGIC, unwrap};
pub(crate) use stream::{Opened, Sealer};

/// A public key that bundles are encrypted to: `age1...`.
#[derive(Clone, PartialEq, Eq)]
pub struct Recipient(PublicKey);

/// A secret key that opens them: `AGE-SECRET-KEY-1...`.
#[derive(Clone)]
pub struct Identity(StaticSecret);

/// Why a key is none.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The text is no public key.
    #[error("`{0}` is no age public key; it begins with `age1` and is what `age-keygen` prints")]
    Recipient(String),
    /// The file has no secret key in it.
    #[error("`{0}` holds no age secret key; it is the file that `age-keygen -o` writes")]
    Identity(String),
    /// The file cannot be read.
    #[error("cannot read `{0}`")]
    Io(String, #[source] std::io::Error),
    /// The host gives no random bytes.
    #[error("the host gives no random bytes")]
    NoRandomness,
}

impl FromStr for Recipient {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        match key(text, "age") {
            Some(bytes) => Ok(Self(PublicKey::from(bytes))),
            None => Err(KeyError::Recipient(text.to_owned())),
        }
    }
}

impl fmt::Display for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hrp = Hrp::parse("age").map_err(|_| fmt::Error)?;
        let text = bech32::encode::<Bech32>(hrp, self.0.as_bytes()).map_err(|_| fmt::Error)?;
        f.write_str(&text)
    }
}

impl fmt::Debug for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

// A secret key is not shown.
impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identity")
    }
}

impl Identity {
    /// Draws a key.
    ///
    /// # Errors
    /// When the host gives no random bytes.
    pub fn draw() -> Result<Self, KeyError> {
        Ok(Self(StaticSecret::from(random::<32>()?)))
    }

    /// All secret keys of a file: one a line, and lines that begin with `#`.
    ///
    /// # Errors
    /// When the file cannot be read or holds none.
    pub fn read(file: &Path) -> Result<Vec<Self>, KeyError> {
        let shown = file.display().to_string();
        let text = std::fs::read_to_string(file).map_err(|e| KeyError::Io(shown.clone(), e))?;
        let lines = text.lines().map(str::trim);
        let keys = lines.filter_map(|line| key(line, "age-secret-key-"));
        let identities: Vec<Self> = keys.map(|bytes| Self(StaticSecret::from(bytes))).collect();
        if identities.is_empty() {
            return Err(KeyError::Identity(shown));
        }
        Ok(identities)
    }

    /// The public key to it.
    pub fn recipient(&self) -> Recipient {
        Recipient(PublicKey::from(&self.0))
    }
}

/// The 32 bytes of a key in Bech32.
fn key(text: &str, kind: &str) -> Option<[u8; 32]> {
    let (hrp, bytes) = bech32::decode(text).ok()?;
    (hrp.to_lowercase() == kind).then_some(())?;
    bytes.try_into().ok()
}

fn random<const N: usize>() -> Result<[u8; N], KeyError> {
    let mut bytes = [0; N];
    let filled = SystemRandom::new().fill(&mut bytes);
    filled.map_err(|_| KeyError::NoRandomness)?;
    Ok(bytes)
}

/// HKDF with SHA-256.
fn derive(secret: &[u8], salt: &[u8], purpose: &str) -> Option<[u8; 32]> {
    let salt = ring::hkdf::Salt::new(ring::hkdf::HKDF_SHA256, salt);
    let mut key = [0; 32];
    let info = [purpose.as_bytes()];
    let secret = salt.extract(secret);
    secret
        .expand(&info, ring::hkdf::HKDF_SHA256)
        .ok()?
        .fill(&mut key)
        .ok()?;
    Some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_reads_back_and_others_are_told_what_they_are_not() {
        let identity = Identity::draw().unwrap();
        let text = identity.recipient().to_string();
        assert!(text.starts_with("age1") && text.len() == 62, "{text}");
        assert_eq!(text.parse::<Recipient>().unwrap(), identity.recipient());
        for wrong in [
            "",
            "age1",
            "ssh-ed25519 AAAA",
            &text[..61],
            &format!("{text}x"),
        ] {
            assert!(wrong.parse::<Recipient>().is_err(), "{wrong}");
        }
    }
}
