//! The collector against sick clusters: a recording that is replayed with faults. For each fault,
//! exactly which rows of the ledger it changes, and that nothing else is touched.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use bundle::{Outcome, SourceKind};
use support::Run;
use support::sick::{SOON, WELL, check};

/// A fault of the logs of the ten proxies, which changes those ten rows.
fn logs_with(effect: &str, outcome: Outcome, reason: &str) -> Run {
    let faults = format!(
        "faults: [{{match: {{subresource: log, query: {{container: linkerd-proxy}}}}, \
         effect: {effect}}}]"
    );
    check(
        &faults,
        SOON,
        &[(10, SourceKind::PodLogs, outcome, &[reason])],
    )
}

const LOG: &str = "cluster-resources/pods/logs/shop/catalog-7cc5f8978b-zwdmb/linkerd-proxy.log";

#[test]
fn a_log_that_comes_in_part_is_truncated_and_keeps_what_came() {
    for (effect, reason) in [
        (
            "{stall: {after_bytes: 4000}}",
            "no further byte came within",
        ),
        ("{drop: {after_bytes: 4000}}", "broke off: "),
        ("{content_length: more}", "broke off: "),
        ("{content_length: less}", "the log ends within a line"),
        ("{drip: {bytes_per_second: 2000}}", "bytes came within 1 s"),
    ] {
        let run = logs_with(effect, Outcome::Truncated, reason);
        let log = run.entry(LOG);
        assert!(
            log.len() > 1000 && log.starts_with("2026-"),
            "{effect}: {log}"
        );
        assert_eq!(run.code(), 3);
    }
}

#[test]
fn a_log_that_does_not_come_says_why() {
    for (effect, outcome, reason) in [
        ("drop", Outcome::Failed, "connection closed"),
        (
            "{garbage: {bytes: 2000}}",
            Outcome::Failed,
            "the answer is no log",
        ),
        (
            "unretrievable_log",
            Outcome::Failed,
            "unable to retrieve container logs",
        ),
        ("{status: 500}", Outcome::Failed, "HTTP 500: "),
        ("{status: 503}", Outcome::Failed, "HTTP 503: "),
        ("{status: 403}", Outcome::Refused, "HTTP 403: "),
        (
            "{status: {code: 429, retry_after: 600}}",
            Outcome::Refused,
            "HTTP 429: ",
        ),
        ("vanish", Outcome::Absent, "HTTP 404: "),
    ] {
        let run = logs_with(effect, outcome, reason);
        assert!(run.bundle().read(LOG).is_err(), "{effect}");
    }
}

#[test]
fn logs_and_port_forwards_of_a_dead_kubelet_time_out_and_the_pod_proxy_still_answers() {
    let silent: &[&str] = &["no answer came within", "has stopped answering by logs"];
    let closed: &[&str] = &[
        "has stopped answering by port-forwards",
        "no port-forward was opened",
    ];
    let run = check(
        "faults: [{match: {nodes: 100%}, effect: hang}]",
        SOON,
        &[
            (34, SourceKind::PodLogs, Outcome::TimedOut, silent),
            (10, SourceKind::ProxyIdentity, Outcome::TimedOut, closed),
            (3, SourceKind::ServerTls, Outcome::TimedOut, closed),
        ],
    );
    let row = run.row("shop/catalog-7cc5f8978b-zwdmb #2");
    assert_eq!(row.via.as_deref(), Some("pod-proxy"));
    assert_eq!(row.outcome, Outcome::Complete);
}

#[test]
fn ports_of_a_dead_node_time_out_by_both_ways_and_the_lists_are_there() {
    let words: &[&str] = &[
        "pod proxy: no answer came",
        "has stopped answering by the pod proxy",
    ];
    let any: &[&str] = &[
        "no answer",
        "has stopped answering",
        "no port-forward was opened",
    ];
    check(
        "faults: [{match: {nodes: 100%, via: [kubelet, network]}, effect: hang}]",
        SOON,
        &[
            (20, SourceKind::ProxyMetrics, Outcome::TimedOut, words),
            (10, SourceKind::ControllerMetrics, Outcome::TimedOut, words),
            (10, SourceKind::ProxyState, Outcome::TimedOut, words),
            (34, SourceKind::PodLogs, Outcome::TimedOut, any),
            (10, SourceKind::ProxyIdentity, Outcome::TimedOut, any),
            (3, SourceKind::ServerTls, Outcome::TimedOut, any),
        ],
    );
}

