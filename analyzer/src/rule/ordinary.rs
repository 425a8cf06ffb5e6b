//! Whether what the lint says of literals is true: how often they stand in the lines of the recordings.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex};

use aho_corasick::AhoCorasick;
use bundle::{Block, Bundle, EntryInfo, Interest, Limits, Problem, Scratch, Visitor};

use super::set::Rules;
use crate::scan::literals::fold;
use crate::scan::origin::is_log;
use crate::scan::pattern::Pattern;

/// A pattern whose literals stand in more than one of so many ordinary lines costs too much.
const MOST_OF: u64 = 20;

/// One that could be better.
const TOLD_OF: u64 = 200;

/// Counts ordinary lines, which no pattern matches, and for each pattern those that it is tried on all the same.
struct Counter<'a> {
    patterns: &'a [&'a Pattern],
    /// The pattern of each literal that is looked for.
    owners: Vec<usize>,
    literals: AhoCorasick,
    counts: Mutex<(u64, Vec<u64>)>,
}

impl<'a> Counter<'a> {
    fn new(patterns: &'a [&'a Pattern]) -> Self {
        let texts = patterns.iter().enumerate();
        let texts = texts.flat_map(|(number, p)| p.required().0.iter().map(move |t| (number, t)));
        let (owners, texts): (Vec<usize>, Vec<&Vec<u8>>) = texts.unzip();
        Self {
            patterns,
            owners,
            literals: AhoCorasick::new(texts).unwrap(),
            counts: Mutex::new((0, vec![0; patterns.len()])),
        }
    }

    /// The patterns that are tried on a line; `None` if one matches, for then the line is no ordinary one.
    fn tried_in_vain(&self, line: &[u8]) -> Option<BTreeSet<usize>> {
        let folded: Vec<u8> = line.iter().map(|byte| fold(*byte)).collect();
        let hits = self.literals.find_overlapping_iter(&folded);
        let tried: BTreeSet<usize> = hits
            .map(|hit| self.owners[hit.pattern().as_usize()])
            .collect();
        // Behind the kubelet's time, for those that begin with `^`.
        let text = line.iter().position(|byte| *byte == b' ');
        let text = text.map_or(line, |at| &line[at + 1..]);
        let matches = |number: &usize| {
            let regex = self.patterns[*number].regex().unwrap();
            regex.is_match(line) || regex.is_match(text)
        };
        (!tried.iter().any(matches)).then_some(tried)
    }
}

impl Visitor for Counter<'_> {
    fn interest(&self, entry: &EntryInfo) -> Interest {
        if is_log(entry) {
            Interest::Blocks
        } else {
            Interest::Skip
        }
    }

    fn block(&self, _: &Arc<EntryInfo>, block: Block<'_>) {
        for line in block.bytes.split(|byte| *byte == b'\n') {
            let Some(tried) = self.tried_in_vain(line) else {
                continue;
            };
            let mut counts = self.counts.lock().unwrap();
            counts.0 += 1;
            tried.iter().for_each(|number| counts.1[*number] += 1);
        }
    }

    fn whole(&self, _: &Arc<EntryInfo>, _: Vec<u8>) {}

    fn problem(&self, _: Problem) {}
}

/// Reads the logs of all recordings.
fn read_recordings(counter: &Counter<'_>) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/recordings");
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let name = path.to_string_lossy();
        if !name.ends_with(".tar.gz") || name.contains(".truth") {
            continue;
        }
        let bundle = Bundle::open(&path, Limits::default()).unwrap();
        for task in bundle.plan(counter) {
            bundle.run(&task, &mut Scratch::default(), counter);
        }
    }
}

/// With `--nocapture` this prints what could be better.
#[test]
fn no_literal_of_a_built_in_rule_stands_in_many_ordinary_lines() {
    let rules = Rules::compile(&super::builtin::rules()).unwrap();
    let matchers = rules.scanner.matchers().iter();
    let patterns: Vec<&Pattern> = matchers.flat_map(|log| &log.patterns).collect();
    let counter = Counter::new(&patterns);
    read_recordings(&counter);
    let (lines, counts) = counter.counts.into_inner().unwrap();
    assert!(lines > 10_000, "only {lines} lines");
    let above = |bound: u64| {
        let tried = counts.iter().zip(&patterns);
        let often = tried.filter(move |(count, _)| **count * bound > lines);
        often.map(move |(count, pattern)| {
            let estimate = super::lint::hits(pattern);
            format!(
                "tried in vain on {count} of {lines} lines, estimated at {estimate:.0} in a million bytes: `{}`",
                pattern.source()
            )
        })
    };
    above(TOLD_OF).for_each(|told| println!("{told}"));
    let often: Vec<String> = above(MOST_OF).collect();
    assert!(often.is_empty(), "add rarer words\n{}", often.join("\n"));
}
