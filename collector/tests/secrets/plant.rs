//! Draws secrets from templates.
//!
//! A template has `{alphabet length}` for what is drawn at random. What stands between `<<` and
//! `>>` must not be seen afterwards; without them, no drawn part must.

use serde_json::json;

use crate::{named, notations, scanners, tokens, vendors};

/// A secret and its surroundings.
pub(crate) struct Planted {
    pub(crate) name: &'static str,
    pub(crate) text: String,
    /// None of these may be seen.
    secrets: Vec<String>,
}

impl Planted {
    /// What of it is left in a text, also as JSON writes it.
    pub(crate) fn left(&self, out: &str) -> Option<String> {
        let forms = self.secrets.iter().flat_map(|secret| {
            let escaped = json!(secret).to_string();
            [secret.clone(), escaped.trim_matches('"').to_owned()]
        });
        let mut left = forms.filter(|form| out.contains(form.as_str()));
        left.next()
    }
}

/// One secret of every kind.
pub(crate) fn planted(random: &mut fastrand::Rng) -> Vec<Planted> {
    let kinds = [
        tokens::KINDS,
        vendors::KINDS,
        named::KINDS,
        notations::KINDS,
        scanners::KINDS,
    ]
    .concat();
    kinds
        .iter()
        .map(|(name, template)| fill(name, template, random))
        .collect()
}

/// The secret of one template.
pub(crate) fn fill(name: &'static str, template: &str, random: &mut fastrand::Rng) -> Planted {
    let (mut text, mut secrets, mut marked, mut drawn) =
        (String::new(), Vec::new(), None, Vec::new());
    let mut rest = template;
    while let Some(c) = rest.chars().next() {
        if let Some(after) = rest.strip_prefix("<<") {
            marked = Some(text.len());
            rest = after;
        } else if let Some(after) = rest.strip_prefix(">>").filter(|_| marked.is_some()) {
            secrets.push(text[marked.take().unwrap()..].to_owned());
            rest = after;
        } else if let Some((part, after)) = placeholder(rest) {
            let value = draw(part, random);
            text.push_str(&value);
            drawn.push(value);
            rest = after;
        } else {
            text.push(c);
            rest = &rest[c.len_utf8()..];
        }
    }
    if secrets.is_empty() {
        secrets = drawn.into_iter().filter(|d| d.len() > 8).collect();
    }
    Planted {
        name,
        text,
        secrets,
    }
}

/// `{w36}`: the alphabet's letter and the length.
fn placeholder(text: &str) -> Option<((char, usize), &str)> {
    let (inner, after) = text.strip_prefix('{')?.split_once('}')?;
    let alphabet = inner.chars().next().filter(|c| "bwuhcdl".contains(*c))?;
    Some(((alphabet, inner[1..].parse().ok()?), after))
}

fn draw((alphabet, length): (char, usize), random: &mut fastrand::Rng) -> String {
    let set: &[u8] = match alphabet {
        'h' => b"0123456789abcdef",
        'd' => b"0123456789",
        'l' => b"abcdefghijklmnopqrstuvwxyz0123456789",
        'c' => b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567",
        'b' => b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
        'u' => b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-",
        _ => b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
    };
    let mut text: Vec<u8> = (0..length)
        .map(|_| set[random.usize(..set.len())])
        .collect();
    // Drawn of one kind of letter only, a text would be no example of its kind; it neither begins
    // nor ends with a sign.
    let is_short = (8..=12).contains(&length) || length == 4;
    if is_short && !"hdl".contains(alphabet) {
        text[0] = b'K';
        text[1] = b'7';
        text[2] = if alphabet == 'c' { b'Q' } else { b'q' };
        *text.last_mut().unwrap() = b'3';
    }
    String::from_utf8(text).unwrap()
}
