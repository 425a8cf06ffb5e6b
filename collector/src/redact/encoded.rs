//! Secrets inside base64, once or several times over: whole files of keys and passwords, private
//! keys without their frame, packed Helm releases.

use std::ops::Range;

use base64::Engine;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::detect::Found;
use super::lines::Opens;
use super::{marks, text, unnamed};

/// Characters of base64 in a row that are looked at.
const LEAST: usize = 24;
/// Letters and digits in a row that such a run has somewhere: what encodes text has few signs.
const STRETCH: usize = 16;
/// Characters of a run that are decoded; more of it goes along if they hold a secret.
const MOST: usize = 256 << 10;
/// Beginnings within one run from which so much is decoded, and what is decoded from later ones.
const TRIES: usize = 16;
const FEW: usize = 4 << 10;
/// Characters in a line of base64: RFC 7468 and OpenSSL, RFC 2045 and GNU.
const WRAPPED: [usize; 2] = [64, 76];
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
    let (mut at, mut runs) = (0, Runs::default());
    while let Some(stretch) = text.get(at..).and_then(|t| t.first_chunk::<STRETCH>()) {
        // From its end, since whatever stands there rules out all beginnings before it.
        if let Some(sign) = stretch.iter().rposition(|b| !b.is_ascii_alphanumeric()) {
            at += sign + 1;
            continue;
        }
        let run = run_around(text, at, |b| b.is_ascii_alphanumeric());
        let is_new = runs.reach(text, &run);
        at = run.end;
        if let Some(secret) = look(text, &mut runs, depth) {
            at = secret.end;
            found.push(Found::encoded(secret));
        } else if let Some(line) = wrapped(text, &runs.standard).filter(|_| is_new) {
            at = line.whole.end;
            found.push(line);
        } else {
            found.extend(unnamed::look(text, run));
        }
    }
}

/// The runs of base64 in either alphabet that are being gone through. A line may be a single one of
/// a megabyte, so each is looked at as a whole only once.
#[derive(Default)]
struct Runs {
    wide: Range<usize>,
    standard: Range<usize>,
    /// Where the whole runs begin, until they have been looked at.
    starts: Vec<usize>,
    /// Beginnings within the wide run that were looked at.
    tried: usize,
}

impl Runs {
    /// Goes on to the runs that a run of letters and digits is in. Says whether the standard one is
    /// new.
    fn reach(&mut self, text: &[u8], run: &Range<usize>) -> bool {
        self.starts.clear();
        if run.start >= self.wide.end {
            self.wide = run_around(text, run.start, |b| is_base64(b) || b"-_".contains(&b));
            self.starts.push(self.wide.start);
            self.tried = 0;
        }
        let is_new = run.start >= self.standard.end;
        if is_new {
            self.standard = run_around(text, run.start, is_base64);
            self.starts.push(self.standard.start);
        }
        self.starts.push(run.start);
        is_new
    }
}

/// A line as programs wrap base64, that decodes to text. What it holds may be parted by line
/// breaks, so all of it goes, unless it is a certificate in PEM form.
fn wrapped(text: &[u8], run: &Range<usize>) -> Option<Found> {
    let run = run.clone();
    let line = text.get(run.clone())?;
    let is_alone = !matches!(text.get(run.end), Some(b) if !matches!(b, b'\n' | b'\r'));
    if !WRAPPED.contains(&line.len()) || !is_alone {
        return None;
    }
    let plain = decode(line).filter(|plain| reads_as_text(plain))?;
    Some(
        if memchr::memmem::find(&plain, b"N CERTIFICATE-").is_some() {
            Found {
                opens: Some(Opens::Certificate),
                ..Found::new("encoded-text", run.clone(), run.end..run.end)
            }
        } else {
            Found {
                opens: Some(Opens::Encoded),
                ..Found::new("encoded-text", run.clone(), run)
            }
        },
    )
}

/// Whether a line goes on with a certificate in base64; `None` if it is no base64.
pub(super) fn certificate_line(line: &[u8]) -> Option<bool> {
    let plain = is_line(line).then(|| decode(line.trim_ascii()))??;
    let marks: [&[u8]; 4] = [b"PRIVATE", b"IVATE K", b"BEGIN P", b"BEGIN R"];
    let is_key = marks
        .iter()
        .any(|mark| memchr::memmem::find(&plain, mark).is_some());
    Some(!is_key)
}

/// Whether a line is of base64 alone.
pub(super) fn is_line(line: &[u8]) -> bool {
    let line = line.trim_ascii();
    line.len() >= 4 && line.iter().all(|b| is_base64(*b) || *b == b'=')
}

fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/')
}

/// Whether bytes are UTF-8, perhaps cut within a letter at either end, without control characters
/// but for the usual ones.
fn reads_as_text(bytes: &[u8]) -> bool {
    let rest = bytes
        .iter()
        .take(3)
        .take_while(|b| (0x80..0xc0).contains(*b));
    let bytes = bytes.get(rest.count()..).unwrap_or_default();
    let is_usual = |b: &u8| *b >= b' ' || matches!(b, b'\n' | b'\r' | b'\t' | 0x1b);
    bytes.iter().all(is_usual)
        && std::str::from_utf8(bytes).map_or_else(|e| e.error_len().is_none(), |_| true)
}

/// The part of the wide run that holds a secret, from one of the beginnings that are new.
fn look(text: &[u8], runs: &mut Runs, depth: usize) -> Option<Range<usize>> {
    let wide = runs.wide.clone();
    if wide.len() < LEAST {
        return None;
    }
    let mut starts = std::mem::take(&mut runs.starts);
    // Behind a line break that is written as `\n`.
    let written = |start: &usize| (!marks::is_joined(text, start + 1)).then_some(start + 1);
    starts.extend(starts.clone().iter().filter_map(written));
    starts.dedup();
    runs.tried += 1;
    let most = if runs.tried > TRIES { FEW } else { MOST };
    let start = starts.into_iter().find(|start| {
        let run = text.get(*start..wide.end).unwrap_or_default();
        let run = run.get(..most).unwrap_or(run);
        run.len() >= LEAST && holds_secret(run, depth)
    })?;
    let padding = text.get(wide.end..).unwrap_or_default();
    let padding = padding.iter().take(2).take_while(|b| **b == b'=').count();
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
        [b'H', b'4', b's', b'I', ..] => return true,
        [b'M', ..] if decode(run.get(..64).unwrap_or(run)).is_some_and(|d| is_private(&d)) => {
            return true;
        }
        _ => {}
    }
    // The first of each four characters of encoded text is one of these.
    let of_text =
        |group: &[u8]| matches!(group.first(), Some(b'I'..=b'Z' | b'a'..=b'f' | b'C' | b'G'));
    if !run.chunks(4).take(2).all(of_text) {
        return false;
    }
    let sample = decode(run.get(..LEAST).unwrap_or(run)).unwrap_or_default();
    if sample.len() < SAMPLE || !reads_as_text(&sample) {
        return false;
    }
    let Some(plain) = decode(run) else {
        return false;
    };
    text::holds_secret(&plain, depth)
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
    let end = run.iter().rev().take_while(|b| **b == b'=').count();
    let plain = decode(run.get(..run.len() - end).unwrap_or(run));
    plain.is_some_and(|plain| {
        let colon = memchr::memchr(b':', &plain).unwrap_or_default();
        let user = plain.get(..colon).unwrap_or_default();
        colon > 0 && colon + 1 < plain.len() && user.iter().all(u8::is_ascii_graphic)
    })
}
