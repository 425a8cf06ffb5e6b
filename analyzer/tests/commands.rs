//! The program as people call it.

#![cfg(test)]

use assert_cmd::Command;
use assert_cmd::assert::Assert;

const LOG: &str =
    "2026-11-23T01:00:00Z time=\"2026-11-23T01:00:00Z\" level=error msg=\"lost the way home\"\n";

const RULE: &str = "id: lost\ntitle: Lost\nseverity: high\ntopic: x\nmatchers:\n  a:\n    log: {level: error, pattern: \
                    'lost the way (?P<where>\\w+)'}\nby: pod\nmessage: '{pod} lost the way {where}'\nmeaning: It is \
                    lost.\nfix: ['kubectl -n {namespace} get pod {pod}']\nlinks: ['https://linkerd.io/2/']\n";

struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        let log = "case/cluster-resources/pods/logs/shop/web-0/app.log";
        place.write(log, LOG);
        place.write("rules/x/lost.yaml", RULE);
        place
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.0.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn run(&self, args: &[&str]) -> Assert {
        let mut command = Command::new(env!("CARGO_BIN_EXE_linkerd-analyze"));
        command
            .current_dir(self.0.path())
            .env_clear()
            .args(args)
            .assert()
    }

    fn analyze(&self, args: &[&str]) -> Assert {
        self.run(&[&["case", "--no-builtin-rules", "--rules", "rules"], args].concat())
    }
}

fn stdout(assert: &Assert) -> String {
    String::from_utf8(assert.get_output().stdout.clone()).unwrap()
}

fn stderr(assert: &Assert) -> String {
    String::from_utf8(assert.get_output().stderr.clone()).unwrap()
}

#[test]
fn a_finding_is_told_with_its_evidence_and_fails_the_run() {
    let run = Place::new().analyze(&[]).code(1);
    let text = stdout(&run);
    assert!(text.contains("HIGH      web-0 lost the way home"), "{text}");
    assert!(
        text.contains("pods/logs/shop/web-0/app.log:1   01:00:00"),
        "{text}"
    );
    assert!(text.contains("kubectl -n shop get pod web-0"), "{text}");
    assert!(text.contains("1 high"), "{text}");
    assert!(!text.contains('\x1b'), "{text}");
}

#[test]
fn a_milder_limit_lets_the_run_pass() {
    let place = Place::new();
    place.analyze(&["--fail-on", "critical"]).code(0);
    place.analyze(&["--severity", "lost=low"]).code(0);
    place.write(
        "rules/x/other.yaml",
        &RULE
            .replace("id: lost", "id: other")
            .replace("lost the way", "took the road"),
    );
    place.analyze(&["--disable", "lost"]).code(0);
    place.write(
        "known.yaml",
        "suppressions: [{rule: lost, namespace: shop, reason: known, expires: 2026-12-01}]\n",
    );
    let run = place.analyze(&["--suppress", "known.yaml"]).code(0);
    assert!(stdout(&run).contains("1 findings suppressed"));
}

#[test]
fn json_goes_to_a_file_and_text_to_the_terminal() {
    let place = Place::new();
    let run = place
        .analyze(&["-o", "text", "-o", "json=report.json"])
        .code(1);
    assert!(stdout(&run).contains("web-0"));
    let json = std::fs::read_to_string(place.0.path().join("report.json")).unwrap();
    let report: linkerd_analyze::report::Report = serde_json::from_str(&json).unwrap();
    assert_eq!(report.findings[0].rule, "lost");
    assert_eq!(report.findings[0].subjects[0].name, "web-0");
}

