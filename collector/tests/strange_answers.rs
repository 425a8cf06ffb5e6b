//! The collector against a server that answers as none should: each strange answer costs its own
//! row and no other.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use axum::body::{Body, Bytes};
use axum::response::{IntoResponse, Response};
use bundle::Outcome;
use serde_json::json;
use support::{Reply, Run, Server, collect, list, status};

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
