//! The role that is printed allows what the collector asks for, the preflight says what is
//! missing, and a Job's pod hands its bundle over.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use std::process::{Command, Stdio};

use axum::http::Method;
use bundle::{Bundle, Limits, Outcome};
use serde_json::{Value, json};
use support::{Asked, Reply, Server, collect, command, rules, status};

/// What a command prints, as YAML documents.
fn printed(args: &[&str]) -> Vec<Value> {
    let output = Command::new(env!("CARGO_BIN_EXE_linkerd-collect"))
        .env_clear()
        .args(args)
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{args:?}: {stderr}");
    let text = String::from_utf8(output.stdout).unwrap();
    let documents = text.split("---\n").skip(1);
    documents
        .map(|yaml| serde_saphyr::from_str(yaml).unwrap_or_else(|e| panic!("{e}: {yaml}")))
        .collect()
}

/// What an API server would ask its authorizer about a request.
#[derive(Debug, Default)]
struct Request {
    verb: String,
    path: String,
    group: String,
    resource: String,
    name: String,
    namespace: String,
}

impl Request {
    fn of(asked: &Asked) -> Self {
        let parts: Vec<&str> = asked.path.split('/').skip(1).collect();
        let (group, rest) = match parts.as_slice() {
            ["api", _, rest @ ..] if !rest.is_empty() => ("", rest),
            ["apis", group, _, rest @ ..] if !rest.is_empty() => (*group, rest),
            _ => {
                return Self {
                    verb: "get".to_owned(),
                    path: asked.path.clone(),
                    ..Self::default()
                };
            }
        };
        let (namespace, rest) = match rest {
            ["namespaces", namespace, rest @ ..] if !rest.is_empty() => (*namespace, rest),
            _ => ("", rest),
        };
        let (resource, name) = match rest {
            [resource] => ((*resource).to_owned(), ""),
            [resource, name] => ((*resource).to_owned(), *name),
            [resource, name, sub, ..] => (format!("{resource}/{sub}"), *name),
            [] => unreachable!(),
        };
        // A list that is limited to one name is authorized as that name.
        let field = asked.query("fieldSelector").strip_prefix("metadata.name=");
        let verb = match (&asked.method, name) {
            (&Method::POST, _) => "create",
            (_, "") if asked.query("watch") == "true" => "watch",
            (_, "") => "list",
            _ => "get",
        };
        Self {
            verb: verb.to_owned(),
            group: group.to_owned(),
            resource,
            name: field.unwrap_or(name).to_owned(),
            namespace: namespace.to_owned(),
            ..Self::default()
        }
    }

    fn is_allowed_by(&self, rule: &Value) -> bool {
        let texts = |field: &str| -> Vec<String> {
            let values = rule[field].as_array().cloned().unwrap_or_default();
            values
                .iter()
                .map(|v| v.as_str().unwrap().to_owned())
                .collect()
        };
        let holds =
            |field: &str, wanted: &str| texts(field).iter().any(|t| t == "*" || t == wanted);
        if !holds("verbs", &self.verb) {
            return false;
        }
        if !self.path.is_empty() {
            return texts("nonResourceURLs")
                .iter()
                .any(|url| match url.strip_suffix('*') {
                    Some(start) => self.path.starts_with(start),
                    None => *url == self.path,
                });
        }
        let names = texts("resourceNames");
        holds("apiGroups", &self.group)
            && holds("resources", &self.resource)
            && (names.is_empty() || names.contains(&self.name))
    }

    fn is_allowed(&self, roles: &[Value]) -> bool {
        let counts = |role: &&Value| match role["kind"].as_str() {
            Some("ClusterRole") => true,
            Some("Role") => role["metadata"]["namespace"] == self.namespace.as_str(),
            _ => false,
        };
        let mut rules = roles
            .iter()
            .filter(counts)
            .flat_map(|role| role["rules"].as_array().unwrap());
        rules.any(|rule| self.is_allowed_by(rule))
    }
}

