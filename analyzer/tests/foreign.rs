//! Captures of other tools: a recording laid out as another tool would have done it gives the
//! findings that the same objects and logs give in our own layout.

#![cfg(test)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use bundle::layout::EntryKind;
use bundle::{Bundle, Limits, resources};
use linkerd_analyze::{Options, Rules, analyze, load_rules};
use serde_json::{Value, json};

/// One container's log.
#[derive(Clone)]
struct Log {
    namespace: String,
    pod: String,
    container: String,
    previous: bool,
    text: String,
}

/// Objects and logs of a recording.
#[derive(Clone, Default)]
struct Recording {
    at: Option<jiff::Timestamp>,
    objects: Vec<Value>,
    logs: Vec<Log>,
}

fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or("")
}

impl Recording {
    fn read(name: &str) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/recordings");
        let bundle =
            Bundle::open(&folder.join(format!("{name}.tar.gz")), Limits::default()).unwrap();
        let mut recording = Self {
            at: bundle.manifest().map(|m| m.captured_at),
            ..Self::default()
        };
        for entry in bundle.entries() {
            let read = || bundle.read(entry.path.as_str()).unwrap();
            match &entry.kind {
                EntryKind::Objects { .. } | EntryKind::CustomObjects { .. } => {
                    let list: Value = serde_json::from_slice(&read()).unwrap();
                    let kind = list["kind"]
                        .as_str()
                        .unwrap()
                        .trim_end_matches("List")
                        .to_owned();
                    for mut item in list["items"].as_array().cloned().unwrap_or_default() {
                        for (key, value) in [
                            ("kind", json!(kind)),
                            ("apiVersion", list["apiVersion"].clone()),
                        ] {
                            if item.get(key).is_none() {
                                item[key] = value;
                            }
                        }
                        recording.objects.push(item);
                    }
                }
                EntryKind::PodLog {
                    namespace,
                    pod,
                    container,
                    previous,
                } => {
                    recording.logs.push(Log {
                        namespace: namespace.clone(),
                        pod: pod.clone(),
                        container: container.clone(),
                        previous: *previous,
                        text: String::from_utf8_lossy(&read()).into_owned(),
                    });
                }
                _ => {}
            }
        }
        recording
    }

    /// Only what a tool takes.
    fn limited(&self, object: impl Fn(&Value) -> bool, log: impl Fn(&Log) -> bool) -> Self {
        let mut limited = self.clone();
        limited.objects.retain(object);
        limited.logs.retain(log);
        limited
    }

    /// Without the times that the kubelet puts before lines.
    fn without_times(mut self) -> Self {
        for log in &mut self.logs {
            let bare =
                |line: &str| line.split_once(' ').map_or("", |(_, rest)| rest).to_owned() + "\n";
            log.text = log.text.lines().map(bare).collect();
        }
        self
    }

    /// Lists by kind and namespace.
    fn lists(&self) -> BTreeMap<(String, String, String), Vec<&Value>> {
        let mut lists: BTreeMap<_, Vec<&Value>> = BTreeMap::new();
        for object in &self.objects {
            let key = (
                text(object, "/apiVersion").to_owned(),
                text(object, "/kind").to_owned(),
                text(object, "/metadata/namespace").to_owned(),
            );
            lists.entry(key).or_default().push(object);
        }
        lists
    }
}

fn list(api_version: &str, kind: &str, items: &[&Value]) -> Value {
    json!({"apiVersion": api_version, "kind": format!("{kind}List"), "metadata": {}, "items": items})
}

/// API group, `core` for the core group, and plural name.
fn names(api_version: &str, kind: &str) -> (String, String) {
    let group = api_version
        .rsplit_once('/')
        .map_or("core", |(group, _)| group);
    let own = resources::RESOURCES.iter().find(|r| r.kind == kind);
    let plural = own.map_or_else(|| kind.to_lowercase() + "s", |r| r.plural.to_owned());
    (group.to_owned(), plural)
}

fn yaml(value: &Value) -> String {
    format!("---\n{}", serde_saphyr::to_string(value).unwrap())
}

struct Tree(tempfile::TempDir);

