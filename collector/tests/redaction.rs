//! Properties of redaction.

#![expect(clippy::indexing_slicing, reason = "a test fails by panicking")]

use linkerd_collect::redact::{Counts, TextRedactor};
use proptest::collection::vec;
use proptest::prelude::*;

const KEY: &str = "-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEAsecretsecretsecretsecretsecretsecretsecretsecret\nc2VjcmV0c2VjcmV0c2VjcmV0\n-----END RSA PRIVATE KEY-----\n";
const STAMPED_KEY: &str = "2026-11-23T00:49:10.1Z -----BEGIN PRIVATE KEY-----\n2026-11-23T00:49:10.1Z MIIEsecretsecretsecretsecret\n2026-11-23T00:49:10.1Z -----END PRIVATE KEY-----\n";
const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----\nMIIBgzCCASigAwIBAgIIOnF3NDElXqUwCgYIKoZIzj0EAwIwJTEjMCEGA1UEAwwa\ncm9vdC5saW5rZXJkLmNsdXN0ZXIubG9jYWwwHhcNMjYxMTIyMjM0MTEzWhcNMzYx\n-----END CERTIFICATE-----\n";

/// A secret as it stands in a log, and the part that must not be seen afterwards.
fn secret() -> impl Strategy<Value = (String, String)> {
    let token = "[a-z]{4}[A-Z0-9]{16,40}";
    prop_oneof![
        token.prop_map(|t| (format!("Authorization: Bearer {t}\n"), t)),
        token.prop_map(|t| (format!("{{\"password\":\"{t}\"}}\n"), t)),
        token.prop_map(|t| (format!("GET https://user:{t}@host/path HTTP/1.1\n"), t)),
        token.prop_map(|t| (format!("Set-Cookie: session={t}; Path=/\n"), t)),
        token.prop_map(|t| (format!("tok=eyJhbGciOiJSUzI1NiJ9.{t}.c2lnbmF0dXJl ok\n"), t)),
        token.prop_map(|t| (format!("client_secret={t}&x=1\n"), t)),
        token.prop_map(|t| {
            let line = format!("{{\"key\":\"-----BEGIN EC PRIVATE KEY-----\\n{t}\\n-----END EC PRIVATE KEY-----\\n\"}}\n");
            (line, t)
        }),
        Just((KEY.to_owned(), "secretsecret".to_owned())),
        Just((STAMPED_KEY.to_owned(), "secretsecret".to_owned())),
    ]
}

fn innocent() -> impl Strategy<Value = String> {
    prop_oneof![
        "[ -~]{0,60}\n".prop_filter("must hold no secret", |line| redact(line.as_bytes(), &[]).0 == line.as_bytes()),
        Just(CERTIFICATE.to_owned()),
        Just("level=info id=web.shop.serviceaccount.identity.linkerd.cluster.local client.addr=10.1.2.3:4567\n".to_owned()),
    ]
}

/// Redacts text in chunks that end at the given places.
fn redact(text: &[u8], cuts: &[usize]) -> (Vec<u8>, Counts) {
    let mut cuts: Vec<usize> = cuts.iter().map(|c| c % (text.len() + 1)).collect();
    cuts.sort_unstable();
    let mut redactor = TextRedactor::default();
    let mut out = Vec::new();
    let mut done = 0;
    for cut in cuts.into_iter().chain([text.len()]) {
        redactor.push(&text[done..cut], &mut out);
        done = cut;
    }
    let counts = redactor.finish(&mut out);
    (out, counts)
}

