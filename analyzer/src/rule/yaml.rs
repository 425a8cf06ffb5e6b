//! Reads YAML into what a file may say, and tells everything in it that it may not.
//!
//! Reading ends at the first fault. So that the next one is found as well, a fault that is a wrong word is mended in a
//! copy of the text, and that is read again.

use serde::de::DeserializeOwned;
use serde_saphyr::{Error, Options, budget, options};

use super::fault::Fault;
use super::near::{hint, nearest};
use super::spanned::Spot;

/// Faults of one file after which nothing more is looked for.
const MOST_FAULTS: usize = 50;

/// Lists and maps within each other: what bounds the stack that they are read on.
const MAX_DEPTH: usize = 24;

/// What a file says, and what is wrong with it. A value beside faults is right but for these.
#[derive(Debug)]
pub(super) struct Read<T> {
    pub(super) value: Option<T>,
    pub(super) faults: Vec<Fault>,
}

/// Reads the text of `file`.
pub(super) fn read<T: DeserializeOwned>(file: &str, yaml: &str) -> Read<T> {
    let mut mended: Option<Mended> = None;
    let mut faults = Vec::new();
    loop {
        let text = mended.as_ref().map_or(yaml, |mended| &mended.text);
        let error = match serde_saphyr::from_str_with_options(text, options()) {
            Ok(value) => {
                let value = Some(value);
                return Read { value, faults };
            }
            Err(error) => error,
        };
        let found = place(&error);
        let repeats = matches!(error.without_snippet(), Error::DuplicateMappingKey { .. });
        if let Some(mended) = mended.as_mut().filter(|m| repeats && m.is_mended(found)) {
            // The right word for the key was there already.
            if mended.take_out(found) {
                continue;
            }
            let value = None;
            return Read { value, faults };
        }
        let original = mended
            .as_ref()
            .map_or(found, |mended| mended.original(found));
        faults.push(fault(file, original, &error));
        let mended = mended.get_or_insert_with(|| Mended::new(yaml));
        if faults.len() == MOST_FAULTS || !mended.mend(found, error.without_snippet()) {
            return Read {
                value: None,
                faults,
            };
        }
    }
}

fn options() -> Options {
    options! { budget: budget! { max_depth: MAX_DEPTH } }
}

fn place(error: &Error) -> Spot {
    let location = error.location();
    location.map_or_else(Spot::default, |location| Spot {
        line: location.line(),
        column: location.column(),
    })
}

fn fault(file: &str, place: Spot, error: &Error) -> Fault {
    Fault {
        file: file.to_owned(),
        place,
        detail: detail(error.without_snippet()),
    }
}

/// What is wrong, and what to write.
fn detail(error: &Error) -> String {
    match error {
        Error::SerdeUnknownField {
            field, expected, ..
        } => format!("no key `{field}`{}", hint(field, expected)),
        Error::SerdeUnknownVariant {
            variant, expected, ..
        } => format!("`{variant}` is not known here{}", hint(variant, expected)),
        Error::SerdeMissingField { field, .. } => format!("no `{field}`; add it"),
        Error::DuplicateMappingKey { key, .. } => {
            let key = key.as_deref().unwrap_or("a key");
            format!("`{key}` is there twice; take one out")
        }
        Error::InvalidScalar { ty, .. } if ty.contains("bool") => {
            "`true` or `false` is needed here".to_owned()
        }
        Error::InvalidScalar { ty, .. } if ty.starts_with(['u', 'i']) => {
            "a whole number is needed here, and not less than 0".to_owned()
        }
        Error::Unexpected { expected, .. } if expected.contains("mapping") => {
            "keys and values are needed here; write `key: value`".to_owned()
        }
        Error::Unexpected { expected, .. } if expected.contains("sequence") => {
            "a list is needed here; write `[one, two]`".to_owned()
        }
        Error::Unexpected { expected, .. } if expected.contains("scalar") => {
            "a text is needed here; put one that begins with `{` or `[` in quotes".to_owned()
        }
        Error::SerdeInvalidValue { expected, .. } if expected.contains("nonzero") => {
            "1 or more is needed here".to_owned()
        }
        Error::NullIntoString { .. } => "a text is needed here; put it in quotes".to_owned(),
        Error::Eof { .. } => "the file holds nothing, or ends too early".to_owned(),
        Error::MultipleDocuments { .. } => {
            "a second document; write it in a file of its own".to_owned()
        }
        Error::RecursiveReferencesRequireWeakTypes { .. } => {
            "an alias within what it stands for; write it out".to_owned()
        }
        Error::ExpectedMappingEndAfterEnumVariantValue { .. } => {
            "a matcher is of one kind; give this one a name of its own".to_owned()
        }
        Error::Budget { .. } => {
            "nests too deeply, or has too many aliases; write it out".to_owned()
        }
        other => by_words(&other.to_string()),
    }
}

