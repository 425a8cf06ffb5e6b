//! The collector against an API server that follows a script.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use std::sync::Mutex;

use bundle::Outcome;
use serde_json::{Value, json};
use support::{Reply, Server, collect, forbidden, list, not_found, pod, status};

#[test]
fn a_bundle_of_a_small_cluster_is_complete_and_no_secret_was_asked_for() {
    let server = Server::start(|_| None);
    let run = collect(&server, &["--no-port-forward"]);
    assert_eq!(run.code(), 0, "{}", run.stderr());
    assert!(run.stderr().contains("-> out.tar.gz ("), "{}", run.stderr());
    let log = run.entry("cluster-resources/pods/logs/shop/cart/app.log");
    assert_eq!(log, "2026-11-23T00:00:00Z hello\n");
    let manifest = run.manifest();
    assert_eq!(manifest.kubernetes_version.as_deref(), Some("v1.33.0"));
    assert_eq!(run.outcome("shop/cart #1").0, Outcome::Skipped);
    assert!(server.asked().iter().all(|a| !a.path.contains("secret")));
    assert!(!run.folder.path().join("out.tar.gz.partial").exists());
    assert!(run.output.stdout.is_empty());
}

#[test]
fn lists_come_in_pages_and_are_split_by_namespace_with_an_object_per_line() {
    let server = Server::start(|asked| {
        let page = |names: &[(&str, &str)], next: &str| {
            let items: Vec<Value> = names.iter().map(|(ns, n)| pod(ns, n)).collect();
            let mut list = list(&items);
            list["kind"] = json!("PodList");
            list["metadata"]["continue"] = json!(next);
            Some(Reply::Json(200, list))
        };
        match (asked.path.as_str(), asked.query("continue")) {
            ("/api/v1/namespaces", _) => {
                let names = ["a", "b", "c"].map(|n| json!({"metadata": {"name": n}}));
                Some(Reply::Json(200, list(&names)))
            }
            ("/api/v1/pods", "") => page(&[("a", "x"), ("b", "y")], "t=1"),
            ("/api/v1/pods", "t=1") => page(&[("b", "z")], ""),
            _ => None,
        }
    });
    let run = collect(&server, &["--no-port-forward"]);
    assert_eq!(run.code(), 0, "{}", run.stderr());
    let pods: Vec<_> = ["a", "b", "c"]
        .iter()
        .map(|ns| run.entry(&format!("cluster-resources/pods/{ns}.json")))
        .collect();
    assert_eq!(
        pods.iter().map(|p| p.lines().count()).collect::<Vec<_>>(),
        [3, 4, 2]
    );
    let b: Value = serde_json::from_str(&pods[1]).unwrap();
    assert_eq!(b["kind"], "PodList");
    assert_eq!(b["items"][1]["metadata"]["name"], "z");
    assert_eq!(b["items"][1]["kind"], "Pod");
    assert_eq!(run.row("pods/b").items, Some(2));
    assert_eq!(run.row("pods/c").items, Some(0));
}

#[test]
fn what_is_forbidden_cluster_wide_is_listed_by_namespace() {
    let server = Server::start(|asked| {
        (asked.path == "/api/v1/pods" || asked.path == "/apis/apps/v1/deployments")
            .then(|| forbidden("pods"))
    });
    let run = collect(&server, &["--no-port-forward"]);
    assert_eq!(run.code(), 0, "{}", run.stderr());
    assert_eq!(run.row("pods/shop").items, Some(1));
    assert_eq!(run.row("shop/cart/app").outcome, Outcome::Complete);
    assert!(
        run.entry("collector/log.ndjson")
            .contains("pods are listed by namespace")
    );
}

#[test]
fn a_kind_that_is_forbidden_everywhere_is_refused_and_the_rest_is_there() {
    let server =
        Server::start(|asked| asked.path.ends_with("/events").then(|| forbidden("events")));
    let run = collect(&server, &["--no-port-forward"]);
    assert_eq!(run.code(), 3);
    let row = run.row("events/shop");
    assert_eq!((row.outcome, row.status), (Outcome::Refused, Some(403)));
    assert!(row.reason.unwrap().contains("forbidden"));
    assert_eq!(run.row("pods/shop").outcome, Outcome::Complete);
    assert!(
        run.stderr().contains("refused: events events/shop"),
        "{}",
        run.stderr()
    );
}

