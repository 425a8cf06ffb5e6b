//! Lists entries.

use std::io::Write;

use bundle::Bundle;

use super::glob::Glob;
use crate::exit::ExitStatus;
use crate::report::escape::escape;

/// Lists the entries of a bundle with their sizes.
pub(crate) fn ls(
    bundle: &Bundle,
    glob: Option<&str>,
    to: &mut dyn Write,
) -> anyhow::Result<ExitStatus> {
    let glob = glob.map(Glob::new).transpose()?;
    let mut entries: Vec<_> = bundle.entries().iter().collect();
    entries.sort_by(|a, b| a.path.cmp(&b.path));
    for entry in entries {
        let path = entry.path.as_str();
        if glob.as_ref().is_none_or(|glob| glob.matches(path)) {
            let size = entry
                .bytes
                .map_or_else(|| "?".to_owned(), |bytes| bytes.to_string());
            writeln!(to, "{size:>12}  {}", escape(path))?;
        }
    }
    Ok(ExitStatus::Fine)
}
