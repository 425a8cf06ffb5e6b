//! What is wrong with a rule although it can be run.

use super::file::Maturity;
use super::predicate::Predicate;
use super::set::{RuleText, Rules};
use super::{Matcher, Rule};
use crate::finding::Severity;
use crate::scan::pattern::Pattern;
use crate::scan::{LogMatcher, frequency};

/// How often a pattern's literals may stand in a million bytes of logs: some 6,000 lines, of which this is one in twenty.
const MAX_HITS: f64 = 300.0;

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
        for text in negations(rule) {
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
            let id = super::cases::id_of(text);
            remarks.push(format!(
                "{id}: no cases; add `{}`",
                super::cases::path_of(text)
            ));
        }
    }
    remarks.sort();
    remarks
}

/// Negations that do not hold where Kubernetes leaves `false` out.
fn negations(rule: &Rule) -> Vec<String> {
    let matchers = rule.matchers.iter().map(|named| &named.matcher);
    let predicates = matchers.filter_map(|matcher| matcher.table()?.predicate.as_ref());
    let fields = predicates.flat_map(Predicate::negated_fields);
    let told = fields.map(|field| {
        format!("`!{field}` does not hold where the field is missing; write `{field} != true`")
    });
    told.collect()
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
        .filter(|p| hits(p) > MAX_HITS)
        .map(remark_on)
        .collect()
}

/// How often a pattern's literals stand in a million bytes of ordinary logs, at most: as often as their
/// rarest grams.
pub(super) fn hits(pattern: &Pattern) -> f64 {
    let rarest = |text: &Vec<u8>| {
        let grams = text.windows(4).filter_map(|gram| gram.try_into().ok());
        let counts = grams.map(|gram| frequency::of(u32::from_le_bytes(gram)));
        counts.min_by(f64::total_cmp).unwrap_or(f64::MAX)
    };
    pattern.required().0.iter().map(rarest).sum()
}

fn remark_on(pattern: &Pattern) -> String {
    let texts: Vec<String> = pattern
        .required()
        .0
        .iter()
        .map(|text| format!("`{}`", String::from_utf8_lossy(text)))
        .collect();
    format!(
        "`{}` is looked for by {}, which may stand {:.0} times in a million bytes of ordinary logs; add rarer words",
        pattern.source(),
        texts.join(", "),
        hits(pattern)
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

    #[test]
    fn a_pattern_of_words_that_stand_in_many_lines_is_told() {
        let (yaml, cases) = super::super::begin::template("proxy", "my-rule");
        let lint_with = |pattern: &str| {
            let text = RuleText::new(
                "proxy/my-rule.yaml",
                yaml.replace("words of the message ", pattern),
                Some(cases.clone()),
            );
            let rules = Rules::compile(std::slice::from_ref(&text)).unwrap();
            lint(&rules, &[text])
        };
        assert_eq!(lint_with("words of the message "), [] as [&str; 0]);
        let remarks = lint_with(r"ThreadId\(");
        assert_eq!(remarks.len(), 1);
        assert!(remarks[0].ends_with("add rarer words"), "{}", remarks[0]);
    }

    #[test]
    fn a_negated_field_that_kubernetes_may_leave_out_is_told() {
        let lint_with = |predicate: &str| {
            let text = RuleText::new(
                "x/paused.yaml",
                format!(
                    "{{id: paused, title: t, severity: low, topic: x, message: m, meaning: m, fix: [f], links: \
                     ['https://x'], matchers: {{a: {{object: {{kind: Job, where: \"{predicate}\"}}}}}}}}"
                ),
                Some(String::new()),
            );
            let rules = Rules::compile(std::slice::from_ref(&text)).unwrap();
            lint(&rules, &[text])
        };
        assert_eq!(
            lint_with("object.kind == 'Job' && !object.spec.suspend"),
            [
                "paused: `!object.spec.suspend` does not hold where the field is missing; write \
                 `object.spec.suspend != true`"
            ]
        );
        for fine in [
            "object.spec.suspend != true",
            "has(object.spec.suspend) && !object.spec.suspend",
            "!(object.spec.suspend == true)",
            "!has(object.spec.suspend)",
        ] {
            assert_eq!(lint_with(fine), [] as [&str; 0], "{fine}");
        }
    }
}