#[test]
fn a_list_whose_token_has_expired_is_begun_anew_without_doubles() {
    let expired = Mutex::new(false);
    let server = Server::start(move |asked| {
        if asked.path != "/api/v1/pods" {
            return None;
        }
        if asked.query("continue").is_empty() {
            let mut page = list(&[pod("shop", "a")]);
            page["metadata"]["continue"] = json!("t");
            return Some(Reply::Json(200, page));
        }
        let was = std::mem::replace(&mut *expired.lock().unwrap(), true);
        Some(if was {
            Reply::Json(200, list(&[pod("shop", "b")]))
        } else {
            Reply::Json(410, status(410, "the continue token has expired"))
        })
    });
    let run = collect(&server, &["--no-port-forward"]);
    assert_eq!(run.code(), 0, "{}", run.stderr());
    assert_eq!(run.row("pods/shop").items, Some(2));
    let (outcome, reason) = run.outcome("pods/shop");
    assert_eq!(outcome, Outcome::Complete);
    assert!(reason.starts_with("begun anew once"), "{reason}");
    let logs = run
        .manifest()
        .ledger
        .iter()
        .filter(|r| r.object == "shop/a/app")
        .count();
    assert_eq!(logs, 1);
}

#[test]
fn a_list_whose_token_has_expired_goes_on_where_the_server_offers_and_says_so() {
    let server = Server::start(move |asked| {
        let page = |name: &str, next: &str| {
            let mut page = list(&[pod("shop", name)]);
            page["metadata"]["continue"] = json!(next);
            Some(Reply::Json(200, page))
        };
        match (asked.path.as_str(), asked.query("continue")) {
            ("/api/v1/pods", "") => page("a", "old"),
            ("/api/v1/pods", "old") => {
                let mut expired = status(410, "the continue token has expired");
                expired["metadata"] = json!({"continue": "new"});
                Some(Reply::Json(410, expired))
            }
            ("/api/v1/pods", "new") => page("b", ""),
            _ => None,
        }
    });
    let run = collect(&server, &["--no-port-forward"]);
    assert_eq!(run.code(), 0, "{}", run.stderr());
    let row = run.row("pods/shop");
    assert_eq!((row.outcome, row.items), (Outcome::Complete, Some(2)));
    let reason = row.reason.unwrap();
    assert!(reason.contains("the first 1 objects"), "{reason}");
    let asked = server.asked();
    let firsts = asked.iter().filter(|a| a.path == "/api/v1/pods");
    assert_eq!(firsts.filter(|a| a.query("continue").is_empty()).count(), 1);
}

#[test]
fn a_list_that_comes_in_circles_is_cut_and_the_rest_goes_on() {
    let server = Server::start(move |asked| match asked.path.as_str() {
        "/api/v1/services" => {
            let mut page = list(&[json!({"metadata": {"namespace": "shop", "name": "s"}})]);
            page["metadata"]["continue"] = json!("again");
            Some(Reply::Json(200, page))
        }
        "/api/v1/events" => {
            let mut page = list(&[json!({"metadata": {"namespace": "shop", "name": "e"}})]);
            page["metadata"]["continue"] = json!("old");
            if asked.query("continue").is_empty() {
                return Some(Reply::Json(200, page));
            }
            let mut expired = status(410, "the continue token has expired");
            expired["metadata"] = json!({"continue": format!("{}x", asked.query("continue"))});
            Some(Reply::Json(410, expired))
        }
        _ => None,
    });
    let run = collect(&server, &["--no-port-forward"]);
    assert_eq!(run.code(), 3);
    let (outcome, reason) = run.outcome("services/shop");
    assert_eq!(outcome, Outcome::Truncated);
    assert!(reason.contains("the list comes in circles"), "{reason}");
    let (outcome, reason) = run.outcome("events/shop");
    assert_eq!(outcome, Outcome::Truncated);
    assert!(reason.contains("HTTP 410"), "{reason}");
    assert_eq!(run.row("pods/shop").outcome, Outcome::Complete);
}