/// A server with custom resources, a webhook, and pods that are asked in both ways.
fn server() -> Server {
    Server::start(|asked| match asked.path.as_str() {
        "/apis" => {
            let groups = ["policy.linkerd.io", "gateway.networking.k8s.io"].map(
                |name| json!({"name": name, "versions": [{"groupVersion": format!("{name}/v1")}]}),
            );
            Some(Reply::Json(
                200,
                json!({"kind": "APIGroupList", "groups": groups}),
            ))
        }
        "/apis/policy.linkerd.io/v1" => Some(resources("servers", "Server", true)),
        "/apis/gateway.networking.k8s.io/v1" => {
            Some(resources("gatewayclasses", "GatewayClass", false))
        }
        path if path.ends_with("/portforward") => Some(Reply::Json(500, status(500, "no tunnel"))),
        _ if asked.query("watch") == "true" => {
            let event = json!({"type": "Warning", "reason": "BackOff"});
            let line = json!({"type": "ADDED", "object": event});
            Some(Reply::Stall(line.to_string() + "\n"))
        }
        _ => None,
    })
}

fn resources(plural: &str, kind: &str, namespaced: bool) -> Reply {
    let resource =
        json!({"name": plural, "kind": kind, "namespaced": namespaced, "verbs": ["list"]});
    Reply::Json(
        200,
        json!({"kind": "APIResourceList",
        "groupVersion": if namespaced { "policy.linkerd.io/v1" } else { "gateway.networking.k8s.io/v1" },
        "resources": [resource]}),
    )
}

#[test]
fn every_request_of_a_capture_is_allowed_by_the_role_that_is_printed_for_it() {
    for flags in [
        &[][..],
        &["--no-port-forward"],
        &["-n", "shop"],
        &["-n", "shop", "--no-port-forward"],
        &["--watch"],
    ] {
        let roles = printed(&[&["rbac"][..], flags].concat());
        let server = server();
        collect(&server, flags);
        let asked = server.asked();
        assert!(asked.iter().any(|a| a.path.ends_with("/gatewayclasses")));
        assert!(asked.iter().any(|a| a.path.ends_with("/log")));
        let forwards = asked.iter().any(|a| a.path.contains("/proxy/"));
        assert_ne!(forwards, flags.contains(&"--no-port-forward"), "{flags:?}");
        for asked in &asked {
            let request = Request::of(asked);
            assert!(request.is_allowed(&roles), "{flags:?}: {request:?}");
        }
    }
}

#[test]
fn a_role_allows_nothing_that_its_plan_does_not_ask_for() {
    let roles = printed(&["rbac", "--no-port-forward"]);
    let text = Value::from(roles.clone()).to_string();
    for word in [
        "secrets",
        "exec",
        "portforward",
        "pods/proxy",
        "watch",
        "update",
        "patch",
    ] {
        assert!(!text.contains(word), "{word}");
    }
    assert!(
        printed(&["rbac"])
            .iter()
            .any(|d| d.to_string().contains("pods/proxy"))
    );
    let request = |namespace: &str, resource: &str, name: &str| Request {
        verb: "list".to_owned(),
        resource: resource.to_owned(),
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        ..Request::default()
    };
    assert!(request("", "configmaps", "linkerd-config").is_allowed(&roles));
    assert!(!request("", "configmaps", "").is_allowed(&roles));
    let roles = printed(&["rbac", "-n", "shop", "-L", "l5d"]);
    assert!(request("shop", "pods", "").is_allowed(&roles));
    assert!(request("l5d", "pods", "").is_allowed(&roles));
    assert!(!request("other", "pods", "").is_allowed(&roles));
    assert!(!request("", "pods", "").is_allowed(&roles));
}