#[test]
fn every_fault_of_every_rule_is_told_before_a_bundle_is_opened() {
    let place = Place::new();
    place.write(
        "rules/x/bad.yaml",
        "id: bad\ntitle: t\nseverity: high\ntopic: y\nmatchers:\n  a: {log: {pattern: '\\d+'}}\n  b: {fact: {table: \
         nope, where: 'rwo.x == 1'}}\n  p: {fact: {table: pods, where: '!row.redy'}}\ncondition: {all: [a, c]}\nmessage: '{nobody} {p.phse}'\nmeaning: m\nfix: []\n",
    );
    place.write("rules/x/worse.yaml", "id: worse\nseverity: dreadful\n");
    let run = place
        .run(&["absent.tar.gz", "--no-builtin-rules", "--rules", "rules"])
        .code(2);
    let text = stderr(&run);
    for part in [
        "x/bad.yaml:4:8: the file is in `x`",
        "x/bad.yaml:6:22: `\\d+` has no fixed text",
        "no table `nope`",
        "no variable `rwo`",
        "x/bad.yaml:7:35: no variable `rwo`; did you mean `row`?",
        "x/bad.yaml:8:40: no field `redy` here; did you mean `ready`?",
        "x/bad.yaml:10:21: `{p.phse}`: no field `phse` here; did you mean `phase`?",
        "no matcher `c`; there are `a`, `b`",
        "x/bad.yaml:10:12: `{nobody}` is neither a capture nor a subject",
        "x/worse.yaml:2:11: `dreadful` is not known here; there are `info`",
        "x/worse.yaml:2:1: no `title`; add it",
    ] {
        assert!(text.contains(part), "`{part}` in {text}");
    }
    assert!(!text.contains("absent.tar.gz"), "{text}");
}

#[test]
fn rules_that_lead_back_to_themselves_are_told_with_their_way() {
    let place = Place::new();
    let rule = |id: &str, explains: &str| {
        RULE.replace("id: lost", &format!("id: {id}")) + &format!("explains: [{explains}]\n")
    };
    place.write("rules/x/a.yaml", &rule("a", "{rule: b}"));
    place.write("rules/x/b.yaml", &rule("b", "{rule: gone}, {rule: c}"));
    place.write("rules/x/c.yaml", &rule("c", "{rule: a}"));
    let run = place.run(&["absent.tar.gz", "--rules", "rules"]).code(2);
    let line = rule("a", "").matches('\n').count();
    let told = format!(
        "x/a.yaml:{line}:19: `a` explains itself: a -> b -> c -> a; take out this reference or that at \
         x/b.yaml:{line}:33 or x/c.yaml:{line}:19"
    );
    assert!(stderr(&run).contains(&told), "{told}\n{}", stderr(&run));
}

#[test]
fn a_built_in_rule_on_such_a_way_has_its_place_too() {
    let place = Place::new();
    let own = RULE.replace("id: lost", "id: peer-refuses-requests")
        + "explains: [{rule: client-identity-refused}]\n";
    place.write("rules/x/peer-refuses-requests.yaml", &own);
    let run = place.run(&["absent.tar.gz", "--rules", "rules"]).code(2);
    let told = stderr(&run);
    let way = "peer-refuses-requests -> client-identity-refused -> peer-refuses-requests";
    assert!(told.contains(way), "{told}");
    let start = "that at policy/client-identity-refused.yaml:";
    let place = told.split(start).nth(1).and_then(|t| t.lines().next());
    let is_number = |text: &str| text.parse::<u32>().is_ok();
    assert!(place.is_some_and(|p| p.split(':').all(is_number)), "{told}");
}

#[test]
fn files_that_are_no_text_are_faults_among_the_others() {
    let place = Place::new();
    let folder = place.0.path().join("rules/x");
    place.write("rules/x/wrong.yaml", "id: wrong\n");
    place.write("rules/x/long.yaml", &format!("# {}\n", "x".repeat(3 << 20)));
    std::fs::write(folder.join("latin.yaml"), b"id: latin\ntitle: caf\xe9\n").unwrap();
    std::fs::write(folder.join("empty.yaml"), "").unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink("/dev/zero", folder.join("endless.yaml")).unwrap();
    let run = place
        .run(&["absent.tar.gz", "--no-builtin-rules", "--rules", "rules"])
        .code(2);
    for part in [
        "x/wrong.yaml:1:1: no `title`",
        "x/long.yaml: longer than the 2097152 bytes",
        "x/latin.yaml:2:11: not UTF-8 text",
        "x/empty.yaml:1:1: the file holds nothing",
        #[cfg(unix)]
        "x/endless.yaml: not a file",
    ] {
        assert!(stderr(&run).contains(part), "`{part}` in {}", stderr(&run));
    }
}

