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

#[test]
fn a_rule_may_ask_for_logs_of_current_or_previous_instances() {
    let of = |id: &str, previous: bool| {
        let rest = format!(
            "matchers:\n  a: {{log: {{previous: {previous}, pattern: 'lost the way'}}}}\nmessage: m\nfix: []"
        );
        rule(id, &rest)
    };
    let rules = [of("now", false), of("before", true)];
    let log = |name: &str| format!("cluster-resources/pods/logs/shop/cart-1/{name}.log");
    let found = |lost: &str, other: &str| {
        let files = [(log(lost), "lost the way\n"), (log(other), "found it\n")];
        let files = files.each_ref().map(|(path, text)| (path.as_str(), *text));
        let found = findings(&rules.each_ref().map(String::as_str), &files);
        found.into_iter().map(|f| f.rule).collect::<Vec<_>>()
    };
    assert_eq!(found("app", "app-previous"), ["now"]);
    assert_eq!(found("app-previous", "app"), ["before"]);
}

/// A proxy's lines at these seconds since its start.
fn lines_at(seconds: &[u64]) -> String {
    let line = |s: &u64| format!("[{s:>6}.000000s]  INFO ThreadId(01) linkerd_app: lost the way\n");
    seconds.iter().map(line).collect()
}

#[test]
fn lines_that_tell_only_an_uptime_are_counted_by_it_in_each_log() {
    let rule = rule(
        "often",
        "matchers:\n  a: {log: {pattern: 'lost the way'}}\n\
         condition: {count: {of: a, over: 2, within: 10s}}\nmessage: m\nfix: []",
    );
    let is_found = |logs: &[&[u64]]| {
        let logs = logs.iter().enumerate();
        let logs: Vec<_> = logs
            .map(|(n, s)| (format!("{n}.log"), lines_at(s)))
            .collect();
        let logs: Vec<_> = logs.iter().map(|(n, t)| (n.as_str(), t.as_str())).collect();
        !findings(&[&rule], &logs).is_empty()
    };
    assert!(is_found(&[&[100, 105, 110]]));
    assert!(!is_found(&[&[100, 111, 122]]));
    // The same uptime of two processes is not the same time.
    assert!(!is_found(&[&[100, 105], &[100, 105]]));
}

#[test]
fn a_log_alone_tells_what_its_name_and_its_proxy_tell() {
    let rule = rule(
        "lost",
        "matchers:\n  a: {log: {pattern: 'lost the way'}}\nby: workload\n\
         message: '{workload} in {namespace}: {pod}'\nfix: ['kubectl -n {namespace} logs {pod}']",
    );
    let told = |name: &str, text: &str| {
        let found = findings(&[&rule], &[(name, text)]);
        format!("{}; {}", found[0].message, found[0].fix[0])
    };
    let start = "[     0.002500s]  INFO ThreadId(01) linkerd2_proxy: Local identity is \
                 reports.retail.serviceaccount.identity.linkerd.cluster.local\n";
    let log = format!("{start}{}", lines_at(&[1]));
    assert_eq!(
        told("some.log", &log),
        "some.log in retail: ?; kubectl -n retail logs POD"
    );
    assert_eq!(
        told("seats-86d4c5dc87-6v9f6.log", &log),
        "seats in retail: seats-86d4c5dc87-6v9f6; kubectl -n retail logs seats-86d4c5dc87-6v9f6"
    );
    assert_eq!(
        told(
            "travel_seats-86d4c5dc87-6v9f6_linkerd-init.log",
            "lost the way\n"
        ),
        "seats in travel: seats-86d4c5dc87-6v9f6; kubectl -n travel logs seats-86d4c5dc87-6v9f6"
    );
}

