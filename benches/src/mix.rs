//! How many log files a busy cluster has, and how large they are.

/// Shares of the whole, in parts of 10,000, and how many files of that size there are. One log
/// that fills a quarter, a few of some per cent, many small ones.
const SHARES: [(u64, u64); 7] = [
    (2460, 1),
    (1180, 1),
    (520, 4),
    (90, 20),
    (14, 110),
    (1, 320),
    (0, 550),
];

/// Bytes of the smallest files, which have no share.
const SMALL_BYTES: u64 = 6 << 10;

/// The sizes of all log files, in bytes, largest first; together about `total_bytes`.
pub(crate) fn sizes(total_bytes: u64) -> Vec<u64> {
    let files = SHARES.into_iter().flat_map(|(share, count)| {
        let bytes = (total_bytes / 10_000 * share).max(SMALL_BYTES);
        std::iter::repeat_n(bytes, usize::try_from(count).unwrap_or(usize::MAX))
    });
    files.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_add_up_to_about_the_size_asked_for() {
        let total = 2048 << 20;
        let sum: u64 = sizes(total).iter().sum();
        assert!(
            sum > total * 9 / 10 && sum < total * 11 / 10,
            "{sum} of {total}"
        );
    }
}
