//! `linkerd-collect pack`, from a folder to a bundle that is read again.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::process::{Command, Output};

use bundle::{Bundle, Limits, Manifest, Outcome};
use serde_json::json;

fn pack(folder: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_linkerd-collect"))
        .current_dir(folder)
        .arg("pack")
        .args(args)
        .output()
        .unwrap()
}

fn open(file: &Path) -> (Bundle, Manifest) {
    let bundle = Bundle::open(file, Limits::default()).unwrap();
    let manifest = bundle.manifest().unwrap();
    (bundle, manifest)
}

fn write(folder: &Path, path: &str, text: &str) {
    let file = folder.join(path);
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(file, text).unwrap();
}

const LOG: &str = "cluster-resources/pods/logs/shop/cart/app.log";

#[test]
fn files_gathered_by_hand_become_a_redacted_bundle_that_names_its_capture_time() {
    let here = tempfile::tempdir().unwrap();
    write(
        here.path(),
        &format!("case/{LOG}"),
        "2026-11-23T00:49:10.5Z password=planted-1 kept\n",
    );
    write(here.path(), "case/notes.txt", "see ticket\n");
    write(
        here.path(),
        "case/secret.yaml",
        "kind: Secret\ndata:\n  a: planted-2\n",
    );
    let output = pack(here.path(), &["case"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(
        stderr.contains("capture time 2026-11-23T00:49:10.5Z: the newest time in the files"),
        "{stderr}"
    );
    let (bundle, manifest) = open(&here.path().join("case.tar.gz"));
    assert_eq!(
        bundle.read(LOG).unwrap(),
        b"2026-11-23T00:49:10.5Z password=[REDACTED:assigned-secret] kept\n"
    );
    assert_eq!(bundle.read("notes.txt").unwrap(), b"see ticket\n");
    assert!(
        !String::from_utf8(bundle.read("secret.yaml").unwrap())
            .unwrap()
            .contains("planted")
    );
    assert_eq!(manifest.redactions.values().sum::<u64>(), 2);
    assert_eq!(
        manifest.captured_at,
        "2026-11-23T00:49:10.5Z".parse().unwrap()
    );
}

#[test]
fn the_ledger_and_the_capture_time_of_an_unpacked_bundle_stay() {
    let here = tempfile::tempdir().unwrap();
    write(here.path(), &format!("in/{LOG}"), "line\n");
    let manifest = json!({
        "format": 1,
        "collector": "somebody 1.0",
        "captured_at": "2026-11-23T00:49:10Z",
        "kubernetes_version": "v1.33.13",
        "redactions": {"jwt": 2},
        "ledger": [
            {"source": "logs", "object": "shop/cart/app", "outcome": "complete", "bytes": 5, "path": LOG},
            {"source": "logs", "object": "shop/cart/gone", "outcome": "complete", "bytes": 5, "path": "gone.log"},
            {"source": "logs", "object": "shop/cart/late", "outcome": "timed_out", "reason": "no answer"},
        ],
    });
    write(here.path(), "in/manifest.json", &manifest.to_string());
    let output = pack(here.path(), &["in", "-o", "out.zip"]);
    assert_eq!(
        output.status.code(),
        Some(3),
        "a file of the ledger is not there"
    );
    let (_, manifest) = open(&here.path().join("out.zip"));
    assert_eq!(
        manifest.captured_at,
        "2026-11-23T00:49:10Z".parse().unwrap()
    );
    assert_eq!(manifest.redactions.get("jwt"), Some(&2));
    assert_eq!(
        manifest.options.get("packed-from"),
        Some(&json!("somebody 1.0"))
    );
    let outcomes: Vec<_> = manifest
        .ledger
        .iter()
        .map(|r| (r.object.as_str(), r.outcome))
        .collect();
    assert_eq!(
        outcomes,
        [
            ("shop/cart/app", Outcome::Complete),
            ("shop/cart/gone", Outcome::Failed),
            ("shop/cart/late", Outcome::TimedOut),
            ("version.yaml", Outcome::Complete),
        ]
    );
}

#[test]
fn the_same_folder_gives_the_same_bytes() {
    let here = tempfile::tempdir().unwrap();
    for i in 0..20 {
        write(
            here.path(),
            &format!("in/{i}/x.log"),
            &"2026-11-23T00:49:10Z line\n".repeat(i),
        );
    }
    let read = |name: &str| {
        assert_eq!(
            pack(here.path(), &["in", "-o", name]).status.code(),
            Some(0)
        );
        std::fs::read(here.path().join(name)).unwrap()
    };
    let first = read("out.tar.gz");
    std::fs::remove_file(here.path().join("out.tar.gz")).unwrap();
    assert!(first == read("out.tar.gz"));
}

#[test]
fn a_folder_that_is_not_there_or_empty_is_named() {
    let here = tempfile::tempdir().unwrap();
    std::fs::create_dir(here.path().join("empty")).unwrap();
    for (folder, message) in [
        ("nowhere", "`nowhere` is no folder"),
        ("empty", "`empty` holds no file"),
    ] {
        let output = pack(here.path(), &[folder]);
        assert_eq!(output.status.code(), Some(2));
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(stderr.contains(message), "{stderr}");
    }
}

#[test]
fn what_cannot_be_redacted_is_left_out_and_said() {
    let here = tempfile::tempdir().unwrap();
    write(here.path(), "in/a.log", "x\n");
    write(here.path(), "in/b.bin", "a\0b");
    let output = pack(here.path(), &["in"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(
        String::from_utf8(output.stderr)
            .unwrap()
            .contains("left out: b.bin: it is binary")
    );
    let (bundle, manifest) = open(&here.path().join("in.tar.gz"));
    assert!(bundle.read("b.bin").is_err());
    let row = manifest
        .ledger
        .iter()
        .find(|r| r.object == "b.bin")
        .unwrap();
    assert_eq!(row.outcome, Outcome::Skipped);
}

#[test]
fn secrets_that_stand_in_two_lines_of_foreign_files_go() {
    let here = tempfile::tempdir().unwrap();
    let time = "2026-11-23T00:49:10.123456789Z";
    let record = |log: &str| json!({"log": log, "stream": "stdout", "time": time}).to_string();
    let files = [
        (
            "pods/shop_cart/app/0.log",
            format!("{time} stdout P password=pla\n{time} stdout F nted-1\n{time} stdout F kept\n"),
        ),
        (
            "containers/0123-json.log",
            [record("password=plan"), record("ted-2\n"), record("kept\n")].join("\n"),
        ),
        (
            "db.tf",
            "variable \"db_password\" {\n  type = string\n  description = \"Authorization: Bearer \
             planted-3\"\n\n  default = \"planted-4\"\n}\n\nvariable \"zone\" {\n  \
             default = \"kept\"\n}\n"
                .to_owned(),
        ),
        (
            "values.yaml",
            "auth:\n  password:\n    planted-5\n  zone: kept\n".to_owned(),
        ),
    ];
    for (path, text) in &files {
        write(here.path(), &format!("in/{path}"), text);
    }
    let output = pack(here.path(), &["in"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let (bundle, _) = open(&here.path().join("in.tar.gz"));
    for (path, _) in &files {
        let text = String::from_utf8(bundle.read(path).unwrap()).unwrap();
        let left = ["planted", "nted-1", "ted-2"];
        assert!(!left.iter().any(|l| text.contains(l)), "{path}: {text}");
        assert!(text.contains("kept"), "{path}: {text}");
    }
}
