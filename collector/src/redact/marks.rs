//! Quotation marks, separators and colours in the spellings that they have once a text was
//! encoded: `&quot;`, `%22`, `\u0022`, `%3D`, `\x1b[0m`.

/// Quotation marks; the backslash of the last ones is behind whoever asks.
const QUOTES: &[&[u8]] = &[
    b"&quot;", b"&apos;", b"&#34;", b"&#39;", b"&#x22;", b"&#x27;", b"%22", b"%27", b"%2522",
    b"%2527", b"u0022", b"u0027",
];

/// Signs between a name and its value.
const SEPARATORS: &[&[u8]] = &[
    b"%3D",
    b"%3A",
    b"%253D",
    b"%253A",
    b"&#61;",
    b"&#58;",
    b"&equals;",
    b"&colon;",
];

/// The beginnings of a terminal's escape sequence, as it is and as JSON and others write it.
const ESCAPES: &[&[u8]] = &[b"\x1b[", b"u001b[", b"x1b[", b"033[", b"e["];

/// The length of the quotation mark at `at` that is not written as itself.
pub(super) fn quote(text: &[u8], at: usize) -> Option<usize> {
    let rest = text.get(at..)?;
    let quote = starts_with(rest, QUOTES)?;
    (rest.first() != Some(&b'u') || is_escaped(text, at)).then_some(quote)
}

/// The length of the separator that a text begins with and that is not written as itself.
pub(super) fn separator(text: &[u8]) -> Option<usize> {
    starts_with(text, SEPARATORS)
}

/// The length of the colours at `at`.
pub(super) fn colour(text: &[u8], at: usize) -> Option<usize> {
    let mut end = at;
    loop {
        let rest = text.get(end..)?;
        let slashes = rest.iter().take(8).take_while(|b| **b == b'\\').count();
        let sequence = rest.get(slashes..)?;
        let escape = starts_with(sequence, ESCAPES)
            .filter(|_| sequence.first() == Some(&0x1b) || slashes > 0 || is_escaped(text, end));
        let Some(escape) = escape else { break };
        let parameters = sequence.get(escape..)?;
        let of_colour = |b: &&u8| b.is_ascii_digit() || **b == b';';
        let len = parameters.iter().take(16).take_while(of_colour).count();
        if parameters.get(len) != Some(&b'm') {
            break;
        }
        end += slashes + escape + len + 1;
    }
    (end > at).then_some(end - at)
}

fn is_escaped(text: &[u8], at: usize) -> bool {
    at.checked_sub(1).and_then(|before| text.get(before)) == Some(&b'\\')
}

fn starts_with(text: &[u8], any: &[&[u8]]) -> Option<usize> {
    let is_it = |mark: &&&[u8]| {
        text.get(..mark.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(mark))
    };
    any.iter().find(is_it).map(|mark| mark.len())
}

/// Whether a letter or digit stands before `at` that belongs to the same word.
pub(super) fn is_joined(text: &[u8], at: usize) -> bool {
    let before = text.get(at.saturating_sub(16)..at).unwrap_or_default();
    let is_letter = before.last().is_some_and(u8::is_ascii_alphanumeric);
    let run = before
        .iter()
        .rev()
        .take_while(|b| b.is_ascii_alphanumeric());
    is_letter && at != own_start(text, at - run.count(), at)
}

/// Where the word really begins whose letters begin at `start`: those of `\n`, `%3D` and `\x1b[0m`
/// are not its own. Looks no further than `end`.
pub(super) fn own_start(text: &[u8], start: usize, end: usize) -> usize {
    let before = text.get(start.saturating_sub(1)..start).unwrap_or_default();
    let word = text.get(start..end).unwrap_or_default();
    let len = match (before, word) {
        (b"\\", [b'n' | b'r' | b't', ..]) => 1,
        (b"%", [a, b, ..]) if a.is_ascii_hexdigit() && b.is_ascii_hexdigit() => 2,
        (b"\\", [b'u', b'0', b'0', _, _, ..]) => 5,
        (b"[" | b";", _) => {
            let digits = word
                .iter()
                .take(3)
                .take_while(|b| b.is_ascii_digit())
                .count();
            let is_colour = word.get(digits) == Some(&b'm');
            if is_colour { digits + 1 } else { 0 }
        }
        _ => 0,
    };
    start + len
}