#[test]
fn what_cannot_be_opened_is_named() {
    let place = Place::new();
    let run = place
        .run(&["absent.tar.gz", "--no-builtin-rules", "--rules", "rules"])
        .code(2);
    assert!(
        stderr(&run).contains("cannot open `absent.tar.gz`"),
        "{}",
        stderr(&run)
    );
}

#[test]
fn a_bundle_can_be_looked_into_by_hand() {
    let place = Place::new();
    let path = "cluster-resources/pods/logs/shop/web-0/app.log";
    assert!(stdout(&place.run(&["ls", "case"]).code(0)).contains(path));
    assert_eq!(stdout(&place.run(&["cat", "case", path]).code(0)), LOG);
    assert_eq!(stdout(&place.run(&["cat", "case", "*.log"]).code(0)), LOG);
    place.run(&["cat", "case", "nothing"]).code(2);
    let found = stdout(&place.run(&["grep", "case", "WAY home", "-i"]).code(0));
    assert!(found.starts_with(&format!("{path}:1:2026")), "{found}");
    assert_eq!(
        stdout(
            &place
                .run(&["grep", "case", "way", "-c", "**/*.log"])
                .code(0)
        ),
        format!("{path}:1\n")
    );
    place.run(&["grep", "case", "absent"]).code(1);
    assert!(stdout(&place.run(&["verify", "case"]).code(3)).contains("no manifest"));
    assert!(stdout(&place.run(&["verify", "case", "--decode-only"]).code(0)).contains("decoded"));
}

#[test]
fn a_new_rule_can_be_shown_tested_and_listed() {
    let place = Place::new();
    place.run(&["rules", "new", "my-rule", "rules/x"]).code(0);
    let own = ["--no-builtin-rules", "--rules", "rules"];
    let run = |args: &[&str]| place.run(&[&["rules"], args, &own].concat());
    assert!(stdout(&run(&["list"]).code(0)).contains("my-rule"));
    assert!(stdout(&run(&["show", "my-rule"]).code(0)).contains("## How to fix"));
    run(&["test", "my-rule"]).code(0);
    assert!(stdout(&run(&["test"]).code(1)).contains("lost.cases.yaml: missing"));
    assert!(stdout(&run(&["lint"]).code(1)).contains("lost: no cases"));
}

#[test]
fn flags_that_the_linkerd_cli_has_everywhere_are_taken_before_and_after() {
    let flags = [
        "--context=prod",
        "--linkerd-namespace=linkerd",
        "--as-group=[]",
        "--verbose",
    ];
    Place::new().analyze(&flags).code(1);
    Place::new().run(&["ls", "case", "--api-addr="]).code(0);
    // It has no checks for `linkerd check`, which must see a failure.
    Place::new().run(&["_extension-metadata"]).code(2);
}

#[cfg(unix)]
#[expect(
    clippy::disallowed_methods,
    reason = "kubectl starts the analyzer, not the other way round"
)]
#[test]
fn kubectl_runs_it_as_a_plugin_that_knows_its_name() {
    let place = Place::new();
    let plugin = place.0.path().join("kubectl-linkerd_analyze");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_linkerd-analyze"), plugin).unwrap();
    let path = std::env::var("PATH").unwrap_or_default();
    let path = format!("{}:{path}", place.0.path().display());
    let mut kubectl = std::process::Command::new("kubectl");
    kubectl.current_dir(place.0.path()).env("PATH", path);
    let Ok(output) = kubectl.args(["linkerd-analyze", "--help"]).output() else {
        eprintln!("skipped: there is no kubectl on the PATH");
        return;
    };
    let help = String::from_utf8(output.stdout).unwrap();
    let usage = "Usage: kubectl linkerd-analyze [OPTIONS]";
    let example = "\n  kubectl linkerd-analyze grep bundle.tar.gz";
    assert!(help.contains(usage) && help.contains(example), "{help}");
}
