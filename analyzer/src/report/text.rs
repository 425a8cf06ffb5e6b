//! The report for people.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};

use super::escape::escape;
use super::text_parts::{bytes, list, thousands, wrap};
use super::{BundleInfo, Clock, Report};
use crate::conclude::{full, shown};
use crate::evidence::{Evidence, gist};
use crate::finding::{Finding, Severity};

/// Columns that text is wrapped to.
const WIDTH: usize = 110;

/// Columns before the text of a block.
const INDENT: usize = 10;

/// Subjects listed by name.
const MAX_SUBJECTS: usize = 4;

/// Places shown for one finding, unless all are wanted.
const MAX_PLACES: usize = 3;

/// Bytes of a reason that are shown.
const MAX_REASON: usize = 160;

/// How the report is to look.
#[derive(Debug, Clone, Copy, Default)]
pub struct Look {
    /// Whether to use colour.
    pub color: bool,
    /// Whether to show symptoms and all evidence.
    pub all: bool,
}

/// Writes a report.
///
/// # Errors
/// When `to` cannot be written.
pub fn text(report: &Report, look: Look, to: &mut dyn Write) -> io::Result<()> {
    let mut page = Page { look, to };
    page.head(&report.bundle)?;
    for finding in &report.findings {
        page.finding(finding)?;
    }
    if report.findings.is_empty() {
        writeln!(page.to, "\nno findings")?;
    }
    page.missing(report)?;
    page.counts(report)
}

struct Page<'a> {
    look: Look,
    to: &'a mut dyn Write,
}

