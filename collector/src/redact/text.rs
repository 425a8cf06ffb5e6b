//! Redacts a stream of lines, whatever the borders of the chunks it comes in.

use super::detect::{self, Found};
use super::lines::{Open, Part};
use super::{Counts, marker, private_key};

/// Bytes of a line that are judged at once; a longer line is cut where no secret is.
const MAX_PIECE: usize = 1 << 20;
/// Bytes before the end of a piece in which no cut is made, so that whatever stands at a cut is
/// seen on both sides of it.
const LOOK_AHEAD: usize = 1 << 10;
/// Bytes before that in which a gap between words is looked for.
const GAP_WINDOW: usize = 64 << 10;

/// Redacts text that comes in chunks. The output does not depend on where the chunks are cut.
///
/// Holds back the last line until its end is seen, and at most 1 MiB of it.
#[derive(Debug)]
pub struct TextRedactor {
    carry: Vec<u8>,
    /// What the last line left open.
    open: Option<Open>,
    /// How often base64 is decoded over.
    depth: usize,
    /// Whether a secret that filled a whole piece goes on.
    swallowing: bool,
    counts: Counts,
}

impl Default for TextRedactor {
    fn default() -> Self {
        Self::new(detect::DEPTH)
    }
}

impl TextRedactor {
    fn new(depth: usize) -> Self {
        Self {
            carry: Vec::new(),
            open: None,
            depth,
            swallowing: false,
            counts: Counts::default(),
        }
    }

    /// Takes a chunk and appends to `out` what of it can be judged.
    pub fn push(&mut self, chunk: &[u8], out: &mut Vec<u8>) {
        let Some(last) = memchr::memrchr(b'\n', chunk) else {
            self.carry.extend_from_slice(chunk);
            return self.cut_carry(out);
        };
        let (mut lines, rest) = chunk.split_at(last + 1);
        if !self.carry.is_empty() {
            let first = memchr::memchr(b'\n', lines).map_or(lines.len(), |end| end + 1);
            let mut carry = std::mem::take(&mut self.carry);
            carry.extend_from_slice(head(lines, first));
            self.lines(&carry, out);
            carry.clear();
            self.carry = carry;
            lines = tail(lines, first);
        }
        self.lines(lines, out);
        self.carry.extend_from_slice(rest);
        self.cut_carry(out);
    }

    /// Appends what was held back. The counts of the whole text come back.
    pub fn finish(mut self, out: &mut Vec<u8>) -> Counts {
        let carry = std::mem::take(&mut self.carry);
        self.lines(&carry, out);
        self.counts
    }

    fn cut_carry(&mut self, out: &mut Vec<u8>) {
        while self.carry.len() >= MAX_PIECE {
            let mut carry = std::mem::take(&mut self.carry);
            let cut = self.piece(&carry, out);
            carry.drain(..cut);
            self.carry = carry;
        }
    }

    /// Redacts text that ends with a line break, or ends the stream.
    fn lines(&mut self, text: &[u8], out: &mut Vec<u8>) {
        let mut rest = text;
        if rest.len() < MAX_PIECE {
            return self.short_lines(rest, out);
        }
        while !rest.is_empty() {
            // A stretch of lines none of which needs to be cut.
            let mut whole = 0;
            let mut line = 0;
            for end in memchr::memchr_iter(b'\n', rest) {
                if end - line >= MAX_PIECE {
                    break;
                }
                line = end + 1;
                whole = line;
            }
            if rest.len() - whole < MAX_PIECE && memchr::memchr(b'\n', tail(rest, whole)).is_none()
            {
                whole = rest.len();
            }
            if whole > 0 {
                self.short_lines(head(rest, whole), out);
                rest = tail(rest, whole);
            } else {
                let cut = self.piece(rest, out);
                rest = tail(rest, cut);
            }
        }
    }

    /// Redacts the first piece of a line that is longer than [`MAX_PIECE`], and says how far it
    /// reaches. Looks at nothing beyond [`MAX_PIECE`].
    fn piece(&mut self, text: &[u8], out: &mut Vec<u8>) -> usize {
        let seen = head(text, MAX_PIECE);
        let start = self.swallow(seen);
        let body = tail(seen, start);
        let window = head(body, body.len().saturating_sub(LOOK_AHEAD));
        if window.is_empty() {
            return start;
        }
        let from = window.len().saturating_sub(GAP_WINDOW);
        let is_gap = |b: &u8| b.is_ascii_whitespace() || b"\"',;&{}".contains(b);
        let gap = tail(window, from).iter().rposition(is_gap);
        let mut cut = gap.map_or(window.len(), |at| from + at + 1);
        if let Some((secret_start, secret_end)) = secret_over(body, cut) {
            cut = if secret_start > 0 {
                secret_start
            } else {
                self.swallowing = secret_end == body.len();
                secret_end
            };
        }
        self.one_line(head(body, cut), out);
        start + cut
    }

    /// Bytes at the start of `text` that belong to a secret begun before.
    fn swallow(&mut self, text: &[u8]) -> usize {
        if !std::mem::take(&mut self.swallowing) {
            return 0;
        }
        let in_secret = |b: &&u8| b.is_ascii_alphanumeric() || b"+/=_.-~".contains(b);
        let len = text.iter().take_while(in_secret).count();
        self.swallowing = len == text.len();
        len
    }

