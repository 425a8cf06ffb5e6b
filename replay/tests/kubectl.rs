//! `kubectl` against a replay, as a person would use it. Skipped, saying so, where there is none.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::print_stdout, reason = "a skipped test says so")]

use std::path::Path;
use std::process::Command;

/// What `kubectl` said of a recording.
struct Said {
    code: i32,
    out: String,
    err: String,
}

/// Whether the programs are there that a test needs.
fn is_installed() -> bool {
    let missing = [
        ("kubectl", "version --client"),
        ("curl", "--version"),
        ("bash", "--version"),
    ]
    .into_iter()
    .find(|(program, arguments)| {
        let found = Command::new(program).args(arguments.split(' ')).output();
        !found.is_ok_and(|o| o.status.success())
    });
    if let Some((program, _)) = missing {
        println!("skipped: `{program}` is not on the PATH");
    }
    missing.is_none()
}

/// Runs `linkerd-replay RECORDING -- sh -c SCRIPT`, with a home of its own, since kubectl caches
/// discovery there.
fn shell(recording: &str, script: &str) -> Said {
    shell_with(recording, &[], script)
}

/// The same with more arguments for `linkerd-replay`.
fn shell_with(recording: &str, more: &[&str], script: &str) -> Said {
    let packed = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../testdata/recordings")
        .join(format!("{recording}.tar.gz"));
    let home = tempfile::tempdir().unwrap();
    let output = Command::new(assert_cmd::cargo::cargo_bin!("linkerd-replay"))
        .arg(packed)
        .args(more)
        .args(["--", "sh", "-c", script])
        .env("HOME", home.path())
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Said {
        code: output.status.code().unwrap(),
        out: text(&output.stdout),
        err: text(&output.stderr),
    }
}

fn kubectl(recording: &str, arguments: &str) -> Said {
    shell(recording, &format!("kubectl {arguments}"))
}

/// The recording and what is asked, then what must be in the answer.
const QUESTIONS: [(&str, &str, &[&str]); 13] = [
    (
        "app-crash-loop",
        "get pods -n billing",
        &["NAME", "READY", "Error", "invoices-7dd599b598"],
    ),
    (
        "app-crash-loop",
        "get pods -A -o wide",
        &["NAMESPACE", "NOMINATED NODE", "node-a", "10.244."],
    ),
    (
        "app-crash-loop",
        "get deploy,svc -n billing",
        &[
            "deployment.apps/invoices",
            "service/catalog",
            "UP-TO-DATE",
            "CLUSTER-IP",
        ],
    ),
    (
        "app-crash-loop",
        "get pods -n billing -l app=invoices -o yaml",
        &["kind: Pod", "name: linkerd-proxy", "resourceVersion: \"\""],
    ),
    (
        "app-crash-loop",
        "get pods -n billing --field-selector=status.phase=Running -o json",
        &["\"apiVersion\": \"v1\"", "\"kind\": \"List\""],
    ),
    (
        "app-crash-loop",
        "describe pod -n billing -l app=invoices",
        &[
            "Back-off restarting failed container",
            "Last State:",
            "Exit Code:",
        ],
    ),
    (
        "app-crash-loop",
        "get events -A --sort-by=.lastTimestamp",
        &["LAST SEEN", "BackOff"],
    ),
    (
        "app-crash-loop",
        "logs -n billing deploy/invoices -c invoices",
        &["DATABASE_URL"],
    ),
    (
        "healthy",
        "logs -n linkerd deploy/linkerd-identity -c identity --tail=1 --timestamps",
        &["2026-"],
    ),
    (
        "healthy",
        "api-resources",
        &[
            "authorizationpolicies",
            "policy.linkerd.io/v1alpha1",
            "httproutes",
            "deploy ",
        ],
    ),
    (
        "authz-denied",
        "get servers,authorizationpolicies -A",
        &["server.policy.linkerd.io/", "ACCESS POLICY"],
    ),
    (
        "healthy",
        "get crd",
        &["serviceprofiles.linkerd.io", "CREATED AT"],
    ),
    ("healthy", "auth can-i list pods", &["yes"]),
];

#[test]
fn kubectl_reads_a_recording() {
    if !is_installed() {
        return;
    }
    for (recording, arguments, wanted) in QUESTIONS {
        let said = kubectl(recording, arguments);
        assert_eq!(said.code, 0, "kubectl {arguments}: {}", said.err);
        for text in wanted {
            assert!(
                said.out.contains(text),
                "no `{text}` in kubectl {arguments}:\n{}",
                said.out
            );
        }
    }
}

