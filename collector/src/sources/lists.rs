//! Lists of objects: paged, cluster-wide where that is allowed and namespace by namespace where
//! it is not, and split into one entry per namespace.

use std::collections::BTreeSet;
use std::io;
use std::time::Duration;

use bundle::Outcome;
use bundle::layout::EntryKind;
use bundle::resources::Resource;
use serde_json::{Value, json};

use super::collected::Collected;
use super::{events, page};
use crate::cluster::Trouble;
use crate::mesh::namespace_of;
use crate::redact::{Counts, object};
use crate::session::{Begun, Captured, Item, Session};

/// How often a list is begun anew when the server has forgotten where it was.
const RESTARTS: u32 = 2;

/// Attempts at a page that broke off, came as garbage or ended in an error of the server.
const ATTEMPTS: u32 = 3;

/// How often a list goes on where the server offers after it has forgotten where it was.
const OFFERS: u32 = 8;

/// Pages of one list: 1 million objects. More come only from a server that never ends.
const PAGES: u32 = 10_000;

/// A kind whose objects are listed.
#[derive(Debug, Clone)]
pub(super) struct Listing {
    /// Folder of a built-in kind, or name of the custom resource definition.
    pub(super) name: String,
    pub(super) is_custom: bool,
    pub(super) api_version: String,
    pub(super) plural: String,
    pub(super) kind: String,
    pub(super) is_namespaced: bool,
    /// Queries that together make the list; usually the one empty query.
    pub(super) queries: Vec<String>,
    /// Whether an object that came in answer to a query is wanted.
    pub(super) keep: fn(&Value, &Session, &str) -> bool,
}

impl Listing {
    pub(super) fn built_in(resource: &Resource) -> Self {
        Self {
            name: resource.folder.to_owned(),
            is_custom: false,
            api_version: resource.api_version(),
            plural: resource.plural.to_owned(),
            kind: resource.kind.to_owned(),
            is_namespaced: resource.namespaced,
            queries: vec![String::new()],
            keep: match resource.folder {
                "events" => events::is_in_time,
                _ => |_, _, _| true,
            },
        }
    }

    fn path(&self, namespace: Option<&str>) -> String {
        let root = if self.api_version.contains('/') {
            "apis"
        } else {
            "api"
        };
        let within = namespace
            .map(|n| format!("/namespaces/{n}"))
            .unwrap_or_default();
        format!("/{root}/{}{within}/{}", self.api_version, self.plural)
    }

    fn item(&self, namespace: Option<&str>) -> Item {
        let namespace = namespace.filter(|_| self.is_namespaced).map(str::to_owned);
        let object = match &namespace {
            Some(namespace) => format!("{}/{namespace}", self.name),
            None => self.name.clone(),
        };
        let entry = if self.is_custom {
            EntryKind::CustomObjects {
                crd: self.name.clone(),
                namespace,
            }
        } else {
            EntryKind::Objects {
                folder: self.name.clone(),
                namespace,
            }
        };
        Item::new(entry, object)
    }
}

/// Captures all objects of a kind.
pub(super) async fn capture(session: &Session, listing: Listing) {
    if session.kept.has_list(&listing.name) {
        return;
    }
    if let Some(reason) = session.stop.reason() {
        return session
            .leave_out(listing.item(None), Trouble::stopped(&reason))
            .await;
    }
    if !listing.is_namespaced {
        return capture_from(session, &listing, None).await;
    }
    if session.plan.scope.namespaces.is_empty() {
        let begun = Begun::now();
        match run(session, &listing, None).await {
            Err(trouble) if trouble.status == Some(403) => {
                let line = format!(
                    "{} are listed by namespace: {}",
                    listing.name, trouble.reason
                );
                session.journal.note("warn", &line);
            }
            result => return deliver(session, &listing, None, begun, result).await,
        }
    }
    let namespaces = session.mesh().namespaces.clone();
    for namespace in namespaces {
        capture_from(session, &listing, Some(&namespace)).await;
    }
}

async fn capture_from(session: &Session, listing: &Listing, namespace: Option<&str>) {
    let begun = Begun::now();
    let result = run(session, listing, namespace).await;
    deliver(session, listing, namespace, begun, result).await;
}

async fn deliver(
    session: &Session,
    listing: &Listing,
    namespace: Option<&str>,
    begun: Begun,
    result: Result<Collected, Trouble>,
) {
    let collected = match result {
        Ok(collected) => collected,
        Err(trouble) => {
            session
                .deliver(listing.item(namespace), begun, Err(trouble))
                .await;
            return;
        }
    };
    let cut = collected.cut.as_ref().map(|t| {
        let objects: u64 = collected.counts.values().sum();
        format!("the list broke off after {objects} objects: {}", t.reason)
    });
    let note = collected.note.clone();
    let parts = collected.finish(session, listing, namespace);
    if parts.is_empty() {
        let trouble = Trouble::absent("no objects");
        session
            .deliver(listing.item(namespace), begun, Err(trouble))
            .await;
    }
    for (namespace, items, content) in parts {
        let captured = Captured {
            items: Some(items),
            note: note.clone(),
            cut: cut.clone(),
            ..Captured::whole(content)
        };
        let item = listing.item(Some(&namespace));
        session.deliver(item, begun, Ok(captured)).await;
    }
}

