//! The worked examples of `docs/rules.md` fire in the recordings that it takes them from.

#![cfg(test)]

use std::path::Path;

use assert_cmd::Command;

/// Each rule on the page, with the recording that is named in front of it.
fn examples(page: &str) -> Vec<(String, String)> {
    let page = page
        .split_once("## Three examples")
        .map_or("", |(_, rest)| rest);
    let page = page.split("\n## ").next().unwrap_or_default();
    let mut parts = page.split("```yaml\n");
    let mut text = parts.next().unwrap_or_default();
    let mut examples = Vec::new();
    for part in parts {
        let (yaml, after) = part.split_once("```").unwrap();
        let named = text.split('`').skip(1).step_by(2).find(|name| {
            let path = format!("../testdata/recordings/{name}.tar.gz");
            Path::new(env!("CARGO_MANIFEST_DIR")).join(path).exists()
        });
        let recording = named.expect("a recording is named before the example");
        examples.push((recording.to_owned(), yaml.to_owned()));
        text = after;
    }
    examples
}

#[test]
fn the_worked_examples_fire_in_the_recordings_that_they_name() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let page = std::fs::read_to_string(root.join("docs/rules.md")).unwrap();
    let examples = examples(&page);
    assert_eq!(examples.len(), 3);
    for (recording, yaml) in examples {
        let field = |name: &str| {
            let line = yaml.lines().find_map(|line| line.strip_prefix(name));
            line.unwrap().trim().to_owned()
        };
        let (id, topic) = (field("id:"), field("topic:"));
        let pack = tempfile::tempdir().unwrap();
        std::fs::create_dir(pack.path().join(&topic)).unwrap();
        std::fs::write(pack.path().join(&topic).join(format!("{id}.yaml")), &yaml).unwrap();
        let run = Command::new(env!("CARGO_BIN_EXE_linkerd-analyze"))
            .arg(root.join(format!("testdata/recordings/{recording}.tar.gz")))
            .args(["--no-builtin-rules", "--output", "json", "--rules"])
            .arg(pack.path())
            .assert()
            .code(1);
        let report: serde_json::Value = serde_json::from_slice(&run.get_output().stdout).unwrap();
        let finding = &report["findings"][0];
        assert_eq!(finding["rule"], id.as_str(), "{report:#}");
        // Every placeholder has a value.
        let message = finding["message"].as_str().unwrap();
        assert!(
            !message.contains('?') && !message.contains("  "),
            "{message}"
        );
    }
}
