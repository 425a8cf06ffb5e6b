//! What an init container's log says about iptables.

use bundle::layout::EntryKind;

use super::dump::{Dump, Dumps};
use super::failure::{Failure, Failures};
use super::line::{command, message};
use super::rules::{Rule, Ruleset, What, rule};
use crate::evidence::Subject;

/// An init container's log, read.
#[derive(Debug, Default, PartialEq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each tells of another line of the log; any of them can come together"
)]
pub struct InitLog {
    pub(in crate::facts) entry: String,
    /// What findings about its lines are about.
    pub(super) about: Option<Subject>,
    pub(super) namespace: String,
    pub(super) pod: String,
    pub(super) container: String,
    pub(super) previous: bool,
    /// Whether the container is Linkerd's own.
    pub(super) is_linkerd: bool,
    /// Calls that change tables.
    pub(super) commands: u64,
    /// `nft`, `legacy` or `plain`; empty without a call.
    pub(super) backend: &'static str,
    pub(super) has_ipv6_pass: bool,
    pub(super) failure: Option<Failure>,
    pub(super) is_fatal: bool,
    pub(super) invalid_ports: Vec<String>,
    /// The nat tables before anything was changed, one for each family of addresses.
    pub(super) before: Vec<Dump>,
    /// The nat tables that were printed last.
    pub(super) after: Vec<Dump>,
    /// Lines with `NOTRACK`, `TPROXY`, `DROP` or `REJECT` in other tables.
    pub(super) other_tables: Vec<String>,
    /// Whether the rules of an earlier run were kept.
    pub(super) skipped: bool,
    /// A command that empties the nat table, and its line.
    pub(super) flush: Option<(u64, String)>,
    /// Whether a table in this log had the proxy's chains.
    pub(super) had_proxy_chains: bool,
    pub(super) warnings: Vec<String>,
    /// What the commands asked for.
    pub(super) settings: Settings,
}

impl InitLog {
    /// The entry, if its path did not tell whose log it is.
    pub(crate) fn unsettled(&self) -> Option<&str> {
        self.namespace.is_empty().then_some(self.entry.as_str())
    }

    /// Takes its tables for those that linkerd-init left, if they have the proxy's chains: somebody printed
    /// them later, so nothing stood before them.
    pub(super) fn take_as_saved(&mut self) {
        self.before.clear();
        self.is_linkerd = self.had_proxy_chains;
    }

    /// Notes whose log it is after all; false if that is still not known.
    pub(crate) fn settle(&mut self, log: Option<EntryKind>) -> bool {
        if let Some(EntryKind::PodLog {
            namespace,
            pod,
            container,
            previous,
        }) = log
        {
            self.is_linkerd = super::INIT.contains(&container.as_str());
            (self.namespace, self.pod, self.container) = (namespace, pod, container);
            self.previous = previous;
        }
        !self.container.is_empty()
    }
}

/// What linkerd-init was told to do, read from its commands or from the tables.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Settings {
    pub(super) inbound_port: Option<u16>,
    pub(super) outbound_port: Option<u16>,
    pub(super) proxy_uids: Vec<u32>,
    pub(super) proxy_gids: Vec<u32>,
    pub(super) inbound_skip: Vec<(u16, u16)>,
    pub(super) outbound_skip: Vec<(u16, u16)>,
    pub(super) subnets: Vec<String>,
    /// Whether only some inbound ports are redirected.
    pub(super) only_listed: bool,
}

impl Settings {
    /// What a table asks for.
    pub(super) fn of(rules: &Ruleset) -> Self {
        let mut settings = Self::default();
        for rule in &rules.rules {
            settings.take(rule);
        }
        settings
    }

