//! What is written is read back, by us and by the programs that people have.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::naive_bytecount,
    reason = "a test may fail loudly and says what it skips"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};

use linkerd_bundle::{
    Block, Bundle, BundleWriter, Container, EntryInfo, EntryPath, Form, FormatVersion, Interest,
    Limits, Manifest, Problem, Scratch, Visitor, WriterOptions,
};
use proptest::prelude::*;

type Entries = BTreeMap<String, Vec<u8>>;
type Blocks = BTreeMap<u64, (u64, Vec<u8>)>;

fn manifest() -> Manifest {
    serde_json::from_str(r#"{"format":1,"collector":"test","captured_at":"2026-11-23T00:00:00Z"}"#)
        .unwrap()
}

fn write(path: &Path, container: Container, threads: usize, entries: &Entries) -> u64 {
    let options = WriterOptions {
        container,
        name: "linkerd-bundle-test".to_owned(),
        mtime: "2026-11-23T00:00:00Z".parse().unwrap(),
        threads,
    };
    let mut writer = BundleWriter::create(path, options).unwrap();
    for (name, content) in entries {
        let path = EntryPath::parse(name.as_str()).unwrap();
        writer
            .append(&path, content.len() as u64, &mut content.as_slice())
            .unwrap();
    }
    assert_eq!(manifest().format, FormatVersion::CURRENT);
    writer.finish(manifest()).unwrap().bytes
}

/// Gathers what tasks deliver, as blocks or as wholes.
struct Gather {
    interest: Interest,
    /// By entry and offset: the first line's number and the bytes.
    blocks: Mutex<BTreeMap<String, Blocks>>,
    wholes: Mutex<Entries>,
    problems: Mutex<Vec<Problem>>,
}

impl Visitor for Gather {
    fn interest(&self, _entry: &EntryInfo) -> Interest {
        self.interest
    }

    fn block(&self, entry: &Arc<EntryInfo>, block: Block<'_>) {
        let mut blocks = self.blocks.lock().unwrap();
        let of_entry = blocks.entry(entry.path.to_string()).or_default();
        of_entry.insert(block.offset, (block.first_line, block.bytes.to_vec()));
    }

    fn whole(&self, entry: &Arc<EntryInfo>, bytes: Vec<u8>) {
        self.wholes
            .lock()
            .unwrap()
            .insert(entry.path.to_string(), bytes);
    }

    fn problem(&self, problem: Problem) {
        self.problems.lock().unwrap().push(problem);
    }
}

/// Everything in a bundle, and what was wrong with it.
fn gather(path: &Path, interest: Interest) -> (Entries, Vec<Problem>) {
    let bundle = Bundle::open(path, Limits::default()).unwrap();
    let gather = Gather {
        interest,
        blocks: Mutex::default(),
        wholes: Mutex::default(),
        problems: Mutex::default(),
    };
    let mut scratch = Scratch::default();
    for task in bundle.plan(&gather) {
        bundle.run(&task, &mut scratch, &gather);
    }
    let mut entries = gather.wholes.into_inner().unwrap();
    for (name, blocks) in gather.blocks.into_inner().unwrap() {
        let mut whole: Vec<u8> = Vec::new();
        for (offset, (first_line, bytes)) in blocks {
            assert_eq!(offset, whole.len() as u64, "{name}: blocks leave a hole");
            let lines = whole.iter().filter(|b| **b == b'\n').count() as u64;
            assert_eq!(first_line, lines + 1, "{name}: line numbers are wrong");
            whole.extend(bytes);
        }
        entries.insert(name, whole);
    }
    (entries, gather.problems.into_inner().unwrap())
}

fn log(lines: usize) -> Vec<u8> {
    let line = |i| {
        format!(
            "2026-11-23T00:{:02}:{:02}.0Z line {i}\n",
            i / 60 % 60,
            i % 60
        )
    };
    (0..lines).flat_map(|i| line(i).into_bytes()).collect()
}

/// Entries of every awkward shape: empty, small, over several blocks, without newlines.
fn entries() -> Entries {
    let noise: Vec<u8> = (0..3_000_000_u32)
        .map(|i| i.wrapping_mul(2_654_435_761).to_le_bytes()[2])
        .map(|b| if b == b'\n' { 0 } else { b })
        .collect();
    [
        ("version.yaml", b"kind: SupportBundle\n".to_vec()),
        ("empty.log", Vec::new()),
        ("cluster-resources/pods/logs/shop/cart/app.log", log(100_000)),
        ("cluster-resources/pods/logs/shop/cart/none.log", log(3)),
        ("no-newline.bin", noise),
        ("no-final-newline.txt", b"a\nb".to_vec()),
        ("ünïcode/näme.log", log(2)),
        (
            "a-path-of-more-than-one-hundred-characters/so-that-the-short-form-of-a-tar-header-does-not-hold-it/and-more/x.log",
            log(5),
        ),
    ]
    .map(|(name, content)| (name.to_owned(), content))
    .into()
}

fn without_manifest(mut entries: Entries) -> Entries {
    entries
        .remove("manifest.json")
        .expect("there is a manifest");
    entries
}

#[test]
fn both_containers_give_back_what_was_written_in_every_way_of_asking() {
    let folder = tempfile::tempdir().unwrap();
    for (container, name, form) in [
        (Container::TarGz, "b.tar.gz", Form::IndexedTarGz),
        (Container::Zip, "b.zip", Form::BlockZip),
    ] {
        let path = folder.path().join(name);
        let bytes = write(&path, container, 3, &entries());
        assert_eq!(std::fs::metadata(&path).unwrap().len(), bytes);
        let bundle = Bundle::open(&path, Limits::default()).unwrap();
        assert_eq!(bundle.form(), form);
        assert_eq!(bundle.manifest().unwrap().entries.len(), entries().len());
        for (entry, content) in entries() {
            assert_eq!(bundle.read(&entry).unwrap(), content, "{entry}");
        }
        for interest in [Interest::Blocks, Interest::Ordered, Interest::Whole] {
            let (read, problems) = gather(&path, interest);
            assert_eq!(problems, [], "{container:?} {interest:?}");
            assert!(
                without_manifest(read) == entries(),
                "{container:?} {interest:?} differs"
            );
        }
    }
}

#[test]
fn the_bytes_do_not_depend_on_the_number_of_threads() {
    let folder = tempfile::tempdir().unwrap();
    for container in [Container::TarGz, Container::Zip] {
        let files = [1, 2, 8].map(|threads| {
            let path = folder.path().join(format!("{threads}"));
            write(&path, container, threads, &entries());
            std::fs::read(path).unwrap()
        });
        assert!(
            files[0] == files[1] && files[1] == files[2],
            "{container:?}"
        );
    }
}

#[test]
fn a_cut_file_gives_everything_up_to_the_cut() {
    let folder = tempfile::tempdir().unwrap();
    for container in [Container::TarGz, Container::Zip] {
        let whole = folder.path().join("whole");
        write(&whole, container, 2, &entries());
        let bytes = std::fs::read(&whole).unwrap();
        for part in 1..20 {
            let cut = folder.path().join("cut");
            std::fs::write(&cut, &bytes[..bytes.len() * part / 20]).unwrap();
            let (read, problems) = gather(&cut, Interest::Blocks);
            assert!(!problems.is_empty(), "{container:?}: a cut is told");
            let mut matching = 0;
            for (name, content) in &read {
                if name != "manifest.json" {
                    assert!(
                        entries()[name].starts_with(content),
                        "{container:?} {part}: {name}"
                    );
                    matching += content.len();
                }
            }
            assert!(
                part < 10 || matching > 500_000,
                "{container:?} {part}: {matching} bytes"
            );
        }
    }
}

#[test]
fn a_damaged_block_costs_that_block_only() {
    let folder = tempfile::tempdir().unwrap();
    for container in [Container::TarGz, Container::Zip] {
        let path = folder.path().join("damaged");
        write(&path, container, 2, &entries());
        let mut bytes = std::fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle..middle + 64].fill(0xa5);
        std::fs::write(&path, &bytes).unwrap();
        let bundle = Bundle::open(&path, Limits::default()).unwrap();
        let gather = Gather {
            interest: Interest::Whole,
            blocks: Mutex::default(),
            wholes: Mutex::default(),
            problems: Mutex::default(),
        };
        for task in bundle.plan(&gather) {
            bundle.run(&task, &mut Scratch::default(), &gather);
        }
        assert!(
            !gather.problems.lock().unwrap().is_empty(),
            "{container:?}: damage is told"
        );
        assert_eq!(
            gather.wholes.lock().unwrap()["version.yaml"],
            entries()["version.yaml"]
        );
    }
}