impl Page<'_> {
    fn styled(&self, style: Style, text: &str) -> String {
        if self.look.color {
            format!("{style}{text}{style:#}")
        } else {
            text.to_owned()
        }
    }

    fn head(&mut self, bundle: &BundleInfo) -> io::Result<()> {
        let mut parts = vec![self.styled(Style::new().bold(), &escape(&bundle.name))];
        parts.extend(
            bundle
                .captured_at
                .map(|at| format!("captured {}", shown(at))),
        );
        let at = shown(bundle.at);
        match bundle.clock {
            Clock::Manifest => {}
            Clock::Asked => parts.push(format!("judged at {at}")),
            Clock::Content => parts.push(format!("judged at {at}, the newest time in it")),
            Clock::Files => parts.push(format!("judged at {at}, when its files were written")),
            Clock::Unknown => parts.push("of an unknown time".to_owned()),
        }
        match (&bundle.linkerd_version, &bundle.kubernetes_version) {
            (Some(linkerd), Some(kubernetes)) => parts.push(format!("{linkerd} on {kubernetes}")),
            (one, other) => parts.extend(one.clone().or_else(|| other.clone())),
        }
        let pods = bundle.pods.filter(|pods| *pods > 0);
        if let (Some(pods), Some(meshed)) = (pods, bundle.meshed_pods) {
            parts.push(format!("{pods} pods, {meshed} meshed"));
        }
        writeln!(self.to, "{}", parts.join("   "))
    }

    fn finding(&mut self, finding: &Finding) -> io::Result<()> {
        let word = self.styled(
            style_of(finding.severity),
            &format!("{:<8}", finding.severity.name().to_uppercase()),
        );
        let message = escape(&finding.message).into_owned();
        let mut lines = wrap(&message, WIDTH - INDENT).into_iter();
        let first = lines.next().unwrap_or_default();
        let rule = self.styled(Style::new().dimmed(), &finding.rule);
        writeln!(self.to)?;
        let rest: Vec<String> = lines.collect();
        let pad = if rest.is_empty() {
            (WIDTH - INDENT)
                .saturating_sub(first.chars().count())
                .min(60)
        } else {
            2
        };
        if rest.is_empty() {
            writeln!(self.to, "{word}  {first}{:pad$}  {rule}", "")?;
        } else {
            writeln!(self.to, "{word}  {first}")?;
            for (number, line) in rest.iter().enumerate() {
                let tail = if number + 1 == rest.len() {
                    format!("   {rule}")
                } else {
                    String::new()
                };
                writeln!(self.to, "{:INDENT$}{line}{tail}", "")?;
            }
        }
        self.block("where", &subjects(finding, self.look.all))?;
        if let Some(when) = when(finding) {
            self.block("when", &when)?;
        }
        if let Some(own) = finding.own_severity {
            let own = own.name();
            self.block("rated", &format!("by what it causes; {own} by itself"))?;
        }
        self.block("means", &finding.meaning)?;
        self.proof(finding)?;
        if !finding.symptoms.is_empty() {
            self.symptoms(&finding.symptoms)?;
        }
        self.steps(&finding.fix)?;
        if !finding.links.is_empty() {
            let shown: Vec<&str> = finding
                .links
                .iter()
                .map(|l| l.trim_start_matches("https://"))
                .collect();
            self.block("see", &shown.join("  "))?;
        }
        Ok(())
    }

    fn steps(&mut self, steps: &[String]) -> io::Result<()> {
        if let [only] = steps {
            return self.block("fix", only);
        }
        for (number, step) in (1..).zip(steps) {
            let word = if number == 1 { "fix" } else { "" };
            self.block(word, &format!("{number}. {step}"))?;
        }
        Ok(())
    }

    /// A word in the margin and text beside it.
    fn block(&mut self, word: &str, text: &str) -> io::Result<()> {
        let mut word = word;
        for paragraph in text.trim().lines() {
            for line in wrap(&escape(paragraph), WIDTH - INDENT) {
                writeln!(self.to, "  {word:<8}{line}")?;
                word = "";
            }
        }
        Ok(())
    }

    fn proof(&mut self, finding: &Finding) -> io::Result<()> {
        let mut word = "proof";
        for (place, alike) in self.quoted(&finding.evidence) {
            let excerpt = wrap(&escape(&place.excerpt), WIDTH - INDENT - 2);
            let more = match alike {
                0 => String::new(),
                1 => "   the same in 1 more place".to_owned(),
                alike => format!("   the same in {alike} more places"),
            };
            writeln!(self.to, "  {word:<8}{}{more}", escape(&place_of(place)))?;
            let lines = if self.look.all { excerpt.len() } else { 2 };
            for (number, line) in excerpt.iter().take(lines).enumerate() {
                let cut = if number + 1 == lines && excerpt.len() > lines {
                    " …"
                } else {
                    ""
                };
                let line = self.styled(Style::new().dimmed(), line);
                writeln!(self.to, "{:INDENT$}  {line}{cut}", "")?;
            }
            word = "";
        }
        Ok(())
    }

    /// The places that are shown, each with how many others say the same: the first few that say
    /// different things, unless all are wanted.
    fn quoted<'e>(&self, evidence: &'e [Evidence]) -> Vec<(&'e Evidence, usize)> {
        if self.look.all {
            return evidence.iter().map(|place| (place, 0)).collect();
        }
        let mut quoted: Vec<(String, &Evidence, usize)> = Vec::new();
        for place in evidence {
            let gist = gist(&place.excerpt);
            match quoted.iter_mut().find(|(known, ..)| *known == gist) {
                Some((_, _, alike)) => *alike += 1,
                None => quoted.push((gist, place, 0)),
            }
        }
        let first = quoted.into_iter().take(MAX_PLACES);
        first.map(|(_, place, alike)| (place, alike)).collect()
    }

    fn symptoms(&mut self, symptoms: &[Finding]) -> io::Result<()> {
        if self.look.all {
            for (number, symptom) in symptoms.iter().enumerate() {
                let word = if number == 0 { "causes" } else { "" };
                let line = format!(
                    "{} ({}): {}",
                    symptom.severity.name(),
                    symptom.rule,
                    symptom.message
                );
                self.block(word, &line)?;
                for place in symptom.evidence.iter().take(1) {
                    writeln!(self.to, "{:INDENT$}  {}", "", escape(&place_of(place)))?;
                }
            }
            return Ok(());
        }
        let first = symptoms
            .iter()
            .take(3)
            .map(|s| s.message.clone())
            .collect::<Vec<_>>()
            .join(" · ");
        let more = symptoms.len().saturating_sub(3);
        let more = if more > 0 {
            format!(" · {more} more")
        } else {
            String::new()
        };
        self.block("causes", &format!("{first}{more}   (--all shows them)"))
    }

    fn missing(&mut self, report: &Report) -> io::Result<()> {
        let mut reasons: Vec<(&str, &str, usize)> = Vec::new();
        for row in &report.could_not_check {
            match reasons
                .iter_mut()
                .find(|(reason, _, _)| *reason == row.reason)
            {
                Some((_, _, count)) => *count += 1,
                None => reasons.push((&row.reason, &row.how_to_get_it, 1)),
            }
        }
        if !reasons.is_empty() || !report.not_examined.is_empty() {
            writeln!(self.to)?;
        }
        for (reason, how, count) in reasons {
            let rules = if count == 1 {
                "1 rule".to_owned()
            } else {
                format!("{count} rules")
            };
            let line = format!(
                "not examined: {} -> {rules} could not be decided; to get it: {how}",
                self.short(reason)
            );
            writeln!(self.to, "{}", escape(&line))?;
        }
        let most = if self.look.all { usize::MAX } else { 10 };
        for item in report.not_examined.iter().take(most) {
            let entry = item.entry.as_deref().unwrap_or("the bundle itself");
            writeln!(
                self.to,
                "{}",
                escape(&format!(
                    "not examined: {entry}: {} ({})",
                    item.detail, item.kind
                ))
            )?;
        }
        let more = report.not_examined.len().saturating_sub(most);
        if more > 0 {
            writeln!(self.to, "not examined: {more} more (--all shows them)")?;
        }
        Ok(())
    }

    /// A reason that fits into the page, unless all is wanted.
    fn short(&self, reason: &str) -> String {
        let end = reason.floor_char_boundary(MAX_REASON);
        match reason.get(..end) {
            Some(start) if end < reason.len() && !self.look.all => format!("{start}…"),
            _ => reason.to_owned(),
        }
    }

    fn counts(&mut self, report: &Report) -> io::Result<()> {
        let counts = &report.counts;
        let found: Vec<String> = Severity::ALL
            .iter()
            .rev()
            .map(|s| format!("{} {}", counts.of(*s), s.name()))
            .collect();
        let mut rules = format!("{} rules", thousands(counts.rules as u64));
        if counts.rules_undecided > 0 {
            rules = format!("{rules}, {} undecided", counts.rules_undecided);
        }
        if counts.rules_not_applicable > 0 {
            rules = format!(
                "{rules}, {} for other versions",
                counts.rules_not_applicable
            );
        }
        if counts.suppressed > 0 {
            rules = format!("{rules}, {} findings suppressed", counts.suppressed);
        }
        let entries = format!(
            "{} entries, {}",
            thousands(counts.entries as u64),
            bytes(counts.bytes)
        );
        writeln!(self.to, "\n{} · {rules} · {entries}", found.join(", "))
    }
}

