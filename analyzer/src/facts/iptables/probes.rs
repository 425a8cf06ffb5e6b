//! Probe packets: what becomes of the connections that matter, and what should.

use std::net::IpAddr;

use super::log::Settings;
use super::rules::{Rule, Ruleset};
use super::walk::{End, Packet, walk};

/// A probe and what became of it.
#[derive(Debug, Clone)]
pub(super) struct Probe<'a> {
    /// Which probe: `inbound-app`, `inbound-admin`, …
    pub(super) name: &'static str,
    pub(super) packet: Packet,
    pub(super) verdict: &'static str,
    pub(super) wanted: &'static str,
    /// The port that it is redirected to.
    pub(super) to: Option<u16>,
    pub(super) rule: Option<&'a Rule>,
    pub(super) entered_by: Option<&'a Rule>,
    pub(super) uncertain: bool,
}

impl Probe<'_> {
    pub(super) fn is_as_wanted(&self) -> bool {
        self.verdict == self.wanted
    }

    /// Whether it is a connection that a list of ports to skip leads around the proxy.
    pub(super) fn is_skipped(&self) -> bool {
        matches!(self.name, "inbound-skipped" | "outbound-skipped")
    }
}

/// What is known of the pod whose packets are walked.
#[derive(Debug, Clone, Default)]
pub(super) struct Subject {
    pub(super) inbound_port: u16,
    pub(super) outbound_port: u16,
    pub(super) proxy_uid: u32,
    pub(super) proxy_gid: u32,
    /// Ports that the pod's containers declare.
    pub(super) ports: Vec<u16>,
    pub(super) is_ipv6: bool,
}

/// What a packet's way is called when it goes past the proxy.
pub(super) const BYPASSES: &str = "bypasses-proxy";
/// And when it is led to the proxy.
pub(super) const REDIRECTED: &str = "redirected-to-proxy";

/// A port that nobody skips or uses by chance.
const SOME_PORT: u16 = 54_321;
/// The user of an application.
const APP_UID: u32 = 10_001;
/// Of a pod with many ports, the first are probed.
const MAX_PORTS: usize = 8;

/// Walks every probe through a table.
pub(super) fn all<'a>(
    rules: &'a Ruleset,
    subject: &Subject,
    settings: &Settings,
) -> Vec<Probe<'a>> {
    let is_skipped = |skip: &[(u16, u16)], port: u16| {
        skip.iter().any(|(from, to)| (*from..=*to).contains(&port))
    };
    let mut probes = Vec::new();
    let mut add =
        |name, packet: Packet, wanted| probes.push(probe(rules, subject, name, packet, wanted));
    let mut ports = subject.ports.clone();
    ports.retain(|p| !matches!(p, 4143 | 4190 | 4191));
    ports.truncate(MAX_PORTS);
    if ports.is_empty() {
        ports.push(SOME_PORT);
    }
    for port in ports {
        let skipped = is_skipped(&settings.inbound_skip, port);
        let name = if skipped {
            "inbound-skipped"
        } else {
            "inbound-app"
        };
        let wanted = if skipped { BYPASSES } else { REDIRECTED };
        add(name, inbound(subject, port), wanted);
    }
    add("inbound-admin", inbound(subject, 4191), BYPASSES);
    add("inbound-control", inbound(subject, 4190), BYPASSES);
    add(
        "outbound-app",
        outbound(subject, SOME_PORT, APP_UID),
        REDIRECTED,
    );
    let own = Packet {
        gid: subject.proxy_gid,
        ..outbound(subject, 8080, subject.proxy_uid)
    };
    add("outbound-proxy", own, BYPASSES);
    for (from, _) in &settings.outbound_skip {
        add(
            "outbound-skipped",
            outbound(subject, *from, APP_UID),
            BYPASSES,
        );
    }
    let dns = Packet {
        protocol: "udp",
        ..outbound(subject, 53, APP_UID)
    };
    add("outbound-dns", dns, BYPASSES);
    let loopback = Packet {
        interface: "lo",
        destination: address(subject, "127.0.0.1", "::1"),
        ..outbound(subject, 8080, APP_UID)
    };
    add("loopback", loopback, BYPASSES);
    probes
}

fn address(subject: &Subject, v4: &str, v6: &str) -> IpAddr {
    let text = if subject.is_ipv6 { v6 } else { v4 };
    text.parse()
        .unwrap_or(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST))
}

fn inbound(subject: &Subject, port: u16) -> Packet {
    Packet {
        hook: "PREROUTING",
        protocol: "tcp",
        // Addresses for documentation, which no rule names.
        source: address(subject, "198.51.100.7", "2001:db8::7"),
        destination: address(subject, "203.0.113.9", "2001:db8:1::9"),
        port,
        interface: "eth0",
        uid: 0,
        gid: 0,
    }
}

fn outbound(subject: &Subject, port: u16, uid: u32) -> Packet {
    Packet {
        hook: "OUTPUT",
        source: address(subject, "203.0.113.9", "2001:db8:1::9"),
        destination: address(subject, "198.51.100.7", "2001:db8::7"),
        uid,
        gid: uid,
        ..inbound(subject, port)
    }
}

fn probe<'a>(
    rules: &'a Ruleset,
    subject: &Subject,
    name: &'static str,
    packet: Packet,
    wanted: &'static str,
) -> Probe<'a> {
    let walk = walk(rules, &packet);
    let is_inbound = packet.hook == "PREROUTING";
    let proxy = if is_inbound {
        subject.inbound_port
    } else {
        subject.outbound_port
    };
    let verdict = match walk.end {
        End::Redirected(port) if port == proxy && name == "outbound-proxy" => "loops",
        End::Redirected(port) if port == proxy => REDIRECTED,
        End::Redirected(_) => "redirected-elsewhere",
        End::Translated(_) => "sent-elsewhere",
        End::Untouched => BYPASSES,
        End::Dropped => "dropped",
    };
    let to = match walk.end {
        End::Redirected(port) => Some(port),
        _ => None,
    };
    Probe {
        name,
        packet,
        verdict,
        wanted,
        to,
        rule: walk.rule,
        entered_by: walk.entered_by,
        uncertain: walk.uncertain,
    }
}