/// What the scanner says of text that is no YAML.
fn by_words(said: &str) -> String {
    // The place stands in front already.
    let said = said.split(" at line ").next().unwrap_or(said).trim();
    if said.contains("recursion limit") {
        "nests too deeply; write it out".to_owned()
    } else if said.contains("tab") {
        "a tab; indent with blanks".to_owned()
    } else if said.contains("mapping values are not allowed") {
        "`: ` within a text; put the text in quotes".to_owned()
    } else {
        said.to_owned()
    }
}

/// A text whose wrong words were replaced.
struct Mended {
    text: String,
    /// Where a word was replaced, and by how much what follows it on its line has moved.
    moved: Vec<(Spot, usize)>,
}

impl Mended {
    fn new(yaml: &str) -> Self {
        Self {
            text: yaml.to_owned(),
            moved: Vec::new(),
        }
    }

    /// Where in the file that was written what is now at a place stands.
    fn original(&self, place: Spot) -> Spot {
        let before = self
            .moved
            .iter()
            .filter(|(spot, _)| spot.line == place.line && spot.column < place.column);
        let by: usize = before.map(|(_, by)| by).sum();
        let column = place.column.saturating_sub(by as u64);
        Spot { column, ..place }
    }

    /// Whether the word at a place was put there.
    fn is_mended(&self, place: Spot) -> bool {
        self.moved.iter().any(|(spot, _)| *spot == place)
    }

    /// Mends what an error is about; whether it could be.
    fn mend(&mut self, place: Spot, error: &Error) -> bool {
        match error {
            Error::SerdeUnknownField {
                field, expected, ..
            } => match nearest(field, expected) {
                Some(key) => self.replace(place, field, key),
                None => self.take_out(place),
            },
            Error::SerdeUnknownVariant {
                variant, expected, ..
            } => {
                let known = nearest(variant, expected).or(expected.first().copied());
                known.is_some_and(|known| self.replace(place, variant, known))
            }
            Error::SerdeMissingField { field, .. } => self.add_key(field),
            Error::InvalidScalar { ty, .. } if ty.contains("bool") => {
                self.replace_scalar(place, "true")
            }
            Error::InvalidScalar { .. } => self.replace_scalar(place, "1"),
            _ => false,
        }
    }

    /// Puts a word in the place of another, as wide as that at least.
    fn replace(&mut self, place: Spot, old: &str, new: &str) -> bool {
        let Some(from) = self.byte(place) else {
            return false;
        };
        let rest = self.text.get(from..).unwrap_or_default();
        let quoted = [old.to_owned(), format!("\"{old}\""), format!("'{old}'")];
        let Some(written) = quoted.iter().find(|form| rest.starts_with(form.as_str())) else {
            return false;
        };
        let (is, was) = (new.chars().count(), written.chars().count());
        let padded = format!("{new:<was$}");
        self.text.replace_range(from..from + written.len(), &padded);
        self.moved.push((place, is.saturating_sub(was)));
        true
    }

    /// As [`Self::replace`], for whatever plain word stands there.
    fn replace_scalar(&mut self, place: Spot, new: &str) -> bool {
        let rest = self.byte(place).and_then(|from| self.text.get(from..));
        let ends = |c: char| c.is_whitespace() || matches!(c, ',' | '}' | ']' | '#');
        let word = rest.and_then(|rest| rest.split(ends).next());
        let word = word.unwrap_or_default().to_owned();
        !word.is_empty() && self.replace(place, &word, new)
    }

    /// Adds a key of a rule that says nothing.
    fn add_key(&mut self, key: &str) -> bool {
        let value = match key {
            "title" | "message" | "meaning" => "'-'",
            "severity" => "info",
            "fix" => "[]",
            _ => return false,
        };
        let is_block = self
            .text
            .lines()
            .all(|line| !line.starts_with(['{', '.', '-']));
        if is_block {
            self.text.extend(["\n", key, ": ", value, "\n"]);
        }
        is_block
    }

    /// Takes a key of a block out, with what is indented below it.
    fn take_out(&mut self, key: Spot) -> bool {
        let Some(from) = self.byte(key) else {
            return false;
        };
        let (before, rest) = self.text.split_at_checked(from).unwrap_or_default();
        let start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let is_first = before
            .get(start..)
            .is_some_and(|indent| indent.trim().is_empty());
        if !is_first {
            return false;
        }
        let indent = before.len() - start;
        let is_below = |line: &&str| {
            let own = line.len() - line.trim_start_matches(' ').len();
            line.trim().is_empty() || own > indent
        };
        let mut lines = rest.split_inclusive('\n');
        let first = lines.next().map_or(0, str::len);
        let length = first + lines.take_while(is_below).map(str::len).sum::<usize>();
        // Lines stay, so that places do.
        let newlines = rest.get(..length).unwrap_or_default().matches('\n').count();
        self.text
            .replace_range(from..from + length, &"\n".repeat(newlines));
        true
    }

