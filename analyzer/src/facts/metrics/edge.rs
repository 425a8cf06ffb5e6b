//! What became of the requests between two ends.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::common::{Tally, tally};
use super::quantiles::Latency;
use super::series::Series;
use crate::facts::row::Row;

/// How one request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum End {
    Fine,
    /// The server answered with a failure.
    Server,
    /// The proxy could not get an answer, or gave one of its own.
    Proxy,
}

/// Requests or responses by outcome.
#[derive(Debug, Default)]
struct Outcomes<'a>(BTreeMap<(&'a str, End), Tally>);

impl<'a> Outcomes<'a> {
    fn add(&mut self, outcome: &'a str, end: End, series: &Series<'_>) {
        self.0.entry((outcome, end)).or_default().add(series);
    }

    fn sum(&self, is_meant: impl Fn(&str, End) -> bool) -> Tally {
        let meant = self
            .0
            .iter()
            .filter(|((name, end), _)| is_meant(name, *end));
        meant.fold(Tally::default(), |sum, (_, tally)| sum.plus(*tally))
    }

    fn named(&self, names: &[&str]) -> Tally {
        self.sum(|name, _| names.contains(&name))
    }
}

/// One edge of the graph of who calls whom, as one of its proxies counted it.
#[derive(Debug, Default)]
pub(super) struct Edge<'a> {
    /// By what endpoints answered, from `response_total`.
    responses: Outcomes<'a>,
    /// By what the client was told, from the counters of outbound routes; since 2.16.
    requests: Outcomes<'a>,
    pub(super) latency: Latency,
    pub(super) tls: BTreeSet<&'a str>,
    pub(super) no_tls_reasons: BTreeSet<&'a str>,
    pub(super) identities: BTreeSet<&'a str>,
    pub(super) workloads: BTreeSet<(&'static str, &'a str)>,
    pub(super) pods: BTreeSet<&'a str>,
    pub(super) routes: BTreeSet<&'a str>,
    pub(super) retries: Tally,
    pub(super) retries_refused: Tally,
    /// The line that shows best what is wrong: how bad it is, how often it happened, the line.
    best: Option<(End, f64, u64)>,
}

/// Names of gRPC codes in the order of their numbers.
const GRPC: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

/// The gRPC codes that proxies count as failures.
const GRPC_FAILURES: [&str; 6] = [
    "UNKNOWN",
    "DEADLINE_EXCEEDED",
    "PERMISSION_DENIED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
];

const TIMEOUTS: [&str; 5] = [
    "timeout",
    "REQUEST_TIMEOUT",
    "RESPONSE_HEADERS_TIMEOUT",
    "RESPONSE_STREAM_TIMEOUT",
    "IDLE_TIMEOUT",
];

impl<'a> Edge<'a> {
    /// Adds a series of `response_total`.
    pub(super) fn add_response(&mut self, series: &Series<'a>) {
        let status = series.label("status_code");
        let error = series.label("error");
        let is_failure = series.label("classification") == "failure";
        let code = series.label("grpc_status").parse::<usize>().ok();
        let code = code.filter(|code| *code > 0).and_then(|c| GRPC.get(c));
        let (outcome, end) = match (code, status, error) {
            (_, "", "") => ("none", End::Proxy),
            (_, "", error) => (error, End::Proxy),
            (Some(code), _, _) if is_failure => (*code, End::Server),
            (_, status, _) if is_failure => (status, End::Server),
            (_, status, _) => (status, End::Fine),
        };
        self.responses.add(outcome, end, series);
        self.rate(end, series);
    }

    /// Adds a series of the statuses of outbound routes.
    pub(super) fn add_request(&mut self, series: &Series<'a>) {
        let error = series.label("error");
        let http = series.label("http_status");
        let grpc = series.label("grpc_status");
        let (outcome, end) = if !error.is_empty() {
            (error, End::Proxy)
        } else if !grpc.is_empty() {
            let is_failure = GRPC_FAILURES.contains(&grpc);
            (grpc, if is_failure { End::Server } else { End::Fine })
        } else if http.is_empty() {
            ("none", End::Proxy)
        } else {
            let is_failure = http.starts_with('5');
            (http, if is_failure { End::Server } else { End::Fine })
        };
        self.requests.add(outcome, end, series);
        self.rate(end, series);
    }

    fn rate(&mut self, end: End, series: &Series<'_>) {
        let this = (end, series.value, series.line);
        let is_better = self
            .best
            .is_none_or(|(best, value, _)| (end, series.value) > (best, value));
        if is_better {
            self.best = Some(this);
        }
    }

    /// The line that shows best what is wrong.
    pub(super) fn line(&self) -> Option<u64> {
        self.best.map(|(_, _, line)| line)
    }

    /// What the client was told where that is counted, else what servers answered.
    fn all(&self) -> &Outcomes<'a> {
        if self.requests.0.is_empty() {
            &self.responses
        } else {
            &self.requests
        }
    }

    /// What ended in failure: what the server answered and what the proxy could not do.
    fn failures(&self) -> Tally {
        self.all().sum(|_, end| end != End::Fine)
    }

    /// Adds the fields that count.
    pub(super) fn fields(&self, mut row: Row, has_two: bool) -> Row {
        let (all, failures) = (self.all(), self.failures());
        let total = all.sum(|_, _| true);
        let is_status = |name: &str| name.len() == 3 && name.bytes().all(|b| b.is_ascii_digit());
        let server = all.sum(|name, end| end == End::Server || (is_status(name) && name >= "500"));
        let gateway = ["502", "503", "504"];
        for (name, of) in [
            ("requests", total),
            ("failures", failures),
            ("server_errors", server),
            ("proxy_errors", all.sum(|_, end| end == End::Proxy)),
            ("gateway_errors", self.responses.named(&gateway)),
            ("forbidden", all.named(&["403", "PERMISSION_DENIED"])),
            ("failfast", all.named(&["FAIL_FAST"])),
            ("loadshed", all.named(&["LOAD_SHED"])),
            ("timeouts", all.named(&TIMEOUTS)),
            ("retries", self.retries),
            ("retries_refused", self.retries_refused),
        ] {
            row = tally(row, name, of, has_two);
        }
        let ratio = |all: f64, bad: f64| (all > 0.0).then(|| 1.0 - bad / all);
        let now = has_two
            .then(|| ratio(total.delta, failures.delta))
            .flatten();
        row.set("outcomes", self.outcomes(has_two))
            .opt("success_ratio", now)
            .opt("success_ratio_total", ratio(total.total, failures.total))
            .opt("p50_ms", self.latency.newest().at(0.50))
            .opt("p95_ms", self.latency.newest().at(0.95))
            .opt("p99_ms", self.latency.newest().at(0.99))
            .opt("p95_ms_total", self.latency.lifetime.at(0.95))
            .set("latency_samples", self.latency.newest().count())
    }

    /// Each outcome with its count.
    fn outcomes(&self, has_two: bool) -> Value {
        let all = self.all().0.iter();
        let told = all.map(|((name, _), tally)| {
            let value = if has_two {
                json!({"total": tally.total, "delta": tally.delta})
            } else {
                json!({"total": tally.total})
            };
            ((*name).to_owned(), value)
        });
        Value::Object(told.collect())
    }

    /// The outcomes in words.
    pub(super) fn in_words(&self) -> String {
        let all = self.all().0.iter();
        let told = all.map(|((name, _), t)| format!("{name}: {} (+{})", t.total, t.delta));
        told.collect::<Vec<_>>().join(", ")
    }
}
