//! Finds names and addresses in text, and puts what stands for them in their places.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{Anonymizer, certificates, vocabulary};

/// Characters of a name between two dots.
fn of_label(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

impl Anonymizer {
    /// Appends the text to `out`, anonymized. Words are judged by what stands around them, so a
    /// text must not be cut within a word.
    pub fn text(&self, text: &[u8], out: &mut Vec<u8>) {
        let mut rest = text;
        // Base64 has parts that look like names.
        while let Some((before, pem, after)) = certificates::next_pem(rest) {
            self.words(before, out);
            out.extend_from_slice(&self.pem(pem));
            rest = after;
        }
        self.words(rest, out);
    }

    fn words(&self, text: &[u8], out: &mut Vec<u8>) {
        let mut at = 0;
        while let Some(byte) = text.get(at) {
            if (*byte == b':' || byte.is_ascii_hexdigit())
                && let Some((len, address)) = self.v6(text, at)
            {
                out.extend_from_slice(address.as_bytes());
                at += len;
                continue;
            }
            if !of_label(*byte) {
                let rest = text.get(at..).unwrap_or_default();
                let gap = rest
                    .iter()
                    .take_while(|b| !of_label(**b) && **b != b':')
                    .count()
                    .max(1);
                out.extend_from_slice(rest.get(..gap).unwrap_or_default());
                at += gap;
                continue;
            }
            let len = dotted(text, at);
            at += self.name(text, at, len, out);
        }
    }

    /// A text as a string.
    pub fn string(&self, text: &str) -> String {
        let mut out = Vec::with_capacity(text.len());
        self.text(text.as_bytes(), &mut out);
        String::from_utf8_lossy(&out).into_owned()
    }

    /// Writes what stands for the dotted name, and says how many bytes of the text it took.
    fn name(&self, text: &[u8], at: usize, len: usize, out: &mut Vec<u8>) -> usize {
        let whole = text.get(at..at + len).unwrap_or_default();
        let Ok(name) = std::str::from_utf8(whole) else {
            out.extend_from_slice(whole);
            return len;
        };
        if let Ok(address) = name.parse::<Ipv4Addr>() {
            let (prefix, taken) = prefix_len(text, at + len);
            let address = self.address(IpAddr::V4(address), prefix);
            out.extend_from_slice(address.as_bytes());
            out.extend_from_slice(text.get(at + len..at + len + taken).unwrap_or_default());
            return len + taken;
        }
        let is_host = name.contains('.') && vocabulary::is_host(name);
        let labels: Vec<&str> = name.split('.').collect();
        let named = of_cluster(&labels);
        for (number, label) in labels.iter().enumerate() {
            if number > 0 {
                out.push(b'.');
            }
            let is_name = (is_host && number + 1 < labels.len()) || named.contains(&number);
            if is_name && !self.is_made_of_names(label) {
                out.extend_from_slice(self.learn(label).as_bytes());
            } else {
                self.label(label, out);
            }
        }
        len
    }

    /// Whether a label is dealt with by what is known: its words stay or have tokens.
    fn is_made_of_names(&self, label: &str) -> bool {
        vocabulary::stays(label)
            || self.token_of(label).is_some()
            || label
                .split('-')
                .next()
                .is_some_and(|first| self.token_of(first).is_some())
    }

    /// Writes what stands for a label: for all of it, or for those of its parts that are names.
    fn label(&self, label: &str, out: &mut Vec<u8>) {
        if let Some(token) = self.token_of(label) {
            return out.extend_from_slice(token.as_bytes());
        }
        if !label.contains('-') || vocabulary::stays(label) {
            return out.extend_from_slice(label.as_bytes());
        }
        // The kubelet joins a pod and its namespace so.
        if let Some((first, rest)) = label.split_once('_') {
            self.label(first, out);
            out.push(b'_');
            return self.label(rest, out);
        }
        let mut rest = label;
        while !rest.is_empty() {
            if let Some((len, address)) = self.dashed(rest) {
                out.extend_from_slice(address.as_bytes());
                rest = rest.get(len..).unwrap_or_default();
            } else if let Some((len, token)) = self.longest(rest) {
                out.extend_from_slice(token.as_bytes());
                rest = rest.get(len..).unwrap_or_default();
            } else {
                let part = rest.find('-').unwrap_or(rest.len());
                out.extend_from_slice(rest.get(..part).unwrap_or_default().as_bytes());
                rest = rest.get(part..).unwrap_or_default();
            }
            if let Some(after) = rest.strip_prefix('-') {
                out.push(b'-');
                rest = after;
            }
        }
    }

    /// The longest name that `text` begins with, up to a hyphen or its end.
    fn longest(&self, text: &str) -> Option<(usize, &str)> {
        let ends = text
            .match_indices('-')
            .map(|(at, _)| at)
            .chain([text.len()]);
        let ends: Vec<usize> = ends.collect();
        ends.into_iter()
            .rev()
            .find_map(|end| Some((end, self.token_of(text.get(..end)?)?)))
    }

    /// `10-1-2-3` at the beginning, as cloud providers name their nodes.
    fn dashed(&self, text: &str) -> Option<(usize, String)> {
        let mut ends = text
            .match_indices('-')
            .map(|(at, _)| at)
            .chain([text.len()]);
        let end = ends.nth(3)?;
        let address: Ipv4Addr = text.get(..end)?.replace('-', ".").parse().ok()?;
        Some((end, self.address(IpAddr::V4(address), 32).replace('.', "-")))
    }

    /// The IPv6 address at `at`, with its length.
    fn v6(&self, text: &[u8], at: usize) -> Option<(usize, String)> {
        let joins = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b':' | b'_' | b'.' | b'-');
        if at > 0 && text.get(at - 1).is_some_and(|b| joins(*b)) {
            return None;
        }
        let rest = text.get(at..)?;
        let of_address = |b: &&u8| b.is_ascii_hexdigit() || matches!(b, b':' | b'.');
        let mut len = rest.iter().take(46).take_while(of_address).count();
        let run = rest.get(..len)?;
        if memchr::memchr_iter(b':', run).nth(1).is_none()
            || rest.get(len).is_some_and(|b| of_label(*b))
        {
            return None;
        }
        let text_of = |len| {
            std::str::from_utf8(rest.get(..len)?)
                .ok()?
                .parse::<Ipv6Addr>()
                .ok()
        };
        while len > 2 && text_of(len).is_none() && matches!(rest.get(len - 1), Some(b':' | b'.')) {
            len -= 1;
        }
        let (prefix, taken) = prefix_len(text, at + len);
        let address = self.address(
            IpAddr::V6(text_of(len)?),
            if taken > 0 { prefix } else { 128 },
        );
        let after = std::str::from_utf8(rest.get(len..len + taken)?).ok()?;
        Some((len + taken, address + after))
    }
}

