//! What is odd about a table or a run, in words that rules can compare.

use std::collections::BTreeSet;

use super::dump::Dump;
use super::log::{InitLog, Settings};
use super::probes::Subject;
use super::rules::{Rule, Ruleset, What};

/// Chains that the kernel brings along.
const BUILT_IN: [&str; 5] = ["PREROUTING", "INPUT", "OUTPUT", "POSTROUTING", "FORWARD"];

/// Whose chains begin like this.
const OWNERS: [(&str, &str); 10] = [
    ("ISTIO_", "istio"),
    ("KUMA_MESH_", "kuma"),
    ("CONSUL_PROXY_", "consul"),
    ("APPMESH_", "app-mesh"),
    ("OSM_PROXY_", "osm"),
    ("KUBE-", "kube-proxy"),
    ("DOCKER", "docker"),
    ("CNI-", "cni-portmap"),
    ("cali-", "calico"),
    ("CILIUM_", "cilium"),
];

/// Chains that are neither the kernel's nor the proxy's, and rules that others put into the
/// kernel's.
pub(super) fn foreign(rules: &Ruleset) -> Vec<String> {
    let is_ours = |chain: &str| chain.starts_with("PROXY_INIT_");
    let named = rules.chains.iter().map(|(name, _)| name.as_str());
    let used = rules.rules.iter().map(|r| r.chain.as_str());
    let chains = named.chain(used);
    let others = chains.filter(|c| !BUILT_IN.contains(c) && !is_ours(c));
    let mut found: BTreeSet<String> = others.map(str::to_owned).collect();
    let direct = rules.rules.iter().filter(|r| {
        BUILT_IN.contains(&r.chain.as_str()) && !is_ours(&r.target) && !r.target.is_empty()
    });
    found.extend(
        direct
            .filter(|r| BUILT_IN_TARGETS.contains(&r.target.as_str()))
            .map(|r| r.text.clone()),
    );
    found.into_iter().collect()
}

const BUILT_IN_TARGETS: [&str; 8] = [
    "REDIRECT",
    "DNAT",
    "SNAT",
    "MASQUERADE",
    "ACCEPT",
    "DROP",
    "REJECT",
    "RETURN",
];

/// Who made the foreign chains, as far as their names tell.
pub(super) fn owners(foreign: &[String]) -> Vec<&'static str> {
    let of = |chain: &String| {
        let found = OWNERS.iter().find(|(start, _)| chain.starts_with(start));
        found.map(|(_, owner)| *owner)
    };
    let owners: BTreeSet<&str> = foreign.iter().filter_map(of).collect();
    owners.into_iter().collect()
}

/// What is odd about the tables after linkerd-init ran.
pub(super) fn of_rules(
    rules: &Ruleset,
    settings: &Settings,
    subject: &Subject,
) -> Vec<&'static str> {
    let mut found = Vec::new();
    let jumps = |hook, chain: &str| rules.of_chain(hook).filter(|r| r.target == chain).count();
    for (hook, chain, none) in [
        ("PREROUTING", "PROXY_INIT_REDIRECT", "no-inbound-jump"),
        ("OUTPUT", "PROXY_INIT_OUTPUT", "no-outbound-jump"),
    ] {
        match jumps(hook, chain) {
            0 => found.push(none),
            1 => {}
            _ => found.push("duplicate-jumps"),
        }
        if rules.of_chain(chain).all(|r| r.target != "REDIRECT") {
            found.push(if hook == "OUTPUT" {
                "no-outbound-redirect"
            } else {
                "no-inbound-redirect"
            });
        }
        if is_out_of_order(rules.of_chain(chain)) {
            found.push("redirect-before-return");
        }
        if matches!(rules.policy(hook), "DROP" | "REJECT") {
            found.push("policy-drop");
        }
    }
    let excluded = settings.proxy_uids.contains(&subject.proxy_uid)
        || settings.proxy_gids.contains(&subject.proxy_gid);
    if !excluded {
        found.push("proxy-user-not-excluded");
    }
    if settings.proxy_uids.len() > 1 {
        found.push("more-users-excluded");
    }
    let is_wrong = |port: Option<u16>, wanted| port.is_some_and(|p| p != wanted);
    if is_wrong(settings.inbound_port, subject.inbound_port)
        || is_wrong(settings.outbound_port, subject.outbound_port)
    {
        found.push("wrong-proxy-port");
    }
    if has_duplicates(rules) {
        found.push("duplicate-rules");
    }
    if has_mixed_comments(rules) {
        found.push("rules-of-several-runs");
    }
    if rules.rules.iter().any(is_udp_capture) {
        found.push("udp-captured");
    }
    found
}

