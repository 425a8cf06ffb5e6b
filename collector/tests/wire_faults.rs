//! The collector against a network and servers that no server library would imitate: each fault
//! costs its own row of the ledger and no other, and none goes on for ever.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use std::future::Future;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bundle::{Outcome, SourceKind};
use support::sick::{Expected, Rows, Sick, check_run, rows};
use support::wire::{Act, Broken, Wire, chunk, forever, reset};
use support::{Run, collect_at};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

const LIST: &str = "/apis/policy.linkerd.io/v1beta3/servers?";
const LOG: &str =
    "/api/v1/namespaces/shop/pods/catalog-7cc5f8978b-zwdmb/log?container=linkerd-proxy&";
const LOG_ENTRY: &str =
    "cluster-resources/pods/logs/shop/catalog-7cc5f8978b-zwdmb/linkerd-proxy.log";
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";
const CHUNKED: &str =
    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
const LINE: &[u8] = b"2026-11-23T00:49:10.123456789Z a line of a log that has no end\n";

fn act<F: Future<Output = Broken> + Send + 'static>(
    act: impl Fn(TcpStream, Vec<u8>) -> F + Send + Sync + 'static,
) -> Act {
    Arc::new(move |client, body| Box::pin(act(client, body)))
}

/// Writes a head, the length, and the body.
async fn whole(client: &mut TcpStream, head: &str, body: &[u8]) -> Broken {
    let length = format!("Content-Length: {}\r\n\r\n", body.len());
    let all = [head.as_bytes(), length.as_bytes(), body].concat();
    client.write_all(&all).await
}

/// Ports of pods are left out: they are not what is tried here, and on a slow machine late.
static WELL: LazyLock<Rows> = LazyLock::new(|| {
    let run = Sick::new("faults: []").collect(&["--no-port-forward"]);
    rows(&run)
});

