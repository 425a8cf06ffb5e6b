//! Samples of two scrapes of one process, joined into series.

use std::collections::BTreeMap;

use super::index::Index;
use super::store::{Bucket, Labels};
use super::{Origin, Scrape};
use crate::evidence::{Evidence, Subject};

/// One series: its value in the last scrape, and in the one before.
#[derive(Debug, Clone)]
pub(super) struct Series<'a> {
    pub(super) family: &'a str,
    pub(super) labels: Labels<'a>,
    pub(super) value: f64,
    /// Its value in the scrape before; zero if it began since. `None` without such a scrape.
    pub(super) previous: Option<f64>,
    pub(super) line: u64,
}

impl<'a> Series<'a> {
    /// A label's value; empty if it is missing.
    pub(super) fn label(&self, name: &str) -> &'a str {
        self.labels.get(name)
    }

    /// What a counter grew by between the scrapes. Where it shrank although the process did not
    /// restart, the series was dropped for being idle and began anew.
    pub(super) fn delta(&self) -> Option<f64> {
        let previous = self.previous?;
        Some(if self.value >= previous {
            self.value - previous
        } else {
            self.value
        })
    }

    pub(super) fn is_inbound(&self) -> bool {
        self.family.starts_with("inbound") || self.label("direction") == "inbound"
    }
}

/// A histogram of two scrapes.
#[derive(Debug)]
pub(super) struct Histogram<'a> {
    pub(super) family: &'a str,
    pub(super) labels: Labels<'a>,
    /// What was counted since the process started.
    pub(super) lifetime: &'a [Bucket],
    /// What was counted between the scrapes.
    pub(super) delta: Option<Vec<Bucket>>,
    pub(super) line: u64,
}

/// All series of one container.
#[derive(Debug)]
pub(super) struct SeriesSet<'a> {
    pub(super) origin: Origin,
    pub(super) namespace: &'a str,
    pub(super) pod: &'a str,
    pub(super) container: &'a str,
    pub(super) entry: &'a str,
    /// Seconds between the two scrapes, by the process' own clock, else by the ledger.
    pub(super) interval_s: Option<f64>,
    /// Whether two scrapes of the same process can be compared.
    pub(super) has_two: bool,
    /// Whether the process restarted between the scrapes.
    pub(super) restarted: bool,
    /// By family.
    series: Vec<Series<'a>>,
    histograms: Vec<Histogram<'a>>,
}

type Key<'a> = (&'a str, Vec<(&'a str, &'a str)>);

impl<'a> SeriesSet<'a> {
    /// Joins the scrapes of one container, oldest first.
    pub(super) fn of(index: &Index<'_>, scrapes: &'a [Scrape]) -> Option<Self> {
        let last = scrapes.last()?;
        let first = scrapes.first().filter(|s| s.number != last.number);
        let restarted = first.is_some_and(|first| is_restarted(first, last));
        let first = first.filter(|_| !restarted);
        let mut set = Self {
            origin: last.origin,
            namespace: &last.namespace,
            pod: &last.pod,
            container: &last.container,
            entry: &last.entry,
            interval_s: first.and_then(|first| interval(index, first, last)),
            has_two: first.is_some(),
            restarted,
            series: series(first, last),
            histograms: histograms(first, last),
        };
        set.series.sort_by(|a, b| a.family.cmp(b.family));
        Some(set)
    }

    /// The series of a family; none if it was not exposed.
    pub(super) fn family(&self, name: &str) -> &[Series<'a>] {
        let start = self.series.partition_point(|s| s.family < name);
        let end = self.series.partition_point(|s| s.family <= name);
        self.series.get(start..end).unwrap_or_default()
    }

