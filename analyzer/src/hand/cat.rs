//! Prints entries as they are.

use std::io::{IsTerminal as _, Write};

use bundle::Bundle;

use super::glob::Glob;
use crate::exit::ExitStatus;
use crate::report::escape::escape;

/// Prints the entries that a path or glob names, one after the other.
pub(crate) fn cat(bundle: &Bundle, wanted: &str, to: &mut dyn Write) -> anyhow::Result<ExitStatus> {
    let glob = Glob::new(wanted)?;
    let mut paths: Vec<&str> = bundle
        .entries()
        .iter()
        .map(|entry| entry.path.as_str())
        .collect();
    paths.sort_unstable();
    if paths.contains(&wanted) {
        paths = vec![wanted];
    } else {
        paths.retain(|path| glob.matches(path));
    }
    anyhow::ensure!(
        !paths.is_empty(),
        "no entry `{wanted}` in the bundle\nhint: `linkerd-analyze ls` lists them; a glob may help, as in '**/*proxy.log'"
    );
    let is_terminal = std::io::stdout().is_terminal();
    for path in paths {
        let bytes = bundle
            .read(path)
            .map_err(|p| anyhow::anyhow!("cannot read `{path}`: {}", p.detail))?;
        if is_terminal {
            for line in String::from_utf8_lossy(&bytes).lines() {
                writeln!(to, "{}", escape(line))?;
            }
        } else {
            to.write_all(&bytes)?;
        }
    }
    Ok(ExitStatus::Fine)
}
