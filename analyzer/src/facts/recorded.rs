//! The recordings of a real mesh: the rows that tell each fault are there, and a healthy mesh
//! has none of them.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex};

use bundle::{Block, Bundle, EntryInfo, Interest, Limits, Problem, Scratch, Visitor};
use serde_json::Value;

use super::{Context, Demand, Facts, Piece, derive, parse, wants};

struct Collect(Mutex<Vec<Piece>>);

impl Visitor for Collect {
    fn interest(&self, entry: &EntryInfo) -> Interest {
        if wants(entry) {
            Interest::Whole
        } else {
            Interest::Skip
        }
    }

    fn block(&self, _: &Arc<EntryInfo>, _: Block<'_>) {}

    fn whole(&self, entry: &Arc<EntryInfo>, bytes: Vec<u8>) {
        let pieces = parse(entry, &bytes, &Demand::default());
        self.0.lock().unwrap().extend(pieces);
    }

    fn problem(&self, problem: Problem) {
        panic!("{problem:?}");
    }
}

fn recording(name: &str) -> Facts {
    recording_with(name, &[])
}

/// A recording as if it had been captured with these options besides.
fn recording_with(name: &str, options: &[(&str, Value)]) -> Facts {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/recordings");
    let path = folder.join(format!("{name}.tar.gz"));
    let bundle = Bundle::open(&path, Limits::default()).unwrap();
    let collect = Collect(Mutex::default());
    let mut scratch = Scratch::default();
    for task in bundle.plan(&collect) {
        bundle.run(&task, &mut scratch, &collect);
    }
    let mut manifest = bundle.manifest().unwrap();
    let options = options.iter().cloned();
    let options = options.map(|(name, value)| (name.to_owned(), value));
    manifest.options.extend(options);
    let demand = Demand::default();
    let context = Context {
        at: manifest.captured_at,
        ages_from: manifest.captured_at,
        manifest: Some(&manifest),
        demand: &demand,
        wanted: &crate::facts::Everything,
    };
    let facts = derive(collect.0.into_inner().unwrap(), context);
    super::fields::tests::hold(&facts);
    facts
}

/// Rows of a table whose fields at these pointers have these values.
fn rows<'a>(facts: &'a Facts, table: &str, wanted: &[(&str, Value)]) -> Vec<&'a Value> {
    let fields = facts.table(table).iter().map(|f| &f.fields);
    let all = |row: &&Value| {
        wanted
            .iter()
            .all(|(at, value)| row.pointer(at) == Some(value))
    };
    fields.filter(all).collect()
}

/// The names of the workloads of some rows, each once.
fn workloads(rows: &[&Value]) -> Vec<String> {
    let names = rows
        .iter()
        .filter_map(|r| r.pointer("/workload/name")?.as_str());
    let names: BTreeSet<&str> = names.collect();
    names.into_iter().map(str::to_owned).collect()
}

fn named<'a>(facts: &'a Facts, table: &str, name: &str) -> &'a Value {
    let found = rows(facts, table, &[("/name", name.into())]);
    found
        .first()
        .copied()
        .unwrap_or_else(|| panic!("`{table}` has no row named {name}"))
}

#[test]
fn a_healthy_mesh_has_no_row_of_trouble() {
    for name in ["healthy", "api-answers", "log-level-debug"] {
        let facts = recording(name);
        assert_eq!(facts.gaps, [], "{name}");
        assert_eq!(
            rows(&facts, "components", &[("/down", true.into())]).len(),
            0,
            "{name}"
        );
        assert_eq!(facts.table("components").len(), 3, "{name}");
        assert_eq!(facts.table("policy_problems"), [], "{name}");
        let empty = rows(&facts, "services", &[("/endpoints_ready", 0.into())]);
        assert!(empty.iter().all(|r| r.get("clients").is_none()), "{name}");
        assert_eq!(
            rows(&facts, "services", &[("/target_port_suspect", true.into())]).len(),
            0,
            "{name}"
        );
        let missed = [
            ("/meshed", false.into()),
            ("/injection_expected", true.into()),
        ];
        assert_eq!(rows(&facts, "pods", &missed).len(), 0, "{name}");
        assert_eq!(
            rows(&facts, "versions", &[("/relation", "same".into())]).len(),
            facts.table("versions").len()
        );
        let mesh = &facts.table("mesh")[0].fields;
        assert_eq!(mesh["version"], "edge-26.8.3");
        assert_eq!(mesh["missing"], serde_json::json!([]));
        assert_eq!(mesh["kubernetes_support"], "supported");
    }
}

