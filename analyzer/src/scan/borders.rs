//! Where a line in JSON or logrus text is parted and its plain form is not.
//!
//! `stream failed error=x` is `"message":"stream failed","error":"x"` in JSON, and spans and target
//! stand elsewhere. A literal that is looked for in raw lines must not span such a border.

use super::literals::{WINDOW_BYTES, best_window};

/// The rarest part of a folded text that stands whole in every format of a line; empty if all are
/// too short to be looked for.
pub(super) fn best_piece(text: &[u8]) -> Vec<u8> {
    let usable = pieces(text).into_iter().filter(|p| p.len() >= WINDOW_BYTES);
    usable
        .min_by(|a, b| best_window(a).1.total_cmp(&best_window(b).1))
        .unwrap_or_default()
        .to_vec()
}

fn pieces(text: &[u8]) -> Vec<&[u8]> {
    let mut pieces = Vec::new();
    for part in text.split_inclusive(|b| matches!(b, b'=' | b'{' | b'}')) {
        let (body, end) = match part.split_last() {
            Some((end @ (b'=' | b'{' | b'}'), body)) => (body, Some(*end)),
            _ => (part, None),
        };
        // The key of a field, or the name of a span.
        let cut = match end {
            Some(b'=') => memchr::memrchr(b' ', body),
            Some(b'{') => memchr::memrchr(b':', body),
            _ => None,
        };
        let (head, word) = body
            .split_at_checked(cut.unwrap_or(0))
            .unwrap_or((body, &[]));
        split_at_target(head, &mut pieces);
        split_at_target(word, &mut pieces);
    }
    pieces
}

/// Parts `spans: target: message`.
fn split_at_target<'t>(text: &'t [u8], into: &mut Vec<&'t [u8]>) {
    let mut start = 0;
    for at in memchr::memmem::find_iter(text, b": ") {
        let before = text.get(..at).and_then(|t| t.rsplit(|b| *b == b' ').next());
        let after = text
            .get(at + 2..)
            .and_then(|t| t.split(|b| *b == b' ').next());
        if before.is_some_and(is_target) || after.is_some_and(is_target) {
            into.extend(text.get(start..at).map(trim));
            start = at + 2;
        }
    }
    into.extend(text.get(start..).map(trim));
}

/// Whether a word is the target of a line.
fn is_target(word: &[u8]) -> bool {
    memchr::memmem::find(word, b"::").is_some() || std::str::from_utf8(word).is_ok_and(is_module)
}

/// Whether a word begins with the name of a crate whose modules are targets.
pub(super) fn is_module(word: &str) -> bool {
    const CRATES: [&str; 10] = [
        "linkerd",
        "rustls",
        "hyper",
        "h2",
        "tokio",
        "tower",
        "hickory",
        "trust_dns",
        "kube",
        "kubert",
    ];
    CRATES.iter().any(|c| word.starts_with(c))
}

/// Without what stands between spans, target and message: it is only there in plain lines.
fn trim(text: &[u8]) -> &[u8] {
    let text = match text {
        [b':', b':', ..] => text,
        [b':', rest @ ..] => rest,
        _ => text,
    };
    text.trim_ascii_start()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Vec<&str> {
        let pieces = pieces(text.as_bytes()).into_iter();
        let texts = pieces.map(|piece| std::str::from_utf8(piece).unwrap());
        texts.filter(|text| !text.is_empty()).collect()
    }

    #[test]
    fn the_key_of_a_field_parts_a_text() {
        assert_eq!(
            of("stream failed error=no route server.port=80"),
            ["stream failed", "error", "no route", "server.port", "80"]
        );
        assert_eq!(of("a message: of words: "), ["a message: of words: "]);
    }

    #[test]
    fn spans_and_targets_are_parted() {
        assert_eq!(
            of("outbound:proxy{addr=10.0.3.18:80}:rescue: linkerd_app_core::errors: gone: yes"),
            [
                "outbound",
                "proxy",
                "addr",
                "10.0.3.18:80",
                "rescue",
                "linkerd_app_core::errors",
                "gone: yes"
            ]
        );
    }
}
