//! The report: findings, and everything that was not examined. Formats render it; none decides
//! what matters.

pub(crate) mod escape;
mod format;
mod json;
mod text;
mod text_parts;

use bundle::ProblemKind;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use format::{Format, Output};
pub use text::{Look, text};

pub use json::json;
pub(crate) use text_parts::{bytes, thousands};

pub use crate::clock::Clock;
use crate::finding::{Finding, Severity};

/// What an analysis came to. The JSON report is this, as it stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "Report of linkerd-analyze")]
pub struct Report {
    /// Version of this format. New optional fields do not raise it.
    pub format: u32,
    /// The bundle.
    pub bundle: BundleInfo,
    /// What was found, worst first; symptoms are below their causes.
    pub findings: Vec<Finding>,
    /// Rules that could not be decided.
    pub could_not_check: Vec<CouldNotCheck>,
    /// Entries that could not be read as they should.
    pub not_examined: Vec<NotExamined>,
    /// How many of everything.
    pub counts: Counts,
}

/// The format of the JSON report.
pub const REPORT_FORMAT: u32 = 1;

/// What was analyzed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BundleInfo {
    /// Its name.
    pub name: String,
    /// When it was captured, if it says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub captured_at: Option<Timestamp>,
    /// The time by which expiry and age were judged.
    pub at: Timestamp,
    /// What told that time.
    #[serde(default)]
    pub clock: Clock,
    /// The program that captured it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub collector: Option<String>,
    /// Version of the control plane.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub linkerd_version: Option<String>,
    /// Version of the API server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kubernetes_version: Option<String>,
    /// Pods in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pods: Option<u64>,
    /// Pods with a proxy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub meshed_pods: Option<u64>,
}

/// A rule that could not be decided.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct CouldNotCheck {
    /// Its id.
    pub rule: String,
    /// Why not.
    pub reason: String,
    /// What fetches what is missing.
    pub how_to_get_it: String,
}

/// An entry that could not be read as it should.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct NotExamined {
    /// Its path; the container itself if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entry: Option<String>,
    /// What kind of trouble it is.
    pub kind: String,
    /// In words.
    pub detail: String,
}

/// The word for a kind of problem.
pub(crate) fn problem_word(kind: ProblemKind) -> &'static str {
    match kind {
        ProblemKind::PathRefused => "path-refused",
        ProblemKind::TypeRefused => "type-refused",
        ProblemKind::OverLimit => "over-limit",
        ProblemKind::CutShort => "cut-short",
        ProblemKind::Damaged => "damaged",
        ProblemKind::IndexUnsound => "index-unsound",
        ProblemKind::ManifestUnsound => "manifest-unsound",
        ProblemKind::Duplicate => "duplicate",
        ProblemKind::Io => "io",
    }
}

/// How many of everything.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Counts {
    /// Findings at the top level.
    pub critical: usize,
    /// Findings at the top level.
    pub high: usize,
    /// Findings at the top level.
    pub medium: usize,
    /// Findings at the top level.
    pub low: usize,
    /// Findings at the top level.
    pub info: usize,
    /// Findings that others account for.
    pub symptoms: usize,
    /// Findings that were suppressed.
    pub suppressed: usize,
    /// Rules that were asked.
    pub rules: usize,
    /// Rules that hold.
    pub rules_found: usize,
    /// Rules that do not hold.
    pub rules_clear: usize,
    /// Rules that could not be decided.
    pub rules_undecided: usize,
    /// Rules for other versions.
    pub rules_not_applicable: usize,
    /// Entries that were read.
    pub entries: usize,
    /// Their bytes, unpacked.
    pub bytes: u64,
}

impl Counts {
    pub(crate) fn note(&mut self, severity: Severity) {
        match severity {
            Severity::Critical => self.critical += 1,
            Severity::High => self.high += 1,
            Severity::Medium => self.medium += 1,
            Severity::Low => self.low += 1,
            Severity::Info => self.info += 1,
        }
    }

    /// Findings of one severity at the top level.
    pub fn of(&self, severity: Severity) -> usize {
        match severity {
            Severity::Critical => self.critical,
            Severity::High => self.high,
            Severity::Medium => self.medium,
            Severity::Low => self.low,
            Severity::Info => self.info,
        }
    }
}

impl Report {
    /// Whether there is a finding at least this bad, symptoms included.
    pub fn has_at_least(&self, severity: Severity) -> bool {
        fn any(findings: &[Finding], severity: Severity) -> bool {
            findings
                .iter()
                .any(|f| f.severity >= severity || any(&f.symptoms, severity))
        }
        any(&self.findings, severity)
    }

    /// Whether something could not be examined or decided.
    pub fn is_incomplete(&self) -> bool {
        let is_loss = |item: &&NotExamined| item.kind != problem_word(ProblemKind::IndexUnsound);
        !self.could_not_check.is_empty() || self.not_examined.iter().any(|item| is_loss(&item))
    }
}
