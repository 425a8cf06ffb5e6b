//! The fixed texts of a pattern, in their order, with the spelling that it asks for.
//!
//! Of the lines that hold a pattern's rarest literal most are refused here, by a few searches for
//! a text and without its regex; and where a pattern ends in `.*` and fixed texts, its regex needs
//! to run only up to there.

use memchr::memmem::Finder;
use regex_syntax::hir::{Class, Hir, HirKind, Look};

/// Most spellings of one text.
const MAX_SPELLINGS: usize = 8;

/// Bytes of a text that is worth a search.
const MIN_BYTES: usize = 3;

/// A text that every match holds, in any of a few spellings.
#[derive(Debug)]
pub(super) struct Step(Vec<Finder<'static>>);

impl Step {
    fn new(texts: &[Vec<u8>]) -> Self {
        Self(texts.iter().map(|t| Finder::new(t).into_owned()).collect())
    }

    /// Where its first occurrence at or behind `from` ends.
    fn first_end(&self, text: &[u8], from: usize) -> Option<usize> {
        let rest = text.get(from..)?;
        let end = |f: &Finder<'_>| Some(from + f.find(rest)? + f.needle().len());
        self.0.iter().filter_map(end).min()
    }

    /// Where its last occurrence starts.
    fn last_start(&self, text: &[u8]) -> Option<usize> {
        // Most texts stand in a line once: two searches forward are faster than one backward.
        let last = |f: &Finder<'_>| {
            let next = |at: &usize| Some(at + 1 + f.find(text.get(at + 1..)?)?);
            std::iter::successors(f.find(text), next).last()
        };
        self.0.iter().filter_map(last).max()
    }
}

/// Whether the steps stand in a text one after another.
pub(super) fn holds(steps: &[Step], text: &[u8]) -> bool {
    let end = |from: usize, step: &Step| step.first_end(text, from);
    steps.iter().try_fold(0, end).is_some()
}

/// Where the latest place starts in which the steps stand one after another.
pub(super) fn latest(steps: &[Step], text: &[u8]) -> Option<usize> {
    let start = |until: usize, step: &Step| step.last_start(text.get(..until)?);
    steps.iter().rev().try_fold(text.len(), start)
}

/// The steps of a pattern.
pub(super) fn steps(hir: &Hir) -> Vec<Step> {
    let mut runs = Runs::default();
    runs.add(hir);
    runs.end();
    let is_useful = |run: &Vec<Vec<u8>>| run.iter().all(|text| text.len() >= MIN_BYTES);
    let useful = runs.done.iter().filter(|run| is_useful(run));
    useful.map(|run| Step::new(run)).collect()
}

/// Parts a pattern where only `.*` and fixed texts follow: what is before, and the texts behind.
/// `None` if there is no such place, or if what is before could look beyond it.
pub(super) fn part(hir: &Hir) -> Option<(Hir, Vec<Step>)> {
    let HirKind::Concat(parts) = hir.kind() else {
        return None;
    };
    let is_open = |part: &&Hir| is_anything(part) || spellings(part).is_some();
    let open = parts.iter().rev().take_while(is_open).count();
    let first = parts.len() - open;
    let first = first + parts.iter().skip(first).position(is_anything)?;
    let (head, tail) = parts.split_at_checked(first)?;
    let head = Hir::concat(head.to_vec());
    let mut runs = Runs::default();
    tail.iter().for_each(|part| runs.add(part));
    runs.end();
    if runs.is_torn {
        return None;
    }
    let steps = runs.done.iter().map(|run| Step::new(run)).collect();
    is_closed(&head).then_some((head, steps))
}

/// Whether a pattern looks at nothing outside of what it matches, but for where that starts.
pub(super) fn is_closed(hir: &Hir) -> bool {
    let parts = match hir.kind() {
        HirKind::Concat(parts) => parts.as_slice(),
        _ => std::slice::from_ref(hir),
    };
    let looks = |part: &Hir| !part.properties().look_set().is_empty();
    let is_solid = |part: &Hir| part.properties().minimum_len().unwrap_or(0) > 0;
    let is_start =
        |look: &Look| matches!(look, Look::Start | Look::WordAscii | Look::WordStartAscii);
    match parts {
        [first, inner @ ..] if looks(first) => {
            let is_start = matches!(first.kind(), HirKind::Look(look) if is_start(look));
            is_start && inner.iter().any(is_solid) && !inner.iter().any(looks)
        }
        parts => parts.iter().any(is_solid) && !parts.iter().any(looks),
    }
}

/// `.*`
fn is_anything(hir: &Hir) -> bool {
    let HirKind::Repetition(repetition) = hir.kind() else {
        return false;
    };
    let is_dot = |class: &Class| match class {
        Class::Bytes(bytes) => {
            let is_newline = |byte: u8| byte == b'\n';
            let holds = |byte: u8| bytes.iter().any(|r| (r.start()..=r.end()).contains(&byte));
            (0..=u8::MAX).all(|byte| holds(byte) || is_newline(byte))
        }
        Class::Unicode(_) => false,
    };
    let HirKind::Class(class) = repetition.sub.kind() else {
        return false;
    };
    repetition.min == 0 && repetition.max.is_none() && is_dot(class)
}

