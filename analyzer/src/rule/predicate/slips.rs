//! What is wrong with the syntax of an expression, in the words of whoever wrote it.
//!
//! The parser tells what its grammar expected. Most slips are those of other languages (`=`, `and`, `not`, a quote that
//! is not closed), and can be told by what stands where the parser stopped.

use cel::ParseErrors;

/// Something wrong at a place of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Slip {
    /// Characters of the text before it.
    pub(crate) at: usize,
    /// What is wrong, and what to write instead.
    pub(crate) detail: String,
}

impl Slip {
    pub(crate) fn new(at: usize, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        Self { at, detail }
    }
}

/// The slips behind the parser's errors, one at least.
pub(super) fn of_syntax(source: &str, errors: &ParseErrors) -> Vec<Slip> {
    if source.trim().is_empty() {
        let detail =
            "an empty expression; leave `where` out, or write one such as `row.ready == false`";
        return vec![Slip::new(0, detail)];
    }
    let errors = errors.errors.iter();
    let errors: Vec<(Around<'_>, &str)> = errors
        .map(|error| (Around::new(source, error.pos), error.msg.as_str()))
        .collect();
    let slips = errors.iter().filter_map(|(around, _)| {
        let detail = around.sign().or_else(|| around.word())?;
        Some(Slip::new(around.at, detail))
    });
    let mut slips: Vec<Slip> = slips.collect();
    if slips.is_empty() {
        slips.extend(unbalanced(source));
    }
    if slips.is_empty() {
        let syntax = errors.iter().find(|(_, said)| said.starts_with("Syntax"));
        slips.extend(syntax.or(errors.first()).map(other));
    }
    slips
}

/// A place where the parser stopped.
struct Around<'s> {
    at: usize,
    /// Without blanks at its end.
    before: &'s str,
    rest: &'s str,
}

impl<'s> Around<'s> {
    /// Lines and columns are from 1.
    fn new(source: &'s str, (line, column): (isize, isize)) -> Self {
        let (line, column) = (line.max(1).unsigned_abs(), column.max(1).unsigned_abs());
        let lines = source.split_inclusive('\n').take(line - 1);
        let before = lines.map(|line| line.chars().count()).sum::<usize>();
        let at = (before + column - 1).min(source.chars().count());
        let byte = source.char_indices().nth(at).map_or(source.len(), |c| c.0);
        let (before, rest) = source.split_at_checked(byte).unwrap_or((source, ""));
        Self {
            at,
            before: before.trim_end(),
            rest,
        }
    }

    /// A sign that CEL has not, or not so.
    fn sign(&self) -> Option<String> {
        let wrong =
            |read: &str, written: &str| Some(format!("`{read}` is not CEL; write {written}"));
        if self.rest.starts_with('=') && self.before.ends_with(':') {
            // Told with the colon.
            return None;
        }
        if self.rest.starts_with('=') && self.before.ends_with("==") {
            return wrong("===", "`==`");
        }
        if self.rest.starts_with('>') && self.before.ends_with('<') {
            return wrong("<>", "`!=`");
        }
        let signs = [
            ("=~", "`row.field.matches('regex')`"),
            (":=", "`==`"),
            ("=", "`==`"),
            ("&", "`&&`"),
            ("|", "`||`"),
            ("‘", "`'` around a text"),
            ("’", "`'` around a text"),
            ("“", "`'` around a text"),
            ("”", "`'` around a text"),
            ("#", "comments outside of the expression"),
            (";", "one expression, without it"),
            ("$", "the name without it"),
        ];
        if let Some((sign, written)) = signs.iter().find(|(sign, _)| self.rest.starts_with(sign)) {
            return wrong(sign, written);
        }
        let quote = self
            .rest
            .chars()
            .next()
            .filter(|c| matches!(c, '\'' | '"'))?;
        let is_closed = self.rest.matches(quote).count() > 1;
        (!is_closed)
            .then(|| format!("the text that begins here has no end; close it with `{quote}`"))
    }

    /// A word of other languages.
    fn word(&self) -> Option<String> {
        let wrong =
            |read: &str, written: &str| Some(format!("`{read}` is not CEL; write {written}"));
        let word = first_word(self.rest);
        if last_word(self.before).eq_ignore_ascii_case("not") {
            return wrong("not", "`!`");
        }
        match word.to_ascii_lowercase().as_str() {
            "and" => wrong(word, "`&&`"),
            "or" => wrong(word, "`||`"),
            "is" => wrong(word, "`==`"),
            "not" => wrong(word, "`!(a in b)`, or `!` before what is negated"),
            "like" => wrong(word, "`row.field.matches('regex')`"),
            "contains" | "startswith" | "endswith" | "matches" => Some(format!(
                "`{word}` is called; write `row.field.{}('text')`",
                match word.to_ascii_lowercase().as_str() {
                    "startswith" => "startsWith",
                    "endswith" => "endsWith",
                    other => other,
                }
            )),
            _ => None,
        }
    }
}

