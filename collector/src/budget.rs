//! `--max-size`: what the bundle may still take, and who gets how much of it.
//!
//! Lists of objects always go in. Logs get shares: those of one priority divide half of what is
//! left among them, the least important all of it; what a short log leaves goes to the rest.
//! Nobody knows the compressed size of a log beforehand, so shares are in plain bytes by how well
//! the bundle has compressed so far, and the writer's word is final.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bundle::{Outcome, Size, SourceKind};

use crate::cluster::Trouble;
use crate::queue::Priority;

/// Compressed bytes kept for the manifest, the index and the collector's log.
const FRAME_BYTES: u64 = 48 << 10;
/// Compressed bytes that an item takes in manifest and index.
const ITEM_BYTES: u64 = 150;
/// Plain bytes per compressed byte before anything is known: that of lines of random digits.
const LEAST_RATIO: f64 = 2.0;
/// A share below this is not worth asking a node for, in plain bytes.
const LEAST_SHARE: u64 = 16 << 10;

/// What the bundle may take.
#[derive(Debug)]
pub struct Budget {
    /// Bytes that one log may have at most.
    log_bytes: u64,
    /// Bytes that the finished bundle may have.
    max: Option<u64>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Logs that have not begun, by priority.
    logs: BTreeMap<Priority, u64>,
    /// Plain bytes of shares that are not yet written.
    granted: u64,
    written: Size,
    /// Plain bytes per compressed byte of what was last written.
    last_ratio: f64,
    /// Compressed bytes of scrapes.
    scraped: u64,
    items: u64,
}

/// What a log may have. Given back when it is dropped: once the log is written.
#[derive(Debug)]
pub struct Share {
    budget: Arc<Budget>,
    /// Plain bytes.
    pub bytes: u64,
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut state = self.budget.lock();
        state.granted = state.granted.saturating_sub(self.bytes);
    }
}

impl Budget {
    /// At most `max` bytes for the bundle, and `log_bytes` plain bytes for each log.
    pub fn new(max: Option<u64>, log_bytes: u64) -> Self {
        Self {
            log_bytes,
            max,
            state: Mutex::default(),
        }
    }

    /// Whether there is one.
    pub fn is_limited(&self) -> bool {
        self.max.is_some()
    }

    /// Counts a log that will ask for its share.
    pub fn expect_log(&self, priority: Priority) {
        *self.lock().logs.entry(priority).or_default() += 1;
    }

    /// Counts logs whose priority is not yet known; until it is, they are the least important.
    pub fn expect_others(&self, logs: u64) {
        self.lock().logs.insert(Priority::Ordinary, logs);
    }

    /// What a log may have whose turn has come.
    ///
    /// # Errors
    /// [`Trouble`] when nothing is left.
    pub fn share(self: &Arc<Self>, priority: Priority) -> Result<Share, Trouble> {
        let mut state = self.lock();
        let peers = state.logs.entry(priority).or_default();
        let among = (*peers).max(1);
        *peers = peers.saturating_sub(1);
        let bytes = match self.max {
            None => self.log_bytes,
            Some(max) => {
                let left = state.left(max);
                let later = state.logs.range((
                    std::ops::Bound::Excluded(priority),
                    std::ops::Bound::Unbounded,
                ));
                let is_last = later.map(|(_, count)| count).sum::<u64>() == 0;
                let part = if is_last { left } else { left / 2 };
                let fair = (part / among).max(LEAST_SHARE.min(left));
                if fair < LEAST_SHARE {
                    return Err(self.spent());
                }
                fair.min(self.log_bytes)
            }
        };
        state.granted = state.granted.saturating_add(bytes);
        drop(state);
        let budget = Arc::clone(self);
        Ok(Share { budget, bytes })
    }

    /// Whether a port may be scraped. Scrapes of pods that are well may take a quarter of the
    /// bundle.
    ///
    /// # Errors
    /// [`Trouble`] when that is spent.
    pub fn admit_scrape(&self, is_important: bool) -> Result<(), Trouble> {
        let Some(max) = self.max else { return Ok(()) };
        let state = self.lock();
        let may = is_important || state.scraped < max / 4;
        let is_room = state.left(max) >= LEAST_SHARE;
        drop(state);
        if may && is_room {
            Ok(())
        } else {
            Err(self.spent())
        }
    }

    /// Whether content of a source may still go into the bundle.
    ///
    /// # Errors
    /// [`Trouble`] when nothing is left.
    pub fn admit(&self, source: SourceKind, bytes: u64) -> Result<(), Trouble> {
        let is_elastic = matches!(
            source,
            SourceKind::PodLogs
                | SourceKind::ProxyMetrics
                | SourceKind::ControllerMetrics
                | SourceKind::ProxyState
                | SourceKind::ProxyIdentity
        );
        match self.max {
            Some(max) if is_elastic && self.lock().room(max) < bytes => Err(self.spent()),
            _ => Ok(()),
        }
    }

    /// Whether what is yet to be compressed might be too much, so that it should be written now.
    pub fn is_tight(&self, written: Size) -> bool {
        let Some(max) = self.max else { return false };
        let left = max.saturating_sub(written.packed + self.lock().frame(max));
        written.pending > left / 8
    }

