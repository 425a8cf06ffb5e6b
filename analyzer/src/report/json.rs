//! The JSON report.

use std::io::{self, Write};

use super::Report;

/// Writes the reports: one as an object, several as an array.
///
/// # Errors
/// When `to` cannot be written.
pub fn json(reports: &[Report], to: &mut dyn Write) -> io::Result<()> {
    match reports {
        [one] => serde_json::to_writer_pretty(&mut *to, one)?,
        many => serde_json::to_writer_pretty(&mut *to, many)?,
    }
    to.write_all(b"\n")
}
