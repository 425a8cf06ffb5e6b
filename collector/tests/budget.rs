//! `--max-size`: what is spent on what.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use bundle::Outcome;
use serde_json::{Value, json};
use support::{Reply, Run, Server, collect, forbidden, list, pod};

/// Lines that hardly compress, in the order of their times.
fn log(seed: &str, lines: u32) -> String {
    let mut state = seed.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |h, b| {
        (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3)
    });
    let lines = (0..lines).map(|i| {
        let words = (0..8).map(|_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            format!("{:013x}", state >> 12)
        });
        let words: Vec<String> = words.collect();
        let words = words.concat();
        format!(
            "2026-11-23T00:{:02}:{:02}Z {i} {words}\n",
            i / 60 % 60,
            i % 60
        )
    });
    let lines: Vec<String> = lines.collect();
    lines.concat()
}

/// A control-plane pod, a sick one, and workloads of three pods each. `web-0` says that it is
/// denied by `cart-2`; every log has some 250 kB.
fn cluster() -> Server {
    Server::start(|asked| {
        let path = asked.path.as_str();
        if path == "/api/v1/namespaces" {
            let names = ["linkerd", "shop"].map(|n| json!({"metadata": {"name": n}}));
            return Some(Reply::Json(200, list(&names)));
        }
        if path == "/api/v1/pods" {
            return Some(Reply::Json(200, list(&pods())));
        }
        if path.ends_with("/log") {
            return Some(Reply::Text(log(path, 2000)));
        }
        if path.ends_with("/portforward") {
            return Some(forbidden("pods/portforward"));
        }
        let denied = r#"inbound_tcp_authz_deny_total{client_id="cart-2.shop.id"} 3"#;
        match path
            .strip_prefix("/api/v1/namespaces/shop/pods/")?
            .split_once(":4191/proxy/")?
        {
            ("web-0", "metrics") => Some(Reply::Text(format!("{denied}\n"))),
            (_, "metrics") => Some(Reply::Text("up{} 1\n".to_owned())),
            _ => None,
        }
    })
}

fn pods() -> Vec<Value> {
    let meshed = |namespace: &str, name: &str| {
        let mut pod = pod(namespace, name);
        pod["spec"]["containers"].as_array_mut().unwrap().remove(0);
        pod["spec"]["containers"][0]["env"] = json!([{
            "name": "LINKERD2_PROXY_IDENTITY_LOCAL_NAME", "value": format!("{name}.{namespace}.id"),
        }]);
        pod
    };
    let mut pods = vec![meshed("linkerd", "destination"), meshed("shop", "sick")];
    pods[0]["metadata"]["labels"] = json!({"linkerd.io/control-plane-component": "destination"});
    pods[1]["status"]["conditions"][0]["status"] = json!("False");
    for workload in ["cart", "db", "mail", "web"] {
        for number in 0..3 {
            let mut pod = meshed("shop", &format!("{workload}-{number}"));
            pod["metadata"]["ownerReferences"] = json!([{"kind": "ReplicaSet", "name": workload}]);
            pods.push(pod);
        }
    }
    pods
}

fn log_bytes(run: &Run, pod: &str) -> u64 {
    run.row(&format!("{pod}/linkerd-proxy")).bytes
}

#[test]
fn a_bundle_keeps_its_size_and_gives_the_most_to_the_most_important() {
    let server = cluster();
    for max in [200_000, 400_000, 800_000] {
        let run = collect(&server, &["--max-size", &max.to_string()]);
        let size = std::fs::metadata(run.folder.path().join("out.tar.gz"))
            .unwrap()
            .len();
        assert!(size <= max, "{size} of {max}");
        assert!(size >= max / 3, "{size} of {max}");
        let important = ["linkerd/destination", "shop/sick"].map(|p| log_bytes(&run, p));
        let ends = ["shop/web-0", "shop/cart-2"].map(|p| log_bytes(&run, p));
        let rest = ["shop/db-1", "shop/mail-2"].map(|p| log_bytes(&run, p));
        for (more, less) in [(important, ends), (ends, rest)] {
            assert!(
                more.iter().min() >= less.iter().max(),
                "{max}: {more:?} {less:?}"
            );
        }
        assert!(
            important.iter().min() > rest.iter().max(),
            "{important:?} {rest:?}"
        );
        for row in run.manifest().ledger {
            let reason = row.reason.unwrap_or_default();
            if matches!(row.outcome, Outcome::Skipped) && row.object.ends_with("/linkerd-proxy") {
                assert!(reason.contains("`--max-size` "), "{reason}");
            }
        }
    }
}

#[test]
fn a_long_log_keeps_both_ends_and_both_log_and_ledger_say_what_is_missing() {
    let run = collect(&cluster(), &["--max-size", "200k", "--no-port-forward"]);
    let (outcome, reason) = run.outcome("linkerd/destination/linkerd-proxy");
    assert_eq!(outcome, Outcome::Truncated);
    assert!(
        reason.ends_with("its share of `--max-size` 200k"),
        "{reason}"
    );
    let text = run.entry("cluster-resources/pods/logs/linkerd/destination/linkerd-proxy.log");
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].contains("Z 0 ") && lines[lines.len() - 1].contains("Z 1999 "));
    let mark = lines
        .iter()
        .filter(|l| l.starts_with("[linkerd-collect left out "));
    let mark: Vec<_> = mark.collect();
    assert_eq!(mark.len(), 1);
    let bytes = reason.split(' ').next().unwrap();
    assert!(mark[0].contains(bytes), "{mark:?} {reason}");
}

#[test]
fn a_size_that_the_lists_alone_are_beyond_is_told() {
    let told = |size: &str| {
        let run = collect(&cluster(), &["--max-size", size, "--no-port-forward"]);
        run.stderr()
            .contains("more than the 1.0 kB of `--max-size`")
    };
    assert!(told("1k") && !told("2M"));
}

#[test]
fn without_a_size_everything_is_whole() {
    let run = collect(&cluster(), &["--no-port-forward"]);
    assert_eq!(run.code(), 0, "{}", run.stderr());
    assert_eq!(log_bytes(&run, "shop/mail-2"), log("x", 2000).len() as u64);
}

#[test]
fn with_a_size_what_comes_first_is_followed_and_the_rest_is_taken_after_the_window() {
    let server = Server::start(|asked| match asked.path.as_str() {
        "/api/v1/pods" => Some(Reply::Json(200, list(&pods()))),
        path if path.ends_with("/log") && asked.query("follow") == "true" => {
            Some(Reply::Stall("2026-11-23T00:00:00Z followed\n".to_owned()))
        }
        path if path.ends_with("/log") => {
            Some(Reply::Text("2026-11-23T00:00:00Z taken\n".to_owned()))
        }
        _ => None,
    });
    let args = ["--max-size", "2M", "--follow", "1s", "--no-port-forward"];
    let run = collect(&server, &args);
    assert_eq!(run.code(), 0, "{}", run.stderr());
    for (pod, how) in [
        ("linkerd/destination", "followed"),
        ("shop/sick", "followed"),
        ("shop/web-2", "taken"),
    ] {
        let log = run.entry(&format!(
            "cluster-resources/pods/logs/{pod}/linkerd-proxy.log"
        ));
        assert_eq!(log, format!("2026-11-23T00:00:00Z {how}\n"), "{pod}");
    }
}
