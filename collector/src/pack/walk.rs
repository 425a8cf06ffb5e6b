//! The files of a folder, in order.

use std::io;
use std::path::{Path, PathBuf};

use bundle::EntryPath;

/// Something in the folder.
#[derive(Debug)]
pub(super) struct Found {
    /// Where it goes.
    pub(super) path: EntryPath,
    /// The file, unless it is refused.
    pub(super) file: Option<PathBuf>,
    /// Why it is refused.
    pub(super) refusal: Option<String>,
}

/// How deep folders are followed.
const MAX_DEPTH: usize = 64;

/// The folder that is meant: an unpacked bundle lies one level down when its archive was
/// unpacked into a folder of its own.
pub(super) fn root(folder: &Path) -> PathBuf {
    let is_bundle =
        |f: &Path| f.join("version.yaml").is_file() || f.join("manifest.json").is_file();
    let inner = || {
        let mut items = std::fs::read_dir(folder).ok()?;
        let only = items.next()?.ok()?.path();
        let is_only = items.next().is_none();
        (is_only && only.is_dir() && is_bundle(&only)).then_some(only)
    };
    inner().unwrap_or_else(|| folder.to_owned())
}

/// All files below `root`, ordered by path.
pub(super) fn files(root: &Path) -> io::Result<Vec<Found>> {
    let mut found = Vec::new();
    walk(root, "", MAX_DEPTH, &mut found)?;
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

fn walk(folder: &Path, prefix: &str, depth: usize, found: &mut Vec<Found>) -> io::Result<()> {
    for item in std::fs::read_dir(folder)? {
        let item = item?;
        let kind = item.file_type()?;
        let name = item.file_name();
        let shown = format!("{prefix}{}", name.to_string_lossy());
        if kind.is_dir() && depth > 0 {
            walk(&item.path(), &format!("{shown}/"), depth - 1, found)?;
            continue;
        }
        let refusal = match (kind.is_file(), name.to_str()) {
            (false, _) => Some("neither a file nor a folder".to_owned()),
            (true, None) => Some("its name is not UTF-8".to_owned()),
            (true, Some(_)) => None,
        };
        // A name that cannot be an entry's still gets its row.
        let (path, refusal) = match EntryPath::parse(shown.as_str()) {
            Ok(path) => (path, refusal),
            Err(e) => (
                EntryPath::parse(plain(&shown)).map_err(io::Error::other)?,
                Some(e.to_string()),
            ),
        };
        found.push(Found {
            path,
            file: refusal.is_none().then(|| item.path()),
            refusal,
        });
    }
    Ok(())
}

fn plain(path: &str) -> String {
    let keep = |c: char| if c.is_control() || c == '\\' { '_' } else { c };
    path.chars().map(keep).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_come_in_order_and_links_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("b")).unwrap();
        std::fs::write(folder.path().join("b/x.log"), "x").unwrap();
        std::fs::write(folder.path().join("a\\b\n.log"), "x").unwrap();
        #[cfg(unix)]
        std::os::unix::fs::symlink("/etc/passwd", folder.path().join("link")).unwrap();
        let found = files(folder.path()).unwrap();
        let seen: Vec<_> = found
            .iter()
            .map(|f| (f.path.as_str(), f.file.is_some()))
            .collect();
        assert_eq!(
            seen,
            [("a_b_.log", false), ("b/x.log", true), ("link", false)]
        );
    }
}