#[test]
fn the_role_is_bound_to_whom_it_was_asked_for() {
    let subject = |args: &[&str]| {
        let documents = printed(&[&["rbac"][..], args].concat());
        let binding = documents.iter().find(|d| d["kind"] == "ClusterRoleBinding");
        let accounts = documents.iter().filter(|d| d["kind"] == "ServiceAccount");
        (binding.unwrap()["subjects"][0].clone(), accounts.count())
    };
    let (own, accounts) = subject(&[]);
    assert_eq!(
        own,
        json!({"kind": "ServiceAccount", "namespace": "linkerd", "name": "linkerd-collect"})
    );
    assert_eq!(accounts, 1);
    let (user, accounts) = subject(&["--user", "jane"]);
    assert_eq!(
        (&user["kind"], &user["name"], accounts),
        (&json!("User"), &json!("jane"), 0)
    );
    assert_eq!(
        subject(&["--service-account", "ops/x"]).0["namespace"],
        "ops"
    );
}

#[test]
fn what_will_be_missing_is_told_before_anything_is_collected_and_the_rest_is_there() {
    let server = Server::start(|asked| {
        let all_but_logs =
            json!({"verbs": ["list", "create"], "apiGroups": ["*"], "resources": ["*"]});
        match asked.path.rsplit('/').next() {
            Some("selfsubjectrulesreviews") => Some(Reply::Json(201, rules(&[all_but_logs]))),
            Some("selfsubjectaccessreviews") => {
                Some(Reply::Json(201, json!({"status": {"allowed": false}})))
            }
            _ => None,
        }
    });
    let run = collect(&server, &["--no-port-forward"]);
    assert_eq!(run.code(), 0, "{}", run.stderr());
    let stderr = run.stderr();
    for line in [
        "will be missing: pod-logs (may not get pods/log)",
        "will be missing: cluster-resources (may not list nodes, list namespaces",
        "`linkerd-collect rbac` prints the role that allows it",
    ] {
        assert!(stderr.contains(line), "{line}: {stderr}");
    }
    assert!(!stderr.contains("portforward"), "{stderr}");
    assert_eq!(run.outcome("shop").0, Outcome::Complete);
    let asked = server.asked();
    let reviews = asked
        .iter()
        .filter(|a| a.path.ends_with("/selfsubjectrulesreviews"));
    assert_eq!(reviews.count(), 1);
}

#[test]
fn of_an_authorizer_that_cannot_list_its_rules_nothing_is_claimed_but_that() {
    let server = Server::start(|asked| {
        let unknown = json!({"status": {"resourceRules": [], "incomplete": true,
            "evaluationError": "webhook authorizer does not support user rule resolution"}});
        let is_review = asked.path.ends_with("/selfsubjectrulesreviews");
        is_review.then_some(Reply::Json(201, unknown))
    });
    let run = collect(&server, &["--no-port-forward"]);
    let told = run.stderr();
    assert!(!told.contains("will be missing"), "{told}");
    assert!(
        told.contains("cannot tell what may be read, since"),
        "{told}"
    );
}

#[test]
fn what_authorizers_and_extension_servers_say_is_redacted_like_everything_else() {
    let token = format!("gh{}_{}", "p", "a1B2".repeat(9));
    let server = Server::start({
        let token = token.clone();
        move |asked| match asked.path.as_str() {
            path if path.ends_with("/selfsubjectrulesreviews") => {
                let rule = json!({"verbs": ["get"], "apiGroups": [""], "resources": ["pods"],
                    "resourceNames": [token.as_str()]});
                Some(Reply::Json(201, rules(&[rule])))
            }
            "/apis" => {
                let group =
                    json!({"name": "x.example", "versions": [{"groupVersion": "x.example/v1"}]});
                Some(Reply::Json(
                    200,
                    json!({"kind": "APIGroupList", "groups": [group]}),
                ))
            }
            "/apis/x.example/v1" => {
                let resource = json!({"name": "xs", "kind": "X", "verbs": ["get"], "shortNames": [token.as_str()]});
                let list = json!({"groupVersion": "x.example/v1", "resources": [resource]});
                Some(Reply::Json(200, list))
            }
            _ => None,
        }
    });
    let run = collect(&server, &["--no-port-forward"]);
    assert!([0, 3].contains(&run.code()), "{}", run.stderr());
    for path in [
        "cluster-resources/auth-cani-list/shop.json",
        "cluster-resources/resources.json",
    ] {
        let text = run.entry(path);
        assert!(
            text.contains("[REDACTED:") && !text.contains(&token),
            "{text}"
        );
    }
}

