//! From the names in a container to entry paths below the bundle's top folder.

use super::{Problem, ProblemKind};
use crate::{EntryPath, Limits, PathError};

/// The first components of our own layout: never a top folder.
const ROOTS: [&str; 6] = [
    "cluster-info",
    "cluster-resources",
    "linkerd",
    "collector",
    "manifest.json",
    "version.yaml",
];

/// The folder that all names share, if there is one and it is none of the layout's own.
pub(super) fn top_folder<'a>(names: impl Iterator<Item = &'a [u8]>) -> Option<String> {
    let mut top: Option<&[u8]> = None;
    for name in names {
        let name = name.strip_prefix(b"./").unwrap_or(name);
        let slash = memchr::memchr(b'/', name)?;
        let first = name.get(..slash)?;
        if *top.get_or_insert(first) != first {
            return None;
        }
    }
    let top = std::str::from_utf8(top?).ok()?;
    (!ROOTS.contains(&top) && !matches!(top, "" | "." | "..")).then(|| top.to_owned())
}

/// Turns a container's name into an entry path.
pub(super) fn entry_path(
    name: &[u8],
    top: Option<&str>,
    limits: &Limits,
) -> Result<EntryPath, Problem> {
    let shown = || name.escape_ascii().to_string();
    let refuse = |error: &PathError| Problem {
        path: Some(shown()),
        kind: ProblemKind::PathRefused,
        detail: error.to_string(),
    };
    if name.len() > limits.max_path_bytes {
        let shown = name.get(..64).unwrap_or(name).escape_ascii().to_string();
        return Err(Problem {
            path: Some(format!("{shown}…")),
            kind: ProblemKind::PathRefused,
            detail: PathError::TooLong(name.len(), limits.max_path_bytes).to_string(),
        });
    }
    let text = std::str::from_utf8(name).map_err(|_| refuse(&PathError::NotUtf8(shown())))?;
    let text = text.strip_prefix("./").unwrap_or(text);
    let below = top
        .and_then(|top| text.strip_prefix(top))
        .and_then(|rest| rest.strip_prefix('/'))
        .unwrap_or(text);
    EntryPath::parse(below).map_err(|e| refuse(&e))
}

/// The path that a link at `entry` leads to, if that is inside the bundle.
pub(super) fn link_target(entry: &EntryPath, target: &[u8]) -> Option<String> {
    let target = std::str::from_utf8(target).ok()?.replace('\\', "/");
    if target.starts_with('/') {
        return None;
    }
    let mut parts: Vec<&str> = entry.components().collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn top(names: &[&str]) -> Option<String> {
        top_folder(names.iter().map(|n| n.as_bytes()))
    }

    #[test]
    fn only_a_folder_that_all_share_is_a_top_folder() {
        assert_eq!(top(&["x/a", "x/b/c"]), Some("x".into()));
        assert_eq!(top(&["./x/a", "./x/b"]), Some("x".into()));
        assert_eq!(top(&["x/a", "y/b"]), None);
        assert_eq!(top(&["a.log"]), None);
        assert_eq!(top(&["linkerd/a", "linkerd/b"]), None);
        assert_eq!(top(&["../a"]), None);
    }

    #[test]
    fn a_name_that_is_not_utf8_is_shown_escaped() {
        let problem = entry_path(b"x/\xff.log", None, &Limits::default()).unwrap_err();
        assert_eq!(problem.path.as_deref(), Some("x/\\xff.log"));
    }

    #[test]
    fn a_link_leads_to_a_place_inside_or_nowhere() {
        let entry = EntryPath::parse("all-logs/cart/app.log").unwrap();
        let target = |text: &str| link_target(&entry, text.as_bytes());
        assert_eq!(
            target("../../cluster-resources/pods/logs/shop/cart/app.log").as_deref(),
            Some("cluster-resources/pods/logs/shop/cart/app.log")
        );
        assert_eq!(target("./b.log").as_deref(), Some("all-logs/cart/b.log"));
        assert_eq!(target("../../../etc/passwd"), None);
        assert_eq!(target("/etc/passwd"), None);
        assert_eq!(link_target(&entry, b"\xff"), None);
    }
}
