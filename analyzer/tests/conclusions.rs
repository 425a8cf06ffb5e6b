//! What rules come to over small captures: words, keys, and what is told below what.

#![cfg(test)]

use bundle::{Bundle, Limits};
use linkerd_analyze::finding::{Finding, Severity};
use linkerd_analyze::report::{Clock, Look, Report, text};
use linkerd_analyze::{Options, analyze, load_rules};

/// Analyzes a folder of these files (or the only file, if there is one) with these rules.
fn findings(rules: &[&str], files: &[(&str, &str)]) -> Vec<Finding> {
    report(rules, files).findings
}

/// The same with all that is told besides.
fn report(rules: &[&str], files: &[(&str, &str)]) -> Report {
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
    analyze(&bundle, &rules, &Options::default())
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
fn a_step_can_be_pasted_and_tells_how_many_others_it_is_for() {
    let rule = rule(
        "lost",
        "matchers:\n  a: {log: {pattern: 'lost the way to (?P<what>.+)'}}\n\
         message: '{pods} lost the way: {none}'\n\
         fix: ['kubectl -n {namespace} logs {pod} | grep {what}', 'kubectl get ns {namespace}', wait]",
    )
    .replace("{none}", "{a.none}");
    let log = |namespace: &str, pod: &str| {
        format!("cluster-resources/pods/logs/{namespace}/{pod}/app.log")
    };
    let files = [log("pay", "a"), log("shop", "b"), log("shop", "c")];
    let files = files
        .each_ref()
        .map(|path| (path.as_str(), "lost the way to x; rm -r\n"));
    let found = findings(&[&rule], &files);
    assert_eq!(found[0].message, "pay/a, shop/b, shop/c lost the way");
    assert_eq!(
        found[0].fix,
        [
            "kubectl -n pay logs a | grep x? rm -r   # and 2 more",
            "kubectl get ns pay   # and 1 more",
            "wait"
        ]
    );
}

#[test]
fn a_cause_is_as_bad_as_the_worst_of_what_it_causes() {
    let rule = |id: &str, severity: &str, word: &str, rest: &str| {
        let body = format!(
            "matchers:\n  a: {{log: {{pattern: 'happens: {word}'}}}}\nmessage: {id}\nfix: [f]\n{rest}"
        );
        rule(id, &body).replace("severity: high", &format!("severity: {severity}"))
    };
    let rules = [
        rule(
            "cause",
            "low",
            "cause",
            "explains: [{rule: symptom, where: anywhere}]",
        ),
        rule("symptom", "critical", "symptom", ""),
        rule("other", "high", "other", ""),
    ];
    let rules = rules.each_ref().map(String::as_str);
    let log = "happens: other\nhappens: cause\nhappens: symptom\n";
    let found = findings(&rules, &[("some.log", log)]);
    let told: Vec<_> = found
        .iter()
        .map(|f| (f.rule.as_str(), f.severity, f.own_severity))
        .collect();
    assert_eq!(
        told,
        [
            ("cause", Severity::Critical, Some(Severity::Low)),
            ("other", Severity::High, None)
        ]
    );
}

#[test]
fn what_tells_no_time_is_judged_by_what_is_in_it_and_then_by_its_files() {
    let judged = |name: &str, text: &str| {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join(name);
        std::fs::write(&path, text).unwrap();
        let written = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_700_000_000);
        let file = std::fs::File::options().write(true).open(&path).unwrap();
        file.set_modified(written).unwrap();
        let bundle = Bundle::open(&path, Limits::default()).unwrap();
        let rules = load_rules(&[], true, &[]).unwrap();
        let told = analyze(&bundle, &rules, &Options::default()).bundle;
        (told.at.to_string(), told.clock)
    };
    let metrics =
        "# TYPE process_clock_time_seconds gauge\nprocess_clock_time_seconds 1795394849.0\n";
    assert_eq!(
        judged("a.prom", metrics),
        ("2026-11-23T00:47:29Z".to_owned(), Clock::Content)
    );
    let metrics = "# TYPE process_open_fds gauge\nprocess_open_fds 4\n";
    assert_eq!(
        judged("a.prom", metrics),
        ("2023-11-14T22:13:20Z".to_owned(), Clock::Files)
    );
    // Of events alone the newest is what goes on.
    let events = "LAST SEEN   TYPE      REASON    OBJECT      MESSAGE\n\
                  30m         Warning   BackOff   pod/web-1   Back-off restarting failed container\n\
                  13m20s      Warning   BackOff   pod/web-1   Back-off restarting failed container\n";
    assert_eq!(
        judged("events.txt", events),
        ("2023-11-14T22:00:00Z".to_owned(), Clock::Content)
    );
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
        "some.log in retail; kubectl -n retail logs POD"
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

#[test]
fn a_meaning_leaves_out_the_sentence_that_speaks_of_what_is_not_known() {
    let rule = rule(
        "lost",
        "matchers:\n  a: {log: {pattern: 'lost the way(?: to (?P<what>\\S+))?'}}\nmessage: m\nfix: []",
    )
    .replace("meaning: m", "meaning: 'It is bad. It wanted to reach {what}. It walks on.'");
    let meaning = |log: &str| findings(&[&rule], &[("some.log", log)])[0].meaning.clone();
    assert_eq!(
        meaning("lost the way to x\n"),
        "It is bad. It wanted to reach x. It walks on."
    );
    assert_eq!(meaning("lost the way\n"), "It is bad. It walks on.");
}

#[test]
fn an_address_stands_with_who_has_it() {
    let rule = rule(
        "lost",
        "matchers:\n  a: {log: {pattern: 'lost the way to (?P<what>\\S+)'}}\n\
         message: '{what}'\nfix: ['ping {what}']",
    );
    let pod = r#"{"kind": "Pod", "apiVersion": "v1", "metadata": {"namespace": "shop", "name": "cart-1"},
        "spec": {}, "status": {"podIP": "10.1.2.3"}}"#;
    let log = "lost the way to 10.1.2.3:80\nlost the way to 10.9.9.9\n";
    let found = findings(&[&rule], &[("pod.json", pod), ("some.log", log)]);
    assert_eq!(found[0].message, "10.1.2.3:80 (pod shop/cart-1), 10.9.9.9");
    assert_eq!(found[0].fix, ["ping 10.1.2.3:80"]);
}

