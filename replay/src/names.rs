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

    /// Group and plural name, which objects of every version share.
    pub(crate) fn key(&self) -> (String, String) {
        (self.group.clone(), self.plural.clone())
    }
}
