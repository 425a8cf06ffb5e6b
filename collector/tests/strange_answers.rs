//! The collector against a server that answers as none should: each strange answer costs its own
//! row and no other.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::body::{Body, Bytes};
use axum::response::{IntoResponse, Response};
use bundle::Outcome;
use serde_json::json;
use support::{Reply, Run, Server, collect, command, list, status};

const LOGIN: &str = "<!DOCTYPE html>\n<html><body>Please log in</body></html>\n";

/// Collects from a server that answers one path so, and checks that the rest is whole.
fn collect_with(path: &'static str, reply: fn() -> Reply) -> Run {
    let server = Server::start(move |asked| (asked.path == path).then(reply));
    let run = collect(&server, &["--no-port-forward", "--item-timeout", "3s"]);
    assert_eq!(run.code(), 3, "{}", run.stderr());
    for row in run.manifest().ledger {
        let own = row.object.starts_with("services") || row.object.starts_with("shop/cart");
        let is_fine = row.outcome.is_covered() || row.outcome == Outcome::Skipped;
        assert!(own || is_fine, "{row:?}");
    }
    run
}

fn services(reply: fn() -> Reply) -> (Outcome, String) {
    let run = collect_with("/api/v1/services", reply);
    let rows = run.manifest().ledger;
    let row = rows
        .into_iter()
        .find(|r| r.object.starts_with("services"))
        .unwrap();
    (row.outcome, row.reason.unwrap_or_default())
}

fn log(reply: fn() -> Reply) -> (Outcome, String) {
    collect_with("/api/v1/namespaces/shop/pods/cart/log", reply).outcome("shop/cart/app")
}

fn page(text: &'static str, content_type: &'static str) -> Reply {
    Reply::Other(([("content-type", content_type)], text).into_response())
}

fn stream(chunks: impl futures::Stream<Item = std::io::Result<Bytes>> + Send + 'static) -> Reply {
    let mut response = Response::new(Body::from_stream(chunks));
    let json = "application/json".parse().unwrap();
    response.headers_mut().insert("content-type", json);
    Reply::Other(response)
}

#[test]
fn a_login_page_in_the_place_of_an_answer_is_a_failure() {
    for answer in [services, log] {
        let (outcome, reason) = answer(|| page(LOGIN, "text/html; charset=utf-8"));
        assert_eq!(outcome, Outcome::Failed);
        assert!(reason.contains("a web page"), "{reason}");
    }
    let (outcome, reason) = log(|| page(LOGIN, "text/plain"));
    assert_eq!(
        (outcome, reason.as_str()),
        (Outcome::Failed, "the answer is no log but a web page")
    );
}

#[test]
fn json_that_is_no_list_is_a_failure_and_not_an_empty_list() {
    for text in [
        "{}",
        "[]",
        "null",
        "{\"error\":\"login required\"}",
        "{\"kind\":\"ServiceList\"}",
        "{\"items\":3}",
        "{\"items\":{}}",
        "{\"metadata\":7,\"items\":\"x\"}",
        "\u{1f}\u{8b}\u{8}garbage",
    ] {
        let server = Server::start(move |asked| {
            (asked.path == "/api/v1/services").then(|| page(text, "application/json"))
        });
        let run = collect(&server, &["--no-port-forward"]);
        let (outcome, reason) = run.outcome("services");
        assert_eq!(outcome, Outcome::Failed, "{text}");
        assert!(reason.contains("the answer is no list"), "{text}: {reason}");
        assert_eq!(run.row("pods/shop").outcome, Outcome::Complete);
    }
}

#[test]
fn items_that_are_no_objects_are_left_out_and_told_of() {
    let run = collect_with("/api/v1/services", || {
        let good = json!({"metadata": {"namespace": "shop", "name": "good"}});
        Reply::Json(
            200,
            list(&[json!(null), json!(1), good, json!("x"), json!([[]])]),
        )
    });
    let (outcome, reason) = run.outcome("services/shop");
    assert_eq!(outcome, Outcome::Truncated);
    assert!(reason.contains("no objects"), "{reason}");
    let text = run.entry("cluster-resources/services/shop.json");
    let parsed: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(parsed["items"].as_array().unwrap().len(), 1);
}

