//! The Bloom table of five-byte grams, and the loop that looks every fourth byte of a text up in it.
//!
//! The loop is compiled once for each of a few instruction sets. It has two forms, since what is
//! fast for one gram after another is slow for many at once.

use pulp::{Arch, Simd, WithSimd};

/// Words of the table: 16 KiB, which stays in the first-level cache.
const WORDS: usize = 1 << 12;

/// Grams looked at before the first branch.
const LANES: usize = 16;

/// Grams that are looked for; it may say that others are.
pub(super) struct Bloom {
    table: Box<Table>,
    arch: Arch,
    hash: fn(u64) -> u32,
}

impl Bloom {
    pub(super) fn new() -> Self {
        let arch = Arch::new();
        let is_wide = arch.dispatch(IsWide);
        Self {
            table: Box::new([0; WORDS]),
            arch,
            hash: if is_wide { Wide::hash } else { Narrow::hash },
        }
    }

    /// Adds a gram: the first five of these bytes.
    pub(super) fn add(&mut self, bytes: u64) {
        let hash = (self.hash)(bytes);
        if let Some(slot) = self.table.get_mut(word(hash)) {
            *slot |= bits(hash);
        }
    }

    /// Notes where in a text a gram may be one that is looked for, at every fourth byte.
    pub(super) fn sweep(&self, text: &[u8], hits: &mut Vec<usize>) {
        let table = &self.table;
        self.arch.dispatch(Sweep { text, table, hits });
    }
}

/// Bit 5 of every byte.
pub(super) const FOLD: u64 = 0x2020_2020_2020_2020;

/// How the first five bytes of eight, folded, come to a hash: its upper 12 bits are the word of the
/// table, the next five and five the bits within it.
trait Form {
    fn hash(bytes: u64) -> u32;

    /// Calls `found` with the places of a chunk's grams that may be looked for.
    fn find(chunk: &Chunk, table: &Table, found: impl FnMut(usize));
}

/// One gram after another, for machines whose gathers are slow or none.
struct Narrow;

/// Many grams at once, in numbers of 32 bits, for machines with wide registers.
struct Wide;

type Table = [u32; WORDS];

impl Form for Narrow {
    #[inline(always)]
    #[expect(
        clippy::inline_always,
        reason = "compiled once for each instruction set"
    )]
    fn hash(bytes: u64) -> u32 {
        (((bytes | FOLD) << 24).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32) as u32
    }

    #[inline(always)]
    #[expect(
        clippy::inline_always,
        clippy::indexing_slicing,
        reason = "compiled once for each instruction set; constants within a chunk"
    )]
    fn find(chunk: &Chunk, table: &Table, found: impl FnMut(usize)) {
        let mut any = 0;
        for lane in 0..LANES {
            let bytes = chunk[4 * lane..4 * lane + 8].try_into().unwrap_or_default();
            any |= may_be(Self::hash(u64::from_le_bytes(bytes)), table);
        }
        if any != 0 {
            singles::<Self>(chunk, LANES, table).for_each(found);
        }
    }
}

impl Form for Wide {
    #[inline(always)]
    #[expect(
        clippy::inline_always,
        clippy::cast_possible_truncation,
        reason = "compiled once for each instruction set; the halves of a number"
    )]
    fn hash(bytes: u64) -> u32 {
        wide(bytes as u32, (bytes >> 32) as u32)
    }

    #[inline(always)]
    #[expect(
        clippy::inline_always,
        clippy::indexing_slicing,
        reason = "compiled once for each instruction set; constants within a chunk"
    )]
    fn find(chunk: &Chunk, table: &Table, mut found: impl FnMut(usize)) {
        let mut lanes = [0; LANES];
        for (lane, may) in lanes.iter_mut().enumerate() {
            let at = 4 * lane;
            let gram = chunk[at..at + 4].try_into().unwrap_or_default();
            let next = chunk[at + 4..at + 8].try_into().unwrap_or_default();
            let hash = wide(u32::from_le_bytes(gram), u32::from_le_bytes(next));
            *may = may_be(hash, table);
        }
        if lanes.iter().fold(0, |any, may| any | may) != 0 {
            let lanes = lanes.iter().enumerate().filter(|(_, may)| **may != 0);
            lanes.for_each(|(lane, _)| found(4 * lane));
        }
    }
}

#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "compiled once for each instruction set"
)]
fn wide(gram: u32, next: u32) -> u32 {
    let gram = (gram | 0x2020_2020) ^ ((next & 0xFF | 0x20) << 11);
    (gram ^ (gram >> 15)).wrapping_mul(0x85EB_CA77)
}

#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "compiled once for each instruction set"
)]
fn word(hash: u32) -> usize {
    (hash >> 20) as usize % WORDS
}

/// The two bits of a gram within its word.
fn bits(hash: u32) -> u32 {
    (1 << ((hash >> 15) & 31)) | (1 << ((hash >> 10) & 31))
}

/// 1 if a gram may be one that is looked for.
#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "compiled once for each instruction set"
)]
fn may_be(hash: u32, table: &Table) -> u32 {
    let word = table.get(word(hash)).copied().unwrap_or_default();
    (word >> ((hash >> 15) & 31)) & (word >> ((hash >> 10) & 31)) & 1
}

/// Whether the registers are wide enough for [`Wide`].
struct IsWide;

impl WithSimd for IsWide {
    type Output = bool;

    fn with_simd<S: Simd>(self, _: S) -> bool {
        size_of::<S::u32s>() >= 64
    }
}

/// Bytes looked at before the first branch, with those behind that the last gram reaches into.
const CHUNK: usize = 4 * LANES;
type Chunk = [u8; CHUNK + 4];

/// One pass over a text, noting where a gram may be one that is looked for, in their order.
struct Sweep<'a> {
    text: &'a [u8],
    table: &'a Table,
    hits: &'a mut Vec<usize>,
}

impl WithSimd for Sweep<'_> {
    type Output = ();

    #[inline(always)]
    #[expect(
        clippy::inline_always,
        reason = "it must be compiled once for each instruction set"
    )]
    fn with_simd<S: Simd>(self, simd: S) {
        if IsWide.with_simd(simd) {
            self.run::<Wide>();
        } else {
            self.run::<Narrow>();
        }
    }
}

impl Sweep<'_> {
    #[inline(always)]
    #[expect(
        clippy::inline_always,
        reason = "compiled once for each instruction set"
    )]
    fn run<F: Form>(self) {
        let Self { text, table, hits } = self;
        let mut start = 0;
        while let Some(chunk) = text.get(start..).and_then(<[u8]>::first_chunk) {
            F::find(chunk, table, |at| hits.push(start + at));
            start += CHUNK;
        }
        let rest = text.get(start..).unwrap_or_default();
        hits.extend(singles::<F>(rest, usize::MAX, table).map(|at| start + at));
    }
}

/// Where those of the first `most` grams are that may be looked for.
fn singles<'a, F: Form>(
    text: &'a [u8],
    most: usize,
    table: &'a Table,
) -> impl Iterator<Item = usize> + 'a {
    let (grams, _) = text.as_chunks::<4>();
    let grams = grams.iter().enumerate().take(most);
    grams.filter_map(|(number, gram)| {
        let next = text.get(number * 4 + 4).copied().unwrap_or_default();
        let bytes = u64::from(u32::from_le_bytes(*gram)) | u64::from(next) << 32;
        (may_be(F::hash(bytes), table) == 1).then_some(number * 4)
    })
}
