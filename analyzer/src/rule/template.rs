//! Texts with `{placeholders}`.

use super::predicate::Slip;

/// A text in pieces.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Template {
    pieces: Vec<Piece>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Name(String),
}

impl Template {
    /// Reads a text; `{{` and `}}` are braces.
    ///
    /// # Errors
    /// All that is wrong, and what to write.
    pub(crate) fn parse(text: &str) -> Result<Self, Vec<Slip>> {
        let mut pieces = Vec::new();
        let mut slips = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(at) = memchr::memchr2(b'{', b'}', rest.as_bytes()) {
            let (before, tail) = rest.split_at_checked(at).unwrap_or((rest, ""));
            plain.push_str(before);
            let mut wrong = |detail: String| {
                let before = text.get(..text.len() - tail.len()).unwrap_or_default();
                slips.push(Slip::new(before.chars().count(), detail));
            };
            if let Some(after) = tail.strip_prefix("{{") {
                plain.push('{');
                rest = after;
            } else if let Some(after) = tail.strip_prefix("}}") {
                plain.push('}');
                rest = after;
            } else if let Some((name, after)) = placeholder(tail) {
                if !name.split('|').all(is_name) {
                    wrong(format!(
                        "`{{{name}}}` is no placeholder; for braces write `{{{{` and `}}}}`"
                    ));
                }
                pieces.push(Piece::Text(std::mem::take(&mut plain)));
                pieces.push(Piece::Name(name.to_owned()));
                rest = after;
            } else {
                wrong("a single brace; write `{{` or `}}`".to_owned());
                rest = tail.get(1..).unwrap_or_default();
            }
        }
        plain.push_str(rest);
        pieces.push(Piece::Text(plain));
        if slips.is_empty() {
            Ok(Self { pieces })
        } else {
            Err(slips)
        }
    }

    /// The names in it, of a placeholder with alternatives each.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        let placeholders = self.pieces.iter().filter_map(|piece| match piece {
            Piece::Name(name) => Some(name.as_str()),
            Piece::Text(_) => None,
        });
        placeholders.flat_map(|name| name.split('|'))
    }

    /// The text with every placeholder (`name`, or `one|other`) replaced by what `of` says.
    pub(crate) fn render(&self, of: impl Fn(&str) -> String) -> String {
        let pieces = self.pieces.iter().map(|piece| match piece {
            Piece::Text(text) => text.clone(),
            Piece::Name(name) => of(name),
        });
        pieces.collect()
    }

    /// The text as it was written, more or less: for documentation.
    pub(crate) fn source(&self) -> String {
        self.render(|name| format!("{{{name}}}"))
    }
}

/// What stands in the braces that a text begins with, and what follows them.
fn placeholder(text: &str) -> Option<(&str, &str)> {
    let (name, after) = text.strip_prefix('{')?.split_once('}')?;
    (!name.contains(['{', '\n'])).then_some((name, after))
}

fn is_name(name: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    !name.is_empty() && name.chars().all(is_part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_replaced_and_braces_kept() {
        let template = Template::parse("{pod} has {{x}} {m.count}").unwrap();
        assert_eq!(template.names().collect::<Vec<_>>(), ["pod", "m.count"]);
        assert_eq!(template.render(str::to_uppercase), "POD has {x} M.COUNT");
    }

    #[test]
    fn alternatives_are_names_of_their_own() {
        let template = Template::parse("{a.x|b.y|why}").unwrap();
        assert_eq!(template.names().collect::<Vec<_>>(), ["a.x", "b.y", "why"]);
        assert_eq!(template.source(), "{a.x|b.y|why}");
    }

    #[test]
    fn a_lone_brace_is_an_error() {
        for text in ["{", "}", "{a b}", "{}", "x {y", "{a|}", "{|a}"] {
            assert!(Template::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn all_that_is_wrong_is_told_at_its_place() {
        let slips = Template::parse("é {a b}, {x, {{ok}} and }").unwrap_err();
        let places: Vec<usize> = slips.iter().map(|slip| slip.at).collect();
        assert_eq!(places, [2, 9, 24]);
    }
}