#[test]
fn logs_and_events_are_of_the_time_that_is_asked_for() {
    let server = Server::start(|asked| {
        if asked.path == "/api/v1/events" {
            let event = |name: &str, first: &str, last: &str| {
                json!({"metadata": {"namespace": "shop", "name": name},
                    "firstTimestamp": first, "lastTimestamp": last})
            };
            return Some(Reply::Json(
                200,
                list(&[
                    event("before", "2026-11-23T08:00:00Z", "2026-11-23T08:59:59Z"),
                    event("through", "2026-11-23T08:00:00Z", "2026-11-23T11:00:00Z"),
                    event("within", "2026-11-23T09:30:00Z", "2026-11-23T09:30:00Z"),
                    event("after", "2026-11-23T10:00:01Z", "2026-11-23T10:00:01Z"),
                ]),
            ));
        }
        if asked.path == "/api/v1/pods" {
            let mut pod = pod("shop", "cart");
            pod["status"]["containerStatuses"][0]["restartCount"] = json!(1);
            return Some(Reply::Json(200, list(&[pod])));
        }
        let log =
            "2026-11-23T09:30:00Z in\n2026-11-23T10:00:00Z last\n2026-11-23T10:00:00.1Z late\n";
        asked
            .path
            .ends_with("/log")
            .then(|| Reply::Text(log.to_owned()))
    });
    let times = [
        "--since",
        "2026-11-23T09:00:00Z",
        "--until",
        "2026-11-23T10:00:00Z",
    ];
    let run = collect(
        &server,
        &[times.as_slice(), &["--no-port-forward"]].concat(),
    );
    assert_eq!(run.code(), 0, "{}", run.stderr());
    for log in ["app.log", "app-previous.log"] {
        let log = run.entry(&format!("cluster-resources/pods/logs/shop/cart/{log}"));
        assert_eq!(log, "2026-11-23T09:30:00Z in\n2026-11-23T10:00:00Z last\n");
    }
    let asked = server.asked();
    let mut logs = asked.iter().filter(|a| a.path.ends_with("/log"));
    assert!(logs.all(|a| a.query("sinceTime").replace("%3a", ":") == "2026-11-23T09:00:00Z"));
    let events = run.entry("cluster-resources/events/shop.json");
    assert!(events.contains("\"through\"") && events.contains("\"within\""));
    assert!(!events.contains("\"before\"") && !events.contains("\"after\""));
    assert_eq!(run.manifest().options["until"], "2026-11-23T10:00:00Z");
}

#[test]
fn a_log_that_stalls_keeps_what_came_and_one_that_never_begins_times_out() {
    let server = Server::start(|asked| match asked.query("container") {
        "app" => Some(Reply::Stall("2026-11-23T00:00:00Z first\n2026".to_owned())),
        "linkerd-proxy" => Some(Reply::Silence),
        _ => None,
    });
    let run = collect(&server, &["--no-port-forward", "--item-timeout", "300ms"]);
    assert_eq!(run.code(), 3);
    let (outcome, reason) = run.outcome("shop/cart/app");
    assert_eq!(outcome, Outcome::Truncated);
    assert!(reason.contains("no further byte came"), "{reason}");
    let log = run.entry("cluster-resources/pods/logs/shop/cart/app.log");
    assert_eq!(log, "2026-11-23T00:00:00Z first\n2026");
    assert_eq!(run.outcome("shop/cart/linkerd-proxy").0, Outcome::TimedOut);
}

#[test]
fn a_pod_that_vanishes_is_absent() {
    let server = Server::start(|asked| {
        asked
            .path
            .ends_with("/log")
            .then(|| not_found("pods \"cart\""))
    });
    let run = collect(&server, &["--no-port-forward"]);
    assert_eq!(run.code(), 0, "{}", run.stderr());
    let (outcome, reason) = run.outcome("shop/cart/app");
    assert_eq!(outcome, Outcome::Absent);
    assert!(reason.contains("\"cart\" not found"), "{reason}");
}

#[test]
fn the_kubelets_excuse_is_a_failure() {
    let excuse = "unable to retrieve container logs for containerd://0123";
    let server = Server::start(move |asked| {
        (asked.query("container") == "app").then(|| Reply::Text(excuse.to_owned()))
    });
    let run = collect(&server, &["--no-port-forward"]);
    assert_eq!(run.code(), 3);
    assert_eq!(
        run.outcome("shop/cart/app"),
        (Outcome::Failed, excuse.to_owned())
    );
}