#[test]
fn what_cannot_be_done_is_said_in_the_words_of_a_server() {
    if !is_installed() {
        return;
    }
    for (arguments, wanted) in [
        ("delete namespace shop", "(MethodNotAllowed)"),
        ("get pod nobody", "pods \"nobody\" not found"),
        ("get secrets -A", "secrets is forbidden"),
        ("get nonsense", "doesn't have a resource type \"nonsense\""),
    ] {
        let said = kubectl("healthy", arguments);
        assert_eq!(said.code, 1, "kubectl {arguments}: {}", said.out);
        assert!(
            said.err.contains(wanted),
            "kubectl {arguments}: {}",
            said.err
        );
    }
}

/// Forwards the admin port of a proxy to `$port`.
const FORWARD: &str = r#"
    kubectl -n linkerd port-forward deploy/linkerd-identity :4191 >forwarded 2>&1 &
    until port=$(sed -n 's/^Forwarding from 127.0.0.1:\([0-9]*\) .*/\1/p' forwarded) && [ -n "$port" ]; do
        kill -0 $! || exit 7
        sleep 0.1
    done
"#;

#[test]
fn a_port_of_a_proxy_is_forwarded_and_a_scrape_follows_the_other() {
    if !is_installed() {
        return;
    }
    let script = r#"
        for path in ready metrics metrics; do curl -sS "http://127.0.0.1:$port/$path" -o "$path.$((n = n + 1))" || exit 8; done
        cat ready.1
        cmp -s metrics.2 metrics.3 || echo two scrapes
        grep -c process_start_time_seconds metrics.3
        kill $!
    "#;
    let folder = tempfile::tempdir().unwrap();
    let said = shell(
        "healthy",
        &format!("cd '{}'\n{FORWARD}\n{script}", folder.path().display()),
    );
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    assert!(said.out.contains("ready"), "{}", said.out);
    assert!(said.out.contains("two scrapes"), "{}", said.out);
}

#[test]
fn a_proxy_that_was_told_a_log_level_answers_it() {
    if !is_installed() {
        return;
    }
    let script = r"
        url=http://127.0.0.1:$port/proxy-log-level
        curl -sS -X PUT -d warn,linkerd=debug -o /dev/null -w '%{http_code} ' $url || exit 8
        curl -sS $url || exit 8
        curl -sS -X PUT -d linkerd=loud -o /dev/null -w ' %{http_code}' $url || exit 8
        kill $!
    ";
    let folder = tempfile::tempdir().unwrap();
    let script = format!("cd '{}'\n{FORWARD}\n{script}", folder.path().display());
    let said = shell("healthy", &script);
    assert_eq!(said.out, "204 warn,linkerd=debug 400", "{}", said.err);
}

#[test]
fn what_is_forwarded_over_spdy_stalls_or_breaks_off_after_exactly_so_many_bytes() {
    if !is_installed() {
        return;
    }
    let script = r"
        exec 3<>/dev/tcp/127.0.0.1/$port || exit 8
        printf 'GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n' >&3
        head -c 1234 <&3 >got
        timeout 1 head -c 1 <&3 >more
        echo $? $(wc -c <got) $(wc -c <more)
        kill $!
    ";
    // The status of `timeout` is 124 if nothing has ended.
    for (effect, wanted) in [("stall", "124 1234 0\n"), ("drop", "0 1234 0\n")] {
        let folder = tempfile::tempdir().unwrap();
        let faults = folder.path().join("faults.yaml");
        let text = format!(
            "faults: [{{match: {{subresource: portforward}}, effect: {{{effect}: {{after_bytes: 1234}}}}}}]"
        );
        std::fs::write(&faults, text).unwrap();
        let script = format!("cd '{}'\n{FORWARD}\n{script}", folder.path().display());
        let bash = format!("exec bash -c {}", shell_quoted(&script));
        let more = ["--faults", faults.to_str().unwrap()];
        let said = shell_with("healthy", &more, &bash);
        assert_eq!(said.out, wanted, "{effect}: {}", said.err);
    }
}

fn shell_quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[test]
fn the_exit_code_is_that_of_the_command() {
    assert_eq!(
        shell("healthy", "test -r \"$KUBECONFIG\" && exit 42").code,
        42
    );
}
