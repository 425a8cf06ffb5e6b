//! The Prometheus and OpenMetrics text formats.

/// One sample.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sample {
    /// The metric's name, with `_total`, `_bucket`, `_sum` or `_count`.
    pub family: String,
    /// Label names and values, in the order of the text.
    pub labels: Vec<(String, String)>,
    /// The value.
    pub value: f64,
    /// The line, from 1.
    pub line: u64,
}

/// Parses an exposition, keeping the families that `wants` takes. Lines that are no samples are
/// passed over; gives how many there were and the number of the first.
pub(super) fn parse(
    bytes: &[u8],
    wants: impl Fn(&str) -> bool,
) -> (Vec<Sample>, Option<(u64, u64)>) {
    let mut samples = Vec::new();
    let mut broken: Option<(u64, u64)> = None;
    for (number, line) in bytes.split(|b| *b == b'\n').enumerate() {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() || line.starts_with(b"#") {
            continue;
        }
        let number = number as u64 + 1;
        let name_end = line
            .iter()
            .position(|b| matches!(b, b'{' | b' ' | b'\t'))
            .unwrap_or(line.len());
        let name = line
            .get(..name_end)
            .and_then(|n| std::str::from_utf8(n).ok())
            .unwrap_or_default();
        if is_name(name) && !wants(name) {
            continue;
        }
        match std::str::from_utf8(line)
            .ok()
            .and_then(|text| sample(text, name_end, number))
        {
            Some(sample) if is_name(name) => samples.push(sample),
            _ => broken.get_or_insert((0, number)).0 += 1,
        }
    }
    (samples, broken)
}

fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '_' | ':'))
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b':'))
}

fn sample(line: &str, name_end: usize, number: u64) -> Option<Sample> {
    let (family, rest) = line.split_at_checked(name_end)?;
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(rest) => labels(rest)?,
        None => (Vec::new(), rest),
    };
    // A timestamp or an exemplar may follow the value.
    let value = rest.split_ascii_whitespace().next()?;
    let value = match value {
        "+Inf" | "Inf" => f64::INFINITY,
        "-Inf" => f64::NEG_INFINITY,
        number => number.parse().ok()?,
    };
    Some(Sample {
        family: family.to_owned(),
        labels,
        value,
        line: number,
    })
}

/// Parses labels after the opening brace; gives them and what follows the closing one.
fn labels(mut rest: &str) -> Option<(Vec<(String, String)>, &str)> {
    let mut labels = Vec::new();
    loop {
        rest = rest.trim_start_matches([',', ' ']);
        if let Some(after) = rest.strip_prefix('}') {
            return Some((labels, after));
        }
        let (name, after) = rest.split_once("=\"")?;
        let (value, after) = quoted(after)?;
        labels.push((name.trim().to_owned(), value));
        rest = after;
    }
}

/// Reads up to the closing quote, undoing the format's escapes.
fn quoted(text: &str) -> Option<(String, &str)> {
    let end = text.find(['"', '\\'])?;
    if text.as_bytes().get(end) == Some(&b'"') {
        return Some((text.get(..end)?.to_owned(), text.get(end + 1..)?));
    }
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, text.get(at + 1..)?)),
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

    fn all(text: &str) -> (Vec<Sample>, Option<(u64, u64)>) {
        parse(text.as_bytes(), |_| true)
    }

    #[test]
    fn both_formats_are_read() {
        let text = "# TYPE a counter\na_total{x=\"1\",y=\"q\\\"\\n\\\\\"} 3 1700000000000\nb 1.5e3 # {trace=\"x\"} 1\nc +Inf\n# EOF\n";
        let (samples, broken) = all(text);
        assert_eq!(broken, None);
        assert_eq!(samples[0].labels[1], ("y".into(), "q\"\n\\".into()));
        assert_eq!((samples[1].value, samples[1].line), (1500.0, 3));
        assert!(samples[2].value.is_infinite());
    }

    #[test]
    fn broken_lines_are_counted_and_passed_over() {
        let (samples, broken) = all("a 1\n<html>\na{x=\"1\" 2\nb 2\nc{x=\"un");
        assert_eq!(samples.len(), 2);
        assert_eq!(broken, Some((3, 2)));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            parse(&bytes, |_| true);
        }

        #[test]
        fn a_cut_anywhere_keeps_the_lines_before(cut in 0_usize..60) {
            let text = "a_total{x=\"1\"} 3\nb_total{y=\"2\",z=\"3\"} 4\nc_total 5\n";
            let (samples, _) = parse(&text.as_bytes()[..cut.min(text.len())], |_| true);
            prop_assert!(samples.len() <= 3);
        }
    }
}
