//! Lists of objects: paged, cluster-wide where that is allowed and namespace by namespace where
//! it is not, and split into one entry per namespace.

use std::collections::BTreeSet;

use bundle::layout::EntryKind;
use bundle::resources::Resource;
use serde_json::Value;

use super::collected::Collected;
use super::events;
use super::paging::{self, Page};
use crate::cluster::Trouble;
use crate::session::{Begun, Captured, Item, Session};

/// How often a list is begun anew when the server has forgotten where it was.
const RESTARTS: u32 = 2;

/// How often a list goes on where the server offers after it has forgotten where it was.
const OFFERS: u32 = 8;

/// Pages of one list: 1 million objects. More come only from a server that never ends.
const PAGES: u32 = 10_000;

/// Pages in a row that bring no other object than those before, such as empty ones.
const IDLE_PAGES: u32 = 100;

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
            collected.firsts.clear();
            let mut idle = 0;
            loop {
                let page = Page {
                    listing: self.listing,
                    query,
                    path: page_path(&self.path, query, self.limit, &next),
                };
                let known = collected.firsts.len();
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
                let is_idle = collected.firsts.len() == known;
                idle = if is_idle { idle + 1 } else { 0 };
                if !seen.insert(token.clone()) || pages == PAGES || idle == IDLE_PAGES {
                    return Err(paging::in_circles());
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
}
