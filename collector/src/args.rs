//! The command line, and how it becomes a [`Plan`]. No I/O.

use std::path::PathBuf;
use std::time::Duration;

use bundle::{Container, Recipient};
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::plan::{Access, Limits, Plan, Scope};

const EXAMPLES: &str = "\
Examples:
  Capture everything the current kubeconfig context reaches, into the current folder:
      linkerd-collect

  See first what would be asked for:
      linkerd-collect --dry-run

  Only the control plane and two namespaces, logs of the last two hours, to a given file:
      linkerd-collect -n shop -n billing --since 2h -o case-4711.tar.gz

  Make a redacted bundle of files gathered by hand:
      linkerd-collect pack ./from-the-customer -o case-4711.tar.gz

  Redact a bundle that somebody else made:
      linkerd-collect redact support-bundle.tar.gz -o case-4711.tar.gz

  Encrypt it to whoever will read it, who opens it with `linkerd-analyze --identity FILE`:
      linkerd-collect --encrypt-to age1... -o case-4711.tar.gz.age

  Send a bundle without names, and read the answer with them:
      linkerd-collect --anonymize -o case.tar.gz
      linkerd-collect deanonymize report.txt --key case.tar.gz.key

Exit codes: 0 bundle complete; 2 no bundle that can be sent (arguments, cluster, disk, or a secret
may be in it: then its name ends with .rejected); 3 bundle written, some of
its items are missing (its ledger says which and why); 130 stopped by a second Ctrl-C.";

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

/// Captures everything that a Linkerd diagnosis needs through the Kubernetes API into one
/// compressed, redacted bundle.
///
/// Only reads: get and list, access reviews, and port-forwards to admin and webhook ports. Reads
/// no Secret, runs nothing in the cluster. Pods, events and all other objects, container logs,
/// proxy and control-plane metrics and presented certificates go in; secrets found in them
/// are taken out on the way.
#[derive(Debug, Parser)]
#[command(name = "linkerd-collect", version, after_help = EXAMPLES)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Cli {
    /// What to do instead of collecting from a cluster.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// How to collect from a cluster.
    #[command(flatten)]
    pub collect: Collect,
}

/// What to do instead of collecting from a cluster.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Makes a redacted, indexed bundle of a folder: files gathered by hand, or an unpacked bundle.
    Pack(Pack),
    /// Applies today's redaction to an existing bundle, and anonymizes or encrypts it.
    Redact(Redact),
    /// Turns the tokens of a report on an anonymized bundle back into names.
    Deanonymize(Deanonymize),
}

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

/// Arguments of `linkerd-collect pack`.
#[derive(Debug, Args)]
pub struct Pack {
    /// The folder whose files become entries. Files whose paths are those of a bundle are read as
    /// what they are; any other file is kept as redacted text.
    pub folder: PathBuf,
    /// Where the bundle goes [default: FOLDER's name and .tar.gz in the current folder].
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// The bundle's form [default: by the end of FILE's name, else tar.gz].
    #[arg(long, value_enum)]
    pub format: Option<Format>,
    /// Prints nothing but errors.
    #[arg(short, long)]
    pub quiet: bool,
    /// What may leave.
    #[command(flatten)]
    pub protect: Protect,
}

/// The forms of a bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A gzip-compressed tar.
    #[value(name = "tar.gz")]
    TarGz,
    /// A zip.
    Zip,
}

impl Format {
    /// The form asked for, or told by the file's name.
    pub fn choose(asked: Option<Self>, output: Option<&std::path::Path>) -> Self {
        let is_zip = || {
            let name = output.and_then(|o| o.file_name()).unwrap_or_default();
            let name = name.to_string_lossy().to_ascii_lowercase();
            name.strip_suffix(".age").unwrap_or(&name).ends_with(".zip")
        };
        asked.unwrap_or(if is_zip() { Self::Zip } else { Self::TarGz })
    }

    /// What names of such files end with, without the leading dot.
    pub fn extension(self) -> &'static str {
        match self {
            Self::TarGz => "tar.gz",
            Self::Zip => "zip",
        }
    }

    /// The writer's word for it.
    pub fn container(self) -> Container {
        match self {
            Self::TarGz => Container::TarGz,
            Self::Zip => Container::Zip,
        }
    }
}

/// Arguments of the plain call.
#[derive(Debug, Args)]
pub struct Collect {
    /// Where the bundle goes [default: linkerd-bundle-CLUSTER-TIME.tar.gz in the current folder].
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// The bundle's form [default: by the end of FILE's name, else tar.gz].
    #[arg(long, value_enum)]
    pub format: Option<Format>,
    /// Only these namespaces (repeatable). The control plane and its extensions are always in,
    /// and cluster-scoped objects.
    #[arg(short, long = "namespace", value_name = "NS", value_delimiter = ',')]
    pub namespaces: Vec<String>,
    /// Logs no older than this, such as 30m, 2h or 1d [default: all that the nodes still have].
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub since: Option<Duration>,
    /// Opens no port-forward: no metrics, proxy state or presented certificates.
    #[arg(long)]
    pub no_port_forward: bool,
    /// Time between the two scrapes of each admin port.
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration)]
    pub scrape_gap: Duration,
    /// Lists pods and what leads to them, prints what else would be asked for, and captures nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Prints nothing but errors.
    #[arg(short, long)]
    pub quiet: bool,
    /// Requests in flight at most; a quarter of it (at least 2) per node.
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub concurrency: u16,
    /// How long one item may stay without an answer; a stream, without its next byte.
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = duration)]
    pub item_timeout: Duration,
    /// When the bundle is finished with what is there [default: no limit].
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub timeout: Option<Duration>,
    /// What may leave.
    #[command(flatten)]
    pub protect: Protect,
    /// How to reach the cluster.
    #[command(flatten)]
    pub access: AccessArgs,
}

