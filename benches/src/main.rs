//! Makes what the benchmarks need, from a seed.
//!
//! Log lines, objects and metrics come from the recordings in `testdata/`, so that what they look
//! like to a matcher and to a compressor is real; how many there are follows a busy cluster. The
//! same seed gives the same bytes. `benches/compare` runs the comparisons.

mod corpus;
mod lines;
mod logs;
mod mix;
mod objects;
mod recording;
mod rules;

use std::path::PathBuf;

use anyhow::Result;
use bundle::{BundleWriter, Container, Manifest, WriterOptions};
use clap::{Args, Parser, ValueEnum};
use jiff::Timestamp;

/// Makes large bundles and rule packs for benchmarks.
#[derive(Debug, Parser)]
#[command(after_help = "Examples:
  linkerd-bundle-benches logs -o quiet.tar.gz
  linkerd-bundle-benches logs -o errors.tar.gz --lines errors --mebibytes 200
  linkerd-bundle-benches objects -o objects.tar.gz --pods 20000
  linkerd-bundle-benches rules -o pack --count 700
  linkerd-bundle-benches patterns rules > patterns.txt")]
enum Command {
    /// A bundle of logs
    Logs(logs::Logs),
    /// A bundle of objects, events and metrics
    Objects(objects::Objects),
    /// A pack of made-up log rules, with words of the real ones
    Rules(rules::Pack),
    /// Print the log patterns of rules, one a line
    Patterns(rules::Patterns),
}

/// Where a bundle goes, and what it is made from.
#[derive(Debug, Args)]
struct Target {
    /// The bundle to write
    #[arg(short, long)]
    output: PathBuf,
    /// The container
    #[arg(long, value_enum, default_value_t = Format::TarGz)]
    format: Format,
    /// What all random choices start from
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The folder of packed recordings
    #[arg(long, default_value = "testdata/recordings")]
    recordings: PathBuf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    #[value(name = "tar.gz")]
    TarGz,
    Zip,
}

fn main() -> Result<()> {
    match Command::parse() {
        Command::Logs(args) => logs::write(&args),
        Command::Objects(args) => objects::write(&args),
        Command::Rules(args) => rules::write_pack(&args),
        Command::Patterns(args) => rules::print_patterns(&args),
    }
}

impl Target {
    fn create(&self) -> Result<BundleWriter> {
        let options = WriterOptions {
            container: match self.format {
                Format::TarGz => Container::TarGz,
                Format::Zip => Container::Zip,
            },
            name: "linkerd-bundle-bench".to_owned(),
            mtime: captured_at(),
            threads: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        };
        Ok(BundleWriter::create(&self.output, options)?)
    }
}

/// Writes the manifest and says what was made.
fn finish(writer: BundleWriter) -> Result<()> {
    let finished = writer.finish(manifest())?;
    let (entries, bytes, path) = (finished.entries, finished.bytes, finished.path.display());
    anstream::println!("{path}: {entries} entries, {bytes} bytes");
    Ok(())
}

/// The capture time of everything made here.
fn captured_at() -> Timestamp {
    Timestamp::from_second(1_795_392_000).unwrap_or(Timestamp::UNIX_EPOCH)
}

fn manifest() -> Manifest {
    Manifest::new(
        concat!("linkerd-bundle-benches ", env!("CARGO_PKG_VERSION")),
        captured_at(),
    )
}
