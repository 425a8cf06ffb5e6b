//! Finds the secrets of a text: one pass for the places worth a look, and a closer look at each.
//!
//! No detector looks across a line break, so text may be cut between any two lines. Keys in PEM
//! form, which do span lines, are [`super::private_key`]'s.

use std::ops::Range;
use std::sync::LazyLock;

use super::anchors::Anchors;
use super::lines::Opens;
use super::tokens::{self, JSON_BEGINNINGS, SHAPES};
use super::windows::{self, WINDOWS};
use super::{assigned, encoded, prose, urls};

/// How often base64 is decoded over, and one: the last time is only looked at.
pub(super) const DEPTH: usize = 4;

/// Who looks closer at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Detector {
    /// A token of this number in [`SHAPES`].
    Token(usize),
    Jwt,
    /// A name that may be a secret's.
    Name,
    /// A URL, at its colon or the letter before it.
    Url,
    /// The end of a Go driver's `user:password@`.
    Dsn,
    /// `Bearer` or `Basic` without a name before it.
    Scheme,
    /// The beginning of something in PEM form.
    Pem,
    /// The pattern of this number in [`WINDOWS`].
    Window(usize),
}

/// A secret in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) kind: &'static str,
    /// Everything by which it was told.
    pub(super) whole: Range<usize>,
    /// What must go.
    pub(super) secret: Range<usize>,
    /// How it may go on in the lines that follow. If all of it is there, nothing of this line goes.
    pub(super) opens: Option<Opens>,
}

impl Found {
    pub(super) fn new(kind: &'static str, whole: Range<usize>, secret: Range<usize>) -> Self {
        Self {
            kind,
            whole,
            secret,
            opens: None,
        }
    }

    /// A run of base64.
    pub(super) fn encoded(run: Range<usize>) -> Self {
        let opens = (run.len() >= 60).then_some(Opens::Encoded);
        Self {
            opens,
            ..Self::new("encoded-secret", run.clone(), run)
        }
    }
}

/// Words before a value, each as it stands before an equals sign, a quotation mark and so on.
const NAMES: &[&str] = &[
    "pass", "secr", "toke", "cred", "riza", "cook", "nstr", "n_st", "n-st", "sess", "mnem", "keyt",
    "keyp", "keyd", "key_", "key-", "atur", "lice", "seed", "cfg\"", "webh", "_asp", "sert",
    "?cod", "&cod", "saml", "b-te", "t-ap",
];
const SHORT_NAMES: &[&str] = &[
    "uth", "key", "pwd", "dsn", "jwt", "pat", "sig", "sid", "psk", "otp", "sas",
];
const SHORTER_NAMES: &[&str] = &["_pw", "-pw", "\"pw", "?pw", "&pw", " pw"];
const BEHIND_A_NAME: &[u8] = b"=:\"'\\ ]>,)%`";

static ANCHORS: LazyLock<Anchors> = LazyLock::new(|| Anchors::new(anchors()));

fn anchors() -> Vec<([u8; 4], Detector)> {
    let mut all = Vec::new();
    let mut add = |text: &[u8], then: &mut dyn Iterator<Item = u8>, detector| match text {
        [a, b, c, d, ..] => all.push(([*a, *b, *c, *d], detector)),
        [a, b, c] => all.extend(then.map(|d| ([*a, *b, *c, d], detector))),
        _ => {}
    };
    let letters = || (b'a'..=b'z').chain(b'0'..=b'9').chain(*b"+.-");
    for (number, shape) in SHAPES.iter().enumerate() {
        let detector = Detector::Token(number);
        match shape.prefix.as_bytes() {
            // Two bytes, and the first two of the body.
            &[a, b] => shape.body.folded().for_each(|c| {
                add(&[a, b, c], &mut shape.body.folded(), detector);
            }),
            prefix => add(prefix, &mut shape.body.folded(), detector),
        }
    }
    for beginning in JSON_BEGINNINGS {
        add(beginning.as_bytes(), &mut letters(), Detector::Jwt);
    }
    for name in NAMES {
        add(name.as_bytes(), &mut std::iter::empty(), Detector::Name);
    }
    for name in SHORT_NAMES.iter().chain(SHORTER_NAMES) {
        add(
            name.as_bytes(),
            &mut BEHIND_A_NAME.iter().copied(),
            Detector::Name,
        );
    }
    for letter in letters() {
        add(
            &[letter, b':', b'/', b'/'],
            &mut std::iter::empty(),
            Detector::Url,
        );
    }
    for slashes in [b":\\/\\", b":\\\\/", b":\\\\\\"] {
        add(slashes, &mut std::iter::empty(), Detector::Url);
    }
    for network in [b"@tcp", b"@udp", b"@uni"] {
        add(network, &mut std::iter::empty(), Detector::Dsn);
    }
    add(b"begi", &mut std::iter::empty(), Detector::Pem);
    for scheme in [b"bear", b"basi"] {
        add(scheme, &mut std::iter::empty(), Detector::Scheme);
    }
    for (number, window) in WINDOWS.iter().enumerate() {
        for anchor in window.anchors {
            let mut any = letters().chain(*b"_/\"'$:");
            add(anchor.as_bytes(), &mut any, Detector::Window(number));
        }
    }
    all
}

/// All secrets of a text in order, none over another.
pub(super) fn find(text: &[u8]) -> Vec<Found> {
    find_within(text, DEPTH)
}