/// Which labels of a name within the cluster are those of an object and its namespace, also if the
/// object itself is not in the bundle: `web.shop.svc` and `web.shop.serviceaccount.identity`.
fn of_cluster(labels: &[&str]) -> std::ops::Range<usize> {
    let marks = labels
        .iter()
        .position(|l| matches!(*l, "svc" | "serviceaccount"));
    marks.map_or(0..0, |at| at.saturating_sub(2)..at)
}

/// The length of labels joined by single dots.
fn dotted(text: &[u8], at: usize) -> usize {
    let rest = text.get(at..).unwrap_or_default();
    let mut end = 0;
    loop {
        end += rest
            .get(end..)
            .unwrap_or_default()
            .iter()
            .take_while(|b| of_label(**b))
            .count();
        let next = rest.get(end + 1).is_some_and(|b| of_label(*b));
        if rest.get(end) != Some(&b'.') || !next {
            return end;
        }
        end += 1;
    }
}

/// The `/24` behind an address: its number, and its bytes.
fn prefix_len(text: &[u8], at: usize) -> (u8, usize) {
    let rest = text.get(at..).unwrap_or_default();
    let digits = rest
        .iter()
        .skip(1)
        .take(4)
        .take_while(|b| b.is_ascii_digit())
        .count();
    let number = rest
        .get(1..=digits)
        .and_then(|d| std::str::from_utf8(d).ok()?.parse().ok());
    let is_alone = rest
        .get(digits + 1)
        .is_none_or(|b| !of_label(*b) && *b != b'/');
    match number {
        Some(number) if rest.first() == Some(&b'/') && is_alone => (number, digits + 1),
        _ => (255, 0),
    }
}
