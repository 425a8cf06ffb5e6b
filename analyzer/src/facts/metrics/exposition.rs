//! The Prometheus and OpenMetrics text formats, line by line.
//!
//! Here: names, labels with their escapes, values, and what is wrong with a text. Not here:
//! which families matter, and how samples are kept.

use std::borrow::Cow;

/// One sample as it stands in the text.
#[derive(Debug)]
pub(super) struct Line<'a, 'b> {
    /// The metric's name, with `_total`, `_bucket`, `_sum` or `_count`.
    pub(super) family: &'a str,
    /// Label names and values, in the order of the text.
    pub(super) labels: &'b [Label<'a>],
    pub(super) value: f64,
    /// The line's number, from 1.
    pub(super) number: u64,
}

/// A label's name and value, escapes undone.
pub(super) type Label<'a> = (&'a str, Cow<'a, str>);

/// What is wrong with an exposition.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Faults {
    /// Lines that are no samples.
    pub(super) broken: u64,
    /// The first of them.
    pub(super) first_broken: u64,
    /// The number of the last line, if the text ends within it.
    pub(super) cut_in: Option<u64>,
    /// Whether the text is OpenMetrics and its end is missing.
    pub(super) without_end: bool,
}

impl Faults {
    /// What is wrong, in words; one sentence for each fault.
    pub(super) fn in_words(&self) -> Vec<String> {
        let mut words = Vec::new();
        if self.broken > 0 {
            let (count, first) = (self.broken, self.first_broken);
            words.push(format!(
                "{count} lines are no metrics, the first is line {first}"
            ));
        }
        if let Some(line) = self.cut_in {
            words.push(format!(
                "ends in the middle of line {line}, which is passed over"
            ));
        } else if self.without_end {
            words.push("ends without its `# EOF`: the last part is missing".to_owned());
        }
        words
    }
}

/// Reads an exposition, giving `take` the samples of the families that `wants` names. Lines that
/// are no samples are passed over and counted.
pub(super) fn read<'a>(
    bytes: &'a [u8],
    wants: impl Fn(&str) -> bool,
    mut take: impl FnMut(&Line<'a, '_>),
) -> Faults {
    let mut faults = Faults::default();
    let mut labels = Vec::new();
    // Samples of a family follow each other, so the last answer usually holds for the next line.
    let mut last: (&[u8], bool) = (b"", false);
    let (mut is_open_metrics, mut has_end) = (false, false);
    let mut start = 0;
    let mut number = 0;
    while start < bytes.len() {
        let rest = bytes.get(start..).unwrap_or_default();
        let end = memchr::memchr(b'\n', rest);
        let line = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
        start += line.len() + 1;
        number += 1;
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.starts_with(b"#") {
            is_open_metrics |= line.starts_with(b"# UNIT ");
            has_end |= line.starts_with(b"# EOF");
            continue;
        }
        if line.is_empty() {
            continue;
        }
        if end.is_none() {
            faults.cut_in = Some(number);
            break;
        }
        let name_end = name_end(line);
        let name = line.get(..name_end).unwrap_or_default();
        if name != last.0 || last.0.is_empty() {
            last = (name, name_of(name).is_none_or(&wants));
        }
        if !last.1 {
            continue;
        }
        if let Some((family, value)) = sample(line, name_end, &mut labels) {
            take(&Line {
                family,
                labels: &labels,
                value,
                number,
            });
        } else {
            faults.broken += 1;
            if faults.first_broken == 0 {
                faults.first_broken = number;
            }
        }
    }
    faults.without_end = is_open_metrics && !has_end;
    faults
}

fn name_end(line: &[u8]) -> usize {
    line.iter()
        .position(|b| matches!(b, b'{' | b' ' | b'\t'))
        .unwrap_or(line.len())
}

/// The name as text; `None` if these bytes are no metric's name.
fn name_of(name: &[u8]) -> Option<&str> {
    let first = *name.first()?;
    let starts = first.is_ascii_alphabetic() || matches!(first, b'_' | b':');
    let all = name
        .iter()
        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b':'));
    (starts && all).then(|| std::str::from_utf8(name).ok())?
}