/// Runs all queries of a listing. Trouble only if nothing at all came.
async fn run(
    session: &Session,
    listing: &Listing,
    namespace: Option<&str>,
) -> Result<Collected, Trouble> {
    let name = match namespace {
        Some(namespace) => format!("{} in {namespace}", listing.name),
        None => listing.name.clone(),
    };
    let _shown = session.progress.begin(name);
    let mut restarts = 0;
    loop {
        let mut collected = Collected::new(session);
        session.mesh().forget(&listing.name, namespace);
        // The last time without pages, which cannot be forgotten between.
        let limit = match restarts {
            RESTARTS => 0,
            _ => session.plan.limits.page,
        };
        let round = Round {
            session,
            listing,
            path: listing.path(namespace),
            limit,
        };
        match round.run(&mut collected).await {
            Ok(()) => {}
            // The server has forgotten the state that the first pages showed.
            Err(trouble) if trouble.status == Some(410) && restarts < RESTARTS => {
                restarts += 1;
                continue;
            }
            Err(trouble) if collected.counts.is_empty() => return Err(trouble),
            Err(trouble) => collected.cut = Some(trouble),
        }
        if restarts > 0 {
            let times = match restarts {
                1 => "once".to_owned(),
                n => format!("{n} times"),
            };
            let note = format!("begun anew {times}: the server had forgotten where the list was");
            collected.note = Some(note);
        }
        return Ok(collected);
    }
}

/// One time through all pages of a listing.
struct Round<'a> {
    session: &'a Session,
    listing: &'a Listing,
    path: String,
    /// Objects of a page; 0 for all.
    limit: u32,
}

impl Round<'_> {
    async fn run(&self, collected: &mut Collected) -> Result<(), Trouble> {
        let (mut pages, mut offers) = (0, 0);
        for query in &self.listing.queries {
            let (mut next, mut seen) = (String::new(), BTreeSet::new());
            loop {
                let page = Page {
                    listing: self.listing,
                    query,
                    path: page_path(&self.path, query, self.limit, &next),
                };
                let token = match page.fetch_surely(self.session, collected).await {
                    Ok(token) => token,
                    Err(lost) if offers == OFFERS => return Err(lost.trouble),
                    Err(lost) => {
                        offers += 1;
                        lost.go_on(collected)?
                    }
                };
                pages += 1;
                if token.is_empty() {
                    break;
                }
                if !seen.insert(token.clone()) || pages == PAGES {
                    return Err(Trouble::failed("the list comes in circles"));
                }
                next = token;
            }
        }
        Ok(())
    }
}

fn page_path(path: &str, query: &str, limit: u32, next: &str) -> String {
    let mut query: Vec<String> = Some(query.to_owned())
        .filter(|q| !q.is_empty())
        .into_iter()
        .collect();
    if limit > 0 {
        query.push(format!("limit={limit}"));
    }
    if !next.is_empty() {
        query.push(format!("continue={}", escape(next)));
    }
    if query.is_empty() {
        path.to_owned()
    } else {
        format!("{path}?{}", query.join("&"))
    }
}

/// Percent-encodes what may not stand in a query.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let hex = |value: u8| char::from_digit(u32::from(value), 16).unwrap_or('0');
            out.extend(['%', hex(byte >> 4), hex(byte & 15)]);
        }
    }
    out
}

/// A page that did not come.
struct Lost {
    trouble: Trouble,
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
    fn go_on(self, collected: &mut Collected) -> Result<String, Trouble> {
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
struct Page<'a> {
    listing: &'a Listing,
    query: &'a str,
    path: String,
}

impl Page<'_> {
    /// Fetches the page, again if it went wrong in a way that may not last: too much hangs on a
    /// list.
    async fn fetch_surely(
        &self,
        session: &Session,
        collected: &mut Collected,
    ) -> Result<String, Lost> {
        let mut attempt = 1;
        loop {
            let trouble = match self.fetch(session).await {
                Ok(bytes) => match self.take(session, &bytes, collected) {
                    Ok(next) => return Ok(next),
                    Err(trouble) => trouble,
                },
                Err(lost) => match lost.trouble.outcome {
                    Outcome::Failed => lost.trouble,
                    // A second time-out is as long as the first, a third would be too long.
                    Outcome::TimedOut if attempt == 1 => lost.trouble,
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
        let no_list = |e: serde_json::Error| Trouble::failed(format!("the answer is no list: {e}"));
        // A page that breaks off in its middle must not leave half of its objects.
        serde_json::from_slice::<serde::de::IgnoredAny>(bytes).map_err(no_list)?;
        let mut counts = Counts::default();
        let mut broken = None;
        let read = page::read(bytes, &mut |item| {
            let added = self.add(session, item, &mut counts, collected);
            added.inspect_err(|e| broken = Some(e.to_string()))
        });
        session.count(&counts);
        let head = read.map_err(|e| match broken {
            Some(e) => Trouble::failed(format!("cannot write a temporary file: {e}")),
            None => no_list(e),
        })?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pages_path_carries_query_limit_and_token() {
        assert_eq!(
            page_path("/api/v1/pods", "", 250, ""),
            "/api/v1/pods?limit=250"
        );
        assert_eq!(
            page_path(
                "/api/v1/configmaps",
                "fieldSelector=metadata.name%3Da",
                0,
                "x=/+"
            ),
            "/api/v1/configmaps?fieldSelector=metadata.name%3Da&continue=x%3d%2f%2b"
        );
    }

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
