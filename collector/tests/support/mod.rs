//! A scripted API server, and the collector run against it.

#![allow(dead_code, reason = "every test file uses its own part of this")]

pub(crate) mod forward;
pub(crate) mod sick;
pub(crate) mod wire;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{Method, Request, StatusCode};
use axum::response::{IntoResponse, Response};
use bech32::{Bech32, Hrp};
use bundle::{Bundle, Identity, LedgerRow, Limits, Manifest, Outcome};
use serde_json::{Value, json};

/// What the server was asked for.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) query: BTreeMap<String, String>,
    /// The `Authorization` header.
    pub(crate) authorization: String,
}

impl Asked {
    pub(crate) fn query(&self, name: &str) -> &str {
        self.query.get(name).map_or("", String::as_str)
    }
}

/// What it answers.
pub(crate) enum Reply {
    Json(u16, Value),
    Text(String),
    /// 429 with `Retry-After`.
    Later(u64),
    /// These bytes, and then nothing for ever.
    Stall(String),
    /// Anything else.
    Other(Response),
    /// Not even a status.
    Silence,
    /// A port-forward to a pod's admin port, 4191.
    Forward,
    /// The same, answered by this port.
    ForwardTo(forward::Port),
}

type Script = dyn Fn(&Asked) -> Option<Reply> + Send + Sync;

/// A server with a small mesh; a script may answer before it does.
pub(crate) struct Server {
    pub(crate) address: String,
    asked: Arc<Mutex<Vec<Asked>>>,
    _runtime: tokio::runtime::Runtime,
}

impl Server {
    pub(crate) fn start(script: impl Fn(&Asked) -> Option<Reply> + Send + Sync + 'static) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (log, script): (_, Arc<Script>) = (Arc::clone(&asked), Arc::new(script));
        let app = Router::new().fallback(move |request: Request<Body>| {
            let (log, script) = (Arc::clone(&log), Arc::clone(&script));
            async move {
                let asked = read(&request);
                log.lock().unwrap().push(asked.clone());
                match script(&asked).unwrap_or_else(|| usual(&asked)) {
                    Reply::Forward => {
                        let parts = request.into_parts().0;
                        forward::respond(parts, 4191, forward::proxy()).await
                    }
                    Reply::ForwardTo(port) => {
                        forward::respond(request.into_parts().0, 4191, port).await
                    }
                    reply => respond(reply).await,
                }
            }
        });
        let listener = runtime
            .block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))
            .unwrap();
        let address = listener.local_addr().unwrap().to_string();
        runtime.spawn(async move { axum::serve(listener, app).await });
        Self {
            address,
            asked,
            _runtime: runtime,
        }
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

fn read(request: &Request<Body>) -> Asked {
    let uri = request.uri();
    let authorization = request.headers().get("authorization");
    let authorization = authorization.and_then(|value| value.to_str().ok());
    let query = uri.query().unwrap_or_default();
    let pairs = query.split('&').filter_map(|p| p.split_once('='));
    Asked {
        method: request.method().clone(),
        path: uri.path().to_owned(),
        query: pairs
            .map(|(k, v)| (k.to_owned(), v.replace("%3d", "=")))
            .collect(),
        authorization: authorization.unwrap_or_default().to_owned(),
    }
}

async fn respond(reply: Reply) -> Response {
    let json = |code: u16, value: Value| {
        let content = [("content-type", "application/json")];
        (
            StatusCode::from_u16(code).unwrap(),
            content,
            value.to_string(),
        )
            .into_response()
    };
    match reply {
        Reply::Json(code, value) => json(code, value),
        Reply::Text(text) => text.into_response(),
        Reply::Later(seconds) => {
            let mut response = json(429, status(429, "too many requests"));
            response.headers_mut().insert("retry-after", seconds.into());
            response
        }
        Reply::Stall(text) => {
            let first = futures::stream::iter([Ok::<_, std::io::Error>(Bytes::from(text))]);
            let stalled = futures::StreamExt::chain(first, futures::stream::pending());
            Body::from_stream(stalled).into_response()
        }
        Reply::Other(response) => response,
        Reply::Silence | Reply::Forward | Reply::ForwardTo(_) => std::future::pending().await,
    }
}

/// A key file as `age-keygen` writes it, of a key that is drawn now; gives the public key.
pub(crate) fn key_file(file: &Path) -> String {
    let mut random = fastrand::Rng::new();
    let secret: Vec<u8> = (0..32).map(|_| random.u8(..)).collect();
    let text = bech32::encode_upper::<Bech32>(Hrp::parse("age-secret-key-").unwrap(), &secret);
    std::fs::write(file, format!("# created: now\n{}\n", text.unwrap())).unwrap();
    let identity = Identity::read(file).unwrap();
    identity.first().unwrap().recipient().to_string()
}

/// A `Status` object.
pub(crate) fn status(code: u16, message: &str) -> Value {
    json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message, "code": code})
}

/// A refusal as an API server words it.
pub(crate) fn forbidden(what: &str) -> Reply {
    let message = format!("{what} is forbidden: User \"u\" cannot list resource");
    Reply::Json(403, status(403, &message))
}

pub(crate) fn not_found(what: &str) -> Reply {
    Reply::Json(404, status(404, &format!("{what} not found")))
}

/// A list of objects.
pub(crate) fn list(items: &[Value]) -> Value {
    json!({"kind": "List", "apiVersion": "v1", "metadata": {"resourceVersion": "1"}, "items": items})
}

