//! Checks a bundle against its manifest.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bundle::layout::EntryKind;
use bundle::{Block, Bundle, EntryInfo, Interest, Manifest, Outcome, Problem, Visitor};
use sha2::{Digest, Sha256};

use crate::exit::ExitStatus;
use crate::report::escape::escape;
use crate::report::{bytes, problem_word, thousands};
use crate::scan::parallel;

/// Checks hashes, sizes, the ledger and whether everything can be read; with `decode_only` just
/// the last.
pub(crate) fn verify(
    bundle: &Bundle,
    decode_only: bool,
    threads: usize,
    to: &mut dyn Write,
) -> anyhow::Result<ExitStatus> {
    if decode_only {
        let decoder = Decoder::default();
        parallel::run(bundle, &decoder, threads);
        let problems = decoder
            .problems
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        writeln!(to, "{} decoded", bytes(decoder.bytes.into_inner()))?;
        return tell_problems(&problems, to);
    }
    let hasher = Hasher::default();
    parallel::run(bundle, &hasher, threads);
    let found = hasher
        .found
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner);
    let problems = tell_problems(&found.problems, to)?;
    let Some(manifest) = &found.manifest else {
        writeln!(
            to,
            "{} entries; no manifest to check them against",
            thousands(found.entries.len() as u64)
        )?;
        return Ok(ExitStatus::Incomplete);
    };
    let differences = differences(manifest, &found.entries);
    for line in &differences {
        writeln!(to, "{}", escape(line))?;
    }
    tell_ledger(manifest, to)?;
    let count = thousands(found.entries.len() as u64);
    if differences.is_empty() && problems == ExitStatus::Fine {
        let verdict = if manifest.entries.is_empty() {
            "the manifest holds no hashes"
        } else {
            "all as the manifest says"
        };
        writeln!(to, "{count} entries, {verdict}")?;
        return Ok(ExitStatus::Fine);
    }
    writeln!(
        to,
        "{count} entries, {} not as the manifest says",
        differences.len()
    )?;
    Ok(ExitStatus::Found)
}

fn tell_problems(problems: &[Problem], to: &mut dyn Write) -> anyhow::Result<ExitStatus> {
    let mut sorted: Vec<&Problem> = problems.iter().collect();
    sorted.sort();
    for problem in sorted {
        let path = problem.path.as_deref().unwrap_or("the bundle itself");
        writeln!(
            to,
            "{}: {} ({})",
            escape(path),
            escape(&problem.detail),
            problem_word(problem.kind)
        )?;
    }
    Ok(if problems.is_empty() {
        ExitStatus::Fine
    } else {
        ExitStatus::Found
    })
}

/// How many items of the ledger ended how, and those that did not end well.
fn tell_ledger(manifest: &Manifest, to: &mut dyn Write) -> anyhow::Result<()> {
    let mut counts: BTreeMap<Outcome, u64> = BTreeMap::new();
    for row in &manifest.ledger {
        *counts.entry(row.outcome).or_default() += 1;
        if !row.outcome.is_covered() {
            let reason = row.reason.as_deref().unwrap_or("no reason told");
            let line = format!(
                "ledger: {} of {}: {:?}: {reason}",
                row.source, row.object, row.outcome
            );
            writeln!(to, "{}", escape(&line))?;
        }
    }
    let counts: Vec<String> = counts
        .iter()
        .map(|(outcome, count)| format!("{count} {}", format!("{outcome:?}").to_lowercase()))
        .collect();
    if counts.is_empty() {
        writeln!(to, "ledger: none")?;
    } else {
        writeln!(to, "ledger: {}", counts.join(", "))?;
    }
    Ok(())
}

type Entries = BTreeMap<String, (u64, String)>;

fn differences(manifest: &Manifest, entries: &Entries) -> Vec<String> {
    let mut lines = Vec::new();
    let mut listed = std::collections::BTreeSet::new();
    for record in &manifest.entries {
        let path = record.path.as_str();
        listed.insert(path);
        match entries.get(path) {
            None => lines.push(format!("{path}: in the manifest, not in the bundle")),
            Some((size, _)) if *size != record.bytes => {
                lines.push(format!("{path}: {size} bytes instead of {}", record.bytes));
            }
            Some((_, hash)) if *hash != record.sha256.to_ascii_lowercase() => {
                lines.push(format!(
                    "{path}: another content than the manifest's hash says"
                ));
            }
            Some(_) => {}
        }
    }
    let extra = entries.keys().filter(|path| {
        !manifest.entries.is_empty() && !listed.contains(path.as_str()) && *path != "manifest.json"
    });
    lines.extend(extra.map(|path| format!("{path}: in the bundle, not in the manifest")));
    lines
}

#[derive(Default)]
struct Found {
    open: BTreeMap<String, (u64, Sha256)>,
    entries: Entries,
    manifest: Option<Manifest>,
    problems: Vec<Problem>,
}

/// Lower-case hexadecimal.
fn hex(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from_digit(u32::from(value), 16).unwrap_or('0');
    bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)])
        .collect()
}

/// Hashes every entry.
#[derive(Default)]
struct Hasher {
    found: Mutex<Found>,
}

impl Hasher {
    fn found(&self) -> std::sync::MutexGuard<'_, Found> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Visitor for Hasher {
    fn interest(&self, entry: &EntryInfo) -> Interest {
        if entry.kind == EntryKind::Manifest {
            Interest::Whole
        } else {
            Interest::Ordered
        }
    }

    fn block(&self, entry: &Arc<EntryInfo>, block: Block<'_>) {
        let path = entry.path.to_string();
        // Taken out while it is at work, so that other threads hash other entries meanwhile.
        let (size, mut hash) = self.found().open.remove(&path).unwrap_or_default();
        hash.update(block.bytes);
        let size = size + block.bytes.len() as u64;
        if block.is_last {
            let digest = hex(&hash.finalize());
            self.found().entries.insert(path, (size, digest));
        } else {
            self.found().open.insert(path, (size, hash));
        }
    }

    fn whole(&self, entry: &Arc<EntryInfo>, bytes: Vec<u8>) {
        let digest = hex(&Sha256::digest(&bytes));
        let mut found = self.found();
        found.manifest = serde_json::from_slice(&bytes).ok();
        found
            .entries
            .insert(entry.path.to_string(), (bytes.len() as u64, digest));
    }

    fn problem(&self, problem: Problem) {
        self.found().problems.push(problem);
    }
}

/// Decodes every entry and looks at nothing.
#[derive(Default)]
struct Decoder {
    bytes: AtomicU64,
    problems: Mutex<Vec<Problem>>,
}

impl Visitor for Decoder {
    fn interest(&self, _: &EntryInfo) -> Interest {
        Interest::Blocks
    }

    fn block(&self, _: &Arc<EntryInfo>, block: Block<'_>) {
        self.bytes
            .fetch_add(block.bytes.len() as u64, Ordering::Relaxed);
    }

    fn whole(&self, _: &Arc<EntryInfo>, bytes: Vec<u8>) {
        self.bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
    }

    fn problem(&self, problem: Problem) {
        self.problems
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(problem);
    }
}
