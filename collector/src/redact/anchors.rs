//! Finds the places of a text that are worth a closer look, in one pass and without regard to
//! case.
//!
//! Every secret has four bytes in a row that ordinary text seldom has: the beginning of a
//! token's prefix, of a telling name, of a URL's authority. The pass looks every four bytes up in
//! a small bit set, so that a line without any of them costs next to nothing.

use super::detect::Detector;

/// Folds the case of four letters at once. Some other characters meet too; a detector looks again.
const FOLD: u32 = 0x2020_2020;
/// Knuth's multiplier spreads the grams over the bit set.
const SPREAD: u32 = 0x9E37_79B1;
/// Words of the bit set: 65,536 bits, which stay in a core's first cache.
const WORDS: usize = 1024;

/// A set of four-byte words, and who looks closer at each.
pub(super) struct Anchors {
    filter: Box<[u64; WORDS]>,
    grams: Vec<(u32, Detector)>,
}

impl Anchors {
    pub(super) fn new(words: impl IntoIterator<Item = ([u8; 4], Detector)>) -> Self {
        let mut filter = Box::new([0; WORDS]);
        let mut grams: Vec<(u32, Detector)> = Vec::new();
        for (word, detector) in words {
            let gram = u32::from_le_bytes(word) | FOLD;
            if let Some(bits) = filter.get_mut(slot(gram)) {
                *bits |= bit(gram);
            }
            grams.push((gram, detector));
        }
        grams.sort_by_key(|(gram, detector)| (*gram, *detector));
        grams.dedup();
        Self { filter, grams }
    }

    /// Calls `each` with every place in order and with whoever looks closer.
    pub(super) fn scan(&self, text: &[u8], each: &mut dyn FnMut(usize, Detector)) {
        for (at, word) in text.array_windows::<4>().enumerate() {
            let gram = u32::from_le_bytes(*word) | FOLD;
            let bits = self.filter.get(slot(gram)).copied().unwrap_or_default();
            if bits & bit(gram) != 0 {
                self.look_up(gram, at, each);
            }
        }
    }

    #[cold]
    fn look_up(&self, gram: u32, at: usize, each: &mut dyn FnMut(usize, Detector)) {
        let from = self.grams.partition_point(|(g, _)| *g < gram);
        let same = self.grams.get(from..).unwrap_or_default().iter();
        for (_, detector) in same.take_while(|(g, _)| *g == gram) {
            each(at, *detector);
        }
    }
}

fn slot(gram: u32) -> usize {
    (gram.wrapping_mul(SPREAD) >> 22) as usize
}

fn bit(gram: u32) -> u64 {
    1 << ((gram.wrapping_mul(SPREAD) >> 16) & 63)
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