#[test]
fn objects_whose_fields_are_of_other_types_are_kept_as_they_are() {
    let server = Server::start(|asked| {
        (asked.path == "/api/v1/services").then(|| {
            let odd = json!({"metadata": {"namespace": 7, "name": ["x"], "labels": "y",
                "annotations": [1]}, "spec": null, "status": {"conditions": {"a": 1}}});
            Reply::Json(200, list(&[odd]))
        })
    });
    let run = collect(&server, &["--no-port-forward"]);
    assert!([0, 3].contains(&run.code()), "{}", run.stderr());
    assert_eq!(run.row("pods/shop").outcome, Outcome::Complete);
}

#[test]
fn a_redirect_is_a_failure_that_names_its_status() {
    let (outcome, reason) = services(|| {
        let to = [("location", "/api/v1/services")];
        Reply::Other((axum::http::StatusCode::FOUND, to, "").into_response())
    });
    assert_eq!(outcome, Outcome::Failed);
    assert!(reason.contains("HTTP 302"), "{reason}");
}

#[test]
fn an_answer_without_end_is_cut_off_at_its_limit() {
    let (outcome, reason) = services(|| {
        let start = Bytes::from_static(b"{\"kind\":\"ServiceList\",\"items\":[{}");
        let item = Bytes::from(",{\"metadata\":{\"name\":\"x\"}}".repeat(2000));
        let items = futures::stream::repeat_with(move || Ok(item.clone()));
        stream(futures::StreamExt::chain(
            futures::stream::iter([Ok(start)]),
            items,
        ))
    });
    assert_eq!(outcome, Outcome::Failed);
    assert!(reason.contains("the answer has more than"), "{reason}");
}

#[test]
fn a_body_that_breaks_off_between_its_chunks_says_so_and_keeps_a_logs_lines() {
    let broken = || {
        let first = Ok(Bytes::from("2026-11-23T00:00:00Z hello\n".repeat(100)));
        let cut = Err(std::io::Error::other("cut"));
        // What is written before the connection closes must have left the server.
        let chunks = futures::stream::iter([first, cut]);
        stream(futures::StreamExt::then(chunks, |chunk| async move {
            if chunk.is_err() {
                tokio::time::sleep(std::time::Duration::from_millis(200)).await;
            }
            chunk
        }))
    };
    let (outcome, reason) = log(broken);
    assert_eq!(outcome, Outcome::Truncated);
    assert!(reason.contains("broke off"), "{reason}");
    assert_eq!(services(broken).0, Outcome::Failed);
}

#[test]
fn tokens_that_take_turns_are_circles_too() {
    let server = Server::start(|asked| {
        (asked.path == "/api/v1/services").then(|| {
            let mut page = list(&[json!({"metadata": {"namespace": "shop", "name": "s"}})]);
            let next = if asked.query("continue") == "a" {
                "b"
            } else {
                "a"
            };
            page["metadata"]["continue"] = json!(next);
            Reply::Json(200, page)
        })
    });
    let run = collect(&server, &["--no-port-forward"]);
    let (outcome, reason) = run.outcome("services/shop");
    assert_eq!(outcome, Outcome::Truncated);
    assert!(reason.contains("in circles"), "{reason}");
    let asked = server
        .asked()
        .iter()
        .filter(|a| a.path == "/api/v1/services")
        .count();
    assert!(asked <= 4, "{asked}");
}

#[test]
fn a_server_that_wants_to_be_left_alone_for_hours_is_not_waited_for() {
    for after in [
        "3600",
        "99999999999999999999",
        "Fri, 31 Dec 2100 23:59:59 GMT",
    ] {
        let server = Server::start(move |asked| {
            (asked.path == "/api/v1/services").then(|| {
                let mut busy = Reply::Json(429, status(429, "too many requests"));
                if let Reply::Json(code, value) = busy {
                    let code = axum::http::StatusCode::from_u16(code).unwrap();
                    let headers = [("retry-after", after)];
                    busy = Reply::Other((code, headers, value.to_string()).into_response());
                }
                busy
            })
        });
        let run = collect(&server, &["--no-port-forward"]);
        let (outcome, reason) = run.outcome("services");
        assert_eq!(outcome, Outcome::Refused, "{after}");
        assert!(reason.contains("HTTP 429"), "{reason}");
    }
}