/// All secrets of a text in which base64 is decoded `depth` times over.
pub(super) fn find_within(text: &[u8], depth: usize) -> Vec<Found> {
    let mut found = Vec::new();
    // A name within the value of another says nothing more.
    let mut named = 0;
    ANCHORS.scan(text, &mut |at, detector| {
        if detector != Detector::Name {
            look(detector, text, at, &mut found);
        } else if at >= named {
            let before = found.len();
            look(detector, text, at, &mut found);
            let new: &[Found] = found.get(before..).unwrap_or_default();
            named = new.last().map_or(named, |found| found.secret.end);
        }
    });
    if depth > 0 {
        encoded::find(text, depth, &mut found);
    }
    if found.len() > 1 {
        found.sort_by_key(|f| (f.secret.start, std::cmp::Reverse(f.secret.end)));
        found = merged(found);
    }
    found
}

fn look(detector: Detector, text: &[u8], at: usize, found: &mut Vec<Found>) {
    match detector {
        Detector::Name => found.extend(assigned::look(text, at)),
        Detector::Url => urls::credentials(text, at, found),
        Detector::Dsn => found.extend(urls::dsn(text, at)),
        Detector::Scheme => found.extend(scheme(text, at)),
        Detector::Pem => found.extend(pem(text, at)),
        Detector::Jwt => {
            let jwt = tokens::jwt(text, at);
            found.extend(jwt.map(|range| Found::new("jwt", range.clone(), range)));
        }
        Detector::Token(number) => {
            let Some(shape) = SHAPES.get(number) else {
                return;
            };
            let token = tokens::at(shape, text, at);
            found.extend(token.map(|range| Found::new(shape.kind, range.clone(), range)));
        }
        Detector::Window(number) => windows::look(number, text, at, found),
    }
}

/// Joins secrets that lie over each other.
fn merged(found: Vec<Found>) -> Vec<Found> {
    let mut all: Vec<Found> = Vec::with_capacity(found.len());
    for next in found {
        match all.last_mut() {
            Some(last) if next.secret.start < last.secret.end => {
                if next.secret.end >= last.secret.end {
                    last.opens = next.opens;
                }
                last.secret.end = last.secret.end.max(next.secret.end);
                last.whole.start = last.whole.start.min(next.whole.start);
                last.whole.end = last.whole.end.max(next.whole.end);
            }
            _ => all.push(next),
        }
    }
    all
}

/// A certificate or public key that begins at the end of a line. Names stand in it in plain text,
/// so that its lines of base64 could be taken for encoded text.
fn pem(text: &[u8], at: usize) -> Option<Found> {
    let label = text.get(at..)?.strip_prefix(b"BEGIN ")?;
    let of_label = |b: &&u8| b.is_ascii_uppercase() || b.is_ascii_digit() || **b == b' ';
    let len = label.iter().take(60).take_while(of_label).count();
    let rest = label.get(len..)?.strip_prefix(b"-----")?;
    let end = at + 6 + len + 5;
    let label = label.get(..len)?;
    let mut secret = [&b"PRIVATE"[..], b"SEED", b"JWT"].into_iter();
    let is_public = !secret.any(|word| memchr::memmem::find(label, word).is_some());
    (is_public && matches!(rest, [b'\n', ..] | [b'\r', b'\n', ..])).then(|| Found {
        opens: Some(Opens::Pem),
        ..Found::new("certificate", at..end, end..end)
    })
}

/// `Bearer x` or `Basic x` wherever it stands.
fn scheme(text: &[u8], at: usize) -> Option<Found> {
    let rest = text.get(at..)?;
    let word = if rest.get(..6)?.eq_ignore_ascii_case(b"bearer") {
        6
    } else {
        5
    };
    let is_basic = word == 5;
    if is_basic && !rest.get(..5)?.eq_ignore_ascii_case(b"basic") {
        return None;
    }
    let after = rest.get(word..)?;
    let gap = match after {
        [b'%', b'2', b'0', ..] => 3,
        [b'+', ..] => 1,
        _ => after
            .iter()
            .take_while(|b| matches!(b, b' ' | b'\t' | b':'))
            .count(),
    };
    let of_token = |b: &&u8| b.is_ascii_alphanumeric() || b"._~+/=-%".contains(b);
    let value = after.get(gap..)?;
    let value = value.get(..value.iter().take_while(of_token).count())?;
    let start = at + word + gap;
    let secret = start..start + value.len();
    let told = std::str::from_utf8(value).ok()?;
    let is_realm =
        told.ends_with('=') && matches!(text.get(secret.end), Some(b'"' | b'\\' | b'\''));
    let is_secret = if is_basic {
        value.len() >= 4 && encoded::is_user_and_password(value)
    } else {
        value.len() >= 6 && !prose::is_word(told) && !is_realm
    };
    let kind = if is_basic { "basic" } else { "bearer" };
    (gap > 0 && is_secret).then(|| Found::new(kind, at..secret.end, secret))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prose_about_credentials_is_no_secret() {
        for text in [
            "unauthorized: bearer authentication failed",
            "basic authentication required",
            "Authorization: denied by server policy",
            "password=true",
            "--token-file=/var/run/secrets/token",
            "http://10.0.0.1:8080/path@x",
            "authority=web.shop.svc.cluster.local:8080",
            "level=info msg=\"issued certificate for web.shop.serviceaccount.identity.linkerd.cluster.local\"",
            "invalid token: signature is invalid",
            "MountVolume.SetUp failed for volume \"tls\" : secret \"linkerd-proxy-injector-k8s-tls\" not found",
            "WWW-Authenticate: Bearer realm=\"https://registry/token\"",
            "secret: linkerd/linkerd-identity-issuer",
            "{\"secretName\":\"web-tls\",\"token\":{\"path\":\"token\"}}",
            "workqueue key=\"shop/web-5f6b9c7d8-x2z4q\" error=<nil>",
        ] {
            assert_eq!(find(text.as_bytes()), [], "{text}");
        }
    }
}
