//! The manifest: who captured what, when, and how every planned item ended.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{EntryPath, SourceKind};

/// The version of the bundle format. A higher number may not be readable by this program; new
/// optional fields do not raise it.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct FormatVersion(pub u32);

impl FormatVersion {
    /// The format that this program writes.
    pub const CURRENT: Self = Self(1);

    /// Whether this program understands a bundle of this version.
    pub fn is_readable(self) -> bool {
        self <= Self::CURRENT
    }
}

/// `manifest.json`: the last entry but for the index.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Manifest {
    /// The format's version.
    pub format: FormatVersion,
    /// The program that wrote the bundle, with its version: `linkerd-collect 0.1.0`.
    pub collector: String,
    /// When the capture began, by the collector's clock. The report's "now".
    pub captured_at: Timestamp,
    /// When the capture ended, by the collector's clock.
    #[serde(default)]
    pub finished_at: Option<Timestamp>,
    /// `gitVersion` of the API server, such as `v1.33.13`.
    #[serde(default)]
    pub kubernetes_version: Option<String>,
    /// The `Date` header of the API server's first answer, as it was sent.
    #[serde(default)]
    pub api_server_date: Option<String>,
    /// API server's clock minus the collector's, in seconds.
    #[serde(default)]
    pub api_server_clock_difference_s: Option<f64>,
    /// The options of the capture, by their long flag names.
    #[serde(default)]
    pub options: BTreeMap<String, serde_json::Value>,
    /// How many secrets redaction took out, by kind.
    #[serde(default)]
    pub redactions: BTreeMap<String, u64>,
    /// One row for every item that the plan intended.
    #[serde(default)]
    pub ledger: Vec<LedgerRow>,
    /// Size and hash of every other entry, ordered by path.
    #[serde(default)]
    pub entries: Vec<EntryRecord>,
}

impl Manifest {
    /// That of a bundle of today's format of which nothing else is known.
    pub fn new(collector: impl Into<String>, captured_at: Timestamp) -> Self {
        Self {
            format: FormatVersion::CURRENT,
            collector: collector.into(),
            captured_at,
            finished_at: None,
            kubernetes_version: None,
            api_server_date: None,
            api_server_clock_difference_s: None,
            options: BTreeMap::new(),
            redactions: BTreeMap::new(),
            ledger: Vec::new(),
            entries: Vec::new(),
        }
    }

    /// Takes the rows of a later checkpoint in: the later word on an item counts.
    pub(crate) fn take_rows(&mut self, later: Vec<LedgerRow>) {
        let mut at: BTreeMap<(SourceKind, String), usize> = BTreeMap::new();
        for (number, row) in self.ledger.iter().enumerate() {
            at.insert((row.source, row.object.clone()), number);
        }
        for row in later {
            let known = at.get(&(row.source, row.object.clone()));
            match known.and_then(|at| self.ledger.get_mut(*at)) {
                Some(known) => *known = row,
                None => self.ledger.push(row),
            }
        }
    }
}

/// How one planned item ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LedgerRow {
    /// What kind of thing was wanted.
    pub source: SourceKind,
    /// Which one: a path of names such as `shop/cart-5f6b/linkerd-proxy`, or a kind.
    pub object: String,
    /// How it ended.
    pub outcome: Outcome,
    /// Why it did not end as `complete`, in words: HTTP status, limit, message; or what else is to
    /// be known of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Bytes that went into the bundle.
    #[serde(default)]
    pub bytes: u64,
    /// Where they are; none if there is no entry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<EntryPath>,
    /// When it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
    /// How long it took, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
    /// HTTP status of the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// How many objects a list held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub items: Option<u64>,
    /// The way it was fetched where there is more than one: `port-forward` or `pod-proxy`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub via: Option<String>,
}

/// How one planned item ended.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// All of it is in the bundle.
    Complete,
    /// A part is in the bundle; the reason says which.
    Truncated,
    /// The server said no: 401, 403, 429 until the end.
    Refused,
    /// No answer within the time allowed.
    TimedOut,
    /// It went wrong in another way.
    Failed,
    /// There is no such thing in this cluster.
    Absent,
    /// It was not asked for: a flag, a budget, the total deadline.
    Skipped,
}

impl Outcome {
    /// Whether the capture of this item left nothing to be wished for.
    pub fn is_covered(self) -> bool {
        matches!(self, Self::Complete | Self::Absent)
    }
}

/// Size and hash of one entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EntryRecord {
    /// Where the entry is.
    pub path: EntryPath,
    /// Its unpacked size.
    pub bytes: u64,
    /// SHA-256 of its content, in lower-case hexadecimal.
    pub sha256: String,
}
