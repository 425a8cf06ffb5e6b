//! How often four-byte grams turn up in ordinary logs.
//!
//! `frequency.bin` is made from those lines of the recordings that tell of no trouble, by the test at the foot of this file:
//! for each of [`BUCKETS`] hash buckets one byte, eight times the binary logarithm of one plus
//! the number of its folded grams in a million bytes of logs.

use std::sync::LazyLock;

/// Buckets that grams are hashed into.
const BUCKETS: usize = 1 << 16;

static TABLE: &[u8] = include_bytes!("frequency.bin");

/// The bucket of a folded gram.
fn bucket(gram: u32) -> usize {
    (gram.wrapping_mul(0x9E37_79B1) >> 16) as usize % BUCKETS
}

/// The number of times that each level stands for.
static TIMES: LazyLock<Vec<f64>> = LazyLock::new(|| {
    let times = (0..=u8::MAX).map(|level| (f64::from(level) / 8.0).exp2() - 1.0);
    times.collect()
});

/// How many times grams of this gram's bucket turn up in a million bytes of ordinary logs.
pub(crate) fn of(gram: u32) -> f64 {
    let level = TABLE.get(bucket(gram)).copied().unwrap_or(u8::MAX);
    TIMES.get(usize::from(level)).copied().unwrap_or(f64::MAX)
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::{Arc, Mutex};

    use bundle::{Block, Bundle, EntryInfo, Interest, Limits, Problem, Scratch, Visitor};

    use super::super::literals::fold;
    use super::super::origin::is_log;
    use super::*;

    /// Whether a line tells of trouble: its words are rare where all is well.
    fn is_alarming(line: &[u8]) -> bool {
        let marks: [&[u8]; 8] = [
            b" WARN ",
            b" ERROR ",
            b"level=warning",
            b"level=error",
            b"rror",
            b"fail",
            b"refused",
            b"denied",
        ];
        marks
            .iter()
            .any(|mark| memchr::memmem::find(line, mark).is_some())
    }

    /// Bytes of one log that count, so that a few long ones do not decide.
    const SHARE: usize = 64 << 10;

    struct Counter(Mutex<(Vec<u64>, u64)>);

    impl Visitor for Counter {
        fn interest(&self, entry: &EntryInfo) -> Interest {
            if is_log(entry) {
                Interest::Whole
            } else {
                Interest::Skip
            }
        }

        fn block(&self, _: &Arc<EntryInfo>, _: Block<'_>) {}

        fn whole(&self, _: &Arc<EntryInfo>, bytes: Vec<u8>) {
            let mut counts = self.0.lock().unwrap();
            let lines = bytes
                .split_inclusive(|b| *b == b'\n')
                .filter(|line| !is_alarming(line));
            let text: Vec<u8> = lines.flatten().take(SHARE).map(|b| fold(*b)).collect();
            counts.1 += text.len() as u64;
            for gram in text.windows(4) {
                counts.0[bucket(u32::from_le_bytes(gram.try_into().unwrap()))] += 1;
            }
        }

        fn problem(&self, _: Problem) {}
    }

    #[test]
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "small positive numbers"
    )]
    fn the_frequency_table_is_that_of_the_recordings() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/recordings");
        let mut files: Vec<_> = std::fs::read_dir(folder)
            .unwrap()
            .map(|f| f.unwrap().path())
            .collect();
        files.retain(|f| {
            f.to_string_lossy().ends_with(".tar.gz") && !f.to_string_lossy().contains(".truth")
        });
        files.sort();
        let counter = Counter(Mutex::new((vec![0; BUCKETS], 0)));
        for file in &files {
            let bundle = Bundle::open(file, Limits::default()).unwrap();
            for task in bundle.plan(&counter) {
                bundle.run(&task, &mut Scratch::default(), &counter);
            }
        }
        let (counts, total) = counter.0.into_inner().unwrap();
        let level = |count: &u64| {
            (8.0 * (*count as f64 * 1e6 / total as f64).ln_1p() / 2_f64.ln()).round() as u8
        };
        let table: Vec<u8> = counts.iter().map(level).collect();
        if std::env::var_os("UPDATE_FREQUENCIES").is_some() {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/scan/frequency.bin");
            std::fs::write(path, &table).unwrap();
        } else {
            assert!(table == TABLE, "run this test with UPDATE_FREQUENCIES=1");
        }
    }
}
