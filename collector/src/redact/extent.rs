//! How far a value reaches.

/// Where a quoted value ends: at the same quotation mark behind as many backslashes or fewer.
pub(super) fn quoted(line: &[u8], quote: u8, slashes: usize) -> usize {
    let mut run = 0;
    for (at, byte) in line.iter().enumerate() {
        match byte {
            b'\\' => run += 1,
            b if *b == quote
                && (run <= slashes && (slashes > 0 || run == 0)
                    || run % 2 == 0 && slashes == 0) =>
            {
                return at - if slashes > 0 { run } else { 0 };
            }
            _ => run = 0,
        }
    }
    line.len()
}

/// Where a bare value ends: at a blank or a quotation mark, and at punctuation that something
/// else follows.
pub(super) fn bare(line: &[u8]) -> usize {
    let mut at = 0;
    while let Some(byte) = line.get(at) {
        let after = line.get(at + 1..).unwrap_or_default();
        let ends = match byte {
            b' ' | b'\t' | b'"' | b'\'' | b'`' | b'<' | b'>' | 0x1b => true,
            b'\\' => after.first().is_none_or(|b| b"\"'\\nrtu".contains(b)),
            b',' | b';' | b'&' => ends_here(after),
            b'}' | b']' | b')' => after.first().is_none_or(|b| !b.is_ascii_alphanumeric()),
            _ => false,
        };
        if ends {
            break;
        }
        // A marker is a value of its own.
        at += if line.get(at..).is_some_and(|l| l.starts_with(b"[REDACTED:")) {
            memchr::memchr(b']', line.get(at..).unwrap_or_default()).map_or(1, |end| end + 1)
        } else {
            1
        };
    }
    at
}

/// Where `Basic x` or `Digest a="b", c="d"` ends.
pub(super) fn credentials(line: &[u8]) -> usize {
    let word = bare(line);
    let blanks = line
        .get(word..)
        .unwrap_or_default()
        .iter()
        .take_while(|b| matches!(b, b' ' | b'\t'))
        .count();
    let is_scheme = line
        .get(..word)
        .unwrap_or_default()
        .iter()
        .all(|b| b.is_ascii_alphanumeric() || *b == b'-');
    let rest = line.get(word + blanks..).unwrap_or_default();
    if !is_scheme || blanks == 0 || word > 24 {
        return word;
    }
    let first = bare(rest);
    let is_list = rest.get(..first).is_some_and(|first| {
        let name = memchr::memchr(b'=', first).and_then(|at| first.get(..at));
        let of_name = |b: &u8| b.is_ascii_alphabetic() || matches!(b, b'_' | b'-');
        name.is_some_and(|name| name.len() < 24 && name.iter().all(of_name))
    });
    if is_list {
        return word + blanks + parameters(rest);
    }
    word + blanks + first
}

/// Where `a="b", c=d` ends: at the end of the line, or of the string that it stands in.
fn parameters(line: &[u8]) -> usize {
    let (mut is_inside, mut slashes, mut before) = (false, 0, b' ');
    for (at, byte) in line.iter().enumerate() {
        match byte {
            b'\\' => slashes += 1,
            b'"' => {
                if !is_inside && before != b'=' {
                    return at - slashes;
                }
                is_inside = !is_inside;
                (slashes, before) = (0, b'"');
            }
            _ => (slashes, before) = (0, *byte),
        }
    }
    line.len()
}

/// Where `a=b; c=d` ends.
pub(super) fn cookies(line: &[u8]) -> usize {
    let mut end = 0;
    loop {
        let rest = line.get(end..).unwrap_or_default();
        let ends = |b: &u8| b.is_ascii_whitespace() || b"\"'`<>\\]}".contains(b);
        end += rest.iter().position(ends).unwrap_or(rest.len());
        let goes_on = line.get(..end).is_some_and(|l| l.ends_with(b";"));
        if !goes_on || line.get(end) != Some(&b' ') {
            return end;
        }
        end += 1;
    }
}

/// Whether behind a comma, a semicolon or an ampersand another value begins.
fn ends_here(after: &[u8]) -> bool {
    let name = after
        .iter()
        .take(64)
        .take_while(|b| b.is_ascii_alphanumeric() || b"_-. ".contains(b))
        .count();
    let next = after.get(name);
    after.first().is_none_or(|b| b" \t\"'}])".contains(b))
        || matches!(next, Some(b'=' | b':'))
        || next.is_none()
}
