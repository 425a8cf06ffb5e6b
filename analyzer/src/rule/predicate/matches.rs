//! The function `matches`. That of the CEL crate compiles its pattern for every row; here each
//! pattern is compiled once.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use cel::common::types::{CelBool, CelString};
use cel::{Env, ExecutionError};
use regex::Regex;

/// Patterns that are kept. Those of rules are far fewer, but an expression may make one of what
/// stands in a row.
const MAX_KEPT: usize = 4096;

static KEPT: RwLock<Option<HashMap<String, Regex>>> = RwLock::new(None);

/// Adds the function to an environment that has none of this name.
pub(super) fn add(env: &mut Env) {
    let added = [
        cel::add_overload!(env, fn matches: (CelString, CelString) -> Result<CelBool>, id = "matches"),
        cel::add_member_overload!(env, fn matches: (CelString, CelString) -> Result<CelBool>),
    ];
    debug_assert!(added.iter().all(Result::is_ok), "a name of CEL's own");
}

fn matches(text: &CelString<'_>, pattern: &CelString<'_>) -> Result<CelBool, ExecutionError> {
    let pattern = pattern.inner();
    let known = KEPT.read().unwrap_or_else(PoisonError::into_inner);
    if let Some(regex) = known.as_ref().and_then(|known| known.get(pattern)) {
        return Ok(CelBool::from(regex.is_match(text.inner())));
    }
    drop(known);
    let regex = Regex::new(pattern).map_err(|error| {
        let detail = format!("'{pattern}' not a valid regex:\n{error}");
        ExecutionError::function_error("matches", detail)
    })?;
    let verdict = regex.is_match(text.inner());
    let mut known = KEPT.write().unwrap_or_else(PoisonError::into_inner);
    let known = known.get_or_insert_default();
    if known.len() < MAX_KEPT {
        known.insert(pattern.to_owned(), regex);
    }
    Ok(CelBool::from(verdict))
}
