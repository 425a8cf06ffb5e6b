//! A bundle of logs.

use anyhow::{Context, Result};
use bundle::layout::EntryKind;
use clap::{Args, ValueEnum};

use crate::corpus::Corpus;
use crate::lines::LogReader;
use crate::{Target, finish, mix};

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
}

/// How many of the lines tell of trouble.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Lines {
    /// One in a hundred is a warning or an error
    Quiet,
    /// Every fourth is a warning or an error
    Errors,
}

/// Writes the bundle.
pub(crate) fn write(args: &Logs) -> Result<()> {
    let corpus = Corpus::read(&args.target.recordings)?;
    let mut writer = args.target.create()?;
    let warnings_per_mille = if args.lines == Lines::Quiet { 10 } else { 250 };
    let sizes = mix::sizes(args.mebibytes << 20);
    for (index, bytes) in sizes.into_iter().enumerate() {
        let seed = args
            .target
            .seed
            .wrapping_mul(1_000_003)
            .wrapping_add(index as u64);
        let path = path(index).context("a generated name cannot stand in a path")?;
        let mut log = LogReader::new(&corpus, seed, warnings_per_mille, bytes);
        writer.append(&path, bytes, &mut log)?;
    }
    finish(writer)
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
