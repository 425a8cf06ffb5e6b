//! Redaction of real recordings: what it changes, line by line.

#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use bundle::{Bundle, Limits};
use linkerd_collect::redact::{Counts, entry};

fn recordings() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/recordings");
    let files = std::fs::read_dir(folder).unwrap();
    let mut files: Vec<PathBuf> = files.map(|f| f.unwrap().path()).collect();
    files.retain(|f| !f.to_string_lossy().contains(".truth."));
    files.sort();
    files
}

/// Lines that changed, each with the recording and entry it is from.
fn changes() -> BTreeMap<String, String> {
    let mut changes = BTreeMap::new();
    for file in recordings() {
        let bundle = Bundle::open(&file, Limits::default()).unwrap();
        for info in bundle.entries() {
            let name = info.path.as_str();
            let before = bundle.read(name).unwrap();
            let shape = entry::shape(name, &before);
            let after = entry::redact(shape, before.clone(), &mut Counts::default());
            let (before, after) = (
                String::from_utf8(before).unwrap(),
                String::from_utf8(after).unwrap(),
            );
            for (old, new) in before.lines().zip(after.lines()) {
                if old != new {
                    let from = format!("{} {name}", file.display());
                    changes.insert(format!("-{old}\n+{new}"), from);
                }
            }
        }
    }
    changes
}

#[test]
fn redaction_changes_nothing_in_recordings_that_hold_no_secret() {
    assert!(recordings().len() > 10);
    let changes = changes();
    let told: Vec<String> = changes
        .iter()
        .map(|(change, from)| format!("{from}\n{change}"))
        .collect();
    assert!(told.is_empty(), "{}", told.join("\n"));
}
