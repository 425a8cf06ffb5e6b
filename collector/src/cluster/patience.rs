//! How long an answer is waited for: a body that must keep coming, and a server that asks to be
//! asked again later.

use std::time::Duration;

use http::header::{DATE, RETRY_AFTER};
use http::{HeaderMap, Response, StatusCode};
use jiff::Timestamp;
use tokio::time::Instant;

/// Bytes that must come, or the end, within each item time-out. Less is as good as nothing: at
/// that pace a log of 2 MB takes a quarter of an hour.
const PACE_BYTES: usize = 64 << 10;

/// Whether a body still comes at a pace that is worth waiting for, and ends some time. For the
/// pace only time spent waiting for bytes counts, not what is done with them.
#[derive(Debug)]
pub(super) struct Pace {
    limit: Duration,
    /// Time in which the whole must have come.
    whole: Duration,
    begun: Instant,
    waited: Duration,
    bytes: usize,
}

impl Pace {
    pub(super) fn new(limit: Duration, whole: Duration) -> Self {
        Self {
            limit,
            whole,
            begun: Instant::now(),
            waited: Duration::ZERO,
            bytes: 0,
        }
    }

    /// How long the next bytes may take; nothing once the body should have ended.
    pub(super) fn left(&self) -> Duration {
        let whole = self.whole.saturating_sub(self.begun.elapsed());
        self.limit.saturating_sub(self.waited).min(whole)
    }

    /// Leaves out time in which nobody waited for it to end.
    pub(super) fn excuse(&mut self, time: Duration) {
        self.whole = self.whole.saturating_add(time);
    }

    /// Notes bytes that came after waiting since `begun`.
    pub(super) fn note(&mut self, bytes: usize, begun: Instant) {
        self.waited += begun.elapsed();
        self.bytes += bytes;
        if self.bytes >= PACE_BYTES {
            (self.waited, self.bytes) = (Duration::ZERO, 0);
        }
    }

    /// What is wrong with a body that used its time up.
    pub(super) fn complaint(&self) -> String {
        if self.begun.elapsed() >= self.whole {
            return format!("it had not ended after {} s", seconds(self.whole));
        }
        let left = self.left();
        if left * 2 >= self.limit {
            return format!("no further byte came within {} s", seconds(left));
        }
        let (bytes, limit) = (self.bytes, seconds(self.limit));
        format!("only {bytes} bytes came within {limit} s")
    }
}

/// Seconds as they are told, to a tenth.
pub(super) fn seconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 10.0).round() / 10.0
}

/// When, and whether, a request is sent again.
#[derive(Debug)]
pub(super) struct Retry {
    attempt: u32,
    most: u32,
}

impl Retry {
    /// The longest that a server may ask to be left alone: longer is as good as a refusal.
    const LONGEST: Duration = Duration::from_mins(1);
    /// Attempts at what failed without the server saying when to come again.
    const BLIND: u32 = 3;

    /// At most `most` attempts at what the server puts off.
    pub(super) fn new(most: u32) -> Self {
        Self { attempt: 1, most }
    }

    /// How long to wait before an answer is asked for again; `None` to take it as it is.
    pub(super) fn after_answer<B>(&mut self, answer: &Response<B>) -> Option<Duration> {
        let is_busy = match answer.status() {
            StatusCode::TOO_MANY_REQUESTS => true,
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::BAD_GATEWAY => false,
            _ => return None,
        };
        let may = self.attempt < self.most;
        match retry_after(answer.headers()) {
            Some(wait) if wait > Self::LONGEST => None,
            // Everybody was told the same; without a spread all would come at once.
            Some(wait) => may.then(|| {
                self.attempt += 1;
                wait + spread(wait / 10 + Duration::from_millis(100))
            }),
            None if is_busy => may.then(|| self.back_off()),
            None => self.after_failure(),
        }
    }