/// An error that is none of the usual ones.
fn other((around, said): &(Around<'_>, &str)) -> Slip {
    if said.contains("has() macro") {
        return Slip::new(around.at, "`has` asks for a field; write `has(row.field)`");
    }
    let last = around.before.chars().next_back();
    let is_value = last
        .is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | ')' | ']' | '}' | '\'' | '"'));
    let before = around
        .before
        .rsplit(char::is_whitespace)
        .next()
        .unwrap_or_default();
    let read = match first_word(around.rest) {
        "" => around.rest.chars().take(1).collect(),
        word => word.to_owned(),
    };
    let detail = if read.is_empty() {
        format!("it ends after `{before}`; write what follows")
    } else if is_value {
        format!(
            "`{read}` cannot follow `{before}`; join the two with `==`, `&&` or another operator"
        )
    } else if before.is_empty() {
        format!("`{read}` cannot begin an expression; write a name or a value before it")
    } else {
        format!("`{read}` cannot follow `{before}`; write a name or a value between them")
    };
    Slip::new(around.at, detail)
}

fn is_of_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn first_word(text: &str) -> &str {
    text.split(|c| !is_of_word(c)).next().unwrap_or_default()
}

fn last_word(text: &str) -> &str {
    text.rsplit(|c| !is_of_word(c)).next().unwrap_or_default()
}

/// Brackets within each other. This and the next bound the stack that an expression is parsed and evaluated on.
const MAX_BRACKETS: usize = 10;

/// Signs and words that put one part of an expression into another, between `&&` and `||`.
const MAX_JOINTS: usize = 50;

/// What is wrong with a text that is too long or nests too deeply to be parsed.
pub(super) fn of_size(source: &str, max_bytes: usize) -> Option<Slip> {
    if source.len() > max_bytes {
        let detail = format!(
            "longer than the {max_bytes} bytes that an expression may have; split it into several matchers"
        );
        return Some(Slip::new(0, detail));
    }
    let (mut depth, mut joints) = (0_usize, 0_usize);
    let (mut word, mut last) = (String::new(), ' ');
    for (at, c) in outside_texts(source) {
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            '&' | '|' if depth == 0 => joints = 0,
            _ => {}
        }
        if is_of_word(c) {
            word.push(c);
        } else {
            let is_joint = ".[+-*/%!<>?".contains(c) || (c == '=' && !"!<>=".contains(last));
            joints += usize::from(word == "in") + usize::from(is_joint);
            word.clear();
        }
        last = c;
        let (most, of) = match (depth > MAX_BRACKETS, joints > MAX_JOINTS) {
            (true, _) => (MAX_BRACKETS, "brackets within each other"),
            (_, true) => (
                MAX_JOINTS,
                "fields, indexes and operators between `&&` and `||`",
            ),
            _ => continue,
        };
        let detail = format!("more than {most} {of}; split it into several matchers");
        return Some(Slip::new(at, detail));
    }
    None
}

/// What stands outside of quotes, with its places.
fn outside_texts(source: &str) -> impl Iterator<Item = (usize, char)> {
    let mut quote = None;
    let mut is_escaped = false;
    source.chars().enumerate().filter(move |(_, c)| {
        if let Some(end) = quote {
            if *c == end && !is_escaped {
                quote = None;
            }
            is_escaped = *c == '\\' && !is_escaped;
            return false;
        }
        if matches!(c, '\'' | '"') {
            quote = Some(*c);
        }
        true
    })
}

/// A bracket without its other half.
fn unbalanced(source: &str) -> Option<Slip> {
    let mut open: Vec<(usize, char)> = Vec::new();
    for (at, c) in outside_texts(source) {
        let half = match c {
            ')' => '(',
            ']' => '[',
            '}' => '{',
            '(' | '[' | '{' => {
                open.push((at, c));
                continue;
            }
            _ => continue,
        };
        match open.pop() {
            Some((_, opened)) if opened == half => {}
            Some((begin, opened)) => {
                let close = closing(opened);
                let detail = format!("`{opened}` is not closed before `{c}`; write `{close}`");
                return Some(Slip::new(begin, detail));
            }
            None => {
                let detail =
                    format!("`{c}` closes nothing; take it out, or write `{half}` before it");
                return Some(Slip::new(at, detail));
            }
        }
    }
    let (at, opened) = open.pop()?;
    let detail = format!("`{opened}` is not closed; write `{}`", closing(opened));
    Some(Slip::new(at, detail))
}

fn closing(opened: char) -> char {
    match opened {
        '(' => ')',
        '[' => ']',
        _ => '}',
    }
}
