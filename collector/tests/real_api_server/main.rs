//! The collector against a real API server, which holds the objects of a recording. Skipped, saying
//! so, where there is neither `kube-apiserver` nor Go to build it, or no etcd.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod fill;
mod in_cluster;
mod server;

use std::process::Command;

use bundle::{Bundle, LedgerRow, Limits, Outcome, SourceKind, resources};
use kube::Client;
use serde_json::{Value, json};

use server::{Cluster, User};

const RECORDING: &str = "authz-denied.tar.gz";
/// More than two pages of them.
const EVENTS: usize = 620;

/// A bundle that was collected from the server.
struct Run {
    code: i32,
    stderr: String,
    bundle: Bundle,
    _folder: tempfile::TempDir,
}

fn collect(cluster: &Cluster, user: User) -> Run {
    let folder = tempfile::tempdir().unwrap();
    let kubeconfig = folder.path().join("kubeconfig");
    std::fs::write(&kubeconfig, cluster.kubeconfig(user).to_string()).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_linkerd-collect"))
        .env_clear()
        .env("KUBECONFIG", kubeconfig)
        .current_dir(folder.path())
        .args([
            "--no-port-forward",
            "--scrape-gap",
            "0s",
            "-o",
            "out.tar.gz",
        ])
        .output()
        .unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    let bundle = Bundle::open(&folder.path().join("out.tar.gz"), Limits::default());
    Run {
        code: output.status.code().unwrap(),
        bundle: bundle.unwrap_or_else(|e| panic!("{e}: {stderr}")),
        stderr,
        _folder: folder,
    }
}

impl Run {
    fn json(&self, path: &str) -> Value {
        let bytes = self.bundle.read(path);
        serde_json::from_slice(&bytes.unwrap_or_else(|p| panic!("{path}: {p:?}"))).unwrap()
    }

    fn ledger(&self) -> Vec<LedgerRow> {
        self.bundle.manifest().unwrap().ledger
    }

    fn row(&self, object: &str) -> LedgerRow {
        let found = self.ledger().into_iter().find(|r| r.object == object);
        found.unwrap_or_else(|| panic!("no {object}: {}", self.stderr))
    }

    /// The names in a list.
    fn names(&self, path: &str) -> Vec<String> {
        let list = self.json(path);
        let items = list["items"].as_array().unwrap().iter();
        items
            .map(|i| i["metadata"]["name"].as_str().unwrap().to_owned())
            .collect()
    }
}

#[tokio::test]
async fn a_real_api_server_is_collected_from() {
    let mut cluster = match Cluster::start() {
        Ok(cluster) => cluster,
        Err(why) => {
            println!("skipped: no real API server: {why}");
            return;
        }
    };
    cluster.wait().await;
    let client = cluster.client(User::Admin).await;
    fill::define(&client).await;
    let made = fill::fill(&client, RECORDING).await;
    fill::make_events(&client, "retail", EVENTS).await;
    bind(&client).await;
    everything_is_collected(&collect(&cluster, User::Admin), &made);
    what_is_forbidden_is_refused_and_the_rest_is_there(&collect(&cluster, User::Collector));
    grant(&client).await;
    the_printed_role_allows_all_that_is_asked_for(&collect(&cluster, User::Granted));
    a_printed_job_is_taken_as_it_is(&client).await;
    match in_cluster::run(&client, &cluster).await {
        Ok(run) => in_cluster::everything_that_was_asked_for_is_there(&run),
        Err(why) => println!("skipped: the Job's process: {why}"),
    }
}

