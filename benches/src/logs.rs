//! A bundle of logs.

use std::path::PathBuf;

use anyhow::{Context, Result};
use bundle::layout::EntryKind;
use clap::{Args, ValueEnum};
use regex::bytes::{RegexSet, RegexSetBuilder};

use crate::corpus::Corpus;
use crate::lines::{LogReader, Shares};
use crate::rules::patterns_below;
use crate::{Target, finish, mix};

/// Bytes that the patterns of all rules may take together.
const SIZE_LIMIT: usize = 256 << 20;

/// Makes a bundle of logs.
#[derive(Debug, Args)]
pub(crate) struct Logs {
    #[command(flatten)]
    target: Target,
    /// Size of the logs before compression, in MiB
    #[arg(long, default_value_t = 2048)]
    mebibytes: u64,
    /// Which lines the logs hold
    #[arg(long, value_enum, default_value_t = Lines::Quiet)]
    lines: Lines,
    /// The rules that look for lines
    #[arg(long, default_value = "rules")]
    rules: PathBuf,
}

/// How many of the lines tell of trouble.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Lines {
    /// One in a hundred is a warning or an error, one in two thousand is looked for by a rule
    Quiet,
    /// One in a hundred is a warning or an error; the others come as in the recordings, where one in
    /// ten is looked for by a rule
    Noisy,
    /// More than a quarter are warnings or errors, a tenth of all is looked for by a rule
    Errors,
}

impl Lines {
    fn shares(self) -> Shares {
        let (alarming, matching) = match self {
            Self::Quiet => (100, 5),
            Self::Noisy => (100, 0),
            Self::Errors => (1800, 1000),
        };
        Shares { alarming, matching }
    }
}

/// Writes the bundle.
pub(crate) fn write(args: &Logs) -> Result<()> {
    let wanted = match args.lines {
        Lines::Noisy => RegexSet::empty(),
        Lines::Quiet | Lines::Errors => looked_for(args)?,
    };
    let corpus = Corpus::read(&args.target.recordings, &wanted)?;
    let mut writer = args.target.create()?;
    let sizes = mix::sizes(args.mebibytes << 20);
    for (index, bytes) in sizes.into_iter().enumerate() {
        let seed = args
            .target
            .seed
            .wrapping_mul(1_000_003)
            .wrapping_add(index as u64);
        let path = path(index).context("a generated name cannot stand in a path")?;
        let mut log = LogReader::new(&corpus, seed, args.lines.shares(), bytes);
        writer.append(&path, bytes, &mut log)?;
    }
    finish(writer)
}

/// The patterns of all rules.
fn looked_for(args: &Logs) -> Result<RegexSet> {
    let patterns = patterns_below(&args.rules)?;
    let set = RegexSetBuilder::new(patterns)
        .unicode(false)
        .size_limit(SIZE_LIMIT)
        .build();
    set.with_context(|| format!("a pattern in `{}`", args.rules.display()))
}

fn path(index: usize) -> Option<bundle::EntryPath> {
    let container = if index % 4 == 3 {
        "app"
    } else {
        "linkerd-proxy"
    };
    let kind = EntryKind::PodLog {
        namespace: format!("ns-{:02}", index % 17),
        pod: format!("app-{index:05}-6d4cf56db6-x{:04}", index % 9973),
        container: container.to_owned(),
        previous: false,
    };
    kind.path()
}