/// What rules, each `id severity pattern`, come to: findings and, behind `>`, those below them.
fn told(rules: &[&str], files: &[(&str, &str)]) -> Vec<String> {
    let rules: Vec<String> = rules
        .iter()
        .map(|text| {
            let (id, rest) = text.split_once(' ').unwrap();
            let (severity, pattern) = rest.split_once(' ').unwrap();
            let rest =
                format!("matchers:\n  a: {{log: {{pattern: '{pattern}'}}}}\nmessage: m\nfix: []");
            rule(id, &rest).replace("severity: high", &format!("severity: {severity}"))
        })
        .collect();
    let rules: Vec<&str> = rules.iter().map(String::as_str).collect();
    let tree = findings(&rules, files).into_iter().map(|finding| {
        let below = finding.symptoms.iter().map(|s| format!(" > {}", s.rule));
        finding.rule.clone() + &below.collect::<String>()
    });
    tree.collect()
}

#[test]
fn findings_that_show_the_same_lines_are_told_once() {
    let lines = [("some.log", "lost the way home\nlost the way out\n")];
    // The worse one is above, and of equals the one with the earlier id.
    assert_eq!(
        told(&["a low lost the way", "b high lost the way"], &lines),
        ["b > a"]
    );
    assert_eq!(
        told(&["b low lost the way", "a low lost the way"], &lines),
        ["a > b"]
    );
    // One that shows more is no copy, and one that shows less goes below.
    let part = ["a high lost the way home", "b low lost the way"];
    assert_eq!(told(&part, &lines), ["a", "b"]);
    let part = ["a low lost the way home", "b high lost the way"];
    assert_eq!(told(&part, &lines), ["b > a"]);
    // All go below the first of them.
    let three = [
        "a low lost the way home",
        "b high lost the way",
        "c info lost the way home",
    ];
    assert_eq!(told(&three, &lines), ["b > a > c"]);
}

const SHOP: &str = r#"{"kind":"List","apiVersion":"v1","items":[
{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"shop"}},
{"apiVersion":"v1","kind":"Service","metadata":{"name":"web","namespace":"shop"},"spec":{"selector":{"app":"web"}}},
{"apiVersion":"v1","kind":"Service","metadata":{"name":"web-alias","namespace":"shop"},"spec":{"selector":{"app":"web"}}},
{"apiVersion":"v1","kind":"Service","metadata":{"name":"cart","namespace":"shop"},"spec":{"selector":{"app":"cart"}}},
{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web","namespace":"shop"},
"spec":{"selector":{"matchLabels":{"app":"web"}},"template":{"metadata":{"labels":{"app":"web"}}}}}]}"#;

/// A rule about one object, which explains the rule `symptom` in a place.
fn about(id: &str, (kind, name): (&str, &str), explains: &str) -> String {
    let rest = format!(
        "matchers:\n  a: {{object: {{kind: {kind}, where: \"object.metadata.name == '{name}'\"}}}}\n\
         message: m\nfix: []\nexplains: [{explains}]"
    );
    rule(id, &rest)
}

#[test]
fn a_service_and_the_workloads_behind_it_account_for_each_other() {
    let is_folded = |cause: (&str, &str), symptom: (&str, &str), place: &str| {
        let explains = format!("{{rule: symptom, where: {place}}}");
        let rules = [
            about("cause", cause, &explains),
            about("symptom", symptom, ""),
        ];
        let found = findings(&rules.each_ref().map(String::as_str), &[("all.json", SHOP)]);
        let rules: Vec<&str> = found.iter().map(|f| f.rule.as_str()).collect();
        assert!(rules.contains(&"cause"), "{rules:?}");
        rules == ["cause"]
    };
    let (web, service) = (("Deployment", "web"), ("Service", "web"));
    assert!(is_folded(web, service, "subject"));
    assert!(is_folded(service, web, "subject"));
    assert!(!is_folded(web, ("Service", "cart"), "subject"));
    // Two Services before one workload have nothing to do with each other.
    assert!(!is_folded(service, ("Service", "web-alias"), "subject"));
    // A namespace is in itself.
    assert!(is_folded(web, ("Namespace", "shop"), "namespace"));
}
