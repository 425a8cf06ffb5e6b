//! What rules come to over small captures: words, keys, and what is told below what.

#![cfg(test)]

use bundle::{Bundle, Limits};
use linkerd_analyze::finding::Finding;
use linkerd_analyze::{Options, analyze, load_rules};

/// Analyzes a folder of these files (or the only file, if there is one) with these rules.
fn findings(rules: &[&str], files: &[(&str, &str)]) -> Vec<Finding> {
    let place = tempfile::tempdir().unwrap();
    let write = |path: String, text: &str| {
        let path = place.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    for rule in rules {
        let id = rule.lines().next().and_then(|l| l.strip_prefix("id: "));
        write(format!("rules/t/{}.yaml", id.unwrap()), rule);
    }
    for (path, text) in files {
        write(format!("case/{path}"), text);
    }
    let case = match files {
        [(path, _)] => place.path().join("case").join(path),
        _ => place.path().join("case"),
    };
    let rules = load_rules(&[place.path().join("rules")], false, &[]).unwrap();
    let bundle = Bundle::open(&case, Limits::default()).unwrap();
    analyze(&bundle, &rules, &Options::default()).findings
}

/// A rule of severity `high` with these last lines.
fn rule(id: &str, rest: &str) -> String {
    let head = "severity: high\ntopic: t\ntitle: t\nmeaning: m\n";
    format!("id: {id}\n{head}{rest}\n")
}

#[test]
fn a_placeholder_gives_the_first_alternative_that_has_a_value() {
    let rule = rule(
        "words",
        "matchers:\n  a: {log: {pattern: 'first thing (?P<what>\\w+)'}}\n  \
         b: {log: {pattern: 'second thing (?P<other>\\w+)'}}\n\
         condition: {any: [a, b]}\n\
         message: '[{a.what}] [{a.count}] [{a.what|b.other}] [{b.first|b.none}] [{b.none}] [{pod}] [{workload}]'\n\
         fix: ['kubectl -n {namespace} logs {pod} {node} {b.none}']",
    );
    let found = findings(&[&rule], &[("some.log", "second thing gone\n")]);
    assert_eq!(found[0].message, "[] [0] [gone] [?] [?] [?] [some.log]");
    assert_eq!(found[0].fix, ["kubectl -n NAMESPACE logs POD NODE ?"]);
}