    /// Takes note of what was written, and of an item that ended.
    pub fn note(&self, source: SourceKind, bytes: u64, written: Size) {
        let mut state = self.lock();
        state.note(written);
        state.items += 1;
        if matches!(
            source,
            SourceKind::ProxyMetrics | SourceKind::ControllerMetrics
        ) {
            state.scraped += state.packed(bytes);
        }
    }

    /// Why logs are cut.
    pub fn why_cut(&self) -> String {
        match self.max {
            Some(max) => format!("its share of `--max-size` {}", size(max)),
            None => format!("it has more than {} bytes", self.log_bytes),
        }
    }

    fn spent(&self) -> Trouble {
        let max = size(self.max.unwrap_or_default());
        let reason = format!("`--max-size` {max} was spent on what is more important");
        Trouble::new(Outcome::Skipped, reason)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Plain bytes that may still be promised; a little is kept back for what compresses worse
    /// than was thought.
    fn left(&self, max: u64) -> u64 {
        (self.room(max) / 5 * 4).saturating_sub(self.granted)
    }

    #[expect(clippy::cast_precision_loss, reason = "an estimate")]
    fn note(&mut self, written: Size) {
        const ENOUGH: u64 = 4 << 10;
        let before = self.written;
        let packed = written.packed.saturating_sub(before.packed);
        let plain = written.plain.saturating_sub(before.plain);
        if packed >= ENOUGH {
            self.last_ratio = plain as f64 / packed as f64;
        }
        self.written = written;
    }

    /// Compressed bytes that are not for content.
    fn frame(&self, max: u64) -> u64 {
        let to_come: u64 = self.logs.values().sum();
        FRAME_BYTES.min(max / 8) + (self.items + to_come) * ITEM_BYTES
    }

    /// Plain bytes that still fit.
    fn room(&self, max: u64) -> u64 {
        let frame = self.frame(max);
        let taken = self.written.packed + self.packed(self.written.pending);
        let left = max.saturating_sub(frame).saturating_sub(taken);
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "an estimate of sizes far below 2^52"
        )]
        let plain = (left as f64 * self.ratio()) as u64;
        plain
    }

    /// What plain bytes come to when compressed.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an estimate of sizes far below 2^52"
    )]
    fn packed(&self, plain: u64) -> u64 {
        (plain as f64 / self.ratio()) as u64
    }

    /// Plain bytes per compressed byte, a little less than so far: what comes may compress worse.
    #[expect(clippy::cast_precision_loss, reason = "an estimate")]
    fn ratio(&self) -> f64 {
        const ENOUGH: u64 = 32 << 10;
        if self.written.packed < ENOUGH {
            return LEAST_RATIO;
        }
        let overall = self.written.plain as f64 / self.written.packed as f64;
        (overall.min(self.last_ratio) * 0.9).clamp(1.0, 30.0)
    }
}

fn size(bytes: u64) -> String {
    const UNITS: [(u64, &str); 3] = [(1_000_000_000, "G"), (1_000_000, "M"), (1_000, "k")];
    let unit = UNITS
        .iter()
        .find(|(one, _)| bytes >= *one && bytes.is_multiple_of(*one));
    unit.map_or_else(
        || bytes.to_string(),
        |(one, name)| format!("{}{name}", bytes / one),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_limit_every_log_may_have_all() {
        let budget = Arc::new(Budget::new(None, 100));
        budget.expect_log(Priority::Ordinary);
        assert_eq!(budget.share(Priority::Ordinary).unwrap().bytes, 100);
    }

    #[test]
    fn the_important_share_half_of_what_is_left_and_leave_the_rest() {
        let budget = Arc::new(Budget::new(Some(10_000_000), 1 << 30));
        (0..4).for_each(|_| budget.expect_log(Priority::Sick));
        (0..10).for_each(|_| budget.expect_log(Priority::Ordinary));
        let first = budget.share(Priority::Sick).unwrap();
        let room = budget.lock().room(10_000_000) / 5 * 4;
        assert!(
            first.bytes.abs_diff(room / 8) < 10,
            "{} of {room}",
            first.bytes
        );
        let granted = first.bytes;
        assert_eq!(budget.lock().granted, granted);
        drop(first);
        assert_eq!(budget.lock().granted, 0);
        (0..3).for_each(|_| drop(budget.share(Priority::Sick).unwrap()));
        let last = budget.share(Priority::Ordinary).unwrap();
        assert!(last.bytes.abs_diff(budget.lock().room(10_000_000) / 50 * 4) < 10);
    }

    #[test]
    fn what_is_spent_is_said() {
        let budget = Arc::new(Budget::new(Some(1_000_000), 1 << 30));
        budget.expect_log(Priority::Ordinary);
        let written = Size {
            packed: 990_000,
            plain: 9_900_000,
            pending: 0,
        };
        budget.note(SourceKind::ClusterResources, 1, written);
        let trouble = budget.share(Priority::Ordinary).unwrap_err();
        assert_eq!(trouble.outcome, Outcome::Skipped);
        assert!(
            trouble.reason.contains("`--max-size` 1M"),
            "{}",
            trouble.reason
        );
        assert!(budget.admit(SourceKind::PodLogs, 1).is_err());
        assert!(budget.admit(SourceKind::Events, 1 << 30).is_ok());
        assert!(budget.admit_scrape(true).is_err());
    }
}
