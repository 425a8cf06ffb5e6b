//! Required literals: texts of which every match of a regex contains at least one.
//!
//! Everything is folded with [`fold`], so one literal stands for every spelling in upper and
//! lower case. Not here: which texts are searched for first ([`super::grams`]).

use regex_syntax::hir::{Class, Hir, HirKind};

use super::{borders, frequency};

/// Bytes of the window whose four grams are looked for.
pub(crate) const WINDOW_BYTES: usize = 7;

/// Most texts that one literal set may hold.
const MAX_TEXTS: usize = 24;

/// Sets bit 5 of every byte: ASCII letters lose their case, and a few other bytes collide, which
/// costs a look at the line and nothing else.
pub(crate) fn fold(byte: u8) -> u8 {
    byte | 0x20
}

/// Bytes that logrus and JSON write in another way within a quoted message. No literal holds
/// them, so that the quoted form of a line is found as well.
fn is_escaped(byte: u8) -> bool {
    matches!(byte, b'"' | b'\\' | b'\n' | b'\t')
}

/// The literals of a pattern: every line that matches contains at least one of them, folded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Required(pub(crate) Vec<Vec<u8>>);

impl Required {
    /// How often the rarest windows of these texts turn up in ordinary logs; lower is better.
    pub(crate) fn cost(&self) -> f64 {
        self.0.iter().map(|text| best_window(text).1).sum()
    }

    fn is_usable(&self) -> bool {
        !self.0.is_empty() && self.0.iter().all(|text| text.len() >= WINDOW_BYTES)
    }
}

/// Where the rarest window of a folded text starts, and how often its grams turn up.
pub(crate) fn best_window(text: &[u8]) -> (usize, f64) {
    let windows = text.windows(WINDOW_BYTES).enumerate();
    let costs = windows.map(|(at, window)| {
        let grams = window.windows(4).filter_map(|gram| gram.try_into().ok());
        (
            at,
            grams
                .map(|gram| frequency::of(u32::from_le_bytes(gram)))
                .sum::<f64>(),
        )
    });
    costs
        .min_by(|a, b| a.1.total_cmp(&b.1))
        .unwrap_or((0, f64::MAX))
}

/// The cheapest literal set of a pattern; `None` if it has none of [`WINDOW_BYTES`] or more.
pub(crate) fn required(hir: &Hir) -> Option<Required> {
    let mut candidates = Vec::new();
    gather(hir, &mut candidates);
    for Required(texts) in &mut candidates {
        for text in texts.iter_mut() {
            *text = borders::best_piece(text);
        }
        texts.sort();
        texts.dedup();
    }
    candidates.retain(Required::is_usable);
    candidates
        .into_iter()
        .min_by(|a, b| a.cost().total_cmp(&b.cost()))
}

/// Adds every literal set that all matches of `hir` need.
fn gather(hir: &Hir, into: &mut Vec<Required>) {
    if let Some(texts) = exact(hir) {
        into.push(Required(texts));
        return;
    }
    match hir.kind() {
        HirKind::Literal(literal) => {
            let pieces = literal.0.split(|b| is_escaped(*b));
            let fold_all = |piece: &[u8]| Required(vec![piece.iter().map(|b| fold(*b)).collect()]);
            into.extend(pieces.map(fold_all));
        }
        HirKind::Capture(capture) => gather(&capture.sub, into),
        HirKind::Repetition(repetition) if repetition.min > 0 => gather(&repetition.sub, into),
        HirKind::Concat(parts) => gather_concat(parts, into),
        HirKind::Alternation(branches) => {
            let sets: Option<Vec<Required>> = branches.iter().map(required).collect();
            let texts: Vec<Vec<u8>> = sets
                .unwrap_or_default()
                .into_iter()
                .flat_map(|s| s.0)
                .collect();
            if !texts.is_empty() && texts.len() <= MAX_TEXTS {
                into.push(Required(texts));
            }
        }
        _ => {}
    }
}

/// Joins neighbours that are exact into longer texts; what is not exact ends a run.
fn gather_concat(parts: &[Hir], into: &mut Vec<Required>) {
    let mut run: Vec<Vec<u8>> = vec![Vec::new()];
    for part in parts {
        if matches!(part.kind(), HirKind::Look(_)) {
            continue;
        }
        let joined = exact(part).and_then(|texts| product(&run, &texts));
        if let Some(joined) = joined {
            run = joined;
            continue;
        }
        into.push(Required(std::mem::replace(&mut run, vec![Vec::new()])));
        match exact(part) {
            Some(texts) => run = texts,
            None => gather(part, into),
        }
    }
    into.push(Required(run));
}

