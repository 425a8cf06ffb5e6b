//! The process of the Job that `linkerd-collect job` prints, with the account, the rights and the
//! arguments that are in it, and with the files and variables that a kubelet gives it. Only the pod
//! around it is missing: the files lie where they belong in a mount namespace of their own.

use std::process::Command;

use bundle::{Bundle, Limits, Outcome};
use kube::Client;
use serde_json::{Value, json};

use crate::server::Cluster;
use crate::{Run, fill, place, printed};

const NAMESPACE: &str = "diagnosis";

/// What a kubelet mounts, and then the container's command.
const POD: &str = r#"set -e
mount -t tmpfs none /run
account=/var/run/secrets/kubernetes.io/serviceaccount
mkdir -p "$account"
cp "$1"/token "$1"/ca.crt "$1"/namespace "$account"
shift
exec "$@""#;

/// Runs the Job's process against the server; an error says why it cannot be.
pub(crate) async fn run(client: &Client, cluster: &Cluster) -> Result<Run, String> {
    let can_mount = Command::new("unshare")
        .args(["-rm", "mount", "-t", "tmpfs", "none", "/run"])
        .output();
    if !can_mount.is_ok_and(|output| output.status.success()) {
        return Err("`unshare` may not mount".to_owned());
    }
    let job = apply(client).await;
    let pod = &job["spec"]["template"]["spec"];
    let account = pod["serviceAccountName"].as_str().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("token", &token(client, account).await);
    write("ca.crt", &cluster.certificate);
    write("namespace", NAMESPACE);
    let file = folder.path().join("out.tar.gz");
    let mut args = pod["containers"][0]["args"].as_array().unwrap().clone();
    assert_eq!(args[0], "in-cluster");
    args.splice(1..1, [json!("--bundle"), json!(file)]);
    let output = Command::new("unshare")
        .args(["-rm", "sh", "-c", POD, "sh"])
        .arg(folder.path())
        .arg(env!("CARGO_BIN_EXE_linkerd-collect"))
        .args(args.iter().map(|arg| arg.as_str().unwrap()))
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("KUBERNETES_SERVICE_HOST", "127.0.0.1")
        .env("KUBERNETES_SERVICE_PORT", cluster.port.to_string())
        .output()
        .unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    let bundle = Bundle::open(&file, Limits::default());
    Ok(Run {
        code: output.status.code().unwrap(),
        bundle: bundle.unwrap_or_else(|e| panic!("{e}: {stderr}")),
        stderr,
        _folder: folder,
    })
}

/// Applies what is printed, each in its namespace, and gives the Job.
async fn apply(client: &Client) -> Value {
    let flags = ["-n", "retail", "--no-port-forward", "--scrape-gap", "0s"];
    let command = ["job", "--in", NAMESPACE, "--image", "example.com/x:1"];
    let objects = printed(&[&command[..], &["--keep", "1s", "--"], &flags].concat());
    for object in &objects {
        if let Some(namespace) = object["metadata"]["namespace"].as_str() {
            let namespace =
                json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}});
            fill::create(client, "/api/v1/namespaces", &namespace).await;
        }
        // The binding of the same name is another user's.
        let name = object["metadata"]["name"].as_str().unwrap();
        let own = format!("{}/{name}", place(object));
        let request = http::Request::delete(own).body(Vec::new()).unwrap();
        drop(client.request::<Value>(request).await);
        assert!(fill::create(client, &place(object), object).await, "{name}");
    }
    let job = objects.last().unwrap().clone();
    wait_for_rights(client, &job).await;
    job
}

/// The server knows of a binding a moment after it was made.
async fn wait_for_rights(client: &Client, job: &Value) {
    let account = &job["spec"]["template"]["spec"]["serviceAccountName"];
    let user = format!(
        "system:serviceaccount:{NAMESPACE}:{}",
        account.as_str().unwrap()
    );
    let pods = json!({"verb": "list", "resource": "pods", "namespace": "retail"});
    let review = json!({
        "apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview",
        "spec": {"user": user, "resourceAttributes": pods},
    });
    for _ in 0..120 {
        let request = http::Request::post("/apis/authorization.k8s.io/v1/subjectaccessreviews")
            .header("content-type", "application/json")
            .body(review.to_string().into_bytes());
        let answer: Value = client.request(request.unwrap()).await.unwrap();
        if answer["status"]["allowed"] == true {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(250)).await;
    }
    panic!("{user} got no rights");
}

/// A token of the account, as a kubelet asks for one.
async fn token(client: &Client, account: &str) -> String {
    let path = format!("/api/v1/namespaces/{NAMESPACE}/serviceaccounts/{account}/token");
    let body = json!({
        "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
        "spec": {"expirationSeconds": 3607},
    });
    let request = http::Request::post(path).header("content-type", "application/json");
    let request = request.body(body.to_string().into_bytes()).unwrap();
    let made: Value = client.request(request).await.unwrap();
    made["status"]["token"].as_str().unwrap().to_owned()
}

/// Nothing was refused that the role is for.
pub(crate) fn everything_that_was_asked_for_is_there(run: &Run) {
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert!(run.stderr.contains("nobody fetched"), "{}", run.stderr);
    assert!(!run.stderr.contains("will be missing"), "{}", run.stderr);
    for row in run.ledger() {
        assert!(row.outcome != Outcome::Refused, "{row:?}");
    }
    assert!(!run.names("cluster-resources/pods/retail.json").is_empty());
    let servers = "servers.policy.linkerd.io/retail";
    assert_eq!(run.row(servers).outcome, Outcome::Complete);
}