/// The flags that `kubectl` and `linkerd` have too.
#[derive(Debug, Args)]
#[command(next_help_heading = "Reaching the cluster")]
pub struct AccessArgs {
    /// The kubeconfig file [default: $KUBECONFIG, ~/.kube/config, or the service account in a
    /// pod].
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// The kubeconfig's context [default: its current one].
    #[arg(long, value_name = "NAME")]
    pub context: Option<String>,
    /// The user to act as.
    #[arg(long = "as", value_name = "USER")]
    pub as_user: Option<String>,
    /// The group to act as (repeatable).
    #[arg(long, value_name = "GROUP")]
    pub as_group: Vec<String>,
    /// The control plane's namespace [default: found by its labels, else linkerd].
    #[arg(
        short = 'L',
        long,
        value_name = "NS",
        env = "LINKERD_NAMESPACE",
        hide_env_values = true
    )]
    pub linkerd_namespace: Option<String>,
}

impl Collect {
    /// Turns the arguments into what will be done.
    pub fn into_plan(self) -> Plan {
        let format = Format::choose(self.format, self.output.as_deref());
        // The Linkerd CLI passes `--as-group=[]` when no group is meant.
        let groups = self.access.as_group.into_iter().filter(|g| g != "[]");
        Plan {
            output: self.output,
            format,
            dry_run: self.dry_run,
            quiet: self.quiet,
            protect: self.protect,
            access: Access {
                kubeconfig: self.access.kubeconfig,
                context: self.access.context,
                as_user: self.access.as_user,
                as_groups: groups.collect(),
            },
            scope: Scope {
                namespaces: self.namespaces.into_iter().collect(),
                linkerd_namespace: self.access.linkerd_namespace,
                since: self.since,
                port_forward: !self.no_port_forward,
                scrape_gap: self.scrape_gap,
            },
            limits: Limits {
                in_flight: usize::from(self.concurrency),
                per_node: usize::from(self.concurrency / 4).max(2),
                item_timeout: self.item_timeout,
                timeout: self.timeout,
                ..Limits::default()
            },
        }
    }
}

/// `90s`, `30m`, `2h`, `1d`, or parts of them in a row (`1h30m`); a bare number is seconds.
fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is no duration; write 90s, 30m, 2h or 1d");
    let mut total = Duration::ZERO;
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(wrong());
    }
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, tail) = rest.split_at(digits);
        let number: u64 = number.parse().map_err(|_| wrong())?;
        let letters = tail.len()
            - tail
                .trim_start_matches(|c: char| c.is_ascii_lowercase())
                .len();
        let (unit, tail) = tail.split_at(letters);
        let part = match unit {
            "ms" => Some(Duration::from_millis(number)),
            "s" | "" => Some(Duration::from_secs(number)),
            "m" => number.checked_mul(60).map(Duration::from_secs),
            "h" => number.checked_mul(3600).map(Duration::from_secs),
            "d" => number.checked_mul(86400).map(Duration::from_secs),
            _ => None,
        };
        total = part.and_then(|p| total.checked_add(p)).ok_or_else(wrong)?;
        rest = tail;
    }
    // A century is as good as no limit, and keeps later sums from overflowing.
    Ok(total.min(Duration::from_hours(100 * 366 * 24)))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn durations_are_read_as_go_writes_them() {
        for (text, seconds) in [
            ("90s", 90),
            ("30m", 1800),
            ("1h30m", 5400),
            ("1d", 86400),
            ("15", 15),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "x", "1x", "-1s", "h", "99999999999999999999h", "1.5h"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_form_is_asked_for_or_told_by_the_files_name() {
        let path = std::path::Path::new("a.ZIP");
        assert_eq!(Format::choose(None, Some(path)), Format::Zip);
        assert_eq!(
            Format::choose(Some(Format::TarGz), Some(path)),
            Format::TarGz
        );
        assert_eq!(Format::choose(None, None), Format::TarGz);
    }

    #[test]
    fn the_flags_that_the_linkerd_cli_passes_are_understood() {
        let cli = Cli::try_parse_from([
            "linkerd-collect",
            "--as-group=[]",
            "--linkerd-namespace=linkerd",
            "--context=prod",
        ]);
        let plan = cli.unwrap().collect.into_plan();
        assert!(plan.access.as_groups.is_empty());
        assert_eq!(plan.access.context.as_deref(), Some("prod"));
    }
}
