//! Runs what the command line asks for.

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal as _, Write};
use std::path::Path;

use anyhow::Context as _;
use bundle::{Bundle, Identity, Limits};

use crate::args::{AnalyzeArgs, Args, Command, RuleArgs};
use crate::exit::ExitStatus;
use crate::report::{Format, Look, Output, Report, json, text};
use crate::rule::suppress::Suppressions;
use crate::{Options, Rules, analyze, hand, load_rules};

/// Does what is asked for.
///
/// # Errors
/// When nothing could be done: bad arguments, bundle or rule.
pub fn run(args: &Args) -> anyhow::Result<ExitStatus> {
    let keys = args.identity.as_deref().map(Identity::read).transpose()?;
    let keys = keys.unwrap_or_default();
    match &args.command {
        None => run_analyze(&args.analyze, &keys),
        Some(command) => {
            let mut to = BufWriter::new(anstream::stdout().lock());
            let status = run_by_hand(command, &keys, &mut to)?;
            to.flush()?;
            Ok(status)
        }
    }
}

fn run_by_hand(
    command: &Command,
    keys: &[Identity],
    to: &mut dyn Write,
) -> anyhow::Result<ExitStatus> {
    let open = |bundle| open(bundle, keys);
    match command {
        Command::Ls { bundle, glob } => hand::ls(&open(bundle)?, glob.as_deref(), to),
        Command::Cat { bundle, entry } => hand::cat(&open(bundle)?, entry, to),
        Command::Grep(args) => hand::grep(&open(&args.bundle)?, args, threads(args.threads), to),
        Command::Facts { bundle, tables } => hand::facts(&open(bundle)?, tables, threads(None), to),
        Command::Verify {
            bundle,
            decode_only,
            threads: wanted,
        } => hand::verify(&open(bundle)?, *decode_only, threads(*wanted), to),
        Command::Rules(command) => hand::rules(command, to),
    }
}

fn run_analyze(args: &AnalyzeArgs, keys: &[Identity]) -> anyhow::Result<ExitStatus> {
    let rules = rules(&args.rules)?;
    let suppressions = args
        .suppress
        .as_deref()
        .map(Suppressions::read)
        .transpose()?;
    let options = Options {
        at: args.at,
        threads: threads(args.threads),
        suppressions: suppressions.unwrap_or_default(),
    };
    let bundles = args
        .bundles
        .iter()
        .map(|path| open(path, keys))
        .collect::<anyhow::Result<Vec<_>>>()?;
    let reports: Vec<Report> = bundles
        .iter()
        .map(|bundle| analyze(bundle, &rules, &options))
        .collect();
    for (report, path) in reports.iter().zip(&args.bundles) {
        anyhow::ensure!(
            report.counts.entries > 0,
            "`{}` holds no logs, objects, events, metrics or certificates; give a bundle, its folder, \
             or a file of one of these",
            path.display()
        );
    }
    write_all(args, &reports)?;
    Ok(status(&reports, args))
}

fn status(reports: &[Report], args: &AnalyzeArgs) -> ExitStatus {
    if reports
        .iter()
        .any(|report| report.has_at_least(args.fail_on))
    {
        ExitStatus::Found
    } else if reports.iter().any(Report::is_incomplete) {
        ExitStatus::Incomplete
    } else {
        ExitStatus::Fine
    }
}

/// Loads the rules that the arguments name.
pub(crate) fn rules(args: &RuleArgs) -> anyhow::Result<Rules> {
    let mut rules = load_rules(&args.folders, !args.no_builtin_rules, &args.disabled)?;
    for (id, severity) in &args.severities {
        rules
            .set_severity(id, *severity)
            .map_err(anyhow::Error::msg)?;
    }
    Ok(rules)
}

/// Opens a bundle, also one that is encrypted to one of the keys.
pub(crate) fn open(path: &Path, keys: &[Identity]) -> anyhow::Result<Bundle> {
    Ok(Bundle::open_with(path, Limits::default(), keys)?)
}

/// The number of threads to use.
pub(crate) fn threads(wanted: Option<usize>) -> usize {
    let cores = || std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    wanted.unwrap_or_else(cores).max(1)
}

fn write_all(args: &AnalyzeArgs, reports: &[Report]) -> anyhow::Result<()> {
    let default = [Output {
        format: Format::Text,
        file: None,
    }];
    let outputs = if args.outputs.is_empty() {
        default.as_slice()
    } else {
        &args.outputs
    };
    for output in outputs {
        if let Some(path) = &output.file {
            let failed = || format!("cannot write `{}`", path.display());
            let look = Look {
                color: false,
                all: args.all,
            };
            let mut file = BufWriter::new(File::create(path).with_context(failed)?);
            write_one(output.format, reports, look, &mut file)
                .and_then(|()| file.flush())
                .with_context(failed)?;
        } else {
            let look = Look {
                color: has_color(),
                all: args.all,
            };
            let mut to = BufWriter::new(anstream::stdout().lock());
            write_one(output.format, reports, look, &mut to)?;
            to.flush()?;
        }
    }
    Ok(())
}

/// Whether stdout shows colour: a terminal, unless `NO_COLOR` asks for none.
fn has_color() -> bool {
    let is_unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    io::stdout().is_terminal() && !is_unwanted
}

fn write_one(format: Format, reports: &[Report], look: Look, to: &mut dyn Write) -> io::Result<()> {
    match format {
        Format::Json => json(reports, to),
        Format::Text => {
            for (number, report) in reports.iter().enumerate() {
                if number > 0 {
                    writeln!(to, "\n")?;
                }
                text(report, look, to)?;
            }
            Ok(())
        }
    }
}

/// Whether an error only says that nobody reads any more.
pub fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let causes = error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<io::Error>());
    causes
        .into_iter()
        .any(|cause| cause.kind() == io::ErrorKind::BrokenPipe)
}
