//! When the packed files were captured.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::sync::LazyLock;
use std::time::SystemTime;

use bundle::Manifest;
use jiff::Timestamp;
use regex::bytes::Regex;

use super::walk::Found;

/// Lines of this length at most are looked at for a time.
const MAX_LINE: u64 = 1 << 20;

/// A time in the past: that of a log line, or of a field that tells when something happened.
/// Fields such as `notAfter` tell of the future and do not count.
static TIME: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let time = r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z)";
    let fields = "(?:creation|last|first)Timestamp|eventTime|lastTransitionTime|startTime|\
        startedAt|finishedAt|renewTime|lastHeartbeatTime|lastUpdateTime|lastObservedTime";
    Regex::new(&format!(r#"(?-u)(?:^|(?:{fields})"?: ?"?){time}"#)).ok()
});

/// The capture time, and where it is from.
#[derive(Debug)]
pub(super) struct CaptureTime {
    pub(super) at: Timestamp,
    pub(super) basis: String,
}

/// Takes the manifest's word, else the newest time in the files, else the newest file's.
pub(super) fn capture_time(
    manifest: Option<&Manifest>,
    found: &[Found],
) -> anyhow::Result<CaptureTime> {
    if let Some(manifest) = manifest {
        return Ok(CaptureTime {
            at: manifest.captured_at,
            basis: "as the manifest says".to_owned(),
        });
    }
    let files = || {
        found
            .iter()
            .filter_map(|f| Some((f.file.as_deref()?, &f.path)))
    };
    let now = Timestamp::now();
    let newest = files()
        .filter_map(|(file, path)| Some((newest_in(file, now)?, path)))
        .max();
    if let Some((at, path)) = newest {
        return Ok(CaptureTime {
            at,
            basis: format!("the newest time in the files, in `{path}`"),
        });
    }
    let modified = |file: &Path| std::fs::metadata(file).and_then(|m| m.modified()).ok();
    let newest = files()
        .filter_map(|(file, path)| Some((modified(file)?, path)))
        .max();
    let (time, basis) = match newest {
        Some((time, path)) => (time, format!("when `{path}`, the newest file, was changed")),
        None => (SystemTime::UNIX_EPOCH, "nothing tells".to_owned()),
    };
    Ok(CaptureTime {
        at: Timestamp::try_from(time)?,
        basis,
    })
}

/// The newest time in a file that is not after `now`.
fn newest_in(file: &Path, now: Timestamp) -> Option<Timestamp> {
    let pattern = TIME.as_ref()?;
    let mut reader = BufReader::new(File::open(file).ok()?);
    let mut newest: Option<Timestamp> = None;
    let mut line = Vec::new();
    loop {
        line.clear();
        let mut limited = std::io::Read::take(&mut reader, MAX_LINE);
        if limited.read_until(b'\n', &mut line).ok()? == 0 {
            return newest;
        }
        for captures in pattern.captures_iter(&line) {
            let text = captures
                .get(1)
                .and_then(|m| std::str::from_utf8(m.as_bytes()).ok());
            let time: Option<Timestamp> = text.and_then(|t| t.parse().ok());
            newest = newest.max(time.filter(|t| *t <= now));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_time_of_the_past_counts_and_a_certificates_end_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("x");
        let now: Timestamp = "2026-11-24T00:00:00Z".parse().unwrap();
        std::fs::write(
            &file,
            "2026-11-23T00:00:00.5Z log line, notAfter 2026-11-23T09:00:00Z\n\
             {\"lastTimestamp\":\"2026-11-23T01:00:00Z\",\"notAfter\":\"2026-11-23T08:00:00Z\"}\n\
             \x20 startedAt: \"2027-01-01T00:00:00Z\"\n",
        )
        .unwrap();
        let expected: Timestamp = "2026-11-23T01:00:00Z".parse().unwrap();
        assert_eq!(newest_in(&file, now), Some(expected));
    }
}
