//! One line of a block, taken apart only as far as somebody asks.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::ops::Range;
use std::sync::Arc;

use jiff::Timestamp;

use super::matches::Excerpt;
use super::record::{self, Level};
use crate::evidence;

/// A line in which a pattern's literal stands.
pub(super) struct Line<'b> {
    /// Where it starts in its block.
    pub(super) start: usize,
    /// Without colours.
    text: Cow<'b, str>,
    kubelet: Option<Timestamp>,
    /// Where in the text that starts which the container wrote.
    body: usize,
    parts: OnceCell<Parts>,
    uptime_us: OnceCell<Option<u64>>,
    excerpt: OnceCell<Arc<str>>,
}

/// What a line says in its format.
struct Parts {
    time: Option<Timestamp>,
    uptime_us: Option<u64>,
    level: Option<Level>,
    target: String,
    /// Only where it is written in another way than it is read.
    message: String,
}

impl<'b> Line<'b> {
    /// The line of a block that has these borders.
    pub(super) fn new(bytes: &'b [u8], (start, end): (usize, usize)) -> Self {
        let raw = bytes.get(start..end).unwrap_or_default();
        let text = match std::str::from_utf8(raw) {
            Ok(text) => record::strip_ansi(text),
            Err(_) => Cow::Owned(record::strip_ansi(&String::from_utf8_lossy(raw)).into_owned()),
        };
        let (kubelet, body) = record::split_kubelet_time(&text);
        let body = text.len() - body.len();
        Self {
            start,
            text,
            kubelet,
            body,
            parts: OnceCell::new(),
            uptime_us: OnceCell::new(),
            excerpt: OnceCell::new(),
        }
    }

    /// As the container wrote it.
    pub(super) fn body(&self) -> &str {
        self.text.get(self.body..).unwrap_or_default()
    }

    /// What it says without its quotes and its JSON, if it is written so.
    pub(super) fn unpacked(&self) -> Option<&str> {
        let start = self.body().trim_start();
        let heads = ["{", "time=\"", "level="];
        let is_packed = heads.iter().any(|head| start.starts_with(head));
        is_packed.then(|| self.parts().message.as_str())
    }

    /// The kubelet's time, or that of the line itself.
    pub(super) fn time(&self) -> Option<Timestamp> {
        self.kubelet.or_else(|| self.parts().time)
    }

    /// Microseconds since the process started, where that is all the line says of time.
    pub(super) fn uptime_us(&self) -> Option<u64> {
        let stamped = || match self.body().trim_start().strip_prefix('[') {
            Some(stamp) => record::uptime_us_of(stamp.split_once("s]")?.0.trim()),
            None => self.parts().uptime_us,
        };
        *self.uptime_us.get_or_init(stamped)
    }

    pub(super) fn level(&self) -> Option<Level> {
        self.parts().level
    }

    /// The module that a tracing line comes from, or the component of a logrus line.
    pub(super) fn target(&self) -> &str {
        &self.parts().target
    }

    /// What is shown of it as evidence, as line `number` of its log.
    pub(super) fn excerpt(&self, number: u64) -> Excerpt {
        let shown = || evidence::shorten(self.body()).into();
        Excerpt {
            line: number,
            time: self.time(),
            text: Arc::clone(self.excerpt.get_or_init(shown)),
        }
    }

    /// A part of the body as it stands in the block; `None` if it was written otherwise there.
    pub(super) fn in_block(&self, bytes: &'b [u8], part: Range<usize>) -> Option<&'b [u8]> {
        let start = self.start + self.body;
        let is_same = matches!(self.text, Cow::Borrowed(_));
        is_same.then(|| bytes.get(start + part.start..start + part.end))?
    }

    fn parts(&self) -> &Parts {
        self.parts.get_or_init(|| {
            let record = record::parse(&self.text);
            Parts {
                time: record.time,
                uptime_us: record.uptime_us,
                level: record.level,
                target: record.target.into_owned(),
                message: match record.message {
                    Cow::Owned(message) => message,
                    Cow::Borrowed(_) => String::new(),
                },
            }
        })
    }
}

/// Where the line around a position starts and ends, without its newline.
pub(super) fn borders(bytes: &[u8], at: usize) -> (usize, usize) {
    let (before, after) = bytes.split_at_checked(at).unwrap_or((bytes, &[]));
    let start = memchr::memrchr(b'\n', before).map_or(0, |newline| newline + 1);
    let end = memchr::memchr(b'\n', after).map_or(bytes.len(), |newline| at + newline);
    let has_return = end > start && bytes.get(end - 1) == Some(&b'\r');
    (start, if has_return { end - 1 } else { end })
}
