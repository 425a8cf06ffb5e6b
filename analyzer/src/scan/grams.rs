//! The gram filter: finds where literals of any pattern stand in a block.
//!
//! Of each literal the rarest window of seven bytes is taken, and its four grams of four bytes
//! go into a small blocked Bloom table and an exact table. A text is looked at once every four
//! bytes: whatever the alignment of a literal, one of its window's four grams is met. The loop
//! is plain code that the compiler vectorizes for the machine it runs on.

use std::collections::HashSet;

use pulp::{Arch, Simd, WithSimd};

use super::frequency;
use super::literals::{WINDOW_BYTES, best_window, fold};

/// Words of the Bloom table: 16 KiB, which stays in the first-level cache.
const BLOOM_WORDS: usize = 1 << 12;

/// Grams looked at before the first branch.
const LANES: usize = 16;

const MULTIPLIER: u32 = 0x85EB_CA77;

/// Finds literals.
pub(crate) struct Filter {
    bloom: Box<[u32; BLOOM_WORDS]>,
    exact: Exact,
    literals: Vec<Literal>,
    arch: Arch,
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

fn hash(gram: u32) -> u32 {
    (gram ^ (gram >> 15)).wrapping_mul(MULTIPLIER)
}

/// The two bits of a gram within its word.
fn bits(hash: u32) -> u32 {
    (1 << ((hash >> 15) & 31)) | (1 << ((hash >> 10) & 31))
}

fn word(hash: u32) -> usize {
    (hash >> 20) as usize % BLOOM_WORDS
}

const FOLD: u32 = 0x2020_2020;

impl Filter {
    /// A filter for pairs of a pattern's number and one of its literals.
    pub(crate) fn new<'a>(texts: impl Iterator<Item = (usize, &'a [u8])>) -> Self {
        let mut bloom = Box::new([0_u32; BLOOM_WORDS]);
        let mut places = Vec::new();
        let literals: Vec<Literal> = texts
            .map(|(pattern, text)| Literal {
                text: text.to_vec(),
                pattern,
            })
            .collect();
        for (literal, window) in windows(&literals) {
            let text = &literals.get(literal).map_or(&[][..], |l| &l.text);
            for (offset, gram) in grams(text).enumerate().skip(window).take(WINDOW_BYTES - 3) {
                let hash = hash(gram);
                if let Some(slot) = bloom.get_mut(word(hash)) {
                    *slot |= bits(hash);
                }
                places.push((gram, Place { literal, offset }));
            }
        }
        Self {
            bloom,
            exact: Exact::new(places),
            literals,
            arch: Arch::new(),
        }
    }

    /// Calls `found` with a pattern's number and a position for every literal in `text`, in the
    /// order of their grams. The same place may be told more than once.
    pub(crate) fn find(&self, text: &[u8], found: &mut dyn FnMut(usize, usize)) {
        if self.literals.is_empty() {
            return;
        }
        let mut hits = Vec::new();
        self.arch.dispatch(Sweep {
            text,
            bloom: &self.bloom,
            hits: &mut hits,
        });
        for at in hits {
            let Some(gram) = gram_at(text, at) else {
                continue;
            };
            for place in self.exact.of(gram) {
                let Some(start) = at.checked_sub(place.offset) else {
                    continue;
                };
                let Some(literal) = self.literals.get(place.literal) else {
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

/// The window of each literal whose grams are looked for. A gram that is looked for anyway costs
/// nothing, so literals with words in common share theirs; those with the rarest grams choose
/// first.
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
        let grams: Vec<u32> = grams(&literal.text).collect();
        let costs = grams
            .windows(WINDOW_BYTES - 3)
            .enumerate()
            .map(|(at, window)| {
                let new = window.iter().filter(|gram| !known.contains(*gram));
                (at, new.map(|gram| frequency::of(*gram)).sum::<f64>())
            });
        let window = costs
            .min_by(|a, b| a.1.total_cmp(&b.1))
            .map_or(0, |(at, _)| at);
        known.extend(grams.into_iter().skip(window).take(WINDOW_BYTES - 3));
        chosen.push((number, window));
    }
    chosen
}

fn gram_at(text: &[u8], at: usize) -> Option<u32> {
    let bytes = text.get(at..at + 4)?.try_into().ok()?;
    Some(u32::from_le_bytes(bytes) | FOLD)
}

/// One pass over a text, noting where a gram may be one that is looked for.
struct Sweep<'a> {
    text: &'a [u8],
    bloom: &'a [u32; BLOOM_WORDS],
    hits: &'a mut Vec<usize>,
}

impl WithSimd for Sweep<'_> {
    type Output = ();

    #[inline(always)]
    #[expect(
        clippy::inline_always,
        reason = "it must be compiled once for each instruction set"
    )]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { text, bloom, hits } = self;
        let (chunks, rest) = text.as_chunks::<{ 4 * LANES }>();
        for (number, chunk) in chunks.iter().enumerate() {
            if any_of(chunk, bloom) {
                let start = number * 4 * LANES;
                hits.extend(singles(chunk, bloom).map(|at| start + at));
            }
        }
        let start = text.len() - rest.len();
        hits.extend(singles(rest, bloom).map(|at| start + at));
    }
}

