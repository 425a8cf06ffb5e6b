//! Ages, as Kubernetes shortens them.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::text;

/// What ages are counted to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock(Timestamp);

impl Clock {
    pub(super) fn at(now: Timestamp) -> Self {
        Self(now)
    }

    /// Time since an object was made.
    pub(super) fn age(&self, value: &Value) -> Value {
        self.since(text(value, "/metadata/creationTimestamp"))
    }

    /// Time since an RFC 3339 time; `<unknown>` if there is none.
    pub(super) fn since(&self, time: &str) -> Value {
        match time.parse::<Timestamp>() {
            Ok(time) => json!(self.elapsed(time)),
            Err(_) => json!("<unknown>"),
        }
    }

    fn elapsed(&self, time: Timestamp) -> String {
        shorten(self.0.as_second() - time.as_second())
    }

    /// The time between two RFC 3339 times, the second being now if it is missing.
    pub(super) fn between(&self, from: &str, to: &str) -> String {
        let Ok(from) = from.parse::<Timestamp>() else {
            return String::new();
        };
        let to = to.parse::<Timestamp>().unwrap_or(self.0);
        shorten(to.as_second() - from.as_second())
    }
}

/// Shortens a number of seconds to its two telling units, with the steps of `kubectl`.
fn shorten(seconds: i64) -> String {
    if seconds < -1 {
        return "<invalid>".to_owned();
    }
    if seconds < 0 {
        return "0s".to_owned();
    }
    let (minutes, hours) = (seconds / 60, seconds / 3600);
    let two = |big: i64, big_unit: &str, small: i64, small_unit: &str| {
        if small == 0 {
            format!("{big}{big_unit}")
        } else {
            format!("{big}{big_unit}{small}{small_unit}")
        }
    };
    match () {
        () if seconds < 120 => format!("{seconds}s"),
        () if minutes < 10 => two(minutes, "m", seconds % 60, "s"),
        () if minutes < 180 => format!("{minutes}m"),
        () if hours < 8 => two(hours, "h", minutes % 60, "m"),
        () if hours < 48 => format!("{hours}h"),
        () if hours < 192 => two(hours / 24, "d", hours % 24, "h"),
        () if hours < 24 * 365 * 2 => format!("{}d", hours / 24),
        () if hours < 24 * 365 * 8 => two(hours / 24 / 365, "y", hours / 24 % 365, "d"),
        () => format!("{}y", hours / 24 / 365),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_shortened_in_the_steps_of_kubectl() {
        let cases = [
            (0, "0s"),
            (119, "119s"),
            (157, "2m37s"),
            (120, "2m"),
            (720, "12m"),
            (5_340, "89m"),
            (10_800, "3h"),
            (12_000, "3h20m"),
            (90_000, "25h"),
            (180_000, "2d2h"),
            (864_000, "10d"),
        ];
        for (seconds, shown) in cases {
            assert_eq!(shorten(seconds), shown, "{seconds}");
        }
    }
}