#[test]
fn the_namespace_of_the_control_plane_is_told_by_objects_logs_or_lines() {
    let rule = rule(
        "away",
        "matchers:\n  a: {log: {pattern: 'endpoint (?P<addr>\\S+) is away'}}\n\
         message: 'away from {control_plane}'\n\
         fix: ['kubectl -n {control_plane} get pods']",
    );
    let line = |addr: &str| format!("the endpoint {addr} is away\n");
    let (plain, named) = (
        line("10.0.0.1:8086"),
        line("linkerd-dst-headless.mesh.svc.cluster.local:8086"),
    );
    let log = "cluster-resources/pods/logs/shop/web-6556cb56d8-dv6nq/app.log";
    let own = "cluster-resources/pods/logs/hub/linkerd-identity-6556cb56d8-dv6nq/identity.log";
    let services = (
        "cluster-resources/services/base.json",
        r#"{"kind": "ServiceList", "apiVersion": "v1", "items": [
            {"metadata": {"name": "linkerd-dst", "namespace": "base"}}]}"#,
    );
    for (files, want) in [
        (vec![(log, plain.as_str())], "linkerd"),
        (vec![(log, named.as_str())], "mesh"),
        (vec![(log, named.as_str()), (own, "ready\n")], "hub"),
        (
            vec![(log, named.as_str()), (own, "ready\n"), services],
            "base",
        ),
    ] {
        let found = findings(&[&rule], &files);
        assert_eq!(found[0].message, format!("away from {want}"));
        assert_eq!(found[0].fix, [format!("kubectl -n {want} get pods")]);
    }
}

