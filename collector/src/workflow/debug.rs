//! Packet captures. Nothing is injected or executed here: Linkerd's debug sidecar is the user's
//! own choice, and what it prints is a container's log like any other.

use std::fmt::Write as _;

use super::{Chosen, Tools, cannot_list, pods};

/// The container that the annotation adds.
const SIDECAR: &str = "linkerd-debug";

/// What to do where there is none.
const ADVICE: &str = "\
no chosen pod has Linkerd's debug sidecar, so there is no packet capture to collect. It comes with
an annotation on the pod template, which restarts the pods:
    kubectl -n NAMESPACE patch deploy/NAME --type merge -p \\
      '{\"spec\":{\"template\":{\"metadata\":{\"annotations\":{\"config.linkerd.io/enable-debug-sidecar\":\"true\"}}}}}'
Reproduce the trouble; the sidecar prints what it captures to its log. Then
    linkerd-collect -n NAMESPACE --packet-capture
takes it into the bundle, and to see it at once:
    kubectl -n NAMESPACE logs deploy/NAME -c linkerd-debug
Take the annotation away afterwards: packets that are not encrypted show what they carry.";

/// Whether a chosen pod has the debug sidecar, whose log is then captured with all others. Says
/// what to do where none has.
pub(super) async fn has_sidecar(chosen: &Chosen, tools: Tools<'_>) -> anyhow::Result<bool> {
    let pods = pods::list(tools.cluster, chosen).await;
    let pods = pods.map_err(|trouble| cannot_list(&trouble, "pods"))?;
    let mut names = pods
        .iter()
        .filter(|pod| pod.containers.iter().any(|c| c.name == SIDECAR))
        .map(|pod| format!("{}/{}", pod.namespace, pod.name));
    let Some(first) = names.next() else {
        tools.progress.tell(ADVICE);
        return Ok(false);
    };
    let mut line = format!("packet captures are taken from `{first}`");
    let more = names.count();
    if more > 0 {
        write!(line, " and {more} more pods")?;
    }
    tools.progress.say(&line);
    Ok(true)
}
