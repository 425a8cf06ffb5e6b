//! Whether an expression names only variables and functions that there are, and gives true or false.

use cel::common::ast::{CallExpr, Expr, LiteralValue, SourceInfo, operators};
use cel::{IdedExpr, Program};

use super::listed;
use super::signatures::{ELSEWHERE, MACROS, SIGNATURES, Signature};
use super::slips::Slip;
use crate::rule::near::{did_you_mean, hint};
use crate::scan::expression::Expression;

/// Operators that give numbers, times or texts.
const OF_VALUES: [&str; 6] = [
    operators::ADD,
    operators::SUBSTRACT,
    operators::MULTIPLY,
    operators::DIVIDE,
    operators::MODULO,
    operators::NEGATE,
];

/// Values of a list that a loop may go over, if it is written in the expression.
const MAX_ITEMS: usize = 100;

/// Names of types, as in `type(row.a) == string`.
const TYPES: [&str; 9] = [
    "bool",
    "bytes",
    "double",
    "int",
    "list",
    "map",
    "null_type",
    "string",
    "uint",
];

/// What is wrong with an expression whose syntax is right.
pub(super) fn check(program: &Program, source: &str, variables: &[&str]) -> Vec<Slip> {
    let mut check = Check {
        source,
        places: program.source_info(),
        variables,
        loops: Vec::new(),
        slips: Vec::new(),
    };
    check.walk(program.expression());
    if check.slips.is_empty() {
        check.verdict(program.expression());
    }
    check.slips
}

struct Check<'a> {
    source: &'a str,
    places: &'a SourceInfo,
    variables: &'a [&'a str],
    /// Variables of the loops that were come to.
    loops: Vec<&'a str>,
    slips: Vec<Slip>,
}

impl<'a> Check<'a> {
    fn at(&self, expression: &IdedExpr) -> usize {
        let place = self.places.offset_for(expression.id);
        place.map_or(0, |(start, _)| start as usize)
    }

    fn add(&mut self, expression: &IdedExpr, detail: impl Into<String>) {
        self.slips.push(Slip::new(self.at(expression), detail));
    }

    /// The place of a call is that of its bracket; the name stands before it.
    fn add_call(&mut self, expression: &IdedExpr, name: &str, detail: String) {
        let bracket = self.at(expression);
        let before: String = self.source.chars().take(bracket).collect();
        let is_named = before.ends_with(name);
        let back = if is_named { name.chars().count() } else { 0 };
        self.slips.push(Slip::new(bracket - back, detail));
    }

    fn walk(&mut self, expression: &'a IdedExpr) {
        match &expression.expr {
            Expr::Ident(name) => self.variable(expression, name),
            Expr::Select(select) => self.walk(&select.operand),
            Expr::List(list) => list.elements.iter().for_each(|part| self.walk(part)),
            Expr::Call(call) => {
                if let Some(detail) = wrong_call(call) {
                    // What it is called with may be wrong for the same reason.
                    return self.add_call(expression, &call.func_name, detail);
                }
                let parts = call.target.as_deref().into_iter().chain(&call.args);
                parts.for_each(|part| self.walk(part));
            }
            Expr::Comprehension(each) => {
                if matches!(&each.iter_range.expr, Expr::List(list) if list.elements.len() > MAX_ITEMS) {
                    let detail = format!("a loop over more than {MAX_ITEMS} values; write `row.a in [...]`");
                    return self.add(expression, detail);
                }
                self.loops.push(&each.iter_var);
                self.loops.extend(each.iter_var2.as_deref());
                self.loops.push(&each.accu_var);
                let parts = [
                    &each.iter_range,
                    &each.accu_init,
                    &each.loop_cond,
                    &each.loop_step,
                    &each.result,
                ];
                parts.into_iter().for_each(|part| self.walk(part));
            }
            Expr::Map(_) | Expr::Struct(_) => self.add(
                expression,
                "braces make a map, which no rule needs; write a list, as in `row.phase in ['Failed', 'Unknown']`",
            ),
            Expr::Literal(_) | Expr::Unspecified => {}
        }
    }

