//! Walks probe packets through a nat table.

/// Where a packet ends up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is redirected to the proxy.
    Redirected,
    /// It goes on as if there were no proxy.
    Bypasses,
}

impl Verdict {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Redirected => "redirected-to-proxy",
            Self::Bypasses => "bypasses-proxy",
        }
    }
}

/// What becomes of the packets that matter.
#[derive(Debug)]
pub(super) struct Verdicts {
    /// A connection from outside to an application port.
    pub(super) inbound: Verdict,
    /// A connection of the application to the outside.
    pub(super) outbound: Verdict,
    /// A connection of the proxy itself to the outside.
    pub(super) proxy_outbound: Verdict,
    /// Destination ports that inbound connections are not redirected for.
    pub(super) inbound_skip: Vec<String>,
    /// Destination ports that outbound connections are not redirected for.
    pub(super) outbound_skip: Vec<String>,
    /// Chains that are neither the kernel's nor the proxy's.
    pub(super) foreign_chains: Vec<String>,
}

/// A TCP packet.
#[derive(Debug, Clone, Copy)]
struct Packet {
    port: u16,
    uid: u32,
    from_loopback: bool,
}

/// The UID that the proxy runs as by default.
const PROXY_UID: u32 = 2102;
/// A port that nobody skips by default.
const APP_PORT: u16 = 54_321;
/// Jumps beyond this are a loop.
const MAX_DEPTH: usize = 16;

pub(super) fn verdicts(rules: &[String]) -> Verdicts {
    let packet = Packet {
        port: APP_PORT,
        uid: 0,
        from_loopback: false,
    };
    let proxy = Packet {
        uid: proxy_uid(rules),
        ..packet
    };
    Verdicts {
        inbound: walk(rules, "PREROUTING", packet, 0).unwrap_or(Verdict::Bypasses),
        outbound: walk(rules, "OUTPUT", packet, 0).unwrap_or(Verdict::Bypasses),
        proxy_outbound: walk(rules, "OUTPUT", proxy, 0).unwrap_or(Verdict::Bypasses),
        inbound_skip: skipped(rules, "PROXY_INIT_REDIRECT"),
        outbound_skip: skipped(rules, "PROXY_INIT_OUTPUT"),
        foreign_chains: foreign_chains(rules),
    }
}

/// The UID that the proxy's own rule names.
fn proxy_uid(rules: &[String]) -> u32 {
    let own = rules
        .iter()
        .find(|r| r.contains("PROXY_INIT_OUTPUT") && r.contains("--uid-owner"));
    own.and_then(|r| option(r, "--uid-owner")?.parse().ok())
        .unwrap_or(PROXY_UID)
}

/// Follows a packet through a chain; `None` when the chain ends without a decision.
fn walk(rules: &[String], chain: &str, packet: Packet, depth: usize) -> Option<Verdict> {
    if depth > MAX_DEPTH {
        return Some(Verdict::Bypasses);
    }
    for rule in rules.iter().filter(|r| option(r, "-A") == Some(chain)) {
        if !matches(rule, packet) {
            continue;
        }
        match option(rule, "-j")
            .or_else(|| option(rule, "-g"))
            .unwrap_or_default()
        {
            "REDIRECT" => return Some(Verdict::Redirected),
            "RETURN" => return None,
            "ACCEPT" | "DNAT" | "SNAT" | "MASQUERADE" | "DROP" => return Some(Verdict::Bypasses),
            "LOG" | "MARK" | "" => {}
            target => {
                if let Some(verdict) = walk(rules, target, packet, depth + 1) {
                    return Some(verdict);
                }
            }
        }
    }
    None
}

