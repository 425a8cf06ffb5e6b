//! Rules as documentation, and the template of a new one.

use std::fmt::Write as _;

use super::file::Maturity;
use super::set::Rules;
use super::{By, Matcher, NamedMatcher, Rule, TableMatcher};
use crate::scan::pattern::Pattern;

/// A rule as Markdown with fixed headings.
pub(crate) fn markdown(rule: &Rule, rules: &Rules) -> String {
    let mut page = format!("# {}\n\n{}\n\n", rule.id, rule.title);
    let maturity = match rule.maturity {
        Maturity::Stable => "",
        Maturity::Test => " · under test",
    };
    let about = format!(
        "Severity {} · topic {}{maturity}\n\n",
        rule.severity.name(),
        rule.topic
    );
    page.push_str(&about);
    section(&mut page, "What it says", &rule.message.source());
    section(&mut page, "What it means", &rule.meaning.source());
    let evidence: Vec<String> = rule
        .matchers
        .iter()
        .map(|named| evidence(named, rules))
        .collect();
    let joined = match rule.by {
        By::Bundle => "Joined over the whole bundle.".to_owned(),
        by => format!("Joined by {}.", format!("{by:?}").to_lowercase()),
    };
    section(
        &mut page,
        "Evidence",
        &format!("{}\n\n{joined}", evidence.join("\n")),
    );
    let steps: Vec<String> = rule
        .fix
        .iter()
        .zip(1..)
        .map(|(step, n)| format!("{n}. {}", step.source()))
        .collect();
    section(&mut page, "How to fix", &steps.join("\n"));
    if !rule.explains.is_empty() {
        let ids: Vec<String> = rule
            .explains
            .iter()
            .map(|(id, _)| format!("- {id}"))
            .collect();
        section(&mut page, "Accounts for", &ids.join("\n"));
    }
    let links: Vec<String> = rule
        .links
        .iter()
        .map(|link| format!("- <{link}>"))
        .collect();
    section(&mut page, "Links", &links.join("\n"));
    page.trim_end().to_owned() + "\n"
}

fn section(page: &mut String, heading: &str, text: &str) {
    let text = if text.trim().is_empty() {
        "None."
    } else {
        text.trim()
    };
    // Writing to a string does not fail.
    let written = write!(page, "## {heading}\n\n{text}\n\n");
    debug_assert!(written.is_ok());
}

fn evidence(named: &NamedMatcher, rules: &Rules) -> String {
    let what = match &named.matcher {
        Matcher::Log(number) => log(*number, rules),
        Matcher::NoLine { log: number } => format!("no line: {}", log(*number, rules)),
        Matcher::Table(table) => rows(table),
        Matcher::NoRow { table, .. } => format!("none of {}", rows(table)),
        Matcher::Finding(id) => format!("findings of {id}"),
    };
    let least = if named.min_count > 1 {
        format!(", at least {} times", named.min_count)
    } else {
        String::new()
    };
    let ongoing = named
        .ongoing
        .map(|d| format!(", still within {d:#} of the end"))
        .unwrap_or_default();
    format!("- `{}`: {what}{least}{ongoing}", named.name)
}

fn log(number: usize, rules: &Rules) -> String {
    let Some(matcher) = rules.scanner.matchers().get(number) else {
        return String::new();
    };
    let of = if matcher.containers.is_empty() {
        "any container".to_owned()
    } else {
        matcher.containers.join(", ")
    };
    let patterns: Vec<String> = matcher
        .patterns
        .iter()
        .map(Pattern::source)
        .map(|source| format!("`{source}`"))
        .collect();
    format!("log lines of {of} that match {}", patterns.join(" or "))
}

fn rows(table: &TableMatcher) -> String {
    let mut text = format!("rows of `{}`", table.table);
    let tests: Vec<String> = table
        .tests
        .iter()
        .map(|test| {
            let values: Vec<String> = test.any_of.iter().map(ToString::to_string).collect();
            format!(
                "`{}` is {}",
                test.pointer.trim_start_matches('/').replace('/', "."),
                values.join(" or ")
            )
        })
        .collect();
    if !tests.is_empty() {
        text = format!("{text} where {}", tests.join(" and "));
    }
    if let Some((pointer, regex)) = &table.text {
        text = format!(
            "{text}, `{}` matches `{regex}`",
            pointer.trim_start_matches('/')
        );
    }
    match &table.predicate {
        Some(predicate) => format!("{text}, with `{}`", predicate.source()),
        None => text,
    }
}

/// The files of a new rule: its own and that of its cases.
pub(crate) fn template(topic: &str, id: &str) -> (String, String) {
    let rule = format!(
        r#"id: {id}
title: What is wrong, in a few words
severity: medium # info, low, medium, high, critical
maturity: test # stable once people rely on it
topic: {topic}
matchers:
  failed:
    log:
      containers: [linkerd-proxy]
      pattern: 'words of the message (?P<reason>.*)'
      ongoing: 2m # it still goes on when the bundle is captured
by: workload # pod, workload, node, service, namespace, identity, certificate, bundle
message: "{{workload}} in {{namespace}}: {{failed.count}} times {{reason}}"
meaning: What that means to the users of the mesh.
fix:
  - "a step that can be pasted: `kubectl -n {{namespace}} get pods`"
links: ["https://linkerd.io/2/tasks/"]
references: []
"#
    );
    let cases = r#"cases:
  - name: it fails until the capture
    expect: fires
    at: "2026-01-01T00:00:10Z"
    files:
      cluster-resources/pods/logs/shop/cart-7d9c4f5b6-x2k8p/linkerd-proxy.log: |
        2026-01-01T00:00:00Z [     1.000000s]  WARN ThreadId(01) linkerd_app_core: words of the message no luck
    message: 'cart in shop: 1 times no luck'
  - name: all is well
    expect: silent
    files:
      cluster-resources/pods/logs/shop/cart-7d9c4f5b6-x2k8p/linkerd-proxy.log: |
        2026-01-01T00:00:00Z [     1.000000s]  INFO ThreadId(01) linkerd2_proxy: release 2.366.0
"#;
    (rule, cases.to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::cases;
    use super::super::set::RuleText;
    use super::*;

    #[test]
    fn a_new_rule_passes_its_own_cases() {
        let (yaml, cases) = template("proxy", "my-rule");
        let text = RuleText {
            path: "proxy/my-rule.yaml".into(),
            yaml: yaml.into(),
            cases: Some(cases.into()),
            is_builtin: false,
        };
        let rules = Rules::compile(std::slice::from_ref(&text)).unwrap();
        assert!(markdown(&rules.list[0], &rules).contains("## How to fix"));
        let tested = cases::test(&[text], &[]);
        assert_eq!((tested.cases, tested.faults), (2, Vec::new()));
    }
}
