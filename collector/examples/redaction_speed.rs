//! How fast text is redacted on one core, beside deflate at level 6:
//! `cargo run --release -p linkerd-collect --example redaction_speed -- FILE...`

use std::io::Write;
use std::time::{Duration, Instant};

use anyhow::Context;
use linkerd_collect::redact::TextRedactor;

/// Bytes that one measurement goes through.
const BYTES: usize = 256 << 20;
/// Bytes that come from the network at once.
const CHUNK: usize = 64 << 10;

fn main() -> anyhow::Result<()> {
    let mut text = Vec::new();
    for file in std::env::args_os().skip(1) {
        let shown = file.display().to_string();
        text.extend(std::fs::read(&file).with_context(|| format!("cannot read `{shown}`"))?);
    }
    anyhow::ensure!(!text.is_empty(), "name files of log lines to redact");
    let rounds = BYTES.div_ceil(text.len());
    let mut out = Vec::with_capacity(2 * CHUNK);
    let begun = Instant::now();
    let mut found = 0;
    for _ in 0..rounds {
        let mut redactor = TextRedactor::default();
        for chunk in text.chunks(CHUNK) {
            redactor.push(chunk, &mut out);
            out.clear();
        }
        found = redactor.finish(&mut out).into_map().values().sum();
    }
    tell("redact", rounds * text.len(), begun.elapsed(), found)?;
    let begun = Instant::now();
    let mut packed = 0;
    for chunk in text.chunks(1 << 20) {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(6));
        encoder.write_all(chunk)?;
        packed += encoder.finish()?.len() as u64;
    }
    tell("deflate", text.len(), begun.elapsed(), packed)
}

fn tell(what: &str, bytes: usize, took: Duration, result: u64) -> anyhow::Result<()> {
    let mebibytes = u32::try_from(bytes >> 10).map_or(0.0, |kib| f64::from(kib) / 1024.0);
    let speed = mebibytes / took.as_secs_f64();
    writeln!(anstream::stdout(), "{what}: {speed:.0} MiB/s ({result})")?;
    Ok(())
}
