//! Names of resources in URLs.

/// A resource as a URL names it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Gvr {
    /// API group; empty for the core group.
    pub(crate) group: String,
    pub(crate) version: String,
    /// Plural name.
    pub(crate) plural: String,
}

impl Gvr {
    /// `v1` or `apps/v1`.
    pub(crate) fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.clone()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }

    /// Group and plural name under which the objects are recorded, whatever the version.
    pub(crate) fn stored_as(&self) -> (&str, &str) {
        match (self.group.as_str(), self.plural.as_str()) {
            // Two ways to the same objects.
            ("events.k8s.io", "events") => ("", "events"),
            own => own,
        }
    }
}
