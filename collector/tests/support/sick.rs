//! A recording that is replayed with faults, and which rows of the ledger they change.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::LazyLock;

use bundle::{LedgerRow, Outcome, SourceKind};
use linkerd_replay::{Faults, Replay, Store};

use super::{Run, collect_at};

/// A replayed recording with faults.
pub(crate) struct Sick {
    pub(crate) address: String,
    _runtime: tokio::runtime::Runtime,
}

impl Sick {
    pub(crate) fn new(faults: &str) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let recordings = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/recordings");
        let store = Store::open(&recordings.join("healthy.tar.gz")).unwrap();
        let faults = Faults::parse(faults).unwrap();
        let replay = Replay::from(store).with_faults(&faults);
        let listener = runtime
            .block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))
            .unwrap();
        let address = listener.local_addr().unwrap().to_string();
        runtime.spawn(linkerd_replay::serve(replay, listener));
        Self {
            address,
            _runtime: runtime,
        }
    }

    pub(crate) fn collect(&self, args: &[&str]) -> Run {
        collect_at(&self.address, args)
    }
}

/// The rows of a ledger, by source and object.
pub(crate) type Rows = BTreeMap<(SourceKind, String), LedgerRow>;

pub(crate) fn rows(run: &Run) -> Rows {
    let rows = run.manifest().ledger.into_iter();
    rows.map(|row| ((row.source, row.object.clone()), row))
        .collect()
}

/// The ledger of the same cluster when it is well.
pub(crate) static WELL: LazyLock<Rows> = LazyLock::new(|| {
    let run = Sick::new("faults: []").collect(&[]);
    rows(&run)
});

/// The rows that a fault changed; those that are missing are told as well.
fn changed(well: &Rows, run: &Run) -> Vec<(SourceKind, Outcome, String)> {
    let sick = rows(run);
    let missing = well.values().filter(|row| !sick.contains_key(&key(row)));
    let missing = missing.map(|row| (row.source, Outcome::Skipped, format!("no {}", row.object)));
    let other = sick.values().filter(|row| {
        let before = well.get(&key(row));
        before.map(|w| (w.outcome, &w.reason)) != Some((row.outcome, &row.reason))
    });
    let other = other.map(|r| (r.source, r.outcome, r.reason.clone().unwrap_or_default()));
    missing.chain(other).collect()
}

fn key(row: &LedgerRow) -> (SourceKind, String) {
    (row.source, row.object.clone())
}

/// Rows that a fault must change: how many, of what, how they end, and one of the words that must
/// be in each reason.
pub(crate) type Expected<'a> = (usize, SourceKind, Outcome, &'a [&'a str]);

/// Checks that a fault changes these rows of the ledger and no other.
pub(crate) fn check(faults: &str, args: &[&str], expected: &[Expected<'_>]) -> Run {
    let run = Sick::new(faults).collect(args);
    check_run((faults, &WELL), &run, expected);
    run
}

/// The same for a run that is over, and what it would have been without faults.
pub(crate) fn check_run((faults, well): (&str, &Rows), run: &Run, expected: &[Expected<'_>]) {
    let mut changed = changed(well, run);
    for (count, source, outcome, words) in expected {
        let before = changed.len();
        changed.retain(|(s, o, reason)| {
            (s, o) != (source, outcome) || !words.iter().any(|w| reason.contains(w))
        });
        let found = before - changed.len();
        assert_eq!(
            found, *count,
            "{faults}: {source} {outcome:?} {words:?}; else {changed:#?}"
        );
    }
    assert!(changed.is_empty(), "{faults}: {changed:#?}");
}

/// Time-outs that a test can wait for.
pub(crate) const SOON: &[&str] = &["--item-timeout", "1s"];