fn style_of(severity: Severity) -> Style {
    let color = match severity {
        Severity::Critical => return AnsiColor::Red.on_default().bold(),
        Severity::High => AnsiColor::Red,
        Severity::Medium => AnsiColor::Yellow,
        Severity::Low => AnsiColor::Cyan,
        Severity::Info => AnsiColor::Blue,
    };
    color.on_default()
}

fn place_of(place: &Evidence) -> String {
    let line = place
        .line
        .map(|line| format!(":{line}"))
        .unwrap_or_default();
    let time = place
        .time
        .map(|time| format!("   {}", time.strftime("%H:%M:%S")))
        .unwrap_or_default();
    let entry = place.entry.trim_start_matches("cluster-resources/");
    format!("{entry}{line}{time}")
}

fn subjects(finding: &Finding, all: bool) -> String {
    let most = if all { usize::MAX } else { MAX_SUBJECTS };
    let named = |kind: &str| -> Vec<String> {
        finding
            .subjects
            .iter()
            .filter(|s| s.kind == kind)
            .map(full)
            .collect()
    };
    let mut kinds: Vec<&str> = finding.subjects.iter().map(|s| s.kind.as_str()).collect();
    kinds.dedup();
    let parts = kinds
        .iter()
        .map(|kind| list(&kind.to_lowercase(), &named(kind), most));
    parts.collect::<Vec<_>>().join("; ")
}

fn when(finding: &Finding) -> Option<String> {
    let (first, last) = (finding.first?, finding.last?);
    let times = if finding.occurrences == 1 {
        "once".to_owned()
    } else {
        format!("{} times", thousands(finding.occurrences))
    };
    if first == last {
        return Some(format!("{}, {times}", shown(first)));
    }
    Some(format!("{} to {}, {times}", shown(first), shown(last)))
}
