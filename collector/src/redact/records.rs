//! Log files as container runtimes leave them on a node: each line is a record, and several
//! records may hold one line of the container, with a secret in two of them.

use std::collections::{BTreeMap, VecDeque};

use serde_json::{Map, Value};

use super::{Counts, TextRedactor};

/// Bytes of records that are taken for one line of the container, and of one record.
const MAX_BYTES: usize = 1 << 20;

/// Redacts the lines of a file. Where they are records, what the container wrote is put together
/// and redacted first; then the records are, as any text. The records of a line that holds a secret
/// become one; all others stay byte for byte.
#[derive(Debug, Default)]
pub struct FileRedactor {
    form: Form,
    carry: Vec<u8>,
    group: Group,
    /// Groups whose text is being redacted.
    waiting: VecDeque<Group>,
    inner: TextRedactor,
    /// Text that the inner redactor has let go.
    clean: Vec<u8>,
    outer: TextRedactor,
    counts: Counts,
}

/// What the lines of a file are.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// None has come yet.
    #[default]
    Unknown,
    Plain,
    Records,
}

/// Records between two moments at which no line of the container is open.
#[derive(Debug, Default)]
struct Group {
    original: Vec<u8>,
    lines: Vec<Line>,
    /// Number of the open line of each stream.
    open: BTreeMap<String, usize>,
}

/// A line of the container.
#[derive(Debug)]
struct Line {
    head: Head,
    text: Vec<u8>,
}

/// What a record says besides its text.
#[derive(Debug)]
enum Head {
    None,
    /// `TIME STREAM F `
    Cri(Vec<u8>),
    /// The fields of an object, of which `log` is the text.
    Docker(Map<String, Value>),
}

struct Record {
    stream: String,
    head: Head,
    text: Vec<u8>,
    is_end: bool,
}

impl FileRedactor {
    /// Takes a chunk and appends to `out` what of it can be judged.
    pub fn push(&mut self, chunk: &[u8], out: &mut Vec<u8>) {
        if self.form == Form::Plain {
            return self.outer.push(chunk, out);
        }
        self.carry.extend_from_slice(chunk);
        let mut carry = std::mem::take(&mut self.carry);
        let mut rest = carry.as_slice();
        while let Some(end) = memchr::memchr(b'\n', rest).filter(|_| self.form != Form::Plain) {
            let (line, after) = rest.split_at(end + 1);
            if self.form == Form::Unknown {
                let is_record = record(line).is_some();
                self.form = if is_record {
                    Form::Records
                } else {
                    Form::Plain
                };
                if !is_record {
                    break;
                }
            }
            self.line(line, out);
            rest = after;
        }
        if rest.len() > MAX_BYTES {
            // No runtime writes such a record.
            self.settle(out);
            self.form = Form::Plain;
        }
        if self.form == Form::Plain {
            return self.outer.push(rest, out);
        }
        let read = carry.len() - rest.len();
        carry.drain(..read);
        self.carry = carry;
    }

    /// Appends what was held back. The counts of the whole file come back.
    pub fn finish(mut self, out: &mut Vec<u8>) -> Counts {
        let rest = std::mem::take(&mut self.carry);
        if self.form == Form::Records {
            self.line(&rest, out);
            self.settle(out);
        } else {
            self.outer.push(&rest, out);
        }
        self.counts.merge(&self.outer.finish(out));
        self.counts
    }

    fn line(&mut self, line: &[u8], out: &mut Vec<u8>) {
        self.group.add(line);
        if self.group.open.is_empty() || self.group.original.len() > MAX_BYTES {
            self.close(out);
        }
    }

    /// Hands the lines of the group on.
    fn close(&mut self, out: &mut Vec<u8>) {
        let mut group = std::mem::take(&mut self.group);
        for line in &mut group.lines {
            line.end();
            self.inner.push(&line.text, &mut self.clean);
        }
        self.waiting.push_back(group);
        while let Some(group) = self.waiting.front() {
            let Some(end) = end_of(group.breaks(), &self.clean) else {
                break;
            };
            let clean: Vec<u8> = self.clean.drain(..end).collect();
            if let Some(group) = self.waiting.pop_front() {
                self.outer.push(&group.written(&clean), out);
            }
        }
    }

