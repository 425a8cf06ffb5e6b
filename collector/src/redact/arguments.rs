//! Secrets among the arguments of a program.

use std::ops::Range;

use serde_json::Value;

use super::{Counts, detect, marker, names, private_key};

/// Takes secrets out of the words of a command line. They are looked at as one line, so that a
/// flag is seen with the word behind it and `-p` with the program it belongs to; what remains are
/// as many words as before.
pub(super) fn redact(words: &mut [Value], counts: &mut Counts) {
    let mut line = Vec::new();
    let mut places: Vec<Range<usize>> = Vec::new();
    for word in words.iter() {
        let start = line.len();
        // A line break inside a word would part it from its flag.
        let text = word.as_str().unwrap_or_default();
        line.extend_from_slice(text.replace("\\\n", "  ").replace('\n', " ").as_bytes());
        places.push(start..line.len());
        line.push(b' ');
    }
    let found = detect::find(&line);
    for (word, place) in words.iter_mut().zip(places) {
        let Value::String(text) = word else { continue };
        // A key in PEM form is followed from line to line, for which it must be whole.
        if private_key::may_begin(text.as_bytes()) {
            continue;
        }
        let mut clean = text.clone();
        for secret in found.iter().rev() {
            let (from, to) = (
                secret.secret.start.max(place.start),
                secret.secret.end.min(place.end),
            );
            if from >= to {
                continue;
            }
            let inside = from - place.start..to - place.start;
            if clean.get(inside.clone()).is_some() {
                clean.replace_range(inside, &marker("argument"));
            } else {
                clean = marker("argument");
            }
            counts.add("argument");
        }
        if clean == *text && is_secret_assignment(text) {
            let name = text.split_once('=').map_or("", |(name, _)| name);
            clean = format!("{name}={}", marker("argument"));
            counts.add("argument");
        }
        *text = clean;
    }
}

/// `--x=RANDOM`, `DB_PASSWORD=x`.
fn is_secret_assignment(word: &str) -> bool {
    let Some((name, value)) = word.split_once('=') else {
        return false;
    };
    let of_name = |b: u8| b.is_ascii_alphanumeric() || b"_-.".contains(&b);
    name.bytes().all(of_name)
        && !word.contains("[REDACTED:")
        && (names::holds_secret(name, value) || names::is_random_value(name, value))
}