/// Runs of fixed text, each in its spellings.
#[derive(Default)]
struct Runs {
    done: Vec<Vec<Vec<u8>>>,
    open: Option<Vec<Vec<u8>>>,
    /// Whether a run has too many spellings and was ended in its middle.
    is_torn: bool,
}

impl Runs {
    fn add(&mut self, hir: &Hir) {
        match hir.kind() {
            HirKind::Concat(parts) => parts.iter().for_each(|part| self.add(part)),
            HirKind::Capture(capture) => self.add(&capture.sub),
            HirKind::Look(_) | HirKind::Empty => {}
            _ => match spellings(hir) {
                Some(texts) => self.extend(texts),
                None => self.end(),
            },
        }
    }

    fn extend(&mut self, texts: Vec<Vec<u8>>) {
        let joined = match &self.open {
            Some(open) => product(open, &texts),
            None => Some(texts.clone()),
        };
        if joined.is_none() {
            self.is_torn = true;
            self.end();
        }
        self.open = Some(joined.unwrap_or(texts));
    }

    fn end(&mut self) {
        self.done.extend(self.open.take());
    }
}

fn product(heads: &[Vec<u8>], tails: &[Vec<u8>]) -> Option<Vec<Vec<u8>>> {
    if heads.len() * tails.len() > MAX_SPELLINGS {
        return None;
    }
    let pairs = heads.iter().flat_map(|h| tails.iter().map(move |t| (h, t)));
    Some(pairs.map(|(h, t)| [h.as_slice(), t].concat()).collect())
}

/// All texts that a part without captures matches, if they are few.
fn spellings(hir: &Hir) -> Option<Vec<Vec<u8>>> {
    let texts: Vec<Vec<u8>> = match hir.kind() {
        HirKind::Literal(literal) => vec![literal.0.to_vec()],
        HirKind::Class(Class::Bytes(bytes)) => {
            let members = bytes.iter().flat_map(|r| r.start()..=r.end());
            members.take(MAX_SPELLINGS + 1).map(|b| vec![b]).collect()
        }
        HirKind::Concat(parts) => {
            let start = vec![Vec::new()];
            parts
                .iter()
                .try_fold(start, |run, part| product(&run, &spellings(part)?))?
        }
        HirKind::Alternation(branches) => {
            let branches: Option<Vec<_>> = branches.iter().map(spellings).collect();
            branches?.into_iter().flatten().collect()
        }
        _ => return None,
    };
    (texts.len() <= MAX_SPELLINGS).then_some(texts)
}

#[cfg(test)]
mod tests {
    use super::super::syntax::parse;
    use super::*;

    fn texts(steps: &[Step]) -> Vec<Vec<String>> {
        let text = |f: &Finder<'_>| String::from_utf8(f.needle().to_vec()).unwrap();
        let all = |step: &Step| step.0.iter().map(text).collect();
        steps.iter().map(all).collect()
    }

    #[test]
    fn captures_and_small_classes_belong_to_a_text() {
        let hir = parse(r"\{addr=(?P<name>linkerd-[a-z]+)[^}]*\}.*[Rr]efused").unwrap();
        assert_eq!(
            texts(&steps(&hir)),
            [vec!["{addr=linkerd-"], vec!["Refused", "refused"]]
        );
    }

    #[test]
    fn a_pattern_is_parted_before_the_texts_at_its_end() {
        let hir = parse(r"\{ns=(?P<ns>\S+) [^}]*\}.*x::worker: .*(?:gone|lost)").unwrap();
        let (head, tail) = part(&hir).unwrap();
        assert_eq!(texts(&tail), [vec!["x::worker: "], vec!["gone", "lost"]]);
        assert!(!head.to_string().contains("worker"), "{head}");
        let text = b"{ns=a b} x::worker: gone x::worker: lost x::worker: ";
        assert_eq!(latest(&tail, text), Some(25));
    }

    #[test]
    fn what_looks_around_is_not_parted_but_at_its_start() {
        for whole in [
            r"ab\b.*cd",
            r"a.*b$",
            r"a.*(?P<x>b)",
            r".*b",
            r"\b.*cd",
            "a b",
        ] {
            assert!(part(&parse(whole).unwrap()).is_none(), "{whole}");
        }
        for parted in [r"\bab.*cd", r"^ab.*cd"] {
            assert!(part(&parse(parted).unwrap()).is_some(), "{parted}");
        }
    }

    #[test]
    fn texts_must_stand_in_order() {
        let steps = steps(&parse("abc.+def").unwrap());
        assert!(holds(&steps, b"abc def"));
        assert!(!holds(&steps, b"def abc"));
    }
}