    /// Ends all lines that are open.
    fn settle(&mut self, out: &mut Vec<u8>) {
        self.close(out);
        let inner = std::mem::take(&mut self.inner);
        self.counts.merge(&inner.finish(&mut self.clean));
        // Nothing is left, since every group ends with a line break.
        self.outer.push(&std::mem::take(&mut self.clean), out);
    }
}

impl Group {
    fn add(&mut self, line: &[u8]) {
        if line.is_empty() {
            return;
        }
        self.original.extend_from_slice(line);
        let record = record(line).unwrap_or_else(|| Record {
            stream: String::new(),
            head: Head::None,
            text: line.to_vec(),
            is_end: true,
        });
        let open = self.open.remove(&record.stream);
        let number = open.unwrap_or(self.lines.len());
        if !record.is_end {
            self.open.insert(record.stream, number);
        }
        let Record { head, text, .. } = record;
        match self.lines.get_mut(number) {
            Some(line) => line.text.extend(text),
            None => self.lines.push(Line { head, text }),
        }
    }

    fn breaks(&self) -> usize {
        self.lines.iter().map(Line::breaks).sum()
    }

    /// The records, if their lines have come to this.
    fn written(self, clean: &[u8]) -> Vec<u8> {
        let texts = self.lines.iter().flat_map(|line| &line.text);
        if texts.eq(clean) {
            return self.original;
        }
        let (mut out, mut rest) = (Vec::new(), clean);
        for line in self.lines {
            let end = end_of(line.breaks(), rest).unwrap_or(rest.len());
            let (own, after) = rest.split_at(end);
            line.head.write(own, &mut out);
            rest = after;
        }
        out
    }
}

impl Line {
    /// Ends with a line break, whatever the last record says.
    fn end(&mut self) {
        if !self.text.ends_with(b"\n") {
            self.text.push(b'\n');
        }
    }

    fn breaks(&self) -> usize {
        memchr::memchr_iter(b'\n', &self.text).count()
    }
}

impl Head {
    fn write(self, text: &[u8], out: &mut Vec<u8>) {
        match self {
            Self::None => out.extend_from_slice(text),
            Self::Cri(head) => {
                out.extend(head);
                out.extend_from_slice(text);
            }
            Self::Docker(mut fields) => {
                let text = String::from_utf8_lossy(text).into_owned();
                fields.insert("log".to_owned(), Value::String(text));
                out.extend(Value::Object(fields).to_string().into_bytes());
                out.push(b'\n');
            }
        }
    }
}

/// Where the last of so many line breaks ends.
fn end_of(breaks: usize, text: &[u8]) -> Option<usize> {
    match breaks {
        0 => Some(0),
        breaks => Some(memchr::memchr_iter(b'\n', text).nth(breaks - 1)? + 1),
    }
}

/// Whether a file begins with a record that is an object.
pub(super) fn begins_as_docker(start: &[u8]) -> bool {
    let line = start.split_inclusive(|b| *b == b'\n').next();
    line.is_some_and(|line| docker(line).is_some())
}

fn record(line: &[u8]) -> Option<Record> {
    match line.first()? {
        b'{' => docker(line),
        _ => cri(line),
    }
}

fn docker(line: &[u8]) -> Option<Record> {
    if !line.starts_with(b"{\"log\":\"") {
        return None;
    }
    let mut fields: Map<String, Value> = serde_json::from_slice(line).ok()?;
    let stream = fields.get("stream")?.as_str()?.to_owned();
    let Value::String(text) = fields.remove("log")? else {
        return None;
    };
    Some(Record {
        stream,
        is_end: text.ends_with('\n'),
        text: text.into_bytes(),
        head: Head::Docker(fields),
    })
}

