//! The rules of the repository's folder `rules/`, embedded when the program was built.

use super::set::RuleText;

include!(concat!(env!("OUT_DIR"), "/rules.rs"));

/// All built-in rules, ordered by path.
pub(crate) fn rules() -> Vec<RuleText> {
    let text = |(path, yaml, cases): &(&str, &str, Option<&str>)| RuleText {
        path: (*path).to_owned(),
        yaml: (*yaml).to_owned(),
        cases: cases.map(str::to_owned),
    };
    RULES.iter().map(text).collect()
}
