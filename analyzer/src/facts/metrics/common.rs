//! What every table's rows are made of.

use serde_json::Value;

use super::index::Index;
use super::series::{Series, SeriesSet};
use crate::facts::owner::Owner;
use crate::facts::policy::Verdicts;
use crate::facts::row::Row;
use crate::facts::{Fact, Sources};

/// One container's series, and where to look up what they refer to.
pub(super) struct Scope<'a> {
    pub(super) sources: &'a Sources<'a>,
    pub(super) index: &'a Index<'a>,
    pub(super) verdicts: &'a Verdicts<'a>,
    pub(super) set: &'a SeriesSet<'a>,
    pub(super) owner: Owner,
}

impl<'a> Scope<'a> {
    pub(super) fn new(
        sources: &'a Sources<'a>,
        index: &'a Index<'a>,
        verdicts: &'a Verdicts<'a>,
        set: &'a SeriesSet<'a>,
    ) -> Self {
        let owner = sources.owner(set.namespace, set.pod);
        Self {
            sources,
            index,
            verdicts,
            set,
            owner,
        }
    }

    /// A row that starts with whose metrics it is from.
    pub(super) fn row(&self) -> Row {
        Row::new()
            .text("namespace", self.set.namespace)
            .set("pod", self.set.pod)
            .set("workload", self.owner.to_value())
            .set("two_scrapes", self.set.has_two)
    }

    /// A fact about the pod, with a series as its evidence.
    pub(super) fn fact(&self, series: &Series<'_>, row: Row) -> Fact {
        self.told(series.line, &text_of(series), row)
    }

    /// A fact about the pod, with a line as its evidence, in the words of `excerpt`.
    pub(super) fn told(&self, line: u64, excerpt: &str, row: Row) -> Fact {
        Fact {
            subjects: vec![self.set.subject()],
            evidence: vec![self.set.evidence(line, excerpt)],
            fields: row.build(),
            kept: None,
        }
    }

    /// The Service that an IP belongs to, as `namespace/name`.
    pub(super) fn service_of(&self, ip: &str) -> Option<(&'a str, &'a str)> {
        let service = self.index.service(ip)?;
        Some((&service.namespace, &service.name))
    }

    /// Seconds since the process started, at the capture.
    pub(super) fn uptime(&self) -> Option<f64> {
        let started = self.set.value("process_start_time_seconds")?;
        Some(self.now() - started)
    }

    /// The capture time in seconds since 1970.
    pub(super) fn now(&self) -> f64 {
        self.sources.at().as_duration().as_secs_f64()
    }
}

/// A series as it stands in the text, without labels that no table reads.
pub(super) fn text_of(series: &Series<'_>) -> String {
    let labels = series.labels.iter().map(|(n, v)| format!("{n}=\"{v}\""));
    let labels = labels.collect::<Vec<_>>().join(",");
    if labels.is_empty() {
        format!("{} {}", series.family, series.value)
    } else {
        format!("{}{{{labels}}} {}", series.family, series.value)
    }
}

/// A number that JSON can hold.
pub(super) fn number(value: f64) -> Option<Value> {
    serde_json::Number::from_f64(value).map(Value::Number)
}

/// A port as a number.
pub(super) fn port(text: &str) -> Option<i64> {
    text.parse::<u16>().ok().map(i64::from)
}

/// An address split into host and port: `10.0.0.1:80`, `[fd00::1]:80`.
pub(super) fn split_address(address: &str) -> (&str, &str) {
    let (host, port) = address.rsplit_once(':').unwrap_or((address, ""));
    (host.trim_start_matches('[').trim_end_matches(']'), port)
}

/// The service account in a proxy's identity, as `name.namespace`; empty if it is none.
pub(super) fn account(identity: &str) -> &str {
    let found = identity.split_once(".serviceaccount.");
    found.map(|(account, _)| account).unwrap_or_default()
}

/// A counter's lifetime value and what it grew by.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Tally {
    pub(super) total: f64,
    pub(super) delta: f64,
}

impl Tally {
    pub(super) fn add(&mut self, series: &Series<'_>) {
        self.total += series.value;
        self.delta += series.delta().unwrap_or(0.0);
    }

    pub(super) fn plus(self, other: Self) -> Self {
        Self {
            total: self.total + other.total,
            delta: self.delta + other.delta,
        }
    }
}

/// Adds a tally to a row as `name` and, with two scrapes, `name_delta`.
pub(super) fn tally(row: Row, name: &str, tally: Tally, has_two: bool) -> Row {
    let row = row.set(name, tally.total);
    row.opt(&format!("{name}_delta"), has_two.then_some(tally.delta))
}

/// The sum of several families' series that meet a condition.
pub(super) fn sum<'a>(
    series: impl Iterator<Item = &'a Series<'a>>,
    is_meant: impl Fn(&Series<'_>) -> bool,
) -> Tally {
    let mut tally = Tally::default();
    for one in series.filter(|s| is_meant(s)) {
        tally.add(one);
    }
    tally
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_both_families_are_split() {
        assert_eq!(split_address("10.0.0.1:80"), ("10.0.0.1", "80"));
        assert_eq!(split_address("[fd00::1]:80"), ("fd00::1", "80"));
        assert_eq!(split_address("cart"), ("cart", ""));
        assert_eq!(
            account("cart.shop.serviceaccount.identity.linkerd.cluster.local"),
            "cart.shop"
        );
        assert_eq!(account("spiffe://trust.example/vm"), "");
    }
}