    /// The same after no answer came since a connection broke: that says nothing about the next.
    pub(super) fn after_failure(&mut self) -> Option<Duration> {
        (self.attempt < Self::BLIND).then(|| self.back_off())
    }

    /// Twice as long each time, and never the same for two.
    fn back_off(&mut self) -> Duration {
        let whole = Duration::from_millis(250 << self.attempt.min(5));
        self.attempt += 1;
        whole / 2 + spread(whole / 2)
    }
}

/// Some time up to `most`.
fn spread(most: Duration) -> Duration {
    most.mul_f64(fastrand::f64())
}

/// How long the server wants to be left alone: in seconds, or until a date by its own clock.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name| headers.get(name)?.to_str().ok().map(str::trim);
    let after = text(RETRY_AFTER)?;
    if let Ok(seconds) = after.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = |text: &str| Some(jiff::fmt::rfc2822::parse(text).ok()?.timestamp());
    let now = text(DATE).and_then(date).unwrap_or_else(Timestamp::now);
    let left = date(after)?.duration_since(now);
    Some(Duration::try_from(left).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(code: u16, after: Option<&str>) -> Response<()> {
        let mut answer = Response::builder().status(code);
        if let Some(after) = after {
            answer = answer.header("retry-after", after);
        }
        let date = "Mon, 23 Nov 2026 00:49:10 GMT";
        answer.header("date", date).body(()).unwrap()
    }

    #[test]
    fn a_server_is_never_asked_before_the_time_it_said() {
        for _ in 0..100 {
            let mut retry = Retry::new(5);
            let wait = retry.after_answer(&answer(429, Some("2"))).unwrap();
            assert!(wait >= Duration::from_secs(2) && wait < Duration::from_secs(3));
        }
        let mut retry = Retry::new(5);
        let date = answer(503, Some("Mon, 23 Nov 2026 00:49:13 GMT"));
        assert!(retry.after_answer(&date).unwrap() >= Duration::from_secs(3));
        assert_eq!(retry.after_answer(&answer(429, Some("3600"))), None);
    }

    #[test]
    fn attempts_end_and_only_some_statuses_are_asked_for_again() {
        let mut retry = Retry::new(3);
        let busy = answer(429, Some("0"));
        assert!(retry.after_answer(&busy).is_some() && retry.after_answer(&busy).is_some());
        assert_eq!(retry.after_answer(&busy), None);
        for (code, is_asked_again) in [(200, false), (404, false), (500, false), (502, true)] {
            let mut retry = Retry::new(5);
            let wait = retry.after_answer(&answer(code, None));
            assert_eq!(wait.is_some(), is_asked_again, "{code}");
        }
    }

    #[test]
    fn a_body_that_trickles_uses_its_time_up_and_one_that_flows_does_not() {
        let mut pace = Pace::new(Duration::from_secs(30), Duration::from_mins(10));
        let earlier = Instant::now().checked_sub(Duration::from_secs(20)).unwrap();
        assert_eq!(pace.complaint(), "no further byte came within 30 s");
        pace.note(100, earlier);
        pace.note(100, earlier);
        assert_eq!(pace.left(), Duration::ZERO);
        assert_eq!(pace.complaint(), "only 200 bytes came within 30 s");
        pace.note(PACE_BYTES, earlier);
        assert_eq!(pace.left(), Duration::from_secs(30));
    }

    #[test]
    fn a_body_that_flows_must_end_some_time() {
        let mut pace = Pace::new(Duration::from_secs(30), Duration::from_mins(2));
        pace.begun = Instant::now().checked_sub(Duration::from_mins(2)).unwrap();
        pace.note(PACE_BYTES, Instant::now());
        assert_eq!(pace.left(), Duration::ZERO);
        assert_eq!(pace.complaint(), "it had not ended after 120 s");
        pace.excuse(Duration::from_secs(10));
        assert!(pace.left() > Duration::ZERO);
    }
}
