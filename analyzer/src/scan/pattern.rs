//! One log pattern: a regex over bytes, its required literals, compiled when first needed.

use std::sync::OnceLock;

use regex::bytes::{Regex, RegexBuilder};
use regex_syntax::ParserBuilder;
use regex_syntax::hir::Hir;

use super::literals::{Required, required};

/// Bytes that one compiled regex may take.
const SIZE_LIMIT: usize = 4 << 20;

/// How deeply a regex may nest.
const NEST_LIMIT: u32 = 64;

/// A regex that is run on single lines.
#[derive(Debug)]
pub(crate) struct Pattern {
    source: String,
    required: Required,
    regex: OnceLock<Option<Regex>>,
    names: Vec<String>,
}

/// Why a text is no pattern; the words say what to write instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PatternError {
    /// It is no regex.
    #[error("`{0}` is not a regex: {1}")]
    Syntax(String, String),
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

/// Parses a regex the way that [`compile`] does.
pub(crate) fn parse(source: &str) -> Result<Hir, PatternError> {
    let mut parser = ParserBuilder::new()
        .unicode(false)
        .utf8(false)
        .nest_limit(NEST_LIMIT)
        .build();
    parser.parse(source).map_err(|e| {
        let detail = match &e {
            regex_syntax::Error::Parse(e) => e.kind().to_string(),
            regex_syntax::Error::Translate(e) => e.kind().to_string(),
            _ => "it does not parse".to_owned(),
        };
        PatternError::Syntax(source.to_owned(), detail)
    })
}

/// Compiles a regex over bytes with bounded size.
pub(crate) fn compile(source: &str) -> Result<Regex, PatternError> {
    parse(source)?;
    RegexBuilder::new(source)
        .unicode(false)
        .size_limit(SIZE_LIMIT)
        .dfa_size_limit(SIZE_LIMIT)
        .nest_limit(NEST_LIMIT)
        .build()
        .map_err(|_| PatternError::TooLarge(source.to_owned()))
}

impl Pattern {
    /// Checks `source` without compiling it.
    ///
    /// # Errors
    /// [`PatternError`] when it is no regex, or has no literal to look for.
    pub(crate) fn new(source: &str) -> Result<Self, PatternError> {
        let hir = parse(source)?;
        let required = required(&hir).ok_or_else(|| PatternError::NoLiteral(source.to_owned()))?;
        let mut names = Vec::new();
        capture_names(&hir, &mut names);
        Ok(Self {
            source: source.to_owned(),
            required,
            regex: OnceLock::new(),
            names,
        })
    }

    /// The regex as it was written.
    pub(crate) fn source(&self) -> &str {
        &self.source
    }

    /// The literals to look for.
    pub(crate) fn required(&self) -> &Required {
        &self.required
    }

    /// Names of its captures.
    pub(crate) fn names(&self) -> &[String] {
        &self.names
    }

    /// The regex; `None` if it turns out to be too large.
    pub(crate) fn regex(&self) -> Option<&Regex> {
        self.regex
            .get_or_init(|| compile(&self.source).ok())
            .as_ref()
    }
}

fn capture_names(hir: &Hir, into: &mut Vec<String>) {
    use regex_syntax::hir::HirKind;
    match hir.kind() {
        HirKind::Capture(capture) => {
            if let Some(name) = &capture.name {
                into.push(name.to_string());
            }
            capture_names(&capture.sub, into);
        }
        HirKind::Repetition(repetition) => capture_names(&repetition.sub, into),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => {
            for part in parts {
                capture_names(part, into);
            }
        }
        _ => {}
    }
}
