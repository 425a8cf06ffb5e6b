//! Texts with `{placeholders}`.

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
    /// What is wrong and what to write.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(at) = memchr::memchr2(b'{', b'}', rest.as_bytes()) {
            let (before, tail) = rest.split_at_checked(at).unwrap_or((rest, ""));
            plain.push_str(before);
            if let Some(after) = tail.strip_prefix("{{") {
                plain.push('{');
                rest = after;
            } else if let Some(after) = tail.strip_prefix("}}") {
                plain.push('}');
                rest = after;
            } else if let Some((name, after)) =
                tail.strip_prefix('{').and_then(|t| t.split_once('}'))
            {
                let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
                let is_name = |name: &str| !name.is_empty() && name.chars().all(is_part);
                if !name.split('|').all(is_name) {
                    return Err(format!(
                        "`{{{name}}}` is no placeholder; for braces write `{{{{` and `}}}}`"
                    ));
                }
                pieces.push(Piece::Text(std::mem::take(&mut plain)));
                pieces.push(Piece::Name(name.to_owned()));
                rest = after;
            } else {
                return Err("a single brace; write `{{` or `}}`".to_owned());
            }
        }
        plain.push_str(rest);
        pieces.push(Piece::Text(plain));
        Ok(Self { pieces })
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
}