#[test]
fn a_server_that_is_busy_is_asked_again_when_it_said() {
    let busy = Mutex::new(0);
    let server = Server::start(move |asked| {
        if !asked.path.ends_with("/services") {
            return None;
        }
        let mut busy = busy.lock().unwrap();
        *busy += 1;
        (*busy <= 2).then_some(Reply::Later(0))
    });
    let run = collect(&server, &["--no-port-forward"]);
    assert_eq!(run.code(), 0, "{}", run.stderr());
    assert_eq!(run.row("services/shop").outcome, Outcome::Complete);
}

#[test]
fn a_container_that_never_started_is_absent_and_not_asked_for() {
    let server = Server::start(|asked| {
        (asked.path == "/api/v1/pods").then(|| {
            let mut pod = pod("shop", "cart");
            pod["status"]["containerStatuses"] = json!([
                {"name": "app", "state": {"waiting": {"reason": "ImagePullBackOff"}}, "restartCount": 0},
                {"name": "linkerd-proxy", "state": {"waiting": {"reason": "CrashLoopBackOff"}}, "restartCount": 4},
            ]);
            Reply::Json(200, list(&[pod]))
        })
    });
    let run = collect(&server, &[]);
    let (outcome, reason) = run.outcome("shop/cart/app");
    assert_eq!(outcome, Outcome::Absent);
    assert!(reason.contains("ImagePullBackOff"));
    assert_eq!(
        run.row("shop/cart/linkerd-proxy (previous)").outcome,
        Outcome::Complete
    );
    assert_eq!(run.outcome("shop/cart #2").0, Outcome::Absent);
    assert!(server.asked().iter().all(|a| a.query("container") != "app"));
}

#[test]
fn metrics_come_through_the_pod_proxy_when_a_port_forward_is_refused() {
    let server = Server::start(|asked| match asked.path.as_str() {
        "/api/v1/namespaces/shop/pods/cart/portforward" => Some(forbidden("pods/portforward")),
        "/api/v1/namespaces/shop/pods/cart:4191/proxy/metrics" => {
            Some(Reply::Text("process_start_time_seconds 1\n".to_owned()))
        }
        _ => None,
    });
    let run = collect(&server, &[]);
    for scrape in 1..=2 {
        let row = run.row(&format!("shop/cart #{scrape}"));
        assert_eq!(row.outcome, Outcome::Complete);
        assert_eq!(row.via.as_deref(), Some("pod-proxy"));
    }
    let metrics = run.entry("linkerd/proxy-metrics/shop/cart.2.prom");
    assert_eq!(metrics, "process_start_time_seconds 1\n");
}

#[test]
fn a_forwarded_port_tells_metrics_state_and_certificates() {
    let server = Server::start(|asked| match asked.path.as_str() {
        "/api/v1/pods" => {
            let mut pod = pod("shop", "cart");
            pod["spec"]["containers"][1]["env"] = json!([{
                "name": "LINKERD2_PROXY_IDENTITY_LOCAL_NAME",
                "value": "$(_pod_sa).$(_pod_ns).serviceaccount.identity.linkerd.cluster.local",
            }]);
            Some(Reply::Json(200, list(&[pod])))
        }
        path => path.ends_with("/portforward").then_some(Reply::Forward),
    });
    let run = collect(&server, &[]);
    assert_eq!(run.code(), 0, "{}", run.stderr());
    assert_eq!(
        run.entry("linkerd/proxy-metrics/shop/cart.1.prom"),
        "forwarded 1\n"
    );
    assert_eq!(run.row("shop/cart #2").via.as_deref(), Some("port-forward"));
    let chain = run.entry("linkerd/identity/shop/cart.pem");
    assert_eq!(chain, support::forward::certificate());
    let state = run.entry("linkerd/proxy-state/shop/cart.json");
    let state: Value = serde_json::from_str(&state).unwrap();
    assert_eq!(
        state,
        json!({
            "log_level": {"status": 200, "body": "warn,linkerd=info"},
            "ready": {"status": 503, "body": "not ready\n"},
            "live": {"status": 200, "body": "live\n"},
        })
    );
}

