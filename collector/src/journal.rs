//! The collector's own log, which ends up in the bundle as `collector/log.ndjson`.

use std::io::Write;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use serde_json::json;

use crate::redact::{Counts, TextRedactor, redact_line};

/// Lines of JSON about the run itself.
#[derive(Debug, Default)]
pub struct Journal {
    lines: Mutex<Vec<u8>>,
    /// Whether each line is printed as well.
    is_verbose: bool,
}

impl Journal {
    /// Bytes kept; what comes later is dropped.
    const MAX_BYTES: usize = 4 << 20;

    /// An empty one.
    pub fn new(is_verbose: bool) -> Self {
        Self {
            is_verbose,
            ..Self::default()
        }
    }

    /// Adds a line.
    pub fn note(&self, level: &str, message: &str) {
        if self.is_verbose {
            let mut line = format!("{level}: {message}");
            redact_line(&mut line, &mut Counts::default());
            // A stderr that is gone is no reason to stop collecting.
            drop(writeln!(anstream::stderr().lock(), "{line}"));
        }
        let line = json!({"time": Timestamp::now(), "level": level, "message": message});
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() < Self::MAX_BYTES {
            lines.extend_from_slice(line.to_string().as_bytes());
            lines.push(b'\n');
        }
    }

    /// All lines, redacted.
    pub fn redacted(&self) -> (Vec<u8>, Counts) {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let mut redactor = TextRedactor::default();
        let mut out = Vec::with_capacity(lines.len());
        redactor.push(&lines, &mut out);
        let counts = redactor.finish(&mut out);
        (out, counts)
    }
}
