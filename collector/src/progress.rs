//! What the user sees on stderr while the collector works. Knows nothing of Kubernetes.

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bundle::Outcome;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// How long an item may take before it is named as what is waited for.
const SLOW: Duration = Duration::from_secs(2);
/// How often a line is written where nothing can be drawn.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// Counts items and names those that are waited for.
#[derive(Debug)]
pub struct Progress {
    state: Mutex<State>,
    show: Show,
}

#[derive(Debug)]
enum Show {
    Bar(ProgressBar),
    Lines,
    Nothing,
}

#[derive(Debug, Default)]
struct State {
    number: u64,
    running: BTreeMap<u64, (Instant, String)>,
    ended: BTreeMap<Outcome, u64>,
    last_line: Option<Instant>,
}

impl Progress {
    /// A bar on a terminal, a line now and then elsewhere, nothing if quiet.
    pub fn new(quiet: bool) -> Self {
        let show = if quiet {
            Show::Nothing
        } else if std::io::stderr().is_terminal() {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed} {wide_msg}") {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(200));
            Show::Bar(bar)
        } else {
            Show::Lines
        };
        Self {
            state: Mutex::default(),
            show,
        }
    }

    /// Notes that an item is in the works until what comes back is dropped.
    pub fn begin(&self, name: String) -> Shown<'_> {
        let mut state = self.lock();
        state.number += 1;
        let number = state.number;
        state.running.insert(number, (Instant::now(), name));
        Shown {
            progress: self,
            number,
        }
    }

    /// Notes how an item ended.
    pub fn end(&self, outcome: Outcome) {
        *self.lock().ended.entry(outcome).or_default() += 1;
        self.draw();
    }

    /// Draws what is going on; called now and then so that a standstill is seen.
    pub fn draw(&self) {
        match &self.show {
            Show::Bar(bar) => bar.set_message(self.lock().sentence()),
            Show::Lines => {
                let mut state = self.lock();
                let since = state.last_line.get_or_insert_with(Instant::now).elapsed();
                if since >= LINE_EVERY {
                    state.last_line = Some(Instant::now());
                    let sentence = state.sentence();
                    drop(state);
                    say(&sentence);
                }
            }
            Show::Nothing => {}
        }
    }

    /// Says something that must not get lost among the drawing.
    pub fn say(&self, line: &str) {
        match &self.show {
            Show::Bar(bar) => bar.suspend(|| say(line)),
            Show::Lines => say(line),
            Show::Nothing => {}
        }
    }

    /// Says what the user has asked to be told, which not even quiet hides.
    pub fn tell(&self, text: &str) {
        match &self.show {
            Show::Bar(bar) => bar.suspend(|| say(text)),
            Show::Lines | Show::Nothing => say(text),
        }
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        if let Show::Bar(bar) = &self.show {
            bar.finish_and_clear();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn sentence(&self) -> String {
        let done: u64 = self.ended.values().sum();
        let short: u64 = self
            .ended
            .iter()
            .filter(|(outcome, _)| !outcome.is_covered() && **outcome != Outcome::Skipped)
            .map(|(_, count)| count)
            .sum();
        let mut text = format!("{done} items");
        if short > 0 {
            text = format!("{text}, {short} of them incomplete");
        }
        let slow = self.running.values().filter(|(t, _)| t.elapsed() >= SLOW);
        let count = slow.clone().count();
        match slow.min_by_key(|(since, _)| *since) {
            Some((since, name)) => {
                let others = if count > 1 {
                    format!(" and {} more", count - 1)
                } else {
                    String::new()
                };
                let seconds = since.elapsed().as_secs();
                format!("{text}; waiting for {name} ({seconds} s){others}")
            }
            None => match self.running.values().next_back() {
                Some((_, name)) => format!("{text}; {name}"),
                None => text,
            },
        }
    }
}

/// An item that is shown as being in the works.
#[derive(Debug)]
pub struct Shown<'a> {
    progress: &'a Progress,
    number: u64,
}

impl Drop for Shown<'_> {
    fn drop(&mut self) {
        self.progress.lock().running.remove(&self.number);
    }
}

/// Writes a line to stderr. A stderr that is gone is no reason to stop collecting. Messages come
/// from the cluster, whose control characters must not reach the terminal.
pub(crate) fn say(line: &str) {
    let plain = |c: char| {
        if c.is_control() && c != '\n' {
            '\u{fffd}'
        } else {
            c
        }
    };
    let line: String = line.chars().map(plain).collect();
    drop(writeln!(anstream::stderr().lock(), "{line}"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sentence_counts_what_ended_and_names_what_runs() {
        let progress = Progress::new(true);
        progress.end(Outcome::Complete);
        progress.end(Outcome::TimedOut);
        let shown = progress.begin("pod-logs shop/cart/app".to_owned());
        let sentence = progress.lock().sentence();
        assert_eq!(
            sentence,
            "2 items, 1 of them incomplete; pod-logs shop/cart/app"
        );
        drop(shown);
        assert!(progress.lock().sentence().ends_with("incomplete"));
    }
}
