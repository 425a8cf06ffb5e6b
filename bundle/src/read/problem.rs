//! What could not be read as it should, without an end to the reading.

/// Something in a bundle that could not be read as it should.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// The entry's path as the container spells it (escaped where it is not UTF-8); `None` when
    /// the container itself is at fault.
    pub path: Option<String>,
    /// What kind of trouble it is.
    pub kind: ProblemKind,
    /// In words: a lowercase fragment without a full stop.
    pub detail: String,
}

impl Problem {
    pub(super) fn no_such_entry(path: &str) -> Self {
        let detail = "no such entry in the bundle".to_owned();
        Self {
            path: Some(path.to_owned()),
            kind: ProblemKind::Io,
            detail,
        }
    }
}

/// What kind of trouble a [`Problem`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProblemKind {
    /// The path could lead outside, or cannot be stored everywhere.
    PathRefused,
    /// A link, a device, a socket: nothing that a bundle holds.
    TypeRefused,
    /// A cap of [`crate::Limits`] was met.
    OverLimit,
    /// The file ends in the middle.
    CutShort,
    /// Bytes that do not decode, a wrong checksum, a size that lies.
    Damaged,
    /// The index is missing or unsound, so the bundle was read front to back.
    IndexUnsound,
    /// The manifest is missing, unreadable or of a newer format.
    ManifestUnsound,
    /// Two entries with one path; the first counts.
    Duplicate,
    /// The host said no: a permission, an I/O error.
    Io,
}
