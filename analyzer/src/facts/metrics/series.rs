//! Samples of two scrapes, joined into series.

use std::collections::BTreeMap;

use super::{Origin, Scrape};
use crate::evidence::{Evidence, Subject};
use crate::facts::Sources;
use bundle::SourceKind;

/// One series: its value in the last scrape, and in the one before.
#[derive(Debug, Clone)]
pub(super) struct Series<'a> {
    pub(super) family: &'a str,
    labels: &'a [(String, String)],
    pub(super) value: f64,
    pub(super) previous: Option<f64>,
    pub(super) line: u64,
}

impl<'a> Series<'a> {
    /// A label's value; empty if it is missing.
    pub(super) fn label(&self, name: &str) -> &'a str {
        self.labels
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, v)| v.as_str())
            .unwrap_or_default()
    }

    pub(super) fn labels(&self) -> &'a [(String, String)] {
        self.labels
    }

    /// What a counter grew by between the scrapes. After a restart it starts at zero.
    pub(super) fn delta(&self) -> Option<f64> {
        let previous = self.previous?;
        Some(if self.value >= previous {
            self.value - previous
        } else {
            self.value
        })
    }
}

/// All series of one container.
#[derive(Debug)]
pub(super) struct SeriesSet<'a> {
    pub(super) origin: Origin,
    pub(super) namespace: &'a str,
    pub(super) pod: &'a str,
    pub(super) container: &'a str,
    pub(super) entry: &'a str,
    /// Seconds between the two scrapes, if the ledger tells.
    pub(super) interval_s: Option<f64>,
    pub(super) has_two: bool,
    series: BTreeMap<&'a str, Vec<Series<'a>>>,
}

impl<'a> SeriesSet<'a> {
    /// Groups scrapes by container.
    pub(super) fn group(sources: &'a Sources<'_>) -> Vec<Self> {
        let same = |a: &Scrape, b: &Scrape| {
            (a.origin, &a.namespace, &a.pod, &a.container)
                == (b.origin, &b.namespace, &b.pod, &b.container)
        };
        let groups = sources.scrapes.chunk_by(same);
        groups
            .filter_map(|scrapes| Self::of(sources, scrapes))
            .collect()
    }

    fn of(sources: &Sources<'_>, scrapes: &'a [Scrape]) -> Option<Self> {
        let last = scrapes.last()?;
        let first = scrapes.first().filter(|s| s.number != last.number);
        let mut before = BTreeMap::new();
        for sample in first.iter().flat_map(|s| &s.samples) {
            before.insert(
                (sample.family.as_str(), sample.labels.as_slice_key()),
                sample.value,
            );
        }
        let mut series: BTreeMap<&str, Vec<Series<'_>>> = BTreeMap::new();
        for sample in &last.samples {
            let key = (sample.family.as_str(), sample.labels.as_slice_key());
            // A series that appears only in the second scrape began between the two.
            let previous = first.map(|_| before.get(&key).copied().unwrap_or(0.0));
            series.entry(&sample.family).or_default().push(Series {
                family: &sample.family,
                labels: &sample.labels,
                value: sample.value,
                previous,
                line: sample.line,
            });
        }
        let interval_s = first.and_then(|first| interval(sources, &first.entry, &last.entry));
        Some(Self {
            origin: last.origin,
            namespace: &last.namespace,
            pod: &last.pod,
            container: &last.container,
            entry: &last.entry,
            interval_s,
            has_two: first.is_some(),
            series,
        })
    }

    /// The series of a family; none if it was not exposed.
    pub(super) fn family(&self, name: &str) -> &[Series<'a>] {
        self.series.get(name).map(Vec::as_slice).unwrap_or_default()
    }

    /// Every series.
    pub(super) fn all(&self) -> impl Iterator<Item = &Series<'a>> {
        self.series.values().flatten()
    }

    /// The value of a family without labels.
    pub(super) fn value(&self, name: &str) -> Option<f64> {
        self.family(name).first().map(|s| s.value)
    }

    pub(super) fn subject(&self) -> Subject {
        if self.namespace.is_empty() {
            return Subject::cluster("Pod", self.pod);
        }
        Subject::namespaced("Pod", self.namespace, self.pod)
    }

    /// Evidence at a series' line.
    pub(super) fn evidence(&self, series: &Series<'_>, excerpt: &str) -> Evidence {
        Evidence {
            line: Some(series.line),
            ..Evidence::of_entry(self.entry, excerpt)
        }
    }
}

/// Seconds between two scrapes, by the ledger.
fn interval(sources: &Sources<'_>, first: &str, last: &str) -> Option<f64> {
    let ledger = &sources.context.manifest?.ledger;
    let at = |entry: &str| {
        let rows = ledger.iter().filter(|r| {
            matches!(
                r.source,
                SourceKind::ProxyMetrics | SourceKind::ControllerMetrics
            )
        });
        rows.filter(|r| r.path.as_ref().is_some_and(|p| p.as_str() == entry))
            .find_map(|r| r.at)
    };
    let seconds = at(last)?.duration_since(at(first)?).as_secs_f64();
    (seconds > 0.0).then_some(seconds)
}

/// Labels as a key, whatever their order.
trait SliceKey {
    fn as_slice_key(&self) -> Vec<(&str, &str)>;
}

impl SliceKey for Vec<(String, String)> {
    fn as_slice_key(&self) -> Vec<(&str, &str)> {
        let mut key: Vec<_> = self.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        key.sort_unstable();
        key
    }
}