fn sample<'a>(
    line: &'a [u8],
    name_end: usize,
    into: &mut Vec<Label<'a>>,
) -> Option<(&'a str, f64)> {
    into.clear();
    let family = name_of(line.get(..name_end)?)?;
    let rest = std::str::from_utf8(line.get(name_end..)?).ok()?;
    let rest = match rest.trim_start().strip_prefix('{') {
        Some(rest) => labels(rest, into)?,
        None => rest,
    };
    // A timestamp or an exemplar may follow the value.
    let value = rest.split_ascii_whitespace().next()?;
    // Rust reads `NaN`, `+Inf` and exponents as the formats write them.
    Some((family, value.parse().ok()?))
}

/// Parses labels after the opening brace; gives what follows the closing one.
fn labels<'a>(mut rest: &'a str, into: &mut Vec<Label<'a>>) -> Option<&'a str> {
    loop {
        rest = rest.trim_start_matches([',', ' ', '\t']);
        if let Some(after) = rest.strip_prefix('}') {
            return Some(after);
        }
        let equals = memchr::memchr(b'=', rest.as_bytes())?;
        let name = rest.get(..equals)?.trim_end();
        let after = rest.get(equals + 1..)?.trim_start().strip_prefix('"')?;
        let (value, after) = quoted(after)?;
        into.push((name, value));
        rest = after;
    }
}

/// Reads up to the closing quote, undoing the format's escapes.
fn quoted(text: &str) -> Option<(Cow<'_, str>, &str)> {
    let end = memchr::memchr2(b'"', b'\\', text.as_bytes())?;
    if text.as_bytes().get(end) == Some(&b'"') {
        return Some((Cow::Borrowed(text.get(..end)?), text.get(end + 1..)?));
    }
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((Cow::Owned(value), text.get(at + 1..)?)),
            '\\' => match characters.next()?.1 {
                'n' => value.push('\n'),
                other => value.push(other),
            },
            other => value.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Owned = (String, Vec<(String, String)>, f64, u64);

    fn all(text: &[u8]) -> (Vec<Owned>, Faults) {
        let mut found = Vec::new();
        let faults = read(
            text,
            |_| true,
            |line| {
                let labels = line.labels.iter();
                let labels = labels.map(|(n, v)| ((*n).to_owned(), v.to_string()));
                found.push((
                    line.family.to_owned(),
                    labels.collect(),
                    line.value,
                    line.number,
                ));
            },
        );
        (found, faults)
    }

    #[test]
    fn both_formats_are_read() {
        let text = b"# TYPE a counter\na_total{x=\"1\",y=\"q\\\"\\n\\\\\",} 3 1700000000000\n\
            b 1.5e3 # {trace=\"x\"} 1\nc +Inf\nd NaN\nissuer 3.15e+07\n# EOF\n";
        let (found, faults) = all(text);
        assert_eq!(faults, Faults::default());
        assert_eq!(found[0].1[1], ("y".into(), "q\"\n\\".into()));
        assert_eq!((found[1].2, found[1].3), (1500.0, 3));
        assert!(found[2].2.is_infinite());
        assert!(found[3].2.is_nan());
        assert!((found[4].2 - 31_500_000.0).abs() < 1.0);
    }

    #[test]
    fn broken_lines_are_counted_and_passed_over() {
        let (found, faults) = all(b"a 1\n<html>\na{x=\"1\" 2\nb 2\nc{x=\"\xff\"} 1\nd x\n");
        assert_eq!(found.len(), 2);
        assert_eq!((faults.broken, faults.first_broken), (4, 2));
    }

    #[test]
    fn a_line_that_is_cut_is_not_taken_for_a_smaller_number() {
        let (found, faults) = all(b"a 1\nb 12");
        assert_eq!((found.len(), faults.cut_in), (1, Some(2)));
    }

    #[test]
    fn open_metrics_without_its_end_is_told() {
        let (_, faults) = all(b"# UNIT a seconds\na_seconds 1\n");
        assert!(faults.without_end);
        assert_eq!(faults.in_words().len(), 1);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            all(&bytes);
        }

        #[test]
        fn no_text_that_looks_like_metrics_makes_it_panic(text in "([a-c]|[{}\",=\\\\ 0-9.\n#]){0,200}") {
            all(text.as_bytes());
        }

        #[test]
        fn a_cut_anywhere_keeps_the_lines_before(cut in 0_usize..60) {
            let text = b"a_total{x=\"1\"} 3\nb_total{y=\"2\",z=\"3\"} 4\nc_total 5\n";
            let cut = cut.min(text.len());
            let (found, _) = all(&text[..cut]);
            let whole = memchr::memchr_iter(b'\n', &text[..cut]).count();
            prop_assert_eq!(found.len(), whole);
        }
    }
}
