//! Which rows of a fact table a matcher takes.

use std::collections::BTreeMap;

use cel::Context;
use serde_json::Value;

use super::{TableMatcher, predicate};
use crate::facts::Fact;

/// The field at a JSON pointer, which most often is one plain name: [`Value::pointer`] copies every
/// name in it.
fn at<'v>(row: &'v Value, pointer: &str) -> Option<&'v Value> {
    if pointer.contains('~') {
        return row.pointer(pointer);
    }
    let mut names = pointer.split('/').skip(1);
    names.try_fold(row, |value, name| value.get(name))
}

/// Values by the names of captures.
pub(crate) type Captures = BTreeMap<String, Vec<String>>;

impl TableMatcher {
    /// A field of the row itself that must have one of some texts.
    pub(super) fn equality(&self) -> Option<(&str, &[Value])> {
        let of_tests = self.tests.iter().find_map(|test| {
            let name = test.pointer.strip_prefix('/')?;
            let is_plain = !name.contains(['/', '~']) && test.any_of.iter().all(Value::is_string);
            is_plain.then_some((name, test.any_of.as_slice()))
        });
        of_tests.or_else(|| self.predicate.as_ref()?.equality())
    }

    /// The captures if the matcher takes a row, `None` if it does not.
    ///
    /// # Errors
    /// What went wrong when its expression was evaluated.
    pub(crate) fn take(
        &self,
        fact: &Fact,
        root: &Context<'_, '_>,
    ) -> Result<Option<Captures>, String> {
        let row = &fact.fields;
        if let Some(kept) = &fact.kept {
            let is_taken = kept.taken_by.contains(&self.number);
            return Ok(is_taken.then(|| self.captures(fact)).flatten());
        }
        let is_other = |test: &super::Test| {
            let value = at(row, &test.pointer);
            !value.is_some_and(|value| test.any_of.contains(value))
        };
        if self.tests.iter().any(is_other) {
            return Ok(None);
        }
        let predicate = self.predicate.as_ref();
        if predicate.is_some_and(|predicate| predicate.refuses(row)) {
            return Ok(None);
        }
        let Some(captures) = self.captures(fact) else {
            return Ok(None);
        };
        let Some(predicate) = predicate else {
            return Ok(Some(captures));
        };
        let mut scope = root.new_inner_scope();
        predicate::bind(&mut scope, "row", row);
        for name in self.variables {
            let value = row.get(*name).unwrap_or(&Value::Null);
            predicate::bind(&mut scope, name, value);
        }
        Ok(predicate.holds(&scope)?.then_some(captures))
    }

    fn captures(&self, fact: &Fact) -> Option<Captures> {
        let Some((pointer, regex)) = &self.text else {
            return Some(Captures::new());
        };
        let value = fact.field(pointer)?;
        let found = regex.regex()?.captures(value.as_str()?.as_bytes())?;
        let named = regex.names().iter().filter_map(|name| {
            let text = std::str::from_utf8(found.name(name)?.as_bytes()).ok()?;
            Some((name.to_string(), vec![text.to_owned()]))
        });
        Some(named.collect())
    }
}
