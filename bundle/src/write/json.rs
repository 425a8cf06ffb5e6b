//! JSON of known length, so that a large value is never in memory as text as well, or only once.

use std::io;

use serde::Serialize;

use super::tally::Tally;

/// The bytes that `write` writes. They are counted first.
pub(super) fn length(
    write: impl FnOnce(&mut dyn io::Write) -> io::Result<()>,
) -> io::Result<usize> {
    let mut count = Tally::new(io::sink());
    write(&mut count)?;
    usize::try_from(count.bytes()).map_err(io::Error::other)
}

/// Writes a value on one line.
pub(super) fn line(value: &impl Serialize, out: &mut dyn io::Write) -> io::Result<()> {
    serde_json::to_writer(&mut *out, value)?;
    out.write_all(b"\n")
}

/// Writes a value for people to read.
pub(super) fn pretty(value: &impl Serialize, out: &mut dyn io::Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, value)?;
    out.write_all(b"\n")
}
