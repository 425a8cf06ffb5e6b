//! The gram filter: finds where literals of any pattern stand in a block.
//!
//! Of each literal the rarest window of eight bytes is taken. Its four grams of five bytes go
//! into a small blocked Bloom table, and their first four bytes into an exact table. A text is
//! looked at once every four bytes ([`super::sweep`]): whatever the alignment of a literal, one of
//! its window's four grams is met.
//! A literal of seven bytes has no fifth byte for its last gram, which is looked for with any.

use std::collections::HashSet;

use super::frequency;
use super::literals::{best_window, fold};
use super::sweep::{Bloom, FOLD};

/// Grams of a literal that are looked for: one for each place it may have.
const GRAMS: usize = 4;

/// Finds literals.
pub(crate) struct Filter {
    bloom: Bloom,
    exact: Exact,
    literals: Vec<Literal>,
}

/// A folded text and the pattern that it belongs to.
struct Literal {
    text: Vec<u8>,
    pattern: usize,
}

impl std::fmt::Debug for Filter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Filter")
            .field("literals", &self.literals.len())
            .finish_non_exhaustive()
    }
}

impl Filter {
    /// A filter for pairs of a pattern's number and one of its literals.
    pub(crate) fn new<'a>(texts: impl Iterator<Item = (usize, &'a [u8])>) -> Self {
        let mut bloom = Bloom::new();
        let mut places = Vec::new();
        let literals: Vec<Literal> = texts
            .map(|(pattern, text)| Literal {
                text: text.to_vec(),
                pattern,
            })
            .collect();
        for (literal, window) in windows(&literals) {
            let text = &literals.get(literal).map_or(&[][..], |l| &l.text);
            for (offset, gram) in grams(text).enumerate().skip(window).take(GRAMS) {
                let next = text
                    .get(offset + 4)
                    .map_or(0..=u8::MAX, |next| *next..=*next);
                for next in next {
                    bloom.add(u64::from(gram) | u64::from(next) << 32);
                }
                let (bytes, mask) = eight(text, offset);
                places.push((
                    gram,
                    Place {
                        literal: u32::try_from(literal).unwrap_or(u32::MAX),
                        offset: u32::try_from(offset).unwrap_or(u32::MAX),
                        bytes,
                        mask,
                    },
                ));
            }
        }
        Self {
            bloom,
            exact: Exact::new(places),
            literals,
        }
    }

    /// Calls `found` with a pattern's number and a position for every literal in `text`, in the
    /// order of their grams. The same place may be told more than once.
    pub(crate) fn find(&self, text: &[u8], found: &mut dyn FnMut(usize, usize)) {
        if self.literals.is_empty() {
            return;
        }
        let mut hits = Vec::new();
        self.bloom.sweep(text, &mut hits);
        for at in hits {
            let Some(gram) = gram_at(text, at) else {
                continue;
            };
            let stands = eight(text, at).0 | FOLD;
            for place in self.exact.of(gram) {
                if stands & place.mask != place.bytes {
                    continue;
                }
                let Some(start) = at.checked_sub(place.offset as usize) else {
                    continue;
                };
                let Some(literal) = self.literals.get(place.literal as usize) else {
                    continue;
                };
                let stands = text.get(start..start + literal.text.len());
                let same = |stands: &[u8]| {
                    stands
                        .iter()
                        .zip(&literal.text)
                        .all(|(a, b)| fold(*a) == *b)
                };
                if stands.is_some_and(same) {
                    found(literal.pattern, start);
                }
            }
        }
    }
}

/// The grams of a folded text.
fn grams(text: &[u8]) -> impl Iterator<Item = u32> {
    let grams = text.windows(4).filter_map(|gram| gram.try_into().ok());
    grams.map(u32::from_le_bytes)
}

/// What it costs to look for a gram that is looked for anyway: one more literal to compare with.
const SHARED: f64 = 0.05;

/// How often any gram turns up at least in a million bytes: the table does not know all logs.
const LEAST: f64 = 0.05;

/// The window of each literal whose grams are looked for. Literals with words in common share
/// theirs; those with the rarest grams choose first.
fn windows(literals: &[Literal]) -> Vec<(usize, usize)> {
    let cost = |literal: &Literal| best_window(&literal.text).1;
    let mut order: Vec<(f64, usize)> = literals.iter().map(cost).zip(0..).collect();
    order.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    let mut known = HashSet::new();
    let mut chosen = Vec::with_capacity(order.len());
    for (_, number) in order {
        let Some(literal) = literals.get(number) else {
            continue;
        };
        let found: Vec<Gram> = with_next(&literal.text).collect();
        let costs = found.windows(GRAMS.min(found.len())).enumerate();
        let costs = costs.map(|(at, window)| {
            let cost = |gram: &Gram| {
                let share = if known.contains(gram) { SHARED } else { 1.0 };
                share * (frequency_of(*gram) + LEAST)
            };
            (at, window.iter().map(cost).sum::<f64>())
        });
        let window = costs.min_by(|a, b| a.1.total_cmp(&b.1));
        let window = window.map_or(0, |(at, _)| at);
        known.extend(found.into_iter().skip(window).take(GRAMS));
        chosen.push((number, window));
    }
    chosen
}

