//! A Kubernetes Job that collects inside the cluster, for clusters that cannot be reached
//! otherwise.
//!
//! How the file comes out: the image holds this program alone, so there is no `tar` for
//! `kubectl cp` and no shell. Printing the bundle to the container's log would lose all of it but
//! the last 10 MB, which is where a kubelet rotates. So the pod keeps the file after the capture,
//! and `kubectl exec` runs this very program once more, which writes the file to stdout. That asks
//! for the same permission as `kubectl cp`, of the person who fetches it, not of the Job.

use std::io::Write;
use std::time::Duration;

use serde_json::{Value, json};

use super::role::{self, NAME, Subject};
use crate::in_cluster::BUNDLE;
use crate::plan::Plan;

/// Prints the Job that collects as planned, with its account, role and binding.
///
/// # Errors
/// When stdout is gone.
pub fn print(job: &Job, plan: &Plan, out: &mut dyn Write) -> anyhow::Result<()> {
    let (namespace, keep) = (&job.namespace, job.keep.as_secs());
    write!(
        out,
        "# Collects inside the cluster. Fetch the bundle within {keep} s after it is finished:\n\
         #   kubectl apply -f FILE\n\
         #   kubectl -n {namespace} wait --for=condition=Ready pod -l job-name={NAME} --timeout=2m\n\
         #   kubectl -n {namespace} exec job/{NAME} -- /{NAME} hand-over > linkerd-bundle.tar.gz\n\
         #   kubectl delete -f FILE\n\
         # `hand-over` waits until the bundle is finished; `kubectl -n {namespace} logs -f job/{NAME}`\n\
         # shows how far it is.\n"
    )?;
    let account = Subject::ServiceAccount {
        namespace: namespace.clone(),
        name: NAME.to_owned(),
    };
    let mut objects = role::objects(plan, &account);
    objects.push(job.object());
    role::documents(&objects, out)
}

/// What the Job is to be like.
#[derive(Debug, Clone)]
pub struct Job {
    /// Where it runs.
    pub namespace: String,
    /// The image, which holds this program as `/linkerd-collect`.
    pub image: String,
    /// How long the bundle waits to be fetched.
    pub keep: Duration,
    /// Flags of the capture.
    pub flags: Vec<String>,
}

impl Job {
    fn object(&self) -> Value {
        let metadata = json!({"name": NAME, "namespace": self.namespace});
        json!({
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": metadata,
            "spec": {
                // A capture that failed is looked at, not repeated.
                "backoffLimit": 0,
                "ttlSecondsAfterFinished": 3600,
                "template": {
                    "metadata": {
                        // A proxy beside it would keep the Job from ending.
                        "annotations": {"linkerd.io/inject": "disabled"},
                        "labels": {"app.kubernetes.io/name": NAME},
                    },
                    "spec": self.pod(),
                },
            },
        })
    }

    fn pod(&self) -> Value {
        let mut args = vec!["in-cluster".to_owned(), "--keep".to_owned()];
        args.push(format!("{}s", self.keep.as_secs()));
        args.push("--".to_owned());
        args.extend(self.flags.iter().cloned());
        let folder = BUNDLE.rsplit_once('/').map_or("/", |(folder, _)| folder);
        let container = json!({
            "name": NAME,
            "image": self.image,
            "command": [format!("/{NAME}")],
            "args": args,
            "resources": {
                "requests": {"cpu": "100m", "memory": "64Mi"},
                "limits": {"memory": "256Mi"},
            },
            "securityContext": {
                "allowPrivilegeEscalation": false,
                "capabilities": {"drop": ["ALL"]},
                "readOnlyRootFilesystem": true,
            },
            "volumeMounts": [{"name": "bundle", "mountPath": folder}],
        });
        json!({
            "restartPolicy": "Never",
            "serviceAccountName": NAME,
            "securityContext": {
                "runAsNonRoot": true,
                "runAsUser": 65532,
                "runAsGroup": 65532,
                "fsGroup": 65532,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [container],
            "volumes": [{"name": "bundle", "emptyDir": {}}],
        })
    }
}