    /// The series of several families.
    pub(super) fn families<'s>(
        &'s self,
        names: &'s [&str],
    ) -> impl Iterator<Item = &'s Series<'a>> {
        names.iter().flat_map(|name| self.family(name))
    }

    /// Every series, by family.
    pub(super) fn all(&self) -> &[Series<'a>] {
        &self.series
    }

    pub(super) fn histograms(&self, family: &str) -> impl Iterator<Item = &Histogram<'a>> {
        self.histograms.iter().filter(move |h| h.family == family)
    }

    pub(super) fn all_histograms(&self) -> &[Histogram<'a>] {
        &self.histograms
    }

    /// The value of a family without labels.
    pub(super) fn value(&self, name: &str) -> Option<f64> {
        self.family(name).first().map(|s| s.value)
    }

    /// The value of the first of several names of the same thing.
    pub(super) fn first_value(&self, names: &[&str]) -> Option<f64> {
        names.iter().find_map(|name| self.value(name))
    }

    /// What a rate is, given a growth.
    pub(super) fn rate(&self, delta: Option<f64>) -> Option<f64> {
        Some(delta? / self.interval_s?)
    }

    pub(super) fn subject(&self) -> Subject {
        if self.namespace.is_empty() {
            return Subject::cluster("Pod", self.pod);
        }
        Subject::namespaced("Pod", self.namespace, self.pod)
    }

    /// Evidence at a line.
    pub(super) fn evidence(&self, line: u64, excerpt: &str) -> Evidence {
        Evidence {
            line: Some(line),
            ..Evidence::of_entry(self.entry, excerpt)
        }
    }
}

fn value(scrape: &Scrape, family: &str) -> Option<f64> {
    let mut samples = scrape.store.samples();
    samples.find(|s| s.0 == family).map(|s| s.2)
}

/// Whether the process of the second scrape is another one than that of the first.
fn is_restarted(first: &Scrape, last: &Scrape) -> bool {
    let start = |scrape| value(scrape, "process_start_time_seconds");
    if let (Some(a), Some(b)) = (start(first), start(last)) {
        // Proxies before 2.15 tell whole seconds.
        return (a - b).abs() > 1.0;
    }
    let cpu = |scrape| value(scrape, "process_cpu_seconds_total");
    let both = cpu(first).zip(cpu(last));
    both.is_some_and(|(before, now)| now < before)
}

fn interval(index: &Index<'_>, first: &Scrape, last: &Scrape) -> Option<f64> {
    let uptime = |scrape| value(scrape, "process_uptime_seconds_total");
    let own = uptime(last).zip(uptime(first)).map(|(b, a)| b - a);
    let seconds = own
        .filter(|s| *s > 0.0)
        .or_else(|| index.seconds_between(&first.entry, &last.entry))?;
    (seconds > 0.0).then_some(seconds)
}

fn series<'a>(first: Option<&'a Scrape>, last: &'a Scrape) -> Vec<Series<'a>> {
    let mut before: BTreeMap<Key<'a>, f64> = BTreeMap::new();
    for (family, labels, value, _) in first.into_iter().flat_map(|s| s.store.samples()) {
        before.insert((family, labels.sorted()), value);
    }
    let of = |(family, labels, value, line): (&'a str, Labels<'a>, f64, u64)| {
        let previous = first.map(|_| {
            let key = (family, labels.sorted());
            before.get(&key).copied().unwrap_or(0.0)
        });
        Series {
            family,
            labels,
            value,
            previous,
            line,
        }
    };
    last.store.samples().map(of).collect()
}

fn histograms<'a>(first: Option<&'a Scrape>, last: &'a Scrape) -> Vec<Histogram<'a>> {
    let mut before: BTreeMap<Key<'a>, &'a [Bucket]> = BTreeMap::new();
    for (family, labels, buckets, _) in first.into_iter().flat_map(|s| s.store.histograms()) {
        before.insert((family, labels.sorted()), buckets);
    }
    let of = |(family, labels, lifetime, line): (&'a str, Labels<'a>, &'a [Bucket], u64)| {
        let delta = first.map(|_| {
            let key = (family, labels.sorted());
            growth(before.get(&key).copied().unwrap_or_default(), lifetime)
        });
        Histogram {
            family,
            labels,
            lifetime,
            delta,
            line,
        }
    };
    last.store.histograms().map(of).collect()
}

/// What buckets grew by. A histogram that shrank began anew.
fn growth(before: &[Bucket], now: &[Bucket]) -> Vec<Bucket> {
    let total = |buckets: &[Bucket]| buckets.iter().map(|b| b.count).sum::<f64>();
    if total(before) > total(now) {
        return now.to_vec();
    }
    let grown = now.iter().map(|bucket| {
        let same = before
            .iter()
            .find(|b| b.upper.total_cmp(&bucket.upper).is_eq());
        Bucket {
            count: bucket.count - same.map_or(0.0, |b| b.count),
            ..*bucket
        }
    });
    grown.filter(|b| b.count > 0.0).collect()
}
