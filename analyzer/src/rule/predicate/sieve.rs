//! Says of most rows, without evaluating an expression, that it does not hold for them.
//!
//! An expression is evaluated some 150,000 times a second, and a large bundle has as many rows,
//! each asked by many rules. Most expressions begin with what a row must be (`row.kind == 'Pod'
//! && row.restarts > 5 && …`): the parts of that form are read off the syntax tree and tried
//! directly. What is not of that form refuses nothing.

use cel::IdedExpr;
use cel::common::ast::{Expr, LiteralValue, operators};
use serde_json::Value;

/// What a row must be for an expression to hold.
#[derive(Debug, Default)]
pub(super) enum Sieve {
    /// Anything.
    #[default]
    Open,
    /// What all of these let through.
    All(Vec<Sieve>),
    /// What any of these lets through.
    Any(Vec<Sieve>),
    /// A field equals one of some values.
    OneOf(Path, Vec<Value>),
    /// A field is true, or is false.
    Is(Path, bool),
    /// A field is there and not null.
    There(Path),
    /// A field is not there, or null.
    Missing(Path),
    /// A text holds another, begins or ends with it.
    Holds(Path, Part, String),
    /// A number compares so.
    Compares(Path, Order, f64),
}

/// Names of fields, one within the other, below `row`.
type Path = Vec<String>;

/// Which part of a text another is.
#[derive(Debug, Clone, Copy)]
pub(super) enum Part {
    Any,
    Start,
    End,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Order {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Part {
    fn is_of(self, text: &str, part: &str) -> bool {
        match self {
            Self::Any => text.contains(part),
            Self::Start => text.starts_with(part),
            Self::End => text.ends_with(part),
        }
    }
}

impl Sieve {
    /// Reads off an expression what a row must be.
    pub(super) fn of(expression: &IdedExpr) -> Self {
        if let Some(path) = path(expression) {
            return Self::Is(path, true);
        }
        let Expr::Call(call) = &expression.expr else {
            return Self::Open;
        };
        if let Some(target) = &call.target {
            return holds(&call.func_name, target, &call.args).unwrap_or_default();
        }
        match (call.func_name.as_str(), call.args.as_slice()) {
            (operators::LOGICAL_AND, parts) => {
                Self::All(parts.iter().map(Self::of).filter(Self::is_shut).collect())
            }
            (operators::LOGICAL_OR, parts) => {
                let parts: Vec<Self> = parts.iter().map(Self::of).collect();
                if parts.iter().all(Self::is_shut) {
                    Self::Any(parts)
                } else {
                    Self::Open
                }
            }
            (operators::LOGICAL_NOT, [part]) => match (path(part), Self::of(part)) {
                (Some(path), _) => Self::Is(path, false),
                (None, Self::There(path)) => Self::Missing(path),
                _ => Self::Open,
            },
            (operators::IN, [a, list]) => one_of(a, list).unwrap_or_default(),
            (operators::EQUALS, [a, b]) => {
                equals(a, b).or_else(|| equals(b, a)).unwrap_or_default()
            }
            (operators::NOT_EQUALS, [a, b]) if is_null(b) => {
                path(a).map_or(Self::Open, Self::There)
            }
            (name, [a, b]) => compares(name, a, b).unwrap_or_default(),
            _ => Self::Open,
        }
    }

    fn is_shut(&self) -> bool {
        match self {
            Self::Open => false,
            Self::All(parts) => parts.iter().any(Self::is_shut),
            _ => true,
        }
    }

    /// A field of the row itself that must have one of some texts.
    pub(super) fn equality(&self) -> Option<(&str, &[Value])> {
        match self {
            Self::All(parts) => parts.iter().find_map(Self::equality),
            Self::OneOf(path, values) if values.iter().all(Value::is_string) => match &**path {
                [name] => Some((name, values)),
                _ => None,
            },
            _ => None,
        }
    }

    /// Whether the expression cannot hold for a row.
    pub(super) fn refuses(&self, row: &Value) -> bool {
        match self {
            Self::Open => false,
            Self::All(parts) => parts.iter().any(|part| part.refuses(row)),
            Self::Any(parts) => parts.iter().all(|part| part.refuses(row)),
            Self::OneOf(path, values) => is_not(row, path, |value| values.contains(value)),
            Self::There(path) => is_not(row, path, |_| true),
            Self::Missing(path) => field(row, path).is_some_and(|value| !value.is_null()),
            // What is no text, or not there, is an error that may have to be told.
            Self::Holds(path, part, wanted) => {
                let text = field(row, path).and_then(Value::as_str);
                text.is_some_and(|text| !part.is_of(text, wanted))
            }
            Self::Is(path, wanted) => is_not(row, path, |value| match value {
                Value::Bool(value) => value == wanted,
                // Another type is an error that has to be told.
                _ => true,
            }),
            Self::Compares(path, order, bound) => is_not(row, path, |value| match value {
                Value::Number(number) => {
                    let number = number.as_f64().unwrap_or_default();
                    match order {
                        Order::Less => number < *bound,
                        Order::LessOrEqual => number <= *bound,
                        Order::Greater => number > *bound,
                        Order::GreaterOrEqual => number >= *bound,
                    }
                }
                _ => true,
            }),
        }
    }
}

/// Whether a field is missing, null, or not as wanted. A field of what has no fields is an error
/// that has to be told.
fn is_not(row: &Value, path: &Path, is_wanted: impl Fn(&Value) -> bool) -> bool {
    let mut value = row;
    for name in path {
        match value {
            Value::Object(fields) => match fields.get(name) {
                Some(next) => value = next,
                None => return true,
            },
            Value::Null => return true,
            _ => return false,
        }
    }
    value.is_null() || !is_wanted(value)
}

fn field<'v>(row: &'v Value, path: &Path) -> Option<&'v Value> {
    path.iter().try_fold(row, |value, name| value.get(name))
}

