//! Secrets inside base64, once or several times over: whole files of keys and passwords, private
//! keys without their frame, packed Helm releases.

use std::ops::Range;

use base64::Engine;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::detect::{self, Found};
use super::private_key;

/// Characters of base64 in a row that are looked at.
const LEAST: usize = 24;
/// Letters and digits in a row that such a run has somewhere: what encodes text has few signs.
const STRETCH: usize = 16;
/// Characters of a run that are decoded; more of it goes along if they hold a secret.
const MOST: usize = 256 << 10;
/// Decoded bytes by which text is told from anything else.
const SAMPLE: usize = 18;

const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// Adds the runs that hold a secret once they are decoded, up to `depth` times over.
pub(super) fn find(text: &[u8], depth: usize, found: &mut Vec<Found>) {
    let mut at = 0;
    while let Some(stretch) = text.get(at..).and_then(|t| t.first_chunk::<STRETCH>()) {
        // From its end, since whatever stands there rules out all beginnings before it.
        if let Some(sign) = stretch.iter().rposition(|b| !b.is_ascii_alphanumeric()) {
            at += sign + 1;
            continue;
        }
        let run = run_around(text, at, |b| b.is_ascii_alphanumeric());
        at = run.end;
        if let Some(secret) = look(text, run.start, depth) {
            at = secret.end;
            found.push(Found::encoded(secret));
        }
    }
}

/// The part of the run around `at` that holds a secret.
fn look(text: &[u8], at: usize, depth: usize) -> Option<Range<usize>> {
    let wide = run_around(text, at, |b| {
        b.is_ascii_alphanumeric() || b"+/-_".contains(&b)
    });
    let narrow = run_around(text, at, |b| b.is_ascii_alphanumeric());
    if wide.len() < LEAST {
        return None;
    }
    let padding = text.get(wide.end..).unwrap_or_default();
    let padding = padding.iter().take(2).take_while(|b| **b == b'=').count();
    let standard = run_around(text, at, |b| {
        b.is_ascii_alphanumeric() || b"+/".contains(&b)
    });
    let mut starts = vec![wide.start, standard.start, narrow.start];
    starts.dedup();
    let start = starts.into_iter().find(|start| {
        let run = text.get(*start..wide.end).unwrap_or_default();
        run.len() >= LEAST && holds_secret(run, depth)
    })?;
    Some(start..wide.end + padding)
}

fn run_around(text: &[u8], at: usize, of_run: impl Fn(u8) -> bool) -> Range<usize> {
    let before = text.get(..at).unwrap_or_default();
    let after = text.get(at..).unwrap_or_default();
    let back = before.iter().rev().take_while(|b| of_run(**b)).count();
    let forth = after.iter().take_while(|b| of_run(**b)).count();
    at - back..at + forth
}

fn holds_secret(run: &[u8], depth: usize) -> bool {
    let run = run.get(..MOST).unwrap_or(run);
    match run {
        [b'H', b'4', b's', b'I', ..] => return run.len() > 60,
        [b'M', ..] if decode(run.get(..64).unwrap_or(run)).is_some_and(|d| is_private(&d)) => {
            return true;
        }
        _ => {}
    }
    // The first of each four characters of encoded text is one of these.
    let of_text = |group: &[u8]| matches!(group.first(), Some(b'I'..=b'Z' | b'a'..=b'f' | b'C'));
    if !run.chunks(4).take(6).all(of_text) {
        return false;
    }
    let sample = decode(run.get(..LEAST).unwrap_or(run)).unwrap_or_default();
    let printable = |b: &u8| (b' '..=b'~').contains(b) || matches!(b, b'\n' | b'\r' | b'\t');
    if sample.len() < SAMPLE || !sample.iter().all(printable) {
        return false;
    }
    let Some(plain) = decode(run) else {
        return false;
    };
    private_key::begin(&plain).is_some() || detect::holds_secret(&plain, depth)
}

/// Decodes either alphabet.
fn decode(run: &[u8]) -> Option<Vec<u8>> {
    let standard = |b: &u8| match b {
        b'-' => b'+',
        b'_' => b'/',
        b => *b,
    };
    let mut run: Vec<u8> = run.iter().map(standard).collect();
    if run.len() % 4 == 1 {
        run.pop();
    }
    LENIENT.decode(run).ok()
}

/// Whether DER begins as a private key does: PKCS#1, PKCS#8 (encrypted or not), SEC1, PKCS#12.
fn is_private(der: &[u8]) -> bool {
    let Some(body) = sequence(der) else {
        return false;
    };
    match body {
        [0x02, 0x01, 0x00, 0x02 | 0x30, ..]
        | [0x02, 0x01, 0x01, 0x04 | 0x30, ..]
        | [0x02, 0x01, 0x03, 0x30, ..] => true,
        [0x30, ..] => sequence(body).is_some_and(|algorithm| {
            // The object identifiers of password-based encryption.
            algorithm.starts_with(b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x05")
                || algorithm.starts_with(b"\x06\x0a\x2a\x86\x48\x86\xf7\x0d\x01\x0c")
        }),
        _ => false,
    }
}

/// What is inside a DER sequence.
fn sequence(der: &[u8]) -> Option<&[u8]> {
    let (tag, rest) = der.split_first()?;
    let (len, rest) = rest.split_first()?;
    let more = if *len >= 0x80 {
        usize::from(len & 0x7f)
    } else {
        0
    };
    (*tag == 0x30 && more <= 4).then(|| rest.get(more..))?
}

/// Whether text in base64 decodes to `user:password`.
pub(super) fn is_user_and_password(run: &[u8]) -> bool {
    let plain = decode(run.trim_ascii_end().strip_suffix(b"==").unwrap_or(run));
    plain.is_some_and(|plain| {
        let colon = memchr::memchr(b':', &plain).unwrap_or_default();
        let user = plain.get(..colon).unwrap_or_default();
        colon > 0 && colon + 1 < plain.len() && user.iter().all(u8::is_ascii_graphic)
    })
}
