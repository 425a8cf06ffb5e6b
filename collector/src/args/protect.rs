//! Flags of what may leave, and of the programs for bundles and reports that exist already.

use std::path::PathBuf;

use bundle::Recipient;
use clap::Args;

use super::Format;

const DEANONYMIZE_EXAMPLES: &str = "\
Examples:
  linkerd-analyze case.tar.gz > report.txt
  linkerd-collect deanonymize report.txt --key case.tar.gz.key";

const REDACT_EXAMPLES: &str = "\
Examples:
  Take out what the collector of an older version left in:
      linkerd-collect redact old.tar.gz -o case-4711.tar.gz

  Take the names out too; case-4711.tar.gz.key stays with you:
      linkerd-collect redact old.tar.gz --anonymize -o case-4711.tar.gz";

/// Arguments of `linkerd-collect deanonymize`.
#[derive(Debug, Args)]
#[command(after_help = DEANONYMIZE_EXAMPLES)]
pub struct Deanonymize {
    /// The report, text or JSON; `-` is stdin.
    pub report: PathBuf,
    /// The key file that was written beside the bundle [default: the only .key file beside REPORT].
    #[arg(short, long, value_name = "FILE")]
    pub key: Option<PathBuf>,
    /// Where the report with names goes [default: stdout].
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// What is done so that a bundle may leave the house.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "What may leave")]
pub struct Protect {
    /// Puts keyed tokens in the place of names and addresses: namespaces, workloads, pods, nodes,
    /// hosts, IPs, names in certificates, annotations.
    #[arg(long)]
    pub anonymize: bool,
    /// The file with the key and what the tokens stand for; it stays with you [default: the
    /// bundle's name and .key]. One that exists is used again, so that tokens stay the same.
    #[arg(long, value_name = "FILE", requires = "anonymize")]
    pub anonymize_key: Option<PathBuf>,
    /// Encrypts the bundle with age to this public key (repeatable). No unencrypted bundle is
    /// written.
    #[arg(long, value_name = "age1...")]
    pub encrypt_to: Vec<Recipient>,
    /// Keeps a bundle in which the last look found what may be a secret.
    #[arg(long)]
    pub allow_unverified: bool,
}

impl Protect {
    /// What names of bundles of this form end with, without the leading dot.
    pub fn extension(&self, format: Format) -> String {
        let age = if self.encrypt_to.is_empty() {
            ""
        } else {
            ".age"
        };
        format!("{}{age}", format.extension())
    }

    /// Whether what is written cannot be topped up later: it is encrypted, or has no names.
    pub fn seals(&self) -> bool {
        self.anonymize || !self.encrypt_to.is_empty()
    }

    /// The key file of a bundle that is written to `output`.
    pub fn key_file(&self, output: &std::path::Path) -> PathBuf {
        self.anonymize_key.clone().unwrap_or_else(|| {
            let mut name = output.as_os_str().to_owned();
            name.push(".key");
            PathBuf::from(name)
        })
    }
}

/// Arguments of `linkerd-collect redact`.
#[derive(Debug, Args)]
#[command(after_help = REDACT_EXAMPLES)]
pub struct Redact {
    /// The bundle, in any form that `linkerd-analyze` reads.
    pub bundle: PathBuf,
    /// The file with the secret key of an encrypted BUNDLE.
    #[arg(long, value_name = "FILE")]
    pub identity: Option<PathBuf>,
    /// Where the new bundle goes [default: BUNDLE's name and .redacted.tar.gz in the current
    /// folder].
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// The new bundle's form [default: by the end of FILE's name, else tar.gz].
    #[arg(long, value_enum)]
    pub format: Option<Format>,
    /// Prints nothing but errors.
    #[arg(short, long)]
    pub quiet: bool,
    /// What may leave.
    #[command(flatten)]
    pub protect: Protect,
}
