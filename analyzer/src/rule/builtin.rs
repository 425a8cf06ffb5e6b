//! The rules of the repository's folder `rules/`, embedded when the program was built.

use std::borrow::Cow;

use super::set::RuleText;

/// Path, YAML, and YAML of the cases.
type Embedded = (&'static str, &'static str, Option<&'static str>);

include!(concat!(env!("OUT_DIR"), "/rules.rs"));

/// All built-in rules, ordered by path.
pub(crate) fn rules() -> Vec<RuleText> {
    let text = |(path, yaml, cases): &Embedded| RuleText {
        path: (*path).to_owned(),
        yaml: Cow::Borrowed(yaml),
        cases: cases.map(Cow::Borrowed),
        is_builtin: true,
    };
    RULES.iter().map(text).collect()
}