proptest! {
    #[test]
    fn no_planted_secret_is_left_and_nothing_else_is_touched(
        parts in vec((innocent(), secret()), 1..6),
        cuts in vec(any::<usize>(), 0..12),
    ) {
        let mut text = String::new();
        for (line, (secret, _)) in &parts {
            text.push_str(line);
            text.push_str(secret);
        }
        let (out, counts) = redact(text.as_bytes(), &cuts);
        let out = String::from_utf8(out).unwrap();
        for (line, (_, value)) in &parts {
            prop_assert!(out.contains(line.as_str()), "{line:?} was damaged:\n{out}");
            prop_assert!(!out.contains(value.as_str()), "{value:?} is left:\n{out}");
        }
        prop_assert_eq!(out.lines().count(), text.lines().count());
        prop_assert!(!counts.is_empty());
    }

    #[test]
    fn the_output_does_not_depend_on_where_the_chunks_are_cut(
        text in vec(prop_oneof![innocent(), secret().prop_map(|s| s.0), "[ -~\n]{0,30}"], 0..8),
        cuts in vec(any::<usize>(), 0..20),
    ) {
        let text = text.concat();
        prop_assert_eq!(redact(text.as_bytes(), &cuts), redact(text.as_bytes(), &[]));
    }

    #[test]
    fn any_bytes_pass_without_a_panic(bytes in vec(any::<u8>(), 0..300), cuts in vec(any::<usize>(), 0..5)) {
        prop_assert_eq!(redact(&bytes, &cuts), redact(&bytes, &[]));
    }

    #[test]
    fn what_is_redacted_stays_as_it_is_when_redacted_again(parts in vec((innocent(), secret()), 1..5)) {
        let text: String = parts.iter().flat_map(|(line, (secret, _))| [line.as_str(), secret]).collect();
        let (once, _) = redact(text.as_bytes(), &[]);
        let (twice, counts) = redact(&once, &[]);
        prop_assert_eq!(String::from_utf8(twice).unwrap(), String::from_utf8(once).unwrap());
        prop_assert!(counts.is_empty());
    }
}

#[test]
fn a_secret_anywhere_in_a_line_of_megabytes_is_found_whatever_the_chunks() {
    let secret = "Authorization: Bearer abcdEFGH1234567890abcdEFGH";
    // Around the places where such a line is cut into pieces.
    for at in [
        (1 << 20) - 1060,
        (1 << 20) - 1030,
        (1 << 20) - 1024,
        (1 << 20) - 20,
        1 << 20,
    ] {
        for filler in ["x ", "xx"] {
            let mut text = filler.repeat(at / 2).into_bytes();
            text.push(b' ');
            text.extend_from_slice(secret.as_bytes());
            text.push(b' ');
            text.extend(filler.repeat(1 << 20).into_bytes());
            text.push(b'\n');
            let (whole, counts) = redact(&text, &[]);
            assert_eq!(counts.of("authorization"), 1, "at {at}");
            assert!(
                !String::from_utf8_lossy(&whole).contains("EFGH1234"),
                "at {at}"
            );
            let cuts: Vec<usize> = (0..300).map(|i| i * 10_007).collect();
            assert!(redact(&text, &cuts).0 == whole, "the chunks show at {at}");
        }
    }
}

#[test]
fn a_secret_longer_than_a_piece_is_swallowed_whole() {
    let mut text = b"token eyJhbGciOiJSUzI1NiJ9.".to_vec();
    text.extend("aB3".repeat(1 << 20).into_bytes());
    text.extend(b" kept\n");
    let (out, _) = redact(&text, &[]);
    let out = String::from_utf8(out).unwrap();
    assert!(!out.contains("aB3aB3"), "{} bytes are left", out.len());
    assert!(out.ends_with(" kept\n") && out.starts_with("token "));
}

#[test]
fn a_line_that_is_one_long_run_of_base64_is_gone_through_once() {
    let mut random = fastrand::Rng::with_seed(8);
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text: Vec<u8> = (0..1 << 20)
        .map(|_| alphabet[random.usize(..alphabet.len())])
        .collect();
    text.push(b'\n');
    assert!(redact(&text, &[]).0 == text, "it holds no secret");
    let text = "token=".repeat(1 << 17) + "\n";
    assert!(redact(text.as_bytes(), &[]).0.len() < 1000);
}
