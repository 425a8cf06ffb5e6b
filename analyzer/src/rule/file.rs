//! What the YAML of a rule says. Shape only; what it means is checked by [`super::compile`].

use std::collections::BTreeMap;
use std::num::NonZeroU64;

use bundle::SourceKind;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::spanned::At;
use crate::finding::Severity;

/// A rule: one question to a bundle.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(title = "Rule")]
pub(crate) struct RuleFile {
    /// Lower-case words joined by hyphens; also the name of the file. Never reused.
    pub(crate) id: At<String>,
    /// What is wrong, in a few words.
    pub(crate) title: At<String>,
    /// How bad it is if it is true.
    pub(crate) severity: Severity,
    /// Whether people rely on it.
    #[serde(default)]
    pub(crate) maturity: Maturity,
    /// The folder that the file is in.
    pub(crate) topic: At<String>,
    /// Versions that it applies to.
    #[serde(default)]
    pub(crate) applies: Applies,
    /// Sources that must be covered for it to be decided, if not those of its matchers.
    #[serde(default)]
    pub(crate) needs: Option<Vec<SourceKind>>,
    /// What it looks for, by names of its own.
    pub(crate) matchers: BTreeMap<String, At<MatcherFile>>,
    /// How the matchers are joined; all of them if it is left out.
    #[serde(default)]
    pub(crate) condition: Option<At<ConditionFile>>,
    /// What evidence is joined by.
    #[serde(default)]
    pub(crate) by: By,
    /// What was found, with `{placeholders}`.
    pub(crate) message: At<String>,
    /// What that means to the mesh's users.
    pub(crate) meaning: At<String>,
    /// Steps to mend it, with `{placeholders}`.
    pub(crate) fix: Vec<At<String>>,
    /// Where to read more.
    #[serde(default)]
    pub(crate) links: Vec<At<String>>,
    /// Symptoms that this cause accounts for.
    #[serde(default)]
    pub(crate) explains: Vec<ExplainFile>,
    /// Where the rule's author learned it.
    #[serde(default)]
    pub(crate) references: Vec<String>,
}

/// Whether people rely on a rule.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Maturity {
    /// It is.
    #[default]
    Stable,
    /// It is tried out.
    Test,
}

/// Ranges of versions, such as `>=v2.200 <v2.300`.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Applies {
    /// Of any proxy in the bundle.
    #[serde(default)]
    pub(crate) proxy: Option<At<String>>,
    /// Of the control plane.
    #[serde(default)]
    pub(crate) control_plane: Option<At<String>>,
    /// Of the API server.
    #[serde(default)]
    pub(crate) kubernetes: Option<At<String>>,
}

/// What evidence is joined by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum By {
    /// One pod.
    Pod,
    /// What owns the pod: a Deployment, a Job.
    Workload,
    /// The node that a pod runs on.
    Node,
    /// A Service.
    Service,
    /// A namespace.
    Namespace,
    /// A mesh identity, from a capture called `identity`.
    Identity,
    /// A certificate.
    Certificate,
    /// All of the bundle.
    #[default]
    Bundle,
}

/// One matcher.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum MatcherFile {
    /// Log lines.
    Log(LogFile),
    /// Rows of a fact table.
    Fact(FactFile),
    /// Kubernetes events.
    Event(EventFile),
    /// Kubernetes objects.
    Object(ObjectFile),
    /// Metric samples.
    Metric(MetricFile),
    /// Verdicts of probe packets through a pod's iptables rules.
    Iptables(WhereFile),
    /// Certificates.
    Certificate(WhereFile),
    /// Holds where something is missing although its source was covered.
    Absent(AbsentFile),
    /// Findings of another rule.
    Finding(At<String>),
}

/// Log lines.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct LogFile {
    /// Containers whose logs are looked at; all if left out.
    #[serde(default)]
    pub(crate) containers: Vec<String>,
    /// `false`: only logs of current instances of containers; `true`: only of previous ones.
    #[serde(default)]
    pub(crate) previous: Option<bool>,
    /// At least this level: trace, debug, info, warn, error, fatal.
    #[serde(default)]
    pub(crate) level: Option<At<String>>,
    /// Start of the module, or the component of a logrus line.
    #[serde(default)]
    pub(crate) target: Option<String>,
    /// A regex with named captures.
    #[serde(default)]
    pub(crate) pattern: Option<At<String>>,
    /// Several regexes, any of which will do.
    #[serde(default)]
    pub(crate) patterns: Vec<At<String>>,
    /// A regex for lines that do not count.
    #[serde(default)]
    pub(crate) exclude: Option<At<String>>,
    /// `false`: no lines that a proxy wrote after it was told to stop.
    #[serde(default = "yes")]
    pub(crate) shutdown: bool,
    /// Only lines written at least this long after their process started, where a line tells.
    #[serde(default)]
    pub(crate) uptime: Option<At<String>>,
    /// Least number of lines.
    #[serde(default)]
    pub(crate) min_count: Option<NonZeroU64>,
    /// The last line must be within this time of the capture or of the end of its log.
    #[serde(default)]
    pub(crate) ongoing: Option<At<String>>,
}

fn yes() -> bool {
    true
}

/// Rows of a fact table.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct FactFile {
    /// Name of the table.
    pub(crate) table: At<String>,
    /// CEL over `row`.
    #[serde(default, rename = "where")]
    pub(crate) predicate: Option<At<String>>,
    /// Least number of rows.
    #[serde(default, rename = "min-count")]
    pub(crate) min_count: Option<NonZeroU64>,
}

