//! The command line, and how it becomes a [`Plan`]. No I/O.

mod check;
mod permission;
mod protect;
mod workflow;

use std::path::PathBuf;
use std::time::Duration;

use bundle::Container;
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::plan::{Access, Limits, Moment, Plan, Scope};
use crate::resume::output_for;

pub use check::CheckArgs;
pub use permission::{HandOver, InCluster, JobArgs, Rbac};
pub use protect::{Deanonymize, Protect, Redact};
pub use workflow::WorkflowArgs;

const EXAMPLES: &str = "\
Examples:
  Capture everything the current kubeconfig context reaches, into the current folder:
      linkerd-collect

  See first what would be asked for:
      linkerd-collect --dry-run

  Only the control plane and two namespaces, logs of the last two hours, to a given file:
      linkerd-collect -n shop -n billing --since 2h -o case-4711.tar.gz

  Debug logs of one workload's proxies: raise, reproduce for five minutes, capture, put back:
      linkerd-collect -n shop --pods app=cart --proxy-log-level linkerd=debug --for 5m

  Logs and a metric scrape every 15 seconds over two minutes:
      linkerd-collect -n shop --follow 2m --scrape-gap 15s

  Capture when it happens again, within the next eight hours:
      linkerd-collect -n shop --until-event 'OOMKilled|Unhealthy' --timeout 8h

  The hour of the incident, in a file small enough to be mailed:
      linkerd-collect --since 2026-11-23T09:00:00Z --until 2026-11-23T10:00:00Z --max-size 20M

  Top up a bundle that was interrupted or lacks something, keeping what is there:
      linkerd-collect --resume case-4711.tar.gz

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

