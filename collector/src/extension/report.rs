//! What `linkerd check` reads of an extension, and what it prints itself.

use std::io::Write;

use clap::ValueEnum;
use serde::Serialize;

/// How checks are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A line per check.
    Table,
    /// The object that the Linkerd CLI reads.
    Json,
    /// Only what is not well.
    Short,
}

/// The checks of one extension.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    success: bool,
    categories: Vec<Category>,
}

#[derive(Debug, Serialize)]
struct Category {
    #[serde(rename = "categoryName")]
    name: &'static str,
    checks: Vec<Check>,
}

/// One check and its result.
#[derive(Debug, Serialize)]
pub(super) struct Check {
    description: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    result: Verdict,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    Success,
    Warning,
    Error,
}

impl Verdict {
    fn sign(self) -> char {
        match self {
            Self::Success => '\u{221a}',
            Self::Warning => '\u{203c}',
            Self::Error => '\u{d7}',
        }
    }
}

impl Check {
    pub(super) fn success(description: &'static str) -> Self {
        Self {
            description,
            hint: None,
            error: None,
            result: Verdict::Success,
        }
    }

    pub(super) fn warning(description: &'static str, why: String, hint: &'static str) -> Self {
        Self {
            description,
            hint: Some(hint),
            error: Some(why),
            result: Verdict::Warning,
        }
    }

    pub(super) fn error(description: &'static str, why: String, hint: &'static str) -> Self {
        Self {
            result: Verdict::Error,
            ..Self::warning(description, why, hint)
        }
    }
}

impl Report {
    pub(super) fn of(checks: Vec<Check>) -> Self {
        let name = "linkerd-collect";
        Self {
            success: checks.iter().all(|c| c.result != Verdict::Error),
            categories: vec![Category { name, checks }],
        }
    }

    pub(super) fn is_success(&self) -> bool {
        self.success
    }

    pub(super) fn write(&self, format: Format, out: &mut dyn Write) -> std::io::Result<()> {
        if format == Format::Json {
            let json = serde_json::to_string_pretty(self)?;
            return writeln!(out, "{json}");
        }
        for category in &self.categories {
            self.category(category, format, out)?;
        }
        let verdict = if self.success {
            Verdict::Success
        } else {
            Verdict::Error
        };
        writeln!(out, "Status check results are {}", verdict.sign())
    }

    #[expect(clippy::unused_self, reason = "reads as a part of `write`")]
    fn category(
        &self,
        category: &Category,
        format: Format,
        out: &mut dyn Write,
    ) -> std::io::Result<()> {
        let is_shown = |c: &&Check| format == Format::Table || c.result != Verdict::Success;
        let mut shown = category.checks.iter().filter(is_shown).peekable();
        if shown.peek().is_none() {
            return Ok(());
        }
        writeln!(
            out,
            "{}\n{}",
            category.name,
            "-".repeat(category.name.len())
        )?;
        for check in shown {
            writeln!(out, "{} {}", check.result.sign(), check.description)?;
            if let (Some(error), Some(hint)) = (&check.error, check.hint) {
                writeln!(out, "    {error}\n    see {hint} for hints")?;
            }
        }
        writeln!(out)
    }
}
