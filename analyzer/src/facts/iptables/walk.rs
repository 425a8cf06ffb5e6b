//! Walks a packet through a table, as the kernel would.

use std::net::IpAddr;

use super::rules::{Match, Rule, Ruleset, What};

/// A packet that a connection begins with.
#[derive(Debug, Clone)]
pub(super) struct Packet {
    /// `PREROUTING` or `OUTPUT`.
    pub(super) hook: &'static str,
    pub(super) protocol: &'static str,
    pub(super) source: IpAddr,
    pub(super) destination: IpAddr,
    pub(super) port: u16,
    pub(super) interface: &'static str,
    pub(super) uid: u32,
    pub(super) gid: u32,
}

/// What becomes of a packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum End {
    /// To a port of the same pod.
    Redirected(u16),
    /// To another address.
    Translated(String),
    /// On its way as if there were no rules.
    Untouched,
    Dropped,
}

/// The end of a walk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Walk<'a> {
    pub(super) end: End,
    /// The rule that decided, or that let the packet go on; `None` if none did.
    pub(super) rule: Option<&'a Rule>,
    /// The chain's rule of the hook that led there.
    pub(super) entered_by: Option<&'a Rule>,
    /// Whether a rule on the way may have matched as well.
    pub(super) uncertain: bool,
}

/// Jumps beyond this are a loop.
const MAX_DEPTH: usize = 16;

/// Follows a packet from its hook.
pub(super) fn walk<'a>(rules: &'a Ruleset, packet: &Packet) -> Walk<'a> {
    let mut walk = Walk {
        end: End::Untouched,
        rule: None,
        entered_by: None,
        uncertain: false,
    };
    // A rule that returns decides only if nothing after it does.
    if let Step::Ended(end, rule) = chain(rules, packet.hook, packet, &mut walk, 0) {
        walk.end = end;
        walk.rule = Some(rule);
    } else if matches!(rules.policy(packet.hook), "DROP" | "REJECT") {
        walk.end = End::Dropped;
    }
    walk
}

enum Step<'a> {
    Ended(End, &'a Rule),
    /// The chain ended without a decision; the caller goes on.
    Returned,
}

fn chain<'a>(
    rules: &'a Ruleset,
    name: &str,
    packet: &Packet,
    walk: &mut Walk<'a>,
    depth: usize,
) -> Step<'a> {
    if depth > MAX_DEPTH {
        walk.uncertain = true;
        return Step::Returned;
    }
    for rule in rules.rules.iter().filter(|r| r.chain == name) {
        match matches(rule, packet) {
            Some(true) => {}
            Some(false) => continue,
            None => {
                walk.uncertain |= !matches!(rule.target.as_str(), "" | "LOG" | "MARK");
                continue;
            }
        }
        if depth == 0 {
            walk.entered_by = Some(rule);
        }
        let end = match rule.target.as_str() {
            "REDIRECT" => match rule.to.split('-').next().and_then(|p| p.parse().ok()) {
                Some(port) => End::Redirected(port),
                None => End::Redirected(packet.port),
            },
            "DNAT" | "TPROXY" => End::Translated(rule.to.clone()),
            "ACCEPT" | "SNAT" | "MASQUERADE" => End::Untouched,
            "DROP" | "REJECT" => End::Dropped,
            "RETURN" => {
                walk.rule = Some(rule);
                return Step::Returned;
            }
            "" | "LOG" | "MARK" | "CONNMARK" | "NFLOG" | "CT" | "NOTRACK" => continue,
            target => match chain(rules, target, packet, walk, depth + 1) {
                Step::Returned if rule.is_goto => return Step::Returned,
                Step::Returned => continue,
                ended @ Step::Ended(..) => return ended,
            },
        };
        return Step::Ended(end, rule);
    }
    Step::Returned
}

/// Whether a packet meets all of a rule's conditions; `None` if that cannot be told.
fn matches(rule: &Rule, packet: &Packet) -> Option<bool> {
    let mut known = true;
    for condition in &rule.matches {
        match meets(condition, packet) {
            Some(true) => {}
            Some(false) => return Some(false),
            None => known = false,
        }
    }
    known.then_some(true)
}

fn meets(condition: &Match, packet: &Packet) -> Option<bool> {
    let is_out = packet.hook == "OUTPUT";
    let meets = match &condition.what {
        What::Protocol(name) => name == "all" || name == packet.protocol,
        What::In(name) => !is_out && is_interface(name, packet.interface),
        What::Out(name) => is_out && is_interface(name, packet.interface),
        What::Source(range) => is_within(packet.source, range)?,
        What::Destination(range) => is_within(packet.destination, range)?,
        What::Ports(ranges) => ranges
            .iter()
            .any(|(from, to)| (*from..=*to).contains(&packet.port)),
        What::Uid(from, to) => is_out && (*from..=*to).contains(&packet.uid),
        What::Gid(from, to) => is_out && (*from..=*to).contains(&packet.gid),
        What::Unknown(_) => return None,
    };
    Some(meets != condition.negated)
}

/// A name may end in `+`, which stands for anything.
fn is_interface(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('+') {
        Some(start) => name.starts_with(start),
        None => pattern == name,
    }
}

