//! The pods that the workflow is about: those of the chosen namespaces that a selector matches.

use std::sync::Arc;

use super::Chosen;
use crate::cluster::{Cluster, Trouble};
use crate::mesh::Pod;
use crate::sources::{escape, read_page};

/// Lists the pods. The API server judges the selector.
///
/// # Errors
/// [`Trouble`] when a list cannot be had: the selector is malformed, or listing is forbidden.
pub(super) async fn list(cluster: &Cluster, chosen: &Chosen) -> Result<Vec<Arc<Pod>>, Trouble> {
    let mut pods = Vec::new();
    for path in chosen.paths("pods") {
        list_at(cluster, &path, chosen.selector.as_deref(), &mut pods).await?;
    }
    Ok(pods)
}

async fn list_at(
    cluster: &Cluster,
    path: &str,
    selector: Option<&str>,
    pods: &mut Vec<Arc<Pod>>,
) -> Result<(), Trouble> {
    let mut next = String::new();
    loop {
        let mut page = format!("{path}?limit={}", cluster.limits().page);
        if let Some(selector) = selector {
            page.push_str("&labelSelector=");
            page.push_str(&escape(selector));
        }
        if !next.is_empty() {
            page.push_str("&continue=");
            page.push_str(&escape(&next));
        }
        let limits = cluster.limits();
        let answer = cluster.get(&page, "application/json", limits.item_timeout);
        let bytes = cluster
            .read_body(answer.await?, limits.answer_bytes)
            .await?;
        let head = read_page(&bytes, &mut |object| {
            pods.extend(Pod::from_object(&object).map(Arc::new));
            Ok(())
        });
        next = head
            .map_err(|e| Trouble::failed(format!("the answer is no list: {e}")))?
            .next;
        if next.is_empty() {
            return Ok(());
        }
    }
}
