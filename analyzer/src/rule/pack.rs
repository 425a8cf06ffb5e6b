//! Loads rule packs: folders of `<topic>/<id>.yaml` with `<id>.cases.yaml` beside them.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::builtin;
use super::fault::Fault;
use super::set::RuleText;
use super::spanned::Spot;

/// What comes after a rule's id in the name of its cases.
const CASES: &str = ".cases";

/// Bytes of one file. Cases hold pieces of logs and objects; the longest of the built-in rules take 20 KB.
const MAX_BYTES: u64 = 2 << 20;

/// Folders below a pack that are looked into.
const MAX_DEPTH: usize = 8;

/// Reads all rules of a folder, ordered by path.
///
/// # Errors
/// When the folder cannot be read, or there is no rule in it.
pub(crate) fn read(folder: &Path) -> anyhow::Result<Vec<RuleText>> {
    let mut files = Vec::new();
    walk(folder, MAX_DEPTH, &mut files)?;
    files.sort();
    let mut texts = Vec::new();
    for path in &files {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        if stem.ends_with(CASES) {
            continue;
        }
        let extension = path.extension().unwrap_or_default().to_string_lossy();
        let cases = path.with_file_name(format!("{stem}{CASES}.{extension}"));
        let shown = path
            .strip_prefix(folder)
            .unwrap_or(path)
            .to_string_lossy()
            .into_owned();
        let has_cases = files.binary_search(&cases).is_ok();
        texts.push(rule(path, &shown, has_cases.then_some(&cases)));
    }
    anyhow::ensure!(
        !texts.is_empty(),
        "no rules (`*.yaml`) in `{}`",
        folder.display()
    );
    Ok(texts)
}

/// A rule and its cases. What of them cannot be read is a fault like any other.
fn rule(path: &Path, shown: &str, cases: Option<&PathBuf>) -> RuleText {
    let mut unread = Vec::new();
    let mut take = |path: &Path, shown: &str| {
        let read = text(path, shown);
        read.map_err(|fault| unread.push(fault)).unwrap_or_default()
    };
    let yaml = take(path, shown);
    let cases = cases.map(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let shown = Path::new(shown).with_file_name(name.as_ref());
        take(path, &shown.to_string_lossy())
    });
    RuleText {
        unread,
        ..RuleText::new(shown, yaml, cases)
    }
}

fn text(path: &Path, shown: &str) -> Result<String, Fault> {
    let fault = |place, detail: String| Fault {
        file: shown.to_owned(),
        place,
        detail,
    };
    let failed = |error: io::Error| fault(Spot::default(), format!("cannot be read: {error}"));
    if !std::fs::metadata(path).map_err(failed)?.is_file() {
        // Reading a pipe or a device might never end.
        return Err(fault(Spot::default(), "not a file".to_owned()));
    }
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(failed)?;
    file.take(MAX_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    if bytes.len() as u64 > MAX_BYTES {
        let detail = format!("longer than the {MAX_BYTES} bytes that a file of rules may have");
        return Err(fault(Spot::default(), detail));
    }
    String::from_utf8(bytes).map_err(|error| {
        let good = error.as_bytes().get(..error.utf8_error().valid_up_to());
        let good = String::from_utf8_lossy(good.unwrap_or_default());
        let line = good.rsplit('\n').next().unwrap_or_default();
        let place = Spot {
            line: good.matches('\n').count() as u64 + 1,
            column: line.chars().count() as u64 + 1,
        };
        fault(place, "not UTF-8 text; save it as such".to_owned())
    })
}

fn walk(folder: &Path, depth: usize, into: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    let failed = || format!("cannot read the rules folder `{}`", folder.display());
    for item in std::fs::read_dir(folder).with_context(failed)? {
        let item = item.with_context(failed)?;
        let (path, kind) = (item.path(), item.file_type().with_context(failed)?);
        if kind.is_dir() && depth > 0 {
            walk(&path, depth - 1, into)?;
        } else if path.extension().is_some_and(|e| e == "yaml" || e == "yml") {
            into.push(path);
        }
    }
    Ok(())
}

/// The built-in rules, unless they are not wanted, and those of the folders. A later rule
/// replaces an earlier one with the same id.
///
/// # Errors
/// When a folder cannot be read.
pub(crate) fn gather(folders: &[PathBuf], with_builtin: bool) -> anyhow::Result<Vec<RuleText>> {
    let mut by_name: BTreeMap<String, RuleText> = BTreeMap::new();
    let builtin = if with_builtin {
        builtin::rules()
    } else {
        Vec::new()
    };
    for text in builtin {
        by_name.insert(name(&text), text);
    }
    for folder in folders {
        let mut own: BTreeMap<String, RuleText> = BTreeMap::new();
        let mut twice = Vec::new();
        for text in read(folder)? {
            if let Some(first) = own.insert(name(&text), text) {
                // Both are kept, so that the fault is told.
                twice.push(first);
            }
        }
        by_name.extend(own);
        by_name.extend(twice.into_iter().map(|text| (text.path.clone(), text)));
    }
    Ok(by_name.into_values().collect())
}

fn name(text: &RuleText) -> String {
    let name = text.path.rsplit(['/', '\\']).next().unwrap_or_default();
    name.trim_end_matches(".yaml")
        .trim_end_matches(".yml")
        .to_owned()
}
