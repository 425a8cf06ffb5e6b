//! One log pattern: a regex, its required literals, and how a line is tried, which is found out when one first is.

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use regex::bytes::Regex;

use super::expression::{Expression, PatternError, compile};
use super::fence::{self, Step};
use super::literals::Required;
use super::syntax;

/// A regex that is run on single lines.
#[derive(Debug)]
pub(crate) struct Pattern {
    expression: Expression,
    required: Required,
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

impl Pattern {
    /// Checks `source` without compiling it.
    ///
    /// # Errors
    /// [`PatternError`] when it is no regex, too large, or has no literal to look for.
    pub(crate) fn new(source: &str) -> Result<Self, PatternError> {
        let (expression, required) = Expression::with_literals(source)?;
        let required = required.ok_or_else(|| PatternError::NoLiteral(source.to_owned()))?;
        Ok(Self {
            expression,
            required,
            plan: OnceLock::new(),
        })
    }

    /// The regex as it was written.
    pub(crate) fn source(&self) -> &str {
        self.expression.source()
    }

    /// The literals to look for.
    pub(crate) fn required(&self) -> &Required {
        &self.required
    }

    /// Names of its captures.
    pub(crate) fn names(&self) -> &[Arc<str>] {
        self.expression.names()
    }

    /// The regex; see [`Expression::regex`].
    pub(crate) fn regex(&self) -> Option<&Regex> {
        self.expression.regex()
    }

    /// Tries a text. Where nothing is captured the span is empty.
    pub(crate) fn find<'t>(&self, text: &'t [u8]) -> Option<Found<'_, 't>> {
        let plan = self.plan.get_or_init(|| self.plan()).as_ref()?;
        // `.` ends at a newline, and a search for a text does not.
        if !plan.tail.is_empty() && memchr::memchr(b'\n', text).is_some() {
            return self.find_whole(text);
        }
        // What stands at the start of a pattern is mostly what a line lacks.
        if !fence::holds(&plan.steps, text) {
            return None;
        }
        let until = fence::latest(&plan.tail, text)?;
        let text = text.get(..until)?;
        let captures_nothing = self.names().is_empty();
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
        let hir = syntax::parse(self.source()).ok()?;
        let parted = fence::part(&hir);
        let parted =
            parted.and_then(|(head, tail)| Some((compile(&head.to_string())?, head, tail)));
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