/// Whether any gram of a chunk may be one that is looked for.
#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "it must be compiled once for each instruction set"
)]
fn any_of(chunk: &[u8; 4 * LANES], bloom: &[u32; BLOOM_WORDS]) -> bool {
    let mut any = 0_u32;
    let (grams, _) = chunk.as_chunks::<4>();
    for gram in grams {
        let hash = hash(u32::from_le_bytes(*gram) | FOLD);
        let word = bloom.get(word(hash)).copied().unwrap_or_default();
        any |= (word >> ((hash >> 15) & 31)) & (word >> ((hash >> 10) & 31)) & 1;
    }
    any != 0
}

fn singles<'a>(text: &'a [u8], bloom: &'a [u32; BLOOM_WORDS]) -> impl Iterator<Item = usize> + 'a {
    let (grams, _) = text.as_chunks::<4>();
    grams.iter().enumerate().filter_map(|(number, gram)| {
        let hash = hash(u32::from_le_bytes(*gram) | FOLD);
        let word = bloom.get(word(hash)).copied().unwrap_or_default();
        (word & bits(hash) == bits(hash)).then_some(number * 4)
    })
}

/// Where a gram stands in a literal.
#[derive(Debug, Clone, Copy)]
struct Place {
    literal: usize,
    offset: usize,
}

/// Grams and their places: an open-addressed table of runs.
struct Exact {
    /// Gram, start and end of its run in `places`; an empty run is a free slot.
    slots: Vec<(u32, usize, usize)>,
    places: Vec<Place>,
}

impl Exact {
    fn new(mut places: Vec<(u32, Place)>) -> Self {
        places.sort_by_key(|(gram, place)| (*gram, place.literal, place.offset));
        let size = (places.len() * 2).next_power_of_two().max(8);
        let mut slots = vec![(0, 0, 0); size];
        let mut start = 0;
        for run in places.chunk_by(|a, b| a.0 == b.0) {
            let Some((gram, _)) = run.first() else {
                continue;
            };
            let mut at = hash(*gram) as usize & (size - 1);
            while slots.get(at).is_some_and(|slot| slot.1 != slot.2) {
                at = (at + 1) & (size - 1);
            }
            if let Some(slot) = slots.get_mut(at) {
                *slot = (*gram, start, start + run.len());
            }
            start += run.len();
        }
        Self {
            slots,
            places: places.into_iter().map(|(_, place)| place).collect(),
        }
    }

    fn of(&self, gram: u32) -> &[Place] {
        // A power of two.
        let last = self.slots.len() - 1;
        let mut at = hash(gram) as usize & last;
        while let Some((found, start, end)) = self.slots.get(at).copied() {
            if start == end {
                break;
            }
            if found == gram {
                return self.places.get(start..end).unwrap_or_default();
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
