//! Finds the places of a text that are worth a closer look, in one pass and without regard to
//! case.
//!
//! Every secret has four bytes in a row that ordinary text seldom has: the beginning of a
//! token's prefix, of a telling name, of a URL's authority. The pass looks every four bytes up in
//! a small bit set, so that a line without any of them costs next to nothing.

use pulp::{Arch, Simd, WithSimd};

use super::detect::Detector;

/// Folds the case of four letters at once. Some other characters meet too; a detector looks again.
const FOLD: u32 = 0x2020_2020;
/// Knuth's multiplier spreads the grams over the bit set.
const SPREAD: u32 = 0x9E37_79B1;
/// Words of the bit set: 16 KiB, which stay in a core's first cache.
const WORDS: usize = 4096;
/// Words side by side, and how often so many begin one byte later.
const WIDTH: usize = 16;
const SHIFTS: usize = 4;
/// Places that are looked at before the first branch, and the bytes that their words reach into.
const LANES: usize = WIDTH * SHIFTS;
type Chunk = [u8; LANES + SHIFTS];

/// A set of four-byte words, and who looks closer at each.
pub(super) struct Anchors {
    filter: Filter,
    /// Sorted by the filter's word that they are in.
    grams: Vec<(u32, Detector)>,
    /// Where the grams of each of the filter's words begin.
    starts: Vec<usize>,
    arch: Arch,
}

/// Two bits for each gram.
struct Filter(Box<[u32; WORDS]>);

impl Filter {
    /// One if the filter may hold the word, else zero.
    #[inline(always)]
    #[expect(
        clippy::inline_always,
        reason = "it must be compiled once for each instruction set"
    )]
    fn may_hold(&self, word: [u8; 4]) -> u32 {
        let hash = hash(u32::from_le_bytes(word) | FOLD);
        let bits = self.0.get(slot(hash)).copied().unwrap_or_default();
        (bits >> ((hash >> 15) & 31)) & (bits >> ((hash >> 10) & 31)) & 1
    }

    /// Looks up every fourth word of a chunk from this beginning on; they lie side by side.
    #[inline(always)]
    #[expect(
        clippy::inline_always,
        clippy::indexing_slicing,
        reason = "it must be compiled once for each instruction set; constants within a chunk"
    )]
    fn words<const SHIFT: usize>(&self, chunk: &Chunk) -> [u32; WIDTH] {
        let mut hits = [0; WIDTH];
        for (number, hit) in hits.iter_mut().enumerate() {
            let at = SHIFTS * number + SHIFT;
            let word = chunk[at..at + 4].try_into().unwrap_or_default();
            *hit = self.may_hold(word);
        }
        hits
    }
}

impl Anchors {
    pub(super) fn new(words: impl IntoIterator<Item = ([u8; 4], Detector)>) -> Self {
        let mut filter = Box::new([0; WORDS]);
        let words = words.into_iter();
        let mut grams: Vec<(u32, Detector)> = words
            .map(|(word, detector)| (u32::from_le_bytes(word) | FOLD, detector))
            .collect();
        grams.sort_by_key(|(gram, detector)| (slot(hash(*gram)), *gram, *detector));
        grams.dedup();
        for (gram, _) in &grams {
            let hash = hash(*gram);
            if let Some(bits) = filter.get_mut(slot(hash)) {
                *bits |= (1 << ((hash >> 15) & 31)) | (1 << ((hash >> 10) & 31));
            }
        }
        let start = |word| grams.partition_point(|(gram, _)| slot(hash(*gram)) < word);
        let starts = (0..=WORDS).map(start).collect();
        Self {
            filter: Filter(filter),
            grams,
            starts,
            arch: Arch::new(),
        }
    }

    /// Calls `each` with every place in order and with whoever looks closer.
    pub(super) fn scan(&self, text: &[u8], each: &mut dyn FnMut(usize, Detector)) {
        self.arch.dispatch(Sweep {
            anchors: self,
            text,
            each,
        });
    }

    /// Calls `each` for whoever looks closer at this place, if the filter was right.
    fn look_up(&self, text: &[u8], at: usize, each: &mut dyn FnMut(usize, Detector)) {
        let Some(word) = text.get(at..).and_then(|t| t.first_chunk()) else {
            return;
        };
        let gram = u32::from_le_bytes(*word) | FOLD;
        let place = slot(hash(gram));
        let (from, to) = (self.starts.get(place), self.starts.get(place + 1));
        let range = from.copied().unwrap_or_default()..to.copied().unwrap_or_default();
        let near = self.grams.get(range).unwrap_or_default();
        for (_, detector) in near.iter().filter(|(g, _)| *g == gram) {
            each(at, *detector);
        }
    }
}

/// One pass over a text.
struct Sweep<'a> {
    anchors: &'a Anchors,
    text: &'a [u8],
    each: &'a mut dyn FnMut(usize, Detector),
}

impl WithSimd for Sweep<'_> {
    type Output = ();

    #[inline(always)]
    #[expect(
        clippy::inline_always,
        reason = "it must be compiled once for each instruction set"
    )]
    fn with_simd<S: Simd>(self, _: S) {
        let Self {
            anchors,
            text,
            each,
        } = self;
        let mut at = 0;
        while let Some(chunk) = text.get(at..).and_then(<[u8]>::first_chunk) {
            let filter = &anchors.filter;
            let hits = [
                filter.words::<0>(chunk),
                filter.words::<1>(chunk),
                filter.words::<2>(chunk),
                filter.words::<3>(chunk),
            ];
            if hits.iter().flatten().fold(0, |any, hit| any | hit) != 0 {
                let places = (0..LANES).filter(|at| is_hit(&hits, *at));
                places.for_each(|lane| anchors.look_up(text, at + lane, each));
            }
            at += LANES;
        }
        let rest = text.get(at..).unwrap_or_default().array_windows();
        for (more, word) in rest.enumerate() {
            if anchors.filter.may_hold(*word) != 0 {
                anchors.look_up(text, at + more, each);
            }
        }
    }
}

fn is_hit(hits: &[[u32; WIDTH]; SHIFTS], at: usize) -> bool {
    let lanes = hits.get(at % SHIFTS);
    lanes.and_then(|lanes| lanes.get(at / SHIFTS)) == Some(&1)
}

fn hash(gram: u32) -> u32 {
    gram.wrapping_mul(SPREAD)
}

/// The filter's word that a gram is in.
fn slot(hash: u32) -> usize {
    (hash >> 20) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found_in_any_case_and_anywhere() {
        let anchors = Anchors::new([(*b"pass", Detector::Name), (*b"eyJh", Detector::Jwt)]);
        let mut found = Vec::new();
        anchors.scan(b"PassWord eyJhPASS", &mut |at, who| found.push((at, who)));
        assert_eq!(
            found,
            [
                (0, Detector::Name),
                (9, Detector::Jwt),
                (13, Detector::Name)
            ]
        );
    }
}
