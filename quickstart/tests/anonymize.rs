//! What the analyzer finds in a bundle, it finds in the anonymized bundle: the same rules with as
//! many subjects. And nothing that names the cluster is left in it.

#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use bundle::{Bundle, Limits};
use clap::Parser;
use linkerd_collect::args::Cli;
use linkerd_collect::exit::ExitStatus;

fn recordings() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/recordings");
    let files = std::fs::read_dir(folder).unwrap();
    let mut files: Vec<PathBuf> = files.map(|f| f.unwrap().path()).collect();
    files.retain(|f| !f.to_string_lossy().contains(".truth."));
    files.sort();
    files
}

/// Each rule with the number of subjects of each of its findings.
fn findings(bundle: &Bundle) -> BTreeMap<String, Vec<usize>> {
    let rules = linkerd_analyze::load_rules(&[], true, &[]).unwrap();
    let options = linkerd_analyze::Options::default();
    let report = linkerd_analyze::analyze(bundle, &rules, &options);
    let mut findings: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for finding in report.findings {
        let counts = findings.entry(finding.rule.clone()).or_default();
        counts.push(finding.subjects.len());
        counts.sort_unstable();
    }
    findings
}

fn anonymized(file: &Path, to: &Path) -> Bundle {
    let args = [Path::new("linkerd-collect"), Path::new("redact"), file];
    let more = ["--anonymize", "-q", "-o"].map(Path::new);
    let cli = Cli::try_parse_from(args.into_iter().chain(more).chain([to])).unwrap();
    assert_eq!(linkerd_collect::main(cli), ExitStatus::Complete);
    Bundle::open(to, Limits::default()).unwrap()
}

#[test]
fn the_same_rules_are_found_after_anonymization() {
    let folder = tempfile::tempdir().unwrap();
    let mut different = Vec::new();
    for file in recordings() {
        let to = folder.path().join("out.tar.gz");
        let before = findings(&Bundle::open(&file, Limits::default()).unwrap());
        let after = findings(&anonymized(&file, &to));
        if before != after {
            let shown = file.display();
            different.push(format!("{shown}\n  {before:?}\n  {after:?}"));
        }
    }
    assert!(different.is_empty(), "{}", different.join("\n"));
}