/// Runs a program; false, said on the test's line, if it is not installed.
fn run(program: &str, arguments: &[&str], folder: &Path) -> bool {
    if let Ok(output) = Command::new(program)
        .args(arguments)
        .current_dir(folder)
        .output()
    {
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{program} {arguments:?}: {told}");
        true
    } else {
        println!("skipped: `{program}` is not on the PATH");
        false
    }
}

fn unpacked(folder: &Path) -> Entries {
    let (read, problems) = gather(&folder.join("linkerd-bundle-test"), Interest::Whole);
    assert_eq!(problems, []);
    read
}

#[test]
fn the_programs_people_have_read_what_is_written() {
    let folder = tempfile::tempdir().unwrap();
    write(
        &folder.path().join("b.tar.gz"),
        Container::TarGz,
        2,
        &entries(),
    );
    write(&folder.path().join("b.zip"), Container::Zip, 2, &entries());
    let python_tar = "import tarfile; tarfile.open('../b.tar.gz').extractall(filter='data')";
    let python_zip = "import zipfile; z = zipfile.ZipFile('../b.zip'); assert z.testzip() is None; z.extractall()";
    let commands: [(&str, &[&str]); 8] = [
        ("tar", &["xzf", "../b.tar.gz"]),
        ("bsdtar", &["-xf", "../b.tar.gz"]),
        ("bsdtar", &["-xf", "../b.zip"]),
        ("busybox", &["tar", "xzf", "../b.tar.gz"]),
        ("unzip", &["-q", "../b.zip"]),
        ("7z", &["x", "-bd", "../b.zip"]),
        ("python3", &["-c", python_tar]),
        ("python3", &["-c", python_zip]),
    ];
    for (number, (program, arguments)) in commands.into_iter().enumerate() {
        let target: PathBuf = folder.path().join(format!("{number}"));
        std::fs::create_dir(&target).unwrap();
        if run(program, arguments, &target) {
            let mut read = unpacked(&target);
            read.remove(".index.json");
            assert!(
                without_manifest(read) == entries(),
                "{program} {arguments:?} differs"
            );
        }
    }
}

