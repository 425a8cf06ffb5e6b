//! A bundle that takes entries of another over, and what an unfinished one says of itself.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::path::Path;

use linkerd_bundle::{
    Bundle, BundleWriter, Container, EntryPath, EntryRecord, Form, LedgerRow, Limits, Manifest,
    Outcome, SourceKind, WriterOptions,
};

fn options(name: &str) -> WriterOptions {
    WriterOptions {
        container: Container::TarGz,
        name: name.to_owned(),
        mtime: "2026-11-23T00:00:00Z".parse().unwrap(),
        threads: 2,
    }
}

fn manifest(ledger: Vec<LedgerRow>) -> Manifest {
    Manifest {
        ledger,
        ..Manifest::new("test", "2026-11-23T00:00:00Z".parse().unwrap())
    }
}

fn row(object: &str, outcome: Outcome) -> LedgerRow {
    LedgerRow {
        source: SourceKind::PodLogs,
        object: object.to_owned(),
        outcome,
        reason: None,
        bytes: 0,
        path: None,
        at: None,
        duration_ms: None,
        status: None,
        items: None,
        via: None,
    }
}

/// Some lines that do not compress to nothing.
fn text(seed: u64, bytes: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut text = Vec::new();
    while text.len() < bytes {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        text.extend_from_slice(format!("line {seed} {state:x}\n").as_bytes());
    }
    text
}

/// Entries of all sizes: small ones that share a member, and large ones of several blocks.
fn entries() -> Vec<(EntryPath, Vec<u8>)> {
    let sizes = [
        10,
        0,
        3_000_000,
        50,
        700_000,
        700_000,
        20,
        1 << 20,
        5,
        2_500_000,
    ];
    let entries = (0u64..).zip(sizes);
    let entries = entries.map(|(i, size)| {
        let path = EntryPath::parse(format!("a/{i}.log")).unwrap();
        (path, text(i + 1, size))
    });
    entries.collect()
}

fn write(file: &Path, entries: &[(EntryPath, Vec<u8>)]) {
    let mut writer = BundleWriter::create(file, options("top")).unwrap();
    for (path, bytes) in entries {
        writer
            .append(path, bytes.len() as u64, &mut bytes.as_slice())
            .unwrap();
    }
    writer.finish(manifest(Vec::new())).unwrap();
}

#[test]
fn entries_are_copied_as_they_are_and_read_back_whatever_is_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = (
        folder.path().join("old.tar.gz"),
        folder.path().join("new.tar.gz"),
    );
    let all = entries();
    write(&old, &all);
    let from = Bundle::open(&old, Limits::default()).unwrap();
    let records = from.manifest().unwrap().entries;
    let mut copied_at_all = 0;
    for dropped in 0..=all.len() {
        let wanted = all.iter().enumerate().filter(|(i, _)| *i != dropped);
        let wanted: Vec<&EntryPath> = wanted.map(|(_, (path, _))| path).collect();
        let known: BTreeMap<EntryPath, EntryRecord> = records
            .iter()
            .filter(|r| wanted.contains(&&r.path))
            .map(|r| (r.path.clone(), r.clone()))
            .collect();
        let mut writer = BundleWriter::create(&new, options("top")).unwrap();
        let first = EntryPath::parse("first.txt").unwrap();
        writer.append(&first, 2, &mut b"x\n".as_slice()).unwrap();
        let copied = writer.keep(&from, &known).unwrap();
        copied_at_all += copied.len();
        for (path, bytes) in all
            .iter()
            .filter(|(p, _)| wanted.contains(&p) && !copied.contains(p))
        {
            writer
                .append(path, bytes.len() as u64, &mut bytes.as_slice())
                .unwrap();
        }
        writer.finish(manifest(Vec::new())).unwrap();
        let bundle = Bundle::open(&new, Limits::default()).unwrap();
        assert_eq!(bundle.form(), Form::IndexedTarGz);
        let again = bundle.manifest().unwrap().entries;
        for (i, (path, bytes)) in all.iter().enumerate() {
            let read = bundle.read(path.as_str());
            assert_eq!(
                read.ok().as_ref(),
                (i != dropped).then_some(bytes),
                "{path}"
            );
            let record = again.iter().find(|r| r.path == *path);
            let before = records.iter().find(|r| r.path == *path);
            assert_eq!(record, before.filter(|_| i != dropped));
        }
        in_the_stream_too(&new, &all, dropped);
    }
    assert!(copied_at_all > all.len() * all.len() / 2, "{copied_at_all}");
}

/// What an ordinary tar makes of it.
fn in_the_stream_too(file: &Path, all: &[(EntryPath, Vec<u8>)], dropped: usize) {
    let gz = flate2::read::MultiGzDecoder::new(std::fs::File::open(file).unwrap());
    let mut archive = tar::Archive::new(gz);
    let mut found = BTreeMap::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().to_string_lossy().into_owned();
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut entry, &mut bytes).unwrap();
        assert!(found.insert(path, bytes).is_none());
    }
    for (i, (path, bytes)) in all.iter().enumerate() {
        let there = found.get(&format!("top/{path}"));
        assert_eq!(there, (i != dropped).then_some(bytes), "{path}");
    }
}

#[test]
fn nothing_is_copied_under_another_name_or_into_another_form() {
    let folder = tempfile::tempdir().unwrap();
    let old = folder.path().join("old.tar.gz");
    write(&old, &entries());
    let from = Bundle::open(&old, Limits::default()).unwrap();
    let records = from.manifest().unwrap().entries.into_iter();
    let known: BTreeMap<_, _> = records.map(|r| (r.path.clone(), r)).collect();
    let zip = WriterOptions {
        container: Container::Zip,
        ..options("top")
    };
    for options in [options("other"), zip] {
        let mut writer = BundleWriter::create(&folder.path().join("new"), options).unwrap();
        assert!(writer.keep(&from, &known).unwrap().is_empty());
    }
}

#[test]
fn a_bundle_that_was_never_finished_says_what_had_ended_and_what_was_planned() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("new.tar.gz");
    let mut writer = BundleWriter::create(&file, options("top")).unwrap();
    let planned = ["a", "b", "c"].map(|o| row(o, Outcome::Skipped));
    let ended = vec![row("a", Outcome::Complete), row("b", Outcome::TimedOut)];
    for (number, ledger) in [
        (0, planned.to_vec()),
        (1, ended),
        (2, vec![row("b", Outcome::Complete)]),
    ] {
        let path = EntryPath::parse(format!("collector/checkpoint.{number}.json")).unwrap();
        let json = serde_json::to_vec(&manifest(ledger)).unwrap();
        writer
            .append(&path, json.len() as u64, &mut json.as_slice())
            .unwrap();
        writer.flush().unwrap();
    }
    // Killed here.
    std::mem::forget(writer);
    let partial = folder.path().join("new.tar.gz.partial");
    let bundle = Bundle::open(&partial, Limits::default()).unwrap();
    assert_eq!(bundle.manifest(), None);
    let manifest = bundle.unfinished_manifest().unwrap();
    let ledger: Vec<_> = manifest
        .ledger
        .iter()
        .map(|r| (r.object.as_str(), r.outcome))
        .collect();
    let expected = [
        ("a", Outcome::Complete),
        ("b", Outcome::Complete),
        ("c", Outcome::Skipped),
    ];
    assert_eq!(ledger, expected);
}
