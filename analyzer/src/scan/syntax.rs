//! What a regex says, without compiling it.
//!
//! The build script takes this file in too, with those that it and [`super::literals`] name: what is known of a
//! built-in rule's regexes when the program is made is found by the code that takes a pack's apart.

use regex_syntax::ParserBuilder;
use regex_syntax::hir::{Hir, HirKind};

/// How deeply a regex may nest.
pub(super) const NEST_LIMIT: u32 = 64;

/// Parses a regex over bytes.
///
/// # Errors
/// Where it is wrong, in bytes, and what is.
pub(super) fn parse(source: &str) -> Result<Hir, (usize, String)> {
    let mut parser = ParserBuilder::new()
        .unicode(false)
        .utf8(false)
        .nest_limit(NEST_LIMIT)
        .build();
    parser.parse(source).map_err(|error| match &error {
        regex_syntax::Error::Parse(error) => (error.span().start.offset, error.kind().to_string()),
        regex_syntax::Error::Translate(error) => {
            (error.span().start.offset, error.kind().to_string())
        }
        _ => (0, "it does not parse".to_owned()),
    })
}

/// The names of a regex's captures, in the order in which they open.
pub(super) fn names(hir: &Hir) -> Vec<String> {
    let mut names = Vec::new();
    gather(hir, &mut names);
    names
}

fn gather(hir: &Hir, into: &mut Vec<String>) {
    match hir.kind() {
        HirKind::Capture(capture) => {
            into.extend(capture.name.as_deref().map(str::to_owned));
            gather(&capture.sub, into);
        }
        HirKind::Repetition(repetition) => gather(&repetition.sub, into),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => {
            parts.iter().for_each(|part| gather(part, into));
        }
        _ => {}
    }
}
