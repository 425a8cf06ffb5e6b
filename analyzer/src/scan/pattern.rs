//! One log pattern: a regex over bytes, its required literals, compiled when first needed.

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use regex::bytes::{Regex, RegexBuilder};
use regex_syntax::ParserBuilder;
use regex_syntax::hir::Hir;

use super::fence::{self, Step};
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
    names: Vec<Arc<str>>,
    regex: OnceLock<Option<Regex>>,
    plan: OnceLock<Option<Plan>>,
}

/// How a line is tried: the cheap things first.
#[derive(Debug)]
struct Plan {
    steps: Vec<Step>,
    /// The regex up to where only `.*` and fixed texts follow, and those texts; or all of it.
    head: Regex,
    tail: Vec<Step>,
    /// Whether what is captured hangs on the text of the match alone.
    is_closed: bool,
}

/// Where a pattern matches a text.
#[derive(Debug)]
pub(crate) struct Found<'p, 't> {
    head: &'p Regex,
    text: &'t [u8],
    span: Range<usize>,
    is_closed: bool,
}

impl<'t> Found<'_, 't> {
    /// What was matched, where all that is captured hangs on it.
    pub(crate) fn closed(&self) -> Option<Range<usize>> {
        self.is_closed.then(|| self.span.clone())
    }

    /// The values of named captures.
    pub(crate) fn captures(&self) -> Option<regex::bytes::Captures<'t>> {
        self.head.captures_at(self.text, self.span.start)
    }
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
            names: names.into_iter().map(Arc::from).collect(),
            regex: OnceLock::new(),
            plan: OnceLock::new(),
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
    pub(crate) fn names(&self) -> &[Arc<str>] {
        &self.names
    }

    /// The regex; `None` if it turns out to be too large.
    pub(crate) fn regex(&self) -> Option<&Regex> {
        self.regex
            .get_or_init(|| compile(&self.source).ok())
            .as_ref()
    }

    /// Tries a text. Where nothing is captured the span is empty.
    pub(crate) fn find<'t>(&self, text: &'t [u8]) -> Option<Found<'_, 't>> {
        let plan = self.plan.get_or_init(|| self.plan()).as_ref()?;
        // `.` ends at a newline, and a search for a text does not.
        if !plan.tail.is_empty() && memchr::memchr(b'\n', text).is_some() {
            return self.find_whole(text);
        }
        let until = fence::latest(&plan.tail, text)?;
        let text = text.get(..until)?;
        if !fence::holds(&plan.steps, text) {
            return None;
        }
        let captures_nothing = self.names.is_empty();
        let span = if captures_nothing {
            plan.head.is_match(text).then_some(0..0)?
        } else {
            plan.head.find(text)?.range()
        };
        Some(Found {
            head: &plan.head,
            text,
            span,
            is_closed: plan.is_closed || captures_nothing,
        })
    }

    fn find_whole<'t>(&self, text: &'t [u8]) -> Option<Found<'_, 't>> {
        let head = self.regex()?;
        Some(Found {
            head,
            text,
            span: head.find(text)?.range(),
            is_closed: false,
        })
    }

    fn plan(&self) -> Option<Plan> {
        let hir = parse(&self.source).ok()?;
        let parted = fence::part(&hir);
        let parted =
            parted.and_then(|(head, tail)| Some((compile(&head.to_string()).ok()?, head, tail)));
        let (regex, head, tail) = match parted {
            Some(parted) => parted,
            None => (self.regex()?.clone(), hir, Vec::new()),
        };
        Some(Plan {
            steps: fence::steps(&head),
            head: regex,
            tail,
            is_closed: fence::is_closed(&head),
        })
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
