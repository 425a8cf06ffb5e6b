//! One page of a list: asked for until it came, its objects redacted and added.

use std::io;
use std::time::Duration;

use bundle::Outcome;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::collected::Collected;
use super::lists::Listing;
use super::page;
use crate::cluster::{Trouble, no_json};
use crate::mesh::{name_of, namespace_of};
use crate::redact::{Counts, object};
use crate::session::Session;

/// Attempts at a page that broke off, came as garbage or ended in an error of the server.
const ATTEMPTS: u32 = 3;

/// A page that did not come.
pub(super) struct Lost {
    pub(super) trouble: Trouble,
    /// Where the server offers to go on, in another state than that of the first pages.
    token: String,
}

impl From<Trouble> for Lost {
    fn from(trouble: Trouble) -> Self {
        let token = String::new();
        Self { trouble, token }
    }
}

impl Lost {
    /// Takes the server's offer, if there is one.
    pub(super) fn go_on(self, collected: &mut Collected) -> Result<String, Trouble> {
        if self.token.is_empty() || self.trouble.status != Some(410) {
            return Err(self.trouble);
        }
        let objects: u64 = collected.counts.values().sum();
        collected.note.get_or_insert(format!(
            "the server had forgotten where the list was; what follows the first {objects} \
             objects of the cluster is of a later moment"
        ));
        Ok(self.token)
    }
}

/// A page that is asked for.
pub(super) struct Page<'a> {
    pub(super) listing: &'a Listing,
    pub(super) query: &'a str,
    pub(super) path: String,
}

impl Page<'_> {
    /// Fetches the page, again if it went wrong in a way that may not last: too much hangs on a
    /// list.
    pub(super) async fn fetch_surely(
        &self,
        session: &Session,
        collected: &mut Collected,
    ) -> Result<String, Lost> {
        let mut attempt = 1;
        let begun = Instant::now();
        let soon = session.plan.limits.item_timeout * 2;
        loop {
            let trouble = match self.fetch(session).await {
                Ok(bytes) => match self.take(session, &bytes, collected) {
                    Ok(next) => return Ok(next),
                    Err(trouble) => trouble,
                },
                Err(lost) => match lost.trouble.outcome {
                    Outcome::Failed => lost.trouble,
                    // A second time-out is as long as the first, a third would be too long.
                    Outcome::TimedOut if attempt == 1 && begun.elapsed() < soon => lost.trouble,
                    _ => return Err(lost),
                },
            };
            if attempt == ATTEMPTS {
                return Err(trouble.into());
            }
            let wait = Duration::from_millis(200 << attempt);
            session
                .cluster
                .pause(wait.mul_f64(0.5 + fastrand::f64()))
                .await?;
            attempt += 1;
        }
    }

    async fn fetch(&self, session: &Session) -> Result<Vec<u8>, Lost> {
        let cluster = &session.cluster;
        let (status, body) = cluster.get_page(&self.path).await?;
        if status.is_success() {
            return Ok(body);
        }
        let token = serde_json::from_slice::<Value>(&body).ok();
        let token = token.and_then(|s| Some(s.pointer("/metadata/continue")?.as_str()?.to_owned()));
        Err(Lost {
            trouble: Trouble::from_answer(status, &body),
            token: token.unwrap_or_default(),
        })
    }

    /// Redacts the objects of a page and adds them. Returns where the next page goes on.
    fn take(
        &self,
        session: &Session,
        bytes: &[u8],
        collected: &mut Collected,
    ) -> Result<String, Trouble> {
        let no_list = |e: serde_json::Error| {
            let why = no_json(bytes, &e);
            Trouble::failed(format!("the answer is no list: {why}"))
        };
        // A page that breaks off in its middle must not leave half of its objects.
        serde_json::from_slice::<serde::de::IgnoredAny>(bytes).map_err(no_list)?;
        let mut counts = Counts::default();
        let (mut broken, mut first) = (None, None);
        let read = page::read(bytes, &mut |item| {
            let own = first.get_or_insert_with(|| identity(&item));
            if collected.firsts.contains(own) {
                broken = Some(in_circles());
                return Err(io::Error::other("the page was there before"));
            }
            let added = self.add(session, item, &mut counts, collected);
            added.inspect_err(|e| {
                let reason = format!("cannot write a temporary file: {e}");
                broken = Some(Trouble::failed(reason));
            })
        });
        session.count(&counts);
        let head = read.map_err(|e| broken.unwrap_or_else(|| no_list(e)))?;
        // Without a name there is no telling two objects apart.
        collected.firsts.extend(first.filter(|f| !f.is_empty()));
        let next = head.next.clone();
        if collected.head.kind.is_empty() {
            collected.head = head;
        }
        Ok(next)
    }

    fn add(
        &self,
        session: &Session,
        mut item: Value,
        counts: &mut Counts,
        collected: &mut Collected,
    ) -> io::Result<()> {
        let listing = self.listing;
        if !item.is_object() {
            let strange = || Trouble::failed("some of its items are no objects");
            collected.cut.get_or_insert_with(strange);
            return Ok(());
        }
        if !(listing.keep)(&item, session, self.query) {
            return Ok(());
        }
        session.mesh().look_at(&listing.name, &item);
        shape(&mut item, listing);
        object::redact_item(&mut item, &listing.kind, counts);
        let namespace = namespace_of(&item).filter(|_| listing.is_namespaced);
        let namespace = namespace.unwrap_or_default().to_owned();
        collected.add(&namespace, &item)
    }
}

/// What no two objects of a kind have in common; empty if that cannot be told.
fn identity(item: &Value) -> String {
    let namespace = namespace_of(item).unwrap_or_default();
    name_of(item).map_or_else(String::new, |name| format!("{namespace}/{name}"))
}

/// Gives an object its kind, which a list leaves out, and drops the schemas of custom resource
/// definitions: megabytes that no diagnosis needs.
fn shape(item: &mut Value, listing: &Listing) {
    if let Value::Object(map) = item {
        for (key, value) in [
            ("kind", &listing.kind),
            ("apiVersion", &listing.api_version),
        ] {
            map.entry(key).or_insert_with(|| json!(value));
        }
    }
    if listing.name == "custom-resource-definitions" {
        let versions = item
            .pointer_mut("/spec/versions")
            .and_then(Value::as_array_mut);
        for version in versions.into_iter().flatten() {
            if let Value::Object(version) = version {
                version.remove("schema");
            }
        }
    }
}

/// What is wrong with a list whose pages come again.
pub(super) fn in_circles() -> Trouble {
    Trouble::failed("the list comes in circles")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_custom_resource_definition_loses_its_schemas_only() {
        let resource = bundle::resources::by_folder("custom-resource-definitions").unwrap();
        let listing = Listing::built_in(resource);
        let mut crd = json!({"spec": {"group": "x", "versions": [{"name": "v1", "schema": {"a": 1}, "served": true}]}});
        shape(&mut crd, &listing);
        assert_eq!(
            crd,
            json!({
                "kind": "CustomResourceDefinition",
                "apiVersion": "apiextensions.k8s.io/v1",
                "spec": {"group": "x", "versions": [{"name": "v1", "served": true}]},
            })
        );
    }
}