/// Fields of a row that are variables of their own.
const FIELDS: [&str; 6] = ["object", "value", "previous", "delta", "rate", "labels"];

/// The path that `row.a.b` spells, or `object.a`.
fn path(expression: &IdedExpr) -> Option<Path> {
    match &expression.expr {
        Expr::Select(select) if !select.test => {
            if matches!(&select.operand.expr, Expr::Ident(name) if name == "row") {
                return Some(vec![select.field.clone()]);
            }
            let mut path = path(&select.operand)?;
            path.push(select.field.clone());
            Some(path)
        }
        Expr::Ident(name) if FIELDS.contains(&name.as_str()) => Some(vec![name.clone()]),
        _ => None,
    }
}

fn is_null(expression: &IdedExpr) -> bool {
    matches!(&expression.expr, Expr::Literal(LiteralValue::Null))
}

/// `row.a in ['x', 'y']`.
fn one_of(a: &IdedExpr, list: &IdedExpr) -> Option<Sieve> {
    let Expr::List(list) = &list.expr else {
        return None;
    };
    let values: Option<Vec<Value>> = list.elements.iter().map(text_or_truth).collect();
    Some(Sieve::OneOf(path(a)?, values?))
}

/// `row.a.contains('x')`.
fn holds(name: &str, target: &IdedExpr, args: &[IdedExpr]) -> Option<Sieve> {
    let part = match name {
        "contains" => Part::Any,
        "startsWith" => Part::Start,
        "endsWith" => Part::End,
        _ => return None,
    };
    let ([arg], Some(path)) = (args, path(target)) else {
        return None;
    };
    match &arg.expr {
        Expr::Literal(LiteralValue::String(text)) => {
            Some(Sieve::Holds(path, part, text.inner().to_owned()))
        }
        _ => None,
    }
}

/// `row.a == 'x'`. Numbers are left alone: 1 and 1.0 are equal, but not as JSON.
fn equals(a: &IdedExpr, b: &IdedExpr) -> Option<Sieve> {
    Some(Sieve::OneOf(path(a)?, vec![text_or_truth(b)?]))
}

fn text_or_truth(literal: &IdedExpr) -> Option<Value> {
    match &literal.expr {
        Expr::Literal(LiteralValue::String(text)) => Some(Value::from(text.inner())),
        Expr::Literal(LiteralValue::Boolean(value)) => Some(Value::from(*value.inner())),
        _ => None,
    }
}

/// `row.a > 5`, or `5 < row.a`.
fn compares(name: &str, a: &IdedExpr, b: &IdedExpr) -> Option<Sieve> {
    let (order, turned) = match name {
        operators::LESS => (Order::Less, Order::Greater),
        operators::LESS_EQUALS => (Order::LessOrEqual, Order::GreaterOrEqual),
        operators::GREATER => (Order::Greater, Order::Less),
        operators::GREATER_EQUALS => (Order::GreaterOrEqual, Order::LessOrEqual),
        _ => return None,
    };
    match (path(a), number(b)) {
        (Some(path), Some(bound)) => Some(Sieve::Compares(path, order, bound)),
        _ => Some(Sieve::Compares(path(b)?, turned, number(a)?)),
    }
}

fn number(expression: &IdedExpr) -> Option<f64> {
    match &expression.expr {
        Expr::Literal(LiteralValue::Double(value)) => Some(*value.inner()),
        // Larger ones cannot be compared exactly as floating-point numbers.
        Expr::Literal(LiteralValue::Int(value)) => {
            i32::try_from(*value.inner()).ok().map(f64::from)
        }
        _ => None,
    }
}
