//! Why linkerd-init failed, told by what it printed.

/// A failure: one word that rules can compare, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) reason: &'static str,
    pub(super) message: String,
    pub(super) line: u64,
}

/// Reasons with the words that tell of them, the most telling first.
const REASONS: [(&str, &[&str]); 13] = [
    // File capabilities cannot be raised when the container may not have them.
    (
        "capabilities",
        &[
            "linkerd2-proxy-init: operation not permitted",
            "proxy-init: operation not permitted",
            "save: operation not permitted",
            "nft: operation not permitted",
            "legacy: operation not permitted",
            "fork/exec",
        ],
    ),
    (
        "binary",
        &[
            "valid values are only",
            "executable file not found",
            "failed to execute",
            "no suitable binaries found",
        ],
    ),
    ("lock", &["xtables lock", "xtables.lock"]),
    ("chain-exists", &["chain already exists"]),
    (
        "ports",
        &[
            "invalid port/service",
            "must be a valid tcp port number",
            "is not a valid cidr",
            "invalid cidr",
        ],
    ),
    ("ipv6", &["ip6tables", "host/network `"]),
    (
        "permission",
        &[
            "permission denied",
            "must be root",
            "operation not permitted",
        ],
    ),
    (
        "kernel",
        &[
            "do you need to insmod",
            "table does not exist",
            "can't initialize iptables",
            "failed to initialize nft",
            "protocol not supported",
            "no chain/target/match by that name",
            "missing kernel module",
            "rule_append failed",
            "could not fetch rule set generation id",
            "modprobe",
            "iptables who?",
        ],
    ),
    (
        "network-validator",
        &[
            "unable to connect to validator",
            "failed to validate networking configuration",
            "failed to validate",
        ],
    ),
    ("sysctl", &["sysctl"]),
    (
        "usage",
        &["unknown flag", "unknown shorthand flag", "invalid argument"],
    ),
    (
        "exit",
        &[
            "exit status",
            "aborting firewall configuration",
            "could not configure firewall",
        ],
    ),
    ("other", &["error: ", "level=fatal", "panic:"]),
];

/// The reason that a message tells of, with its rank; `None` if it tells of none.
fn reason(message: &str) -> Option<(usize, &'static str)> {
    let lower = message.to_ascii_lowercase();
    let found = REASONS
        .iter()
        .enumerate()
        .find(|(_, (_, words))| words.iter().any(|w| lower.contains(w)));
    found.map(|(rank, (reason, _))| (rank, *reason))
}

/// Collects the most telling message of a log.
#[derive(Debug, Default)]
pub(super) struct Failures {
    best: Option<(usize, Failure)>,
    /// Whether the program itself said that it ends with an error.
    pub(super) is_fatal: bool,
    /// Entries of skip lists that were passed over.
    pub(super) invalid_ports: Vec<String>,
}

impl Failures {
    pub(super) fn take(&mut self, message: &str, line: u64) {
        let text = message.trim();
        if text.contains("invalid port configuration of") {
            self.invalid_ports.push(text.to_owned());
            return;
        }
        let is_last_word =
            text.starts_with("Error: ") || text.starts_with("exec ") || text.starts_with("exec:");
        self.is_fatal |=
            is_last_word || text.eq_ignore_ascii_case("aborting firewall configuration");
        // Help texts name flags and files that also stand in messages.
        if text.starts_with('-') || text.starts_with("# ") {
            return;
        }
        let Some((rank, reason)) = reason(text) else {
            return;
        };
        if self.best.as_ref().is_none_or(|(best, _)| rank < *best) {
            let message = text
                .lines()
                .find(|l| self::reason(l).is_some_and(|(r, _)| r == rank));
            let message = message.unwrap_or(text).trim().to_owned();
            self.best = Some((
                rank,
                Failure {
                    reason,
                    message,
                    line,
                },
            ));
        }
    }

    pub(super) fn finish(self) -> Option<Failure> {
        self.best.map(|(_, failure)| failure)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_sorted_by_what_would_mend_them() {
        for (text, wanted) in [
            (
                "exec /usr/lib/linkerd/linkerd2-proxy-init: operation not permitted",
                "capabilities",
            ),
            (
                "Error: fork/exec /usr/sbin/iptables-nft-save: operation not permitted",
                "capabilities",
            ),
            (
                "Error: --firewall-bin-path valid values are only \"iptables\"",
                "binary",
            ),
            (
                "Error: exec: \"iptables-nft-save\": executable file not found in $PATH",
                "binary",
            ),
            (
                "iptables-nft-save v1.8.9 (nf_tables): Could not fetch rule set generation id: Permission denied (you must be root)",
                "permission",
            ),
            (
                "iptables-nft-save v1.8.9 (nf_tables): Could not fetch rule set generation id: Invalid argument",
                "kernel",
            ),
            (
                "iptables-save v1.8.9 (legacy): Cannot initialize: iptables who? (do you need to insmod?)",
                "kernel",
            ),
            (
                "Fatal: can't open lock file /run/xtables.lock: Read-only file system",
                "lock",
            ),
            ("Another app is currently holding the xtables lock", "lock"),
            (
                "ip6tables v1.8.9 (nf_tables): host/network `10.0.0.0' not found",
                "ipv6",
            ),
            (
                "iptables v1.8.9: invalid port/service `' specified",
                "ports",
            ),
            ("iptables: Chain already exists.", "chain-exists"),
            ("aborting firewall configuration", "exit"),
        ] {
            assert_eq!(reason(text).map(|(_, r)| r), Some(wanted), "{text}");
        }
        assert_eq!(
            reason("/usr/sbin/iptables-nft -t nat -N PROXY_INIT_REDIRECT"),
            None
        );
    }

    #[test]
    fn the_most_telling_message_wins_over_the_last() {
        let mut failures = Failures::default();
        failures.take("iptables-nft-save v1.8.9 (nf_tables): Could not fetch rule set generation id: Permission denied (you must be root)\n", 2);
        failures.take("aborting firewall configuration", 3);
        failures.take("Error: exit status 4", 4);
        assert!(failures.is_fatal);
        let failure = failures.finish().unwrap();
        assert_eq!((failure.reason, failure.line), ("permission", 2));
    }
}
