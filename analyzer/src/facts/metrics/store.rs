//! The samples of one scrape, kept small: tens of thousands of scrapes are held at once.
//!
//! The families that tables read have numbers. Each other string, each label with its value and
//! each distinct set of labels is kept once; samples point at them. A histogram keeps only its
//! buckets that counted something.

use std::collections::{BTreeMap, HashMap};

use super::exposition::{Label, Line};
use super::families::{self, Keep, is_unread, keep};
use super::numbers::Numbers;
use crate::facts::Demand;

/// The samples of one scrape.
#[derive(Debug, Default)]
pub(super) struct Store {
    text: Box<str>,
    /// Where each string ends in `text`. Their numbers come after those of the families.
    ends: Numbers,
    /// Label names and values, by number of string.
    names: Numbers,
    values: Numbers,
    /// Labels by number, one set after the other.
    labels: Numbers,
    /// Where each set of labels ends in `labels`.
    set_ends: Numbers,
    samples: Samples,
    histograms: Box<[Histogram]>,
}

/// Samples, column by column.
#[derive(Debug, Default)]
struct Samples {
    families: Numbers,
    sets: Numbers,
    lines: Numbers,
    values: Box<[f64]>,
}

#[derive(Debug, Clone, Copy)]
struct Sample {
    family: u32,
    set: u32,
    line: u32,
    value: f64,
}

impl Samples {
    fn of(samples: &[Sample]) -> Self {
        Self {
            families: samples.iter().map(|s| s.family).collect(),
            sets: samples.iter().map(|s| s.set).collect(),
            lines: samples.iter().map(|s| s.line).collect(),
            values: samples.iter().map(|s| s.value).collect(),
        }
    }

    fn iter(&self) -> impl Iterator<Item = Sample> {
        let of = |(at, value): (usize, &f64)| {
            Some(Sample {
                family: self.families.get(at)?,
                set: self.sets.get(at)?,
                line: self.lines.get(at)?,
                value: *value,
            })
        };
        self.values.iter().enumerate().filter_map(of)
    }
}

#[derive(Debug)]
struct Histogram {
    family: u32,
    set: u32,
    line: u32,
    buckets: Box<[Bucket]>,
}

/// A histogram's bucket with what fell into it, and into it alone.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Bucket {
    /// The bound of the bucket before it; zero for the first.
    pub(super) lower: f64,
    /// Its own bound; infinite for the last.
    pub(super) upper: f64,
    /// How many observations fell between the two.
    pub(super) count: f64,
}

/// A set of labels.
#[derive(Debug, Clone, Copy)]
pub(super) struct Labels<'a> {
    store: &'a Store,
    set: u32,
}

impl<'a> Labels<'a> {
    /// Names and values, in the order of the text.
    pub(super) fn iter(self) -> impl Iterator<Item = (&'a str, &'a str)> {
        let Self { store, set } = self;
        let labels = store.set_ends.range(set);
        labels.filter_map(move |at| {
            let label = store.labels.get(at)? as usize;
            let (name, value) = (store.names.get(label)?, store.values.get(label)?);
            Some((store.string(name), store.string(value)))
        })
    }

    /// A label's value; empty if it is missing.
    pub(super) fn get(self, name: &str) -> &'a str {
        let found = self.iter().find(|(n, _)| *n == name);
        found.map(|(_, value)| value).unwrap_or_default()
    }

    /// The labels in the order of their names, to compare sets of different scrapes.
    pub(super) fn sorted(self) -> Vec<(&'a str, &'a str)> {
        let mut sorted: Vec<_> = self.iter().collect();
        sorted.sort_unstable();
        sorted
    }
}

impl Store {
    /// Every sample: family, labels, value, line.
    pub(super) fn samples(&self) -> impl Iterator<Item = (&str, Labels<'_>, f64, u64)> {
        self.samples.iter().map(|s| {
            let labels = Labels {
                store: self,
                set: s.set,
            };
            (self.string(s.family), labels, s.value, u64::from(s.line))
        })
    }