/// Whether a packet meets a rule's conditions, as far as probe packets can tell.
fn matches(rule: &str, packet: Packet) -> bool {
    let is_tcp = option(rule, "-p").is_none_or(|p| p == "tcp");
    let loopback = option(rule, "-o")
        .or_else(|| option(rule, "-i"))
        .is_none_or(|i| (i == "lo") == packet.from_loopback);
    let uid = option(rule, "--uid-owner").is_none_or(|u| u.parse() == Ok(packet.uid));
    let ports = option(rule, "--dports").or_else(|| option(rule, "--dport"));
    let port = ports.is_none_or(|ports| ports.split(',').any(|range| is_in(range, packet.port)));
    let to = option(rule, "-d").is_none();
    is_tcp && loopback && uid && port && to
}

fn is_in(range: &str, port: u16) -> bool {
    match range.split_once(':') {
        Some((from, to)) => {
            from.parse().is_ok_and(|f: u16| f <= port) && to.parse().is_ok_and(|t: u16| port <= t)
        }
        None => range.parse() == Ok(port),
    }
}

/// The word after an option.
fn option<'a>(rule: &'a str, name: &str) -> Option<&'a str> {
    let mut words = rule.split_whitespace();
    words.find(|w| *w == name)?;
    words.next()
}

fn skipped(rules: &[String], chain: &str) -> Vec<String> {
    let of_chain = rules
        .iter()
        .filter(|r| option(r, "-A") == Some(chain) && option(r, "-j") == Some("RETURN"));
    let ports = of_chain.filter_map(|r| option(r, "--dports").or_else(|| option(r, "--dport")));
    ports
        .flat_map(|p| p.split(','))
        .map(str::to_owned)
        .collect()
}

fn foreign_chains(rules: &[String]) -> Vec<String> {
    let known = ["PREROUTING", "INPUT", "OUTPUT", "POSTROUTING", "FORWARD"];
    let name = |rule: &str| -> Option<String> {
        let declared = rule.strip_prefix(':').and_then(|r| r.split(' ').next());
        declared.or_else(|| option(rule, "-N")).map(str::to_owned)
    };
    let mut chains: Vec<String> = rules
        .iter()
        .filter_map(|r| name(r))
        .filter(|c| !known.contains(&c.as_str()) && !c.starts_with("PROXY_INIT"))
        .collect();
    chains.sort();
    chains.dedup();
    chains
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(lines: &[&str]) -> Vec<String> {
        lines.iter().map(|l| (*l).to_owned()).collect()
    }

    #[test]
    fn the_tables_that_linkerd_init_makes_redirect_all_but_the_proxy_itself() {
        let rules = table(&[
            "-A PREROUTING -m comment --comment x -j PROXY_INIT_REDIRECT",
            "-A OUTPUT -m comment --comment x -j PROXY_INIT_OUTPUT",
            "-A PROXY_INIT_OUTPUT -m owner --uid-owner 2102 -j RETURN",
            "-A PROXY_INIT_OUTPUT -o lo -j RETURN",
            "-A PROXY_INIT_OUTPUT -p tcp -m multiport --dports 4567,8080 -j RETURN",
            "-A PROXY_INIT_OUTPUT -p tcp -j REDIRECT --to-ports 4140",
            "-A PROXY_INIT_REDIRECT -p tcp -m multiport --dports 4190,4191 -j RETURN",
            "-A PROXY_INIT_REDIRECT -p tcp -j REDIRECT --to-ports 4143",
        ]);
        let verdicts = verdicts(&rules);
        assert_eq!(verdicts.inbound, Verdict::Redirected);
        assert_eq!(verdicts.outbound, Verdict::Redirected);
        assert_eq!(verdicts.proxy_outbound, Verdict::Bypasses);
        assert_eq!(verdicts.outbound_skip, ["4567", "8080"]);
    }

    #[test]
    fn an_empty_table_redirects_nothing_and_a_loop_ends() {
        assert_eq!(
            verdicts(&table(&["-P PREROUTING ACCEPT"])).inbound,
            Verdict::Bypasses
        );
        let looping = table(&["-A OUTPUT -j A", "-A A -j B", "-A B -j A"]);
        assert_eq!(verdicts(&looping).outbound, Verdict::Bypasses);
    }
}
