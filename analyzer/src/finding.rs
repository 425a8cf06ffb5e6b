//! Findings: rules that held, with what shows it.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::evidence::{Evidence, Subject};

/// How bad a finding is if it is true.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing, nothing to do.
    Info,
    /// Should be tidied up some day.
    Low,
    /// Will break, or breaks something small.
    Medium,
    /// Something is broken for some users.
    High,
    /// The mesh or a whole service is down, or about to be.
    Critical,
}

impl Severity {
    /// Every severity, lowest first.
    pub const ALL: [Self; 5] = [
        Self::Info,
        Self::Low,
        Self::Medium,
        Self::High,
        Self::Critical,
    ];

    /// The lower-case name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

/// A rule that held, once for every value of the rule's `by` key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// The rule's id.
    pub rule: String,
    /// The rule's title.
    pub title: String,
    /// How bad it is: as bad as the worst of what it causes.
    pub severity: Severity,
    /// How bad it is by itself, if what it causes is worse.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub own_severity: Option<Severity>,
    /// What was found here, with names and numbers filled in.
    pub message: String,
    /// What that means to the mesh's users.
    pub meaning: String,
    /// Steps to mend it; commands can be pasted.
    pub fix: Vec<String>,
    /// Where to read more.
    pub links: Vec<String>,
    /// What it is about. Never empty.
    pub subjects: Vec<Subject>,
    /// Where it shows: the first few places, in bundle order. Never empty.
    pub evidence: Vec<Evidence>,
    /// How many places show it in all.
    pub occurrences: u64,
    /// When it first happened, if the evidence has times.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first: Option<Timestamp>,
    /// When it last happened.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last: Option<Timestamp>,
    /// Findings that this one accounts for. They are not listed at the top level.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub symptoms: Vec<Finding>,
}
