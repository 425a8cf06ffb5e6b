//! What is wrong with a rule although it can be run.

use super::file::Maturity;
use super::set::{RuleText, Rules, parse};
use super::{Matcher, Rule};
use crate::finding::Severity;
use crate::scan::LogMatcher;
use crate::scan::pattern::Pattern;

/// How often the grams of a pattern's literals may turn up in a million bytes of ordinary logs.
/// Only every fourth is looked at, and most end with the comparison of the literal.
const MAX_HITS: f64 = 1500.0;

/// Remarks on all rules, each with the rule's id.
pub(crate) fn lint(rules: &Rules, texts: &[RuleText]) -> Vec<String> {
    let mut remarks = Vec::new();
    for rule in &rules.list {
        let mut remark = |text: String| remarks.push(format!("{}: {text}", rule.id));
        if rule.severity > Severity::Info && rule.fix.is_empty() {
            remark("no `fix`; say what to do".to_owned());
        }
        if rule.references.is_empty() && rule.links.is_empty() {
            remark("neither `links` nor `references`; say where it is known from".to_owned());
        }
        if rule.maturity == Maturity::Stable && rule.title.ends_with('.') {
            remark("the title ends in a full stop".to_owned());
        }
        for text in patterns(rule, rules) {
            remark(text);
        }
        for (other, _) in &rule.explains {
            if rules.rule(other).is_none() {
                remark(format!("explains `{other}`, and there is no such rule"));
            }
        }
    }
    for text in texts {
        if text.cases.is_none() {
            let id = parse(text).map(|file| file.id.value).unwrap_or_default();
            remarks.push(format!(
                "{id}: no cases; add `{}`",
                text.path.replace(".yaml", ".cases.yaml")
            ));
        }
    }
    remarks.sort();
    remarks
}

/// Patterns whose literals are so ordinary that many lines would have to be looked at.
fn patterns(rule: &Rule, rules: &Rules) -> Vec<String> {
    let logs = rule
        .matchers
        .iter()
        .filter_map(|named| match &named.matcher {
            Matcher::Log(log) | Matcher::NoLine { log } => rules.scanner.matchers().get(*log),
            _ => None,
        });
    let patterns = logs.flat_map(|log: &LogMatcher| &log.patterns);
    patterns
        .filter(|p| p.required().cost() > MAX_HITS)
        .map(remark_on)
        .collect()
}

fn remark_on(pattern: &Pattern) -> String {
    let texts: Vec<String> = pattern
        .required()
        .0
        .iter()
        .map(|text| format!("`{}`", String::from_utf8_lossy(text)))
        .collect();
    format!(
        "`{}` is looked for by {}, whose parts stand about {:.0} times in a million bytes of ordinary logs; add rarer words",
        pattern.source(),
        texts.join(", "),
        pattern.required().cost()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_rules_give_no_remark() {
        let texts = super::super::builtin::rules();
        let rules = Rules::compile(&texts).unwrap();
        let remarks = lint(&rules, &texts);
        assert!(remarks.is_empty(), "{}", remarks.join("\n"));
    }
}