#[test]
fn a_jobs_manifest_holds_the_account_the_role_and_a_pod_that_may_do_nothing_else() {
    let documents = printed(&[
        "job",
        "--in",
        "ops",
        "--image",
        "x/y:1",
        "--",
        "-n",
        "shop",
        "--no-port-forward",
    ]);
    let kinds: Vec<&str> = documents
        .iter()
        .map(|d| d["kind"].as_str().unwrap())
        .collect();
    assert_eq!(kinds.first(), Some(&"ServiceAccount"));
    assert_eq!(kinds.last(), Some(&"Job"));
    assert!(kinds.contains(&"ClusterRole") && kinds.contains(&"Role"));
    assert!(
        !Value::from(documents.clone())
            .to_string()
            .contains("portforward")
    );
    let spec = &documents.last().unwrap()["spec"]["template"]["spec"];
    let container = &spec["containers"][0];
    assert_eq!(container["image"], "x/y:1");
    assert_eq!(
        container["args"],
        json!([
            "in-cluster",
            "--keep",
            "3600s",
            "--",
            "-n",
            "shop",
            "--no-port-forward"
        ])
    );
    assert_eq!(container["securityContext"]["readOnlyRootFilesystem"], true);
    assert_eq!(spec["serviceAccountName"], "linkerd-collect");
    assert_eq!(container["volumeMounts"][0]["mountPath"], "/bundle");
    for flags in [&["--context", "x"][..], &["--anonymize"], &["--nonsense"]] {
        let output = Command::new(env!("CARGO_BIN_EXE_linkerd-collect"))
            .args(["job", "--"])
            .args(flags)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2), "{flags:?}");
    }
}

#[test]
fn a_pod_keeps_its_bundle_until_it_is_handed_over() {
    // One namespace is refused, so that the capture is incomplete: that is no failure of a Job.
    let server = Server::start(|asked| {
        asked
            .path
            .ends_with("/events")
            .then(|| support::forbidden("events"))
    });
    let folder = tempfile::tempdir().unwrap();
    let bundle = folder.path().join("linkerd-bundle.tar.gz");
    let mut collector = command(&server.address, folder.path(), &["-o", "unused"]);
    let mut collector = {
        // The support's flags are of the plain call.
        let environment: Vec<_> = collector
            .get_envs()
            .filter_map(|(k, v)| Some((k.to_owned(), v?.to_owned())))
            .collect();
        collector = Command::new(env!("CARGO_BIN_EXE_linkerd-collect"));
        collector.env_clear().envs(environment)
    }
    .args(["in-cluster", "--keep", "10m", "--bundle"])
    .arg(&bundle)
    .args(["--", "--no-port-forward", "--scrape-gap", "0s"])
    .stderr(Stdio::null())
    .spawn()
    .unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_linkerd-collect"))
        .args(["hand-over", "--bundle"])
        .arg(&bundle)
        .output()
        .unwrap();
    assert!(output.status.success());
    assert_eq!(output.stdout, std::fs::read(&bundle).unwrap());
    assert!(collector.wait().unwrap().success());
    let fetched = folder.path().join("fetched.tar.gz");
    std::fs::write(&fetched, output.stdout).unwrap();
    let manifest = Bundle::open(&fetched, Limits::default())
        .unwrap()
        .manifest();
    assert!(
        manifest
            .unwrap()
            .ledger
            .iter()
            .any(|r| r.outcome == Outcome::Refused)
    );
}
