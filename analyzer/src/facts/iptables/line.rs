//! One line of an init container's log: what stands before the message, and the message.

use std::borrow::Cow;

use serde_json::Value;

/// The message of a line, without a kubelet's or a logger's prefix, its escapes undone.
pub(super) fn message(line: &str) -> Cow<'_, str> {
    let text = without_stamp(line);
    if text.starts_with('{')
        && let Ok(value) = serde_json::from_str::<Value>(text)
        && let Some(message) = value.get("msg").and_then(Value::as_str)
    {
        return Cow::Owned(message.to_owned());
    }
    if text.contains("level=")
        && let Some((_, rest)) = text.split_once("msg=")
    {
        return match rest.strip_prefix('"') {
            Some(quoted) => Cow::Owned(unescape(quoted)),
            None => Cow::Borrowed(rest.split(' ').next().unwrap_or_default()),
        };
    }
    Cow::Borrowed(without_date(text))
}

/// Undoes the escapes of a quoted value, up to its closing quote.
fn unescape(quoted: &str) -> String {
    let mut out = String::with_capacity(quoted.len());
    let mut characters = quoted.chars();
    while let Some(character) = characters.next() {
        match character {
            '"' => break,
            '\\' => match characters.next() {
                Some('n') => out.push('\n'),
                Some('t') => out.push('\t'),
                Some(other) => out.push(other),
                None => {}
            },
            other => out.push(other),
        }
    }
    out
}

/// The line without a kubelet's timestamp, and without the stream that a node's file names.
fn without_stamp(line: &str) -> &str {
    let Some((stamp, rest)) = line.split_once(' ') else {
        return line;
    };
    let looks = stamp.len() >= 20
        && stamp.get(4..5) == Some("-")
        && stamp.get(10..11) == Some("T")
        && stamp.starts_with(|c: char| c.is_ascii_digit());
    if !looks {
        return line;
    }
    let streams = ["stdout F ", "stderr F ", "stdout P ", "stderr P "];
    let found = streams.iter().find_map(|s| rest.strip_prefix(s));
    found.unwrap_or(rest)
}

/// The line without the date that proxy-init printed until 2.11: `2021/10/20 09:14:03 `.
fn without_date(text: &str) -> &str {
    let is_date =
        text.get(4..5) == Some("/") && text.get(7..8) == Some("/") && text.get(13..14) == Some(":");
    if is_date {
        text.get(20..).unwrap_or_default()
    } else {
        text
    }
}

/// A call of iptables or one of its relatives.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Command<'a> {
    pub(super) text: &'a str,
    pub(super) is_ipv6: bool,
    pub(super) is_save: bool,
    pub(super) backend: &'static str,
}

impl Command<'_> {
    fn has(&self, options: &[&str]) -> bool {
        self.text.split_whitespace().any(|w| options.contains(&w))
    }

    /// Whether it changes a table.
    pub(super) fn changes(&self) -> bool {
        self.has(&[
            "-A", "-N", "-F", "-X", "-I", "-D", "-P", "--flush", "--append", "--insert", "--delete",
        ])
    }

    /// Whether it empties a table or throws chains away.
    pub(super) fn flushes(&self) -> bool {
        let is_other_table = self
            .text
            .split_whitespace()
            .zip(self.text.split_whitespace().skip(1))
            .any(|(option, table)| matches!(option, "-t" | "--table") && table != "nat");
        self.has(&["-F", "--flush", "-X", "--delete-chain"]) && !is_other_table
    }
}

/// Reads a message as a command line, as proxy-init and shells print it.
pub(super) fn command(message: &str) -> Option<Command<'_>> {
    let text = message.trim();
    let text = [":; ", "> ", "+ ", "$ ", "# "]
        .iter()
        .find_map(|p| text.strip_prefix(p))
        .unwrap_or(text);
    let mut words = text.split_whitespace();
    let base = |word: &str| word.rsplit('/').next().unwrap_or_default().to_owned();
    let mut name = base(words.next()?);
    if name == "nsenter" {
        name = base(words.find(|w| w.contains("tables"))?);
    }
    let known = [
        "iptables",
        "ip6tables",
        "iptables-restore",
        "ip6tables-restore",
    ];
    let bare = name.replace("-nft", "").replace("-legacy", "");
    let is_save = bare.ends_with("-save");
    // `iptables-save v1.8.9 (legacy): Cannot initialize` is what it says, not a call.
    let says = words
        .next()
        .is_some_and(|w| w.starts_with("v1.") || w.ends_with(':'));
    let is_known = known.contains(&bare.trim_end_matches("-save"));
    (is_known && !says).then(|| Command {
        text,
        is_ipv6: bare.starts_with("ip6"),
        is_save,
        backend: backend(&name),
    })
}

fn backend(name: &str) -> &'static str {
    if name.contains("-nft") {
        "nft"
    } else if name.contains("-legacy") {
        "legacy"
    } else {
        "plain"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_is_found_behind_every_prefix() {
        let of = |line| message(line).into_owned();
        assert_eq!(
            of("2026-11-23T00:50:40.1Z time=\"x\" level=info msg=\"a\\n\\\"b\\\"\" k=v"),
            "a\n\"b\""
        );
        assert_eq!(
            of("{\"level\":\"info\",\"msg\":\"a\\nb\",\"time\":\"x\"}"),
            "a\nb"
        );
        assert_eq!(
            of("2026-11-23T00:50:40.1+01:00 stderr F Error: exit status 4"),
            "Error: exit status 4"
        );
        assert_eq!(
            of("2021/10/20 09:14:03 :; iptables-save"),
            ":; iptables-save"
        );
        assert_eq!(of("time=x level=info msg=Validated"), "Validated");
        assert_eq!(of(""), "");
    }

    #[test]
    fn calls_are_told_from_what_the_tools_say() {
        let save = command("/usr/sbin/iptables-nft-save -t nat").unwrap();
        assert!(save.is_save && !save.is_ipv6 && !save.changes());
        let nsenter =
            command("/usr/bin/nsenter --net=/var/run/netns/x -- ip6tables -t nat -N A").unwrap();
        assert!(nsenter.is_ipv6 && nsenter.changes());
        assert!(command("+ iptables -t nat -F").unwrap().flushes());
        assert!(!command("iptables -t filter -F").unwrap().flushes());
        assert_eq!(
            command("iptables-save v1.8.9 (legacy): Cannot initialize"),
            None
        );
        assert_eq!(command("iptables: Chain already exists."), None);
        assert_eq!(command("connecting"), None);
    }
}