#[test]
fn a_pod_that_vanishes_is_absent_in_every_row_of_its_own() {
    let gone: &[&str] = &["not found"];
    let run = check(
        "faults: [{match: {pods: \"catalog-7cc5f8978b-zwdmb\"}, effect: vanish}]",
        &[],
        &[
            (3, SourceKind::PodLogs, Outcome::Absent, gone),
            (2, SourceKind::ProxyMetrics, Outcome::Absent, gone),
            (1, SourceKind::ProxyState, Outcome::Absent, gone),
            (1, SourceKind::ProxyIdentity, Outcome::Absent, gone),
        ],
    );
    assert!(
        run.entry("cluster-resources/pods/shop.json")
            .contains("catalog-7cc5f8978b-zwdmb")
    );
}

#[test]
fn a_port_forward_that_goes_wrong_is_made_up_for_by_the_pod_proxy() {
    for (effect, outcome) in [
        ("hang", Outcome::TimedOut),
        ("drop", Outcome::Failed),
        ("{status: 403}", Outcome::Refused),
        ("{stall: {after_bytes: 10}}", Outcome::TimedOut),
    ] {
        let faults = format!("faults: [{{match: {{subresource: portforward}}, effect: {effect}}}]");
        let run = check(
            &faults,
            SOON,
            &[
                (10, SourceKind::ProxyIdentity, outcome, &[""]),
                (3, SourceKind::ServerTls, outcome, &[""]),
            ],
        );
        let row = run.row("shop/catalog-7cc5f8978b-zwdmb #1");
        assert_eq!(row.via.as_deref(), Some("pod-proxy"), "{effect}");
    }
}

#[test]
fn what_goes_wrong_once_with_a_list_changes_nothing() {
    for effect in [
        "drop",
        "hang",
        "{drop: {after_bytes: 400}}",
        "{stall: {after_bytes: 400}}",
        "reset",
        "{reset: {after_bytes: 400}}",
        "{slow_head: {bytes_per_second: 2}}",
        "{gzip: cut}",
        "{gzip: lie}",
        "{redirect: /login}",
        "{garbage: {bytes: 2000}}",
        "{content_length: more}",
        "{content_length: less}",
        "{status: 500}",
        "{status: 503}",
        "{status: {code: 429, retry_after: 1}}",
    ] {
        let faults = format!(
            "faults: [{{match: {{verb: list, resource: pods}}, times: 1, effect: {effect}}}]"
        );
        // Long enough for the ports, which are well.
        check(&faults, &["--item-timeout", "3s"], &[]);
    }
}

#[test]
fn a_list_that_never_comes_is_one_row_and_the_other_lists_are_there() {
    for (effect, outcome, reason) in &[
        ("hang", Outcome::TimedOut, ["no answer came within 1 s"]),
        (
            "{garbage: {bytes: 2000}}",
            Outcome::Failed,
            ["the answer is no list"],
        ),
        ("{status: 500}", Outcome::Failed, ["HTTP 500: "]),
    ] {
        let faults = format!(
            "faults: [{{match: {{verb: list, resource: \"servers.policy.linkerd.io\"}}, \
             effect: {effect}}}]"
        );
        let kind = SourceKind::CustomResources;
        let missing: &[&str] = &["no servers.policy.linkerd.io/"];
        let absent = WELL
            .values()
            .filter(|r| r.object.starts_with("servers.policy.linkerd.io/"));
        let expected = [
            (1, kind, *outcome, reason.as_slice()),
            (absent.count(), kind, Outcome::Skipped, missing),
        ];
        check(&faults, SOON, &expected);
    }
}

#[test]
fn a_namespace_that_is_forbidden_is_refused_row_by_row_and_no_other_is() {
    let forbidden: &[&str] = &["HTTP 403: "];
    let expected = [
        (22, SourceKind::PodLogs, Outcome::Refused, forbidden),
        (14, SourceKind::ProxyMetrics, Outcome::Refused, forbidden),
        (7, SourceKind::ProxyState, Outcome::Refused, forbidden),
        (7, SourceKind::ProxyIdentity, Outcome::Refused, forbidden),
    ];
    check(
        "faults: [{match: {namespace: shop, resource: pods}, effect: {status: 403}}]",
        &[],
        &expected,
    );
}

#[test]
fn a_busy_server_is_asked_again_when_it_said_and_nothing_is_missing() {
    check(
        "seed: 3\nfaults: [{match: {requests: 5%}, times: 1, each: path, \
         effect: {status: {code: 429, retry_after: 1}}}]",
        &[],
        &[],
    );
}
