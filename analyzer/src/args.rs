//! The command line.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Parser, Subcommand};
use jiff::Timestamp;

use crate::extension::CliFlags;
use crate::finding::Severity;
use crate::report::Output;

/// Analyzes Linkerd bundles, offline.
#[derive(Debug, Parser)]
#[command(
    name = "linkerd-analyze",
    version,
    about = "Says what is wrong with the mesh that a bundle came from, with the evidence and the fix",
    args_conflicts_with_subcommands = true,
    subcommand_precedence_over_arg = true,
    after_help = "Examples:
  linkerd-analyze linkerd-bundle-prod.tar.gz
  linkerd-analyze bundle.zip -o json=report.json -o text --fail-on high
  linkerd-analyze grep bundle.tar.gz 'certificate has expired' '**/identity*.log'"
)]
pub struct Args {
    /// Something else than analyzing.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// The file with the age secret key of an encrypted bundle
    #[arg(long, value_name = "FILE", global = true)]
    pub identity: Option<PathBuf>,
    /// What to analyze, and how.
    #[command(flatten)]
    pub analyze: AnalyzeArgs,
    /// What is taken for the Linkerd CLI's sake.
    #[command(flatten)]
    pub cli: CliFlags,
}

/// How to analyze.
#[derive(Debug, ClapArgs)]
pub struct AnalyzeArgs {
    /// Bundles: tar.gz, tar, zip, folder, or a single log or list of objects
    #[arg(value_name = "BUNDLE", required = true)]
    pub bundles: Vec<PathBuf>,
    /// Format, and the file it goes to: text, json, json=FILE; may be given more than once
    #[arg(short, long = "output", value_name = "FORMAT[=FILE]")]
    pub outputs: Vec<Output>,
    /// Exit with 1 if there is a finding at least this bad
    #[arg(long, value_name = "SEVERITY", value_parser = severity, default_value = "high")]
    pub fail_on: Severity,
    /// Judge expiry and age at this time instead of the capture time
    #[arg(long, value_name = "TIME")]
    pub at: Option<Timestamp>,
    /// Show symptoms and all evidence
    #[arg(long)]
    pub all: bool,
    /// Findings that are known, with reason and expiry
    #[arg(long, value_name = "FILE")]
    pub suppress: Option<PathBuf>,
    /// Which rules to use.
    #[command(flatten)]
    pub rules: RuleArgs,
    /// Threads to use; all cores if left out
    #[arg(long, value_name = "N")]
    pub threads: Option<usize>,
}

/// Which rules to use.
#[derive(Debug, Clone, Default, ClapArgs)]
pub struct RuleArgs {
    /// A folder of more rules; one with the id of a built-in rule replaces it
    #[arg(long = "rules", value_name = "DIR")]
    pub folders: Vec<PathBuf>,
    /// Leave the built-in rules out
    #[arg(long)]
    pub no_builtin_rules: bool,
    /// Leave a rule out
    #[arg(long = "disable", value_name = "ID")]
    pub disabled: Vec<String>,
    /// Give a rule another severity
    #[arg(long = "severity", value_name = "ID=SEVERITY", value_parser = override_of)]
    pub severities: Vec<(String, Severity)>,
}

/// What else can be done with a bundle.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List entries
    Ls {
        /// The bundle
        bundle: PathBuf,
        /// Only entries that match, as in '**/*proxy.log'
        glob: Option<String>,
    },
    /// Print entries
    Cat {
        /// The bundle
        bundle: PathBuf,
        /// Path of an entry, or a glob
        entry: String,
    },
    /// Search entries for a regex, on all cores
    Grep(GrepArgs),
    /// Print the facts that rules ask about, as JSON lines
    Facts {
        /// The bundle
        bundle: PathBuf,
        /// Tables, such as `pods` or `certificates`; without any, how many rows each has
        tables: Vec<String>,
    },
    /// Check hashes, ledger and readability
    Verify {
        /// The bundle
        bundle: PathBuf,
        /// Only decode everything
        #[arg(long)]
        decode_only: bool,
        /// Threads to use; all cores if left out
        #[arg(long, value_name = "N")]
        threads: Option<usize>,
    },
    /// Work with rules
    #[command(subcommand)]
    Rules(RulesCommand),
}

/// What to search for.
#[derive(Debug, ClapArgs)]
pub struct GrepArgs {
    /// The bundle
    pub bundle: PathBuf,
    /// The regex
    pub pattern: String,
    /// Only entries that match, as in '**/*proxy.log'
    pub glob: Option<String>,
    /// Upper and lower case are the same
    #[arg(short, long)]
    pub ignore_case: bool,
    /// Print the number of matching lines of each entry
    #[arg(short, long)]
    pub count: bool,
    /// Threads to use; all cores if left out
    #[arg(long, value_name = "N")]
    pub threads: Option<usize>,
}

/// What to do with rules.
#[derive(Debug, Subcommand)]
pub enum RulesCommand {
    /// List rules
    List {
        /// Which rules.
        #[command(flatten)]
        rules: RuleArgs,
    },
    /// Show rules as documentation
    Show {
        /// Their ids
        #[arg(required = true)]
        ids: Vec<String>,
        /// Which rules.
        #[command(flatten)]
        rules: RuleArgs,
    },
    /// Write pages about rules: one for each topic, and an index
    Docs {
        /// The folder to write them into
        folder: PathBuf,
        /// Which rules.
        #[command(flatten)]
        rules: RuleArgs,
    },
    /// Find what is wrong with rules although they can be run
    Lint {
        /// Which rules.
        #[command(flatten)]
        rules: RuleArgs,
    },
    /// Run the cases of rules
    Test {
        /// Their ids; all if left out
        ids: Vec<String>,
        /// Which rules.
        #[command(flatten)]
        rules: RuleArgs,
    },
    /// Begin a rule: writes it and its cases from a template
    New {
        /// Its id
        id: String,
        /// The folder of its topic, such as `rules/proxy`
        folder: PathBuf,
    },
}

fn severity(text: &str) -> Result<Severity, String> {
    let found = Severity::ALL.into_iter().find(|s| s.name() == text);
    found.ok_or_else(|| {
        format!(
            "no severity `{text}`; there are {}",
            Severity::ALL.map(Severity::name).join(", ")
        )
    })
}

fn override_of(text: &str) -> Result<(String, Severity), String> {
    let (id, level) = text.split_once('=').ok_or("write it as ID=SEVERITY")?;
    Ok((id.to_owned(), severity(level)?))
}
