//! The same bundle and rules give the same bytes, whatever the threads, the form and the order.

#![cfg(test)]

use std::path::{Path, PathBuf};

use bundle::{Bundle, BundleWriter, Container, EntryPath, Limits, Manifest, WriterOptions};
use jiff::Timestamp;
use linkerd_analyze::{Options, Rules, analyze, load_rules};
use proptest::prelude::*;

const AT: &str = "2026-11-23T01:12:24Z";

/// Rules of every kind of matcher, so that the test does not depend on the built-in ones.
const RULES: [(&str, &str); 3] = [
    (
        "refused",
        "id: refused\ntitle: t\nseverity: high\ntopic: t\nby: workload\nmatchers:\n  a:\n    log: {containers: \
         [linkerd-proxy], pattern: 'request was refused by (?P<who>\\S+)', min-count: 2}\nmessage: '{workload}: \
         {a.count} by {who}'\nmeaning: m\nfix: [f]\n",
    ),
    (
        "burst",
        "id: burst\ntitle: t\nseverity: low\ntopic: t\nby: pod\nmatchers:\n  a:\n    log: {pattern: 'request was \
         refused by'}\ncondition: {count: {of: a, over: 4, within: 10s}}\nmessage: '{pod} {a.first} {a.last}'\nmeaning: \
         m\nfix: [f]\nexplains: [{rule: refused, where: subject}]\n",
    ),
    (
        "quiet",
        "id: quiet\ntitle: t\nseverity: info\ntopic: t\nby: pod\nmatchers:\n  a:\n    absent: {source: pod-logs, \
         container: linkerd-proxy, pattern: 'request was refused by'}\nmessage: '{pod}'\nmeaning: m\nfix: [f]\n",
    ),
];

fn rules(folder: &Path) -> Rules {
    std::fs::create_dir_all(folder.join("t")).unwrap();
    for (id, yaml) in RULES {
        std::fs::write(folder.join("t").join(format!("{id}.yaml")), yaml).unwrap();
    }
    load_rules(&[folder.to_owned()], false, &[]).unwrap()
}

fn write(path: &Path, container: Container, entries: &[(String, String)]) {
    let mtime: Timestamp = AT.parse().unwrap();
    let options = WriterOptions {
        container,
        name: "b".to_owned(),
        mtime,
        threads: 2,
    };
    let mut writer = BundleWriter::create(path, options).unwrap();
    for (path, text) in entries {
        let path = EntryPath::parse(path.clone()).unwrap();
        writer
            .append(&path, text.len() as u64, &mut text.as_bytes())
            .unwrap();
    }
    writer.finish(manifest()).unwrap();
}

fn manifest() -> Manifest {
    Manifest::new("test", AT.parse().unwrap())
}

fn report(path: &Path, rules: &Rules, threads: usize) -> String {
    let bundle = Bundle::open(path, Limits::default()).unwrap();
    let options = Options {
        threads,
        ..Options::default()
    };
    let mut report = analyze(&bundle, rules, &options);
    // Forms differ in what is an entry and in what they are called, not in what is found.
    report.bundle.name.clear();
    report.counts.bytes = 0;
    serde_json::to_string(&report).unwrap()
}

/// Logs of a few pods with lines of a few kinds.
fn logs() -> impl Strategy<Value = Vec<(String, String)>> {
    let lines = prop::collection::vec((0_u32..120, 0..4), 0..60);
    prop::collection::vec(lines, 1..6).prop_map(|logs| {
        let log = |(number, lines): (usize, Vec<(u32, i32)>)| {
            let path = format!(
                "cluster-resources/pods/logs/shop/web-7d9c4f5b6-x2k8{number}/linkerd-proxy.log"
            );
            let line = |(second, kind): (u32, i32)| {
                let time = format!("2026-11-23T01:{:02}:{:02}Z", second / 60, second % 60);
                let message = match kind {
                    0 => "request was refused by alpha".to_owned(),
                    1 => format!("request was refused by client-{second}"),
                    _ => "all is well".to_owned(),
                };
                format!("{time} [     1.000000s]  INFO ThreadId(01) linkerd: {message}\n")
            };
            (path, lines.into_iter().map(line).collect::<String>())
        };
        logs.into_iter().enumerate().map(log).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn threads_forms_and_order_do_not_change_the_report(
        (entries, shuffled) in logs().prop_flat_map(|logs| (Just(logs.clone()), Just(logs).prop_shuffle())),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let rules = rules(&folder.path().join("rules"));
        let path = |name: &str| -> PathBuf { folder.path().join(name) };
        write(&path("a.tar.gz"), Container::TarGz, &entries);
        write(&path("b.tar.gz"), Container::TarGz, &shuffled);
        write(&path("c.zip"), Container::Zip, &shuffled);
        let plain = path("plain");
        for (entry, text) in &entries {
            let file = plain.join(entry);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, text).unwrap();
        }
        std::fs::write(plain.join("manifest.json"), serde_json::to_vec(&manifest()).unwrap()).unwrap();
        let expected = report(&path("a.tar.gz"), &rules, 1);
        for name in ["a.tar.gz", "b.tar.gz", "c.zip", "plain"] {
            for threads in [1, 2, 8] {
                prop_assert_eq!(&report(&path(name), &rules, threads), &expected, "{} on {}", name, threads);
            }
        }
    }
}
