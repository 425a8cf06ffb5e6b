//! The whole of an analysis.

use bundle::{Bundle, Manifest};
use jiff::Timestamp;
use serde_json::Value;

use crate::clock::{self, Clock};
use crate::conclude::{Conclusions, Coverage, World, conclude};
use crate::facts::{self, Context, Facts, Piece};
use crate::report::{BundleInfo, Counts, NotExamined, REPORT_FORMAT, Report, problem_word};
use crate::rule::keep::Keeper;
use crate::rule::set::Rules;
use crate::rule::suppress::Suppressions;
use crate::scan::{Gathered, gather};

/// How to analyze.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// "Now"; the capture time if none.
    pub at: Option<Timestamp>,
    /// Threads; at least one is used.
    pub threads: usize,
    /// Findings that are not reported.
    pub suppressions: Suppressions,
}

/// Reads a bundle and decides every rule.
///
/// The report depends on the bundle, the rules, `at` and the suppressions alone: not on the
/// number of threads, the form of the bundle or the order of its entries.
pub fn analyze(bundle: &Bundle, rules: &Rules, options: &Options) -> Report {
    let mut gathered = gather(bundle, &rules.scanner, &rules.demand, options.threads);
    let pieces = std::mem::take(&mut gathered.pieces);
    let wanted = Keeper::new(rules, &gathered.scanned);
    let (told, facts) = derive((bundle, pieces), &gathered, rules, options.at, &wanted);
    let (at, _) = told;
    let coverage = Coverage::new(
        gathered.manifest.as_ref(),
        gathered.entries.keys(),
        &gathered.problems,
    );
    let world = World::new(at, &facts, &gathered.scanned, &coverage);
    let mut conclusions = conclude(rules, &world, options.threads);
    let before = conclusions.findings.len();
    conclusions
        .findings
        .retain(|finding| !options.suppressions.covers(finding, at));
    let suppressed = before - conclusions.findings.len();
    let counts = Counts {
        suppressed,
        ..count(&conclusions, &gathered, rules)
    };
    Report {
        format: REPORT_FORMAT,
        bundle: bundle_info(bundle, gathered.manifest.as_ref(), &facts, told),
        not_examined: not_examined(&gathered, &facts),
        counts,
        findings: conclusions.findings,
        could_not_check: conclusions.could_not_check,
    }
}

/// Derives all that rules can ask about, and decides none.
pub(crate) fn facts_of(bundle: &Bundle, rules: &Rules, options: &Options) -> Facts {
    let mut gathered = gather(bundle, &rules.scanner, &rules.demand, options.threads);
    let pieces = std::mem::take(&mut gathered.pieces);
    derive(
        (bundle, pieces),
        &gathered,
        rules,
        options.at,
        &facts::Everything,
    )
    .1
}

/// Derives the facts, by the clock that there is.
fn derive(
    (bundle, pieces): (&Bundle, Vec<Piece>),
    gathered: &Gathered,
    rules: &Rules,
    at: Option<Timestamp>,
    wanted: &dyn facts::Wanted,
) -> ((Timestamp, Clock), Facts) {
    let manifest = gathered.manifest.as_ref();
    let told = clock::read(bundle, at, manifest, &pieces, &gathered.scanned);
    let clock::Told {
        at,
        clock,
        ages_from,
    } = told;
    let context = Context {
        at,
        ages_from,
        manifest,
        demand: &rules.demand,
        wanted,
    };
    ((at, clock), facts::derive(pieces, context))
}

fn bundle_info(
    bundle: &Bundle,
    manifest: Option<&Manifest>,
    facts: &Facts,
    (at, clock): (Timestamp, Clock),
) -> BundleInfo {
    let mesh = facts.table("mesh").first().map(|fact| &fact.fields);
    let text = |name: &str| {
        mesh?
            .get(name)
            .and_then(Value::as_str)
            .filter(|t| !t.is_empty())
            .map(str::to_owned)
    };
    let number = |name: &str| mesh?.get(name).and_then(Value::as_u64);
    BundleInfo {
        name: bundle.name(),
        captured_at: manifest.map(|m| m.captured_at),
        at,
        clock,
        collector: manifest.map(|m| m.collector.clone()),
        linkerd_version: text("version"),
        kubernetes_version: text("kubernetes_version")
            .or_else(|| manifest?.kubernetes_version.clone()),
        pods: number("pods"),
        meshed_pods: number("meshed_pods"),
    }
}

fn not_examined(gathered: &Gathered, facts: &Facts) -> Vec<NotExamined> {
    let problems = gathered.problems.iter().map(|problem| NotExamined {
        entry: problem.path.clone(),
        kind: problem_word(problem.kind).to_owned(),
        detail: problem.detail.clone(),
    });
    let gaps = facts.gaps.iter().map(|gap| NotExamined {
        entry: Some(gap.entry.clone()),
        kind: "not-parsed".to_owned(),
        detail: gap.detail.clone(),
    });
    let mut all: Vec<NotExamined> = problems.chain(gaps).collect();
    all.sort();
    all.dedup();
    all
}

fn count(conclusions: &Conclusions, gathered: &Gathered, rules: &Rules) -> Counts {
    let mut counts = Counts {
        rules: rules.len(),
        rules_found: conclusions.found,
        rules_clear: conclusions.clear,
        rules_not_applicable: conclusions.not_applicable,
        rules_undecided: rules.len()
            - conclusions.found
            - conclusions.clear
            - conclusions.not_applicable,
        entries: gathered.entries.len(),
        bytes: gathered.entries.values().sum(),
        ..Counts::default()
    };
    for finding in &conclusions.findings {
        counts.note(finding.severity);
        counts.symptoms += symptoms(finding);
    }
    counts
}

fn symptoms(finding: &crate::finding::Finding) -> usize {
    finding
        .symptoms
        .iter()
        .map(|symptom| 1 + symptoms(symptom))
        .sum()
}
