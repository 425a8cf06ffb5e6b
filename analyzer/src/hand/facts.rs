//! Prints fact tables, so that whoever writes a rule sees what there is to ask.

use std::io::Write;

use bundle::Bundle;

use crate::analyze::facts_of;
use crate::exit::ExitStatus;
use crate::report::escape::escape;
use crate::{Options, load_rules};

/// Prints the rows of `tables` as JSON lines, or how many rows every table has.
///
/// # Errors
/// If there is no table of a name.
pub(crate) fn facts(
    bundle: &Bundle,
    tables: &[String],
    threads: usize,
    to: &mut dyn Write,
) -> anyhow::Result<ExitStatus> {
    let rules = load_rules(&[], true, &[])?;
    let options = Options {
        threads,
        ..Options::default()
    };
    let facts = facts_of(bundle, &rules, &options);
    if tables.is_empty() {
        for (name, rows) in &facts.tables {
            writeln!(to, "{:>8}  {name}", rows.len())?;
        }
        return Ok(ExitStatus::Fine);
    }
    for name in tables {
        let Some(rows) = facts.tables.get(name.as_str()) else {
            let known: Vec<&str> = facts.tables.keys().copied().collect();
            anyhow::bail!("no table `{name}`; there are {}", known.join(", "));
        };
        for row in rows {
            writeln!(to, "{}", escape(&row.fields.to_string()))?;
        }
    }
    Ok(ExitStatus::Fine)
}
