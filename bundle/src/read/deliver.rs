//! Hands the bytes of one entry to a visitor, in the way it wants them, with bounded memory.

use std::io::{self, Read};
use std::sync::Arc;

use super::{Block, EntryInfo, Interest, Problem, ProblemKind, Visitor};
use crate::Limits;

/// Bytes that are gathered before a block is cut. Also the size of one read.
pub(super) const WINDOW_BYTES: usize = 512 << 10;

/// Takes the bytes of one entry front to back.
pub(super) struct Delivery<'a> {
    entry: &'a Arc<EntryInfo>,
    limits: &'a Limits,
    visitor: &'a dyn Visitor,
    interest: Interest,
    /// Whole: all bytes so far. Blocks: those that are not delivered yet.
    held: Vec<u8>,
    offset: u64,
    first_line: u64,
    mid_line: bool,
    total: u64,
    is_over: bool,
}

impl<'a> Delivery<'a> {
    pub(super) fn new(
        entry: &'a Arc<EntryInfo>,
        limits: &'a Limits,
        visitor: &'a dyn Visitor,
    ) -> Self {
        Self {
            entry,
            limits,
            visitor,
            interest: visitor.interest(entry),
            held: Vec::new(),
            offset: 0,
            first_line: 1,
            mid_line: false,
            total: 0,
            is_over: false,
        }
    }

    /// Whether there is no use in giving it more bytes.
    pub(super) fn is_closed(&self) -> bool {
        self.is_over || self.interest == Interest::Skip
    }

    /// Takes the next bytes.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.total += bytes.len() as u64;
        if self.is_closed() {
            return;
        }
        let cap = match self.interest {
            Interest::Whole => self.limits.max_whole_bytes.min(self.limits.max_entry_bytes),
            _ => self.limits.max_entry_bytes,
        };
        if self.total > cap {
            self.is_over = true;
            let detail = format!("more than the {cap} bytes that one entry may have here");
            self.problem(ProblemKind::OverLimit, detail);
            return;
        }
        if self.interest != Interest::Whole {
            // Cut before adding, so that the last block is never empty by accident.
            while self.held.len() >= WINDOW_BYTES && self.cut() {}
        }
        self.held.extend_from_slice(bytes);
    }

    /// Delivers the whole lines that are held; false if a line is not complete yet.
    fn cut(&mut self) -> bool {
        let end = match memchr::memrchr(b'\n', &self.held) {
            Some(last) => last + 1,
            None if self.held.len() >= self.limits.max_line_bytes => self.held.len(),
            None => return false,
        };
        self.deliver(end, false);
        true
    }

    fn deliver(&mut self, end: usize, is_last: bool) {
        let bytes = self.held.get(..end).unwrap_or_default();
        let block = Block {
            bytes,
            offset: self.offset,
            first_line: self.first_line,
            starts_mid_line: self.mid_line,
            is_last,
        };
        self.visitor.block(self.entry, block);
        self.offset += bytes.len() as u64;
        self.first_line += memchr::memchr_iter(b'\n', bytes).count() as u64;
        self.mid_line = bytes.last().is_some_and(|b| *b != b'\n');
        self.held.drain(..end);
    }

    /// Ends the entry.
    pub(super) fn finish(mut self) {
        match self.interest {
            Interest::Skip => {}
            Interest::Whole if self.is_over => {}
            Interest::Whole => self
                .visitor
                .whole(self.entry, std::mem::take(&mut self.held)),
            Interest::Blocks | Interest::Ordered => {
                // After a cut at a limit the rest is not whole lines of the entry any more.
                self.deliver(self.held.len(), true);
            }
        }
    }

    pub(super) fn problem(&self, kind: ProblemKind, detail: String) {
        self.visitor.problem(problem_of(self.entry, kind, detail));
    }
}

pub(super) fn problem_of(entry: &EntryInfo, kind: ProblemKind, detail: String) -> Problem {
    Problem {
        path: Some(entry.path.to_string()),
        kind,
        detail,
    }
}

/// How the reading of a source ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// At the source's end.
    Whole,
    /// At a limit; the rest is not wanted.
    AtLimit,
    /// In an error, which is told.
    Failed,
}

/// Reads `source` to its end into `delivery`; an error becomes a problem, and what came before
/// it is delivered. Gives the number of bytes read and how it ended.
pub(super) fn pump(
    source: &mut dyn Read,
    buffer: &mut Vec<u8>,
    mut delivery: Delivery<'_>,
) -> (u64, End) {
    buffer.resize(WINDOW_BYTES, 0);
    let mut total = 0;
    let end = loop {
        match source.read(buffer) {
            Ok(0) => break End::Whole,
            Ok(count) => {
                total += count as u64;
                delivery.push(buffer.get(..count).unwrap_or_default());
                if delivery.is_over {
                    break End::AtLimit;
                }
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => {
                delivery.problem(kind_of(&e), e.to_string());
                break End::Failed;
            }
        }
    };
    delivery.finish();
    (total, end)
}

/// What kind of trouble an I/O error from a decoder tells of.
pub(super) fn kind_of(error: &io::Error) -> ProblemKind {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => ProblemKind::CutShort,
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput | io::ErrorKind::Other => {
            ProblemKind::Damaged
        }
        _ => ProblemKind::Io,
    }
}
