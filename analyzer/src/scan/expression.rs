//! Regexes of rules: checked when a rule is read, compiled when first needed.

use std::sync::{Arc, OnceLock};

use regex::bytes::{Regex, RegexBuilder};
use regex_automata::nfa::thompson::{self, NFA};

use super::literals::{Required, required};
use super::syntax::{self, NEST_LIMIT};

/// Bytes that one compiled regex may take.
const SIZE_LIMIT: usize = 4 << 20;

/// The names of a regex's captures, and its literals if it has any to look for.
type Parts = (Vec<Arc<str>>, Option<Required>);

/// What was found out about a regex of a built-in rule when the program was made.
struct Known {
    source: &'static str,
    /// Empty if it has none to look for.
    required: &'static [&'static [u8]],
    names: &'static [&'static str],
}

// `KNOWN`, ordered by source.
include!(concat!(env!("OUT_DIR"), "/regexes.rs"));

impl Known {
    fn owned(&self) -> Parts {
        let names = self.names.iter().map(|name| Arc::from(*name));
        let required = self.required.iter().map(|text| text.to_vec());
        let has_some = !self.required.is_empty();
        (
            names.collect(),
            has_some.then(|| Required(required.collect())),
        )
    }
}

fn known(source: &str) -> Option<&'static Known> {
    let at = KNOWN.binary_search_by(|known| known.source.cmp(source));
    KNOWN.get(at.ok()?)
}

/// Why a text is no regex or no pattern; the words say what to write instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PatternError {
    /// It is no regex: after so many characters something is wrong.
    #[error("`{regex}` is not a regex: {detail}")]
    Syntax {
        regex: String,
        at: usize,
        detail: String,
    },
    /// It is too large when compiled.
    #[error("`{0}` is too large when compiled; use fewer or smaller repetitions")]
    TooLarge(String),
    /// Every line would have to be tried.
    #[error(
        "`{0}` has no fixed text of 7 or more bytes that every match contains; add words of the \
         message, or split it into several `patterns`"
    )]
    NoLiteral(String),
}

impl PatternError {
    /// Characters before the place in the text that it is about, if it is not about all of it.
    pub(crate) fn at(&self) -> Option<usize> {
        match self {
            Self::Syntax { at, .. } => Some(*at),
            Self::TooLarge(_) | Self::NoLiteral(_) => None,
        }
    }
}

/// A regex over the bytes of a line or a field.
#[derive(Debug)]
pub(crate) struct Expression {
    source: String,
    names: Vec<Arc<str>>,
    compiled: OnceLock<Option<Regex>>,
}

impl Expression {
    /// Checks `source` without compiling it.
    ///
    /// # Errors
    /// [`PatternError`] when it is no regex, or too large.
    pub(crate) fn new(source: &str) -> Result<Self, PatternError> {
        Ok(Self::with_literals(source)?.0)
    }

    pub(super) fn with_literals(source: &str) -> Result<(Self, Option<Required>), PatternError> {
        let (names, required) = match known(source) {
            Some(known) => known.owned(),
            None => take_apart(source)?,
        };
        let expression = Self {
            source: source.to_owned(),
            names,
            compiled: OnceLock::new(),
        };
        Ok((expression, required))
    }

    /// The regex as it was written.
    pub(crate) fn source(&self) -> &str {
        &self.source
    }

    /// Names of its captures.
    pub(crate) fn names(&self) -> &[Arc<str>] {
        &self.names
    }

    /// The regex. There is one: what was checked compiles.
    pub(crate) fn regex(&self) -> Option<&Regex> {
        self.compiled.get_or_init(|| compile(&self.source)).as_ref()
    }

    /// Whether it matches anywhere in a text.
    pub(crate) fn is_match(&self, text: &[u8]) -> bool {
        self.regex().is_some_and(|regex| regex.is_match(text))
    }
}

/// The names of a regex's captures and its literals. Finds out whether it is small enough as well, which takes a
/// fraction of the time of compiling it.
fn take_apart(source: &str) -> Result<Parts, PatternError> {
    let hir = syntax::parse(source).map_err(|(byte, detail)| PatternError::Syntax {
        regex: source.to_owned(),
        at: source
            .get(..byte)
            .map_or(0, |before| before.chars().count()),
        detail,
    })?;
    let limits = thompson::Config::new()
        .utf8(false)
        .nfa_size_limit(Some(SIZE_LIMIT));
    let built = NFA::compiler().configure(limits).build_from_hir(&hir);
    built.map_err(|_| PatternError::TooLarge(source.to_owned()))?;
    let names = syntax::names(&hir).into_iter().map(Arc::from);
    Ok((names.collect(), required(&hir)))
}

pub(super) fn compile(source: &str) -> Option<Regex> {
    let builder = &mut RegexBuilder::new(source);
    // Twice the size that was checked: it is compiled to be run backwards as well.
    let builder = builder.unicode(false).size_limit(2 * SIZE_LIMIT);
    builder
        .dfa_size_limit(SIZE_LIMIT)
        .nest_limit(NEST_LIMIT)
        .build()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::super::pattern::Pattern;
    use super::*;

    #[test]
    fn what_is_known_of_a_regex_is_what_is_found_out_anew() {
        assert!(KNOWN.len() > 500);
        for known in KNOWN {
            assert_eq!(
                Ok(known.owned()),
                take_apart(known.source),
                "{}",
                known.source
            );
            assert!(compile(known.source).is_some(), "{}", known.source);
        }
    }

    #[test]
    fn every_regex_of_the_built_in_rules_is_known() {
        let rules = crate::load_rules(&[], true, &[]).unwrap();
        let logs = rules.scanner.matchers().iter();
        let of_rules = logs.filter(|log| log.mark.is_none());
        let logs = of_rules.flat_map(|log| {
            let patterns = log.patterns.iter().map(Pattern::source);
            patterns.chain(log.exclude.as_ref().map(Expression::source))
        });
        let matchers = rules.list.iter().flat_map(|rule| &rule.matchers);
        let texts =
            matchers.filter_map(|named| Some(named.matcher.table()?.text.as_ref()?.1.source()));
        for source in logs.chain(texts) {
            assert!(
                known(source).is_some(),
                "add its key to `REGEXES` of the build script: {source}"
            );
        }
    }

    #[test]
    fn a_regex_that_would_grow_too_large_is_refused_before_it_is_compiled() {
        for source in ["(?:(?:a{100}){100}){100}literal", "[a-z]{1000000}literal"] {
            let error = Expression::new(source).unwrap_err();
            assert_eq!(error, PatternError::TooLarge(source.to_owned()));
        }
        // The largest that is let through compiles.
        let growing = (10..).map(|power| format!("literal (?:x{{{}}}){{3}}", 1 << power));
        let largest = growing
            .take_while(|source| Expression::new(source).is_ok())
            .last();
        assert!(compile(&largest.unwrap()).is_some());
    }
}
