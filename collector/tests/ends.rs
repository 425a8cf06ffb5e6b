//! How the collector ends: without a cluster, too late, interrupted.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use bundle::{LedgerRow, Outcome, SourceKind};
use support::{Reply, Run, Server, collect, command, list, pod, status, wait_until};

fn failing(args: &[&str]) -> (i32, String) {
    let folder = tempfile::tempdir().unwrap();
    let output = command("127.0.0.1:1", folder.path(), args)
        .output()
        .unwrap();
    let left = std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(left, 1, "something besides the kubeconfig was left behind");
    let stderr = String::from_utf8(output.stderr).unwrap();
    (output.status.code().unwrap(), stderr)
}

#[test]
fn an_unreachable_server_is_named_with_what_to_type() {
    let (code, stderr) = failing(&[]);
    assert_eq!(code, 2);
    assert!(
        stderr.contains("cannot reach the API server `http://127.0.0.1:1`"),
        "{stderr}"
    );
    assert!(stderr.contains("refused"), "{stderr}");
    assert!(
        stderr.contains("hint: ") && stderr.contains("kubectl get --raw /version"),
        "{stderr}"
    );
}

#[test]
fn a_kubeconfig_that_is_not_there_is_named_with_what_to_type() {
    let (code, stderr) = failing(&["--kubeconfig", "/nowhere/config"]);
    assert_eq!(code, 2);
    assert!(
        stderr.contains("`/nowhere/config`") && stderr.contains("--kubeconfig FILE"),
        "{stderr}"
    );
}

#[test]
fn a_context_that_is_not_there_is_named_with_those_that_are() {
    let (code, stderr) = failing(&["--context", "prod"]);
    assert_eq!(code, 2);
    assert!(
        stderr.contains("no context `prod`; it has `test`"),
        "{stderr}"
    );
    assert!(
        stderr.contains("hint: choose one with `--context NAME`"),
        "{stderr}"
    );
}

#[test]
fn without_any_kubeconfig_the_places_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_linkerd-collect"))
        .current_dir(folder.path())
        .env_clear()
        .env("HOME", folder.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(
        stderr.contains("there is no kubeconfig at `~/.kube/config`"),
        "{stderr}"
    );
}

#[test]
fn a_user_whom_the_server_does_not_know_is_told_to_log_in() {
    let server = Server::start(|_| Some(Reply::Json(401, status(401, "Unauthorized"))));
    let run = collect(&server, &[]);
    assert_eq!(run.code(), 2);
    assert!(
        run.stderr().contains("hint: log in again"),
        "{}",
        run.stderr()
    );
}

#[test]
fn a_time_that_ends_before_it_begins_is_refused() {
    let server = Server::start(|_| None);
    let run = collect(&server, &["--since", "1h", "--until", "2h"]);
    assert_eq!(run.code(), 2);
    let expected = "`--since` is later than `--until`";
    assert!(run.stderr().contains(expected), "{}", run.stderr());
}

#[test]
fn when_the_server_is_gone_the_bundle_is_finished_and_says_so() {
    let is_gone = AtomicBool::new(false);
    let server = Server::start(move |asked| {
        if asked.path.ends_with("/log") {
            is_gone.store(true, Ordering::Relaxed);
        }
        if is_gone.load(Ordering::Relaxed) {
            return Some(Reply::Silence);
        }
        (asked.path == "/api/v1/pods").then(|| {
            let pods = (0..100).map(|i| {
                let mut pod = pod("shop", &format!("p{i}"));
                pod["spec"]["nodeName"] = format!("n{i}").into();
                pod
            });
            Reply::Json(200, list(&pods.collect::<Vec<_>>()))
        })
    });
    let args = ["--no-port-forward", "--item-timeout", "300ms"];
    let run = collect(
        &server,
        &[args.as_slice(), &["--concurrency", "2"]].concat(),
    );
    assert_eq!(run.code(), 3);
    let gone = "the API server could no longer be reached";
    assert!(run.stderr().contains(gone), "{}", run.stderr());
    let rows = run.manifest().ledger;
    let logs = rows.iter().filter(|r| r.source == SourceKind::PodLogs);
    let reason = |r: &LedgerRow| r.reason.clone().unwrap_or_default();
    assert_eq!(logs.clone().count(), 200);
    let skipped = logs.filter(|r| r.outcome == Outcome::Skipped && reason(r) == gone);
    assert!(skipped.count() > 150);
}