    /// Every histogram: family, labels without `le`, buckets, line of the first bucket.
    pub(super) fn histograms(&self) -> impl Iterator<Item = (&str, Labels<'_>, &[Bucket], u64)> {
        self.histograms.iter().map(|h| {
            let labels = Labels {
                store: self,
                set: h.set,
            };
            (
                self.string(h.family),
                labels,
                &*h.buckets,
                u64::from(h.line),
            )
        })
    }

    fn string(&self, number: u32) -> &str {
        if let Some(family) = families::name(number as usize) {
            return family;
        }
        let own = number - small(families::COUNT as u64);
        self.text.get(self.ends.range(own)).unwrap_or_default()
    }
}

/// The line of a histogram that is being read, and its buckets: upper bound and count.
type OpenHistogram = (u32, Vec<(f64, f64)>);

/// Builds a [`Store`] while a scrape is read.
#[derive(Debug, Default)]
pub(super) struct Builder {
    text: String,
    ends: Vec<u32>,
    numbers: HashMap<Box<str>, u32>,
    /// The numbers of the strings of each label's name and value.
    pairs: Vec<(u32, u32)>,
    pair_numbers: HashMap<(u32, u32), u32>,
    labels: Vec<u32>,
    set_ends: Vec<u32>,
    sets: HashMap<Box<[u32]>, u32>,
    samples: Vec<Sample>,
    open: BTreeMap<(u32, u32), OpenHistogram>,
    scratch: Vec<u32>,
    lines_before: u64,
}

impl Builder {
    /// Whether samples of a family are kept.
    pub(super) fn wants(family: &str, demand: &Demand) -> bool {
        keep(family).is_some() || demand.metric_families.contains(family)
    }

    /// Takes one sample of a text that has this many lines before it in its entry.
    pub(super) fn take(&mut self, line: &Line<'_, '_>, demand: &Demand, lines_before: u64) {
        self.lines_before = lines_before;
        let is_asked_for = demand.metric_families.contains(line.family);
        let keep = keep(line.family);
        if is_asked_for {
            self.add_sample(line, |_| true);
        } else if keep == Some(Keep::Gauge)
            || (keep == Some(Keep::Counter) && line.value != 0.0 && is_telling(line))
        {
            self.add_sample(line, |label| !is_unread(label));
        }
        if keep == Some(Keep::Buckets) {
            self.add_bucket(line);
        }
    }

    fn add_sample(&mut self, line: &Line<'_, '_>, wanted: impl Fn(&str) -> bool) {
        let family = self.family(line.family);
        let set = self.set(line.labels, wanted);
        self.samples.push(Sample {
            family,
            set,
            line: small(self.lines_before + line.number),
            value: line.value,
        });
    }

    fn add_bucket(&mut self, line: &Line<'_, '_>) {
        let bound = line.labels.iter().find(|(name, _)| *name == "le");
        let Some(bound) = bound.and_then(|(_, value)| value.parse::<f64>().ok()) else {
            return;
        };
        let family = self.family(line.family);
        let set = self.set(line.labels, |label| label != "le" && !is_unread(label));
        let number = small(self.lines_before + line.number);
        let (_, buckets) = self
            .open
            .entry((family, set))
            .or_insert_with(|| (number, Vec::new()));
        buckets.push((bound, line.value));
    }

    fn family(&mut self, family: &str) -> u32 {
        let known = families::number(family);
        known.map_or_else(|| self.string(family), |number| small(number as u64))
    }

    fn string(&mut self, text: &str) -> u32 {
        if let Some(number) = self.numbers.get(text) {
            return *number;
        }
        let number = small((families::COUNT + self.ends.len()) as u64);
        self.text.push_str(text);
        self.ends.push(small(self.text.len() as u64));
        self.numbers.insert(text.into(), number);
        number
    }

