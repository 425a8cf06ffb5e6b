//! The example in a rule's documentation: its first case that fires, in short.

use super::Rule;
use super::cases::{self, ROWS};
use super::file::CaseFile;
use super::set::RuleText;
use crate::evidence::Evidence;

/// Pieces of evidence that are shown.
const MOST_PIECES: usize = 3;

/// Characters of each that are shown.
const MOST_CHARS: usize = 240;

/// What a case holds and what the rule says of it, as Markdown; empty if no case fires.
pub(super) fn markdown(rule: &Rule, texts: &[RuleText]) -> String {
    let text = texts.iter().find(|text| cases::id_of(text) == rule.id);
    let Some((case, finding)) = text.and_then(|text| cases::first_that_fires(text, texts)) else {
        return String::new();
    };
    let pieces = finding.evidence.iter().take(MOST_PIECES);
    let pieces: Vec<String> = pieces.map(|piece| shown(piece, &case)).collect();
    let more = match finding.evidence.len().saturating_sub(MOST_PIECES) {
        0 => String::new(),
        more => format!("\n(and {more} more)"),
    };
    let fence = "````";
    let name = case.name.trim();
    let name = name.split_whitespace().collect::<Vec<&str>>().join(" ");
    let message = finding.message.replace('\n', " ");
    format!(
        "{}:\n\n{fence}text\n{}{more}\n{fence}\n\ngives\n\n{fence}text\n{message}\n{fence}",
        super::show::escaped(&name),
        pieces.join("\n")
    )
}

/// A piece of evidence below the place where it stands.
fn shown(piece: &Evidence, case: &CaseFile) -> String {
    let place = match piece.line {
        _ if piece.entry == ROWS => format!("a row of {}", table(piece, case).unwrap_or("facts")),
        Some(line) => format!("{}:{line}", piece.entry),
        None => piece.entry.clone(),
    };
    let excerpt = piece.excerpt.trim().replace('\n', "\n  ");
    let short = match excerpt.char_indices().nth(MOST_CHARS) {
        Some((end, _)) => format!("{}…", excerpt.get(..end).unwrap_or_default()),
        None => excerpt,
    };
    if short.is_empty() {
        place
    } else {
        format!("{place}\n  {short}")
    }
}

/// The table among a case's own that a row is of.
fn table<'a>(piece: &Evidence, case: &'a CaseFile) -> Option<&'a str> {
    let tables = case.facts.iter();
    let is_it = |row: &serde_json::Value| {
        Evidence::of_entry(ROWS, row.to_string()).excerpt == piece.excerpt
    };
    tables
        .filter(|(_, rows)| rows.iter().any(is_it))
        .map(|(name, _)| name.as_str())
        .next()
}
