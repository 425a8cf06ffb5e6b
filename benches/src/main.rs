//! Makes large bundles from a seed, for the benchmarks.
//!
//! The lines come from the recordings in `testdata/`, so that what they look like to a
//! matcher and to a compressor is real; how many files there are and how large follows a
//! bundle of a busy cluster. The same seed gives the same bytes.

mod corpus;
mod lines;
mod mix;

use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context, Result};
use bundle::layout::EntryKind;
use bundle::{BundleWriter, Container, FormatVersion, Manifest, WriterOptions};
use clap::{Parser, ValueEnum};
use jiff::Timestamp;

use crate::corpus::Corpus;
use crate::lines::LogReader;

/// Makes a large bundle from the recordings' log lines.
#[derive(Debug, Parser)]
#[command(after_help = "Examples:
  linkerd-bundle-benches -o quiet.tar.gz
  linkerd-bundle-benches -o errors.tar.gz --lines errors --mebibytes 200
  linkerd-bundle-benches -o quiet.zip --format zip --seed 7")]
struct Args {
    /// The bundle to write.
    #[arg(short, long)]
    output: PathBuf,
    /// Size of the logs before compression, in MiB.
    #[arg(long, default_value_t = 2048)]
    mebibytes: u64,
    /// Which lines the logs hold.
    #[arg(long, value_enum, default_value_t = Lines::Quiet)]
    lines: Lines,
    /// The container.
    #[arg(long, value_enum, default_value_t = Format::TarGz)]
    format: Format,
    /// What all random choices start from.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The folder of packed recordings.
    #[arg(long, default_value = "testdata/recordings")]
    recordings: PathBuf,
}

/// How many of the lines tell of trouble.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Lines {
    /// One in a hundred is a warning or an error.
    Quiet,
    /// Every fourth is a warning or an error.
    Errors,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    #[value(name = "tar.gz")]
    TarGz,
    Zip,
}

fn main() -> Result<()> {
    let args = Args::parse();
    let corpus = Corpus::read(&args.recordings)?;
    let captured_at: Timestamp = "2026-11-23T00:00:00Z".parse()?;
    let options = WriterOptions {
        container: match args.format {
            Format::TarGz => Container::TarGz,
            Format::Zip => Container::Zip,
        },
        name: "linkerd-bundle-bench".to_owned(),
        mtime: captured_at,
        threads: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
    };
    let mut writer = BundleWriter::create(&args.output, options)?;
    let warnings_per_mille = if args.lines == Lines::Quiet { 10 } else { 250 };
    let sizes = mix::sizes(args.mebibytes << 20);
    for (index, bytes) in sizes.into_iter().enumerate() {
        let seed = args.seed.wrapping_mul(1_000_003).wrapping_add(index as u64);
        let path = log_path(index).context("a generated name cannot stand in a path")?;
        let mut log = LogReader::new(&corpus, seed, warnings_per_mille, bytes);
        writer.append(&path, bytes, &mut log)?;
    }
    let finished = writer.finish(manifest(captured_at))?;
    let (entries, bytes, path) = (finished.entries, finished.bytes, finished.path.display());
    writeln!(
        anstream::stdout(),
        "{path}: {entries} entries, {bytes} bytes"
    )?;
    Ok(())
}

fn log_path(index: usize) -> Option<bundle::EntryPath> {
    let kind = EntryKind::PodLog {
        namespace: format!("ns-{:02}", index % 17),
        pod: format!("app-{index:05}-6d4cf56db6-x{:04}", index % 9973),
        container: if index % 4 == 3 {
            "app"
        } else {
            "linkerd-proxy"
        }
        .to_owned(),
        previous: false,
    };
    kind.path()
}

fn manifest(captured_at: Timestamp) -> Manifest {
    Manifest {
        format: FormatVersion::CURRENT,
        collector: concat!("linkerd-bundle-benches ", env!("CARGO_PKG_VERSION")).to_owned(),
        captured_at,
        finished_at: None,
        kubernetes_version: None,
        api_server_date: None,
        api_server_clock_difference_s: None,
        options: std::collections::BTreeMap::new(),
        redactions: std::collections::BTreeMap::new(),
        ledger: Vec::new(),
        entries: Vec::new(),
    }
}
