//! The rules of the repository's folder `rules/`, embedded when the program was built.

use std::borrow::Cow;

use super::set::RuleText;

/// Path, YAML, YAML of the cases, and the rule as JSON.
type Embedded = (
    &'static str,
    &'static str,
    Option<&'static str>,
    &'static str,
);

include!(concat!(env!("OUT_DIR"), "/rules.rs"));

/// All built-in rules, ordered by path.
pub(crate) fn rules() -> Vec<RuleText> {
    let text = |(path, yaml, cases, ready): &Embedded| RuleText {
        path: (*path).to_owned(),
        yaml: Cow::Borrowed(yaml),
        cases: cases.map(Cow::Borrowed),
        ready: Some(ready),
        unread: Vec::new(),
    };
    RULES.iter().map(text).collect()
}
