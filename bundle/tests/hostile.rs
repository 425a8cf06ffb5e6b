//! Bundles that are broken or made to do harm: each ends in a message or a problem, and what is
//! sound in them is still read.

#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use linkerd_bundle::{
    Block, Bundle, EntryInfo, Interest, Limits, OpenError, Problem, ProblemKind, Scratch, Visitor,
};

#[derive(Default)]
struct Seen {
    entries: Mutex<BTreeMap<String, u64>>,
    problems: Mutex<Vec<Problem>>,
    largest_block: Mutex<usize>,
}

impl Visitor for Seen {
    fn interest(&self, _entry: &EntryInfo) -> Interest {
        Interest::Blocks
    }

    fn block(&self, entry: &Arc<EntryInfo>, block: Block<'_>) {
        let mut entries = self.entries.lock().unwrap();
        *entries.entry(entry.path.to_string()).or_default() += block.bytes.len() as u64;
        let mut largest = self.largest_block.lock().unwrap();
        *largest = (*largest).max(block.bytes.len());
    }

    fn whole(&self, _entry: &Arc<EntryInfo>, _bytes: Vec<u8>) {}

    fn problem(&self, problem: Problem) {
        self.problems.lock().unwrap().push(problem);
    }
}

impl Seen {
    fn kinds(&self) -> Vec<ProblemKind> {
        let mut kinds: Vec<ProblemKind> = self
            .problems
            .lock()
            .unwrap()
            .iter()
            .map(|p| p.kind)
            .collect();
        kinds.sort_unstable();
        kinds.dedup();
        kinds
    }

    fn names(&self) -> Vec<String> {
        self.entries.lock().unwrap().keys().cloned().collect()
    }
}

fn see(path: &Path, limits: Limits) -> Seen {
    let bundle = Bundle::open(path, limits).unwrap();
    let seen = Seen::default();
    for task in bundle.plan(&seen) {
        bundle.run(&task, &mut Scratch::default(), &seen);
    }
    seen
}

fn file(folder: &Path, name: &str, content: &[u8]) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, content).unwrap();
    path
}

/// A tar of raw names, which the tar crate would refuse to write.
fn tar_of(entries: &[(&[u8], tar::EntryType, &[u8])]) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, kind, content) in entries {
        let mut header = tar::Header::new_ustar();
        for (to, from) in header.as_old_mut().name.iter_mut().zip(*name) {
            *to = *from;
        }
        header.set_entry_type(*kind);
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        out.extend_from_slice(header.as_bytes());
        out.extend_from_slice(content);
        out.resize(out.len().next_multiple_of(512), 0);
    }
    out.resize(out.len() + 1024, 0);
    out
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(6));
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn names_and_kinds_that_could_do_harm_are_refused_and_the_rest_is_read() {
    use tar::EntryType;
    let folder = tempfile::tempdir().unwrap();
    let tar = tar_of(&[
        (b"good.log", EntryType::Regular, b"fine\n"),
        (b"../../etc/cron.d/x", EntryType::Regular, b"bad\n"),
        (b"/etc/passwd", EntryType::Regular, b"bad\n"),
        (b"a\\b", EntryType::Regular, b"bad\n"),
        (b"not-utf8-\xff\xfe", EntryType::Regular, b"bad\n"),
        (b"link", EntryType::Symlink, b""),
        (b"hard", EntryType::Link, b""),
        (b"device", EntryType::Char, b""),
        (b"good.log", EntryType::Regular, b"a second one\n"),
        (b"last.log", EntryType::Regular, b"also fine\n"),
    ]);
    for (name, content) in [("h.tar", tar.clone()), ("h.tar.gz", gzip(&tar))] {
        let seen = see(&file(folder.path(), name, &content), Limits::default());
        assert_eq!(seen.names(), ["good.log", "last.log"], "{name}");
        let expected = [
            ProblemKind::PathRefused,
            ProblemKind::TypeRefused,
            ProblemKind::Duplicate,
        ];
        assert_eq!(seen.kinds(), expected, "{name}");
        assert_eq!(seen.problems.lock().unwrap().len(), 8, "{name}");
    }
}

