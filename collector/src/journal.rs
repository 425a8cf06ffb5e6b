//! The collector's own log, which ends up in the bundle as `collector/log.ndjson`.

use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use serde_json::json;

use crate::redact::{Counts, TextRedactor};

/// Lines of JSON about the run itself.
#[derive(Debug, Default)]
pub struct Journal(Mutex<Vec<u8>>);

impl Journal {
    /// Bytes kept; what comes later is dropped.
    const MAX_BYTES: usize = 4 << 20;

    /// Adds a line.
    pub fn note(&self, level: &str, message: &str) {
        let line = json!({"time": Timestamp::now(), "level": level, "message": message});
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() < Self::MAX_BYTES {
            lines.extend_from_slice(line.to_string().as_bytes());
            lines.push(b'\n');
        }
    }

    /// All lines, redacted.
    pub fn redacted(&self) -> (Vec<u8>, Counts) {
        let lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut redactor = TextRedactor::default();
        let mut out = Vec::with_capacity(lines.len());
        redactor.push(&lines, &mut out);
        let counts = redactor.finish(&mut out);
        (out, counts)
    }
}
