//! Rows of the tables `iptables` and `iptables_probes`.

use serde_json::{Value, json};

use super::anomalies;
use super::dump::Dump;
use super::log::{InitLog, Settings};
use super::pod;
use super::probes::{BYPASSES, Probe, REDIRECTED, Subject, all};
use super::rules::Ruleset;
use crate::evidence::{Evidence, Subject as About};
use crate::facts::kube::is_control_plane;
use crate::facts::row::Row;
use crate::facts::{Fact, Sources};

/// A table with the probes' verdicts.
struct Judged<'a> {
    dump: &'a Dump,
    rules: Ruleset,
}

fn judged(log: &InitLog) -> Vec<Judged<'_>> {
    let whole = log.after.iter().filter(|d| d.is_complete);
    let judged = whole.map(|dump| Judged {
        dump,
        rules: Ruleset::parse(&dump.text),
    });
    judged.collect()
}

fn settings(log: &InitLog, tables: &[Judged<'_>]) -> Settings {
    let v4 = tables.iter().find(|t| !t.dump.is_ipv6).or(tables.first());
    match v4 {
        Some(table) if table.dump.has_proxy_chains() => Settings::of(&table.rules),
        _ => log.settings.clone(),
    }
}

fn probed<'a>(table: &'a Judged<'_>, subject: &Subject, settings: &Settings) -> Vec<Probe<'a>> {
    let subject = Subject {
        is_ipv6: table.dump.is_ipv6,
        ..subject.clone()
    };
    all(&table.rules, &subject, settings)
}

/// Why the tables are not as they should be, if the log does not tell of a failure.
fn reason_without_failure(
    log: &InitLog,
    anomalies: &[&str],
) -> Option<(&'static str, &'static str)> {
    if !log.is_linkerd || log.container != "linkerd-init" {
        return None;
    }
    if anomalies.contains(&"simulated") {
        return Some((
            "simulated",
            "commands were printed, but no table: linkerd-init only simulated",
        ));
    }
    let has_after = log.after.iter().any(|d| !d.is_ipv6 && d.is_complete);
    let is_over = has_after || log.skipped;
    (log.commands > 0 && !is_over).then_some((
        "incomplete",
        "the tables after the last command are not in the log: linkerd-init was stopped, or its log is cut",
    ))
}

/// The row of one log.
pub(super) fn log(sources: &Sources<'_>, log: &InitLog) -> Fact {
    let pod = pod::of(sources, log);
    let subject = pod::subject(pod, log);
    let tables = judged(log);
    let settings = settings(log, &tables);
    let mut odd = anomalies::of_run(log, &settings);
    let mut probes = Vec::new();
    for table in &tables {
        probes.extend(probed(table, &subject, &settings));
        if log.is_linkerd {
            odd.extend(anomalies::of_rules(&table.rules, &settings, &subject));
        }
    }
    odd.sort_unstable();
    odd.dedup();
    let flushed = is_flushed(log, &probes, pod::runs_after_init(pod, &log.container));
    let failure = log
        .failure
        .as_ref()
        .filter(|_| log.is_fatal || tables.is_empty());
    let told = reason_without_failure(log, &odd);
    let (reason, message, line) = match (failure, told, flushed) {
        (Some(f), _, _) => (f.reason, f.message.clone(), f.line),
        (None, Some((reason, message)), _) => (reason, message.to_owned(), 1),
        (None, None, true) => ("flushed", flush_words(log), flush_line(log)),
        _ => ("", String::new(), tables.first().map_or(1, |t| t.dump.line)),
    };
    let failed = log.is_linkerd && (failure.is_some() || told.is_some());
    let as_wanted = probes.iter().all(Probe::is_as_wanted);
    let row = head(sources, log)
        .set(
            "ok",
            !failed
                && !flushed
                && as_wanted
                && (!tables.is_empty() || log.container != "linkerd-init"),
        )
        .set("failed", failed)
        .text("reason", reason)
        .text("message", &message)
        .set("flushed", flushed)
        .set("anomalies", json!(odd))
        .set(
            "ipv6_uncovered",
            pod::has_ipv6(pod) && pod::is_ipv4_only(pod).unwrap_or(!log.has_ipv6_pass),
        );
    let row = verdicts(settings_fields(row, &settings), &probes);
    let row = tables_fields(row, log, &tables, &subject);
    let excerpt = match (reason, log.backend) {
        ("", backend) => format!("{} changes with iptables {backend}", log.commands),
        _ => message,
    };
    fact(log, line, &excerpt, row)
}

fn head(sources: &Sources<'_>, log: &InitLog) -> Row {
    let owner = sources.owner(&log.namespace, &log.pod);
    Row::new()
        .text("namespace", &log.namespace)
        .set("pod", log.pod.as_str())
        .set("container", log.container.as_str())
        .set("workload", owner.to_value())
        .set("previous", log.previous)
        .set("is_linkerd", log.is_linkerd)
}

fn settings_fields(row: Row, settings: &Settings) -> Row {
    row.opt("inbound_port", settings.inbound_port)
        .opt("outbound_port", settings.outbound_port)
        .opt("proxy_uid", settings.proxy_uids.first().copied())
        .set("inbound_skip", ranges(&settings.inbound_skip))
        .set("outbound_skip", ranges(&settings.outbound_skip))
        .set("skip_subnets", json!(settings.subnets))
}

fn ranges(ranges: &[(u16, u16)]) -> String {
    let told = ranges.iter().map(|(from, to)| {
        if from == to {
            from.to_string()
        } else {
            format!("{from}-{to}")
        }
    });
    told.collect::<Vec<_>>().join(",")
}

/// What became of the three connections that matter most.
fn verdicts(row: Row, probes: &[Probe<'_>]) -> Row {
    let of = |name: &str| {
        let of_name = probes.iter().filter(|p| p.name == name);
        // One bad verdict counts more than several good ones.
        let bad = of_name.clone().find(|p| !p.is_as_wanted());
        bad.or_else(|| of_name.clone().next()).map(|p| p.verdict)
    };
    let inbound = of("inbound-app").or_else(|| of("inbound-skipped"));
    let bad = probes.iter().filter(|p| !p.is_as_wanted()).count();
    row.opt("inbound", inbound)
        .opt("outbound", of("outbound-app"))
        .opt("proxy_outbound", of("outbound-proxy"))
        .set("probes", probes.len())
        .set("probes_unexpected", bad)
        .set(
            "probes_uncertain",
            probes.iter().filter(|p| p.uncertain).count(),
        )
}

fn tables_fields(row: Row, log: &InitLog, tables: &[Judged<'_>], subject: &Subject) -> Row {
    let foreign: Vec<String> = tables
        .iter()
        .flat_map(|t| anomalies::foreign(&t.rules))
        .collect();
    let before = log.before.iter().map(|d| Ruleset::parse(&d.text));
    let before: Vec<String> = before.flat_map(|r| anomalies::foreign(&r)).collect();
    let backend = tables
        .iter()
        .map(|t| t.dump.backend)
        .find(|b| !b.is_empty());
    row.set("commands", log.commands)
        .text("backend", backend.unwrap_or(log.backend))
        .set("knows_tables", !tables.is_empty())
        .set(
            "rules_count",
            tables.iter().map(|t| t.rules.rules.len()).sum::<usize>(),
        )
        .set("foreign_owners", json!(anomalies::owners(&foreign)))
        .set("foreign_chains", json!(foreign))
        .set("foreign_chains_before", json!(before))
        .set("invalid_ports", json!(log.invalid_ports))
        .set("warnings", json!(log.warnings))
        .set("proxy_runs_as", subject.proxy_uid)
}

/// Whether another container's log shows that the proxy's rules are gone.
fn is_flushed(log: &InitLog, probes: &[Probe<'_>], runs_after_init: Option<bool>) -> bool {
    if log.is_linkerd {
        return false;
    }
    let of = |name: &str| probes.iter().find(|p| p.name == name).map(|p| p.verdict);
    let outbound = of("outbound-app");
    let inbound = of("inbound-app").or_else(|| of("inbound-skipped"));
    match (inbound, outbound) {
        // A table that is printed last counts more than what was run before.
        (Some(_), Some(out)) if out == REDIRECTED => false,
        (Some(inbound), Some(out)) if inbound == BYPASSES && out == BYPASSES => {
            log.had_proxy_chains || log.flush.is_some() || runs_after_init == Some(true)
        }
        _ => log.flush.is_some() && runs_after_init != Some(false),
    }
}

fn flush_words(log: &InitLog) -> String {
    match &log.flush {
        Some((_, command)) => command.clone(),
        None => "the nat table that is printed last has no rule that leads to the proxy".to_owned(),
    }
}

fn flush_line(log: &InitLog) -> u64 {
    let of_dump = log.after.last().map(|d| d.line);
    let of_command = log.flush.as_ref().map(|(line, _)| *line);
    of_command.or(of_dump).unwrap_or(1)
}

/// The rows of the probes of one log that do not end as they should, or are skipped on purpose.
pub(super) fn probes(sources: &Sources<'_>, log: &InitLog) -> Vec<Fact> {
    let pod = pod::of(sources, log);
    let subject = pod::subject(pod, log);
    let is_control_plane = pod.is_some_and(|p| is_control_plane(&p.value));
    let tables = judged(log);
    let settings = settings(log, &tables);
    let mut facts = Vec::new();
    for table in &tables {
        let telling = probed(table, &subject, &settings).into_iter().filter(|p| {
            !p.is_as_wanted() || (p.is_skipped() && is_remarkable(p.packet.port, is_control_plane))
        });
        for probe in telling {
            facts.push(probe_fact(sources, log, table.dump, &probe));
        }
    }
    facts
}

/// The ports that every installation skips are not worth a row, nor are those of the API server
/// that the control plane does.
fn is_remarkable(port: u16, is_control_plane: bool) -> bool {
    let is_usual = matches!(port, 4190 | 4191 | 4567 | 4568);
    let is_api_server = is_control_plane && matches!(port, 443 | 6443);
    !is_usual && !is_api_server
}

fn probe_fact(sources: &Sources<'_>, log: &InitLog, dump: &Dump, probe: &Probe<'_>) -> Fact {
    let packet = &probe.packet;
    let rule = probe.rule.map(|r| r.text.as_str()).unwrap_or_default();
    let row = head(sources, log)
        .set("probe", probe.name)
        .set("family", if dump.is_ipv6 { "ipv6" } else { "ipv4" })
        .set("hook", packet.hook)
        .set("protocol", packet.protocol)
        .set("port", packet.port)
        .opt("uid", (packet.hook == "OUTPUT").then_some(packet.uid))
        .set("verdict", probe.verdict)
        .set("wanted", probe.wanted)
        .set("as_wanted", probe.is_as_wanted())
        .set(
            "skipped_on_purpose",
            probe.is_skipped() && probe.is_as_wanted(),
        )
        .opt("redirected_to", probe.to)
        .set("uncertain", probe.uncertain)
        .text("rule", rule)
        .text(
            "entered_by",
            probe
                .entered_by
                .map(|r| r.text.as_str())
                .unwrap_or_default(),
        )
        .text(
            "chain",
            probe.rule.map(|r| r.chain.as_str()).unwrap_or_default(),
        );
    let because = if rule.is_empty() {
        "no rule takes it".to_owned()
    } else {
        format!("by `{rule}`")
    };
    let excerpt = format!(
        "{} to {} port {}: {}, wanted {}; {because}",
        packet.hook, packet.protocol, packet.port, probe.verdict, probe.wanted
    );
    fact(log, dump.line, &excerpt, row)
}

fn fact(log: &InitLog, line: u64, excerpt: &str, row: Row) -> Fact {
    // Findings about its lines meet those about its tables, whether its path tells a pod or not.
    let told = log.about.clone().filter(|_| log.namespace.is_empty());
    let pod = || About::namespaced("Pod", log.namespace.as_str(), log.pod.as_str());
    let subject = told.unwrap_or_else(pod);
    let fields: Value = row.build();
    Fact {
        subjects: vec![subject],
        evidence: vec![Evidence {
            line: Some(line),
            ..Evidence::of_entry(log.entry.as_str(), excerpt)
        }],
        fields,
        kept: None,
    }
}