/// What a command prints, as objects.
fn printed(args: &[&str]) -> Vec<Value> {
    let program = env!("CARGO_BIN_EXE_linkerd-collect");
    let output = Command::new(program)
        .env_clear()
        .args(args)
        .output()
        .unwrap();
    assert!(output.status.success(), "{args:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let documents = text.split("---\n").skip(1);
    documents
        .map(|yaml| serde_saphyr::from_str(yaml).unwrap())
        .collect()
}

/// Where an object of a manifest goes.
fn place(object: &Value) -> String {
    let version = object["apiVersion"].as_str().unwrap();
    let root = if version.contains('/') { "apis" } else { "api" };
    let plural = object["kind"].as_str().unwrap().to_lowercase() + "s";
    match object["metadata"]["namespace"].as_str() {
        Some(namespace) => format!("/{root}/{version}/namespaces/{namespace}/{plural}"),
        None => format!("/{root}/{version}/{plural}"),
    }
}

/// Applies what `linkerd-collect rbac` prints.
async fn grant(client: &Client) {
    for object in printed(&["rbac", "--no-port-forward", "--user", "granted"]) {
        fill::create(client, &place(&object), &object).await;
    }
}

fn the_printed_role_allows_all_that_is_asked_for(run: &Run) {
    assert!(!run.stderr.contains("will be missing"), "{}", run.stderr);
    for row in run.ledger() {
        assert!(
            row.outcome != Outcome::Refused && row.status != Some(403),
            "{row:?}"
        );
    }
    assert!(!run.names("cluster-resources/pods/retail.json").is_empty());
}

/// The server has all fields of a Job checked, and what its defaults make of them.
async fn a_printed_job_is_taken_as_it_is(client: &Client) {
    let objects = printed(&[
        "job",
        "--in",
        "retail",
        "--image",
        "example.com/x:1",
        "--",
        "-n",
        "retail",
    ]);
    assert_eq!(objects.last().unwrap()["kind"], "Job");
    for object in objects
        .iter()
        .filter(|o| !o["kind"].as_str().unwrap().starts_with("Cluster"))
    {
        let namespace = object["metadata"]["namespace"].as_str().unwrap();
        if namespace == "retail" {
            let strict = "?dryRun=All&fieldValidation=Strict";
            fill::create(client, &(place(object) + strict), object).await;
            fill::create(client, &place(object), object).await;
        }
    }
}

fn everything_is_collected(run: &Run, made: &[(String, String)]) {
    let is_made = |path: &str| made.iter().any(|(made, _)| made == path);
    assert!(
        is_made("/apis/policy.linkerd.io/v1beta3/namespaces/retail/servers"),
        "{made:?}"
    );
    // The logs fail, since there is no kubelet.
    assert_eq!(run.code, 3, "{}", run.stderr);
    for (path, name) in made {
        let Some(rest) = path.split("/namespaces/").nth(1) else {
            continue;
        };
        let (namespace, plural) = rest.split_once('/').unwrap();
        let row = match fill::CUSTOM.iter().find(|c| c.1 == plural) {
            Some((group, ..)) => run.row(&format!("{plural}.{group}/{namespace}")),
            None => run.row(&format!("{plural}/{namespace}")),
        };
        assert_eq!(row.outcome, Outcome::Complete, "{row:?}");
        // The server itself may have made more of them.
        let names = run.names(row.path.unwrap().as_str());
        assert!(names.contains(name), "no {name} in {names:?}");
        assert_eq!(row.items, Some(names.len() as u64));
    }
    let mut events = run.names("cluster-resources/events/retail.json");
    events.retain(|name| name.starts_with("made."));
    events.sort();
    events.dedup();
    assert_eq!(events.len(), EVENTS, "pages neither repeat nor lose any");
    for row in run.ledger() {
        let is_log = row.source == SourceKind::PodLogs;
        if is_log && row.outcome == Outcome::Failed {
            assert!(row.reason.unwrap().contains("connection refused"));
        } else {
            let is_fine = row.outcome.is_covered() || row.outcome == Outcome::Skipped;
            assert!(is_fine || is_log, "{row:?}");
        }
    }
    let groups = run.json("cluster-resources/groups.json").to_string();
    let definitions = run.names("cluster-resources/custom-resource-definitions.json");
    for (group, plural, ..) in fill::CUSTOM {
        assert!(groups.contains(&format!("\"{group}\"")), "{group}");
        assert!(definitions.contains(&format!("{plural}.{group}")));
    }
    let version = run.bundle.manifest().unwrap().kubernetes_version.unwrap();
    assert!(version.starts_with("v1."), "{version}");
    let rules = run
        .json("cluster-resources/auth-cani-list/retail.json")
        .to_string();
    assert!(rules.contains("\"*\""), "{rules}");
}

fn what_is_forbidden_is_refused_and_the_rest_is_there(run: &Run) {
    assert_eq!(run.code, 3, "{}", run.stderr);
    let ledger = run.ledger();
    for forbidden in ["events", "servers.policy.linkerd.io"] {
        let mut rows = ledger.iter().filter(|r| {
            r.object == forbidden
                || r.object
                    .strip_prefix(forbidden)
                    .is_some_and(|r| r.starts_with('/'))
        });
        let first = rows.next().unwrap_or_else(|| panic!("no {forbidden}"));
        assert!(
            rows.chain([first]).all(|r| {
                r.outcome == Outcome::Refused
                    && r.status == Some(403)
                    && r.reason
                        .as_deref()
                        .is_some_and(|why| why.contains("forbidden"))
            }),
            "{first:?}"
        );
    }
    assert!(!run.names("cluster-resources/pods/retail.json").is_empty());
    let policies = "authorizationpolicies.policy.linkerd.io/retail";
    assert_eq!(run.row(policies).outcome, Outcome::Complete);
    let rules = run
        .json("cluster-resources/auth-cani-list/retail.json")
        .to_string();
    assert!(rules.contains("\"authorizationpolicies\"") && !rules.contains("\"servers\""));
}

/// Lets the collecting user read everything that is captured, but for events and servers.
async fn bind(client: &Client) {
    let known = resources::RESOURCES.iter().filter(|r| r.plural != "events");
    let mut rules: Vec<Value> = known
        .map(|r| json!({"apiGroups": [r.group], "resources": [r.plural], "verbs": ["get", "list"]}))
        .collect();
    let custom = fill::CUSTOM.iter().filter(|c| c.1 != "servers");
    rules.extend(
        custom.map(|c| json!({"apiGroups": [c.0], "resources": [c.1], "verbs": ["get", "list"]})),
    );
    rules.push(json!({"apiGroups": [""], "resources": ["pods/log"], "verbs": ["get"]}));
    let root = "/apis/rbac.authorization.k8s.io/v1";
    let role = json!({
        "kind": "ClusterRole", "apiVersion": "rbac.authorization.k8s.io/v1",
        "metadata": {"name": "collector"}, "rules": rules,
    });
    fill::create(client, &format!("{root}/clusterroles"), &role).await;
    let binding = json!({
        "kind": "ClusterRoleBinding", "apiVersion": "rbac.authorization.k8s.io/v1",
        "metadata": {"name": "collector"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "collector"},
        "subjects": [{"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": "collector"}],
    });
    fill::create(client, &format!("{root}/clusterrolebindings"), &binding).await;
}
