//! One line of a block, taken apart only as far as somebody asks.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::ops::Range;
use std::sync::Arc;

use jiff::Timestamp;

use super::crash;
use super::matches::Excerpt;
use super::record::{self, Level};
use crate::evidence;

/// A line in which a pattern's literal stands.
pub(super) struct Line<'b> {
    /// Where it starts in its block.
    pub(super) start: usize,
    /// Without colours.
    bytes: Cow<'b, [u8]>,
    /// Where in them that starts which the container wrote.
    body: usize,
    /// What stands below it in the block.
    below: &'b [u8],
    kubelet: OnceCell<Option<Timestamp>>,
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
        let below = bytes.get(end..).unwrap_or_default();
        let bytes = match memchr::memchr(b'\x1b', raw) {
            Some(_) => {
                let text = String::from_utf8_lossy(raw);
                Cow::Owned(record::strip_ansi(&text).into_owned().into_bytes())
            }
            None => Cow::Borrowed(raw),
        };
        Self {
            start,
            body: record::kubelet_bytes(&bytes),
            bytes,
            below,
            kubelet: OnceCell::new(),
            parts: OnceCell::new(),
            uptime_us: OnceCell::new(),
            excerpt: OnceCell::new(),
        }
    }

    /// As the container wrote it.
    pub(super) fn body(&self) -> &[u8] {
        self.bytes.get(self.body..).unwrap_or_default()
    }

    /// What it says without its quotes and its JSON, if it is written so.
    pub(super) fn unpacked(&self) -> Option<&[u8]> {
        let start = self.body().trim_ascii_start();
        let heads: [&[u8]; 3] = [b"{", b"time=\"", b"level="];
        let is_packed = heads.iter().any(|head| start.starts_with(head));
        is_packed.then(|| self.parts().message.as_bytes())
    }

    /// The kubelet's time, or that of the line itself.
    pub(super) fn time(&self) -> Option<Timestamp> {
        let stamp = || {
            str::from_utf8(self.bytes.get(..self.body)?)
                .ok()?
                .trim_end()
                .parse()
                .ok()
        };
        let kubelet = *self.kubelet.get_or_init(stamp);
        kubelet.or_else(|| self.parts().time)
    }

    /// Microseconds since the process started, where that is all the line says of time.
    pub(super) fn uptime_us(&self) -> Option<u64> {
        let stamped = || match self.body().trim_ascii_start().strip_prefix(b"[") {
            Some(stamp) => {
                let end = memchr::memmem::find(stamp, b"s]")?;
                record::uptime_us_of(str::from_utf8(stamp.get(..end)?).ok()?.trim())
            }
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
        let shown = || {
            let body = String::from_utf8_lossy(self.body());
            evidence::shorten(&crash::whole(&body, self.below)).into()
        };
        Excerpt {
            line: number,
            time: self.time(),
            text: Arc::clone(self.excerpt.get_or_init(shown)),
        }
    }

    /// A part of the body as it stands in the block; `None` if it was written otherwise there.
    pub(super) fn in_block(&self, bytes: &'b [u8], part: Range<usize>) -> Option<&'b [u8]> {
        let start = self.start + self.body;
        let is_same = matches!(self.bytes, Cow::Borrowed(_));
        is_same.then(|| bytes.get(start + part.start..start + part.end))?
    }

    fn parts(&self) -> &Parts {
        self.parts.get_or_init(|| {
            let text = String::from_utf8_lossy(&self.bytes);
            let record = record::parse(&text);
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
