//! Names, ids and addresses of copies, made from those of what is copied.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What Kubernetes makes random suffixes of.
const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
const SUFFIX_LETTERS: usize = 5;
/// How many suffixes there are.
const SUFFIXES: u64 = 27_u64.pow(5);
/// Multipliers without a factor in common with the number of suffixes: each maps different numbers
/// to different suffixes, and makes neighbours look unlike each other.
pub(super) const MULTIPLIERS: [u64; 4] = [9_876_541, 7_368_787, 5_915_587, 12_345_701];

/// Networks of private use from which addresses are taken, each with 22 bits to number.
const NETWORKS: [Ipv4Addr; 4] = [
    Ipv4Addr::new(10, 192, 0, 0),
    Ipv4Addr::new(100, 64, 0, 0),
    Ipv4Addr::new(10, 128, 0, 0),
    Ipv4Addr::new(10, 64, 0, 0),
];
const NETWORK_BITS: u32 = 22;
/// Where the addresses of services and nodes begin; those of pods are below. Each have a third or
/// less of them, which is far more than there are of pods.
const SERVICES: u32 = 1 << 21;
const NODES: u32 = 3 << 20;
const EACH: u32 = 1 << 20;
/// Digits of a number behind a name, unless that would make a recorded name.
const MIN_DIGITS: usize = 4;
const MAX_DIGITS: usize = 20;

/// A name whose end was drawn by a controller, without that end.
pub(super) fn drawn_stem(name: &str) -> Option<&str> {
    let (stem, suffix) = name.split_at_checked(name.len().checked_sub(SUFFIX_LETTERS)?)?;
    let is_drawn = !stem.is_empty() && suffix.bytes().all(|b| ALPHABET.contains(&b));
    is_drawn.then_some(stem)
}

/// The suffix of a number; different numbers have different ones.
pub(super) fn suffix(number: u64, multiplier: u64) -> String {
    let mut rest = number % SUFFIXES * multiplier % SUFFIXES;
    let mut out = String::with_capacity(SUFFIX_LETTERS);
    for _ in 0..SUFFIX_LETTERS {
        let at = usize::try_from(rest % 27).unwrap_or_default();
        out.push(char::from(ALPHABET.get(at).copied().unwrap_or(b'x')));
        rest /= 27;
    }
    out
}

/// How copies of what people have named are called: with a number of so many digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Numbering {
    digits: usize,
}

impl Numbering {
    /// One that makes none of the recorded names of another.
    pub(super) fn beside(recorded: &BTreeSet<&str>) -> Self {
        let taken = recorded.iter().filter_map(|name| {
            let (stem, number) = name.rsplit_once('-')?;
            let is_number = number.bytes().all(|b| b.is_ascii_digit());
            (is_number && recorded.contains(stem)).then_some(number.len())
        });
        let taken: BTreeSet<usize> = taken.collect();
        let digits = (MIN_DIGITS..=MAX_DIGITS).find(|digits| !taken.contains(digits));
        Self {
            digits: digits.unwrap_or(MIN_DIGITS),
        }
    }

    /// The name of the n-th copy; 0 is the thing itself.
    pub(super) fn name(self, name: &str, number: u32) -> String {
        match number {
            0 => name.to_owned(),
            _ => format!("{name}-{number:0width$}", width = self.digits),
        }
    }
}

/// Another id of the same shape: every hexadecimal digit is drawn anew.
pub(super) fn another_id(id: &str, copy: u32) -> String {
    let digest = bundle::sha256_hex(format!("{id}\0{copy}").as_bytes());
    let mut digits = digest.chars().cycle();
    let other = id.chars().map(|letter| match letter {
        '0'..='9' | 'a'..='f' => digits.next().unwrap_or(letter),
        other => other,
    });
    other.collect()
}

/// What has an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Addressed {
    Pod,
    Service,
    Node,
}

/// Where the addresses of copies come from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Addresses(Ipv4Addr);

impl Addresses {
    /// A network in which nothing was recorded, if there is one.
    pub(super) fn beside(recorded: &[IpAddr]) -> Self {
        let mask = u32::MAX << NETWORK_BITS;
        let is_free = |network: &&Ipv4Addr| {
            !recorded.iter().any(|ip| match ip {
                IpAddr::V4(ip) => u32::from(*ip) & mask == u32::from(**network) & mask,
                IpAddr::V6(_) => false,
            })
        };
        let [first, ..] = NETWORKS;
        Self(*NETWORKS.iter().find(is_free).unwrap_or(&first))
    }

    /// The address of a number; of the same family as the recorded one.
    pub(super) fn of(self, recorded: IpAddr, what: Addressed, number: u32) -> IpAddr {
        let number = number % EACH
            + match what {
                Addressed::Pod => 0,
                Addressed::Service => SERVICES,
                Addressed::Node => NODES,
            };
        match recorded {
            IpAddr::V4(_) => Ipv4Addr::from(u32::from(self.0) | number).into(),
            IpAddr::V6(_) => {
                let network = u128::from(Ipv6Addr::new(0xfd6c, 0x3564, 0, 0, 0, 0, 0, 0));
                Ipv6Addr::from(network | u128::from(number)).into()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suffixes_of_different_numbers_differ() {
        for multiplier in MULTIPLIERS {
            let all: BTreeSet<String> = (0..50_000).map(|n| suffix(n, multiplier)).collect();
            assert_eq!(all.len(), 50_000);
            assert!(
                all.iter()
                    .all(|s| drawn_stem(&format!("a-{s}")) == Some("a-"))
            );
            assert_ne!(multiplier % 3, 0);
        }
    }

    #[test]
    fn only_drawn_ends_are_taken_off() {
        assert_eq!(
            drawn_stem("cart-7cc5f8978b-zwdmb"),
            Some("cart-7cc5f8978b-")
        );
        for name in ["db-0", "postgres", "x", "zwdmb", "cart-maine"] {
            assert_eq!(drawn_stem(name), None, "{name}");
        }
    }

    #[test]
    fn no_copy_is_called_like_something_that_was_recorded() {
        let plain = Numbering::beside(&BTreeSet::from(["shop", "shop-2"]));
        assert_eq!(plain.name("shop", 2), "shop-0002");
        assert_eq!(plain.name("shop", 0), "shop");
        let copied = Numbering::beside(&BTreeSet::from(["shop", "shop-0001"]));
        assert_eq!(copied.name("shop", 1), "shop-00001");
    }

    #[test]
    fn ids_keep_their_shape() {
        let id = "3af76a9a-93b3-45a5-ac30-5538458b71c5";
        let other = another_id(id, 7);
        assert_eq!(other.len(), id.len());
        assert_eq!(other.match_indices('-').count(), 4);
        assert_ne!(other, another_id(id, 8));
    }

    #[test]
    fn addresses_do_not_meet_each_other_or_the_recorded_ones() {
        let recorded: Vec<IpAddr> = vec!["10.192.3.4".parse().unwrap()];
        let addresses = Addresses::beside(&recorded);
        let pod = addresses.of(recorded[0], Addressed::Pod, 5);
        assert_eq!(pod.to_string(), "100.64.0.5");
        let service = addresses.of(recorded[0], Addressed::Service, 5);
        let node = addresses.of(recorded[0], Addressed::Node, 5);
        assert!(pod != service && service != node && pod != node);
        let six = addresses.of("fd00::1".parse().unwrap(), Addressed::Pod, 9);
        assert_eq!(six.to_string(), "fd6c:3564::9");
    }
}
