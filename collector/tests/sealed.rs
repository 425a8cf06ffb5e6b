//! Encrypted bundles: written by `redact`, read by whoever has the key, and by nobody else.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may fail loudly and says what it skips"
)]

mod support;

use std::path::Path;

use bundle::{Bundle, Identity, Limits};
use clap::Parser;
use linkerd_collect::args::Cli;
use linkerd_collect::exit::ExitStatus;
use support::key_file;

fn redact(args: &[&str]) -> ExitStatus {
    let all = ["linkerd-collect", "redact", "-q"].iter().chain(args);
    linkerd_collect::main(Cli::try_parse_from(all).unwrap())
}

#[test]
fn an_encrypted_bundle_opens_with_its_key_only_and_holds_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (key, other) = (at("key.txt"), at("other.txt"));
    let (to, also) = (key_file(Path::new(&key)), key_file(Path::new(&other)));
    let recording = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../testdata/recordings/healthy.tar.gz"
    );
    for name in ["a.tar.gz.age", "a.zip.age"] {
        let sealed = at(name);
        let status = redact(&[
            recording,
            "--encrypt-to",
            &to,
            "--encrypt-to",
            &also,
            "-o",
            &sealed,
        ]);
        assert_eq!(status, ExitStatus::Complete);
        let bytes = std::fs::read(&sealed).unwrap();
        assert!(bytes.starts_with(b"age-encryption.org/v1\n"));
        let error = Bundle::open(Path::new(&sealed), Limits::default())
            .unwrap_err()
            .to_string();
        assert!(error.contains("--identity FILE"), "{error}");
        let stranger = at("stranger.txt");
        key_file(Path::new(&stranger));
        let stranger = Identity::read(Path::new(&stranger)).unwrap();
        let error = Bundle::open_with(Path::new(&sealed), Limits::default(), &stranger);
        assert!(error.unwrap_err().to_string().contains("other keys"));
        for key in [&key, &other] {
            let keys = Identity::read(Path::new(key)).unwrap();
            let opened = Bundle::open_with(Path::new(&sealed), Limits::default(), &keys).unwrap();
            let plain = Bundle::open(Path::new(recording), Limits::default()).unwrap();
            assert_eq!(opened.entries().len(), plain.entries().len());
            let log = plain
                .entries()
                .iter()
                .find(|e| e.path.file_name().ends_with(".log"))
                .unwrap();
            let path = log.path.as_str();
            assert_eq!(opened.read(path).unwrap(), plain.read(path).unwrap());
        }
        // Nothing but the bundle and the keys is there.
        assert!(!Path::new(&format!("{sealed}.partial")).exists());
    }
}

#[test]
fn an_encrypted_bundle_is_looked_at_too_and_fails_closed() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let to = key_file(Path::new(&at("key.txt")));
    // The proxy's own variables are no secrets to redaction; the last look does not know that.
    std::fs::write(
        at("x.log"),
        "one\nLINKERD2_PROXY_ACCESS_TOKEN=abcd1234efgh\n",
    )
    .unwrap();
    let sealed = at("x.tar.gz.age");
    let status = redact(&[&at("x.log"), "--encrypt-to", &to, "-o", &sealed]);
    assert_eq!(status, ExitStatus::NoBundle);
    assert!(!Path::new(&sealed).exists());
    assert!(Path::new(&format!("{sealed}.rejected")).exists());
    let status = redact(&[&at("x.log"), "--allow-unverified", "-o", &at("x.tar.gz")]);
    assert_eq!(status, ExitStatus::Complete);
}

#[test]
fn a_damaged_or_cut_file_is_told_and_not_read_as_if_whole() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let key = at("key.txt");
    let to = key_file(Path::new(&key));
    let keys = Identity::read(Path::new(&key)).unwrap();
    let recording = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../testdata/recordings/healthy.tar.gz"
    );
    let sealed = at("a.tar.gz.age");
    assert_eq!(
        redact(&[recording, "--encrypt-to", &to, "-o", &sealed]),
        ExitStatus::Complete
    );
    let bytes = std::fs::read(&sealed).unwrap();
    for (name, len) in [
        ("cut", bytes.len() - 70_000),
        ("header", 60),
        ("start", 400),
    ] {
        let file = at(name);
        std::fs::write(&file, bytes.get(..len).unwrap()).unwrap();
        let opened = Bundle::open_with(Path::new(&file), Limits::default(), &keys);
        assert!(
            opened.is_err() || opened.unwrap().manifest().is_none(),
            "{name}"
        );
    }
    let mut flipped = bytes.clone();
    *flipped.get_mut(bytes.len() - 100).unwrap() ^= 1;
    std::fs::write(at("flipped"), flipped).unwrap();
    let opened = Bundle::open_with(Path::new(&at("flipped")), Limits::default(), &keys);
    assert!(opened.is_err() || opened.unwrap().manifest().is_none());
}

#[test]
fn the_age_program_reads_ours_and_we_read_its() {
    let works = std::process::Command::new("age").arg("--version").output();
    if works.is_err() {
        println!("skipped: `age` is not on the PATH");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let key = at("key.txt");
    let to = key_file(Path::new(&key));
    let age = |args: &[&str]| {
        let status = std::process::Command::new("age").args(args).status();
        assert!(status.unwrap().success(), "age {args:?}");
    };
    let recording = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../testdata/recordings/healthy.tar.gz"
    );
    let (ours, plain, theirs) = (at("ours.tar.gz.age"), at("plain.tar.gz"), at("theirs.age"));
    assert_eq!(
        redact(&[recording, "--encrypt-to", &to, "-o", &ours]),
        ExitStatus::Complete
    );
    age(&["--decrypt", "-i", &key, "-o", &plain, &ours]);
    let plain = Bundle::open(Path::new(&plain), Limits::default()).unwrap();
    age(&["-r", &to, "-o", &theirs, recording]);
    let keys = Identity::read(Path::new(&key)).unwrap();
    let theirs = Bundle::open_with(Path::new(&theirs), Limits::default(), &keys).unwrap();
    assert_eq!(theirs.entries().len(), plain.entries().len());
    assert!(plain.manifest().is_some() && theirs.manifest().is_some());
}
