//! `docs/rules/` is what the rules and their cases say.

#![cfg(test)]

use std::collections::BTreeMap;
use std::path::Path;

use assert_cmd::Command;

fn pages(folder: &Path) -> BTreeMap<String, String> {
    let files = std::fs::read_dir(folder).into_iter().flatten();
    files
        .map(|file| file.unwrap())
        .map(|file| {
            let name = file.file_name().into_string().unwrap();
            (name, std::fs::read_to_string(file.path()).unwrap())
        })
        .collect()
}

#[test]
fn the_pages_about_the_rules_are_up_to_date() {
    let stored = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/rules");
    let new = tempfile::tempdir().unwrap();
    let update = std::env::var_os("UPDATE_DOCS").is_some();
    if update && stored.exists() {
        std::fs::remove_dir_all(&stored).unwrap();
    }
    let folder = if update { &stored } else { new.path() };
    Command::new(env!("CARGO_BIN_EXE_linkerd-analyze"))
        .args(["rules", "docs"])
        .arg(folder)
        .assert()
        .success();
    let (stored, new) = (pages(&stored), pages(folder));
    let names = |pages: &BTreeMap<String, String>| pages.keys().cloned().collect::<Vec<_>>();
    assert_eq!(
        names(&stored),
        names(&new),
        "run this test with UPDATE_DOCS=1"
    );
    for (name, page) in &new {
        assert!(
            stored[name] == *page,
            "`docs/rules/{name}` is not up to date; run this test with UPDATE_DOCS=1"
        );
        assert!(
            !page.contains("### Example\n\nNone."),
            "a rule in `docs/rules/{name}` has no example: none of its cases fires"
        );
    }
}