/// Whether an address is in `10.0.0.0/8` or `fd00::1`; `None` if that is no range of addresses.
fn is_within(address: IpAddr, range: &str) -> Option<bool> {
    let (base, length) = match range.split_once('/') {
        Some((base, length)) => (base, Some(length)),
        None => (range, None),
    };
    let base: IpAddr = base.parse().ok()?;
    let (a, b, width) = match (address, base) {
        (IpAddr::V4(a), IpAddr::V4(b)) => (u128::from(a.to_bits()), u128::from(b.to_bits()), 32),
        (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits(), b.to_bits(), 128),
        _ => return Some(false),
    };
    let length = match length {
        None => width,
        Some(text) => match text.parse::<u32>() {
            Ok(length) => length.min(width),
            // Old tools print the mask.
            Err(_) => text
                .parse::<std::net::Ipv4Addr>()
                .ok()?
                .to_bits()
                .leading_ones(),
        },
    };
    let shift = width - length;
    Some(a.checked_shr(shift).unwrap_or(0) == b.checked_shr(shift).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(hook: &'static str, port: u16, uid: u32) -> Packet {
        Packet {
            hook,
            protocol: "tcp",
            source: "10.9.9.9".parse().unwrap(),
            destination: "192.0.2.1".parse().unwrap(),
            port,
            interface: "eth0",
            uid,
            gid: uid,
        }
    }

    const OURS: &str = "-A PREROUTING -j PROXY_INIT_REDIRECT\n-A OUTPUT -j PROXY_INIT_OUTPUT\n\
        -A PROXY_INIT_OUTPUT -m owner --uid-owner 2102 -j RETURN\n\
        -A PROXY_INIT_OUTPUT -o lo -j RETURN\n\
        -A PROXY_INIT_OUTPUT -p tcp -m multiport --dports 4567,4568 -j RETURN\n\
        -A PROXY_INIT_OUTPUT -p tcp -j REDIRECT --to-ports 4140\n\
        -A PROXY_INIT_REDIRECT -p tcp -m multiport --dports 4190,4191 -j RETURN\n\
        -A PROXY_INIT_REDIRECT -p tcp -j REDIRECT --to-ports 4143\n";
    const ISTIO: &str = "-A PREROUTING -p tcp -j ISTIO_INBOUND\n-A OUTPUT -p tcp -j ISTIO_OUTPUT\n\
        -A ISTIO_INBOUND -p tcp -m tcp --dport 15008 -j RETURN\n-A ISTIO_INBOUND -p tcp -j ISTIO_IN_REDIRECT\n\
        -A ISTIO_IN_REDIRECT -p tcp -j REDIRECT --to-ports 15006\n\
        -A ISTIO_OUTPUT -o lo -m owner ! --uid-owner 1337 -j RETURN\n\
        -A ISTIO_OUTPUT -m owner --uid-owner 1337 -j RETURN\n\
        -A ISTIO_OUTPUT -d 127.0.0.1/32 -j RETURN\n-A ISTIO_OUTPUT -j ISTIO_REDIRECT\n\
        -A ISTIO_REDIRECT -p tcp -j REDIRECT --to-ports 15001\n";

    fn ends(text: &str) -> Vec<End> {
        let rules = Ruleset::parse(text);
        let probes = [
            packet("PREROUTING", 8080, 0),
            packet("PREROUTING", 4191, 0),
            packet("OUTPUT", 443, 1000),
            packet("OUTPUT", 8080, 2102),
            packet("OUTPUT", 4567, 1000),
        ];
        probes.iter().map(|p| walk(&rules, p).end).collect()
    }

    #[test]
    fn verdicts_are_what_real_connections_did() {
        use End::{Redirected, Untouched};
        assert_eq!(
            ends(OURS),
            [
                Redirected(4143),
                Untouched,
                Redirected(4140),
                Untouched,
                Untouched
            ]
        );
        let istio_first = ends(&format!("{ISTIO}{OURS}"));
        assert_eq!(
            istio_first,
            [15006, 15006, 15001, 15001, 15001].map(Redirected)
        );
        let istio_second = ends(&format!("{OURS}{ISTIO}"));
        assert_eq!(
            istio_second,
            [4143, 15006, 4140, 15001, 15001].map(Redirected)
        );
    }

    #[test]
    fn an_empty_table_redirects_nothing_and_a_loop_ends() {
        let empty = Ruleset::parse("-P PREROUTING ACCEPT");
        assert_eq!(
            walk(&empty, &packet("PREROUTING", 1, 0)).end,
            End::Untouched
        );
        let dropping = Ruleset::parse(":PREROUTING DROP [0:0]");
        assert_eq!(
            walk(&dropping, &packet("PREROUTING", 1, 0)).end,
            End::Dropped
        );
        let looping = Ruleset::parse("-A OUTPUT -j A\n-A A -j B\n-A B -j A");
        assert!(walk(&looping, &packet("OUTPUT", 1, 0)).uncertain);
    }

    #[test]
    fn a_condition_that_a_probe_cannot_tell_makes_it_uncertain() {
        let rules = Ruleset::parse("-A OUTPUT -m conntrack --ctstate NEW -j DROP");
        let walk = walk(&rules, &packet("OUTPUT", 1, 0));
        assert_eq!((walk.end, walk.uncertain), (End::Untouched, true));
    }

    #[test]
    fn ranges_of_addresses_are_compared_by_their_mask() {
        let address: IpAddr = "10.1.2.3".parse().unwrap();
        assert_eq!(is_within(address, "10.0.0.0/8"), Some(true));
        assert_eq!(is_within(address, "10.0.0.0/255.0.0.0"), Some(true));
        assert_eq!(is_within(address, "0.0.0.0/0"), Some(true));
        assert_eq!(is_within(address, "10.1.2.4"), Some(false));
        assert_eq!(is_within(address, "fd00::/8"), Some(false));
        assert_eq!(is_within(address, "host"), None);
    }
}
