//! The key of this run: drawn at its start, kept in memory only, gone at its end.
//!
//! With it the program reads back what it encrypts: the bundle that it looks at once more, and the
//! one that still has its names.

use std::sync::OnceLock;

use bundle::{Identity, Recipient};

use crate::args::Protect;

static KEY: OnceLock<Identity> = OnceLock::new();

/// The key.
///
/// # Errors
/// When the host gives no random bytes.
pub(crate) fn own_key() -> anyhow::Result<&'static Identity> {
    if let Some(key) = KEY.get() {
        return Ok(key);
    }
    let drawn = Identity::draw()?;
    Ok(KEY.get_or_init(|| drawn))
}

/// Whom a finished bundle is encrypted to: nobody, or those who were named and this run.
///
/// # Errors
/// When the host gives no random bytes.
pub(crate) fn recipients(protect: &Protect) -> anyhow::Result<Vec<Recipient>> {
    let mut all = protect.encrypt_to.clone();
    if !all.is_empty() {
        all.push(own_key()?.recipient());
    }
    Ok(all)
}