#[test]
fn a_link_to_another_entry_is_passed_over_and_one_to_elsewhere_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let mut builder = tar::Builder::new(Vec::new());
    let mut link = |name: &str, target: &str| {
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_size(0);
        builder.append_link(&mut header, name, target).unwrap();
    };
    link("case/all/app.log", "../logs/app.log");
    link("case/all/gone.log", "../logs/gone.log");
    link("case/all/passwd", "../../../etc/passwd");
    let mut header = tar::Header::new_ustar();
    header.set_size(5);
    header.set_cksum();
    let content = b"fine\n".as_slice();
    builder
        .append_data(&mut header, "case/logs/app.log", content)
        .unwrap();
    let tar = builder.into_inner().unwrap();
    let seen = see(&file(folder.path(), "l.tar", &tar), Limits::default());
    assert_eq!(seen.names(), ["logs/app.log"]);
    let told: Vec<_> = seen
        .problems
        .lock()
        .unwrap()
        .iter()
        .map(|p| p.path.clone())
        .collect();
    assert_eq!(told.len(), 2, "{told:?}");
    #[cfg(unix)]
    {
        let bundle = folder.path().join("unpacked");
        std::fs::create_dir_all(bundle.join("logs")).unwrap();
        std::fs::write(bundle.join("logs/app.log"), "fine\n").unwrap();
        std::os::unix::fs::symlink("logs/app.log", bundle.join("app.log")).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", bundle.join("passwd")).unwrap();
        let seen = see(&bundle, Limits::default());
        assert_eq!(seen.names(), ["logs/app.log"]);
        assert_eq!(seen.problems.lock().unwrap().len(), 1);
    }
}

#[test]
fn an_unpacked_archive_is_found_in_the_folder_around_it() {
    let folder = tempfile::tempdir().unwrap();
    let logs = folder
        .path()
        .join("support-bundle-1/cluster-resources/pods/logs/shop/cart");
    std::fs::create_dir_all(&logs).unwrap();
    std::fs::write(logs.join("app.log"), "fine\n").unwrap();
    std::fs::write(folder.path().join("support-bundle-1/version.yaml"), "x\n").unwrap();
    let path = "cluster-resources/pods/logs/shop/cart/app.log";
    let bundle = Bundle::open(folder.path(), Limits::default()).unwrap();
    assert_eq!(bundle.read(path).unwrap(), b"fine\n");
    assert_eq!(
        see(folder.path(), Limits::default()).names(),
        [path, "version.yaml"]
    );
}

#[test]
fn a_log_of_another_tool_is_read_by_our_path_too() {
    let folder = tempfile::tempdir().unwrap();
    let logs = folder
        .path()
        .join("g/namespaces/shop/pods/cart/app/app/logs");
    std::fs::create_dir_all(&logs).unwrap();
    std::fs::write(logs.join("previous.log"), "before\n").unwrap();
    let bundle = Bundle::open(folder.path(), Limits::default()).unwrap();
    let path = "cluster-resources/pods/logs/shop/cart/app-previous.log";
    assert_eq!(bundle.read(path).unwrap(), b"before\n");
    assert!(
        bundle
            .read("cluster-resources/pods/logs/shop/cart/app.log")
            .is_err()
    );
}

#[test]
fn what_is_no_bundle_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let open = |name: &str, content: &[u8]| {
        Bundle::open(&file(folder.path(), name, content), Limits::default()).map(|b| b.form())
    };
    assert!(matches!(open("empty", b""), Err(OpenError::Empty { .. })));
    assert!(matches!(
        open("empty.gz", &gzip(b"")),
        Err(OpenError::Empty { .. })
    ));
    for (name, content) in [
        ("x.tar.zst", b"\x28\xb5\x2f\xfd....".as_slice()),
        ("x.xz", b"\xfd7zXZ\0..."),
        ("page.html", b"<!DOCTYPE html><html>"),
        ("program", b"\x7fELF\x02\x01"),
        ("zeros", &[0; 5000]),
        ("cut.gz", b"\x1f\x8b\x08"),
    ] {
        let error = open(name, content).unwrap_err();
        assert!(
            matches!(error, OpenError::WrongForm { .. }),
            "{name}: {error}"
        );
    }
    let missing = Bundle::open(Path::new("/does/not/exist"), Limits::default()).unwrap_err();
    assert!(matches!(missing, OpenError::Io { .. }));
}

#[test]
fn a_newer_format_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let mut header = tar::Header::new_ustar();
    let json = br#"{"format":2,"members":[],"entries":[]}"#;
    header.set_path(".index.json").unwrap();
    header.set_size(json.len() as u64);
    header.set_cksum();
    let mut tar = header.as_bytes().to_vec();
    tar.extend_from_slice(json);
    tar.resize(2048, 0);
    let mut content = gzip(&tar);
    let payload = format!("{:013x}{:08x}", 0, crc32fast::hash(json));
    content.extend_from_slice(&[
        0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 0xff, 25, 0, b'L', b'B', 21, 0,
    ]);
    content.extend_from_slice(payload.as_bytes());
    content.extend_from_slice(&[1, 0, 0, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0]);
    let error = Bundle::open(
        &file(folder.path(), "new.tar.gz", &content),
        Limits::default(),
    );
    assert!(
        matches!(
            error,
            Err(OpenError::TooNew {
                found: 2,
                known: 1,
                ..
            })
        ),
        "{error:?}"
    );
}