/// Whether a rule that takes everything stands before one that lets something through.
fn is_out_of_order<'a>(rules: impl Iterator<Item = &'a Rule>) -> bool {
    let mut caught_all = false;
    for rule in rules {
        let is_narrow = rule
            .matches
            .iter()
            .any(|m| !matches!(m.what, What::Protocol(_)));
        if caught_all && rule.target == "RETURN" {
            return true;
        }
        caught_all |= rule.target == "REDIRECT" && !is_narrow;
    }
    false
}

/// The comment without the time of the run that proxy-init wrote until 2.15.
fn bare_comment(rule: &Rule) -> (&str, Option<u64>) {
    let Some((bare, stamp)) = rule.comment.rsplit_once('/') else {
        return (&rule.comment, None);
    };
    match stamp.parse::<u64>() {
        Ok(time) if time > 1_000_000_000 => (bare, Some(time)),
        _ => (&rule.comment, None),
    }
}

fn has_duplicates(rules: &Ruleset) -> bool {
    let mut seen = BTreeSet::new();
    let ours = rules
        .rules
        .iter()
        .filter(|r| r.chain.starts_with("PROXY_INIT_"));
    ours.map(|r| {
        (
            &r.chain,
            bare_comment(r).0,
            format!("{:?}", r.matches),
            &r.target,
        )
    })
    .any(|rule| !seen.insert(rule))
}

fn has_mixed_comments(rules: &Ruleset) -> bool {
    let ours = rules
        .rules
        .iter()
        .filter(|r| r.comment.starts_with("proxy-init/"));
    let stamps: BTreeSet<Option<u64>> = ours.map(|r| bare_comment(r).1).collect();
    stamps.len() > 1
}

fn is_udp_capture(rule: &Rule) -> bool {
    let is_udp = rule
        .matches
        .iter()
        .any(|m| m.what == What::Protocol("udp".to_owned()) && !m.negated);
    is_udp && matches!(rule.target.as_str(), "REDIRECT" | "DNAT" | "TPROXY")
}

/// What is odd about a run of linkerd-init.
pub(super) fn of_run(log: &InitLog, settings: &Settings) -> Vec<&'static str> {
    let checks = of_log(log).into_iter().chain(of_settings(settings));
    let present = checks.filter(|(_, is_present)| *is_present);
    present.map(|(name, _)| name).collect()
}

type Check = (&'static str, bool);

fn of_log(log: &InitLog) -> [Check; 10] {
    let dumps = || log.before.iter().chain(&log.after);
    let has_warning = |words: &str| log.warnings.iter().any(|w| w.contains(words));
    let backends: BTreeSet<&str> = dumps()
        .map(|d| d.backend)
        .filter(|b| !b.is_empty())
        .collect();
    let is_silent = dumps().next().is_none() && log.failure.is_none();
    // Else it may be an excerpt, which lacks the tables.
    let asks_for_all = log
        .settings
        .inbound_port
        .and(log.settings.outbound_port)
        .is_some();
    let is_first_container = log.container == "linkerd-init";
    let has_rules = |dump: &Dump| dump.text.lines().any(|l| l.starts_with("-A "));
    let others = |words: &[&str]| {
        let has = |line: &String| words.iter().any(|w| line.contains(w));
        log.other_tables.iter().any(has)
    };
    [
        ("skipped", log.skipped),
        ("simulated", is_silent && asks_for_all),
        (
            "nothing-logged",
            is_silent && is_first_container && log.commands == 0 && !log.skipped,
        ),
        ("after-cut", log.after.iter().any(|d| !d.is_complete)),
        (
            "legacy-and-nft",
            has_warning("legacy tables present") || backends.len() > 1,
        ),
        ("native-nft-rules", has_warning("use 'nft' tool")),
        ("invalid-port-entry", !log.invalid_ports.is_empty()),
        (
            "rules-existed-before",
            log.is_linkerd && log.before.iter().any(has_rules),
        ),
        ("no-tracking", others(&["NOTRACK", "notrack"])),
        ("dropped-elsewhere", others(&["DROP", "REJECT"])),
    ]
}

fn of_settings(settings: &Settings) -> [Check; 4] {
    let is_wide = |(from, to): &(u16, u16)| to.saturating_sub(*from) > 1000;
    let is_wide_subnet = |subnet: &String| {
        let length = subnet.rsplit_once('/');
        let length = length.and_then(|(_, length)| length.parse::<u8>().ok());
        length.is_some_and(|length| length <= 8)
    };
    let mut skipped = settings.inbound_skip.iter().chain(&settings.outbound_skip);
    [
        ("wide-skip", skipped.any(is_wide)),
        ("wide-subnet", settings.subnets.iter().any(is_wide_subnet)),
        ("subnets-skipped", !settings.subnets.is_empty()),
        ("only-listed-ports", settings.only_listed),
    ]
}