    fn byte(&self, place: Spot) -> Option<usize> {
        let line = usize::try_from(place.line.checked_sub(1)?).ok()?;
        let column = usize::try_from(place.column.checked_sub(1)?).ok()?;
        let mut lines = self.text.split_inclusive('\n');
        let start: usize = lines.by_ref().take(line).map(str::len).sum();
        let within = lines.next()?.char_indices().nth(column)?.0;
        Some(start + within)
    }
}

#[cfg(test)]
mod tests {
    use super::super::file::RuleFile;
    use super::*;

    const RULE: &str =
        "id: r\ntitle: t\nseverity: low\ntopic: x\nmessage: m\nmeaning: m\nfix: []\n";

    fn told(rule: &str) -> Vec<String> {
        let faults = read::<RuleFile>("r.yaml", rule).faults;
        faults.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn all_words_that_are_not_known_are_told_with_those_that_are() {
        let rule = format!(
            "{RULE}tittle: t\nby: pods\nlnks: []\nnonsense:\n  - x\nmatchers:\n  a:\n    logs: {{patern: 'x', \
             min-count: many, previous: maybe}}\n  b:\n    event: {{type: warning, min-count: 0}}\n"
        );
        let rule = rule.replace("severity: low", "severity: \"hihg\"");
        let expected = [
            "r.yaml:3:11: `hihg` is not known here; did you mean `high`?",
            "r.yaml:8:1: no key `tittle`; did you mean `title`?",
            "r.yaml:9:5: `pods` is not known here; did you mean `pod`?",
            "r.yaml:10:1: no key `lnks`; did you mean `links`?",
            "r.yaml:11:1: no key `nonsense`; there are `id`, `title`",
            "r.yaml:15:5: `logs` is not known here; did you mean `log`?",
            "r.yaml:15:12: no key `patern`; did you mean `pattern` or `patterns`?",
            "r.yaml:15:36: a whole number is needed here",
            "r.yaml:15:52: `true` or `false` is needed here",
            "r.yaml:17:19: `warning` is not known here; did you mean `Warning`?",
            "r.yaml:17:28: 1 or more is needed here",
        ];
        let told = told(&rule);
        assert_eq!(told.len(), expected.len(), "{told:#?}");
        for (told, expected) in told.iter().zip(expected) {
            assert!(told.starts_with(expected), "{told}\n{expected}");
        }
    }

    #[test]
    fn what_is_no_yaml_is_told_in_plain_words() {
        for (rule, expected) in [
            ("", "r.yaml:1:1: the file holds nothing"),
            (
                "id: r\n\ttitle: t\n",
                "r.yaml:1:5: a tab; indent with blanks",
            ),
            ("id: r: s\n", "r.yaml:1:6: `: ` within a text"),
            ("- a\n", "r.yaml:1:1: keys and values are needed here"),
            ("id: {a}\n", "r.yaml:1:5: a text is needed here"),
            ("id: r\nid: r\n", "r.yaml:2:1: `id` is there twice"),
            ("id: r\n", "r.yaml:1:1: no `title`; add it"),
            (
                "references: &a [*a]\n",
                "r.yaml:1:17: an alias within what it stands for",
            ),
        ] {
            let told = told(rule);
            assert!(told[0].starts_with(expected), "{told:?}\n{expected}");
        }
        let missing = "id: r\ntopic: x\nseverity: low\nmatchers: {}\nfix: []\n";
        assert_eq!(told(missing).len(), 3, "title, message, meaning");
        let second = format!("{RULE}matchers: {{}}\n---\nid: s\n");
        assert!(told(&second)[0].contains("a second document"));
    }

    #[test]
    fn aliases_and_nesting_are_bounded() {
        let level = |(name, of): (char, char)| {
            format!(
                "{name}: &{name} [{}]\n",
                vec![format!("*{of}"); 9].join(", ")
            )
        };
        let levels: String = ('b'..='k').zip('a'..).map(level).collect();
        let bomb = format!("a: &a [x, x, x, x, x, x, x, x, x]\n{levels}");
        for endless in [
            bomb.replace("a: &a", "references: &a")
                .replace("b: &b", "links: &b"),
            format!(
                "{RULE}condition: {}a{}\n",
                "{not: ".repeat(5000),
                "}".repeat(5000)
            ),
            "[".repeat(100_000),
        ] {
            assert!(!told(&endless).is_empty());
        }
    }
}
