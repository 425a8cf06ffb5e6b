//! Bundles that were not finished or lack something, and how they are topped up.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bundle::{Bundle, Identity, Limits, Outcome};
use serde_json::json;
use support::{Asked, Reply, Run, Server, command, list, pod, wait_until};

/// A cluster of three pods, of which one does not answer until it is well again.
struct Sick {
    server: Server,
    is_well: Arc<AtomicBool>,
}

fn sick(fault: impl Fn(&Asked) -> Option<Reply> + Send + Sync + 'static) -> Sick {
    let is_well = Arc::new(AtomicBool::new(false));
    let well = Arc::clone(&is_well);
    let server = Server::start(move |asked| {
        if !well.load(Ordering::Relaxed)
            && let Some(reply) = fault(asked)
        {
            return Some(reply);
        }
        let path = asked.path.as_str();
        match path {
            "/api/v1/pods" => {
                let pods = ["cart", "db", "web"].map(|name| pod("shop", name));
                Some(Reply::Json(200, list(&pods)))
            }
            "/apis" => Some(Reply::Json(
                200,
                json!({"groups": [{
                    "name": "policy.linkerd.io",
                    "versions": [{"groupVersion": "policy.linkerd.io/v1"}],
                }]}),
            )),
            "/apis/policy.linkerd.io/v1" => Some(Reply::Json(
                200,
                json!({
                    "groupVersion": "policy.linkerd.io/v1",
                    "resources": [{"name": "servers", "kind": "Server", "namespaced": true, "verbs": ["list"]}],
                }),
            )),
            _ => path.ends_with("/log").then(|| Reply::Text(log(path))),
        }
    });
    Sick { server, is_well }
}

fn log(path: &str) -> String {
    let lines: Vec<String> = (0..20_000)
        .map(|i| format!("2026-11-23T00:00:00Z {path} {i}\n"))
        .collect();
    lines.concat()
}

impl Sick {
    fn run(&self, folder: tempfile::TempDir, args: &[&str]) -> Run {
        let output = command(&self.server.address, folder.path(), args)
            .output()
            .unwrap();
        Run { output, folder }
    }

    fn heal(&self) -> usize {
        self.is_well.store(true, Ordering::Relaxed);
        self.server.asked().len()
    }

    /// Paths that were asked for since.
    fn asked_since(&self, before: usize) -> Vec<String> {
        let asked = self.server.asked();
        asked.iter().skip(before).map(|a| a.path.clone()).collect()
    }
}

const WEB: &str = "cluster-resources/pods/logs/shop/web/app.log";

#[test]
fn what_is_missing_is_asked_for_again_and_nothing_else() {
    for format in ["tar.gz", "zip"] {
        let sick = sick(|asked| match asked.path.as_str() {
            "/api/v1/namespaces/shop/pods/web/log" => Some(Reply::Silence),
            "/api/v1/events" => Some(Reply::Json(500, support::status(500, "broken"))),
            _ => None,
        });
        let out = format!("out.{format}");
        let args = ["-o", &out, "--no-port-forward", "--item-timeout", "1s"];
        let run = sick.run(tempfile::tempdir().unwrap(), &args);
        assert_eq!(run.code(), 3);
        let open =
            |run: &Run| Bundle::open(&run.folder.path().join(&out), Limits::default()).unwrap();
        let before = open(&run).manifest().unwrap();
        let asked = sick.heal();
        let args = ["--resume", &out, "--no-port-forward"];
        let run = sick.run(run.folder, &args);
        assert_eq!(run.code(), 0, "{}", run.stderr());
        let asked = sick.asked_since(asked);
        let logs = asked.iter().filter(|p| p.ends_with("/log"));
        assert!(logs.clone().all(|p| p.contains("/web/")), "{asked:?}");
        assert_eq!(logs.count(), 2);
        assert!(
            !asked
                .iter()
                .any(|p| p.ends_with("/pods") || p.contains("selfsubjectrules"))
        );
        assert!(asked.contains(&"/api/v1/events".to_owned()));
        let bundle = open(&run);
        let after = bundle.manifest().unwrap();
        assert_eq!(after.captured_at, before.captured_at);
        assert_eq!(after.options.get("resume"), Some(&json!(true)));
        let whole = bundle.read(WEB).unwrap();
        assert_eq!(
            whole,
            log("/api/v1/namespaces/shop/pods/web/log").into_bytes()
        );
        same_where_complete(&before, &after);
        assert_eq!(left(run.folder.path()), 2, "kubeconfig and bundle");
    }
}

