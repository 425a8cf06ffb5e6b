//! One log line, taken apart: the kubelet's time, the format, level, target, message.
//!
//! Every line is recognized on its own, because one stream holds the lines of several programs.

use std::borrow::Cow;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::borders::is_module;
use super::json;

/// How bad a line says that it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
    Fatal,
}

impl Level {
    /// Reads the words of every format.
    pub(crate) fn parse(word: &str) -> Option<Self> {
        Some(match word.to_ascii_lowercase().as_str() {
            "trace" => Self::Trace,
            "debug" => Self::Debug,
            "info" => Self::Info,
            "warn" | "warning" => Self::Warn,
            "error" | "err!" => Self::Error,
            "fatal" | "panic" => Self::Fatal,
            _ => return None,
        })
    }
}

/// What a line says.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Record<'a> {
    /// The kubelet's time, or that of the line itself.
    pub(crate) time: Option<Timestamp>,
    /// Microseconds since the process started, where that is all the line says of time.
    pub(crate) uptime_us: Option<u64>,
    pub(crate) level: Option<Level>,
    /// The module that a tracing line comes from, or the component of a logrus line.
    pub(crate) target: Cow<'a, str>,
    /// Message and fields as `key=value`, unquoted, behind the spans if there are any.
    pub(crate) message: Cow<'a, str>,
}

/// Takes off the time that the kubelet puts before every line.
pub(crate) fn split_kubelet_time(line: &str) -> (Option<Timestamp>, &str) {
    // The shortest is `2026-11-23T00:41:51Z`.
    let looks = line.as_bytes().get(4) == Some(&b'-') && line.as_bytes().get(10) == Some(&b'T');
    if !looks {
        return (None, line);
    }
    let (head, rest) = line.split_once(' ').unwrap_or((line, ""));
    match head.parse() {
        Ok(time) => (Some(time), rest),
        Err(_) => (None, line),
    }
}

/// Bytes of the time that the kubelet puts before a line, with the blank behind it; 0 if there is
/// none by its looks.
pub(super) fn kubelet_bytes(line: &[u8]) -> usize {
    // `2026-11-23T00:41:51.123456789Z `
    const LONGEST: usize = 36;
    let looks = line.get(4) == Some(&b'-') && line.get(10) == Some(&b'T');
    let head = line.get(..LONGEST.min(line.len())).filter(|_| looks);
    let blank = head.and_then(|head| memchr::memchr(b' ', head));
    blank.map_or(0, |blank| blank + 1)
}

/// Takes colours and other escape sequences out.
pub(crate) fn strip_ansi(line: &str) -> Cow<'_, str> {
    if memchr::memchr(b'\x1b', line.as_bytes()).is_none() {
        return Cow::Borrowed(line);
    }
    let mut plain = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((before, sequence)) = rest.split_once('\x1b') {
        plain.push_str(before);
        let end = sequence
            .find(|c: char| c.is_ascii_alphabetic())
            .map_or(sequence.len(), |at| at + 1);
        rest = match sequence.strip_prefix('[') {
            Some(_) => sequence.get(end..).unwrap_or_default(),
            None => sequence,
        };
    }
    plain.push_str(rest);
    Cow::Owned(plain)
}

/// Takes a line apart. What is in no known format is all message.
pub(crate) fn parse(line: &str) -> Record<'_> {
    let (kubelet, body) = split_kubelet_time(line);
    let mut record = parse_body(body);
    record.time = kubelet.or(record.time);
    record
}

fn parse_body(body: &str) -> Record<'_> {
    let start = body.trim_start();
    let known = if start.starts_with('{') {
        json::parse(start)
    } else if start.starts_with("time=\"") || start.starts_with("level=") {
        Some(logrus(start))
    } else if start.starts_with('[') {
        proxy(start)
    } else {
        klog(start).or_else(|| tracing(start))
    };
    known.unwrap_or_else(|| Record {
        time: go_time(start),
        message: Cow::Borrowed(body),
        ..Record::default()
    })
}

