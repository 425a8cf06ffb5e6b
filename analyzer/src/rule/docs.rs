//! Pages about all rules of a set: one for each topic, and an index.

use std::collections::BTreeMap;

use super::Rule;
use super::set::{RuleText, Rules};
use super::show::{Form, Shown, escaped};
use crate::finding::Severity;

/// What stands on each page, so that nobody mends it there.
const ORIGIN: &str = "Written by `linkerd-analyze rules docs` from the rules and their cases.";

/// The pages, by the names of their files.
pub(crate) fn pages(rules: &Rules, texts: &[RuleText]) -> BTreeMap<String, String> {
    let mut topics: BTreeMap<&str, Vec<&Rule>> = BTreeMap::new();
    for rule in &rules.list {
        topics.entry(&rule.topic).or_default().push(rule);
    }
    let shown = Shown {
        rules,
        texts,
        form: Form::Section,
    };
    let mut pages = BTreeMap::from([("README.md".to_owned(), index(rules, &topics))]);
    for (topic, of_topic) in topics {
        let sections: Vec<String> = of_topic.iter().map(|rule| shown.markdown(rule)).collect();
        let page = format!("# Rules: {topic}\n\n{ORIGIN}\n\n{}", sections.join("\n"));
        pages.insert(format!("{topic}.md"), page);
    }
    pages
}

fn index(rules: &Rules, topics: &BTreeMap<&str, Vec<&Rule>>) -> String {
    let severities = || Severity::ALL.into_iter().rev();
    let names: Vec<&str> = severities().map(Severity::name).collect();
    let columns = " ---: |".repeat(names.len() + 1);
    let mut page = format!(
        "# Rules\n\n{ORIGIN}\n\n| topic | {} | all |\n| --- |{columns}\n",
        names.join(" | ")
    );
    let all: Vec<&Rule> = rules.list.iter().collect();
    let counts = |name: &str, of: &[&Rule]| {
        let of_severity = |severity| of.iter().filter(|rule| rule.severity == severity).count();
        let counts: Vec<String> = severities().map(|s| of_severity(s).to_string()).collect();
        format!("| {name} | {} | {} |\n", counts.join(" | "), of.len())
    };
    for (topic, of_topic) in topics {
        page.push_str(&counts(&format!("[{topic}](#{topic})"), of_topic));
    }
    page.push_str(&counts("all", &all));
    for (topic, of_topic) in topics {
        let rows: Vec<String> = of_topic.iter().map(|rule| row(topic, rule)).collect();
        page.extend([
            "\n## ",
            topic,
            "\n\n| rule | severity | what is wrong |\n| --- | --- | --- |\n",
            &rows.concat(),
        ]);
    }
    page
}

fn row(topic: &str, rule: &Rule) -> String {
    let (id, severity) = (&rule.id, rule.severity.name());
    let title = escaped(&rule.title).replace('|', "\\|");
    format!("| [{id}]({topic}.md#{id}) | {severity} | {title} |\n")
}