    fn take(&mut self, rule: &Rule) {
        let is_inbound = match rule.chain.as_str() {
            "PROXY_INIT_REDIRECT" => true,
            "PROXY_INIT_OUTPUT" => false,
            _ => return,
        };
        let ports = rule.matches.iter().find_map(|m| match &m.what {
            What::Ports(ports) => Some(ports),
            _ => None,
        });
        if rule.target == "REDIRECT" {
            let port = if is_inbound {
                &mut self.inbound_port
            } else {
                &mut self.outbound_port
            };
            *port = rule.to.parse().ok().or(*port);
            self.only_listed |= is_inbound && ports.is_some();
            return;
        }
        if rule.target != "RETURN" {
            return;
        }
        if let Some(ports) = ports {
            let skip = if is_inbound {
                &mut self.inbound_skip
            } else {
                &mut self.outbound_skip
            };
            skip.extend(ports);
        }
        for condition in &rule.matches {
            match &condition.what {
                What::Uid(uid, _) => self.proxy_uids.push(*uid),
                What::Gid(gid, _) => self.proxy_gids.push(*gid),
                What::Source(subnet) if is_inbound => self.subnets.push(subnet.clone()),
                _ => {}
            }
        }
    }
}

/// Reads a log; `None` if it says nothing of iptables.
pub(super) fn parse(bytes: &[u8], is_linkerd: bool) -> Option<InitLog> {
    let content = String::from_utf8_lossy(bytes);
    let mut reader = Reader {
        log: InitLog {
            is_linkerd,
            ..InitLog::default()
        },
        dumps: Dumps::default(),
        failures: Failures::default(),
        first_change: None,
    };
    for (number, line) in content.lines().enumerate() {
        reader.take(line, number as u64 + 1);
    }
    let log = reader.finish();
    // Help texts and other programs' flags mention iptables too: only tables and commands count.
    let shows = !log.after.is_empty() || !log.other_tables.is_empty() || !log.warnings.is_empty();
    let speaks = is_linkerd || shows || log.flush.is_some();
    speaks.then_some(log)
}

struct Reader {
    log: InitLog,
    dumps: Dumps,
    failures: Failures,
    first_change: Option<u64>,
}

impl Reader {
    fn take(&mut self, line: &str, number: u64) {
        let message = message(line);
        if let Some(command) = command(&message) {
            self.log.backend = command.backend;
            self.log.has_ipv6_pass |= command.is_ipv6;
            let backend = if command.backend == "plain" {
                ""
            } else {
                command.backend
            };
            self.dumps.expect(command.is_ipv6, backend);
            if command.changes() {
                self.log.commands += 1;
                self.first_change.get_or_insert(number);
                if let Some(rule) = rule(command.text) {
                    self.log.settings.take(&rule);
                }
            }
            if !self.log.is_linkerd && command.flushes() {
                self.log
                    .flush
                    .get_or_insert((number, command.text.to_owned()));
            }
            return;
        }
        let lower = message.to_ascii_lowercase();
        self.log.skipped |=
            lower.contains("skipping iptables setup") || lower.contains("configuration; skipping");
        let mut is_dump = false;
        for part in message.split('\n') {
            is_dump |= self.dumps.take(part, number);
        }
        if self.log.is_linkerd && !is_dump {
            self.failures.take(&message, number);
        }
    }

    fn finish(self) -> InitLog {
        let mut log = self.log;
        let (dumps, warnings) = self.dumps.finish();
        log.warnings = warnings;
        log.warnings.sort();
        log.warnings.dedup();
        log.is_fatal = self.failures.is_fatal;
        log.invalid_ports.clone_from(&self.failures.invalid_ports);
        log.failure = self.failures.finish();
        for dump in dumps {
            if !dump.is_nat() {
                let words = ["NOTRACK", "--notrack", "TPROXY", "DROP", "REJECT"];
                let telling = dump
                    .text
                    .lines()
                    .filter(|l| words.iter().any(|w| l.contains(w)));
                log.other_tables.extend(telling.map(str::to_owned));
                continue;
            }
            log.had_proxy_chains |= dump.has_proxy_chains();
            let is_before = self.first_change.is_none_or(|change| dump.line < change);
            let is_kept = !log.is_linkerd || log.skipped;
            if is_before && !log.before.iter().any(|d| d.is_ipv6 == dump.is_ipv6) {
                log.before.push(dump.clone());
            }
            if !is_before || is_kept {
                log.after.retain(|d| d.is_ipv6 != dump.is_ipv6);
                log.after.push(dump);
            }
        }
        log
    }
}
