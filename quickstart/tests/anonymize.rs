//! What the analyzer finds in a bundle, it finds in the anonymized bundle: the same rules with as
//! many subjects. And nothing that names the cluster is left in it.

#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use bundle::{Bundle, Limits};
use clap::Parser;
use linkerd_collect::anonymize::key::KeyFile;
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

/// Whether `name` stands in `text` as a word of its own.
fn holds(text: &str, name: &str) -> bool {
    let of_word = |c: char| c.is_ascii_alphanumeric();
    text.match_indices(name).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + name.len()..].chars().next();
        !before.is_some_and(of_word) && !after.is_some_and(of_word)
    })
}

#[test]
fn no_name_is_left_and_the_key_file_turns_a_report_back() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["authz-denied", "app-crash-loop", "init-container-fails"] {
        let file = recordings()
            .into_iter()
            .find(|f| f.to_string_lossy().contains(name))
            .unwrap();
        let to = folder.path().join(format!("{name}.tar.gz"));
        let bundle = anonymized(&file, &to);
        let key = folder.path().join(format!("{name}.tar.gz.key"));
        let kept = KeyFile::read(&key).unwrap();
        let names: Vec<&String> = kept
            .tokens
            .values()
            .filter(|n| !n.contains(['/', ':', '.']))
            .collect();
        assert!(names.len() > 5, "{name}: {names:?}");
        for entry in bundle.entries() {
            let bytes = bundle.read(entry.path.as_str()).unwrap();
            let text = String::from_utf8_lossy(&bytes).replace("\"ledger\":", "");
            for name in &names {
                let path = entry.path.as_str();
                assert!(
                    !holds(&text, name) && !holds(path, name),
                    "`{name}` is left in `{path}`"
                );
            }
        }
        let told = |bundle: &Bundle| {
            let rules = linkerd_analyze::load_rules(&[], true, &[]).unwrap();
            let options = linkerd_analyze::Options::default();
            let report = linkerd_analyze::analyze(bundle, &rules, &options);
            report
                .findings
                .into_iter()
                .map(|f| f.title)
                .collect::<BTreeSet<_>>()
        };
        let report = folder.path().join("report.txt");
        let titles: Vec<String> = told(&bundle).into_iter().collect();
        std::fs::write(&report, titles.join("\n")).unwrap();
        let restored = folder.path().join("restored.txt");
        let args = ["linkerd-collect", "deanonymize", "-k"]
            .map(Path::new)
            .into_iter();
        let cli = Cli::try_parse_from(args.chain([&*key, &*report, Path::new("-o"), &*restored]));
        assert_eq!(linkerd_collect::main(cli.unwrap()), ExitStatus::Complete);
        let restored = std::fs::read_to_string(&restored).unwrap();
        let before = told(&Bundle::open(&file, Limits::default()).unwrap());
        let after: BTreeSet<String> = restored.lines().map(str::to_owned).collect();
        assert_eq!(after, before, "{name}");
    }
}