/// Captures everything that a Linkerd diagnosis needs through the Kubernetes API into one
/// compressed, redacted bundle.
///
/// Only reads: get and list, access reviews, and port-forwards to admin and webhook ports; only
/// `--proxy-log-level` changes anything, and puts it back. Reads no Secret, runs nothing in the
/// cluster. Pods, events and all other objects, container logs,
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
    /// Prints the least role that a capture needs, and its binding, as YAML.
    Rbac(Rbac),
    /// Says whether a capture would get what it asks for; `linkerd check` shows it too.
    Check(CheckArgs),
    /// Prints a Kubernetes Job that collects inside the cluster, with its role, as YAML.
    Job(JobArgs),
    /// Collects inside a Job's pod, and keeps the bundle until it is fetched.
    #[command(hide = true)]
    InCluster(InCluster),
    /// Tells the Linkerd CLI about this extension.
    #[command(hide = true, name = "_extension-metadata")]
    ExtensionMetadata,
    /// Writes a Job's bundle to stdout.
    #[command(hide = true)]
    HandOver(HandOver),
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
    /// Log lines (of previous containers too) and events no older than this: 30m, 2h, 1d, or a
    /// time such as 2026-11-23T09:00:00Z [default: all that is still there].
    #[arg(long, value_name = "WHEN", value_parser = moment)]
    pub since: Option<Moment>,
    /// Log lines and events up to then, in the same words [default: now].
    #[arg(long, value_name = "WHEN", value_parser = moment)]
    pub until: Option<Moment>,
    /// Bytes that the bundle may have, such as 200M. Goes to the control plane first, then to
    /// pods that are sick, to both ends of failing edges, to one pod of each workload, and to the
    /// rest; long logs keep both ends. Lists of objects always go in.
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub max_size: Option<u64>,
    /// Tops up a bundle, also an unfinished `.partial` one: keeps what is complete, asks again for
    /// all else, and puts the result in FILE's place unless there is `--output`.
    #[arg(long, value_name = "FILE", conflicts_with = "anonymize")]
    pub resume: Option<PathBuf>,
    /// The file with the secret key of an encrypted bundle that is topped up.
    #[arg(long, value_name = "FILE", requires = "resume")]
    pub identity: Option<PathBuf>,
    /// Opens no port-forward: no metrics, proxy state or presented certificates.
    #[arg(long)]
    pub no_port_forward: bool,
    /// Time between two scrapes of an admin port.
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration)]
    pub scrape_gap: Duration,
    /// Lists pods and what leads to them, prints what else would be asked for, and captures nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Prints nothing but errors.
    #[arg(short, long)]
    pub quiet: bool,
    /// Requests at work at most; a quarter of it (at least 2) for one node, and for lists. Twice
    /// as many may wait for nodes that do not answer.
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub concurrency: u16,
    /// How long one item may stay without an answer; a stream, without its next 64 KiB or its
    /// end.
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = duration)]
    pub item_timeout: Duration,
    /// When the bundle is finished with what is there [default: no limit].
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub timeout: Option<Duration>,
    /// What is done around the capture.
    #[command(flatten)]
    pub workflow: WorkflowArgs,
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
    /// The API server's address, instead of the kubeconfig's.
    #[arg(long, value_name = "URL")]
    pub api_addr: Option<String>,
    /// The namespace of Linkerd's CNI plugin [default: found by its labels].
    #[arg(long, value_name = "NS")]
    pub cni_namespace: Option<String>,
    /// Prints what the collector's own log says, too.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    #[arg(
        default_value = "false",
        hide_default_value = true,
        hide_possible_values = true
    )]
    pub verbose: bool,
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
        let output = self.output.or(self.resume.as_deref().map(output_for));
        let format = Format::choose(self.format, output.as_deref());
        // The Linkerd CLI passes `--as-group=[]` when no group is meant.
        let groups = self.access.as_group.into_iter().filter(|g| g != "[]");
        Plan {
            output,
            format,
            resume: self.resume,
            identity: self.identity,
            dry_run: self.dry_run,
            quiet: self.quiet,
            verbose: self.access.verbose,
            protect: self.protect,
            access: Access {
                kubeconfig: self.access.kubeconfig,
                context: self.access.context,
                api_addr: self.access.api_addr,
                as_user: self.access.as_user,
                as_groups: groups.collect(),
            },
            scope: Scope {
                namespaces: self.namespaces.into_iter().collect(),
                linkerd_namespace: self.access.linkerd_namespace,
                cni_namespace: self.access.cni_namespace,
                since: self.since,
                until: self.until,
                port_forward: !self.no_port_forward,
                scrape_gap: self.scrape_gap,
                follow: self.workflow.follow,
            },
            workflow: self.workflow.into_workflow(),
            limits: Limits {
                in_flight: usize::from(self.concurrency),
                per_node: usize::from(self.concurrency / 4).max(2),
                item_timeout: self.item_timeout,
                timeout: self.timeout,
                max_size: self.max_size,
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

/// A duration before now, or a time of RFC 3339.
fn moment(text: &str) -> Result<Moment, String> {
    if let Ok(at) = text.trim().parse() {
        return Ok(Moment::At(at));
    }
    let wrong =
        || format!("`{text}` is neither a duration nor a time; write 2h or 2026-11-23T09:00:00Z");
    duration(text).map(Moment::Ago).map_err(|_| wrong())
}

/// A number of bytes: `200M`, `1.5G`, `800k`, or `200Mi` and its like in powers of 1024.
fn size(text: &str) -> Result<u64, String> {
    let wrong = || format!("`{text}` is no size; write 200M, 1.5G or 800k");
    let text = text.trim().trim_end_matches(['B', 'b']);
    let letters = text.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    let number = text.strip_suffix(letters).unwrap_or(text);
    let unit: u64 = match letters {
        "" => 1,
        "k" | "K" => 1_000,
        "M" | "m" => 1_000_000,
        "G" | "g" => 1_000_000_000,
        "Ki" => 1 << 10,
        "Mi" => 1 << 20,
        "Gi" => 1 << 30,
        _ => return Err(wrong()),
    };
    let (whole, part) = number.split_once('.').unwrap_or((number, "0"));
    let digits = u32::try_from(part.len()).map_err(|_| wrong())?;
    let whole: u64 = whole.parse().map_err(|_| wrong())?;
    let part: u64 = part.parse().map_err(|_| wrong())?;
    let scale = 10u64.checked_pow(digits).ok_or_else(wrong)?;
    let fraction = part.checked_mul(unit).ok_or_else(wrong)? / scale;
    let bytes = whole
        .checked_mul(unit)
        .and_then(|w| w.checked_add(fraction));
    bytes.filter(|b| *b > 0).ok_or_else(wrong)
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
    fn a_moment_is_a_duration_or_a_time() {
        assert_eq!(moment("2h"), Ok(Moment::Ago(Duration::from_hours(2))));
        let at = "2026-11-23T09:00:00Z";
        assert_eq!(moment(at), Ok(Moment::At(at.parse().unwrap())));
        assert!(moment("2026-11-23").is_err() && moment("yesterday").is_err());
    }

    #[test]
    fn sizes_are_read_in_powers_of_ten_and_of_two() {
        for (text, bytes) in [
            ("200M", 200_000_000),
            ("1.5G", 1_500_000_000),
            ("800kB", 800_000),
            ("2Mi", 2 << 20),
            ("77", 77),
        ] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for text in ["", "M", "0", "-1M", "1T", "1.2.3M", "99999999999G", "1,5M"] {
            assert!(size(text).is_err(), "{text}");
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
