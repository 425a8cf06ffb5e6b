//! What redaction costs: the collector's own way from a stream to a bundle, with redaction and
//! without, over the same logs. Without the network and the API server, whose work would hide a
//! part of it.

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use bundle::{
    BundleWriter, Container, EntryPath, LedgerRow, Manifest, Outcome, SourceKind, WriterOptions,
};
use clap::Parser;
use jiff::Timestamp;
use linkerd_collect::budget::Budget;
use linkerd_collect::redact::TextRedactor;
use linkerd_collect::sink::{Delivery, Desk, Sink};
use linkerd_collect::spool::SpoolFolder;
use linkerd_collect::stop::Stop;

/// Bytes that come from the network at once.
const CHUNK: usize = 64 << 10;
/// What the collector has: streams at once, and bytes of each in memory.
const STREAMS: usize = 16;
const SPOOL: usize = 128 << 10;

/// Collects the files of a folder with redaction and without, in turn, and compares.
#[derive(Debug, Parser)]
#[command(after_help = "Example:
  redaction logs --rounds 3")]
struct Args {
    /// The folder, of logs alone.
    folder: PathBuf,
    /// How often each is measured; the median of the ratios counts.
    #[arg(long, default_value_t = 3)]
    rounds: u32,
}

fn main() -> Result<()> {
    let args = Args::parse();
    let found = std::fs::read_dir(&args.folder)
        .with_context(|| format!("cannot read `{}`", args.folder.display()))?;
    let files: Vec<PathBuf> = found.map(|e| Ok(e?.path())).collect::<Result<_>>()?;
    let files = Arc::new(files);
    let runtime = tokio::runtime::Runtime::new()?;
    let work = tempfile::tempdir()?;
    let mut ratios = Vec::new();
    let mut out = anstream::stdout();
    for _ in 0..args.rounds {
        let measure = |redacts| runtime.block_on(collect(&files, work.path(), redacts));
        let (without, with) = (measure(false)?, measure(true)?);
        let ratio = without.cpu.as_secs_f64() / with.cpu.as_secs_f64();
        writeln!(
            out,
            "without redaction {without}, with it {with}: {:.0} % of the throughput",
            ratio * 100.0
        )?;
        ratios.push(ratio);
    }
    ratios.sort_by(f64::total_cmp);
    let median = ratios.get(ratios.len() / 2).copied().unwrap_or_default();
    writeln!(out, "redaction costs {:.0} %", (1.0 - median) * 100.0)?;
    Ok(())
}

/// What it took. Where all cores are busy, the throughput goes by the time that they work; who else
/// works on the machine does not show in it.
struct Took {
    wall: Duration,
    cpu: Duration,
}

impl std::fmt::Display for Took {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.1?} of all cores in {:.1?}", self.cpu, self.wall)
    }
}

/// Time that the threads of this process have worked so far; in Linux's hundredths of a second.
fn worked() -> Result<Duration> {
    let stat = std::fs::read_to_string("/proc/self/stat").context("needs Linux's `/proc`")?;
    let fields = stat.rsplit(')').next().unwrap_or_default();
    let times = fields.split_whitespace().skip(11).take(2);
    let hundredths: u64 = times.map(str::parse::<u64>).sum::<Result<_, _>>()?;
    Ok(Duration::from_millis(10 * hundredths))
}

/// What it takes until all files are in a bundle in `work`.
async fn collect(files: &Arc<Vec<PathBuf>>, work: &Path, redacts: bool) -> Result<Took> {
    let (begun, before) = (Instant::now(), worked()?);
    let options = WriterOptions {
        container: Container::TarGz,
        name: "bench".to_owned(),
        mtime: Timestamp::UNIX_EPOCH,
        threads: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
    };
    let writer = BundleWriter::create(&work.join("bench.tar.gz"), options)?;
    let (sink, writing) = Sink::start(Desk {
        writer: Some(writer),
        ledger: Vec::new(),
        head: manifest(),
        budget: Arc::new(Budget::new(None, u64::MAX)),
        stop: Stop::default(),
    });
    let streams = (0..STREAMS).map(|first| {
        let (files, sink) = (Arc::clone(files), sink.clone());
        let spools = SpoolFolder::new(work, SPOOL);
        tokio::spawn(async move {
            for file in files.iter().skip(first).step_by(STREAMS) {
                let delivery = take(file, &spools, redacts)?;
                sink.deliver(delivery).await;
            }
            anyhow::Ok(())
        })
    });
    let streams: Vec<_> = streams.collect();
    for stream in streams {
        stream.await??;
    }
    drop(sink);
    let written = writing.wait().context("the writing thread ended early")?;
    let writer = written.writer?.context("there is no writer")?;
    writer.finish(manifest())?;
    Ok(Took {
        wall: begun.elapsed(),
        cpu: worked()?.saturating_sub(before),
    })
}

/// One log, as `sources::logs` takes it from an answer.
fn take(file: &Path, spools: &SpoolFolder, redacts: bool) -> Result<Delivery> {
    let mut stream = File::open(file)?;
    let mut spool = spools.spool();
    let mut redactor = TextRedactor::default();
    let (mut chunk, mut clean) = (vec![0; CHUNK], Vec::new());
    loop {
        let len = stream.read(&mut chunk)?;
        let chunk = chunk.get(..len).unwrap_or_default();
        if chunk.is_empty() {
            break;
        }
        if redacts {
            redactor.push(chunk, &mut clean);
            spool.write(&clean)?;
            clean.clear();
        } else {
            spool.write(chunk)?;
        }
    }
    redactor.finish(&mut clean);
    spool.write(&clean)?;
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let path = EntryPath::parse(format!("logs/{name}"))?;
    Ok(Delivery::Ended {
        row: Box::new(row(path.as_str())),
        content: Some((path, spool.finish())),
        share: None,
    })
}

fn row(object: &str) -> LedgerRow {
    LedgerRow {
        source: SourceKind::PodLogs,
        object: object.to_owned(),
        outcome: Outcome::Complete,
        reason: None,
        bytes: 0,
        path: None,
        at: None,
        duration_ms: None,
        status: None,
        items: None,
        via: None,
    }
}

fn manifest() -> Manifest {
    Manifest::new("bench", Timestamp::UNIX_EPOCH)
}
