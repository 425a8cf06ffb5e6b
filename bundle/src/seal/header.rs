//! The header: the file's key, wrapped for each recipient, and a MAC over all of it.

use base64::Engine;
use base64::prelude::BASE64_STANDARD_NO_PAD as BASE64;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use ring::hmac;
use x25519_dalek::{PublicKey, StaticSecret};

use super::{Identity, KeyError, Recipient, derive, random};

/// What every file begins with.
pub(crate) const MAGIC: &[u8] = b"age-encryption.org/v1\n";
const WRAP: &str = "age-encryption.org/v1/X25519";
const STANZA: &str = "-> X25519 ";
const END: &str = "---";

/// The largest header that is read: some thousand recipients.
const MAX_HEADER: usize = 256 << 10;

/// Makes a header, and the file's key.
pub(super) fn wrap(recipients: &[Recipient]) -> Result<(Vec<u8>, [u8; 16]), KeyError> {
    let file_key = random::<16>()?;
    let mut text = String::from_utf8_lossy(MAGIC).into_owned();
    for Recipient(recipient) in recipients {
        let secret = StaticSecret::from(random::<32>()?);
        let share = PublicKey::from(&secret);
        let mut body = file_key.to_vec();
        wrap_key(&secret, recipient, &share, recipient)
            .and_then(|key| {
                let sealed = key.seal_in_place_append_tag(nonce(), Aad::empty(), &mut body);
                sealed.ok()
            })
            .ok_or(KeyError::NoRandomness)?;
        let (share, body) = (BASE64.encode(share.as_bytes()), BASE64.encode(&body));
        text.extend([STANZA, &share, "\n", &body, "\n"]);
    }
    text.push_str(END);
    let mac = mac(&file_key).ok_or(KeyError::NoRandomness)?;
    let mac = BASE64.encode(hmac::sign(&mac, text.as_bytes()));
    text.extend([" ", &mac, "\n"]);
    Ok((text.into_bytes(), file_key))
}

/// Reads a header at the start of `head`: its length, and the file's key if one of the identities
/// opens it.
///
/// # Errors
/// What is wrong with the header.
pub(crate) fn unwrap(
    head: &[u8],
    identities: &[Identity],
) -> Result<(usize, Option<[u8; 16]>), &'static str> {
    let head = head.get(..MAX_HEADER).unwrap_or(head);
    let marker = memchr::memmem::find(head, b"\n--- ").ok_or("its header does not end")?;
    let signed = head.get(..marker + 4).unwrap_or_default();
    let rest = head.get(marker + 5..).unwrap_or_default();
    let len = memchr::memchr(b'\n', rest).ok_or("its header does not end")?;
    let told = rest.get(..len).and_then(|mac| BASE64.decode(mac).ok());
    let told = told.ok_or("its header is damaged")?;
    let text = std::str::from_utf8(signed).map_err(|_| "its header is damaged")?;
    let lines: Vec<&str> = text.lines().collect();
    let stanzas = lines.windows(2).filter_map(|pair| match pair {
        [first, body] => Some((first.strip_prefix(STANZA)?, *body)),
        _ => None,
    });
    let keys = stanzas.flat_map(|(share, body)| {
        identities
            .iter()
            .filter_map(move |identity| open(identity, share, body))
    });
    let file_key = keys
        .into_iter()
        .find(|key| mac(key).is_some_and(|mac| hmac::verify(&mac, signed, &told).is_ok()));
    Ok((marker + 5 + len + 1, file_key))
}

fn open(Identity(secret): &Identity, share: &str, body: &str) -> Option<[u8; 16]> {
    let share: [u8; 32] = BASE64.decode(share).ok()?.try_into().ok()?;
    let share = PublicKey::from(share);
    let own = PublicKey::from(secret);
    let mut body = BASE64.decode(body).ok()?;
    let key = wrap_key(secret, &share, &share, &own)?;
    let plain = key.open_in_place(nonce(), Aad::empty(), &mut body).ok()?;
    (&*plain).try_into().ok()
}

/// The key that wraps the file's key between a secret and another's public key.
fn wrap_key(
    secret: &StaticSecret,
    other: &PublicKey,
    share: &PublicKey,
    recipient: &PublicKey,
) -> Option<LessSafeKey> {
    let shared = secret.diffie_hellman(other);
    shared.was_contributory().then_some(())?;
    let salt = [share.as_bytes().as_slice(), recipient.as_bytes()].concat();
    let key = derive(shared.as_bytes(), &salt, WRAP)?;
    Some(LessSafeKey::new(
        UnboundKey::new(&CHACHA20_POLY1305, &key).ok()?,
    ))
}

/// Every wrapping key is used once, so its nonce is zero.
fn nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; 12])
}

fn mac(file_key: &[u8; 16]) -> Option<hmac::Key> {
    let key = derive(file_key, &[], "header")?;
    Some(hmac::Key::new(hmac::HMAC_SHA256, &key))
}
