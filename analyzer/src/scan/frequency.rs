//! How often four-byte grams turn up in ordinary logs.
//!
//! `frequency.bin` is made from the logs of the recordings by the test
//! `the_frequency_table_is_that_of_the_recordings` (with `UPDATE_FREQUENCIES=1`): for each of
//! [`BUCKETS`] hash buckets one byte, eight times the binary logarithm of one plus the number of
//! its folded grams in a million bytes of logs.

/// Buckets that grams are hashed into.
const BUCKETS: usize = 1 << 14;

static TABLE: &[u8] = include_bytes!("frequency.bin");

/// The bucket of a folded gram.
fn bucket(gram: u32) -> usize {
    (gram.wrapping_mul(0x9E37_79B1) >> 18) as usize % BUCKETS
}

/// How many times grams of this gram's bucket turn up in a million bytes of ordinary logs.
pub(crate) fn of(gram: u32) -> f64 {
    let level = TABLE.get(bucket(gram)).copied().unwrap_or(u8::MAX);
    (f64::from(level) / 8.0).exp2() - 1.0
}