#[test]
fn a_file_that_cannot_be_written_is_named() {
    let server = Server::start(|_| None);
    let run = collect(&server, &["-o", "nowhere/out.tar.gz"]);
    assert_eq!(run.code(), 2);
    assert!(
        run.stderr().contains("cannot write `nowhere/out.tar.gz"),
        "{}",
        run.stderr()
    );
}

#[test]
fn at_the_total_time_limit_the_bundle_is_finished_with_what_is_there() {
    let server = Server::start(|asked| match asked.query("container") {
        "app" => Some(Reply::Stall("2026-11-23T00:00:00Z first\n".to_owned())),
        "linkerd-proxy" => Some(Reply::Silence),
        _ => None,
    });
    let run = collect(&server, &["--no-port-forward", "--timeout", "2s"]);
    assert_eq!(run.code(), 3, "{}", run.stderr());
    let (outcome, reason) = run.outcome("shop/cart/app");
    assert_eq!(outcome, Outcome::Truncated);
    assert!(
        reason.contains("the total time limit of 2 s was over"),
        "{reason}"
    );
    assert_eq!(run.outcome("shop/cart/linkerd-proxy").0, Outcome::Skipped);
    assert_eq!(run.row("pods/shop").outcome, Outcome::Complete);
}

#[cfg(unix)]
#[test]
fn an_interrupt_finishes_the_bundle_with_what_is_there() {
    let server = Server::start(|asked| {
        let stalled = Reply::Stall("2026-11-23T00:00:00Z first\n".to_owned());
        asked.path.ends_with("/log").then_some(stalled)
    });
    let folder = tempfile::tempdir().unwrap();
    let child = command(&server.address, folder.path(), &["--no-port-forward"])
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    wait_until(|| server.asked().iter().any(|a| a.path.ends_with("/log")));
    let id = child.id().to_string();
    let sent = Command::new("kill").args(["-INT", &id]).status().unwrap();
    assert!(sent.success());
    let output = child.wait_with_output().unwrap();
    let run = Run { output, folder };
    assert_eq!(run.code(), 3);
    assert!(
        run.stderr().contains("Ctrl-C again stops at once"),
        "{}",
        run.stderr()
    );
    assert_eq!(run.row("pods/shop").outcome, Outcome::Complete);
    let log = run.outcome("shop/cart/app");
    let expected = [Outcome::Truncated, Outcome::Skipped];
    assert!(expected.contains(&log.0), "{log:?}");
    assert!(log.1.contains("interrupted"), "{log:?}");
}

#[cfg(unix)]
#[test]
fn a_log_that_there_is_no_room_for_is_missing_and_nothing_else_is() {
    let server = Server::start(|asked| match asked.path.as_str() {
        "/api/v1/pods" => Some(Reply::Json(200, list(&[pod("shop", "web")]))),
        path if path.ends_with("/log") => {
            let line = |n: u32| format!("{:08x}\n", n.wrapping_mul(0x9E37_79B9));
            Some(Reply::Text((0..100_000).map(line).collect()))
        }
        _ => None,
    });
    let folder = tempfile::tempdir().unwrap();
    let whole = command(&server.address, folder.path(), &["--no-port-forward"]);
    let limited = "ulimit -f 40; exec \"$0\" \"$@\"";
    let output = Command::new("/bin/sh")
        .args(["-c", limited])
        .arg(whole.get_program())
        .args(whole.get_args())
        .current_dir(folder.path())
        .env("KUBECONFIG", folder.path().join("kubeconfig"))
        .output()
        .unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(3), "{stderr}");
    let run = folder.path().join("out.tar.gz");
    let bundle = bundle::Bundle::open(&run, bundle::Limits::default()).unwrap();
    let ledger = bundle.manifest().unwrap().ledger;
    let row = |object: &str| ledger.iter().find(|row| row.object == object).unwrap();
    let (log, pods) = (row("shop/web/app"), row("pods/shop"));
    assert_eq!(log.outcome, Outcome::Failed);
    assert!(log.reason.as_ref().unwrap().contains("File too large"));
    assert_eq!(pods.outcome, Outcome::Complete);
}
