//! A log of any length, as a stream.

use std::io::{self, Read};

use jiff::{Timestamp, ToSpan};

use crate::corpus::Corpus;

/// How many of 10,000 lines tell of trouble, and how many are looked for by a rule.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shares {
    pub(crate) alarming: u32,
    pub(crate) matching: u32,
}

/// Streams kubelet-stamped lines drawn from a corpus, exactly as many bytes as asked for.
#[derive(Debug)]
pub(crate) struct LogReader<'a> {
    corpus: &'a Corpus,
    random: fastrand::Rng,
    shares: Shares,
    remaining: u64,
    now: Timestamp,
    line: Vec<u8>,
    used: usize,
}

impl<'a> LogReader<'a> {
    pub(crate) fn new(corpus: &'a Corpus, seed: u64, shares: Shares, bytes: u64) -> Self {
        Self {
            corpus,
            random: fastrand::Rng::with_seed(seed),
            shares,
            remaining: bytes,
            now: Timestamp::from_second(1_795_000_000).unwrap_or(Timestamp::UNIX_EPOCH),
            line: Vec::new(),
            used: 0,
        }
    }

    /// Makes the next line; digits of long numbers and addresses are drawn anew, so that no two
    /// lines are the same.
    fn next_line(&mut self) {
        let Shares { alarming, matching } = self.shares;
        let lines = match self.random.u32(0..10_000) {
            drawn if drawn < matching => &self.corpus.matching,
            drawn if drawn < matching + alarming => &self.corpus.alarming,
            _ => &self.corpus.ordinary,
        };
        let Some(text) = self.random.choice(lines) else {
            return;
        };
        let step = self.random.i64(1..2_000_000).microseconds();
        self.now = self.now.checked_add(step).unwrap_or(self.now);
        self.line.clear();
        self.line
            .extend_from_slice(format!("{:.9} ", self.now).as_bytes());
        for byte in text {
            let drawn = byte.is_ascii_digit() && self.random.u8(0..4) == 0;
            self.line.push(if drawn {
                self.random.u8(b'0'..=b'9')
            } else {
                *byte
            });
        }
        self.line.push(b'\n');
        self.used = 0;
    }
}

impl Read for LogReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.used == self.line.len() {
            self.next_line();
        }
        let rest = self.line.get(self.used..).unwrap_or_default();
        let wanted = usize::try_from(self.remaining)
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        let count = rest.len().min(wanted);
        let (Some(target), Some(source)) = (buffer.get_mut(..count), rest.get(..count)) else {
            return Ok(0);
        };
        target.copy_from_slice(source);
        self.used += count;
        self.remaining -= count as u64;
        Ok(count)
    }
}
