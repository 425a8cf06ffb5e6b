//! The time by which a bundle is judged: expiry, age and what still goes on. Where nobody says it,
//! it is read from what the bundle holds, and last from its files.

use std::time::SystemTime;

use bundle::{Bundle, Form, Manifest};
use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::facts::{Json, Piece};
use crate::scan::matches::Scanned;

/// What told the time by which a bundle is judged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Clock {
    /// Who asked for the analysis.
    Asked,
    /// The manifest.
    Manifest,
    /// The newest time in logs, objects, events and metrics.
    Content,
    /// When its files were last written.
    Files,
    /// Nothing: it is 1970, and nothing has expired.
    #[default]
    Unknown,
}

/// The time by which a bundle is judged.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Told {
    pub(crate) at: Timestamp,
    /// What told it.
    pub(crate) clock: Clock,
    /// The moment from which printed ages count.
    pub(crate) ages_from: Timestamp,
}

/// Reads the time by which a bundle is judged.
pub(crate) fn read(
    bundle: &Bundle,
    asked: Option<Timestamp>,
    manifest: Option<&Manifest>,
    pieces: &[Piece],
    scanned: &Scanned,
) -> Told {
    let content = || {
        let last_line = scanned.logs.values().filter_map(|log| log.last_time).max();
        last_line.max(last_time(pieces)).max(last_scrape(pieces))
    };
    let of = |clock| {
        move |at| Told {
            at,
            clock,
            ages_from: at,
        }
    };
    // Of events alone the newest is what goes on, whenever somebody copied them.
    let behind = |files: Told| match youngest(pieces).and_then(|age| files.at.checked_sub(age).ok())
    {
        Some(at) => Told {
            at,
            clock: Clock::Content,
            ..files
        },
        None => files,
    };
    let manifest = manifest.map(|m| m.captured_at);
    asked
        .map(of(Clock::Asked))
        .or_else(|| manifest.map(of(Clock::Manifest)))
        .or_else(|| content().map(of(Clock::Content)))
        .or_else(|| last_write(bundle).map(of(Clock::Files)).map(behind))
        .unwrap_or_else(|| of(Clock::Unknown)(Timestamp::UNIX_EPOCH))
}

/// How long ago the newest of the events was, if events that somebody printed are all that there is.
fn youngest(pieces: &[Piece]) -> Option<SignedDuration> {
    let objects = pieces.iter().filter_map(|piece| match piece {
        Piece::Object(object) => Some(object.value.pointer("/printedAge")),
        _ => None,
    });
    let ages: Option<Vec<i64>> = objects.map(|age| age?.as_i64()).collect();
    ages?.into_iter().min().map(SignedDuration::from_secs)
}

/// Where objects tell when something happened; `*` is every item.
const TIMES: [&str; 13] = [
    "/lastTimestamp",
    "/eventTime",
    "/series/lastObservedTime",
    "/spec/renewTime",
    "/metadata/creationTimestamp",
    "/status/startTime",
    "/status/conditions/*/lastTransitionTime",
    "/status/conditions/*/lastUpdateTime",
    "/status/conditions/*/lastHeartbeatTime",
    "/status/containerStatuses/*/state/*/startedAt",
    "/status/containerStatuses/*/state/*/finishedAt",
    "/status/containerStatuses/*/lastState/*/finishedAt",
    "/status/initContainerStatuses/*/state/*/finishedAt",
];

/// The last time that an object tells.
fn last_time(pieces: &[Piece]) -> Option<Timestamp> {
    let of_object = |piece: &Piece| match piece {
        Piece::Object(object) => TIMES
            .iter()
            .filter_map(|at| time_at(&object.value, at))
            .max(),
        _ => None,
    };
    pieces.iter().filter_map(of_object).max()
}

/// The last of the times at a place.
fn time_at(value: &Json, at: &str) -> Option<Timestamp> {
    let Some((head, rest)) = at.split_once("/*") else {
        return value.pointer(at)?.as_str()?.parse().ok();
    };
    let list = value.pointer(head)?;
    let items = list.as_list().into_iter().flatten();
    let fields = list.as_map().into_iter().flatten().map(|(_, item)| item);
    items
        .chain(fields)
        .filter_map(|item| time_at(item, rest))
        .max()
}

/// The middle one of the times that processes told in their metrics, so that one wrong clock does
/// not count.
fn last_scrape(pieces: &[Piece]) -> Option<Timestamp> {
    let told = pieces.iter().filter_map(|piece| match piece {
        Piece::Scrape(scrape) => scrape.told_at(),
        _ => None,
    });
    let mut told: Vec<Timestamp> = told.collect();
    told.sort_unstable();
    told.get(told.len() / 2).copied()
}

/// When the newest of the files was written; of an archive, when it was.
fn last_write(bundle: &Bundle) -> Option<Timestamp> {
    let written = |path: &std::path::Path| std::fs::metadata(path).ok()?.modified().ok();
    let whole = bundle.path();
    let newest: Option<SystemTime> = match bundle.form() {
        Form::Folder => {
            let entries = bundle.entries().iter();
            let paths = entries.map(|entry| whole.join(entry.path.as_str()));
            paths.filter_map(|path| written(&path)).max()
        }
        _ => None,
    };
    let newest = newest.or_else(|| written(whole))?;
    Timestamp::try_from(newest).ok()
}
