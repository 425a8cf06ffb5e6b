//! JSON of known length, so that a large value is never in memory as text as well, or only once.

use std::io;

use serde::Serialize;

/// The bytes that `write` writes. They are counted first.
pub(super) fn length(
    write: impl FnOnce(&mut dyn io::Write) -> io::Result<()>,
) -> io::Result<usize> {
    struct Count(usize);
    impl io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(0);
    write(&mut count)?;
    Ok(count.0)
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