/// `TIME stdout P part of a line`
fn cri(line: &[u8]) -> Option<Record> {
    let mut words = line.splitn(4, |b| *b == b' ');
    let (time, stream, tag) = (words.next()?, words.next()?, words.next()?);
    let text = words.next()?;
    let is_time = time.len() >= 20 && time.get(10) == Some(&b'T') && time.get(4) == Some(&b'-');
    let is_stream = matches!(stream, b"stdout" | b"stderr");
    (is_time && is_stream && matches!(tag, b"F" | b"P")).then(|| {
        let is_end = tag == b"F";
        let text = match text {
            [part @ .., b'\n'] if !is_end => part,
            text => text,
        };
        Record {
            stream: String::from_utf8_lossy(stream).into_owned(),
            head: Head::Cri([time, b" ", stream, b" F "].concat()),
            text: text.to_vec(),
            is_end,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redacted(text: &str) -> String {
        let outs = [1, 7, 100_000].map(|size| {
            let (mut redactor, mut out) = (FileRedactor::default(), Vec::new());
            for chunk in text.as_bytes().chunks(size) {
                redactor.push(chunk, &mut out);
            }
            redactor.finish(&mut out);
            String::from_utf8(out).unwrap()
        });
        assert_eq!((&outs[0], &outs[1]), (&outs[2], &outs[2]));
        outs[0].clone()
    }

    const TIME: &str = "2026-11-23T00:49:10.123456789Z";

    #[test]
    fn a_secret_in_two_records_of_cri_goes_from_both() {
        let log = format!(
            "{TIME} stdout F before\n{TIME} stdout P db password=plan\n\
             {TIME} stderr F between password=planted-1\n{TIME} stdout F ted-2 kept\n{TIME} stdout F after\n"
        );
        assert_eq!(
            redacted(&log),
            format!(
                "{TIME} stdout F before\n{TIME} stdout F db password=[REDACTED:assigned-secret] kept\n\
                 {TIME} stderr F between password=[REDACTED:assigned-secret]\n{TIME} stdout F after\n"
            )
        );
    }

    #[test]
    fn a_secret_in_two_records_of_docker_goes_from_both_and_a_key_from_all() {
        let record = |log: &str| {
            let fields = serde_json::json!({"log": log, "stream": "stdout", "time": TIME});
            fields.to_string() + "\n"
        };
        let log = [
            "db password=plan",
            "ted-1 kept\n",
            "password:\n",
            "  planted-2\n",
        ];
        let out = redacted(&log.map(record).concat());
        assert!(!out.contains("planted") && !out.contains("ted-1"), "{out}");
        assert!(
            out.contains(" kept\\n") && out.lines().count() == 3,
            "{out}"
        );
        let key = [
            "-----BEGIN RSA ",
            "PRIVATE KEY-----\n",
            "planted3planted3\n",
            "pQ==\n",
        ];
        let out = redacted(&(key.map(record).concat() + &record("level=info kept\n")));
        assert!(!out.contains("planted") && !out.contains("pQ=="), "{out}");
        assert!(out.ends_with(&record("level=info kept\n")), "{out}");
    }

    #[test]
    fn records_without_a_secret_stay_as_they_are() {
        let cri = format!(
            "{TIME} stdout P one \n{TIME} stderr P other \n{TIME} stdout F two\n\
             {TIME} stderr F three\nno record\n{TIME} stdout F \n{TIME} stdout P unended"
        );
        let docker = "{\"log\":\"part\",  \"stream\":\"stdout\",\"time\":\"x\"}\n\
            {\"log\":\" \\u0041 rest\\n\",\"stream\":\"stdout\",\"time\":\"x\"}\n{\"log\":\"half";
        for text in [
            cri.as_str(),
            docker,
            "plain\nlines",
            "",
            "\n",
            "{\"log\":\"x\"}\n",
        ] {
            assert_eq!(redacted(text), text);
        }
    }

    #[test]
    fn lines_that_never_end_are_redacted_in_parts() {
        let part = format!(
            "{TIME} stdout P {} password=planted-1 \n",
            "word ".repeat(3000)
        );
        let out = redacted(&part.repeat(100));
        assert!(!out.contains("planted") && out.len() > 1 << 20);
        let long = format!(
            "{TIME} stdout F x\n{TIME} stdout F {}",
            "word ".repeat(1 << 18)
        );
        assert_eq!(redacted(&long), long);
    }
}