/// A gram and the byte behind it.
type Gram = (u32, Option<u8>);

/// The grams of a folded text that have a byte behind them, or all of a text that is too short.
fn with_next(text: &[u8]) -> impl Iterator<Item = Gram> {
    let is_short = text.len() < GRAMS + 4;
    let nexts = text.iter().skip(4).copied().map(Some).chain([None]);
    let grams = grams(text).zip(nexts);
    grams.filter(move |(_, next)| is_short || next.is_some())
}

/// How often a gram turns up with the byte behind it, at most.
fn frequency_of((gram, next): Gram) -> f64 {
    let alone = frequency::of(gram);
    let behind = |next: u8| frequency::of(gram >> 8 | u32::from(next) << 24);
    next.map_or(alone, |next| alone.min(behind(next)))
}

/// The eight bytes at a place, and which of them there are.
fn eight(text: &[u8], at: usize) -> (u64, u64) {
    let rest = text.get(at..).unwrap_or_default();
    if let Some(bytes) = rest.first_chunk() {
        return (u64::from_le_bytes(*bytes), u64::MAX);
    }
    let mut bytes = [0; 8];
    let mut mask = [0; 8];
    for ((byte, mask), known) in bytes.iter_mut().zip(&mut mask).zip(rest) {
        (*byte, *mask) = (*known, u8::MAX);
    }
    (u64::from_le_bytes(bytes), u64::from_le_bytes(mask))
}

fn gram_at(text: &[u8], at: usize) -> Option<u32> {
    let bytes: [u8; 4] = text.get(at..at + 4)?.try_into().ok()?;
    Some(u32::from_le_bytes(bytes.map(fold)))
}

/// Where a gram stands in a literal.
#[derive(Debug, Clone, Copy)]
struct Place {
    literal: u32,
    offset: u32,
    /// What stands there, up to eight bytes, and which of them.
    bytes: u64,
    mask: u64,
}

/// Grams and their places: an open-addressed table of runs.
struct Exact {
    /// Gram, start and end of its run in `places`; an empty run is a free slot. Narrow, so that they
    /// stay near the core.
    slots: Vec<(u32, u32, u32)>,
    places: Vec<Place>,
}

fn slot(gram: u32) -> usize {
    (gram.wrapping_mul(0x85EB_CA77) >> 12) as usize
}

impl Exact {
    fn new(mut places: Vec<(u32, Place)>) -> Self {
        places.sort_by_key(|(gram, place)| (*gram, place.literal, place.offset));
        let size = (places.len() * 2).next_power_of_two().max(8);
        let mut slots = vec![(0, 0, 0); size];
        let mut start: u32 = 0;
        for run in places.chunk_by(|a, b| a.0 == b.0) {
            let Some((gram, _)) = run.first() else {
                continue;
            };
            let len = u32::try_from(run.len()).unwrap_or_default();
            let mut at = slot(*gram) & (size - 1);
            while slots.get(at).is_some_and(|slot| slot.1 != slot.2) {
                at = (at + 1) & (size - 1);
            }
            if let Some(slot) = slots.get_mut(at) {
                *slot = (*gram, start, start + len);
            }
            start += len;
        }
        Self {
            slots,
            places: places.into_iter().map(|(_, place)| place).collect(),
        }
    }

    fn of(&self, gram: u32) -> &[Place] {
        // A power of two.
        let last = self.slots.len() - 1;
        let mut at = slot(gram) & last;
        while let Some((found, start, end)) = self.slots.get(at).copied() {
            if start == end {
                break;
            }
            if found == gram {
                let run = start as usize..end as usize;
                return self.places.get(run).unwrap_or_default();
            }
            at = (at + 1) & last;
        }
        &[]
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn folded(text: &[u8]) -> Vec<u8> {
        text.iter().map(|b| fold(*b)).collect()
    }

    proptest! {
        #[test]
        fn it_finds_what_an_obvious_search_finds(
            texts in prop::collection::vec("[abAB /]{7,12}", 1..8),
            text in "[abAB /\n]{0,400}",
            at in 0_usize..400,
        ) {
            let mut text = text.into_bytes();
            // Plant one literal so that there is something to find.
            let at = at.min(text.len());
            text.splice(at..at, texts[0].bytes());
            let literals: Vec<Vec<u8>> = texts.iter().map(|t| folded(t.as_bytes())).collect();
            let filter = Filter::new(literals.iter().enumerate().map(|(n, t)| (n, t.as_slice())));
            let mut found = BTreeSet::new();
            filter.find(&text, &mut |pattern, at| { found.insert((pattern, at)); });
            let whole = folded(&text);
            let mut expected = BTreeSet::new();
            for (number, literal) in literals.iter().enumerate() {
                for (at, window) in whole.windows(literal.len()).enumerate() {
                    if window == literal {
                        expected.insert((number, at));
                    }
                }
            }
            prop_assert_eq!(found, expected);
        }
    }
}
