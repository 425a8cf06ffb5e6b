//! Why an item could not be had, in the words of the ledger.

use bundle::Outcome;
use http::StatusCode;
use serde_json::Value;

use crate::stop::StopReason;

/// How an item ended that is not, or not wholly, in the bundle. A result, not an error: it
/// becomes a row of the ledger, and everything else goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// What the ledger calls it.
    pub outcome: Outcome,
    /// HTTP status of the answer, if there was one.
    pub status: Option<u16>,
    /// Why, in words.
    pub reason: String,
}

impl Trouble {
    /// Trouble with no HTTP answer.
    pub fn new(outcome: Outcome, reason: impl Into<String>) -> Self {
        Self {
            outcome,
            status: None,
            reason: reason.into(),
        }
    }

    /// Trouble of no more special kind.
    pub fn failed(reason: impl Into<String>) -> Self {
        Self::new(Outcome::Failed, reason)
    }

    /// Nothing of this kind is there.
    pub fn absent(reason: impl Into<String>) -> Self {
        Self::new(Outcome::Absent, reason)
    }

    /// Collecting ended before.
    pub fn stopped(reason: &StopReason) -> Self {
        Self::new(Outcome::Skipped, reason.to_string())
    }

    /// What an HTTP answer other than success means.
    pub fn from_answer(status: StatusCode, body: &[u8]) -> Self {
        let outcome = match status.as_u16() {
            401 | 403 | 429 => Outcome::Refused,
            404 | 410 => Outcome::Absent,
            408 | 504 => Outcome::TimedOut,
            _ => Outcome::Failed,
        };
        let message = message_of(body).unwrap_or_else(|| {
            let reason = status.canonical_reason().unwrap_or("no message");
            reason.to_lowercase()
        });
        let code = format!("HTTP {}: ", status.as_u16());
        let message = message.strip_prefix(&code).unwrap_or(&message);
        // The API server's own time-out at a kubelet or a pod.
        let says_late = ["timeout", "Timeout", "deadline exceeded"];
        let is_late = status.is_server_error() && says_late.iter().any(|w| message.contains(w));
        let outcome = if is_late { Outcome::TimedOut } else { outcome };
        Self {
            outcome,
            status: Some(status.as_u16()),
            reason: format!("{code}{message}"),
        }
    }

    /// Whether the API server says that it cannot reach a kubelet or a pod at all.
    pub fn is_unreachable(&self) -> bool {
        let says = [
            "error dialing backend",
            "connection refused",
            "no route to host",
        ];
        self.status.is_some_and(|code| code >= 500) && says.iter().any(|w| self.reason.contains(w))
    }

    /// The same with words before the reason.
    #[must_use]
    pub fn context(mut self, before: &str) -> Self {
        self.reason = format!("{before}: {}", self.reason);
        self
    }
}

/// The message of a `Status` object, or the first line of another body.
fn message_of(body: &[u8]) -> Option<String> {
    const LONGEST: usize = 400;
    let status = serde_json::from_slice::<Value>(body).ok();
    let message = match &status {
        Some(value) => value.get("message")?.as_str()?.to_owned(),
        None => String::from_utf8_lossy(body).lines().next()?.to_owned(),
    };
    let message: String = message.trim().chars().take(LONGEST).collect();
    (!message.is_empty()).then_some(message)
}

/// What the layers of the client put before a cause, and nobody who reads a ledger asks for.
const LAYERS: [&str; 5] = [
    "ServiceError: ",
    "client error (SendRequest): ",
    "client error (Connect): ",
    "connection error: ",
    "error reading a body from connection: ",
];

/// An error and its causes in one line, without saying anything twice.
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        if !text.contains(&next) {
            text = format!("{text}: {next}");
        }
        cause = error.source();
    }
    while let Some(rest) = LAYERS.iter().find_map(|layer| text.strip_prefix(layer)) {
        text = rest.to_owned();
    }
    text
}

/// Why bytes are not the JSON that was asked for: what they are instead, if that can be told.
pub fn no_json(bytes: &[u8], error: &serde_json::Error) -> String {
    let text = bytes.trim_ascii_start();
    if bytes.starts_with(&[0x1f, 0x8b]) {
        "it is packed with gzip, which was not asked for".to_owned()
    } else if text.starts_with(b"<") {
        "it is a web page".to_owned()
    } else if text.is_empty() {
        "it is empty".to_owned()
    } else {
        error.to_string()
    }
}
