//! What the API server serves; and, since that is where they are found, the lists of custom
//! resources.

use std::collections::BTreeSet;

use bundle::layout::EntryKind;
use bundle::resources::CUSTOM_RESOURCE_GROUPS;
use futures::{FutureExt as _, StreamExt as _};
use serde_json::{Value, json};

use super::lists::{self, Listing};
use crate::cluster::Trouble;
use crate::queue::{Job, Priority};
use crate::redact::{Counts, object};
use crate::session::{Captured, Item, Session};
use crate::spool::Content;

/// Captures groups and resources, and queues the lists of custom resources.
pub(super) async fn capture(session: &Session) {
    if let Some((groups, resources)) = session.kept.discovery() {
        return queue_lists(session, groups, resources);
    }
    let mut groups = Vec::new();
    let item = Item::new(EntryKind::Groups, "/apis");
    let capture = async {
        groups = all_groups(session).await?;
        Ok(lines(&groups))
    };
    session.capture(item, capture).await;
    let item = Item::new(EntryKind::Resources, "all group versions");
    let mut resources = Vec::new();
    let capture = async {
        let (found, missing) = all_resources(session, &groups).await?;
        resources = found;
        let mut captured = lines(&resources);
        captured.cut = (!missing.is_empty()).then(|| missing.join("; "));
        Ok(captured)
    };
    session.capture(item, capture).await;
    queue_lists(session, &groups, &resources);
}

fn queue_lists(session: &Session, groups: &[Value], resources: &[Value]) {
    for listing in custom(groups, resources) {
        session
            .queue
            .push(Job::new(Priority::Lists, &[], |session| async move {
                lists::capture(&session, listing).await;
            }));
    }
}

/// What an extension server says of itself is as foreign as any object.
async fn ask(session: &Session, path: &str) -> Result<Value, Trouble> {
    let mut answer = session.cluster.get_json(path).await?;
    let mut counts = Counts::default();
    object::redact(&mut answer, &mut counts);
    session.count(&counts);
    Ok(answer)
}

/// A JSON array with a value per line.
fn lines(values: &[Value]) -> Captured {
    let lines: Vec<String> = values.iter().map(Value::to_string).collect();
    let text = format!("[\n{}\n]\n", lines.join(",\n"));
    Captured {
        items: u64::try_from(values.len()).ok(),
        ..Captured::whole(Content::from_bytes(text.into_bytes()))
    }
}

/// The core group in the form of the others, then the others.
async fn all_groups(session: &Session) -> Result<Vec<Value>, Trouble> {
    let core = json!({"groupVersion": "v1", "version": "v1"});
    let mut groups = vec![json!({"name": "", "versions": [core], "preferredVersion": core})];
    let others = ask(session, "/apis").await?;
    let others = others.get("groups").and_then(Value::as_array).cloned();
    groups.extend(others.unwrap_or_default());
    Ok(groups)
}

/// The resource list of every group version, and why some are missing.
async fn all_resources(
    session: &Session,
    groups: &[Value],
) -> Result<(Vec<Value>, Vec<String>), Trouble> {
    let mut found = Vec::new();
    let mut missing = Vec::new();
    let versions: Vec<String> = groups
        .iter()
        .flat_map(versions)
        .map(str::to_owned)
        .collect();
    let asked = versions
        .into_iter()
        .map(|version| resources_of(session, version).boxed());
    // Several at once, so that the time-outs of extension servers that are down do not add up.
    let at_once = session.plan.limits.per_node;
    let mut answers = futures::stream::iter(asked).buffered(at_once);
    while let Some((version, list)) = answers.next().await {
        match list {
            Ok(list) => found.push(list),
            // A group version of a broken extension server is an everyday sight.
            Err(trouble) => missing.push(format!("{version}: {}", trouble.reason)),
        }
    }
    if found.is_empty() {
        return Err(Trouble::failed(match missing.first() {
            Some(first) => first.clone(),
            None => "the groups are not known".to_owned(),
        }));
    }
    Ok((found, missing))
}