fn check(name: &str, run: &Run, expected: &[Expected<'_>]) {
    check_run((name, &WELL), run, expected);
}

fn run(target: &'static str, act: Act) -> Run {
    let sick = Sick::new("faults: []");
    let wire = Wire::to(&sick.address, target, act);
    collect_at(
        &wire.address,
        &["--no-port-forward", "--item-timeout", "1s"],
    )
}

/// Checks that a fault of one list costs this list alone.
fn list(name: &str, act: Act, outcome: Outcome, reason: &str) {
    let run = run(LIST, act);
    let kind = SourceKind::CustomResources;
    let missing: &[&str] = &["no servers.policy.linkerd.io/"];
    let rows = WELL.values();
    let absent = rows.filter(|r| r.object.starts_with("servers.policy.linkerd.io/"));
    let expected = [
        (1, kind, outcome, &[reason][..]),
        (absent.count(), kind, Outcome::Skipped, missing),
    ];
    check(name, &run, &expected);
}

/// Checks that a fault of one log costs this log alone.
fn log(name: &str, act: Act, outcome: Outcome, reason: &str) -> Run {
    let run = run(LOG, act);
    check(name, &run, &[(1, SourceKind::PodLogs, outcome, &[reason])]);
    run
}

#[test]
fn a_connection_that_is_reset_is_told_of_in_one_row() {
    let at_once = || act(|client, _| reset(client));
    list("reset", at_once(), Outcome::Failed, "reset by peer");
    log("reset", at_once(), Outcome::Failed, "reset by peer");
    let midway = || {
        act(|mut client, body| async move {
            let half = &body[..body.len() / 2];
            client.write_all(CHUNKED.as_bytes()).await?;
            client.write_all(&chunk(half)).await?;
            reset(client).await
        })
    };
    let reason = "the answer broke off: Connection reset by peer";
    list("reset midway", midway(), Outcome::Failed, reason);
    let reason = "the log broke off: the answer broke off";
    let run = log("reset midway", midway(), Outcome::Truncated, reason);
    assert!(run.entry(LOG_ENTRY).len() > 1000);
}

#[test]
fn a_head_that_never_ends_is_not_waited_for_and_one_that_is_huge_is_not_kept() {
    let dripping = act(|mut client, _| async move {
        client.write_all(OK.as_bytes()).await?;
        forever(&mut client, b"a", Duration::from_millis(20)).await
    });
    let late = "no answer came within 1 s";
    list("dripping head", dripping, Outcome::TimedOut, late);
    let unended = act(|mut client, _| async move {
        client.write_all(OK.as_bytes()).await?;
        std::future::pending().await
    });
    list("unended head", unended, Outcome::TimedOut, late);
    let informing = act(|mut client, _| async move {
        let again = b"HTTP/1.1 100 Continue\r\n\r\n";
        forever(&mut client, again, Duration::from_millis(5)).await
    });
    list("only 100s", informing, Outcome::TimedOut, late);
    let endless = act(|mut client, _| async move {
        client.write_all(OK.as_bytes()).await?;
        forever(&mut client, &[b'a'; 4096], Duration::ZERO).await
    });
    let huge = "message head is too large";
    list("endless head", endless, Outcome::Failed, huge);
}

#[test]
fn an_answer_that_flows_and_does_not_end_is_let_go() {
    let spaces = act(|mut client, _| async move {
        client.write_all(CHUNKED.as_bytes()).await?;
        let piece = chunk(&[b' '; 10_000]);
        forever(&mut client, &piece, Duration::from_millis(30)).await
    });
    let unended = "it had not ended after 4 s";
    list("endless list", spaces, Outcome::TimedOut, unended);
    let lines = act(|mut client, _| async move {
        client.write_all(CHUNKED.as_bytes()).await?;
        let piece = chunk(&LINE.repeat(600));
        forever(&mut client, &piece, Duration::from_millis(100)).await
    });
    let unended = "the log broke off: it had not ended after 20 s";
    let run = log("endless log", lines, Outcome::Truncated, unended);
    assert!(run.entry(LOG_ENTRY).ends_with("has no end\n"));
}

#[test]
fn lists_of_other_versions_and_lengths_are_whole_or_refused() {
    let old = act(|mut client, body| async move {
        let head = OK.replace("1.1", "1.0") + "\r\n";
        client.write_all(head.as_bytes()).await?;
        client.write_all(&body).await
    });
    check("HTTP/1.0", &run(LIST, old), &[]);
    let bare = act(|mut client, body| async move { client.write_all(&body).await });
    list("HTTP/0.9", bare, Outcome::Failed, "invalid HTTP version");
    let two = act(|mut client, body| async move {
        let head = format!("{OK}Content-Length: 7\r\n");
        whole(&mut client, &head, &body).await
    });
    list(
        "two lengths",
        two,
        Outcome::Failed,
        "invalid content-length",
    );
    let none = act(|mut client, _| async move {
        let head = b"HTTP/1.1 204 No Content\r\n\r\n";
        client.write_all(head).await
    });
    list("no content", none, Outcome::Failed, "no list: it is empty");
}

#[test]
fn packed_answers_and_other_content_types_are_told_by_their_bytes() {
    let packed = |cut: usize| {
        act(move |mut client, body| async move {
            let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            std::io::Write::write_all(&mut packer, &body)?;
            let packed = packer.finish()?;
            let head = format!("{OK}Content-Encoding: gzip\r\n");
            whole(&mut client, &head, &packed[..packed.len() - cut]).await
        })
    };
    for cut in [0, 20] {
        list("gzip", packed(cut), Outcome::Failed, "packed with gzip");
    }
    let lie = act(|mut client, body| async move {
        let head = format!("{OK}Content-Encoding: gzip\r\n");
        whole(&mut client, &head, &body).await
    });
    check("no gzip", &run(LIST, lie), &[]);
    let named = act(|mut client, body| async move {
        let head = "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n";
        whole(&mut client, head, &body).await
    });
    check("another type", &run(LIST, named), &[]);
    let page = act(|mut client, _| async move {
        whole(&mut client, OK, b"\n<!DOCTYPE html><title>Log in</title>").await
    });
    list("a page", page, Outcome::Failed, "no list: it is a web page");
}

#[test]
fn who_is_sent_on_elsewhere_does_not_go_and_says_where() {
    let elsewhere = act(|mut client, _| async move {
        let head = "HTTP/1.1 307 Temporary Redirect\r\n\
            Location: https://login.example/in?state=planted\r\n";
        whole(&mut client, head, b"").await
    });
    let reason = "HTTP 307: sent on to `https://login.example/in`";
    list("redirect", elsewhere, Outcome::Failed, reason);
}

#[test]
fn bytes_behind_an_answer_do_not_become_the_next_answer() {
    let more = act(|mut client, body| async move {
        let second = format!("{OK}Content-Length: 2\r\n\r\n{{}}");
        whole(&mut client, OK, &body).await?;
        client.write_all(second.as_bytes()).await
    });
    check("an answer too many", &run(LIST, more), &[]);
}