/// A predicate alone.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct WhereFile {
    /// CEL over `row`.
    #[serde(rename = "where")]
    pub(crate) predicate: At<String>,
}

/// Kubernetes events.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct EventFile {
    /// Any of these reasons.
    #[serde(default)]
    pub(crate) reason: Vec<String>,
    /// `Normal` or `Warning`.
    #[serde(default, rename = "type")]
    pub(crate) event_type: Option<EventType>,
    /// Any of these kinds of involved object.
    #[serde(default)]
    pub(crate) object: Vec<String>,
    /// A regex with named captures.
    #[serde(default)]
    pub(crate) message: Option<At<String>>,
    /// CEL over `row`.
    #[serde(default, rename = "where")]
    pub(crate) predicate: Option<At<String>>,
    /// Least number of times, over all matching events.
    #[serde(default)]
    pub(crate) min_count: Option<NonZeroU64>,
    /// The last one must be within this time of the capture.
    #[serde(default)]
    pub(crate) ongoing: Option<At<String>>,
}

/// How an event is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
pub(crate) enum EventType {
    /// All is as it should be.
    Normal,
    /// Something may be wrong.
    Warning,
}

/// Kubernetes objects.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ObjectFile {
    /// The kind.
    pub(crate) kind: At<String>,
    /// CEL over `object`.
    #[serde(default, rename = "where")]
    pub(crate) predicate: Option<At<String>>,
}

/// Metric samples.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MetricFile {
    /// `proxy` or `control-plane`; both if left out.
    #[serde(default)]
    pub(crate) source: Option<MetricSource>,
    /// Name of the metric.
    pub(crate) family: At<String>,
    /// Labels that must have these values.
    #[serde(default)]
    pub(crate) labels: BTreeMap<String, String>,
    /// CEL over `value`, `previous`, `delta`, `rate`, `labels` and `row`.
    #[serde(default, rename = "where")]
    pub(crate) predicate: Option<At<String>>,
}

/// Where metrics come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum MetricSource {
    /// Proxies.
    Proxy,
    /// Containers of the control plane.
    ControlPlane,
}

/// Something that is missing.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AbsentFile {
    /// The source that must be covered.
    pub(crate) source: SourceKind,
    /// `pod-logs`: the container whose log is looked at.
    #[serde(default)]
    pub(crate) container: Option<String>,
    /// `pod-logs`: whether only excerpts are looked at: logs of at most 60 lines that were handed
    /// over without a ledger and pods. Their lines were chosen by somebody.
    #[serde(default)]
    pub(crate) excerpt: bool,
    /// `pod-logs`: the regex that no line may match.
    #[serde(default)]
    pub(crate) pattern: Option<At<String>>,
    /// Another source: the fact table that may have no such row.
    #[serde(default)]
    pub(crate) table: Option<At<String>>,
    /// CEL over `row`.
    #[serde(default, rename = "where")]
    pub(crate) predicate: Option<At<String>>,
}

/// How matchers are joined: the name of one, or one of the forms below.
#[derive(Debug, Clone, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ConditionFile {
    /// All of these.
    All(Vec<At<ConditionFile>>),
    /// At least one of these.
    Any(Vec<At<ConditionFile>>),
    /// Not this.
    Not(Box<At<ConditionFile>>),
    /// More than so many within a period.
    Count(CountFile),
    /// One after the other.
    Sequence(SequenceFile),
    /// The matcher of this name has evidence.
    #[serde(untagged)]
    Matcher(String),
}

/// More than so many within a period.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CountFile {
    /// The matcher.
    pub(crate) of: At<String>,
    /// More than this.
    pub(crate) over: u64,
    /// Within this time; at any time if left out.
    #[serde(default)]
    pub(crate) within: Option<At<String>>,
}

/// One after the other.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct SequenceFile {
    /// What comes first.
    pub(crate) first: At<String>,
    /// What follows.
    #[serde(default)]
    pub(crate) then: Option<At<String>>,
    /// What does not follow.
    #[serde(default)]
    pub(crate) not_then: Option<At<String>>,
    /// The longest time between the two.
    #[serde(default)]
    pub(crate) within: Option<At<String>>,
}

/// A symptom that a cause accounts for.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExplainFile {
    /// Id of the symptom's rule.
    pub(crate) rule: At<String>,
    /// Where it does.
    #[serde(default, rename = "where")]
    pub(crate) place: Place,
}

/// Where a cause accounts for a symptom.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Place {
    /// Anywhere in the cluster.
    #[default]
    Anywhere,
    /// In a namespace of the cause.
    Namespace,
    /// On a pod, workload or node of the cause.
    Subject,
}

/// The cases of a rule.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Cases of a rule")]
pub(crate) struct CasesFile {
    /// At least one that fires and one that is silent.
    pub(crate) cases: Vec<CaseFile>,
}

/// One case.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CaseFile {
    /// What it shows, as a sentence.
    pub(crate) name: String,
    /// What the rule says.
    pub(crate) expect: Expect,
    /// The capture time; `2026-01-01T00:00:00Z` if left out.
    #[serde(default)]
    pub(crate) at: Option<At<String>>,
    /// Entries of the bundle.
    #[serde(default)]
    pub(crate) files: BTreeMap<String, String>,
    /// Rows of fact tables, besides those derived from the files.
    #[serde(default)]
    pub(crate) facts: BTreeMap<String, Vec<Value>>,
    /// A regex for the finding's message.
    #[serde(default)]
    pub(crate) message: Option<At<String>>,
}

/// What a rule says of a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Expect {
    /// A finding.
    Fires,
    /// Nothing.
    Silent,
    /// That it could not be decided.
    CouldNotCheck,
}
