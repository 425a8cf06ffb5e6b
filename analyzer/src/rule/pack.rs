//! Loads rule packs: folders of `<topic>/<id>.yaml` with `<id>.cases.yaml` beside them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::builtin;
use super::set::RuleText;

/// What comes after a rule's id in the name of its cases.
const CASES: &str = ".cases";

/// Folders below a pack that are looked into.
const MAX_DEPTH: usize = 8;

/// Reads all rules of a folder, ordered by path.
///
/// # Errors
/// When the folder or a file in it cannot be read, or there is no rule in it.
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
        texts.push(RuleText {
            path: shown,
            yaml: text(path)?.into(),
            cases: if files.binary_search(&cases).is_ok() {
                Some(text(&cases)?.into())
            } else {
                None
            },
            ready: None,
        });
    }
    anyhow::ensure!(
        !texts.is_empty(),
        "no rules (`*.yaml`) in `{}`",
        folder.display()
    );
    Ok(texts)
}

fn text(path: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("cannot read `{}`", path.display()))
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