#[test]
fn secrets_are_taken_out_and_counted_and_their_values_are_nowhere() {
    let server = Server::start(|asked| {
        if asked.path == "/api/v1/pods" {
            let mut pod = pod("shop", "cart");
            pod["metadata"]["managedFields"] = json!([{"manager": "planted-0"}]);
            pod["spec"]["containers"][0]["env"] = json!([{"name": "DB_PASSWORD", "value": "planted-1"}, {"name": "LEVEL", "value": "kept-1"}]);
            pod["spec"]["containers"][0]["args"] = json!(["--api-token=planted-2"]);
            return Some(Reply::Json(200, list(&[pod])));
        }
        asked.path.ends_with("/log").then(|| {
            let log = "2026-11-23T00:00:00Z Authorization: Bearer planted-3\n\
                2026-11-23T00:00:01Z -----BEGIN EC PRIVATE KEY-----\n\
                2026-11-23T00:00:01Z planted4planted4\n\
                2026-11-23T00:00:01Z -----END EC PRIVATE KEY-----\n\
                2026-11-23T00:00:02Z db postgres://u:planted-5@db/x kept-2\n";
            Reply::Text(log.to_owned())
        })
    });
    let run = collect(&server, &["--no-port-forward"]);
    let everything = run.everything();
    assert!(
        !everything.contains("planted"),
        "a planted secret is in the bundle"
    );
    assert!(everything.contains("kept-1") && everything.contains("kept-2"));
    let redactions = run.manifest().redactions;
    let count = |kind: &str| redactions.get(kind).copied();
    assert_eq!(count("env"), Some(1));
    assert_eq!(count("argument"), Some(1));
    assert_eq!(count("managed-fields"), Some(1));
    // Two containers answer with the same log.
    assert_eq!(count("private-key"), Some(2));
    assert_eq!(count("authorization"), Some(2));
    assert_eq!(count("url-password"), Some(2));
}

#[test]
fn config_maps_are_asked_for_by_name_and_others_are_not_taken() {
    let server = Server::start(|asked| {
        // A server that ignores the field selector.
        asked.path.ends_with("/configmaps").then(|| {
            let map = |name: &str| json!({"metadata": {"namespace": "shop", "name": name}, "data": {"a": name}});
            Reply::Json(200, list(&[map("app-settings"), map("linkerd-config")]))
        })
    });
    let run = collect(&server, &["--no-port-forward"]);
    let maps = run.entry("cluster-resources/configmaps/shop.json");
    assert!(maps.contains("linkerd-config") && !maps.contains("app-settings"));
    assert_eq!(run.row("configmaps/shop").items, Some(1));
    let asked = server.asked();
    let mut queries = asked.iter().filter(|a| a.path.ends_with("/configmaps"));
    assert!(queries.all(|a| a.query("fieldSelector").starts_with("metadata.name=")));
}

#[test]
fn a_dry_run_prints_the_plan_and_writes_nothing() {
    let server = Server::start(|_| None);
    let run = collect(&server, &["--dry-run"]);
    assert_eq!(run.code(), 0, "{}", run.stderr());
    let text = String::from_utf8(run.output.stdout.clone()).unwrap();
    assert!(
        text.contains("1 namespaces, 1 pods, 1 of them meshed"),
        "{text}"
    );
    let logs = text.lines().find(|l| l.starts_with("pod-logs")).unwrap();
    assert!(logs.ends_with(" 2"), "{text}");
    assert!(!run.folder.path().join("out.tar.gz").exists());
    assert!(server.asked().iter().all(|a| !a.path.ends_with("/log")));
}

#[test]
fn namespaces_that_were_asked_for_are_listed_alone_with_the_control_plane() {
    let server = Server::start(|_| None);
    let run = collect(&server, &["--no-port-forward", "-n", "shop"]);
    assert_eq!(run.code(), 0, "{}", run.stderr());
    let asked = server.asked();
    let pods: Vec<&str> = asked
        .iter()
        .map(|a| a.path.as_str())
        .filter(|p| p.ends_with("/pods"))
        .collect();
    assert_eq!(pods.len(), 2, "{pods:?}");
    assert!(pods.contains(&"/api/v1/namespaces/shop/pods"));
    assert!(pods.contains(&"/api/v1/namespaces/linkerd/pods"));
}
