//! A writer that is killed leaves a file from which everything up to the last whole block is
//! read.

#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use linkerd_bundle::{
    Block, Bundle, BundleWriter, Container, EntryInfo, EntryPath, Interest, Limits, Problem,
    Scratch, Visitor, WriterOptions,
};

/// Set for the process that writes and is killed: the file to write.
const WRITER: &str = "BUNDLE_TEST_WRITER";

/// The content of every entry: line `n` is the number `n`, padded so that entries span blocks.
fn content() -> Vec<u8> {
    let filler = "x".repeat(60);
    (0..30_000)
        .flat_map(|n| format!("{n:08} {filler}\n").into_bytes())
        .collect()
}

/// What the killed process does: writes entries without end.
fn write(path: &Path) {
    let container = if path.to_string_lossy().contains("zip") {
        Container::Zip
    } else {
        Container::TarGz
    };
    let options = WriterOptions {
        container,
        name: "killed".to_owned(),
        mtime: "2026-11-23T00:00:00Z".parse().unwrap(),
        threads: 2,
    };
    let content = content();
    let mut writer = BundleWriter::create(path, options).unwrap();
    for number in 0..100_000 {
        let path = EntryPath::parse(format!("{number:06}.log")).unwrap();
        writer
            .append(&path, content.len() as u64, &mut content.as_slice())
            .unwrap();
    }
}

#[derive(Default)]
struct Prefixes {
    whole: Mutex<u64>,
    expected: Vec<u8>,
}

impl Visitor for Prefixes {
    fn interest(&self, _entry: &EntryInfo) -> Interest {
        Interest::Ordered
    }

    fn block(&self, entry: &Arc<EntryInfo>, block: Block<'_>) {
        let start = usize::try_from(block.offset).unwrap();
        let expected = self.expected.get(start..start + block.bytes.len());
        assert!(
            expected == Some(block.bytes),
            "{}: what is read was not written",
            entry.path
        );
        *self.whole.lock().unwrap() += block.bytes.len() as u64;
    }

    fn whole(&self, _entry: &Arc<EntryInfo>, _bytes: Vec<u8>) {}

    fn problem(&self, _problem: Problem) {}
}

#[test]
fn two_hundred_killed_writers_leave_what_they_wrote() {
    if let Some(path) = std::env::var_os(WRITER) {
        return write(Path::new(&path));
    }
    let folder = tempfile::tempdir().unwrap();
    let this = std::env::current_exe().unwrap();
    let expected = content();
    for round in 0..200_u64 {
        let name = if round % 2 == 0 { "b.tar.gz" } else { "b.zip" };
        let path = folder.path().join(format!("{round}-{name}"));
        let mut child = Command::new(&this)
            .args([
                "--exact",
                "two_hundred_killed_writers_leave_what_they_wrote",
            ])
            .env(WRITER, &path)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // Moments spread over the first tenth of a second, in an order that looks random.
        std::thread::sleep(Duration::from_micros(5_000 + round * 7_919 % 100_000));
        child.kill().unwrap();
        child.wait().unwrap();
        let partial = folder.path().join(format!("{round}-{name}.partial"));
        let size = std::fs::metadata(&partial).map_or(0, |m| m.len());
        if size == 0 {
            continue;
        }
        let bundle = Bundle::open(&partial, Limits::default()).unwrap();
        let prefixes = Prefixes {
            expected: expected.clone(),
            ..Prefixes::default()
        };
        for task in bundle.plan(&prefixes) {
            bundle.run(&task, &mut Scratch::default(), &prefixes);
        }
        // Every block packs to well under 200 kB, so a file of that size has whole ones.
        let read = *prefixes.whole.lock().unwrap();
        assert!(
            size < 200_000 || read > 500_000,
            "round {round}: {read} bytes of a file of {size}"
        );
        std::fs::remove_file(partial).unwrap();
    }
}
