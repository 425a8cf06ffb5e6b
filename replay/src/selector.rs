//! Label selectors.

use std::borrow::Cow;

use crate::status::Status;

/// One requirement on labels.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Requirement {
    In(String, Vec<String>),
    NotIn(String, Vec<String>),
    Exists(String),
    DoesNotExist(String),
}

/// A parsed `labelSelector`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Labels(Vec<Requirement>);

impl Labels {
    pub(crate) fn parse(text: &str) -> Result<Self, Status> {
        let parts = split(text).into_iter().filter(|p| !p.is_empty());
        parts.map(requirement).collect::<Result<_, _>>().map(Self)
    }

    /// Whether labels match; `label` gives the value of one.
    pub(crate) fn matches<'a>(&self, label: impl Fn(&str) -> Option<Cow<'a, str>>) -> bool {
        self.0.iter().all(|requirement| match requirement {
            Requirement::In(name, values) => {
                label(name).is_some_and(|v| values.iter().any(|w| *w == v))
            }
            Requirement::NotIn(name, values) => {
                label(name).is_none_or(|v| !values.iter().any(|w| *w == v))
            }
            Requirement::Exists(name) => label(name).is_some(),
            Requirement::DoesNotExist(name) => label(name).is_none(),
        })
    }
}

/// Splits at commas that are not within parentheses.
fn split(text: &str) -> Vec<&str> {
    let mut depth = 0_usize;
    let mut parts = Vec::new();
    let mut start = 0;
    for (at, character) in text.char_indices() {
        match character {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                parts.push(text.get(start..at).unwrap_or_default().trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(text.get(start..).unwrap_or_default().trim());
    parts
}

fn requirement(part: &str) -> Result<Requirement, Status> {
    if let Some(name) = part.strip_prefix('!') {
        return Ok(Requirement::DoesNotExist(key(name)?));
    }
    for (operator, negated) in [("!=", true), ("==", false), ("=", false)] {
        if let Some((name, value)) = part.split_once(operator) {
            let (name, values) = (key(name)?, vec![value.trim().to_owned()]);
            return Ok(if negated {
                Requirement::NotIn(name, values)
            } else {
                Requirement::In(name, values)
            });
        }
    }
    for (operator, negated) in [(" notin", true), (" in", false)] {
        if let Some((name, set)) = part.split_once(operator) {
            let set = set
                .trim()
                .strip_prefix('(')
                .and_then(|s| s.strip_suffix(')'));
            let set = set.ok_or_else(|| {
                Status::bad_request(format!(
                    "unable to parse requirement: found '{part}', expected: '('"
                ))
            })?;
            let values = set.split(',').map(|v| v.trim().to_owned()).collect();
            let name = key(name)?;
            return Ok(if negated {
                Requirement::NotIn(name, values)
            } else {
                Requirement::In(name, values)
            });
        }
    }
    Ok(Requirement::Exists(key(part)?))
}

/// A label's name, in the characters that Kubernetes allows.
fn key(name: &str) -> Result<String, Status> {
    let name = name.trim();
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '/');
    if name.is_empty() || !name.chars().all(is_allowed) {
        let found = if name.is_empty() { "==" } else { name };
        let text = format!("found '{found}', expected: !, identifier, or 'end of string'");
        return Err(Status::bad_request(text));
    }
    Ok(name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(selector: &str) -> bool {
        let label = |name: &str| match name {
            "app" => Some("cart".into()),
            "tier" => Some("web".into()),
            _ => None,
        };
        Labels::parse(selector).unwrap().matches(label)
    }

    #[test]
    fn every_operator_is_understood() {
        for selector in [
            "",
            "app=cart",
            "app==cart,tier",
            "app!=x",
            "app in (a, cart)",
            "app notin (a,b)",
            "!gone",
        ] {
            assert!(labels(selector), "{selector}");
        }
        for selector in ["app=x", "app in (a,b)", "!app", "gone", "app notin (cart)"] {
            assert!(!labels(selector), "{selector}");
        }
        assert!(Labels::parse("===").is_err());
        assert!(Labels::parse("app in a").is_err());
    }
}