#[test]
fn a_proxy_that_somebody_made_verbose_is_told() {
    let facts = recording("log-level-debug");
    let raised = rows(&facts, "proxies", &[("/level_raised", true.into())]);
    assert_eq!(workloads(&raised), ["catalog"]);
    assert_eq!(raised.len(), 1);
    // Unless the collector did it for the capture.
    let level = raised[0]["log_level"].clone();
    let facts = recording_with("log-level-debug", &[("proxy-log-level", level)]);
    let raised = rows(&facts, "proxies", &[("/level_raised", true.into())]);
    assert!(raised.is_empty(), "{raised:?}");
}

#[test]
fn containers_that_crash_tell_their_exit() {
    let facts = recording("app-crash-loop");
    let crashed = |code: i64| {
        workloads(&rows(
            &facts,
            "containers",
            &[("/last_exit_code", code.into())],
        ))
    };
    assert_eq!(crashed(1), ["invoices"]);
    assert_eq!(crashed(2), ["statements"]);
    assert_eq!(
        named(&facts, "services", "search")["target_port_suspect"],
        true
    );
    assert_eq!(
        named(&facts, "services", "search")["listen_hints"],
        serde_json::json!([8081])
    );
}

#[test]
fn policies_tell_whom_they_admit() {
    let facts = recording("authz-denied");
    let guarded = rows(
        &facts,
        "policy_ports",
        &[("/server", "catalog-http".into())],
    );
    assert_eq!(workloads(&guarded), ["catalog"]);
    assert_eq!(
        guarded[0]["allowed"],
        serde_json::json!(["frontend.retail.serviceaccount.identity.linkerd.cluster.local"])
    );
    let authenticated = [
        ("/namespace", "ledger".into()),
        ("/admits_unmeshed", false.into()),
    ];
    assert_eq!(
        workloads(&rows(&facts, "policy_ports", &authenticated)),
        ["book", "ledger-api"]
    );
    assert_eq!(
        named(&facts, "namespaces", "ledger")["default_inbound_policy"],
        "all-authenticated"
    );
    let disabled = rows(
        &facts,
        "pods",
        &[("/not_meshed_reason", "inject-disabled".into())],
    );
    assert_eq!(workloads(&disabled), ["auditor", "legacy-report"]);
}

#[test]
fn a_component_that_was_scaled_to_zero_is_down() {
    let facts = recording("destination-down");
    let down = rows(&facts, "components", &[("/down", true.into())]);
    assert_eq!(workloads(&down), ["linkerd-destination"]);
    assert_eq!(down[0]["scaled_to_zero"], true);
    let unanswered = rows(
        &facts,
        "webhooks",
        &[("/service_ready_endpoints", 0.into())],
    );
    assert_eq!(unanswered.len(), 2);
}

#[test]
fn each_failing_init_container_is_told() {
    let facts = recording("init-container-fails");
    let stuck = |name: &str| workloads(&rows(&facts, "pods", &[("/stuck_in", name.into())]));
    assert_eq!(stuck("linkerd-init"), ["fares", "seats"]);
    assert_eq!(stuck("migrate"), ["loyalty"]);
    let early = [
        ("/name", "migrate".into()),
        ("/runs_before_proxy", true.into()),
    ];
    assert_eq!(workloads(&rows(&facts, "containers", &early)), ["loyalty"]);
    let seats = rows(
        &facts,
        "containers",
        &[
            ("/name", "linkerd-init".into()),
            ("/workload/name", "seats".into()),
        ],
    );
    assert!(
        seats[0]["last_message"]
            .as_str()
            .unwrap()
            .contains("operation not permitted")
    );
    assert!(
        named(&facts, "workloads", "rooms")["create_failure"]
            .as_str()
            .unwrap()
            .contains("violates PodSecurity")
    );
    assert_eq!(
        named(&facts, "namespaces", "lodging")["pod_security"],
        "restricted"
    );
}

