//! What the manifest says of items that are not in the bundle, as the answer that a real server
//! would have given.

use bundle::resources;
use bundle::{LedgerRow, Manifest, Outcome, SourceKind};

use crate::names::Gvr;
use crate::status::Status;

/// The ledger of the bundle; empty if it has none.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    rows: Vec<LedgerRow>,
    /// Whether there is a ledger at all.
    is_known: bool,
}

impl Ledger {
    pub(crate) fn of(manifest: Option<Manifest>) -> Self {
        let is_known = manifest.is_some();
        let mut rows = manifest.map(|m| m.ledger).unwrap_or_default();
        rows.retain(|row| !matches!(row.outcome, Outcome::Complete | Outcome::Truncated));
        Self { rows, is_known }
    }

    /// The row of an item that is not in the bundle.
    pub(crate) fn missing(&self, source: SourceKind, object: &str) -> Option<&LedgerRow> {
        let mut rows = self.rows.iter();
        rows.find(|r| r.source == source && r.object == object)
    }

    /// Why a list cannot be given, of one namespace or of the whole cluster.
    pub(crate) fn refused_list(&self, gvr: &Gvr, namespace: Option<&str>) -> Option<&LedgerRow> {
        let name = list_name(gvr);
        let mut rows = self.lists().filter(|r| r.outcome != Outcome::Absent);
        rows.find(|row| match (row.object.strip_prefix(&name), namespace) {
            (Some(""), _) => true,
            (Some(rest), Some(namespace)) => rest.strip_prefix('/') == Some(namespace),
            // Who may not list one namespace may not list all of them. If it went wrong in another
            // way, the lists of the other namespaces are better than none.
            (Some(rest), None) => rest.starts_with('/') && row.outcome == Outcome::Refused,
            (None, _) => false,
        })
    }

    /// Whether there are no objects of a resource for sure, though the bundle has no list of it.
    pub(crate) fn is_known_empty(&self, gvr: &Gvr) -> bool {
        let name = list_name(gvr);
        let is_absent = |row: &LedgerRow| row.object == name && row.outcome == Outcome::Absent;
        let is_custom = resources::CUSTOM_RESOURCE_GROUPS.contains(&gvr.group.as_str());
        self.lists().any(is_absent) || is_custom && !self.is_known
    }

    fn lists(&self) -> impl Iterator<Item = &LedgerRow> {
        let sources = [
            SourceKind::ClusterResources,
            SourceKind::Events,
            SourceKind::CustomResources,
        ];
        let rows = self.rows.iter();
        rows.filter(move |row| sources.contains(&row.source))
    }
}

/// What the ledger calls the lists of a resource.
fn list_name(gvr: &Gvr) -> String {
    let (group, plural) = gvr.stored_as();
    match resources::by_plural(group, plural) {
        Some(resource) => resource.folder.to_owned(),
        None => format!("{plural}.{group}"),
    }
}

/// The failure that a row tells of: as it was answered, or as close to it as an answer can come.
pub(crate) fn failure(row: &LedgerRow) -> Status {
    let reason = row.reason.as_deref().unwrap_or("it is not in the bundle");
    let code = row
        .status
        .filter(|s| *s >= 400)
        .unwrap_or(match row.outcome {
            Outcome::TimedOut => 504,
            Outcome::Failed => 500,
            Outcome::Absent => 404,
            // What was left out is no proof that there is nothing.
            _ => 403,
        });
    Status::recorded(code, plain(reason))
}

/// A reason without the status that collectors put before it.
pub(crate) fn plain(reason: &str) -> &str {
    let rest = reason
        .strip_prefix("HTTP ")
        .and_then(|r| r.split_once(": "));
    match rest {
        Some((code, message)) if code.parse::<u16>().is_ok() => message,
        _ => reason,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn ledger(rows: &serde_json::Value) -> Ledger {
        let manifest = json!({
            "format": 1, "collector": "test", "captured_at": "2026-01-01T00:00:00Z", "ledger": rows,
        });
        Ledger::of(serde_json::from_value(manifest).unwrap())
    }

    fn pods() -> Gvr {
        Gvr {
            group: String::new(),
            version: "v1".to_owned(),
            plural: "pods".to_owned(),
        }
    }

    #[test]
    fn a_refused_namespace_refuses_the_list_of_all() {
        let ledger = ledger(&json!([
            {"source": "cluster-resources", "object": "pods/a", "outcome": "refused", "status": 403},
        ]));
        assert!(ledger.refused_list(&pods(), Some("a")).is_some());
        assert!(ledger.refused_list(&pods(), Some("b")).is_none());
        assert!(ledger.refused_list(&pods(), None).is_some());
    }

    #[test]
    fn a_failed_namespace_leaves_the_others() {
        let ledger = ledger(&json!([
            {"source": "cluster-resources", "object": "pods/a", "outcome": "timed_out"},
        ]));
        assert!(ledger.refused_list(&pods(), Some("a")).is_some());
        assert!(ledger.refused_list(&pods(), None).is_none());
    }

    #[test]
    fn a_kind_without_objects_is_empty() {
        let ledger = ledger(&json!([
            {"source": "cluster-resources", "object": "pods", "outcome": "absent", "reason": "no objects"},
        ]));
        assert!(ledger.is_known_empty(&pods()));
        assert!(ledger.refused_list(&pods(), None).is_none());
    }

    #[test]
    fn the_status_before_a_reason_is_not_repeated() {
        assert_eq!(
            plain("HTTP 500: Get \"https://x\": refused"),
            "Get \"https://x\": refused"
        );
        assert_eq!(plain("HTTP/2 is off: yes"), "HTTP/2 is off: yes");
    }
}
