//! Makes untrusted text harmless on a terminal.

use std::borrow::Cow;

/// Replaces control characters, and those that change the direction of text, by escapes.
pub(crate) fn escape(text: &str) -> Cow<'_, str> {
    let is_bad = |c: char| {
        (c.is_control() && c != '\t')
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
    };
    if !text.contains(is_bad) {
        return Cow::Borrowed(text);
    }
    let mut plain = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if c == '\n' {
            plain.push_str("\\n");
        } else if is_bad(c) {
            plain.extend(c.escape_default());
        } else {
            plain.push(c);
        }
    }
    Cow::Owned(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_line_cannot_drive_the_terminal() {
        assert_eq!(escape("a\x1b[2Jb\u{202e}\n"), "a\\u{1b}[2Jb\\u{202e}\\n");
        assert_eq!(escape("plain – ü\t"), "plain – ü\t");
    }
}