/// A meshed pod that runs.
pub(crate) fn pod(namespace: &str, name: &str) -> Value {
    json!({
        "metadata": {"namespace": namespace, "name": name},
        "spec": {"nodeName": "a", "serviceAccountName": "s", "containers": [
            {"name": "app"},
            {"name": "linkerd-proxy", "ports": [{"name": "linkerd-admin", "containerPort": 4191}]},
        ]},
        "status": {
            "phase": "Running",
            "conditions": [{"type": "Ready", "status": "True"}],
            "containerStatuses": [
                {"name": "app", "state": {"running": {}}, "restartCount": 0},
                {"name": "linkerd-proxy", "state": {"running": {}}, "restartCount": 0},
            ],
        },
    })
}

/// The answer to a `SelfSubjectRulesReview`.
pub(crate) fn rules(rules: &[Value]) -> Value {
    json!({"status": {"resourceRules": rules, "nonResourceRules": [], "incomplete": false}})
}

/// A cluster with one namespace, `shop`, and one pod in it, `cart`.
fn usual(asked: &Asked) -> Reply {
    let path = asked.path.as_str();
    match path {
        "/version" => Reply::Json(200, json!({"gitVersion": "v1.33.0"})),
        "/apis" => Reply::Json(200, json!({"kind": "APIGroupList", "groups": []})),
        "/api/v1" => Reply::Json(
            200,
            json!({"kind": "APIResourceList", "groupVersion": "v1", "resources": []}),
        ),
        "/api/v1/namespaces" => Reply::Json(200, list(&[json!({"metadata": {"name": "shop"}})])),
        "/api/v1/pods" | "/api/v1/namespaces/shop/pods" => {
            Reply::Json(200, list(&[pod("shop", "cart")]))
        }
        _ if path.ends_with("/log") => Reply::Text("2026-11-23T00:00:00Z hello\n".to_owned()),
        _ if path.ends_with("/selfsubjectrulesreviews") => {
            let all = json!({"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]});
            Reply::Json(201, rules(&[all]))
        }
        _ if path.ends_with("/selfsubjectaccessreviews") => {
            Reply::Json(201, json!({"status": {"allowed": true}}))
        }
        _ if path.ends_with("/portforward") || path.contains("/proxy/") => not_found("port"),
        _ => Reply::Json(200, list(&[])),
    }
}

/// One run of the collector.
pub(crate) struct Run {
    pub(crate) output: Output,
    pub(crate) folder: tempfile::TempDir,
}

/// Runs the collector against a server. Nothing waits for a second scrape.
pub(crate) fn collect(server: &Server, args: &[&str]) -> Run {
    collect_at(&server.address, args)
}

/// The same for the server at an address.
pub(crate) fn collect_at(address: &str, args: &[&str]) -> Run {
    let folder = tempfile::tempdir().unwrap();
    let output = command(address, folder.path(), args).output().unwrap();
    Run { output, folder }
}

/// The command, not yet run.
pub(crate) fn command(address: &str, folder: &Path, args: &[&str]) -> std::process::Command {
    let kubeconfig = kubeconfig(folder, address);
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_linkerd-collect"));
    command
        .current_dir(folder)
        .env_clear()
        .env("KUBECONFIG", kubeconfig)
        .args(["--scrape-gap", "0s"])
        .args(args);
    if !args.contains(&"-o") && !args.contains(&"--resume") {
        command.args(["-o", "out.tar.gz"]);
    }
    command
}

fn kubeconfig(folder: &Path, address: &str) -> PathBuf {
    let path = folder.join("kubeconfig");
    let text = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "test",
        "clusters": [{"name": "test", "cluster": {"server": format!("http://{address}")}}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "u"}}],
        "users": [{"name": "u", "user": {}}],
    });
    std::fs::write(&path, text.to_string()).unwrap();
    path
}

impl Run {
    pub(crate) fn code(&self) -> i32 {
        self.output.status.code().unwrap()
    }

    pub(crate) fn stderr(&self) -> String {
        String::from_utf8(self.output.stderr.clone()).unwrap()
    }

    pub(crate) fn bundle(&self) -> Bundle {
        Bundle::open(&self.folder.path().join("out.tar.gz"), Limits::default())
            .unwrap_or_else(|e| panic!("{e}: {}", self.stderr()))
    }

    pub(crate) fn manifest(&self) -> Manifest {
        self.bundle().manifest().unwrap()
    }

    pub(crate) fn entry(&self, path: &str) -> String {
        let bytes = self.bundle().read(path);
        String::from_utf8(bytes.unwrap_or_else(|p| panic!("{path}: {p:?}"))).unwrap()
    }

    pub(crate) fn row(&self, object: &str) -> LedgerRow {
        let rows = self.manifest().ledger;
        let found = rows.iter().find(|r| r.object == object);
        let names: Vec<&String> = rows.iter().map(|r| &r.object).collect();
        found
            .unwrap_or_else(|| panic!("no {object} in {names:?}"))
            .clone()
    }

    pub(crate) fn outcome(&self, object: &str) -> (Outcome, String) {
        let row = self.row(object);
        (row.outcome, row.reason.unwrap_or_default())
    }

    /// Every byte of every entry.
    pub(crate) fn everything(&self) -> String {
        let bundle = self.bundle();
        let all = bundle
            .entries()
            .iter()
            .map(|e| String::from_utf8_lossy(&bundle.read(e.path.as_str()).unwrap()).into_owned());
        all.collect()
    }
}

/// Waits until `done`, for as long as a slow machine may need.
pub(crate) fn wait_until(mut done: impl FnMut() -> bool) {
    for _ in 0..600 {
        if done() {
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("it did not come to that");
}
