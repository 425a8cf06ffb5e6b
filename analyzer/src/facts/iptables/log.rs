//! What an init container's log says about iptables.

/// An init container's log, read.
#[derive(Debug, Default, PartialEq)]
pub struct InitLog {
    pub(in crate::facts) entry: String,
    pub(super) namespace: String,
    pub(super) pod: String,
    pub(super) container: String,
    pub(super) previous: bool,
    /// Commands run.
    pub(super) commands: u64,
    /// `nft`, `legacy` or `plain`.
    pub(super) backend: String,
    /// The message of the failure, if it failed.
    pub(super) failure: Option<String>,
    /// The line that the row's evidence points at.
    pub(super) line: u64,
    /// The rules of the last nat table that was printed, in the syntax of `iptables -S`.
    pub(super) rules: Option<Vec<String>>,
    /// Whether a printed table had the proxy's chains at some time.
    pub(super) had_proxy_chains: bool,
    /// Whether a printed table lost the proxy's chains, or a command flushed it.
    pub(super) flushed: bool,
    pub(super) flush_line: String,
}

impl InitLog {
    /// What kind of failure it is, in one word that rules can compare.
    pub(super) fn failure_kind(&self) -> &'static str {
        let text = self
            .failure
            .as_deref()
            .unwrap_or_default()
            .to_ascii_lowercase();
        let kinds: [(&str, &[&str]); 7] = [
            (
                "binary",
                &[
                    "valid values are only",
                    "executable file not found",
                    "no such file",
                ],
            ),
            ("lock", &["xtables lock"]),
            ("ipv6", &["ip6tables"]),
            (
                "permission",
                &[
                    "operation not permitted",
                    "permission denied",
                    "must be root",
                ],
            ),
            (
                "kernel",
                &[
                    "can't initialize iptables table",
                    "table does not exist",
                    "failed to initialize nft",
                    "protocol not supported",
                    "no chain/target/match",
                    "incompatible",
                ],
            ),
            ("usage", &["unknown flag", "usage:", "invalid argument"]),
            ("exit", &["exit status", "aborting"]),
        ];
        let found = kinds
            .iter()
            .find(|(_, words)| words.iter().any(|w| text.contains(w)));
        match found {
            Some((kind, _)) => kind,
            None if text.is_empty() => "",
            None => "other",
        }
    }
}

/// Words that tell of a failure in linkerd-init's own log.
const FAILURES: [&str; 14] = [
    "operation not permitted",
    "permission denied",
    "valid values are only",
    "executable file not found",
    "xtables lock",
    "can't initialize iptables",
    "table does not exist",
    "failed to initialize nft",
    "no chain/target/match",
    "aborting firewall configuration",
    "exit status",
    "unknown flag",
    "level=fatal",
    "level=error",
];

/// Reads a log; `None` if it says nothing of iptables.
pub(super) fn parse(bytes: &[u8], is_linkerd: bool) -> Option<InitLog> {
    let content = String::from_utf8_lossy(bytes);
    let mut log = InitLog {
        line: 1,
        ..InitLog::default()
    };
    let mut tables = Tables::default();
    let mut speaks = is_linkerd;
    for (number, line) in content.lines().enumerate() {
        let text = without_stamp(line);
        let message = logrus_message(text);
        let number = number as u64 + 1;
        for part in message.split('\n') {
            speaks |= tables.take(part);
        }
        if is_linkerd && log.failure.is_none() && is_failure(text) {
            log.failure = Some(message.trim().to_owned());
            log.line = number;
        }
        let command = message.trim_start();
        if command.contains("iptables") && !command.starts_with('#') && command.contains(" -t ") {
            log.commands += 1;
            backend(command).clone_into(&mut log.backend);
            speaks = true;
        }
        if !is_linkerd && is_flush(command) {
            (log.flushed, log.flush_line, log.line) = (true, command.to_owned(), number);
            speaks = true;
        }
    }
    if !is_linkerd && tables.lost_proxy_chains() {
        log.flushed = true;
        log.line = content.lines().count() as u64;
        log.flush_line = tables.last_lines();
    }
    log.had_proxy_chains = tables.had_proxy_chains;
    log.rules = tables.last;
    // Help texts and other programs' flags mention iptables too: only tables and commands count.
    (speaks && (is_linkerd || log.rules.is_some() || log.flushed)).then_some(log)
}

fn is_failure(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    FAILURES.iter().any(|words| lower.contains(words))
}

fn backend(command: &str) -> &'static str {
    if command.contains("-nft") {
        "nft"
    } else if command.contains("-legacy") {
        "legacy"
    } else {
        "plain"
    }
}

