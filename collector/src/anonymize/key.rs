//! The key of an anonymization, and the file that keeps it with what its tokens stand for.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use anyhow::{Context, bail};
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

/// The letters of a token.
const LETTERS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
/// Letters of a token behind its first: 50 bits.
const LENGTH: usize = 10;

/// The key of tokens and addresses.
#[derive(Clone)]
pub struct Key([u8; 32]);

impl Key {
    /// A key of these bytes.
    pub fn of(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// HMAC-SHA256 of a text, for one purpose.
    pub(super) fn hash(&self, purpose: &str, text: &[u8]) -> [u8; 32] {
        // A key of any length is taken.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.0) else {
            return [0; 32];
        };
        mac.update(purpose.as_bytes());
        mac.update(&[0]);
        mac.update(text);
        mac.finalize().into_bytes().into()
    }

    /// The word that stands for a name: a DNS label of eleven letters and digits.
    pub(super) fn token(&self, name: &str) -> String {
        let hash = self.hash("name", name.as_bytes());
        let bits = hash
            .iter()
            .take(8)
            .fold(0, |bits, b| bits << 8 | u64::from(*b));
        let letter = |at: usize| {
            let index = usize::try_from(bits >> (5 * at) & 31).unwrap_or(0);
            LETTERS.get(index).copied().map_or('a', char::from)
        };
        std::iter::once('n')
            .chain((0..LENGTH).map(letter))
            .collect()
    }
}

/// What the file holds. The tokens cannot be turned back by the key alone, since they are shorter
/// than the names, so the file keeps both.
#[derive(Serialize, Deserialize)]
struct Kept {
    format: u32,
    /// The key, in hexadecimal.
    key: String,
    /// What each token and address stands for.
    tokens: BTreeMap<String, String>,
}

/// A key file's content.
pub struct KeyFile {
    /// The key.
    pub key: Key,
    /// What each token and address stands for.
    pub tokens: BTreeMap<String, String>,
}

impl KeyFile {
    /// Reads a key file.
    ///
    /// # Errors
    /// When it is not there or is no key file.
    pub fn read(file: &Path) -> anyhow::Result<Self> {
        let shown = file.display();
        let bytes =
            std::fs::read(file).with_context(|| format!("cannot read key file `{shown}`"))?;
        let kept: Kept = serde_json::from_slice(&bytes)
            .with_context(|| format!("`{shown}` is no key file of `--anonymize`"))?;
        let key = unhex(&kept.key).filter(|_| kept.format == 1);
        match key {
            Some(key) => Ok(Self {
                key: Key(key),
                tokens: kept.tokens,
            }),
            None => bail!("`{shown}` holds no key that this version reads"),
        }
    }

    /// Reads a key file, or makes a key at random if there is none.
    ///
    /// # Errors
    /// When there is a file that is no key file, or the host has no randomness.
    pub fn read_or_make(file: &Path) -> anyhow::Result<Self> {
        if file.exists() {
            return Self::read(file);
        }
        let mut key = [0; 32];
        getrandom::fill(&mut key).map_err(|e| anyhow::anyhow!("cannot draw a key: {e}"))?;
        Ok(Self {
            key: Key(key),
            tokens: BTreeMap::new(),
        })
    }

    /// Writes the file so that only its owner may read it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, file: &Path) -> anyhow::Result<()> {
        let kept = Kept {
            format: 1,
            key: bundle::hex(&self.key.0),
            tokens: self.tokens.clone(),
        };
        let mut json = serde_json::to_vec_pretty(&kept)?;
        json.push(b'\n');
        let folder = crate::run::folder_of(file);
        // Made with mode 0600, and complete before it has its name.
        let mut new = tempfile::NamedTempFile::new_in(folder)
            .with_context(|| format!("cannot write key file `{}`", file.display()))?;
        new.write_all(&json)?;
        new.persist(file)
            .with_context(|| format!("cannot write key file `{}`", file.display()))?;
        Ok(())
    }
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    let digits: Option<Vec<u8>> = text
        .chars()
        .map(|c| u8::try_from(c.to_digit(16)?).ok())
        .collect();
    let digits = digits?;
    let bytes: Vec<u8> = digits
        .as_chunks::<2>()
        .0
        .iter()
        .map(|[a, b]| a << 4 | b)
        .collect();
    bytes.try_into().ok()
}