    fn set(&mut self, labels: &[Label<'_>], wanted: impl Fn(&str) -> bool) -> u32 {
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.clear();
        for (name, value) in labels.iter().filter(|(name, _)| wanted(name)) {
            let pair = (self.string(name), self.string(value));
            scratch.push(self.pair(pair));
        }
        let number = self.sets.get(scratch.as_slice()).copied();
        let number = number.unwrap_or_else(|| {
            let number = small(self.set_ends.len() as u64);
            self.labels.extend_from_slice(&scratch);
            self.set_ends.push(small(self.labels.len() as u64));
            self.sets.insert(scratch.as_slice().into(), number);
            number
        });
        self.scratch = scratch;
        number
    }

    fn pair(&mut self, pair: (u32, u32)) -> u32 {
        let next = small(self.pairs.len() as u64);
        let number = *self.pair_numbers.entry(pair).or_insert(next);
        if number == next {
            self.pairs.push(pair);
        }
        number
    }

    /// The finished store.
    pub(super) fn finish(self) -> Store {
        let histograms = self
            .open
            .into_iter()
            .map(|((family, set), (line, bounds))| {
                let buckets = buckets(bounds);
                Histogram {
                    family,
                    set,
                    line,
                    buckets,
                }
            });
        Store {
            text: self.text.into(),
            ends: self.ends.into_iter().collect(),
            names: self.pairs.iter().map(|(name, _)| *name).collect(),
            values: self.pairs.iter().map(|(_, value)| *value).collect(),
            labels: self.labels.into_iter().collect(),
            set_ends: self.set_ends.into_iter().collect(),
            samples: Samples::of(&self.samples),
            histograms: histograms.filter(|h| !h.buckets.is_empty()).collect(),
        }
    }
}

/// Allowed requests matter only where they would be denied if audit mode were off.
fn is_telling(line: &Line<'_, '_>) -> bool {
    line.family != "inbound_http_authz_allow_total"
        || line
            .labels
            .iter()
            .any(|(name, value)| *name == "authz_name" && value == "audit")
}

/// A number that is far below four billion unless the scrape is absurd.
fn small(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// Turns cumulative counts into the counts of each bucket, leaving out empty ones.
fn buckets(mut bounds: Vec<(f64, f64)>) -> Box<[Bucket]> {
    bounds.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut found = Vec::new();
    let (mut lower, mut below) = (0.0, 0.0);
    for (upper, cumulative) in bounds {
        if cumulative > below {
            found.push(Bucket {
                lower,
                upper,
                count: cumulative - below,
            });
            below = cumulative;
        }
        lower = upper;
    }
    found.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store(text: &str) -> Store {
        let demand = Demand::default();
        let mut builder = Builder::default();
        super::super::exposition::read(
            text.as_bytes(),
            |family| Builder::wants(family, &demand),
            |line| builder.take(line, &demand, 0),
        );
        builder.finish()
    }

    #[test]
    fn a_histogram_keeps_only_buckets_that_counted_something() {
        let store = store(
            "response_latency_ms_bucket{direction=\"inbound\",le=\"1\"} 0\n\
             response_latency_ms_bucket{direction=\"inbound\",le=\"2\"} 3\n\
             response_latency_ms_bucket{direction=\"inbound\",le=\"3\"} 3\n\
             response_latency_ms_bucket{direction=\"inbound\",le=\"+Inf\"} 4\n",
        );
        let all: Vec<_> = store.histograms().collect();
        assert_eq!(all.len(), 1);
        let bounds: Vec<_> = all[0]
            .2
            .iter()
            .map(|b| (b.lower, b.upper, b.count))
            .collect();
        assert_eq!(bounds, [(1.0, 2.0, 3.0), (3.0, f64::INFINITY, 1.0)]);
        assert_eq!(all[0].1.get("direction"), "inbound");
    }

    #[test]
    fn equal_sets_of_labels_are_kept_once_and_zero_counters_not_at_all() {
        let store = store(
            "tcp_open_total{direction=\"inbound\",peer=\"src\",target_ip=\"1\"} 3\n\
             process_open_fds 0\n\
             tcp_open_connections{direction=\"inbound\",peer=\"src\"} 4\n\
             tcp_close_total{direction=\"inbound\",peer=\"src\"} 0\n",
        );
        // One set is that of no labels at all.
        assert_eq!(store.set_ends.len(), 2);
        assert_eq!(store.samples().count(), 3);
    }
}
