//! The same secrets in other dress: encoded, wrapped, packed, in another width of letters.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use linkerd_collect::redact::{Counts, object};
use serde_json::json;

use crate::evidence::EVIDENCE;
use crate::plant::{Planted, fill, planted};
use crate::{assert_none, redact, redact_bytes, tokens};

/// How a text is dressed; a part of what comes out must not be seen.
type Dress = fn(&str) -> String;

const DRESSES: &[(&str, Dress)] = &[
    ("base64 for URLs", |s| {
        URL_SAFE_NO_PAD.encode(format!("config {s}\n"))
    }),
    ("base64 three times", |s| {
        STANDARD.encode(STANDARD.encode(STANDARD.encode(s)))
    }),
    ("base64 of JSON in JSON in base64", |s| {
        let inner = json!({"data": STANDARD.encode(json!({"msg": s}).to_string())});
        STANDARD.encode(json!({"log": inner.to_string()}).to_string())
    }),
    ("gzip in base64", |s| STANDARD.encode(gzip(s))),
    ("a packed Helm release", |s| {
        STANDARD.encode(STANDARD.encode(gzip(&json!({"config": s}).to_string())))
    }),
    ("base64 with percent signs", |s| {
        STANDARD.encode(format!("config {s}\n")).replace('=', "%3D")
    }),
];

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(6));
    std::io::Write::write_all(&mut encoder, text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn no_kind_is_left_in_any_dress() {
    let mut random = fastrand::Rng::with_seed(2718);
    let mut leaks = Vec::new();
    for planted in planted(&mut random) {
        for (name, dress) in DRESSES {
            let dressed = dress(&planted.text);
            for text in [
                format!("{}data: {dressed}\n{}", EVIDENCE[0], EVIDENCE[1]),
                json!({"msg": format!("got\n{dressed}\n")}).to_string(),
                format!("GET /x?state={dressed}&y=1\n"),
            ] {
                let (out, _) = redact(&text, 4096);
                let part = &dressed[dressed.len() / 2..dressed.len() / 2 + 12];
                if out.contains(part) {
                    leaks.push(format!("{} as {name}: {out}", planted.name));
                }
            }
        }
    }
    assert_none(&leaks);
}

/// The lines of base64 that programs print, each perhaps with what stands before it.
fn wrapped(text: &str, columns: usize, before: &str) -> Vec<String> {
    let encoded = STANDARD.encode(text);
    let lines = encoded.as_bytes().chunks(columns);
    lines
        .map(|l| format!("{before}{}", String::from_utf8_lossy(l)))
        .collect()
}

#[test]
fn a_file_in_wrapped_base64_goes_with_all_its_lines_wherever_its_secret_is() {
    let mut random = fastrand::Rng::with_seed(31);
    let mut leaks = Vec::new();
    for planted in planted(&mut random) {
        let file = format!("# settings of the shop\nname: shop\n\n{}\n", planted.text);
        for (columns, before) in [(64, ""), (76, ""), (76, "2026-11-23T00:49:10.123456789Z ")] {
            let lines = wrapped(&file, columns, before);
            let text = format!("cat x | base64\n{}\nlevel=info done\n", lines.join("\n"));
            for chunk in [13, 4096] {
                let (out, _) = redact(&text, chunk);
                let left = lines.iter().find(|line| out.contains(line.as_str()));
                leaks.extend(left.map(|l| format!("{} at {columns}: `{l}`", planted.name)));
                assert!(out.ends_with("\nlevel=info done\n"), "{out}");
            }
        }
    }
    assert_none(&leaks);
}

#[test]
fn a_certificate_in_wrapped_base64_stays_and_the_key_behind_it_goes() {
    let mut random = fastrand::Rng::with_seed(3);
    let key = fill("key", tokens::KINDS[1].1, &mut random);
    let certificate = crate::evidence::CERTIFICATE;
    let lines = wrapped(&certificate.repeat(2), 64, "");
    let text = format!("{}\nlevel=info done\n", lines.join("\n"));
    assert_eq!(redact(&text, 7).0, text);
    let lines = wrapped(&format!("{certificate}{}\n", key.text), 64, "");
    let (out, _) = redact(&format!("{}\nlevel=info done\n", lines.join("\n")), 7);
    assert!(
        out.starts_with(&lines[0]) && out.ends_with("done\n"),
        "{out}"
    );
    let last = &lines[lines.len() - 4..];
    assert!(
        last.iter().all(|line| !out.contains(line.as_str())),
        "{out}"
    );
}

fn wide(text: &str, is_big_endian: bool) -> Vec<u8> {
    let unit = |unit: u16| {
        if is_big_endian {
            unit.to_be_bytes()
        } else {
            unit.to_le_bytes()
        }
    };
    text.encode_utf16().flat_map(unit).collect()
}

#[test]
fn no_kind_is_left_in_utf_16_and_lines_without_a_secret_stay_as_they_are() {
    let mut random = fastrand::Rng::with_seed(16);
    let mut leaks = Vec::new();
    for planted in planted(&mut random) {
        for is_big_endian in [false, true] {
            let text = format!("first\ngot {}\nthe last\n", planted.text);
            let out = redact_bytes(&wide(&text, is_big_endian), 11).0;
            let narrow: Vec<u8> = out.iter().copied().filter(|b| *b != 0).collect();
            let narrow = String::from_utf8_lossy(&narrow);
            leaks.extend(
                planted
                    .left(&narrow)
                    .map(|l| format!("{}: {l}", planted.name)),
            );
            let (first, last) = (
                wide("first", is_big_endian),
                wide("the last", is_big_endian),
            );
            assert!(out.starts_with(&first), "{narrow}");
            assert!(memchr::memmem::find(&out, &last).is_some(), "{narrow}");
        }
    }
    assert_none(&leaks);
}

#[test]
fn tokens_go_from_labels_keys_and_names_of_fields() {
    let mut random = fastrand::Rng::with_seed(12);
    let mut leaks = Vec::new();
    let kinds = [
        "github classic",
        "stripe",
        "npm",
        "aws access key",
        "gitlab pat",
    ];
    let all: Vec<Planted> = planted(&mut random);
    for planted in all.iter().filter(|p| kinds.contains(&p.name)) {
        let token = planted.text.as_str();
        let mut object = json!({
            "kind": "ConfigMap",
            "metadata": {
                "name": "coredns", "namespace": "kube-system",
                "labels": {"app": "coredns", "token": token, token: "x"},
                "annotations": {token: "x", "linkerd.io/inject": "enabled"},
            },
            "data": {token: "x", "Corefile": ".:53 {\n  errors\n}\n"},
        });
        object::redact(&mut object, &mut Counts::default());
        let text = object.to_string();
        leaks.extend(
            planted
                .left(&text)
                .map(|l| format!("{}: `{l}` in {text}", planted.name)),
        );
        for kept in ["\"app\":\"coredns\"", "linkerd.io/inject", "Corefile"] {
            assert!(text.contains(kept), "{text}");
        }
    }
    assert_none(&leaks);
}
