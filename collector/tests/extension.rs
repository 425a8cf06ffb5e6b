//! As an extension of the Linkerd CLI, and as a plugin of kubectl.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};
use support::{Reply, Server, collect};

const PROGRAM: &str = env!("CARGO_BIN_EXE_linkerd-collect");

#[test]
fn the_linkerd_cli_is_told_once_and_in_silence_that_there_are_checks() {
    let output = Command::new(PROGRAM)
        .env_clear()
        .arg("_extension-metadata")
        .output()
        .unwrap();
    assert!(output.status.success());
    assert!(output.stderr.is_empty());
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(told, json!({"name": "linkerd-collect", "checks": "always"}));
}

/// `check` as `linkerd check` calls it, against a server.
fn check(server: &str, more: &[&str]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let kubeconfig = folder.path().join("kubeconfig");
    let text = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "test",
        "clusters": [{"name": "test", "cluster": {"server": "http://127.0.0.1:1"}}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "u"}}],
        "users": [{"name": "u", "user": {}}],
    });
    std::fs::write(&kubeconfig, text.to_string()).unwrap();
    Command::new(PROGRAM)
        .env_clear()
        .args(["check", &format!("--api-addr={server}"), "--context=test"])
        .args([
            "--as-group=[]",
            "--linkerd-namespace=linkerd",
            "--verbose=false",
        ])
        .arg(format!("--kubeconfig={}", kubeconfig.display()))
        .args([
            "--namespace=shop",
            "--proxy=false",
            "--wait=5m0s",
            "--a-later-flag=x",
        ])
        .args(more)
        .output()
        .unwrap()
}

#[test]
fn checks_are_answered_in_the_shape_that_linkerd_check_reads() {
    let server = Server::start(|asked| {
        let is_log = |body: &str| asked.path.ends_with(body);
        is_log("/selfsubjectaccessreviews")
            .then(|| Reply::Json(201, json!({"status": {"allowed": true}})))
    });
    let output = check(&format!("http://{}", server.address), &["--output=json"]);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(told["success"], true);
    let category = &told["categories"][0];
    assert_eq!(category["categoryName"], "linkerd-collect");
    let first = &category["checks"][0];
    assert_eq!(
        *first,
        json!({"description": "can reach the Kubernetes API", "result": "success"})
    );
    assert_eq!(category["checks"].as_array().unwrap().len(), 4);
}

#[test]
fn what_is_not_allowed_is_a_warning_and_a_cluster_that_is_not_there_an_error() {
    let server = Server::start(|asked| {
        let is_review = asked.path.ends_with("/selfsubjectaccessreviews");
        is_review.then(|| Reply::Json(201, json!({"status": {"allowed": false}})))
    });
    let address = format!("http://{}", server.address);
    let output = check(&address, &["--output=json"]);
    assert!(output.status.success());
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    let logs = &told["categories"][0]["checks"][2];
    assert_eq!(logs["result"], "warning");
    assert!(
        logs["error"].as_str().unwrap().contains("get pods/log"),
        "{logs}"
    );
    assert!(logs["hint"].as_str().unwrap().starts_with("https://"));
    let text = String::from_utf8(check(&address, &["-o", "short"]).stdout).unwrap();
    assert!(!text.contains("can reach the Kubernetes API"), "{text}");
    assert!(text.contains("\u{203c} can read container logs"), "{text}");
    assert!(
        text.ends_with("Status check results are \u{221a}\n"),
        "{text}"
    );
    let output = check("http://127.0.0.1:1", &["--output=json"]);
    assert_eq!(output.status.code(), Some(1));
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(told["success"], false);
    assert_eq!(told["categories"][0]["checks"][0]["result"], "error");
}

#[test]
fn a_capture_takes_the_flags_of_the_linkerd_cli() {
    let server = Server::start(|_| None);
    let address = format!("--api-addr=http://{}", server.address);
    let flags = [
        "--cni-namespace=linkerd-cni",
        "--as-group=[]",
        "--verbose",
        "-n",
        "shop",
    ];
    let run = collect(
        &server,
        &[&[address.as_str(), "--no-port-forward"][..], &flags].concat(),
    );
    assert_eq!(run.code(), 0, "{}", run.stderr());
    assert!(
        run.stderr().contains("info: the lists are done"),
        "{}",
        run.stderr()
    );
    assert!(
        server
            .asked()
            .iter()
            .any(|a| a.path.contains("/namespaces/linkerd-cni/pods"))
    );
    let run = collect(&server, &["--no-port-forward", "--a-later-flag"]);
    assert_eq!(run.code(), 2);
}

/// The real kubectl, with a link to this program among its plugins; `None` where there is none.
#[cfg(unix)]
fn kubectl(folder: &Path, args: &[&str]) -> Option<Output> {
    let plugin = folder.join("kubectl-linkerd_collect");
    if !plugin.exists() {
        std::os::unix::fs::symlink(PROGRAM, &plugin).unwrap();
    }
    let path = std::env::var("PATH").unwrap_or_default();
    let output = Command::new("kubectl")
        .env("PATH", format!("{}:{path}", folder.display()))
        .args(args)
        .output();
    output.ok()
}

#[cfg(unix)]
#[test]
fn kubectl_runs_it_as_a_plugin_that_knows_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let Some(output) = kubectl(folder.path(), &["linkerd-collect", "--help"]) else {
        eprintln!("skipped: there is no kubectl on the PATH");
        return;
    };
    let help = String::from_utf8(output.stdout).unwrap();
    assert!(
        help.contains("Usage: kubectl linkerd-collect [OPTIONS]"),
        "{help}"
    );
    assert!(
        help.contains("\n      kubectl linkerd-collect --dry-run\n"),
        "{help}"
    );
    let server = Server::start(|_| None);
    let out = folder.path().join("out.zip");
    let address = format!("--api-addr=http://{}", server.address);
    let run = collect(&server, &[]);
    let kubeconfig = run.folder.path().join("kubeconfig");
    let args = [
        "linkerd-collect",
        "--kubeconfig",
        kubeconfig.to_str().unwrap(),
        &address,
        "--no-port-forward",
        "-o",
        out.to_str().unwrap(),
    ];
    let output = kubectl(folder.path(), &args).unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(out.exists());
}
