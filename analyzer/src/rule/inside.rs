//! Where in a YAML file a character of a value stands.
//!
//! YAML folds lines, takes away indentation and undoes escapes, but leaves the characters that are not blank in their
//! order: the n-th of the value is the n-th of what was written.

use super::spanned::Spot;

/// The place of the character of `value` that has `at` characters before it. It is that of the whole value, `scalar`,
/// where the two cannot be brought together, as behind an alias.
pub(super) fn place(yaml: &str, scalar: Spot, value: &str, at: usize) -> Spot {
    let before = value
        .chars()
        .take(at)
        .filter(|c| !c.is_whitespace())
        .count();
    let wanted = value.chars().nth(at).filter(|c| !c.is_whitespace());
    let mut written = Written::new(yaml, scalar);
    let found = match wanted {
        Some(c) => written.nth(before).filter(|(written, _)| *written == c),
        // What is blank, or the end, is behind what stands before it.
        None => before.checked_sub(1).and_then(|last| {
            let (c, place) = written.nth(last)?;
            let column = place.column + 1;
            Some((c, Spot { column, ..place }))
        }),
    };
    found.map_or(scalar, |(_, place)| place)
}

/// The characters of a scalar that are not blank, as they were written, with their places.
struct Written<'y> {
    rest: std::str::Chars<'y>,
    next: Spot,
    style: Style,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Style {
    Plain,
    Single,
    Double,
}

impl<'y> Written<'y> {
    fn new(yaml: &'y str, scalar: Spot) -> Self {
        let number = |n: u64| usize::try_from(n.saturating_sub(1)).unwrap_or(usize::MAX);
        let line_start = yaml.split_inclusive('\n').take(number(scalar.line));
        let from = line_start.map(str::len).sum::<usize>();
        let mut rest = yaml.get(from..).unwrap_or_default().chars();
        rest.by_ref().take(number(scalar.column)).for_each(drop);
        let mut written = Self {
            rest,
            next: scalar,
            style: Style::Plain,
        };
        match written.rest.as_str().chars().next() {
            Some('"') => written.style = Style::Double,
            Some('\'') => written.style = Style::Single,
            Some('|' | '>') => while written.step().is_some_and(|(c, _)| c != '\n') {},
            _ => {}
        }
        if written.style != Style::Plain {
            written.step();
        }
        written
    }

    fn step(&mut self) -> Option<(char, Spot)> {
        let (c, place) = (self.rest.next()?, self.next);
        if c == '\n' {
            self.next.line += 1;
            self.next.column = 1;
        } else {
            self.next.column += 1;
        }
        Some((c, place))
    }

    /// What an escape of a double-quoted scalar stands for; none if it is blank.
    fn escaped(&mut self) -> Option<char> {
        let digits = match self.step()?.0 {
            'x' => 2,
            'u' => 4,
            'U' => 8,
            c => return (!matches!(c, 'n' | 't' | 'r' | ' ' | '\n')).then_some(c),
        };
        let hex: String = (0..digits).filter_map(|_| Some(self.step()?.0)).collect();
        let c = u32::from_str_radix(&hex, 16).ok().and_then(char::from_u32);
        c.filter(|c| !c.is_whitespace())
    }
}

impl Iterator for Written<'_> {
    type Item = (char, Spot);

    fn next(&mut self) -> Option<(char, Spot)> {
        loop {
            let (c, place) = self.step()?;
            match (c, self.style) {
                ('"', Style::Double) => return None,
                ('\'', Style::Single) if !self.rest.as_str().starts_with('\'') => return None,
                ('\'', Style::Single) => {
                    self.step();
                    return Some((c, place));
                }
                ('\\', Style::Double) => {
                    if let Some(c) = self.escaped() {
                        return Some((c, place));
                    }
                }
                (c, _) if c.is_whitespace() => {}
                (c, _) => return Some((c, place)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::spanned::At;
    use super::*;

    /// The place of `!` in the only value of a YAML file, as line and column.
    fn of(yaml: &str) -> (u64, u64) {
        let file: std::collections::BTreeMap<String, At<String>> =
            serde_saphyr::from_str(yaml).unwrap();
        let At {
            value,
            place: scalar,
        } = file.values().next().unwrap();
        let at = value.chars().position(|c| c == '!').unwrap();
        let found = place(yaml, *scalar, value, at);
        (found.line, found.column)
    }

    #[test]
    fn a_character_is_found_in_every_style_of_yaml() {
        assert_eq!(of("a: one !two\n"), (1, 8));
        assert_eq!(of("a: one\n  two !\n"), (2, 7));
        assert_eq!(of("a: 'it''s !'\n"), (1, 11));
        assert_eq!(of("a: \"a \\\"b\\\" \\u00e9 \\n!\"\n"), (1, 22));
        assert_eq!(of("# c\na: >-\n    one\n    two !\n"), (4, 9));
        assert_eq!(of("a: |\n    one\n\n    ! two\n"), (4, 5));
        assert_eq!(of("{a: \"é !\"}\n"), (1, 8));
    }

    #[test]
    fn what_stands_elsewhere_has_the_place_of_the_whole() {
        assert_eq!(of("b: &x\n  c !\n"), (2, 5));
        let yaml = "a: one\nb: two\n";
        let scalar = Spot { line: 2, column: 4 };
        assert_eq!(place(yaml, scalar, "another !", 8), scalar);
        assert_eq!(place(yaml, Spot { line: 9, column: 9 }, "x", 0).line, 9);
    }

    #[test]
    fn the_end_is_behind_the_last_character() {
        let yaml = "a: 'one '\n";
        let scalar = Spot { line: 1, column: 4 };
        assert_eq!(place(yaml, scalar, "one ", 4), Spot { line: 1, column: 8 });
    }
}
