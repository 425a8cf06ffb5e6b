//! Globs over paths and names: `*` within a segment, `**` over any number of segments.

use regex::Regex;

/// The longest glob that is read, in bytes.
const MAX_BYTES: usize = 1024;

/// A glob; it matches the whole text or not at all.
#[derive(Debug, Clone)]
pub(super) struct Glob(Regex);

impl Glob {
    /// Reads a glob; an error says what is wrong with it.
    pub(super) fn new(text: &str) -> Result<Self, String> {
        if text.len() > MAX_BYTES {
            return Err(format!("the glob is longer than {MAX_BYTES} bytes"));
        }
        let mut pattern = String::from("^");
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let (taken, part) = if rest.starts_with("/**") {
                // `/a/**` is `/a` as well.
                ("/**", "(?:/.*)?".to_owned())
            } else if rest.starts_with("**/") {
                ("**/", "(?:.*/)?".to_owned())
            } else if rest.starts_with("**") {
                ("**", ".*".to_owned())
            } else if first == '*' {
                ("*", "[^/]*".to_owned())
            } else {
                let letter = rest.get(..first.len_utf8()).unwrap_or_default();
                (letter, regex::escape(letter))
            };
            pattern.push_str(&part);
            rest = rest.strip_prefix(taken).unwrap_or_default();
        }
        pattern.push('$');
        Regex::new(&pattern).map(Self).map_err(|e| e.to_string())
    }

    pub(super) fn matches(&self, text: &str) -> bool {
        self.0.is_match(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_star_stays_within_a_segment_and_two_do_not() {
        let is = |glob: &str, text: &str| Glob::new(glob).unwrap().matches(text);
        assert!(is(
            "/api/v1/namespaces/*/pods",
            "/api/v1/namespaces/shop/pods"
        ));
        assert!(!is("/api/v1/*/pods", "/api/v1/namespaces/shop/pods"));
        assert!(is("/api/**", "/api/v1/namespaces/shop/pods") && is("/api/**", "/api"));
        assert!(is("/api/**/log", "/api/v1/pods/x/log") && is("/api/**/log", "/api/log"));
        assert!(is("**", "anything/at all") && is("catalog-*", "catalog-1"));
        assert!(!is("catalog", "catalog-1") && !is("a.b", "axb"));
        assert!(Glob::new(&"*".repeat(2000)).is_err());
    }
}
