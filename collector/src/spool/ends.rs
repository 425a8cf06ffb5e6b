//! Keeps both ends of a stream of lines that may be longer than there is room for.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};

use super::{Content, Spool, Stretch};

/// Bytes at the start of the kept end in which the first whole line is looked for.
const LINE_WINDOW: u64 = 1 << 20;

/// The first and the last part of a stream; what is between them is left out once the whole
/// exceeds its limit.
#[derive(Debug)]
pub struct Ends {
    head: Spool,
    /// Bytes that each end may have.
    room: u64,
    /// Bytes of the head up to its last line break.
    lines: u64,
    /// Bytes that came after the head.
    behind: u64,
}

impl Ends {
    /// Keeps at most `limit` bytes of what is written.
    pub fn new(spool: Spool, limit: u64) -> Self {
        Self {
            head: spool,
            room: (limit / 2).max(1),
            lines: 0,
            behind: 0,
        }
    }

    /// Appends redacted bytes.
    ///
    /// # Errors
    /// When the temporary file cannot be written.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let room = self.room - self.head.len();
        let room = usize::try_from(room).unwrap_or(usize::MAX);
        let (first, rest) = bytes.split_at(room.min(bytes.len()));
        if let Some(at) = memchr::memrchr(b'\n', first) {
            self.lines = self.head.len() + at as u64 + 1;
        }
        self.head.write(first)?;
        if rest.is_empty() {
            return Ok(());
        }
        self.write_behind(rest)
    }

    /// Writes into the ring that lies behind the head in its file.
    fn write_behind(&mut self, bytes: &[u8]) -> io::Result<()> {
        let (start, room) = (self.head.len(), self.room);
        let file = self.head.in_file()?;
        let mut rest = bytes;
        while !rest.is_empty() {
            let at = self.behind % room;
            let fits = usize::try_from(room - at).unwrap_or(usize::MAX);
            let (part, after) = rest.split_at(fits.min(rest.len()));
            file.seek(SeekFrom::Start(start + at))?;
            file.write_all(part)?;
            self.behind += part.len() as u64;
            rest = after;
        }
        Ok(())
    }

    /// What was kept, with a line that says so where something is missing; and how many bytes
    /// are missing.
    ///
    /// # Errors
    /// When the temporary file cannot be read.
    pub fn finish(mut self) -> io::Result<(Content, u64)> {
        let (start, room) = (self.head.len(), self.room);
        if self.behind == 0 {
            return Ok((self.head.finish(), 0));
        }
        let file = self.head.in_file()?;
        if self.behind <= room {
            let all = Stretch::File(0, start + self.behind);
            return Ok((self.head.into_content(vec![all]), 0));
        }
        let oldest = self.behind % room;
        let skipped = first_line(file, start, oldest, room)?;
        let kept = room - skipped;
        // A head without a line break is kept as it is.
        let head = if self.lines > 0 { self.lines } else { start };
        let left_out = start - head + self.behind - kept;
        let mut stretches = vec![
            Stretch::File(0, head),
            Stretch::Bytes(marker(left_out, self.lines > 0)),
        ];
        let from = oldest + skipped;
        if from < room {
            stretches.push(Stretch::File(start + from, room - from));
        }
        let again = from.saturating_sub(room);
        stretches.push(Stretch::File(start + again, oldest - again));
        Ok((self.head.into_content(stretches), left_out))
    }
}

/// The line that stands where something is missing.
fn marker(bytes: u64, is_at_line_start: bool) -> Vec<u8> {
    let before = if is_at_line_start { "" } else { "\n" };
    format!("{before}[linkerd-collect left out {bytes} bytes of this log here]\n").into_bytes()
}

/// How many bytes after the oldest the first whole line begins; none if that is not in sight.
fn first_line(file: &mut File, start: u64, oldest: u64, room: u64) -> io::Result<u64> {
    let window = LINE_WINDOW.min(room);
    let first = window.min(room - oldest);
    let mut bytes = Vec::new();
    for (at, len) in [(oldest, first), (0, window - first)] {
        file.seek(SeekFrom::Start(start + at))?;
        Read::by_ref(file).take(len).read_to_end(&mut bytes)?;
    }
    Ok(memchr::memchr(b'\n', &bytes).map_or(0, |at| at as u64 + 1))
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::super::SpoolFolder;
    use super::*;

    fn kept(lines: usize, limit: u64, chunk: usize) -> (String, u64) {
        let folder = tempfile::tempdir().unwrap();
        let mut ends = Ends::new(SpoolFolder::new(folder.path(), 64).spool(), limit);
        let all: Vec<String> = (0..lines).map(|i| format!("line {i:05}\n")).collect();
        let all = all.concat();
        for part in all.as_bytes().chunks(chunk) {
            ends.write(part).unwrap();
        }
        let (content, left_out) = ends.finish().unwrap();
        let mut text = String::new();
        content.reader().read_to_string(&mut text).unwrap();
        assert_eq!(text.len() as u64, content.len());
        (text, left_out)
    }

    #[test]
    fn what_fits_is_kept_whole() {
        for limit in [110, 111, 200, 1 << 30] {
            let (text, left_out) = kept(10, limit, 7);
            assert_eq!(left_out, 0, "{limit}");
            assert_eq!(text.lines().count(), 10);
            assert!(text.ends_with("line 00009\n"));
        }
    }

    #[test]
    fn of_what_does_not_fit_both_ends_are_kept_in_whole_lines() {
        for (lines, limit, chunk) in [
            (1000, 300, 7),
            (1000, 333, 4096),
            (50, 220, 11),
            (37, 100, 1),
        ] {
            let (text, left_out) = kept(lines, limit, chunk);
            let all: Vec<&str> = text.lines().collect();
            assert_eq!(all.first(), Some(&"line 00000"));
            assert_eq!(all.last(), Some(&format!("line {:05}", lines - 1).as_str()));
            let marks: Vec<_> = all.iter().filter(|l| !l.starts_with("line ")).collect();
            let mark = format!("[linkerd-collect left out {left_out} bytes of this log here]");
            assert_eq!(marks, [&mark.as_str()]);
            assert!(all.iter().all(|l| l.len() == 10 || **l == mark), "{text}");
            let kept = (all.len() as u64 - 1) * 11;
            assert_eq!(kept + left_out, lines as u64 * 11);
            assert!(kept <= limit);
        }
    }
}
