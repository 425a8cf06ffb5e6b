//! Suppressions: findings that someone has decided to live with, and until when.

use std::path::Path;

use anyhow::Context as _;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use schemars::JsonSchema;
use serde::Deserialize;

use super::yaml::{self, Read};
use crate::evidence::Subject;
use crate::finding::Finding;

/// A file of suppressions.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Suppressions {
    /// Each with a reason and an end.
    suppressions: Vec<Suppression>,
}

/// One suppression.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Suppression {
    /// Id of the rule.
    rule: String,
    /// Only findings all of whose subjects are in this namespace.
    #[serde(default)]
    namespace: Option<String>,
    /// Only findings all of whose subjects have names that start so.
    #[serde(default)]
    name: Option<String>,
    /// Why.
    reason: String,
    /// The first day on which it does not hold any more, as `2027-01-31`.
    expires: String,
}

impl Suppressions {
    /// Reads a file.
    ///
    /// # Errors
    /// When it cannot be read, or says something that is not understood.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read the suppressions `{}`", path.display()))?;
        let Read { value, faults } = yaml::read::<Self>(&path.display().to_string(), &text);
        let file = value.filter(|_| faults.is_empty()).ok_or_else(|| {
            let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
            anyhow::anyhow!("{}", faults.join("\n"))
        })?;
        for suppression in &file.suppressions {
            anyhow::ensure!(
                !suppression.reason.trim().is_empty(),
                "the suppression of `{}` has no reason",
                suppression.rule
            );
            suppression.end().with_context(|| {
                format!(
                    "`{}` is no day; write one as `2027-01-31`",
                    suppression.expires
                )
            })?;
        }
        Ok(file)
    }

    /// Whether a finding is suppressed at a time.
    pub(crate) fn covers(&self, finding: &Finding, at: Timestamp) -> bool {
        self.suppressions.iter().any(|s| s.covers(finding, at))
    }
}

impl Suppression {
    fn end(&self) -> Option<Timestamp> {
        let day: Date = self.expires.parse().ok()?;
        Some(day.to_zoned(TimeZone::UTC).ok()?.timestamp())
    }

    fn covers(&self, finding: &Finding, at: Timestamp) -> bool {
        let is_named = |subject: &Subject| {
            self.namespace
                .as_ref()
                .is_none_or(|n| subject.namespace.as_ref() == Some(n))
                && self
                    .name
                    .as_ref()
                    .is_none_or(|n| subject.name.starts_with(n.as_str()))
        };
        self.rule == finding.rule
            && self.end().is_some_and(|end| at < end)
            && finding.subjects.iter().all(is_named)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;
    use crate::finding::Severity;

    fn file(text: &str) -> anyhow::Result<Suppressions> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        Suppressions::read(file.path())
    }

    #[test]
    fn a_suppression_ends() {
        let finding = Finding {
            rule: "x".into(),
            title: String::new(),
            severity: Severity::Low,
            own_severity: None,
            message: String::new(),
            meaning: String::new(),
            fix: Vec::new(),
            links: Vec::new(),
            subjects: vec![Subject::namespaced("Pod", "shop", "cart-1")],
            evidence: Vec::new(),
            occurrences: 1,
            first: None,
            last: None,
            symptoms: Vec::new(),
        };
        let all = file(
            "suppressions: [{rule: x, namespace: shop, name: cart, reason: known, expires: 2026-12-01}]",
        )
        .unwrap();
        assert!(all.covers(&finding, "2026-11-30T23:59:59Z".parse().unwrap()));
        assert!(!all.covers(&finding, "2026-12-01T00:00:00Z".parse().unwrap()));
    }

    #[test]
    fn a_suppression_needs_a_reason_and_an_end() {
        assert!(file("suppressions: [{rule: x, reason: ' ', expires: 2026-12-01}]").is_err());
        assert!(file("suppressions: [{rule: x, reason: y, expires: soon}]").is_err());
        assert!(file("suppressions: [{rule: x, reason: y}]").is_err());
    }
}
