//! Globs over entry paths: `*` within a component, `**` over any number, `?` one character.

use regex::Regex;

/// A glob, or the path of one entry.
#[derive(Debug)]
pub(super) struct Glob(Regex);

impl Glob {
    /// Reads a glob. One without a slash is tried on file names.
    ///
    /// # Errors
    /// When it is too large.
    pub(super) fn new(text: &str) -> anyhow::Result<Self> {
        let mut pattern = String::from("^");
        if !text.contains('/') {
            pattern.push_str("(?:.*/)?");
        }
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            if let Some(after) = rest.strip_prefix("**/") {
                pattern.push_str("(?:.*/)?");
                rest = after;
            } else if let Some(after) = rest.strip_prefix("**") {
                pattern.push_str(".*");
                rest = after;
            } else {
                match first {
                    '*' => pattern.push_str("[^/]*"),
                    '?' => pattern.push_str("[^/]"),
                    other => pattern.push_str(&regex::escape(other.encode_utf8(&mut [0; 4]))),
                }
                rest = rest.get(first.len_utf8()..).unwrap_or_default();
            }
        }
        pattern.push('$');
        Ok(Self(Regex::new(&pattern)?))
    }

    /// Whether a path matches.
    pub(super) fn matches(&self, path: &str) -> bool {
        self.0.is_match(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stay_within_a_component_unless_doubled() {
        let is = |glob: &str, path: &str| Glob::new(glob).unwrap().matches(path);
        assert!(is("a/*.log", "a/b.log") && !is("a/*.log", "a/c/b.log"));
        assert!(is("**/identity*.log", "x/y/identity-1.log") && is("**/a", "a"));
        assert!(is("*.log", "x/y/z.log") && is("a/**", "a/b/c") && !is("a.log", "aXlog"));
    }
}