    fn variable(&mut self, expression: &IdedExpr, name: &str) {
        let is_known = self.variables.contains(&name)
            || self.loops.contains(&name)
            || TYPES.contains(&name)
            || name.starts_with('@');
        if !is_known {
            let detail = self.unknown(name, self.at(expression));
            self.add(expression, detail);
        }
    }

    /// What to write for a name that is no variable.
    fn unknown(&self, name: &str, at: usize) -> String {
        let before: String = self.source.chars().take(at).collect();
        let owner = before.strip_suffix('-').and_then(|before| {
            let is_name = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.');
            let owner = before.rsplit(|c| !is_name(c)).next()?;
            owner.rsplit_once('.')
        });
        if let Some((owner, start)) = owner {
            return format!(
                "no variable `{name}`; a field with a dash in its name is written `{owner}['{start}-{name}']`"
            );
        }
        let value = match name.to_ascii_lowercase().as_str() {
            "true" => Some("true"),
            "false" => Some("false"),
            "none" | "nil" | "null" | "undefined" => Some("null"),
            _ => None,
        };
        let near = did_you_mean(name, self.variables);
        match value {
            Some(value) => format!("no variable `{name}`; write `{value}`"),
            None if near.is_empty() => format!(
                "no variable `{name}`; there are {}, and a text is written `'{name}'`",
                listed(self.variables)
            ),
            None => format!("no variable `{name}`{near}"),
        }
    }

    /// Whether all that decides is true or false.
    fn verdict(&mut self, expression: &IdedExpr) {
        let gives = match &expression.expr {
            Expr::Literal(LiteralValue::Boolean(_) | LiteralValue::Null) => None,
            Expr::Literal(_) => Some("a value"),
            Expr::List(_) => Some("a list"),
            Expr::Call(call) => match call.func_name.as_str() {
                operators::LOGICAL_AND | operators::LOGICAL_OR | operators::LOGICAL_NOT => {
                    return call.args.iter().for_each(|part| self.verdict(part));
                }
                name if OF_VALUES.contains(&name) => Some("a value"),
                name => signature(name)
                    .filter(|signature| !signature.is_test)
                    .map(|_| "a value"),
            },
            _ => None,
        };
        if let Some(gives) = gives {
            let detail =
                format!("gives {gives}, not true or false; compare it, as in `row.restarts > 3`");
            self.add(expression, detail);
        }
    }
}

fn signature(name: &str) -> Option<&'static Signature> {
    SIGNATURES.iter().find(|signature| signature.name == name)
}

/// What is wrong with a call, and what to write instead.
fn wrong_call(call: &CallExpr) -> Option<String> {
    let name = call.func_name.as_str();
    let is_operator = name.starts_with(['_', '@', '!', '-']);
    if is_operator {
        return None;
    }
    let called = |list: &[(&str, &'static str)]| {
        let found = list.iter().find(|(known, _)| *known == name);
        found.map(|(_, example)| *example)
    };
    if let Some(example) = called(&MACROS) {
        return Some(format!(
            "`{name}` is called in another way; write it as in `{example}`"
        ));
    }
    let Some(signature) = signature(name) else {
        if let Some(example) = called(&ELSEWHERE) {
            return Some(format!("no function `{name}`; write `{example}`"));
        }
        let names = SIGNATURES.iter().map(|signature| signature.name);
        let names: Vec<&str> = names.chain(MACROS.iter().map(|(name, _)| *name)).collect();
        return Some(format!("no function `{name}`{}", hint(name, &names)));
    };
    let arguments = call.args.len() + usize::from(call.target.is_some());
    if !signature.fits(call.target.is_some(), arguments) {
        let example = signature.example;
        return Some(format!(
            "`{name}` is called in another way; write it as in `{example}`"
        ));
    }
    match call.args.last().map(|last| &last.expr) {
        Some(Expr::Literal(LiteralValue::String(regex))) if name == "matches" => {
            Expression::new(regex.inner())
                .err()
                .map(|error| error.to_string())
        }
        _ => None,
    }
}
