//! Fields of objects that an expression negates without asking whether they are there.
//!
//! Kubernetes leaves `false` out of objects. `!object.spec.paused` then does not hold, although its author
//! meant it to.

use std::collections::BTreeSet;

use cel::IdedExpr;
use cel::common::ast::{Expr, LiteralValue, operators};

/// Such fields, as `object.spec.paused`.
pub(super) fn fields(expression: &IdedExpr) -> Vec<String> {
    let mut seen = Seen::default();
    seen.walk(expression);
    seen.negated.difference(&seen.asked).cloned().collect()
}

#[derive(Default)]
struct Seen {
    negated: BTreeSet<String>,
    /// Compared with `null`, which is what `has()` becomes.
    asked: BTreeSet<String>,
}

impl Seen {
    fn walk(&mut self, expression: &IdedExpr) {
        match &expression.expr {
            Expr::Select(select) => self.walk(&select.operand),
            Expr::List(list) => list.elements.iter().for_each(|part| self.walk(part)),
            Expr::Call(call) => {
                match (call.func_name.as_str(), call.args.as_slice()) {
                    (operators::LOGICAL_NOT, [field]) => self.negated.extend(path(field)),
                    (operators::EQUALS | operators::NOT_EQUALS, [field, null])
                        if matches!(null.expr, Expr::Literal(LiteralValue::Null)) =>
                    {
                        self.asked.extend(path(field));
                    }
                    _ => {}
                }
                let parts = call.target.as_deref().into_iter().chain(&call.args);
                parts.for_each(|part| self.walk(part));
            }
            Expr::Comprehension(each) => {
                let parts = [&each.iter_range, &each.loop_step, &each.result];
                parts.into_iter().for_each(|part| self.walk(part));
            }
            _ => {}
        }
    }
}

/// `object.a.b` as text.
fn path(expression: &IdedExpr) -> Option<String> {
    match &expression.expr {
        Expr::Ident(name) if name == "object" => Some(name.clone()),
        Expr::Select(select) => Some(format!("{}.{}", path(&select.operand)?, select.field)),
        _ => None,
    }
}
