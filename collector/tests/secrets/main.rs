//! A corpus of planted secrets: every kind in every position, with evidence around it that must
//! come out as it went in. Values are drawn at random; the prefixes here are no secrets.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod dress;
mod evidence;
mod named;
mod notations;
mod plant;
mod scanners;
mod tokens;
mod vendors;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use linkerd_collect::redact::{Counts, TextRedactor, object};
use serde_json::json;

use evidence::{CERTIFICATE, EVIDENCE};
use plant::planted;

fn redact(text: &str, chunk: usize) -> (String, Counts) {
    let (out, counts) = redact_bytes(text.as_bytes(), chunk);
    (String::from_utf8(out).unwrap(), counts)
}

fn redact_bytes(text: &[u8], chunk: usize) -> (Vec<u8>, Counts) {
    let mut redactor = TextRedactor::default();
    let mut out = Vec::new();
    for chunk in text.chunks(chunk) {
        redactor.push(chunk, &mut out);
    }
    let counts = redactor.finish(&mut out);
    (out, counts)
}

/// Where the secret is put. What comes back is the text, and further texts that must go.
type Position = fn(&str) -> String;

const POSITIONS: &[(&str, Position)] = &[
    ("at the start", |s| format!("{s} after it\n")),
    ("at the end", |s| {
        format!("2026-11-23T00:49:10.1Z before it {s}")
    }),
    ("alone", |s| format!("{s}\n")),
    ("in the middle of lines", |s| {
        format!(
            "{}panic: {s}\n  at main.go:12\n{}",
            EVIDENCE[0], EVIDENCE[2]
        )
    }),
    ("in a JSON string", |s| {
        format!(
            "{}\n",
            json!({"level": "info", "msg": format!("got {s} from upstream"), "port": 4191})
        )
    }),
    ("behind a written line break", |s| {
        json!({"msg": format!("got\n{s}\n\tat main.go:12")}).to_string() + "\n"
    }),
    ("in a colour", |s| format!("\u{1b}[32m{s}\u{1b}[0m\n")),
    ("in JSON within JSON", |s| {
        json!({"log": json!({"msg": format!("got {s}")}).to_string()}).to_string() + "\n"
    }),
];

fn assert_none(leaks: &[String]) {
    assert!(
        leaks.is_empty(),
        "{} leaks:\n{}",
        leaks.len(),
        leaks.join("\n")
    );
}

#[test]
fn no_kind_is_left_in_any_position_and_evidence_stays() {
    let evidence = EVIDENCE.concat() + CERTIFICATE;
    let mut random = fastrand::Rng::with_seed(4711);
    let mut leaks = Vec::new();
    for planted in planted(&mut random) {
        for (position, put) in POSITIONS {
            let text = format!("{evidence}{}\n{evidence}", put(&planted.text));
            let (out, _) = redact(&text, usize::MAX);
            let middle = out.get(evidence.len()..out.len() - evidence.len());
            let left = planted.left(&out);
            leaks.extend(left.map(|l| format!("{} {position}: `{l}` in {middle:?}", planted.name)));
            assert!(
                out.starts_with(&evidence),
                "{} {position}: damage\n{out}",
                planted.name
            );
            assert!(
                out.ends_with(&evidence),
                "{} {position}: damage\n{out}",
                planted.name
            );
            for chunk in [1, 7, 64] {
                assert_eq!(redact(&text, chunk).0, out, "{} {position}", planted.name);
            }
        }
    }
    assert_none(&leaks);
}

#[test]
fn no_kind_is_left_in_base64_once_or_twice() {
    let mut random = fastrand::Rng::with_seed(815);
    let mut leaks = Vec::new();
    for planted in planted(&mut random) {
        let once = STANDARD.encode(&planted.text);
        let twice = STANDARD.encode(&once);
        let behind = STANDARD.encode(format!("config:\n  {}\n", planted.text));
        for (position, encoded) in [
            ("base64", once),
            ("base64 twice", twice),
            ("base64 of a file", behind),
        ] {
            for text in [
                format!("data: {encoded}\n"),
                format!("{{\"data\":\"{encoded}\"}}\n"),
                format!("x={encoded}"),
            ] {
                let (out, _) = redact(&text, 5);
                let middle = &encoded[..encoded.len().min(40)];
                if out.contains(middle) {
                    leaks.push(format!("{} {position}: {out}", planted.name));
                }
            }
        }
    }
    assert_none(&leaks);
}

#[test]
fn no_kind_is_left_across_the_border_of_a_block() {
    let mut random = fastrand::Rng::with_seed(99);
    let mut leaks = Vec::new();
    for planted in planted(&mut random) {
        let line = json!(planted.text).to_string();
        for back in [line.len() / 2, 1024 + line.len() / 2] {
            let (before, after) = ("word ".repeat(((1 << 20) - back) / 5), "word ".repeat(4000));
            let (out, _) = redact(&format!("{before} {line} {after}"), 61_001);
            let left = planted.left(&out);
            leaks.extend(left.map(|l| format!("{} {back} back: {l}", planted.name)));
            assert!(
                out.starts_with(&before) && out.ends_with(&after),
                "{}",
                planted.name
            );
        }
    }
    assert_none(&leaks);
}

#[test]
fn no_kind_is_left_in_an_object() {
    let mut random = fastrand::Rng::with_seed(7);
    let mut leaks = Vec::new();
    for planted in planted(&mut random) {
        let mut pod = json!({
            "kind": "Pod",
            "metadata": {"name": "web-5f6b9c7d8-x2z4q", "uid": "6f1b1f6e-8a3e-4f43-a7b8-58a3a4b5c6d7",
                "annotations": {"note": planted.text, "linkerd.io/inject": "enabled"}},
            "spec": {"containers": [{
                "args": ["serve", planted.text],
                "env": [{"name": "X", "value": planted.text}, {"name": "IP", "value": "10.1.2.3"}],
            }]},
            "status": {"message": planted.text},
        });
        let mut counts = Counts::default();
        object::redact(&mut pod, &mut counts);
        let text = pod.to_string();
        let left = planted.left(&text);
        leaks.extend(left.map(|l| format!("{}: `{l}` in {text}", planted.name)));
        for kept in [
            "web-5f6b9c7d8-x2z4q",
            "6f1b1f6e-8a3e-4f43-a7b8-58a3a4b5c6d7",
            "10.1.2.3",
            "enabled",
        ] {
            assert!(text.contains(kept), "{}: {text}", planted.name);
        }
    }
    assert_none(&leaks);
}

#[test]
fn no_kind_is_left_whatever_is_drawn() {
    let mut leaks = Vec::new();
    for seed in 0..30 {
        let mut random = fastrand::Rng::with_seed(seed);
        for planted in planted(&mut random) {
            for (position, put) in POSITIONS {
                let (out, _) = redact(&put(&planted.text), 4096);
                let left = planted.left(&out);
                leaks.extend(left.map(|l| format!("{} {position}: `{l}` in {out}", planted.name)));
            }
        }
    }
    assert_none(&leaks);
}
