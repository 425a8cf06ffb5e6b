//! Facts from scrapes of `/metrics`: counters and what changed between the two scrapes.
//!
//! A counter's lifetime value tells what happened at some time since the process started; the
//! difference of two scrapes tells what happens now. Tables carry both.

mod exposition;
mod series;
mod tables;

use std::sync::Arc;

use bundle::EntryInfo;
use bundle::layout::EntryKind;

use super::{Demand, Fact, Gap, Piece, Sources};
pub(super) use exposition::Sample;
use series::SeriesSet;

/// Whose metrics they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Origin {
    /// A proxy's admin port.
    Proxy,
    /// A control-plane container's admin port.
    Controller,
}

impl Origin {
    fn name(self) -> &'static str {
        match self {
            Self::Proxy => "proxy",
            Self::Controller => "control-plane",
        }
    }
}

/// One scrape.
#[derive(Debug)]
pub struct Scrape {
    origin: Origin,
    namespace: String,
    pod: String,
    container: String,
    number: u32,
    entry: String,
    samples: Vec<Sample>,
}

impl Scrape {
    /// What scrapes are ordered by: those of one container follow each other.
    pub(super) fn key(&self) -> (Origin, &str, &str, &str, u32) {
        (
            self.origin,
            &self.namespace,
            &self.pod,
            &self.container,
            self.number,
        )
    }
}

/// Parses one scrape.
pub(super) fn parse(entry: &Arc<EntryInfo>, bytes: &[u8], demand: &Demand) -> Vec<Piece> {
    let (origin, namespace, pod, container, number) = match &entry.kind {
        EntryKind::ProxyMetrics {
            namespace,
            pod,
            scrape,
        } => (
            Origin::Proxy,
            namespace.clone(),
            pod.clone(),
            super::pods::PROXY.to_owned(),
            *scrape,
        ),
        EntryKind::ControllerMetrics {
            namespace,
            pod,
            container,
            scrape,
        } => (
            Origin::Controller,
            namespace.clone(),
            pod.clone(),
            container.clone(),
            *scrape,
        ),
        _ => {
            let name = entry.path.file_name();
            let name = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
            (
                Origin::Proxy,
                String::new(),
                name.to_owned(),
                super::pods::PROXY.to_owned(),
                1,
            )
        }
    };
    let (samples, broken) = exposition::parse(bytes, |family| tables::wants(family, demand));
    let mut pieces = Vec::new();
    if let Some((count, first)) = broken {
        let detail = format!("{count} lines are no metrics, the first is line {first}");
        pieces.push(Piece::Gap(Gap {
            entry: entry.path.to_string(),
            detail,
        }));
    }
    let entry = entry.path.to_string();
    let scrape = Scrape {
        origin,
        namespace,
        pod,
        container,
        number,
        entry,
        samples,
    };
    pieces.push(Piece::Scrape(Box::new(scrape)));
    pieces
}

/// Derives all tables from all scrapes.
pub(super) fn derive(sources: &Sources<'_>) -> Vec<(&'static str, Vec<Fact>)> {
    let sets = SeriesSet::group(sources);
    tables::derive(sources, &sets)
}

/// Seconds that identity says its issuer is still valid, with where it says so.
pub(super) fn issuer_ttl(
    sources: &Sources<'_>,
) -> Option<(f64, crate::evidence::Subject, crate::evidence::Evidence)> {
    let sets = SeriesSet::group(sources);
    sets.iter().find_map(|set| {
        let series = set.family("issuer_cert_ttl_seconds").first()?;
        let text = format!("issuer_cert_ttl_seconds {}", series.value);
        Some((series.value, set.subject(), set.evidence(series, &text)))
    })
}
