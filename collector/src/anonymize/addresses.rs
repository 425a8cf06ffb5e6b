//! Addresses, anonymized so that two of them share as long a prefix afterwards as before
//! (after the idea of Crypto-PAn): each bit is flipped or not by the key and the bits before it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::key::Key;

/// Addresses that everybody knows.
const WELL_KNOWN: &[[u8; 4]] = &[
    [169, 254, 169, 254],
    [169, 254, 20, 10],
    [8, 8, 8, 8],
    [8, 8, 4, 4],
    [1, 1, 1, 1],
    [1, 0, 0, 1],
    [9, 9, 9, 9],
];

/// The address that stands for another. Loopback, unspecified, broadcast, multicast and
/// well-known ones stand for themselves, and private ones for private ones: the bits that say
/// what kind of address it is stay.
pub(super) fn anonymized(key: &Key, address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(address) => IpAddr::V4(v4(key, address)),
        IpAddr::V6(address) => match address.to_ipv4_mapped() {
            Some(inner) => IpAddr::V6(v4(key, inner).to_ipv6_mapped()),
            None => IpAddr::V6(v6(key, address)),
        },
    }
}

/// The address with nothing behind the prefix.
pub(super) fn network(address: IpAddr, prefix: u8) -> IpAddr {
    let prefix = u32::from(prefix);
    match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(32 - prefix.min(32)).unwrap_or(0);
            IpAddr::V4(Ipv4Addr::from_bits(address.to_bits() & mask))
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(128 - prefix.min(128)).unwrap_or(0);
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & mask))
        }
    }
}

fn v4(key: &Key, address: Ipv4Addr) -> Ipv4Addr {
    let octets = address.octets();
    let kept = match octets {
        [0 | 127 | 224..=255, ..] => 32,
        _ if WELL_KNOWN.contains(&octets) => 32,
        [100, ..] => 10,
        [172, ..] => 12,
        [169 | 192, ..] => 16,
        _ => 8,
    };
    let bits = u128::from(address.to_bits()) << 96;
    let flipped = flip(key, bits, kept, 32) >> 96;
    Ipv4Addr::from_bits(u32::try_from(flipped).unwrap_or_default())
}

fn v6(key: &Key, address: Ipv6Addr) -> Ipv6Addr {
    let is_kept = address.is_loopback() || address.is_unspecified() || address.is_multicast();
    let kept = if is_kept { 128 } else { 16 };
    Ipv6Addr::from_bits(flip(key, address.to_bits(), kept, 128))
}

/// Flips the bits from `kept` up to `len`, counted from the highest.
fn flip(key: &Key, bits: u128, kept: u32, len: u32) -> u128 {
    let mut flipped = bits;
    for at in kept..len {
        let prefix = bits.checked_shr(128 - at).unwrap_or(0);
        let mut text = [0; 17];
        for (to, from) in text.iter_mut().zip(
            prefix
                .to_be_bytes()
                .into_iter()
                .chain([u8::try_from(at).unwrap_or(0)]),
        ) {
            *to = from;
        }
        let is_flipped = key
            .hash("address", &text)
            .first()
            .is_some_and(|b| b & 1 == 1);
        flipped ^= u128::from(is_flipped) << (127 - at);
    }
    flipped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn common(a: u32, b: u32) -> u32 {
        (a ^ b).leading_zeros()
    }

    #[test]
    fn prefixes_are_kept_and_special_addresses_stay() {
        let key = Key::of([7; 32]);
        let of = |a: &str| v4(&key, a.parse().unwrap());
        for (a, b) in [
            ("10.244.0.17", "10.244.0.18"),
            ("10.244.0.17", "10.244.3.1"),
            ("10.1.0.1", "10.200.0.1"),
            ("52.1.2.3", "52.1.2.200"),
        ] {
            let (x, y): (Ipv4Addr, Ipv4Addr) = (a.parse().unwrap(), b.parse().unwrap());
            let before = common(x.to_bits(), y.to_bits());
            assert_eq!(common(of(a).to_bits(), of(b).to_bits()), before, "{a} {b}");
        }
        for a in [
            "127.0.0.1",
            "0.0.0.0",
            "255.255.255.255",
            "169.254.169.254",
            "224.0.0.1",
        ] {
            assert_eq!(of(a).to_string(), a);
        }
        for a in ["10.1.2.3", "172.16.5.4", "192.168.1.1"] {
            assert!(of(a).is_private(), "{a}");
        }
        assert!(v6(&key, "::1".parse().unwrap()).is_loopback());
        let six = v6(&key, "fd00:10:244::1f".parse().unwrap());
        assert!(six.to_string().starts_with("fd00:"), "{six}");
        assert_ne!(six.to_string(), "fd00:10:244::1f");
    }
}