/// `[     0.001866s]  INFO ThreadId(01) spans: target: message`
fn proxy(line: &str) -> Option<Record<'_>> {
    let (uptime, rest) = line.strip_prefix('[')?.split_once("s]")?;
    let uptime_us = uptime_us_of(uptime.trim())?;
    let (level, rest) = rest.trim_start().split_once(' ')?;
    let rest = rest.trim_start();
    let rest = match rest
        .strip_prefix("ThreadId(")
        .and_then(|r| r.split_once(") "))
    {
        Some((_, rest)) => rest,
        None => rest,
    };
    Some(Record {
        uptime_us: Some(uptime_us),
        level: Level::parse(level),
        target: Cow::Borrowed(target_of(rest)),
        message: Cow::Borrowed(rest),
        ..Record::default()
    })
}

pub(super) fn uptime_us_of(text: &str) -> Option<u64> {
    let (seconds, fraction) = text.split_once('.')?;
    let seconds: u64 = seconds.parse().ok()?;
    // Old proxies print fractions that are no microseconds.
    let micros: u64 = if fraction.len() == 6 {
        fraction.parse().ok()?
    } else {
        0
    };
    seconds.checked_mul(1_000_000)?.checked_add(micros)
}

/// `2026-11-23T00:41:57.895509Z  WARN spans: target: message`
fn tracing(line: &str) -> Option<Record<'_>> {
    let (time, rest) = split_kubelet_time(line);
    let (level, rest) = rest.trim_start().split_once(' ')?;
    // Without the kubelet's time, its own was taken off for it.
    let level = Level::parse(level)?;
    Some(Record {
        time,
        level: Some(level),
        target: Cow::Borrowed(target_of(rest.trim_start())),
        message: Cow::Borrowed(rest.trim_start()),
        ..Record::default()
    })
}

/// The module path behind the spans: the first word outside of braces that ends in `:` and a
/// blank.
fn target_of(text: &str) -> &str {
    let mut depth = 0_usize;
    let mut start = 0;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' => depth = depth.saturating_sub(1),
            b' ' if depth == 0 => {
                let word = text.get(start..at).unwrap_or_default();
                let Some(word) = word.strip_suffix(':') else {
                    return "";
                };
                let is_span = word.contains('{') || !is_module(word);
                if !is_span {
                    return word;
                }
                start = at + 1;
            }
            _ => {}
        }
    }
    ""
}

/// `time="2024-06-06T11:01:45Z" level=info msg="text" key=value`
fn logrus(line: &str) -> Record<'_> {
    let mut record = Record::default();
    let mut message = String::new();
    let mut fields = String::new();
    let mut rest = line;
    while let Some((key, value, tail)) = next_pair(rest) {
        match key {
            "time" => record.time = value.parse().ok(),
            "level" => record.level = Level::parse(&value),
            "msg" => message = value.into_owned(),
            _ => {
                if key == "component" {
                    record.target = Cow::Owned(value.clone().into_owned());
                }
                fields.push(' ');
                fields.push_str(key);
                fields.push('=');
                fields.push_str(&value);
            }
        }
        rest = tail;
    }
    message.push_str(&fields);
    record.message = Cow::Owned(message);
    record
}

/// The next `key=value` or `key="quoted value"`, and what follows.
fn next_pair(text: &str) -> Option<(&str, Cow<'_, str>, &str)> {
    let (key, rest) = text.trim_start().split_once('=')?;
    let Some(quoted) = rest.strip_prefix('"') else {
        let (value, rest) = rest.split_once(' ').unwrap_or((rest, ""));
        return Some((key, Cow::Borrowed(value), rest));
    };
    let mut is_escaped = false;
    let end = quoted.bytes().position(|byte| {
        let ends = byte == b'"' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        ends
    });
    let (value, rest) = match end {
        Some(end) => (quoted.get(..end)?, quoted.get(end + 1..)?),
        None => (quoted, ""),
    };
    Some((key, unescape(value), rest))
}

fn unescape(text: &str) -> Cow<'_, str> {
    if !text.contains('\\') {
        return Cow::Borrowed(text);
    }
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (c, if c == '\\' { chars.next() } else { None }) {
            ('\\', Some('n')) => plain.push('\n'),
            ('\\', Some('t')) => plain.push('\t'),
            ('\\', Some(other)) => plain.push(other),
            (c, _) => plain.push(c),
        }
    }
    Cow::Owned(plain)
}

