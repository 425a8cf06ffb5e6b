//! Searches all entries on all cores.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use bundle::{Block, Bundle, EntryInfo, Interest, Problem, Visitor};
use regex::bytes::{Regex, RegexBuilder};

use super::glob::Glob;
use crate::args::GrepArgs;
use crate::exit::ExitStatus;
use crate::report::escape::escape;
use crate::scan::parallel;

/// Bytes of one line that are printed.
const MAX_LINE: usize = 16 << 10;

/// Prints the lines that match, with entry and line; or their number for each entry.
pub(crate) fn grep(
    bundle: &Bundle,
    args: &GrepArgs,
    threads: usize,
    to: &mut dyn Write,
) -> anyhow::Result<ExitStatus> {
    let regex = RegexBuilder::new(&args.pattern)
        .unicode(false)
        .multi_line(true)
        .case_insensitive(args.ignore_case)
        .build()
        .with_context(|| format!("`{}` is not a regex", args.pattern))?;
    let glob = args.glob.as_deref().map(Glob::new).transpose()?;
    let search = Search {
        regex,
        glob,
        counts_only: args.count,
        found: Mutex::default(),
    };
    parallel::run(bundle, &search, threads);
    let found = search
        .found
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner);
    for ((entry, _), lines) in &found.lines {
        for (number, line) in lines {
            writeln!(to, "{}:{number}:{}", escape(entry), escape(line))?;
        }
    }
    for (entry, count) in found.counts.iter().filter(|_| args.count) {
        writeln!(to, "{}:{count}", escape(entry))?;
    }
    for problem in &found.problems {
        let path = problem.path.as_deref().unwrap_or("the bundle itself");
        writeln!(
            anstream::stderr(),
            "warning: {}: {}",
            escape(path),
            escape(&problem.detail)
        )?;
    }
    let status = match (found.counts.is_empty(), found.problems.is_empty()) {
        (true, _) => ExitStatus::Found,
        (false, true) => ExitStatus::Fine,
        (false, false) => ExitStatus::Incomplete,
    };
    Ok(status)
}

#[derive(Debug, Default)]
struct Found {
    /// Entry and number of the first line of a block to the block's matching lines.
    lines: BTreeMap<(String, u64), Vec<(u64, String)>>,
    counts: BTreeMap<String, u64>,
    problems: Vec<Problem>,
}

struct Search {
    regex: Regex,
    glob: Option<Glob>,
    counts_only: bool,
    found: Mutex<Found>,
}

impl Search {
    /// The lines of a block that match.
    fn lines(&self, block: Block<'_>) -> Vec<(u64, String)> {
        let mut lines = Vec::new();
        let (mut at, mut number, mut counted) = (0, block.first_line, 0);
        while let Some(found) = self.regex.find_at(block.bytes, at) {
            let (before, after) = block
                .bytes
                .split_at_checked(found.start())
                .unwrap_or((block.bytes, &[]));
            let start = memchr::memrchr(b'\n', before).map_or(0, |newline| newline + 1);
            let end = memchr::memchr(b'\n', after)
                .map_or(block.bytes.len(), |newline| found.start() + newline);
            let line = block.bytes.get(start..end).unwrap_or_default();
            // A match that only spans lines is none of a line.
            if (start < end || found.start() < block.bytes.len()) && self.regex.is_match(line) {
                let skipped = block.bytes.get(counted..start).unwrap_or_default();
                number += memchr::memchr_iter(b'\n', skipped).count() as u64;
                counted = start;
                let shown = if self.counts_only {
                    &[]
                } else {
                    line.get(..MAX_LINE).unwrap_or(line)
                };
                lines.push((number, String::from_utf8_lossy(shown).into_owned()));
            }
            at = end + 1;
            if at > block.bytes.len() {
                break;
            }
        }
        lines
    }
}

impl Visitor for Search {
    fn interest(&self, entry: &EntryInfo) -> Interest {
        match &self.glob {
            Some(glob) if !glob.matches(entry.path.as_str()) => Interest::Skip,
            _ => Interest::Blocks,
        }
    }

    fn block(&self, entry: &Arc<EntryInfo>, block: Block<'_>) {
        let lines = self.lines(block);
        if lines.is_empty() {
            return;
        }
        let path = entry.path.to_string();
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        *found.counts.entry(path.clone()).or_default() += lines.len() as u64;
        if !self.counts_only {
            found.lines.insert((path, block.offset), lines);
        }
    }

    fn whole(&self, _: &Arc<EntryInfo>, _: Vec<u8>) {}

    fn problem(&self, problem: Problem) {
        self.found
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .problems
            .push(problem);
    }
}