async fn resources_of(session: &Session, version: String) -> (String, Result<Value, Trouble>) {
    let root = if version.contains('/') { "apis" } else { "api" };
    let list = ask(session, &format!("/{root}/{version}")).await;
    (version, list)
}

/// Group versions of a group, the preferred one first.
fn versions(group: &Value) -> Vec<&str> {
    let version =
        |v: &'_ Value| -> Option<String> { Some(v.get("groupVersion")?.as_str()?.to_owned()) };
    let preferred = group.get("preferredVersion").and_then(version);
    let all = group.get("versions").and_then(Value::as_array);
    let all = all.into_iter().flatten();
    let mut all: Vec<&str> = all
        .filter_map(|v| v.get("groupVersion")?.as_str())
        .collect();
    all.sort_by_key(|v| preferred.as_deref() != Some(*v));
    all
}

/// One listing for every custom resource of the groups that are captured, in the first version
/// that serves it.
fn custom(groups: &[Value], resources: &[Value]) -> Vec<Listing> {
    let mut seen = BTreeSet::new();
    let mut listings = Vec::new();
    for group in groups {
        let group_name = group
            .get("name")
            .and_then(Value::as_str)
            .unwrap_or_default();
        if !CUSTOM_RESOURCE_GROUPS.contains(&group_name) {
            continue;
        }
        for version in versions(group) {
            let own = |l: &&Value| l.get("groupVersion").and_then(Value::as_str) == Some(version);
            let list = resources
                .iter()
                .find(own)
                .and_then(|l| l.get("resources")?.as_array());
            for resource in list.into_iter().flatten() {
                let listing = custom_listing(group_name, version, resource);
                listings.extend(listing.filter(|l| seen.insert(l.name.clone())));
            }
        }
    }
    listings.sort_by(|a, b| a.name.cmp(&b.name));
    listings
}

fn custom_listing(group: &str, version: &str, resource: &Value) -> Option<Listing> {
    let plural = resource.get("name")?.as_str()?;
    let verbs = resource.get("verbs")?.as_array()?;
    if plural.contains('/') || !verbs.iter().any(|v| v == "list") {
        return None;
    }
    Some(Listing {
        name: format!("{plural}.{group}"),
        is_custom: true,
        api_version: version.to_owned(),
        plural: plural.to_owned(),
        kind: resource.get("kind")?.as_str()?.to_owned(),
        is_namespaced: resource.get("namespaced")?.as_bool()?,
        queries: vec![String::new()],
        keep: |_, _, _| true,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn custom_resources_are_listed_once_in_the_preferred_version() {
        let groups = [
            json!({
                "name": "policy.linkerd.io",
                "versions": [{"groupVersion": "policy.linkerd.io/v1alpha1"}, {"groupVersion": "policy.linkerd.io/v1beta3"}],
                "preferredVersion": {"groupVersion": "policy.linkerd.io/v1beta3"},
            }),
            json!({"name": "apps", "versions": [{"groupVersion": "apps/v1"}]}),
        ];
        let servers = json!({"name": "servers", "kind": "Server", "namespaced": true, "verbs": ["get", "list"]});
        let status = json!({"name": "servers/status", "kind": "Server", "namespaced": true, "verbs": ["get", "list"]});
        let authz = json!({"name": "networkauthentications", "kind": "NetworkAuthentication", "namespaced": true, "verbs": ["list"]});
        let resources = [
            json!({"groupVersion": "policy.linkerd.io/v1alpha1", "resources": [servers, authz]}),
            json!({"groupVersion": "policy.linkerd.io/v1beta3", "resources": [servers, status]}),
            json!({"groupVersion": "apps/v1", "resources": [{"name": "deployments", "kind": "Deployment", "namespaced": true, "verbs": ["list"]}]}),
        ];
        let listings = custom(&groups, &resources);
        let found: Vec<_> = listings
            .iter()
            .map(|l| (l.name.as_str(), l.api_version.as_str()))
            .collect();
        assert_eq!(
            found,
            [
                (
                    "networkauthentications.policy.linkerd.io",
                    "policy.linkerd.io/v1alpha1"
                ),
                ("servers.policy.linkerd.io", "policy.linkerd.io/v1beta3"),
            ]
        );
    }
}