#[test]
fn an_encrypted_bundle_is_topped_up_with_its_key_and_stays_encrypted() {
    let sick = sick(|asked| {
        (asked.path == "/api/v1/namespaces/shop/pods/web/log").then_some(Reply::Silence)
    });
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("key.txt");
    let to = support::key_file(&key);
    let identities = Identity::read(&key).unwrap();
    let args = [
        "-o",
        "out.tar.gz.age",
        "--no-port-forward",
        "--encrypt-to",
        &to,
    ];
    let run = sick.run(folder, &[&args[..], &["--item-timeout", "1s"]].concat());
    assert_eq!(run.code(), 3, "{}", run.stderr());
    sick.heal();
    let refused = |folder, more: &[&str], says: &str| {
        let args = [&["--resume", "out.tar.gz.age", "--no-port-forward"], more].concat();
        let run = sick.run(folder, &args);
        assert!(
            run.code() == 2 && run.stderr().contains(says),
            "{}",
            run.stderr()
        );
        run.folder
    };
    let folder = refused(run.folder, &[], "`--identity FILE`");
    let folder = refused(folder, &["--identity", "key.txt"], "`--encrypt-to age1...`");
    let args = ["--resume", "out.tar.gz.age", "--no-port-forward"];
    let keys = ["--identity", "key.txt", "--encrypt-to", &to];
    let run = sick.run(folder, &[&args[..], &keys].concat());
    assert_eq!(run.code(), 0, "{}", run.stderr());
    let file = run.folder.path().join("out.tar.gz.age");
    assert!(Bundle::is_encrypted(&file).unwrap());
    let bundle = Bundle::open_with(&file, Limits::default(), &identities).unwrap();
    let whole = bundle.read(WEB).unwrap();
    assert_eq!(
        whole,
        log("/api/v1/namespaces/shop/pods/web/log").into_bytes()
    );
    assert_eq!(left(run.folder.path()), 3, "kubeconfig, key and bundle");
}

/// Rows that were complete are still there, with their bytes.
fn same_where_complete(before: &bundle::Manifest, after: &bundle::Manifest) {
    let complete = before
        .ledger
        .iter()
        .filter(|r| r.outcome == Outcome::Complete);
    for row in complete.filter(|r| r.object != "collector/log.ndjson") {
        assert!(after.ledger.contains(row), "{row:?}");
        let hash = |m: &bundle::Manifest| {
            let record = m
                .entries
                .iter()
                .find(|e| Some(&e.path) == row.path.as_ref());
            record.unwrap().sha256.clone()
        };
        assert_eq!(hash(before), hash(after), "{row:?}");
    }
    let mut seen = std::collections::BTreeSet::new();
    let once = after
        .ledger
        .iter()
        .all(|r| seen.insert((r.source, r.object.clone())));
    assert!(once, "two rows for one item");
}

fn left(folder: &Path) -> usize {
    std::fs::read_dir(folder).unwrap().count()
}

#[cfg(unix)]
fn what_it_says_stays_when_it_is_redacted(unfinished: &Path) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("redacted.tar.gz");
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_linkerd-collect"))
        .args(["redact", "-q", "--anonymize", "-o"])
        .args([&file, unfinished])
        .output()
        .unwrap();
    let bundle =
        Bundle::open(&file, Limits::default()).unwrap_or_else(|e| panic!("{e} {output:?}"));
    let ledger = bundle.manifest().unwrap().ledger;
    let skipped = |r: &&bundle::LedgerRow| r.outcome == Outcome::Skipped;
    assert!(
        ledger
            .iter()
            .filter(skipped)
            .any(|r| r.object.ends_with("/web/app"))
    );
    assert!(
        ledger.iter().all(|r| !r.object.contains("shop")),
        "{ledger:?}"
    );
    without_names(&bundle);
}

