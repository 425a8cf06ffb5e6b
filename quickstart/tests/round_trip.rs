//! Every recording, through the whole chain: what the analyzer says of a recording itself, but for
//! the chains in it, it says of a bundle that was collected from the recording's replay.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bundle::layout::EntryKind;
use bundle::{Block, Bundle, EntryInfo, Interest, Limits, Problem, Scratch, Visitor};
use serde_json::Value;

fn recordings() -> BTreeMap<String, PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/recordings");
    let items = std::fs::read_dir(folder)
        .unwrap()
        .map(|item| item.unwrap().path());
    let named = items.filter_map(|path| {
        let name = path
            .file_name()?
            .to_str()?
            .strip_suffix(".tar.gz")?
            .to_owned();
        (!name.contains(".truth")).then_some((name, path))
    });
    named.collect()
}

fn report(path: &Path) -> Value {
    let rules = linkerd_analyze::load_rules(&[], true, &[]).unwrap();
    let bundle = Bundle::open(path, Limits::default()).unwrap();
    let report = linkerd_analyze::analyze(&bundle, &rules, &linkerd_analyze::Options::default());
    serde_json::to_value(report).unwrap()
}

/// A rule that speaks of the capture itself.
const OF_THE_CAPTURE: &str = "capture-incomplete";

/// Rule and subjects of every finding at the top.
fn findings(report: &Value) -> BTreeSet<String> {
    let findings = report["findings"].as_array().unwrap().iter();
    let told = findings.filter(|f| f["rule"] != OF_THE_CAPTURE);
    told.map(|f| format!("{} {} {}", f["severity"], f["rule"], f["subjects"]))
        .collect()
}

/// Unpacks a recording without the chains that servers presented: a replay has no private keys, so
/// nobody presents one.
struct WithoutChains(PathBuf);

impl WithoutChains {
    fn unpack(recording: &Path, folder: PathBuf) -> PathBuf {
        let bundle = Bundle::open(recording, Limits::default()).unwrap();
        let unpacked = Self(folder);
        let mut scratch = Scratch::default();
        for task in bundle.plan(&unpacked) {
            bundle.run(&task, &mut scratch, &unpacked);
        }
        unpacked.0
    }
}

impl Visitor for WithoutChains {
    fn interest(&self, entry: &EntryInfo) -> Interest {
        match entry.kind {
            EntryKind::ProxyIdentity { .. } | EntryKind::ServerTls { .. } => Interest::Skip,
            _ => Interest::Whole,
        }
    }

    fn block(&self, _entry: &Arc<EntryInfo>, _block: Block<'_>) {}

    fn whole(&self, entry: &Arc<EntryInfo>, bytes: Vec<u8>) {
        let path = self.0.join(entry.path.as_str());
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    fn problem(&self, problem: Problem) {
        panic!("{problem:?}");
    }
}

/// What the collector says of an entry that it did not get, in its ledger.
fn is_in_ledger(bundle: &Bundle, kind: &EntryKind) -> bool {
    let object = match kind {
        EntryKind::PodLog {
            namespace,
            pod,
            container,
            ..
        } => format!("{namespace}/{pod}/{container}"),
        EntryKind::ProxyIdentity { namespace, pod } | EntryKind::ProxyState { namespace, pod } => {
            format!("{namespace}/{pod}")
        }
        EntryKind::ServerTls { namespace, service } => format!("{namespace}/{service}"),
        EntryKind::SecretNames { .. } => String::new(),
        EntryKind::CustomObjects { crd, .. } => crd.clone(),
        _ => return false,
    };
    let ledger = bundle.manifest().unwrap().ledger;
    ledger
        .iter()
        .any(|row| Some(row.source) == kind.source() && row.object.starts_with(&object))
}

#[test]
fn a_recording_and_a_bundle_collected_from_its_replay_are_diagnosed_alike() {
    let folder = tempfile::tempdir().unwrap();
    for (name, recording) in recordings() {
        let bundle = folder.path().join(format!("{name}.tar.gz"));
        quickstart::collect(&recording, &bundle).unwrap();
        let unpacked = WithoutChains::unpack(&recording, folder.path().join(&name));
        assert_eq!(
            findings(&report(&bundle)),
            findings(&report(&unpacked)),
            "{name}"
        );
        let (recorded, collected) = (
            Bundle::open(&recording, Limits::default()).unwrap(),
            Bundle::open(&bundle, Limits::default()).unwrap(),
        );
        let paths: BTreeSet<&str> = collected
            .entries()
            .iter()
            .map(|e| e.path.as_str())
            .collect();
        for entry in recorded.entries() {
            let is_there =
                paths.contains(entry.path.as_str()) || is_in_ledger(&collected, &entry.kind);
            assert!(
                is_there,
                "{name}: {} is neither in the bundle nor in its ledger",
                entry.path
            );
        }
    }
}
