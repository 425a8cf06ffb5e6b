//! Whether an expression asks rows only for fields that they may have.

use cel::common::ast::{CallExpr, ComprehensionExpr, Expr, LiteralValue, SourceInfo, operators};
use cel::{IdedExpr, Program};

use super::slips::Slip;
use crate::facts::fields::{self, Shape};
use crate::rule::near::{did_you_mean, hint};

/// Fields that there are not, with what to write instead. `row` is a row of `table`.
pub(super) fn check(program: &Program, source: &str, table: &str) -> Vec<Slip> {
    let mut check = Check {
        source,
        places: program.source_info(),
        variables: vec![("row", fields::of(table)), ("mesh", fields::of("mesh"))],
        slips: Vec::new(),
    };
    check.shape(program.expression());
    check.slips
}

struct Check<'a> {
    source: &'a str,
    places: &'a SourceInfo,
    /// What has a shape, and those of loops behind them.
    variables: Vec<(&'a str, &'static Shape)>,
    slips: Vec<Slip>,
}

impl<'a> Check<'a> {
    /// What an expression comes to; what is wrong in it is noted.
    fn shape(&mut self, expression: &'a IdedExpr) -> &'static Shape {
        match &expression.expr {
            Expr::Ident(name) => {
                let mut known = self.variables.iter().rev();
                let found = known.find(|(variable, _)| variable == name);
                found.map_or(&Shape::Free, |(_, shape)| *shape)
            }
            Expr::Select(select) => {
                let of = self.shape(&select.operand);
                self.field(expression, of, &select.field)
            }
            Expr::Call(call) => self.call(expression, call),
            Expr::Comprehension(each) => self.each(each),
            Expr::List(list) => {
                for part in &list.elements {
                    self.shape(part);
                }
                &Shape::Free
            }
            _ => &Shape::Free,
        }
    }

    fn call(&mut self, expression: &'a IdedExpr, call: &'a CallExpr) -> &'static Shape {
        let parts = call.target.as_deref().into_iter().chain(&call.args);
        let shapes: Vec<&Shape> = parts.map(|part| self.shape(part)).collect();
        match (call.func_name.as_str(), shapes.as_slice(), call.args.last()) {
            (operators::INDEX, [of, _], Some(index)) => match &index.expr {
                Expr::Literal(LiteralValue::String(name)) => {
                    self.field(expression, of, name.inner())
                }
                _ => of.item(),
            },
            _ => &Shape::Free,
        }
    }

    fn each(&mut self, each: &'a ComprehensionExpr) -> &'static Shape {
        let of = self.shape(&each.iter_range);
        self.shape(&each.accu_init);
        let outside = self.variables.len();
        self.variables.push((&each.accu_var, &Shape::Free));
        self.variables.push((&each.iter_var, of.item()));
        for part in [&each.loop_cond, &each.loop_step, &each.result] {
            self.shape(part);
        }
        self.variables.truncate(outside);
        &Shape::Free
    }

    fn field(&mut self, expression: &IdedExpr, of: &'static Shape, name: &str) -> &'static Shape {
        match of.field(name) {
            Ok(shape) => shape,
            Err(known) => {
                let detail = unknown(name, &known);
                self.slips
                    .push(Slip::new(self.at(expression, name), detail));
                &Shape::Free
            }
        }
    }

    /// Where the name of a field stands: behind where the parser places what asks for it.
    fn at(&self, expression: &IdedExpr, name: &str) -> usize {
        let place = self.places.offset_for(expression.id);
        let start = place.map_or(0, |(start, _)| start as usize);
        let before: usize = self.source.chars().take(start).map(char::len_utf8).sum();
        let behind = self.source.get(before..).unwrap_or_default();
        let name = behind.find(name).and_then(|at| behind.get(..at));
        start + name.map_or(0, |text| text.chars().count())
    }
}

/// What to write for a field that there is not.
pub(crate) fn unknown(name: &str, known: &[&str]) -> String {
    /// More would not be read.
    const FEW: usize = 12;
    let hint = match did_you_mean(name, known) {
        near if !near.is_empty() => near,
        _ if known.len() <= FEW => hint(name, known),
        _ => "; see docs/facts.md, or `linkerd-analyze facts BUNDLE TABLE`".to_owned(),
    };
    format!("no field `{name}` here{hint}")
}