#[test]
fn what_says_different_things_is_quoted_first() {
    let rule = rule(
        "failed",
        "matchers:\n  a: {log: {pattern: 'failed to reach it'}}\n  b: {log: {pattern: 'given up for good'}}\n\
         by: bundle\ncondition: {any: [a, b]}\nmessage: it fails\nfix: [wait]",
    );
    let failed = |n: usize| format!("[ {n}.1s] WARN failed to reach it at 10.0.0.{n}:80 again\n");
    let log: String = (1..9).map(failed).collect();
    let names: Vec<String> = (0..4).map(|n| format!("a{n}.log")).collect();
    let mut files: Vec<(&str, &str)> = names.iter().map(|n| (n.as_str(), log.as_str())).collect();
    let last = "[ 9.9s] WARN given up for good\n";
    files.push(("z.log", last));
    let report = report(&[&rule], &files);
    let evidence = &report.findings[0].evidence;
    assert_eq!(evidence.len(), 8);
    assert_eq!(evidence[7].excerpt, last.trim_end());
    let mut shown = Vec::new();
    text(&report, Look::default(), &mut shown).unwrap();
    let text = String::from_utf8(shown).unwrap();
    assert!(
        text.contains("a0.log:1   the same in 6 more places"),
        "{text}"
    );
    assert!(text.contains("given up for good"), "{text}");
}

#[test]
fn one_line_of_an_excerpt_counts_for_many_and_one_of_a_whole_log_does_not() {
    let rule = rule(
        "refused",
        "matchers:\n  a: {log: {containers: [linkerd-proxy], pattern: 'Failed to connect to it'}}\n  \
         excerpt: {absent: {source: pod-logs, container: linkerd-proxy, pattern: 'the proxy starts', excerpt: true}}\n\
         condition: {any: [{count: {of: a, over: 1}}, {all: [a, excerpt]}]}\n\
         by: workload\nmessage: '{a.count}'\nfix: [wait]",
    );
    let (line, start) = ("WARN Failed to connect to it\n", "INFO the proxy starts\n");
    let filler = "INFO nothing of note\n".repeat(60);
    for (files, found) in [
        // Neither needs a name that tells the container.
        (vec![("some.log", line.to_owned())], 1),
        (vec![("linkerd-proxy.log", line.to_owned())], 1),
        (vec![("some.log", format!("{start}{line}"))], 0),
        (vec![("some.log", format!("{line}{filler}"))], 0),
        (vec![("some.log", format!("{line}{line}{filler}"))], 1),
    ] {
        let files: Vec<(&str, &str)> = files.iter().map(|(n, t)| (*n, t.as_str())).collect();
        let report = report(&[&rule], &files);
        assert_eq!(report.findings.len(), found, "{files:?}");
        assert!(report.could_not_check.is_empty());
        let evidence = report.findings.iter().flat_map(|f| &f.evidence);
        assert!(evidence.into_iter().all(|e| e.line.is_some()));
    }
}

#[test]
fn a_check_that_fails_goes_below_what_is_found_by_a_rule_that_refers_to_it() {
    let cause = rule(
        "ended",
        "matchers:\n  a: {log: {pattern: 'the issuer has ended'}}\nmessage: it has ended\nfix: [wait]\n\
         references: [l5d-issuer]",
    );
    let checks = rule(
        "checks",
        "matchers:\n  a: {fact: {table: checks, where: \"row.result == 'error'\"}}\nby: bundle\n\
         message: '{a.said}'\nfix: [wait]",
    );
    let check = |name: &str| {
        format!(
            "× {name} is well\n    it is not\n    see https://linkerd.io/2/checks/#l5d-{name} for hints\n\n"
        )
    };
    let told = |output: &str| {
        let files = [("check.txt", output), ("app.log", "the issuer has ended\n")];
        let found = findings(&[&cause, &checks], &files);
        let told = found.iter().map(|f| (f.rule.clone(), f.symptoms.len()));
        told.collect::<Vec<_>>()
    };
    assert_eq!(told(&check("issuer")), [("ended".to_owned(), 1)]);
    let both = check("issuer") + &check("other");
    assert_eq!(
        told(&both),
        [("checks".to_owned(), 0), ("ended".to_owned(), 0)]
    );
}