#[test]
fn a_bomb_is_stopped_by_its_ratio() {
    let folder = tempfile::tempdir().unwrap();
    let zeros = vec![0_u8; 80 << 20];
    let tar = tar_of(&[(b"bomb.log", tar::EntryType::Regular, &zeros)]);
    let path = file(folder.path(), "bomb.tar.gz", &gzip(&tar));
    let limits = Limits {
        max_ratio: 100,
        ratio_floor_bytes: 1 << 20,
        ..Limits::default()
    };
    let seen = see(&path, limits);
    assert!(
        !seen.problems.lock().unwrap().is_empty(),
        "the bomb is told"
    );
}

#[test]
fn entries_beyond_the_limits_are_told_and_the_others_read() {
    let folder = tempfile::tempdir().unwrap();
    let names: Vec<String> = (0..50).map(|i| format!("{i:03}.log")).collect();
    let entries: Vec<_> = names
        .iter()
        .map(|n| (n.as_bytes(), tar::EntryType::Regular, b"line\n".as_slice()))
        .collect();
    let path = file(folder.path(), "many.tar", &tar_of(&entries));
    let seen = see(
        &path,
        Limits {
            max_entries: 10,
            ..Limits::default()
        },
    );
    assert_eq!(
        (seen.names().len(), seen.kinds()),
        (10, vec![ProblemKind::OverLimit])
    );
    let large = tar_of(&[
        (b"large.log", tar::EntryType::Regular, &[b'x'; 5000]),
        (b"small.log", tar::EntryType::Regular, b"line\n"),
    ]);
    let path = file(folder.path(), "large.tar", &large);
    let seen = see(
        &path,
        Limits {
            max_entry_bytes: 1000,
            ..Limits::default()
        },
    );
    assert!(seen.names().contains(&"small.log".to_owned()));
    assert_eq!(seen.kinds(), [ProblemKind::OverLimit]);
}

#[test]
fn a_hundred_thousand_entries_and_a_line_of_a_hundred_megabytes_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let mut builder = tar::Builder::new(Vec::new());
    for number in 0..100_000 {
        let mut header = tar::Header::new_ustar();
        header.set_size(2);
        header.set_cksum();
        builder
            .append_data(&mut header, format!("many/{number}.log"), b"x\n".as_slice())
            .unwrap();
    }
    let path = file(folder.path(), "many.tar", &builder.into_inner().unwrap());
    assert_eq!(see(&path, Limits::default()).names().len(), 100_000);

    let path = file(folder.path(), "long.log", &vec![b'x'; 100 << 20]);
    let seen = see(&path, Limits::default());
    assert_eq!(
        seen.entries.lock().unwrap().values().sum::<u64>(),
        100 << 20
    );
    assert!(
        *seen.largest_block.lock().unwrap() <= 2 << 20,
        "a long line is cut"
    );
}

#[test]
fn a_size_that_lies_ends_as_a_cut() {
    let folder = tempfile::tempdir().unwrap();
    let mut header = tar::Header::new_ustar();
    header.set_path("liar.log").unwrap();
    header.set_size(1 << 40);
    header.set_cksum();
    let mut content = header.as_bytes().to_vec();
    content.extend_from_slice(b"only this\n");
    let seen = see(
        &file(folder.path(), "liar.tar", &content),
        Limits::default(),
    );
    assert_eq!(seen.kinds(), [ProblemKind::CutShort]);
    assert_eq!(seen.names(), ["liar.log"]);
}

#[test]
fn bytes_at_random_never_panic_or_hang() {
    let folder = tempfile::tempdir().unwrap();
    let tar = tar_of(&[(b"a.log", tar::EntryType::Regular, &[b'y'; 3000])]);
    let seeds = [gzip(&tar), tar];
    let mut state = 1_u64;
    let mut next = move || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        usize::try_from(state >> 33).unwrap()
    };
    for seed in seeds {
        for round in 0..300 {
            let mut content = seed.clone();
            for _ in 0..=next() % 8 {
                let at = next() % content.len();
                if let Some(byte) = content.get_mut(at) {
                    *byte = next().to_le_bytes()[0];
                }
            }
            content.truncate(next() % content.len() + 1);
            let path = file(folder.path(), &format!("{round}"), &content);
            if let Ok(bundle) = Bundle::open(&path, Limits::default()) {
                let seen = Seen::default();
                for task in bundle.plan(&seen) {
                    bundle.run(&task, &mut Scratch::default(), &seen);
                }
                assert!(bundle.entries().len() <= 10);
            }
        }
    }
}