    fn short_lines(&mut self, text: &[u8], out: &mut Vec<u8>) {
        let start = self.swallow(text);
        let mut rest = tail(text, start);
        // With nothing open and no key in sight all lines are judged at once.
        let is_wide = memchr::memchr(0, rest).is_some();
        if self.open.is_none() && !is_wide && !private_key::may_begin(rest) {
            let done = self.apply(rest, out);
            rest = tail(rest, done);
        }
        for line in rest.split_inclusive(|b| *b == b'\n') {
            self.one_line(line, out);
        }
    }

    /// One line, which may be in UTF-16: then it is judged without the zeros between its letters.
    fn one_line(&mut self, line: &[u8], out: &mut Vec<u8>) {
        if memchr::memchr(0, line).is_none() {
            return self.plain_line(line, out);
        }
        let plain: Vec<u8> = line.iter().copied().filter(|b| *b != 0).collect();
        let start = out.len();
        self.plain_line(&plain, out);
        if out.get(start..) == Some(plain.as_slice()) {
            out.truncate(start);
            out.extend_from_slice(line);
        }
    }

    fn plain_line(&mut self, line: &[u8], out: &mut Vec<u8>) {
        let (mut rest, mut still) = (line, None);
        if let Some(open) = self.open.take() {
            let (kind, is_new) = open.kind();
            match open.judge(without_break(rest)) {
                Part::Goes(secret, open) => {
                    out.extend_from_slice(head(rest, secret.start));
                    out.extend_from_slice(marker(kind).as_bytes());
                    if is_new {
                        self.counts.add(kind);
                    }
                    rest = tail(rest, secret.end);
                    self.open = open;
                }
                Part::Stays(open) => self.open = Some(open),
                Part::Between(open) => still = Some(open),
                Part::Other => {}
            }
            if self.open.is_some() {
                return out.extend_from_slice(rest);
            }
        }
        while let Some((begin, _)) = private_key::begin(rest) {
            self.apply(head(rest, begin), out);
            self.counts.add("private-key");
            out.extend_from_slice(marker("private-key").as_bytes());
            rest = tail(rest, begin);
            if let Some(end) = private_key::end(rest) {
                rest = tail(rest, end);
            } else {
                self.open = Some(Open::key());
                rest = tail(rest, without_break(rest).len());
            }
        }
        self.apply(rest, out);
        self.open = self.open.take().or(still);
    }

    /// Takes the secrets out that detectors find, up to one that may go on in the next line. Says
    /// how far it came.
    fn apply(&mut self, text: &[u8], out: &mut Vec<u8>) -> usize {
        let mut done = 0;
        for found in detect::find_within(text, self.depth) {
            let Found {
                kind,
                secret,
                opens,
                ..
            } = found;
            out.extend_from_slice(text.get(done..secret.start).unwrap_or_default());
            if !secret.is_empty() {
                out.extend_from_slice(marker(kind).as_bytes());
                self.counts.add(kind);
            }
            done = secret.end;
            let break_len = match tail(text, done) {
                [b'\n', ..] => 1,
                [b'\r', b'\n', ..] => 2,
                _ => continue,
            };
            if let Some(opens) = opens {
                out.extend_from_slice(head(tail(text, done), break_len));
                self.open = Some(Open::new(opens));
                return done + break_len;
            }
        }
        out.extend_from_slice(tail(text, done));
        text.len()
    }
}

/// Whether there is a secret in text that was decoded and may be decoded `depth` times more.
pub(super) fn holds_secret(text: &[u8], depth: usize) -> bool {
    let Some(depth) = depth.checked_sub(1) else {
        return false;
    };
    let mut redactor = TextRedactor::new(depth);
    let mut out = Vec::with_capacity(text.len());
    redactor.push(text, &mut out);
    !redactor.finish(&mut out).is_empty()
}

/// Redacts one string as a text of its own; `None` if there was nothing to take out.
pub(super) fn redact_string(text: &str, counts: &mut Counts) -> Option<String> {
    let bytes = text.as_bytes();
    if !private_key::may_begin(bytes) && detect::find(bytes).is_empty() {
        return None;
    }
    let mut redactor = TextRedactor::default();
    let mut out = Vec::with_capacity(bytes.len());
    redactor.push(bytes, &mut out);
    let found = redactor.finish(&mut out);
    counts.merge(&found);
    // Every pattern takes whole ASCII characters out, so what is left is still UTF-8; but for a
    // cookie or password in another script, which may be cut anywhere.
    (!found.is_empty()).then(|| String::from_utf8_lossy(&out).into_owned())
}

/// The secret that stands across `cut`, from the first to the last byte of its pattern.
fn secret_over(text: &[u8], cut: usize) -> Option<(usize, usize)> {
    let mut over = None;
    if private_key::may_begin(text) {
        let mut at = 0;
        while let Some((begin, marker_end)) = private_key::begin(tail(text, at)) {
            let (begin, marker_end) = (at + begin, at + marker_end);
            let key = tail(text, marker_end);
            let end = private_key::end(key).map_or(marker_end, |end| marker_end + end);
            if begin < cut && cut < end {
                over = Some((begin, end));
            }
            at = end;
        }
    }
    for Found { whole, .. } in detect::find(text) {
        if whole.start < cut && cut < whole.end {
            let start = over.map_or(whole.start, |(s, _)| s.min(whole.start));
            let end = over.map_or(whole.end, |(_, e)| e.max(whole.end));
            over = Some((start, end));
        }
    }
    over
}

fn head(text: &[u8], len: usize) -> &[u8] {
    text.get(..len).unwrap_or(text)
}

fn tail(text: &[u8], from: usize) -> &[u8] {
    text.get(from..).unwrap_or_default()
}

fn without_break(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}
