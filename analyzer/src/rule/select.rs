//! Which rows of a fact table a matcher takes.

use std::collections::{BTreeMap, BTreeSet};

use cel::Context;
use jiff::Timestamp;
use serde_json::Value;

use super::set::Rules;
use super::{TableMatcher, predicate};
use crate::facts::{Fact, Wanted};

/// Values by the names of captures.
pub(crate) type Captures = BTreeMap<String, Vec<String>>;

impl TableMatcher {
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
        if let Some(taken_by) = &fact.taken_by {
            let is_taken = taken_by.contains(&self.number);
            return Ok(is_taken.then(|| self.captures(row)).flatten());
        }
        let is_other = |test: &super::Test| {
            let value = row.pointer(&test.pointer);
            !value.is_some_and(|value| test.any_of.contains(value))
        };
        if self.tests.iter().any(is_other) {
            return Ok(None);
        }
        let predicate = self.predicate.as_ref();
        if predicate.is_some_and(|predicate| predicate.refuses(row)) {
            return Ok(None);
        }
        let Some(captures) = self.captures(row) else {
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

    fn captures(&self, row: &Value) -> Option<Captures> {
        let Some((pointer, regex)) = &self.text else {
            return Some(Captures::new());
        };
        let value = row.pointer(pointer)?.as_str()?;
        let found = regex.regex()?.captures(value.as_bytes())?;
        let named = regex.names().iter().filter_map(|name| {
            let text = std::str::from_utf8(found.name(name)?.as_bytes()).ok()?;
            Some((name.to_string(), vec![text.to_owned()]))
        });
        Some(named.collect())
    }
}

impl Wanted for Rules {
    fn judge(&self, table: &str, rows: &mut Vec<Fact>, mesh: &Value, at: Timestamp) {
        if rows.is_empty() {
            return;
        }
        let of_table = self.by_table.get(table);
        let matchers: Vec<&TableMatcher> = of_table
            .into_iter()
            .flatten()
            .filter_map(|(rule, matcher)| {
                let named = self.list.get(*rule)?.matchers.get(*matcher)?;
                named.matcher.table()
            })
            .collect();
        if matchers.is_empty() {
            rows.clear();
            return;
        }
        let root = predicate::context(at, mesh);
        rows.retain_mut(|fact| fact.taken_by.is_some() || judge(fact, &matchers, &root));
    }
}

/// Whether any matcher takes a row; if so, it is left with what they show of it.
fn judge(fact: &mut Fact, matchers: &[&TableMatcher], root: &Context<'_, '_>) -> bool {
    let mut taken_by = Vec::new();
    let mut shown = BTreeSet::from(["count", "first", "last"]);
    for matcher in matchers {
        match matcher.take(fact, root) {
            Ok(None) => {}
            Ok(Some(_)) => {
                taken_by.push(matcher.number);
                shown.extend(matcher.shown.iter().map(String::as_str));
            }
            // It has to be told when the rule is decided, on the whole row.
            Err(_) => return true,
        }
    }
    if taken_by.is_empty() {
        return false;
    }
    if let Value::Object(fields) = &mut fact.fields {
        fields.retain(|name, _| shown.contains(name.as_str()));
    }
    fact.taken_by = Some(taken_by.into());
    true
}
