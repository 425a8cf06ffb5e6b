//! Flags of `rbac` and `job`, and of what a Job runs.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser};

use super::{Cli, Collect, duration};
use crate::permission::{Job, Subject};
use crate::plan::Plan;

/// The image of this version.
const IMAGE: &str = concat!("linkerd-bundle/linkerd-collect:", env!("CARGO_PKG_VERSION"));

const RBAC_EXAMPLES: &str = "\
Examples:
  Let the ServiceAccount linkerd-collect in namespace linkerd capture everything:
      linkerd-collect rbac | kubectl apply -f -

  Let a group capture one namespace and the control plane, without port-forwards:
      linkerd-collect rbac --group support -n shop --no-port-forward | kubectl apply -f -";

const JOB_EXAMPLES: &str = "\
Examples:
  Collect in the cluster, then fetch the bundle:
      linkerd-collect job --image registry.internal/linkerd-collect:1 > job.yaml
      kubectl apply -f job.yaml
      kubectl -n linkerd wait --for=condition=Ready pod -l job-name=linkerd-collect --timeout=2m
      kubectl -n linkerd exec job/linkerd-collect -- /linkerd-collect hand-over > bundle.tar.gz
      kubectl delete -f job.yaml

  With flags of the capture behind `--`:
      linkerd-collect job --keep 2h -- -n shop --since 2h

The image holds this program alone, as the repository's Dockerfile builds it. There is no `tar` in
it for `kubectl cp`, so the program itself writes the file to stdout.";

/// Arguments of `linkerd-collect rbac`.
#[derive(Debug, Args)]
#[command(after_help = RBAC_EXAMPLES)]
pub struct Rbac {
    /// Only these namespaces (repeatable): a Role in each, and a `ClusterRole` for what lives in
    /// none.
    #[arg(short, long = "namespace", value_name = "NS", value_delimiter = ',')]
    pub namespaces: Vec<String>,
    /// The control plane's namespace.
    #[arg(short = 'L', long, value_name = "NS", env = "LINKERD_NAMESPACE")]
    #[arg(hide_env_values = true, default_value = "linkerd")]
    pub linkerd_namespace: String,
    /// For captures with `--no-port-forward`.
    #[arg(long)]
    pub no_port_forward: bool,
    /// For captures with `--watch` or `--until-event`.
    #[arg(long)]
    pub watch: bool,
    /// Who gets the role [default: a `ServiceAccount` linkerd-collect beside the control plane].
    #[command(flatten)]
    pub subject: SubjectArgs,
}

/// Who gets the role.
#[derive(Debug, Args)]
#[group(multiple = false)]
pub struct SubjectArgs {
    /// Gives the role to a user.
    #[arg(long, value_name = "NAME")]
    pub user: Option<String>,
    /// Gives the role to a group.
    #[arg(long, value_name = "NAME")]
    pub group: Option<String>,
    /// Gives the role to a `ServiceAccount`, and makes it [default: linkerd-collect beside the
    /// control plane].
    #[arg(long, value_name = "NS/NAME", value_parser = account)]
    pub service_account: Option<(String, String)>,
}

impl Rbac {
    /// The plan that the role is for, and who gets it.
    ///
    /// # Errors
    /// Never: every plan that comes of these flags is sound.
    pub fn into_parts(self) -> Result<(Plan, Subject), clap::Error> {
        let mut flags = vec![format!("--linkerd-namespace={}", self.linkerd_namespace)];
        flags.extend(self.namespaces.iter().map(|n| format!("--namespace={n}")));
        flags.extend(self.no_port_forward.then(|| "--no-port-forward".to_owned()));
        flags.extend(self.watch.then(|| "--watch".to_owned()));
        let plan = plan_of(&flags)?;
        let (user, group) = (self.subject.user, self.subject.group);
        let account = || {
            let own = || (self.linkerd_namespace, "linkerd-collect".to_owned());
            let (namespace, name) = self.subject.service_account.unwrap_or_else(own);
            Subject::ServiceAccount { namespace, name }
        };
        let subject = user.map(Subject::User).or(group.map(Subject::Group));
        Ok((plan, subject.unwrap_or_else(account)))
    }
}