#[test]
fn foreign_archives_of_the_same_entries_give_the_same() {
    let folder = tempfile::tempdir().unwrap();
    write(
        &folder.path().join("b.tar.gz"),
        Container::TarGz,
        2,
        &entries(),
    );
    if !run("tar", &["xzf", "b.tar.gz"], folder.path()) {
        return;
    }
    let top = "linkerd-bundle-test";
    std::fs::remove_file(folder.path().join(top).join(".index.json")).unwrap();
    let commands: [(&str, &[&str], &str); 4] = [
        ("tar", &["czf", "f.tar.gz", top], "f.tar.gz"),
        ("tar", &["cf", "f.tar", top], "f.tar"),
        ("zip", &["-qr", "f.zip", top], "f.zip"),
        ("7z", &["a", "-bd", "g.zip", top], "g.zip"),
    ];
    for (program, arguments, file) in commands {
        if run(program, arguments, folder.path()) {
            for interest in [Interest::Blocks, Interest::Whole] {
                let (read, problems) = gather(&folder.path().join(file), interest);
                assert_eq!(problems, [], "{file}");
                assert!(
                    without_manifest(read) == entries(),
                    "{file} {interest:?} differs"
                );
            }
            let bundle = Bundle::open(&folder.path().join(file), Limits::default()).unwrap();
            assert_eq!(bundle.entries().len(), entries().len() + 1, "{file}");
            assert_eq!(
                bundle.read("version.yaml").unwrap(),
                entries()["version.yaml"]
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_entries_read_back(
        contents in proptest::collection::btree_map(
            "[a-z]{1,8}(/[a-zA-Z0-9é._-]{1,20}x){0,3}",
            (any::<u8>(), 0_usize..2_500_000),
            1..6,
        ),
        threads in 1_usize..4,
        is_zip in any::<bool>(),
    ) {
        let entries: Entries = contents
            .into_iter()
            .filter(|(name, _)| EntryPath::parse(name.as_str()).is_ok() && name != "manifest.json")
            .map(|(name, (step, length))| {
                let byte = |i: usize| if i.is_multiple_of(usize::from(step) * 37 + 1) { b'\n' } else { b'x' };
                (name, (0..length).map(byte).collect())
            })
            .collect();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("b");
        let container = if is_zip { Container::Zip } else { Container::TarGz };
        write(&path, container, threads, &entries);
        for interest in [Interest::Blocks, Interest::Whole] {
            let (read, problems) = gather(&path, interest);
            prop_assert_eq!(problems, vec![]);
            prop_assert!(without_manifest(read) == entries);
        }
    }
}