fn product(heads: &[Vec<u8>], tails: &[Vec<u8>]) -> Option<Vec<Vec<u8>>> {
    if heads.len() * tails.len() > MAX_TEXTS {
        return None;
    }
    let join = |head: &Vec<u8>, tail: &Vec<u8>| [head.as_slice(), tail.as_slice()].concat();
    Some(
        heads
            .iter()
            .flat_map(|h| tails.iter().map(move |t| join(h, t)))
            .collect(),
    )
}

/// All texts that `hir` matches, folded, if they are few and finite.
fn exact(hir: &Hir) -> Option<Vec<Vec<u8>>> {
    let mut texts = match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => vec![Vec::new()],
        HirKind::Literal(literal) if literal.0.iter().any(|b| is_escaped(*b)) => return None,
        HirKind::Literal(literal) => vec![literal.0.iter().map(|b| fold(*b)).collect()],
        HirKind::Class(class) => members(class)?,
        HirKind::Capture(capture) => exact(&capture.sub)?,
        HirKind::Concat(parts) => {
            let start = vec![Vec::new()];
            parts
                .iter()
                .try_fold(start, |run, part| product(&run, &exact(part)?))?
        }
        HirKind::Alternation(branches) => {
            let branches: Option<Vec<_>> = branches.iter().map(exact).collect();
            branches?.into_iter().flatten().collect()
        }
        HirKind::Repetition(repetition) => match (repetition.min, repetition.max) {
            (0, Some(1)) => {
                let mut texts = exact(&repetition.sub)?;
                texts.push(Vec::new());
                texts
            }
            (count, Some(max)) if count == max && count <= 8 => {
                let sub = exact(&repetition.sub)?;
                (0..count).try_fold(vec![Vec::new()], |run, _| product(&run, &sub))?
            }
            _ => return None,
        },
    };
    texts.sort();
    texts.dedup();
    (texts.len() <= MAX_TEXTS).then_some(texts)
}

/// The members of a small class, folded.
fn members(class: &Class) -> Option<Vec<Vec<u8>>> {
    const MAX_MEMBERS: usize = 8;
    let mut bytes: Vec<u8> = match class {
        Class::Bytes(bytes) => {
            let count: usize = bytes
                .iter()
                .map(regex_syntax::hir::ClassBytesRange::len)
                .sum();
            if count > MAX_MEMBERS {
                return None;
            }
            bytes.iter().flat_map(|r| r.start()..=r.end()).collect()
        }
        Class::Unicode(chars) => {
            let count: usize = chars
                .iter()
                .map(regex_syntax::hir::ClassUnicodeRange::len)
                .sum();
            if count > MAX_MEMBERS {
                return None;
            }
            let chars = chars.iter().flat_map(|r| r.start()..=r.end());
            chars
                .map(|c| u8::try_from(c).ok().filter(u8::is_ascii))
                .collect::<Option<_>>()?
        }
    };
    for byte in &mut bytes {
        *byte = fold(*byte);
    }
    bytes.sort_unstable();
    bytes.dedup();
    Some(bytes.into_iter().map(|b| vec![b]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pattern: &str) -> Option<Vec<String>> {
        let hir = super::super::syntax::parse(pattern).unwrap();
        let texts = required(&hir)?.0;
        Some(
            texts
                .into_iter()
                .map(|t| String::from_utf8(t).unwrap())
                .collect(),
        )
    }

    #[test]
    fn inner_literals_count_and_case_does_not() {
        assert_eq!(
            of(r"\d+ (?i)Certificate ex.*"),
            Some(vec!["certificate ex".into()])
        );
        assert_eq!(
            of(r"x{0,3}abc[de]fgh"),
            Some(vec!["abcdfgh".into(), "abcefgh".into()])
        );
    }

    #[test]
    fn a_literal_stands_in_every_format_of_a_line() {
        assert_eq!(
            of("stream failed error=(?:a|b)"),
            Some(vec!["stream failed".into()])
        );
        assert_eq!(of("(?:in|out)=yes error=no"), None);
    }

    #[test]
    fn alternations_need_a_literal_in_each_branch() {
        assert_eq!(of("first one|second one").map(|t| t.len()), Some(2));
        assert_eq!(of("first one|x"), None);
        assert_eq!(of(r"\w+ \d+"), None);
    }
}