/// A command that empties the nat table or throws away the proxy's chains.
fn is_flush(command: &str) -> bool {
    let words: Vec<&str> = command.split_whitespace().collect();
    let runs_iptables = words.iter().any(|w| w.contains("iptables"));
    let empties = words
        .windows(2)
        .any(|w| matches!(w, ["-F" | "--flush" | "-X", _]))
        || words
            .last()
            .is_some_and(|w| matches!(*w, "-F" | "--flush" | "-X"));
    runs_iptables && empties
}

/// The line without a kubelet timestamp.
fn without_stamp(line: &str) -> &str {
    match line.split_once(' ') {
        Some((stamp, rest))
            if stamp.len() >= 20 && stamp.ends_with('Z') && stamp.starts_with('2') =>
        {
            rest
        }
        _ => line,
    }
}

/// The message of a logrus line, its escapes undone; the line itself if it is none.
fn logrus_message(text: &str) -> String {
    match text.split_once(" msg=\"") {
        Some((_, rest)) => {
            let body = rest.rsplit_once('"').map_or(rest, |(body, _)| body);
            body.replace("\\n", "\n")
                .replace("\\t", "\t")
                .replace("\\\"", "\"")
        }
        None => text
            .split_once(" msg=")
            .map_or(text, |(_, rest)| rest)
            .to_owned(),
    }
}

/// Follows tables as they are printed, by `iptables-save` or `iptables -S`.
#[derive(Default)]
struct Tables {
    open: Option<Vec<String>>,
    last: Option<Vec<String>>,
    had_proxy_chains: bool,
}

impl Tables {
    /// Takes a line; true if it belongs to a table.
    fn take(&mut self, line: &str) -> bool {
        let line = line.trim();
        if line == "*nat" || line.starts_with("-P PREROUTING") {
            self.close();
            self.open = Some(Vec::new());
        } else if line == "COMMIT" || (line.starts_with('*') && line.len() < 20) {
            self.close();
            return line == "COMMIT";
        }
        let is_part = line.starts_with(':')
            || line.starts_with('*')
            || ["-A ", "-N ", "-P "].iter().any(|p| line.starts_with(p));
        if is_part && let Some(open) = &mut self.open {
            open.push(line.to_owned());
            self.had_proxy_chains |= line.contains("PROXY_INIT");
            self.last = Some(open.clone());
            return true;
        }
        false
    }

    fn close(&mut self) {
        if let Some(open) = self.open.take() {
            self.last = Some(open);
        }
    }

    /// Whether the last table has none of the proxy's chains although it is a whole one.
    fn lost_proxy_chains(&self) -> bool {
        self.last.as_ref().is_some_and(|rules| {
            !rules.is_empty() && !rules.iter().any(|r| r.contains("PROXY_INIT"))
        })
    }

    fn last_lines(&self) -> String {
        self.last.as_deref().unwrap_or_default().join("; ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAVE: &str = r#"2026-11-23T00:50:40.1Z time="x" level=info msg="/usr/sbin/iptables-nft -t nat -N PROXY_INIT_REDIRECT"
2026-11-23T00:50:41.1Z time="x" level=info msg="*nat\n:PREROUTING ACCEPT [0:0]\n:PROXY_INIT_REDIRECT - [0:0]\n-A PREROUTING -j PROXY_INIT_REDIRECT\nCOMMIT\n"
"#;

    #[test]
    fn commands_backend_and_the_last_table_are_read() {
        let log = parse(SAVE.as_bytes(), true).unwrap();
        assert_eq!((log.commands, log.backend.as_str()), (1, "nft"));
        assert_eq!(log.rules.unwrap().len(), 4);
        assert_eq!(log.failure, None);
    }

    #[test]
    fn a_table_that_is_printed_without_the_proxys_chains_is_flushed() {
        let text =
            "-P PREROUTING ACCEPT\n-N PROXY_INIT_OUTPUT\n-P PREROUTING ACCEPT\n-P OUTPUT ACCEPT\n";
        assert!(parse(text.as_bytes(), false).unwrap().flushed);
        assert!(parse(b"+ iptables -t nat -F\n", false).unwrap().flushed);
        assert_eq!(parse(b"connecting to the database\n", false), None);
    }

    #[test]
    fn failures_are_sorted_by_what_would_mend_them() {
        let kind = |text: &str| parse(text.as_bytes(), true).unwrap().failure_kind();
        assert_eq!(
            kind("exec /usr/lib/linkerd/linkerd2-proxy-init: operation not permitted"),
            "permission"
        );
        assert_eq!(
            kind("Error: --firewall-bin-path valid values are only \"iptables\""),
            "binary"
        );
        assert_eq!(
            kind("level=error msg=\"aborting firewall configuration\""),
            "exit"
        );
        assert_eq!(kind("all is well"), "");
    }
}