#[test]
fn a_clock_that_is_off_by_years_or_says_nonsense_changes_nothing_but_what_is_told_of_it() {
    for date in [
        "Thu, 01 Jan 1970 00:00:00 GMT",
        "Fri, 31 Dec 2100 23:59:59 GMT",
        "yesterday",
    ] {
        let server = Server::start(move |asked| {
            (asked.path == "/version").then(|| {
                let body = json!({"gitVersion": "v1.33.0"}).to_string();
                let headers = [("date", date), ("content-type", "application/json")];
                Reply::Other((headers, body).into_response())
            })
        });
        let run = collect(&server, &["--no-port-forward", "--since", "1h"]);
        assert_eq!(run.code(), 0, "{date}: {}", run.stderr());
        let manifest = run.manifest();
        assert_eq!(manifest.api_server_date.as_deref(), Some(date));
        assert_eq!(
            manifest.api_server_clock_difference_s.is_none(),
            date == "yesterday"
        );
    }
}

#[test]
fn the_same_page_under_ever_other_tokens_is_a_circle() {
    let number = AtomicU64::new(0);
    let server = Server::start(move |asked| {
        (asked.path == "/api/v1/services").then(|| {
            let service = |name: &str| json!({"metadata": {"namespace": "shop", "name": name}});
            let mut page = list(&[service("a"), service("b")]);
            let token = format!("t{}", number.fetch_add(1, Ordering::Relaxed));
            page["metadata"]["continue"] = json!(token);
            Reply::Json(200, page)
        })
    });
    let run = collect(&server, &["--no-port-forward"]);
    let (outcome, reason) = run.outcome("services/shop");
    assert_eq!(outcome, Outcome::Truncated);
    assert!(reason.contains("in circles"), "{reason}");
    assert_eq!(run.row("services/shop").items, Some(2));
    assert_eq!(run.row("pods/shop").outcome, Outcome::Complete);
}

#[test]
fn empty_pages_without_end_are_a_circle() {
    let number = AtomicU64::new(0);
    let server = Server::start(move |asked| {
        (asked.path == "/api/v1/services").then(|| {
            let mut page = list(&[]);
            let token = format!("t{}", number.fetch_add(1, Ordering::Relaxed));
            page["metadata"]["continue"] = json!(token);
            Reply::Json(200, page)
        })
    });
    let run = collect(&server, &["--no-port-forward"]);
    let (outcome, reason) = run.outcome("services");
    assert_eq!(outcome, Outcome::Failed);
    assert!(reason.contains("in circles"), "{reason}");
    let asked = server.asked();
    let pages = asked.iter().filter(|a| a.path == "/api/v1/services");
    assert!(pages.count() <= 101);
}

#[test]
fn a_hundred_thousand_events_come_in_pages_and_all_are_there() {
    const PAGES: usize = 400;
    let server = Server::start(|asked| {
        (asked.path == "/api/v1/events").then(|| {
            let page: usize = asked.query("continue").parse().unwrap_or(0);
            let event = |n: usize| {
                let name = format!("e-{page}-{n}");
                json!({"metadata": {"namespace": "shop", "name": name},
                    "reason": "Unhealthy", "message": "Readiness probe failed"})
            };
            let mut events = list(&(0..250).map(event).collect::<Vec<_>>());
            if page + 1 < PAGES {
                events["metadata"]["continue"] = json!((page + 1).to_string());
            }
            Reply::Json(200, events)
        })
    });
    let run = collect(&server, &["--no-port-forward"]);
    assert_eq!(run.code(), 0, "{}", run.stderr());
    let row = run.row("events/shop");
    assert_eq!((row.outcome, row.items), (Outcome::Complete, Some(100_000)));
}

/// A server that lets in who has the token of the moment: another one from the fifth list on,
/// which `renew` makes known.
fn moody(renew: impl Fn() + Send + Sync + 'static) -> Server {
    let lists = Mutex::new(0);
    Server::start(move |asked| {
        let mut lists = lists.lock().unwrap();
        if asked.path.starts_with("/api/v1/") && !asked.path.ends_with("/log") {
            *lists += 1;
            if *lists == 5 {
                renew();
            }
        }
        let token = if *lists < 5 {
            "Bearer old"
        } else {
            "Bearer new"
        };
        (asked.authorization != token).then(|| Reply::Json(401, status(401, "Unauthorized")))
    })
}

