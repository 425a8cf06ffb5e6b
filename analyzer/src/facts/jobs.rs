//! What a row of `workloads` says of a Job: whether it ends, and whether a proxy keeps it alive.

use super::Object;
use super::json::Json;
use super::kube::{PROXY, is_meshed, is_native_sidecar, is_true};
use super::row::{Row, int, list, text};

/// Adds the fields of a Job.
pub(super) fn fields(row: Row, job: &Object, pods: &[&Object]) -> Row {
    let meshed: Vec<&Object> = pods
        .iter()
        .copied()
        .filter(|p| is_meshed(&p.value))
        .collect();
    row.set("complete", is_true(&job.value, "Complete"))
        .set("failed", is_true(&job.value, "Failed"))
        .set("active", int(&job.value, "/status/active").unwrap_or(0))
        .set(
            "succeeded_pods",
            int(&job.value, "/status/succeeded").unwrap_or(0),
        )
        .set(
            "failed_pods",
            int(&job.value, "/status/failed").unwrap_or(0),
        )
        .set(
            "native_sidecar",
            !meshed.is_empty() && meshed.iter().all(|p| is_native_sidecar(&p.value)),
        )
        .set(
            "main_container_finished",
            pods.iter().any(|p| has_main_finished(&p.value)),
        )
        .set(
            "kept_alive_by_proxy",
            pods.iter().any(|p| is_kept_alive(&p.value)),
        )
}

fn is_in_state(status: &Json, name: &str) -> bool {
    status
        .pointer("/state")
        .is_some_and(|s| s.get(name).is_some())
}

/// Whether every ordinary container but the proxy has ended.
fn has_main_finished(pod: &Json) -> bool {
    let mut others = others(pod).peekable();
    others.peek().is_some() && others.all(|s| is_in_state(s, "terminated"))
}

/// Whether a Job's pod has done its work, all of it well, and only its proxy runs on.
pub(super) fn is_kept_after_success(pod: &Json) -> bool {
    is_kept_alive(pod) && others(pod).all(|s| int(s, "/state/terminated/exitCode") == Some(0))
}

fn others(pod: &Json) -> impl Iterator<Item = &Json> {
    list(pod, "/status/containerStatuses")
        .iter()
        .filter(|s| text(s, "/name") != PROXY)
}

/// Whether the work is done while the proxy, as an ordinary container, runs on.
pub(super) fn is_kept_alive(pod: &Json) -> bool {
    let mut regular = list(pod, "/status/containerStatuses").iter();
    let proxy_runs = regular.any(|s| text(s, "/name") == PROXY && is_in_state(s, "running"));
    proxy_runs && has_main_finished(pod)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_an_ordinary_proxy_keeps_a_finished_job_alive() {
        let done = json!({"name": "import", "state": {"terminated": {"exitCode": 0}}});
        let failed = json!({"name": "import", "state": {"terminated": {"exitCode": 1}}});
        let busy = json!({"name": "import", "state": {"running": {}}});
        let proxy = json!({"name": PROXY, "state": {"running": {}}});
        let pod = |regular: Vec<&serde_json::Value>| {
            Json::from(json!({"status": {"containerStatuses": regular}}))
        };
        assert!(is_kept_alive(&pod(vec![&done, &proxy])));
        assert!(!is_kept_alive(&pod(vec![&busy, &proxy])));
        assert!(is_kept_after_success(&pod(vec![&done, &proxy])));
        assert!(!is_kept_after_success(&pod(vec![&failed, &proxy])));
        assert!(!is_kept_alive(&pod(vec![&done])));
        assert!(!is_kept_alive(&pod(vec![&proxy])));
    }
}
