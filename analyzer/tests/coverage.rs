//! `docs/coverage.md` lists every known failure beside the rules that tell it, or the reason why none does.

#![cfg(test)]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;

/// `docs/coverage/reference-ids.yaml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Known {
    sections: Vec<Section>,
    /// What rules may also name in `references`: where something was seen that has no id.
    #[serde(default)]
    others: BTreeSet<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Section {
    name: String,
    ids: Vec<String>,
}

/// `docs/coverage/without-rule.yaml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Without {
    without_rule: Vec<Reason>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Reason {
    id: String,
    reason: String,
}

/// What this page needs of a rule.
#[derive(Deserialize)]
struct Rule {
    id: String,
    topic: String,
    #[serde(default)]
    references: Vec<String>,
}

/// Who tells each reference id, and what does not fit.
struct Coverage {
    known: Known,
    /// Links to the rules of a reference id.
    rules: BTreeMap<String, Vec<String>>,
    reasons: BTreeMap<String, String>,
    faults: Vec<String>,
}

impl Coverage {
    fn new(known: Known, without: Without, rules: Vec<Rule>) -> Self {
        let mut coverage = Self {
            known,
            rules: BTreeMap::new(),
            reasons: BTreeMap::new(),
            faults: Vec::new(),
        };
        for Rule {
            id,
            topic,
            references,
        } in rules
        {
            for reference in references {
                let link = format!("[{id}](rules/{topic}.md#{id})");
                coverage.rules.entry(reference).or_default().push(link);
            }
        }
        for Reason { id, reason } in without.without_rule {
            if reason.trim().is_empty() {
                coverage.faults.push(format!("`{id}` has an empty reason"));
            }
            if coverage.reasons.insert(id.clone(), reason).is_some() {
                coverage.faults.push(format!("`{id}` has two reasons"));
            }
        }
        coverage.check();
        coverage
    }

    fn check(&mut self) {
        let mut seen = BTreeSet::new();
        for id in self.known.sections.iter().flat_map(|section| &section.ids) {
            let has = (self.rules.contains_key(id), self.reasons.contains_key(id));
            let fault = match has {
                _ if !seen.insert(id.as_str()) => "is listed twice",
                (false, false) => {
                    "has no rule; name it in a rule's `references`, or give the reason"
                }
                (true, true) => "has a rule and a reason why it has none",
                _ => continue,
            };
            self.faults.push(format!("`{id}` {fault}"));
        }
        let named = self.rules.iter().map(|(id, by)| (id, by.join(", ")));
        let reasons = self.reasons.keys();
        let named = named.chain(reasons.map(|id| (id, "without-rule.yaml".to_owned())));
        for (id, by) in
            named.filter(|(id, _)| !seen.contains(id.as_str()) && !self.known.others.contains(*id))
        {
            self.faults
                .push(format!("`{id}`, named by {by}, is no reference id"));
        }
    }

    fn page(&self) -> String {
        let mut page = "# Coverage\n\nEvery failure that is known of Linkerd, with the rules that tell it or the reason \
                        why none does. Made by `UPDATE_DOCS=1 cargo test -p linkerd-analyze --test coverage` from \
                        `docs/coverage/` and the rules' `references`.\n\n| section | ids | with a rule | with a \
                        reason |\n| --- | ---: | ---: | ---: |\n"
            .to_owned();
        let mut all = [0; 3];
        for Section { name, ids } in &self.known.sections {
            let with_rule = ids.iter().filter(|id| self.rules.contains_key(*id)).count();
            let counts = [ids.len(), with_rule, ids.len() - with_rule];
            row(&mut page, name, counts);
            for (sum, count) in all.iter_mut().zip(counts) {
                *sum += count;
            }
        }
        row(&mut page, "all", all);
        for Section { name, ids } in &self.known.sections {
            write!(page, "\n## {name}\n\n| id | rule |\n| --- | --- |\n").unwrap();
            for id in ids {
                let told = match (self.rules.get(id), self.reasons.get(id)) {
                    (Some(rules), _) => rules.join(", "),
                    (None, reason) => reason.map_or(String::new(), |r| format!("None: {r}")),
                };
                writeln!(page, "| `{id}` | {} |", told.replace('|', "\\|")).unwrap();
            }
        }
        page
    }
}

fn row(page: &mut String, name: &str, [ids, rules, reasons]: [usize; 3]) {
    writeln!(page, "| {name} | {ids} | {rules} | {reasons} |").unwrap();
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read<T: DeserializeOwned>(path: &Path) -> T {
    let text = std::fs::read_to_string(path).unwrap();
    serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn rules() -> Vec<Rule> {
    let topics = std::fs::read_dir(root().join("rules")).unwrap();
    let topics = topics.map(|topic| topic.unwrap().path());
    let mut files: Vec<PathBuf> = topics
        .filter(|topic| topic.is_dir())
        .flat_map(|topic| std::fs::read_dir(topic).unwrap())
        .map(|file| file.unwrap().path())
        .filter(|path| {
            let name = path.to_string_lossy();
            name.ends_with(".yaml") && !name.ends_with(".cases.yaml")
        })
        .collect();
    files.sort();
    files.iter().map(|file| read(file)).collect()
}

#[test]
fn every_known_failure_has_a_rule_or_a_reason_and_the_page_says_so() {
    let folder = root().join("docs/coverage");
    if !folder.exists() {
        return;
    }
    let coverage = Coverage::new(
        read(&folder.join("reference-ids.yaml")),
        read(&folder.join("without-rule.yaml")),
        rules(),
    );
    assert!(coverage.faults.is_empty(), "{}", coverage.faults.join("\n"));
    let stored = root().join("docs/coverage.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&stored, coverage.page()).unwrap();
    }
    assert!(
        std::fs::read_to_string(&stored).unwrap_or_default() == coverage.page(),
        "`docs/coverage.md` is not up to date; run this test with UPDATE_DOCS=1"
    );
}

#[test]
fn what_does_not_fit_is_told_id_by_id() {
    let section = Section {
        name: "logs".into(),
        ids: ["told", "explained", "both", "neither", "told"]
            .map(str::to_owned)
            .into(),
    };
    let reason = |id: &str| Reason {
        id: id.into(),
        reason: "harmless".into(),
    };
    let rule = Rule {
        id: "rule".into(),
        topic: "proxy".into(),
        references: ["told", "both", "misspelt", "seen"]
            .map(str::to_owned)
            .into(),
    };
    let coverage = Coverage::new(
        Known {
            sections: vec![section],
            others: ["seen".to_owned()].into(),
        },
        Without {
            without_rule: ["explained", "both", "unknown"].map(reason).into(),
        },
        vec![rule],
    );
    assert_eq!(
        coverage.faults,
        [
            "`both` has a rule and a reason why it has none",
            "`neither` has no rule; name it in a rule's `references`, or give the reason",
            "`told` is listed twice",
            "`misspelt`, named by [rule](rules/proxy.md#rule), is no reference id",
            "`unknown`, named by without-rule.yaml, is no reference id",
        ]
    );
    let page = coverage.page();
    assert!(page.contains("| logs | 5 | 3 | 2 |"), "{page}");
    assert!(
        page.contains("| `told` | [rule](rules/proxy.md#rule) |"),
        "{page}"
    );
    assert!(page.contains("| `explained` | None: harmless |"), "{page}");
}