fn collect_with_token_file(server: &Server, file: &Path) -> Run {
    let folder = tempfile::tempdir().unwrap();
    let mut command = command(&server.address, folder.path(), &["--no-port-forward"]);
    let config = folder.path().join("kubeconfig");
    let text = std::fs::read_to_string(&config).unwrap();
    let mut text: serde_json::Value = serde_json::from_str(&text).unwrap();
    text["users"][0]["user"] = json!({"tokenFile": file});
    std::fs::write(&config, text.to_string()).unwrap();
    let output = command.output().unwrap();
    Run { output, folder }
}

#[test]
fn a_token_that_expires_midway_is_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "old").unwrap();
    let own = file.clone();
    let server = moody(move || {
        // As a kubelet does it, never half written.
        let next = own.with_extension("next");
        std::fs::write(&next, "new").unwrap();
        std::fs::rename(&next, &own).unwrap();
    });
    let run = collect_with_token_file(&server, &file);
    assert_eq!(run.code(), 0, "{}", run.stderr());
    let asked = server.asked();
    let renewed = asked.iter().filter(|a| a.authorization == "Bearer new");
    assert!(renewed.count() > 10);
}

#[test]
fn a_token_that_expires_for_good_costs_a_row_each_and_no_request_more() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "old").unwrap();
    let server = moody(|| {});
    let run = collect_with_token_file(&server, &file);
    assert_eq!(run.code(), 3, "{}", run.stderr());
    let rows = run.manifest().ledger;
    let refused = rows.iter().filter(|r| r.outcome == Outcome::Refused);
    let refused: Vec<_> = refused.collect();
    assert!(refused.len() > 10, "{rows:?}");
    for row in refused {
        assert_eq!(row.reason.as_deref(), Some("HTTP 401: Unauthorized"));
    }
    let mut asked = server.asked();
    let before = asked.len();
    asked.sort_by(|a, b| (&a.path, &a.query).cmp(&(&b.path, &b.query)));
    asked.dedup_by(|a, b| (&a.path, &a.query) == (&b.path, &b.query));
    // Those that were under way when the first was refused have tried the new token too.
    assert!(before <= asked.len() + 16, "{before} {}", asked.len());
}

#[test]
fn groups_whose_servers_are_down_are_told_of_and_the_others_are_there() {
    let server = Server::start(|asked| {
        let group = |name: &str| {
            let version = format!("{name}/v1");
            json!({"name": name, "versions": [{"groupVersion": version, "version": "v1"}],
                "preferredVersion": {"groupVersion": version, "version": "v1"}})
        };
        match asked.path.as_str() {
            "/apis" => {
                let names = ["metrics.k8s.io", "a.example.com", "policy.linkerd.io"];
                let groups = names.map(group);
                let list = json!({"kind": "APIGroupList", "groups": groups});
                Some(Reply::Json(200, list))
            }
            "/apis/metrics.k8s.io/v1" => Some(Reply::Json(
                503,
                status(503, "the server is currently unable"),
            )),
            "/apis/a.example.com/v1" => Some(Reply::Silence),
            "/apis/policy.linkerd.io/v1" => {
                let servers = json!({"name": "servers", "kind": "Server", "namespaced": true,
                    "verbs": ["list"]});
                let list = json!({"kind": "APIResourceList",
                    "groupVersion": "policy.linkerd.io/v1", "resources": [servers]});
                Some(Reply::Json(200, list))
            }
            _ => None,
        }
    });
    let run = collect(&server, &["--no-port-forward", "--item-timeout", "3s"]);
    let (outcome, reason) = run.outcome("all group versions");
    assert_eq!(outcome, Outcome::Truncated);
    assert_eq!(
        reason,
        "metrics.k8s.io/v1: HTTP 503: the server is currently unable; \
         a.example.com/v1: no answer came within 3 s"
    );
    let servers = run.row("servers.policy.linkerd.io");
    assert_eq!(servers.outcome, Outcome::Absent, "{servers:?}");
    let others = run.manifest().ledger.into_iter();
    let mut others = others.filter(|row| row.object != "all group versions");
    assert!(others.all(|r| r.outcome.is_covered() || r.outcome == Outcome::Skipped));
}
