//! Rules: what the YAML says ([`mod@file`]), made into what runs ([`Rule`]) by [`compile`], which
//! reports every fault of every file. Nothing after this module can meet a bad rule.
//!
//! Not here: scanning, and deciding what evidence amounts to.

pub(crate) mod begin;
pub(crate) mod builtin;
pub(crate) mod cases;
mod compile;
mod compile_condition;
mod compile_matcher;
pub(crate) mod docs;
mod example;
pub(crate) mod fault;
pub(crate) mod file;
mod inside;
pub(crate) mod keep;
pub(crate) mod lint;
mod near;
#[cfg(test)]
mod ordinary;
pub(crate) mod pack;
pub(crate) mod predicate;
pub(crate) mod select;
pub(crate) mod set;
pub(crate) mod show;
mod spanned;
pub(crate) mod suppress;
pub(crate) mod template;
mod together;
pub(crate) mod version;
mod yaml;

use std::collections::BTreeSet;

use bundle::SourceKind;
use jiff::SignedDuration;
use serde_json::Value;

use crate::finding::Severity;
use crate::scan::expression::Expression;
pub(crate) use file::{By, Maturity, Place};
use predicate::Predicate;
use template::Template;
use version::Range;

/// A rule that can be run.
#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) id: String,
    pub(crate) title: String,
    pub(crate) severity: Severity,
    pub(crate) maturity: Maturity,
    pub(crate) topic: String,
    pub(crate) proxy: Option<Range>,
    pub(crate) control_plane: Option<Range>,
    pub(crate) kubernetes: Option<Range>,
    pub(crate) needs: Option<Vec<SourceKind>>,
    /// By name, ordered by name.
    pub(crate) matchers: Vec<NamedMatcher>,
    pub(crate) condition: Condition,
    pub(crate) by: By,
    pub(crate) message: Template,
    pub(crate) meaning: Template,
    pub(crate) fix: Vec<Template>,
    pub(crate) links: Vec<String>,
    pub(crate) explains: Vec<(String, Place)>,
    pub(crate) references: Vec<String>,
}

impl Rule {
    /// Tells its matchers that their log matchers come after `others`.
    fn move_logs(&mut self, others: usize) {
        for named in &mut self.matchers {
            if let Matcher::Log(number) | Matcher::NoLine { log: number } = &mut named.matcher {
                *number += others;
            }
        }
    }
}

/// A matcher and its name.
#[derive(Debug)]
pub(crate) struct NamedMatcher {
    pub(crate) name: String,
    pub(crate) matcher: Matcher,
    /// Evidence of this many places at least.
    pub(crate) min_count: u64,
    /// The last place must be this near to the end.
    pub(crate) ongoing: Option<SignedDuration>,
}

/// What a matcher looks at.
#[derive(Debug)]
pub(crate) enum Matcher {
    /// Lines of logs: the number of a log matcher of the rule set's scanner.
    Log(usize),
    /// Rows of a fact table.
    Table(TableMatcher),
    /// Logs of a container without such a line: the number of a log matcher.
    NoLine { log: usize },
    /// No such row although the source was covered.
    NoRow {
        table: TableMatcher,
        source: SourceKind,
    },
    /// Findings of the rule with this id.
    Finding(String),
}

impl Matcher {
    /// The rows that it looks at, if it looks at rows.
    pub(crate) fn table(&self) -> Option<&TableMatcher> {
        match self {
            Self::Table(table) | Self::NoRow { table, .. } => Some(table),
            _ => None,
        }
    }
}

/// Rows of a fact table.
#[derive(Debug)]
pub(crate) struct TableMatcher {
    pub(crate) table: String,
    /// Tests that are cheaper than an expression, and come first.
    pub(crate) tests: Vec<Test>,
    /// A regex for a text field, with captures.
    pub(crate) text: Option<(&'static str, Expression)>,
    pub(crate) predicate: Option<Predicate>,
    /// Fields that are variables of their own.
    pub(crate) variables: &'static [&'static str],
    /// Its number among all matchers of all rules.
    pub(crate) number: u32,
    /// Fields that the rule's texts show.
    pub(crate) shown: BTreeSet<String>,
}

/// A field, by JSON pointer, that must have one of some values.
#[derive(Debug)]
pub(crate) struct Test {
    pub(crate) pointer: String,
    pub(crate) any_of: Vec<Value>,
}

/// How matchers are joined. Numbers are positions in [`Rule::matchers`].
#[derive(Debug, Clone)]
pub(crate) enum Condition {
    Matcher(usize),
    All(Vec<Condition>),
    Any(Vec<Condition>),
    Not(Box<Condition>),
    Count {
        of: usize,
        over: u64,
        within: Option<SignedDuration>,
    },
    Sequence {
        first: usize,
        then: usize,
        is_absent: bool,
        within: Option<SignedDuration>,
    },
}

impl Condition {
    /// The matchers whose evidence makes it hold, and those whose lack does.
    pub(crate) fn matchers(&self, positive: &mut Vec<usize>, negative: &mut Vec<usize>) {
        match self {
            Self::Matcher(number) => positive.push(*number),
            Self::All(parts) | Self::Any(parts) => {
                for part in parts {
                    part.matchers(positive, negative);
                }
            }
            Self::Not(part) => part.matchers(negative, positive),
            Self::Count { of, .. } => positive.push(*of),
            Self::Sequence {
                first,
                then,
                is_absent,
                ..
            } => {
                positive.push(*first);
                if *is_absent {
                    negative.push(*then);
                } else {
                    positive.push(*then);
                }
            }
        }
    }
}

/// The built-in rules, unless they are not wanted, and those of `folders`, without the rules
/// named in `disabled`.
///
/// # Errors
/// When a folder cannot be read, or a rule has a fault: all of them are told.
pub fn load_rules(
    folders: &[std::path::PathBuf],
    with_builtin: bool,
    disabled: &[String],
) -> anyhow::Result<set::Rules> {
    let texts = pack::gather(folders, with_builtin)?;
    Ok(set::Rules::compile_except(
        &texts,
        &disabled.iter().cloned().collect(),
    )?)
}

/// The JSON Schema of a rule file, for editors.
pub fn rule_schema() -> schemars::Schema {
    schemars::schema_for!(file::RuleFile)
}

/// The JSON Schema of a file of cases.
pub fn cases_schema() -> schemars::Schema {
    schemars::schema_for!(file::CasesFile)
}