/// Arguments of `linkerd-collect job`.
#[derive(Debug, Args)]
#[command(after_help = JOB_EXAMPLES)]
pub struct JobArgs {
    /// Where the Job runs.
    #[arg(long = "in", value_name = "NS", default_value = "linkerd")]
    pub namespace: String,
    /// The image that it runs.
    #[arg(long, value_name = "IMAGE", default_value = IMAGE)]
    pub image: String,
    /// How long the bundle waits in the pod to be fetched.
    #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = duration)]
    pub keep: Duration,
    /// Flags of the capture, as `linkerd-collect` takes them.
    #[arg(last = true, value_name = "FLAGS")]
    pub flags: Vec<String>,
}

impl JobArgs {
    /// The Job, and the plan that its role is for.
    ///
    /// # Errors
    /// When the flags of the capture are none, or make no sense inside a cluster.
    pub fn into_parts(self) -> Result<(Job, Plan), clap::Error> {
        let plan = plan_of(&self.flags)?;
        let access = &plan.access;
        let outside = [
            ("--output", plan.output.is_some()),
            ("--dry-run", plan.dry_run),
            ("--kubeconfig", access.kubeconfig.is_some()),
            ("--context", access.context.is_some()),
            ("--resume", plan.resume.is_some()),
            // Its key file would stay behind in the pod.
            ("--anonymize", plan.protect.anonymize),
        ];
        if let Some((flag, _)) = outside.iter().find(|(_, is_said)| *is_said) {
            let text = format!("`{flag}` has no meaning inside the cluster; leave it out\n");
            return Err(clap::Error::raw(
                clap::error::ErrorKind::ArgumentConflict,
                text,
            ));
        }
        let job = Job {
            namespace: self.namespace,
            image: self.image,
            keep: self.keep,
            flags: self.flags,
        };
        Ok((job, plan))
    }
}

/// Arguments of `linkerd-collect in-cluster`, which a Job runs.
#[derive(Debug, Args)]
pub struct InCluster {
    /// How long the bundle waits to be fetched.
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub keep: Duration,
    /// Where the bundle goes.
    #[arg(long, value_name = "FILE", default_value = crate::in_cluster::BUNDLE)]
    pub bundle: PathBuf,
    /// Flags of the capture.
    #[arg(last = true, value_name = "FLAGS")]
    pub flags: Vec<String>,
}

impl InCluster {
    /// What is to be collected.
    ///
    /// # Errors
    /// When the flags of the capture are none.
    pub fn plan(&self) -> Result<Plan, clap::Error> {
        let plan = plan_of(&self.flags)?;
        Ok(Plan {
            output: Some(self.bundle.clone()),
            ..plan
        })
    }
}

/// Arguments of `linkerd-collect hand-over`, which `kubectl exec` runs in a Job's pod.
#[derive(Debug, Args)]
pub struct HandOver {
    /// Where the bundle is.
    #[arg(long, value_name = "FILE", default_value = crate::in_cluster::BUNDLE)]
    pub bundle: PathBuf,
    /// How long to wait until it is finished.
    #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = duration)]
    pub patience: Duration,
}

/// The plan of a plain call with these flags.
fn plan_of(flags: &[String]) -> Result<Plan, clap::Error> {
    let name = std::iter::once("linkerd-collect".to_owned());
    let cli = Cli::try_parse_from(name.chain(flags.iter().cloned()))?;
    let collect: Collect = cli.collect;
    Ok(collect.into_plan())
}

fn account(text: &str) -> Result<(String, String), String> {
    match text.split_once(['/', ':']) {
        Some((namespace, name)) if !namespace.is_empty() && !name.is_empty() => {
            Ok((namespace.to_owned(), name.to_owned()))
        }
        _ => Err(format!("`{text}` names no account; write NAMESPACE/NAME")),
    }
}