#[test]
fn pods_made_while_the_injector_was_down_are_told() {
    let facts = recording("injector-down-ignore");
    let reason = (
        "/not_meshed_reason",
        "injector-unavailable-at-creation".into(),
    );
    assert_eq!(
        workloads(&rows(&facts, "pods", &[reason])),
        ["catalog", "frontend", "poster"]
    );
    let injector = rows(&facts, "webhooks", &[("/is_injector", true.into())]);
    assert_eq!(
        (
            &injector[0]["failure_policy"],
            &injector[0]["service_ready_endpoints"]
        ),
        (&"Ignore".into(), &0.into())
    );
}

#[test]
fn a_job_kept_alive_and_a_skipped_port_are_told() {
    let facts = recording("job-sidecar-hostnetwork-skip");
    let kept = rows(
        &facts,
        "workloads",
        &[("/kept_alive_by_proxy", true.into())],
    );
    assert_eq!(kept.len(), 1);
    assert_eq!(
        (&kept[0]["name"], &kept[0]["native_sidecar"]),
        (&"nightly-import".into(), &false.into())
    );
    assert_eq!(
        named(&facts, "workloads", "hourly-import")["complete"],
        true
    );
    let host = rows(
        &facts,
        "pods",
        &[
            ("/not_meshed_reason", "host-network".into()),
            ("/injection_expected", true.into()),
        ],
    );
    assert_eq!(workloads(&host), ["collector"]);
    let skipping = rows(&facts, "pods", &[("/skip_outbound_ports", "8080".into())]);
    assert_eq!(workloads(&skipping), ["loader"]);
}

#[test]
fn services_without_endpoints_know_why_and_for_whom() {
    let facts = recording("no-endpoints-failfast");
    let empty = rows(&facts, "services", &[("/endpoints_ready", 0.into())]);
    assert_eq!(empty.len(), 2);
    let catalog = named(&facts, "services", "catalog");
    assert_eq!(catalog["scaled_to_zero"], true);
    assert_eq!(
        catalog["clients"],
        serde_json::json!(["Deployment market/frontend"])
    );
    let pricing = named(&facts, "services", "pricing");
    assert_eq!(
        (&pricing["scaled_to_zero"], &pricing["endpoints_not_ready"]),
        (&false.into(), &1.into())
    );
}

#[test]
fn a_node_that_does_not_answer_is_told_with_its_pods() {
    let facts = recording("node-not-ready");
    let node = &facts.table("nodes")[0].fields;
    assert_eq!(
        (&node["ready"], &node["reason"]),
        (&false.into(), &"NodeStatusUnknown".into())
    );
    let deleting = rows(
        &facts,
        "pods",
        &[("/deleting", true.into()), ("/node_ready", false.into())],
    );
    assert_eq!(workloads(&deleting), ["wishlist"]);
}

#[test]
fn ports_are_opaque_only_if_somebody_says_so() {
    let facts = recording("protocol-detection-timeout");
    for (workload, port) in [("smtp", 2525), ("db", 3307)] {
        let found = rows(&facts, "policy_ports", &[("/port", port.into())]);
        assert!(!found.is_empty(), "{workload}");
        assert!(found.iter().all(|r| r["opaque"] == false), "{workload}");
    }
}

#[test]
fn tables_do_not_depend_on_the_order_of_the_pieces() {
    let list = |kind: &str, names: &[&str]| {
        let items: Vec<_> = names
            .iter()
            .map(|n| serde_json::json!({"metadata": {"name": n, "namespace": "shop"}}))
            .collect();
        super::testing::list(kind, &items)
    };
    let files = [
        (
            "cluster-resources/pods/shop.json",
            list("Pod", &["b-0", "a-0"]),
        ),
        (
            "cluster-resources/services/shop.json",
            list("Service", &["b", "a"]),
        ),
        ("copy.json", list("Pod", &["a-0", "c-0"])),
    ];
    let mut reversed = files.clone();
    reversed.reverse();
    let facts = super::testing::facts(&files, None);
    assert_eq!(facts.table("pods").len(), 3);
    assert_eq!(facts, super::testing::facts(&reversed, None));
}