/// There are neither checkpoints nor names.
fn without_names(bundle: &Bundle) {
    for entry in bundle.entries() {
        let path = entry.path.as_str();
        assert!(
            !path.contains("checkpoint") && !path.contains("shop"),
            "{path}"
        );
        let text = String::from_utf8(bundle.read(path).unwrap()).unwrap();
        assert!(!text.contains("shop"), "{path}: {text}");
    }
}

#[test]
fn what_is_encrypted_or_has_no_names_is_not_topped_up() {
    let sick = sick(|_| None);
    let hrp = bech32::Hrp::parse("age").unwrap();
    let recipient = bech32::encode::<bech32::Bech32>(hrp, &[9; 32]).unwrap();
    for (protect, why) in [
        (vec!["--anonymize"], "has tokens in the place of names"),
        (vec!["--encrypt-to", &recipient], "is encrypted"),
    ] {
        let args = [&["--no-port-forward"][..], &protect].concat();
        let run = sick.run(tempfile::tempdir().unwrap(), &args);
        assert_eq!(run.code(), 0, "{}", run.stderr());
        let file = run.folder.path().join("out.tar.gz");
        if let Ok(bundle) = Bundle::open(&file, Limits::default()) {
            without_names(&bundle);
        }
        let before = std::fs::read(&file).unwrap();
        let run = sick.run(run.folder, &["--resume", "out.tar.gz"]);
        assert_eq!(run.code(), 2);
        assert!(run.stderr().contains(why), "{}", run.stderr());
        assert_eq!(std::fs::read(&file).unwrap(), before);
    }
}

#[cfg(unix)]
#[test]
fn a_killed_collector_leaves_a_file_that_opens_says_what_is_missing_and_is_topped_up() {
    let sick = sick(|asked| {
        (asked.path == "/api/v1/namespaces/shop/pods/web/log").then_some(Reply::Silence)
    });
    let folder = tempfile::tempdir().unwrap();
    let mut child = command(&sick.server.address, folder.path(), &["--no-port-forward"])
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let partial = folder.path().join("out.tar.gz.partial");
    let says = || {
        let bundle = Bundle::open(&partial, Limits::default()).ok()?;
        bundle.unfinished_manifest()
    };
    wait_until(|| says().is_some_and(|m| m.ledger.iter().any(|r| r.object == "pods/shop")));
    child.kill().unwrap();
    child.wait().unwrap();
    let manifest = says().unwrap();
    let outcome = |object: &str| {
        let row = manifest.ledger.iter().find(|r| r.object == object);
        row.unwrap_or_else(|| panic!("no row for {object}")).outcome
    };
    assert_eq!(outcome("pods/shop"), Outcome::Complete);
    assert_eq!(outcome("shop/web/app"), Outcome::Skipped);
    what_it_says_stays_when_it_is_redacted(&partial);
    sick.heal();
    let args = ["--resume", "out.tar.gz.partial", "--no-port-forward"];
    let run = sick.run(folder, &args);
    assert_eq!(run.code(), 0, "{}", run.stderr());
    assert_eq!(run.outcome("shop/web/app").0, Outcome::Complete);
    let pods = run.entry("cluster-resources/pods/shop.json");
    assert!(pods.contains("\"cart\"") && pods.contains("\"web\""));
    assert_eq!(left(run.folder.path()), 2, "kubeconfig and bundle");
}

#[test]
fn a_bundle_that_does_not_say_what_is_missing_is_not_topped_up() {
    let sick = sick(|_| None);
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("x.tar.gz"), "no bundle\n").unwrap();
    let run = sick.run(folder, &["--resume", "x.tar.gz"]);
    assert_eq!(run.code(), 2);
    assert!(
        run.stderr().contains("collect anew, without `--resume`"),
        "{}",
        run.stderr()
    );
    let text = std::fs::read_to_string(run.folder.path().join("x.tar.gz")).unwrap();
    assert_eq!(text, "no bundle\n");
}
