//! Which rows of a fact table a matcher takes.

use std::collections::BTreeMap;

use cel::Context;
use jiff::Timestamp;
use serde_json::Value;

use super::set::Rules;
use super::{Matcher, TableMatcher, predicate};
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
        let found = regex.captures(value.as_bytes())?;
        let named = regex.capture_names().flatten().filter_map(|name| {
            let text = std::str::from_utf8(found.name(name)?.as_bytes()).ok()?;
            Some((name.to_owned(), vec![text.to_owned()]))
        });
        Some(named.collect())
    }
}

impl Wanted for Rules {
    fn retain(&self, table: &str, rows: &mut Vec<Fact>, mesh: &Value, at: Timestamp) {
        let matchers = self.list.iter().flat_map(|rule| &rule.matchers);
        let of_table: Vec<&TableMatcher> = matchers
            .filter_map(|named| match &named.matcher {
                Matcher::Table(matcher) | Matcher::NoRow { table: matcher, .. } => Some(matcher),
                _ => None,
            })
            .filter(|matcher| matcher.table == table)
            .collect();
        if of_table.is_empty() {
            rows.clear();
            return;
        }
        let root = predicate::context(at, mesh);
        // An error has to be told when the rule is decided.
        let takes = |m: &&TableMatcher, fact: &Fact| !matches!(m.take(fact, &root), Ok(None));
        rows.retain(|fact| of_table.iter().any(|matcher| takes(matcher, fact)));
    }
}