/// `E0601 12:00:00.000000       1 reflector.go:138] message`
fn klog(line: &str) -> Option<Record<'_>> {
    let level = match line.as_bytes().first()? {
        b'I' => Level::Info,
        b'W' => Level::Warn,
        b'E' => Level::Error,
        b'F' => Level::Fatal,
        _ => return None,
    };
    let date = line.get(1..5)?;
    if !date.bytes().all(|b| b.is_ascii_digit()) || line.as_bytes().get(5) != Some(&b' ') {
        return None;
    }
    let (head, message) = line.split_once("] ")?;
    let target = head.rsplit(' ').next().unwrap_or_default();
    Some(Record {
        level: Some(level),
        target: Cow::Borrowed(target),
        message: Cow::Borrowed(message),
        ..Record::default()
    })
}

/// `2025/07/29 18:39:40`, as Go's standard library writes it; taken as UTC.
fn go_time(line: &str) -> Option<Timestamp> {
    let head = line.get(..19)?;
    if head.as_bytes().get(4) != Some(&b'/') {
        return None;
    }
    let time: DateTime = head.replace('/', "-").replace(' ', "T").parse().ok()?;
    TimeZone::UTC.to_timestamp(time).ok()
}

/// The namespace of the identity that a proxy tells as it starts:
/// `Local identity is web.shop.serviceaccount.identity.linkerd.cluster.local`.
pub(super) fn identity_namespace(log: &[u8]) -> Option<String> {
    const WORDS: &[u8] = b"Local identity is ";
    let at = memchr::memmem::find(log, WORDS)? + WORDS.len();
    let mut labels = log.get(at..)?.split(|b| *b == b'.');
    let (_account, namespace, kind) = (labels.next()?, labels.next()?, labels.next()?);
    let is_label = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-';
    let is_name = kind == b"serviceaccount" && !namespace.is_empty();
    let is_sound = is_name && namespace.iter().all(is_label);
    is_sound.then(|| String::from_utf8_lossy(namespace).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proxy_lines_in_both_formats_say_the_same() {
        let plain = parse(
            "2026-11-23T00:48:08.439819386Z [    11.604110s]  INFO ThreadId(01) \
             inbound:server{port=7070}: linkerd_app_inbound::policy::tcp: Connection denied \
             client=10.244.0.79:47932",
        );
        assert_eq!(plain.level, Some(Level::Info));
        assert_eq!(plain.uptime_us, Some(11_604_110));
        assert_eq!(plain.target, "linkerd_app_inbound::policy::tcp");
        assert!(plain.time.is_some());
        let json = parse(
            r#"{"timestamp":"[    11.604110s]","level":"INFO","fields":{"message":"Connection denied","client":"10.244.0.79:47932"},"target":"linkerd_app_inbound::policy::tcp","threadId":"ThreadId(1)"}"#,
        );
        assert_eq!((json.level, json.uptime_us), (plain.level, plain.uptime_us));
        assert!(
            json.message
                .ends_with("Connection denied client=10.244.0.79:47932")
        );
        assert_eq!(json.target, plain.target);
    }

    #[test]
    fn logrus_text_is_unquoted() {
        let record = parse(
            r#"time="2024-06-06T11:01:45Z" level=warning msg="a \"quoted\" name" component=server addr=":8086""#,
        );
        assert_eq!(record.level, Some(Level::Warn));
        assert_eq!(
            record.message,
            "a \"quoted\" name component=server addr=:8086"
        );
        assert_eq!(record.target, "server");
    }

    #[test]
    fn klog_and_tracing_headers_are_known() {
        let klog = parse("E0601 12:00:00.000000       1 reflector.go:138] Failed to watch");
        assert_eq!(
            (klog.level, klog.message.as_ref()),
            (Some(Level::Error), "Failed to watch")
        );
        let tracing = parse(
            "2023-07-26T09:19:35.291752Z  INFO grpc{port=8090}: linkerd_policy_controller: listening",
        );
        assert_eq!(tracing.target, "linkerd_policy_controller");
        assert!(tracing.time.is_some());
    }

    #[test]
    fn colours_are_taken_out() {
        assert_eq!(strip_ansi("\x1b[32mINFO\x1b[0m x"), "INFO x");
    }

    #[test]
    fn what_is_in_no_format_is_message() {
        for line in ["", "[", "{", "time=", "E", "panic: x", "[x s] y"] {
            assert_eq!(parse(line).level, None, "{line}");
        }
    }
}
