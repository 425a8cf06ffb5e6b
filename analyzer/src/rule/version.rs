//! Versions of Linkerd, its proxy and Kubernetes, and ranges of them.

use std::cmp::Ordering;

/// A version such as `edge-26.8.3`, `stable-2.14.10`, `v2.300.0` or `v1.33.13`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Version {
    channel: String,
    numbers: Vec<u64>,
}

impl Version {
    /// Reads a version; what follows the numbers (`-eks-1`, `+k3s1`) does not count.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let (channel, rest) = match text.split_once('-') {
            Some((channel, rest)) if channel.bytes().all(|b| b.is_ascii_alphabetic()) => {
                (channel, rest)
            }
            _ => ("", text),
        };
        let channel = if channel == "v" { "" } else { channel };
        let rest = rest.strip_prefix('v').unwrap_or(rest);
        let end = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(rest.len());
        let numbers = rest.get(..end)?.trim_end_matches('.').split('.');
        let numbers: Option<Vec<u64>> = numbers.map(|n| n.parse().ok()).collect();
        Some(Self {
            channel: channel.to_owned(),
            numbers: numbers?.into_iter().collect(),
        })
    }

    /// The order of two versions of one channel; `None` between channels.
    pub(crate) fn compare(&self, other: &Self) -> Option<Ordering> {
        let length = self.numbers.len().max(other.numbers.len());
        let padded = |v: &Self| {
            (0..length)
                .map(|i| v.numbers.get(i).copied().unwrap_or(0))
                .collect::<Vec<_>>()
        };
        (self.channel == other.channel).then(|| padded(self).cmp(&padded(other)))
    }
}

/// Bounds that a version must keep: `>=v2.200 <v2.300`. Bounds of another channel do not count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Range {
    bounds: Vec<(Bound, Version)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bound {
    AtLeast,
    Above,
    AtMost,
    Below,
    Exactly,
}

impl Range {
    /// Reads bounds that are separated by blanks or commas.
    ///
    /// # Errors
    /// What is wrong and what to write.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let parts = text.split([' ', ',']).filter(|part| !part.is_empty());
        let bounds = parts.map(|part| {
            let operators = [
                (">=", Bound::AtLeast),
                ("<=", Bound::AtMost),
                (">", Bound::Above),
                ("<", Bound::Below),
                ("=", Bound::Exactly),
            ];
            let found = operators
                .iter()
                .find_map(|(sign, bound)| Some((*bound, part.strip_prefix(sign)?)));
            let (bound, version) =
                found.ok_or_else(|| format!("`{part}` has no sign; write `>={part}`"))?;
            let version = Version::parse(version).ok_or_else(|| {
                format!("`{version}` is no version; write one as `edge-26.8.3` or `v2.300.0`")
            })?;
            Ok((bound, version))
        });
        let bounds = bounds.collect::<Result<Vec<_>, String>>()?;
        if bounds.is_empty() {
            return Err("an empty range; leave it out instead".to_owned());
        }
        let range = Self { bounds };
        if range.is_impossible() {
            return Err(format!(
                "no version is within `{text}`; write the lower bound with `>=` and a higher one with `<`"
            ));
        }
        Ok(range)
    }

    /// Whether a bound leaves out all that another lets through.
    fn is_impossible(&self) -> bool {
        let above = |bound: &Bound| matches!(bound, Bound::AtLeast | Bound::Above | Bound::Exactly);
        let below = |bound: &Bound| matches!(bound, Bound::AtMost | Bound::Below | Bound::Exactly);
        let lower = self.bounds.iter().filter(|(bound, _)| above(bound));
        lower.into_iter().any(|(low, from)| {
            let mut upper = self.bounds.iter().filter(|(bound, _)| below(bound));
            upper.any(|(high, to)| match from.compare(to) {
                Some(Ordering::Greater) => true,
                Some(Ordering::Equal) => *low == Bound::Above || *high == Bound::Below,
                _ => false,
            })
        })
    }

    /// Whether a version is within.
    pub(crate) fn holds(&self, version: &Version) -> bool {
        self.bounds
            .iter()
            .all(|(bound, limit)| match (version.compare(limit), bound) {
                (None, _) => true,
                (Some(order), Bound::AtLeast) => order != Ordering::Less,
                (Some(order), Bound::Above) => order == Ordering::Greater,
                (Some(order), Bound::AtMost) => order != Ordering::Greater,
                (Some(order), Bound::Below) => order == Ordering::Less,
                (Some(order), Bound::Exactly) => order == Ordering::Equal,
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_in(range: &str, version: &str) -> bool {
        Range::parse(range)
            .unwrap()
            .holds(&Version::parse(version).unwrap())
    }

    #[test]
    fn ranges_understand_every_channel() {
        assert!(is_in(">=edge-24.1.1", "edge-26.8.3"));
        assert!(!is_in(">=edge-24.1.1", "edge-23.12.9"));
        assert!(is_in(">=v2.200 <v2.300", "v2.299.1"));
        assert!(!is_in(">=v2.200, <v2.300", "v2.300.0"));
        assert!(is_in(">=v1.21", "v1.33.13-eks-a1b2"));
        assert!(is_in("<stable-2.14.10", "stable-2.14.9"));
        assert!(is_in("<stable-2.14.10", "edge-26.8.3"));
    }

    #[test]
    fn a_bad_range_says_what_to_write() {
        assert!(Range::parse("v2.3").unwrap_err().contains(">=v2.3"));
        assert!(Range::parse(">=new").unwrap_err().contains("no version"));
        assert!(Range::parse(" ").is_err());
        for impossible in [
            ">=v2.3 <v2.2",
            ">v2.3 <=v2.3",
            "=v1 =v2",
            ">=edge-24.1.1 <edge-24.1.1",
        ] {
            let told = Range::parse(impossible).unwrap_err();
            assert!(told.contains("no version is within"), "{impossible}");
        }
        for possible in [
            ">=v2.3 <=v2.3",
            "=v1",
            ">=edge-24.1.1 <stable-2.1",
            ">v1 <v2",
        ] {
            assert!(Range::parse(possible).is_ok(), "{possible}");
        }
    }
}
