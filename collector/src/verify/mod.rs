//! The last look at a finished bundle: whether a secret got through redaction after all.
//!
//! Reads the file as the analyzer will, with patterns that share nothing with those of
//! [`crate::redact`], and fails closed: a bundle in which something is found, or that cannot be
//! read, is renamed so that nobody sends it by mistake.

mod patterns;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context;
use bundle::{Block, Bundle, EntryInfo, Finished, Interest, Limits, Problem, Visitor};

use crate::own_key::own_key;
use crate::reading::read_all;
use crate::run::threads;

/// What is told of at most.
const TOLD: usize = 10;

/// Something that looks like a secret. The secret itself is not kept.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Leak {
    /// The entry that it is in.
    pub entry: String,
    /// Its line, from 1.
    pub line: u64,
    /// What it looks like.
    pub kind: &'static str,
}

/// A finished bundle was not fit to be sent.
#[derive(Debug, thiserror::Error)]
#[error("{}", self.in_words())]
pub struct Rejected {
    file: PathBuf,
    leaks: Vec<Leak>,
    problems: Vec<String>,
}

impl Rejected {
    fn in_words(&self) -> String {
        format!(
            "the bundle may hold a secret, so it is now called `{}`; look at these lines, and give \
             `--allow-unverified` if they are harmless:{}",
            self.file.display(),
            self.lines()
        )
    }

    /// What was found, a line each.
    fn lines(&self) -> String {
        let leaks = self.leaks.iter().map(|leak| {
            let Leak { entry, line, kind } = leak;
            format!("\n  line {line} of `{entry}` looks like a {kind}")
        });
        let problems = self.problems.iter().map(|problem| format!("\n  {problem}"));
        let lines: Vec<String> = leaks.chain(problems).collect();
        let rest = lines.len().saturating_sub(TOLD);
        let told: String = lines.into_iter().take(TOLD).collect();
        if rest > 0 {
            format!("{told}\n  and {rest} more")
        } else {
            told
        }
    }
}

/// Looks at a bundle that was written under another name, and calls it `file`; if something is
/// found, `file` with `.rejected` at its end. Where that is allowed, only says so.
///
/// # Errors
/// [`Rejected`] when something is found or the bundle cannot be read whole.
pub fn verify(written: Finished, file: &Path, allow_unverified: bool) -> anyhow::Result<Finished> {
    let own = std::slice::from_ref(own_key()?);
    let bundle = Bundle::open_with(&written.path, Limits::default(), own);
    let (leaks, problems) = match &bundle {
        Ok(bundle) => look(bundle, threads()),
        Err(e) => (Vec::new(), vec![format!("it cannot be read: {e}")]),
    };
    if leaks.is_empty() && problems.is_empty() {
        return named(written, file);
    }
    let mut name = file.as_os_str().to_owned();
    name.push(".rejected");
    let rejected = Rejected {
        file: PathBuf::from(name),
        leaks,
        problems,
    };
    if allow_unverified {
        let told = rejected.lines();
        let mut stderr = anstream::stderr().lock();
        // Whoever closed stderr does not want to be told.
        drop(writeln!(stderr, "not verified, and kept as allowed:{told}"));
        return named(written, file);
    }
    named(written, &rejected.file)?;
    Err(rejected.into())
}

/// Gives a bundle its name. Until then it ends with `.partial`, so that nobody takes it for one
/// that was looked at.
fn named(written: Finished, file: &Path) -> anyhow::Result<Finished> {
    let shown = file.display();
    std::fs::rename(&written.path, file).with_context(|| format!("cannot write `{shown}`"))?;
    let mut named = written;
    file.clone_into(&mut named.path);
    Ok(named)
}

/// All leaks and problems of a bundle, in order.
fn look(bundle: &Bundle, threads: usize) -> (Vec<Leak>, Vec<String>) {
    let looker = Looker::default();
    read_all(bundle, &looker, threads);
    let lock = |found: Mutex<_>| found.into_inner().unwrap_or_else(PoisonError::into_inner);
    let (mut leaks, mut problems) = lock(looker.0);
    leaks.sort();
    leaks.dedup();
    problems.sort();
    (leaks, problems)
}

/// Looks at every block.
#[derive(Default)]
struct Looker(Mutex<(Vec<Leak>, Vec<String>)>);

impl Visitor for Looker {
    fn interest(&self, _: &EntryInfo) -> Interest {
        Interest::Blocks
    }

    fn block(&self, entry: &Arc<EntryInfo>, block: Block<'_>) {
        for (at, kind) in patterns::find(block.bytes) {
            let before = block.bytes.get(..at).unwrap_or_default();
            let leak = Leak {
                entry: entry.path.to_string(),
                line: block.first_line + memchr::memchr_iter(b'\n', before).count() as u64,
                kind,
            };
            self.0
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .0
                .push(leak);
        }
    }

    fn whole(&self, _: &Arc<EntryInfo>, _: Vec<u8>) {}

    fn problem(&self, problem: Problem) {
        let place = problem.path.as_deref().unwrap_or("the file");
        let told = format!("`{place}` could not be looked at: {}", problem.detail);
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .1
            .push(told);
    }
}

#[cfg(test)]
mod tests {
    use bundle::{BundleWriter, Container, EntryPath, Manifest, WriterOptions};

    use super::*;

    fn written(folder: &Path, text: &str) -> (PathBuf, Finished) {
        let file = folder.join("x.tar.gz");
        let at = jiff::Timestamp::UNIX_EPOCH;
        let options = WriterOptions {
            container: Container::TarGz,
            name: "x".to_owned(),
            mtime: at,
            threads: 1,
        };
        let mut writer = BundleWriter::create(&file, options).unwrap();
        let path = EntryPath::parse("a.log").unwrap();
        writer
            .append(&path, text.len() as u64, &mut text.as_bytes())
            .unwrap();
        let manifest = Manifest::new("", at);
        let written = writer.close(manifest).unwrap();
        (file, written)
    }

    #[test]
    fn a_bundle_with_a_secret_is_renamed_and_told_by_line_and_not_by_value() {
        let folder = tempfile::tempdir().unwrap();
        let token = format!("gh{}_{}", "p", "a1B2".repeat(9));
        let text = format!("one\ntwo\nx {token} y\n");
        let (file, unseen) = written(folder.path(), &text);
        assert!(!file.exists());
        let error = verify(unseen, &file, false).unwrap_err().to_string();
        assert!(
            error.contains("line 3 of `a.log`") && !error.contains(&token),
            "{error}"
        );
        let rejected = folder.path().join("x.tar.gz.rejected");
        assert!(!file.exists() && rejected.exists());
        let (_, unseen) = written(folder.path(), &text);
        assert_eq!(verify(unseen, &file, true).unwrap().path, file);
        assert!(file.exists());
    }

    #[test]
    fn a_clean_bundle_stays_and_a_damaged_one_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let clean = "one\ntwo [REDACTED:jwt]\n";
        let (file, unseen) = written(folder.path(), clean);
        verify(unseen, &file, false).unwrap();
        std::fs::remove_file(&file).unwrap();
        let (_, unseen) = written(folder.path(), clean);
        let mut bytes = std::fs::read(&unseen.path).unwrap();
        if let Some(byte) = bytes.get_mut(40) {
            *byte ^= 0xff;
        }
        std::fs::write(&unseen.path, bytes).unwrap();
        assert!(verify(unseen, &file, false).is_err() && !file.exists());
    }
}