impl Tree {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn write(&self, path: &str, content: &str) {
        let path = self.0.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    /// Rule and subjects of every finding, symptoms included.
    fn findings(&self, recording: &Recording, rules: &Rules) -> BTreeSet<String> {
        let bundle = Bundle::open(self.0.path(), Limits::default()).unwrap();
        let options = Options {
            at: recording.at,
            threads: 2,
            ..Options::default()
        };
        let report = serde_json::to_value(analyze(&bundle, rules, &options)).unwrap();
        let mut found = BTreeSet::new();
        note(&report["findings"], &mut found);
        found
    }
}

fn note(findings: &Value, found: &mut BTreeSet<String>) {
    for finding in findings.as_array().into_iter().flatten() {
        found.insert(format!("{} {}", finding["rule"], finding["subjects"]));
        note(&finding["symptoms"], found);
    }
}

/// Our own layout, without anything that only we capture.
fn own(recording: &Recording) -> Tree {
    let tree = Tree::new();
    for ((api_version, kind, namespace), items) in recording.lists() {
        let (group, plural) = names(&api_version, &kind);
        let group = if group == "core" { "" } else { &group };
        let below = if namespace.is_empty() {
            String::new()
        } else {
            format!("/{namespace}")
        };
        let path = match resources::by_plural(group, &plural) {
            Some(resource) => format!("cluster-resources/{}{below}.json", resource.folder),
            None => format!("cluster-resources/custom-resources/{plural}.{group}{below}.json"),
        };
        tree.write(&path, &list(&api_version, &kind, &items).to_string());
    }
    for log in &recording.logs {
        let previous = if log.previous { "-previous" } else { "" };
        let Log {
            namespace,
            pod,
            container,
            text,
            ..
        } = log;
        let path =
            format!("cluster-resources/pods/logs/{namespace}/{pod}/{container}{previous}.log");
        tree.write(&path, text);
    }
    tree
}

fn must_gather(recording: &Recording) -> Tree {
    let (tree, top) = (
        Tree::new(),
        "must-gather.local.42/quay-io-openshift-sha256-abc",
    );
    for ((api_version, kind, namespace), items) in recording.lists() {
        let (group, plural) = names(&api_version, &kind);
        let is_custom = group.contains("linkerd.io") || group.contains("gateway");
        if !namespace.is_empty() && !is_custom {
            let path = format!("{top}/namespaces/{namespace}/{group}/{plural}.yaml");
            tree.write(&path, &yaml(&list(&api_version, &kind, &items)));
        }
        for item in items {
            let name = text(item, "/metadata/name");
            let path = match (namespace.as_str(), kind.as_str()) {
                ("", _) => format!("{top}/cluster-scoped-resources/{group}/{plural}/{name}.yaml"),
                (_, "Pod") => format!("{top}/namespaces/{namespace}/pods/{name}/{name}.yaml"),
                _ if is_custom => {
                    format!("{top}/namespaces/{namespace}/{group}/{plural}/{name}.yaml")
                }
                _ => continue,
            };
            tree.write(&path, &yaml(item));
        }
    }
    for log in &recording.logs {
        let file = if log.previous { "previous" } else { "current" };
        let Log {
            namespace,
            pod,
            container,
            text,
            ..
        } = log;
        let path = format!(
            "{top}/namespaces/{namespace}/pods/{pod}/{container}/{container}/logs/{file}.log"
        );
        tree.write(&path, text);
    }
    tree.write(
        &format!("{top}/host_service_logs/masters/kubelet_service.log"),
        "Nov 23 hello\n",
    );
    tree
}

const DUMPED: [&str; 7] = [
    "Event",
    "Service",
    "DaemonSet",
    "Deployment",
    "ReplicaSet",
    "Pod",
    "Node",
];

fn cluster_info_dump(recording: &Recording) -> Tree {
    let tree = Tree::new();
    for ((api_version, kind, namespace), items) in recording.lists() {
        let (_, plural) = names(&api_version, &kind);
        let path = if namespace.is_empty() {
            format!("{plural}.json")
        } else {
            format!("{namespace}/{plural}.json")
        };
        let text = serde_json::to_string_pretty(&list(&api_version, &kind, &items)).unwrap();
        tree.write(&path, &text);
    }
    let mut pods: BTreeMap<String, String> = BTreeMap::new();
    for log in &recording.logs {
        let Log {
            namespace,
            pod,
            container,
            text,
            ..
        } = log;
        let of = format!("logs for container {container} of pod {namespace}/{pod} ====\n");
        let path = format!("{namespace}/{pod}/logs.txt");
        let all = pods.entry(path).or_default();
        all.extend(["==== START ", &of, text, "==== END ", &of]);
    }
    for (path, text) in pods {
        tree.write(&path, &text);
    }
    tree
}

/// One file with objects of all kinds, and logs below a folder for each pod.
fn bug_report(recording: &Recording) -> Tree {
    let tree = Tree::new();
    let documents: String = recording.objects.iter().map(yaml).collect();
    tree.write("bug-report/cluster/k8s-resources.yaml", &documents);
    for log in &recording.logs {
        let Log {
            namespace,
            pod,
            container,
            text,
            ..
        } = log;
        tree.write(
            &format!("bug-report/proxies/{namespace}/{pod}/{container}.log"),
            text,
        );
    }
    tree
}

/// Flat files, as `cilium sysdump` names them.
fn sysdump(recording: &Recording) -> Tree {
    let (tree, time) = (Tree::new(), "20261123-004151");
    let mut kinds: BTreeMap<(String, String), Vec<&Value>> = BTreeMap::new();
    for ((api_version, kind, _), items) in recording.lists() {
        kinds.entry((api_version, kind)).or_default().extend(items);
    }
    for ((api_version, kind), items) in kinds {
        let (_, plural) = names(&api_version, &kind);
        tree.write(
            &format!("k8s-{plural}-{time}.yaml"),
            &yaml(&list(&api_version, &kind, &items)),
        );
    }
    for log in &recording.logs {
        let previous = if log.previous { "-prev" } else { "" };
        let Log {
            pod,
            container,
            text,
            ..
        } = log;
        tree.write(
            &format!("logs-{pod}-{container}-{time}{previous}.log"),
            text,
        );
    }
    tree
}

/// Troubleshoot's own support bundle, with what its `logs` collector adds.
fn support_bundle(recording: &Recording) -> Tree {
    let plain = own(recording);
    let tree = Tree::new();
    let below = tree.0.path().join("support-bundle-2026-11-23T00_41_51");
    std::fs::rename(
        plain.0.path().join("cluster-resources"),
        below.with_extension("x"),
    )
    .unwrap();
    std::fs::create_dir(&below).unwrap();
    std::fs::rename(below.with_extension("x"), below.join("cluster-resources")).unwrap();
    let top = "support-bundle-2026-11-23T00_41_51";
    tree.write(
        &format!("{top}/version.yaml"),
        "apiVersion: troubleshoot.sh/v1beta2\nkind: SupportBundle\n",
    );
    tree.write(
        &format!("{top}/analysis.json"),
        "[{\"name\": \"x\", \"labels\": {}}]",
    );
    tree.write(
        &format!("{top}/cluster-resources/pods-errors.json"),
        "[\"pods is forbidden\"]",
    );
    tree.write(
        &format!("{top}/cluster-resources/pods/logs/shop/x/app-logs-errors.log"),
        "failed to get log stream\n",
    );
    tree
}

const RECORDINGS: [&str; 5] = [
    "authz-denied",
    "issuer-expired",
    "app-crash-loop",
    "destination-down",
    "init-container-fails",
];

/// That a layout gives, of each recording, what our own layout of the same data gives.
fn compare(limit: impl Fn(&Recording) -> Recording, lay_out: fn(&Recording) -> Tree) {
    let rules = load_rules(&[], true, &[]).unwrap();
    let mut telling = 0;
    for name in RECORDINGS {
        let recording = limit(&Recording::read(name));
        let expected = own(&recording).findings(&recording, &rules);
        telling += usize::from(!expected.is_empty());
        let found = lay_out(&recording).findings(&recording, &rules);
        let missing: Vec<_> = expected.difference(&found).collect();
        let more: Vec<_> = found.difference(&expected).collect();
        assert!(
            missing.is_empty() && more.is_empty(),
            "{name}: missing {missing:#?}, more {more:#?}"
        );
    }
    assert!(telling >= 3, "only {telling} recordings have any finding");
}

#[test]
fn a_must_gather_is_read() {
    compare(Recording::clone, must_gather);
}

#[test]
fn a_cluster_info_dump_is_read() {
    let limit = |all: &Recording| {
        let is_dumped = |object: &Value| DUMPED.contains(&text(object, "/kind"));
        all.limited(is_dumped, |log| !log.previous).without_times()
    };
    compare(limit, cluster_info_dump);
}

#[test]
fn a_bug_report_is_read() {
    let limit = |all: &Recording| all.limited(|_| true, |log| !log.previous);
    compare(limit, bug_report);
}

#[test]
fn a_sysdump_is_read() {
    compare(Recording::clone, sysdump);
}

#[test]
fn a_support_bundle_is_read() {
    compare(Recording::clone, support_bundle);
}
