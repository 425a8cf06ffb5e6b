//! Real log lines, taken from the recordings.

use std::path::Path;
use std::sync::Mutex;

use anyhow::{Context, Result, ensure};
use bundle::layout::EntryKind;
use bundle::{Block, Bundle, EntryInfo, Interest, Limits, Problem, Scratch, Visitor};
use regex::bytes::RegexSet;

/// Log lines without their kubelet timestamps, sorted, each once.
#[derive(Debug)]
pub(crate) struct Corpus {
    /// Lines that tell of nothing unusual.
    pub(crate) ordinary: Vec<Vec<u8>>,
    /// Lines that tell of trouble.
    pub(crate) alarming: Vec<Vec<u8>>,
    /// Lines that a rule looks for, whatever they tell of.
    pub(crate) matching: Vec<Vec<u8>>,
}

impl Corpus {
    /// Reads the logs of every recording in `folder`, and parts them by what rules look for.
    pub(crate) fn read(folder: &Path, wanted: &RegexSet) -> Result<Self> {
        let lines = Collected::default();
        let items = std::fs::read_dir(folder)
            .with_context(|| format!("cannot read `{}`", folder.display()))?;
        for item in items {
            let path = item?.path();
            if !path.to_string_lossy().contains(".truth.") {
                let bundle = Bundle::open(&path, Limits::default())?;
                let mut scratch = Scratch::default();
                for task in bundle.plan(&lines) {
                    bundle.run(&task, &mut scratch, &lines);
                }
            }
        }
        let mut lines = lines
            .lines
            .into_inner()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        lines.sort();
        lines.dedup();
        let (matching, others): (Vec<_>, Vec<_>) =
            lines.into_iter().partition(|l| wanted.is_match(l));
        let (alarming, ordinary): (Vec<_>, Vec<_>) =
            others.into_iter().partition(|l| is_alarming(l));
        ensure!(
            !alarming.is_empty() && !ordinary.is_empty(),
            "no log lines in `{}`",
            folder.display()
        );
        Ok(Self {
            ordinary,
            alarming,
            matching,
        })
    }
}

/// Whether a line tells of trouble, at whatever level it is written.
fn is_alarming(line: &[u8]) -> bool {
    let marks: [&[u8]; 8] = [
        b" WARN ",
        b" ERROR ",
        b"level=warning",
        b"level=error",
        b"denied",
        b"rror=",
        b"unauthorized",
        b"failed",
    ];
    marks
        .iter()
        .any(|mark| line.windows(mark.len()).any(|w| w == *mark))
}

#[derive(Debug, Default)]
struct Collected {
    lines: Mutex<Vec<Vec<u8>>>,
}

impl Visitor for Collected {
    fn interest(&self, entry: &EntryInfo) -> Interest {
        match entry.kind {
            EntryKind::PodLog { .. } => Interest::Blocks,
            _ => Interest::Skip,
        }
    }

    fn block(&self, _entry: &std::sync::Arc<EntryInfo>, block: Block<'_>) {
        let lines = block.bytes.split(|b| *b == b'\n').filter_map(|line| {
            let space = line.iter().position(|b| *b == b' ')?;
            line.get(space + 1..)
                .filter(|text| !text.is_empty())
                .map(<[u8]>::to_vec)
        });
        if let Ok(mut all) = self.lines.lock() {
            all.extend(lines);
        }
    }

    fn whole(&self, _entry: &std::sync::Arc<EntryInfo>, _bytes: Vec<u8>) {}

    fn problem(&self, _problem: Problem) {}
}
