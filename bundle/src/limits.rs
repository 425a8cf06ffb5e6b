//! What a reader is willing to take from a file that it does not trust.

/// Caps on what a bundle may hold. Every cap that is met is reported, none ends the reading.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Entries listed before the rest is refused. A cluster of 20,000 pods makes about 150,000.
    pub max_entries: usize,
    /// Bytes of one unpacked entry. A container log is rotated at 10 MiB by default, but a
    /// node may be set to keep gigabytes.
    pub max_entry_bytes: u64,
    /// Bytes of all unpacked entries together.
    pub max_total_bytes: u64,
    /// Bytes of an entry that is held in memory as a whole: a list of objects, a scrape.
    pub max_whole_bytes: u64,
    /// Unpacked bytes per packed byte over a whole file, once [`Self::ratio_floor_bytes`] are
    /// out. Deflate cannot exceed 1032; real logs stay below 60.
    pub max_ratio: u64,
    /// Unpacked bytes below which no ratio is judged.
    pub ratio_floor_bytes: u64,
    /// Bytes of one line before it is cut into several blocks.
    pub max_line_bytes: usize,
    /// Bytes of an entry path.
    pub max_path_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_entries: 1_000_000,
            max_entry_bytes: 64 << 30,
            max_total_bytes: 1 << 40,
            max_whole_bytes: 1 << 30,
            max_ratio: 1000,
            ratio_floor_bytes: 64 << 20,
            max_line_bytes: 1 << 20,
            max_path_bytes: 1024,
        }
    }
}
