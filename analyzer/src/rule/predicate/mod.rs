//! Predicates: CEL expressions over the rows of fact tables.

mod fields;
mod functions;
mod json;
mod known;
mod matches;
mod negated;
mod sieve;
mod signatures;
mod slips;
mod steps;
#[cfg(test)]
mod tests_of_slips;

use std::sync::{Arc, LazyLock, OnceLock};

use cel::common::ast::{CallExpr, ComprehensionExpr, Expr, LiteralValue, operators};
use cel::common::types::CelBool;
use cel::{Context, Env, ExecutionError, IdedExpr, ParseErrors, Program, Value};
use jiff::Timestamp;
use serde_json::Value as Json;

pub(crate) use fields::unknown;
use sieve::Sieve;
pub(crate) use slips::Slip;

/// Bytes of one expression.
const MAX_BYTES: usize = 4096;

/// Comprehensions (`exists`, `all`, `map`, …) within each other.
const MAX_NESTED: usize = 2;

/// Every variable that any matcher gives.
const ALL_VARIABLES: [&str; 9] = [
    "row", "at", "mesh", "object", "value", "previous", "delta", "rate", "labels",
];

static ENV: LazyLock<Arc<Env>> = LazyLock::new(|| {
    let mut env = Env::stdlib();
    matches::add(&mut env);
    Arc::new(env)
});

/// Makes a text a time.
static TIME: LazyLock<Result<Program, ParseErrors>> =
    LazyLock::new(|| Program::compile("timestamp(at)"));

/// A CEL expression that gives true or false.
#[derive(Debug)]
pub(crate) struct Predicate {
    source: String,
    parsed: OnceLock<Result<Parsed, Vec<Slip>>>,
}

/// An expression as it is evaluated.
#[derive(Debug)]
struct Parsed {
    expression: IdedExpr,
    sieve: Sieve,
}

/// What an expression says of a row.
pub(crate) type Verdict = Result<bool, String>;

impl Predicate {
    /// Parses an expression that may use `variables`, of which `row` is a row of `table`.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub(crate) fn new(source: &str, table: &str, variables: &[&str]) -> Result<Self, Vec<Slip>> {
        let parsed = Parsed::of(source, table, variables)?;
        Ok(Self {
            source: source.to_owned(),
            parsed: OnceLock::from(Ok(parsed)),
        })
    }

    /// An expression that was found sound when the program was made. Parsing is slow, and most
    /// bundles have no rows for most expressions, so it waits until it is needed.
    pub(crate) fn sound(source: &str) -> Self {
        Self {
            source: source.to_owned(),
            parsed: OnceLock::new(),
        }
    }

    fn parsed(&self) -> &Result<Parsed, Vec<Slip>> {
        let parse = || Parsed::of(&self.source, "", &ALL_VARIABLES);
        self.parsed.get_or_init(parse)
    }

    /// The expression as it was written.
    pub(crate) fn source(&self) -> &str {
        &self.source
    }

    /// Fields of `object` that it negates without asking whether they are there.
    pub(crate) fn negated_fields(&self) -> Vec<String> {
        let parsed = self.parsed().iter();
        parsed
            .flat_map(|parsed| negated::fields(&parsed.expression))
            .collect()
    }

    /// A field of the row that must have one of some texts for it to hold.
    pub(crate) fn equality(&self) -> Option<(&str, &[Json])> {
        self.parsed().as_ref().ok()?.sieve.equality()
    }

    /// Whether it is plain that it does not hold for a row, without evaluating it.
    pub(crate) fn refuses(&self, row: &Json) -> bool {
        let parsed = self.parsed();
        parsed
            .as_ref()
            .is_ok_and(|parsed| parsed.sieve.refuses(row))
    }

    /// Whether it holds. A field that is not there makes a comparison not hold.
    pub(crate) fn holds(&self, scope: &Context<'_, '_>) -> Verdict {
        let parsed = self.parsed().as_ref().map_err(|slips| told(slips))?;
        steps::begin();
        let value = Value::resolve_val(&parsed.expression, scope);
        if steps::are_spent() {
            return Err(format!(
                "its loops look at more than {} items; ask for less at once",
                steps::MOST
            ));
        }
        match value {
            Ok(value) => match value.downcast_ref::<CelBool>() {
                Some(verdict) => Ok(*verdict.inner()),
                None if value.get_type().name() == "null_type" => Ok(false),
                None => Err(format!(
                    "gives {} instead of true or false",
                    value.get_type().name()
                )),
            },
            Err(error) if is_absence(&error) => Ok(false),
            Err(error) => Err(crate::evidence::shorten(&error.to_string())),
        }
    }
}

impl Parsed {
    fn of(source: &str, table: &str, variables: &[&str]) -> Result<Self, Vec<Slip>> {
        if let Some(slip) = slips::of_size(source, MAX_BYTES) {
            return Err(vec![slip]);
        }
        let program =
            Program::compile(source).map_err(|errors| slips::of_syntax(source, &errors))?;
        let mut slips = known::check(&program, source, variables);
        slips.extend(fields::check(&program, source, table));
        if !slips.is_empty() {
            return Err(slips);
        }
        let mut expression = program.expression().clone();
        let nested = prepare(&mut expression);
        if nested > MAX_NESTED {
            let detail =
                format!("{nested} loops within each other; at most {MAX_NESTED} are allowed");
            return Err(vec![Slip::new(0, detail)]);
        }
        Ok(Self {
            sieve: Sieve::of(&expression),
            expression,
        })
    }
}

/// What is wrong, without places.
fn told(slips: &[Slip]) -> String {
    let details = slips.iter().map(|slip| slip.detail.as_str());
    details.collect::<Vec<_>>().join("; ")
}

/// Names in back-quotes, joined by commas.
pub(crate) fn listed<S: AsRef<str>>(names: &[S]) -> String {
    names
        .iter()
        .map(|name| format!("`{}`", name.as_ref()))
        .collect::<Vec<_>>()
        .join(", ")
}

/// Whether an error only says that a field is not there.
fn is_absence(error: &ExecutionError) -> bool {
    match error {
        ExecutionError::NoSuchKey(_) => true,
        ExecutionError::NoSuchOverload(overload) => overload
            .argument_types()
            .iter()
            .any(|name| name == "null_type"),
        ExecutionError::UnexpectedType { got, .. } => got == "null_type" || got == "null",
        ExecutionError::UnsupportedTargetType { target } => *target == Value::Null,
        ExecutionError::UnsupportedBinaryOperator(_, a, b) => {
            *a == Value::Null || *b == Value::Null
        }
        ExecutionError::ValuesNotComparable(a, b) => *a == Value::Null || *b == Value::Null,
        _ => false,
    }
}

/// Turns `has(a.b)` into `a.b != null`, which is right for a missing `a` too. Gives the depth of
/// comprehensions.
fn prepare(expression: &mut IdedExpr) -> usize {
    let id = expression.id;
    match &mut expression.expr {
        Expr::Select(select) => {
            let depth = prepare(&mut select.operand);
            if select.test {
                select.test = false;
                let select = Expr::Select(std::mem::take(select));
                let null = Expr::Literal(LiteralValue::Null);
                let args = vec![IdedExpr { id, expr: select }, IdedExpr { id, expr: null }];
                let func_name = operators::NOT_EQUALS.to_owned();
                expression.expr = Expr::Call(CallExpr {
                    func_name,
                    target: None,
                    args,
                });
            }
            depth
        }
        Expr::Call(call) => {
            let target = call.target.as_mut().map_or(0, |target| prepare(target));
            call.args
                .iter_mut()
                .map(prepare)
                .max()
                .unwrap_or(0)
                .max(target)
        }
        Expr::List(list) => list.elements.iter_mut().map(prepare).max().unwrap_or(0),
        Expr::Comprehension(comprehension) => prepare_loop(comprehension),
        _ => 0,
    }
}

fn prepare_loop(comprehension: &mut ComprehensionExpr) -> usize {
    let inner = [
        &mut comprehension.loop_cond,
        &mut comprehension.loop_step,
        &mut comprehension.result,
    ];
    let inner = inner.into_iter().map(prepare).max().unwrap_or(0);
    prepare(&mut comprehension.iter_range).max(inner + 1)
}

/// A context with the functions of rules and the variables `at` and `mesh`, to be reused for
/// many rows.
pub(crate) fn context(at: Timestamp, mesh: &Json) -> Context<'_, '_> {
    let mut context = Context::with_env(Arc::clone(&ENV));
    functions::add(&mut context);
    context.add_variable_from_value("at", at.to_string());
    let now = TIME.as_ref().ok();
    let now = now.and_then(|program| program.execute(&context).ok());
    context.add_variable_from_value("at", now.unwrap_or(Value::Null));
    context.add_variable_as_val("mesh", json::value(mesh));
    context
}

/// Binds a variable to JSON that is borrowed.
pub(crate) fn bind<'v>(scope: &mut Context<'_, 'v>, name: &str, json: &'v Json) {
    scope.add_variable_as_val(name, json::value(json));
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn holds(source: &str, row: &Json) -> Verdict {
        let mesh = json!({});
        let root = context("2026-11-23T01:00:00Z".parse().unwrap(), &mesh);
        let mut scope = root.new_inner_scope();
        bind(&mut scope, "row", row);
        for name in ["object", "value"] {
            bind(&mut scope, name, row.get(name).unwrap_or(&Json::Null));
        }
        let predicate = Predicate::new(source, "", &["row", "at", "mesh", "object", "value"]);
        predicate.map_err(|slips| told(&slips))?.holds(&scope)
    }

    #[test]
    fn rows_are_asked_by_field_time_quantity_and_version() {
        let row = json!({
            "role": "issuer", "not_after": "2026-11-23T00:59:00Z", "n": 3, "share": 0.5,
            "limit": "250Mi", "version": "edge-26.8.3", "labels": {"app": "web"}, "ports": [80, 443],
        });
        for source in [
            "row.role == 'issuer' && timestamp(row.not_after) < at",
            "timestamp(row.not_after) + duration('2m') > at",
            "quantity(row.limit) > 1e8 && quantity('100m') < 1.0",
            "atLeast(row.version, 'edge-24.1.1')",
            "row.ports.exists(p, p == 443) && 80 in row.ports && size(row.ports) == 2",
            "row.labels.app == 'web' && 'app' in row.labels && row.labels['app'].startsWith('w')",
            "row.labels.exists(key, key == 'app')",
            "row.n > 2 && row.n > 2.5 && row.share < 1",
            "!has(row.other.thing) && has(row.labels.app)",
            "row.other == null && row.ports.filter(p, p > 100).size() == 1",
            "row.role.matches('^iss') && !row.role.matches('^suer') && matches(row.role, 'r$')",
        ] {
            assert_eq!(holds(source, &row), Ok(true), "{source}");
        }
    }

    /// Each is asked of rows with all kinds of values.
    const SOURCES: [&str; 23] = [
        "row.a",
        "!row.a",
        "has(row.a)",
        "has(row.a.b) && row.a.b == 'x'",
        "row.a == 'x'",
        "'x' == row.a || row.a == 'y'",
        "row.a != 'x'",
        "row.a > 3",
        "3.5 <= row.a",
        "!(row.a > 3)",
        "row.a == 'x' && row.b > 3",
        "row.a == 3 || row.a",
        "row.a == true",
        "row.a < 10 && (row.a >= 3 || row.b)",
        "row.a in ['x', 'z']",
        "!has(row.a)",
        "!has(row.a.b)",
        "row.a.contains('x')",
        "row.a.startsWith('y') || row.a.endsWith('x')",
        "row.a.b.contains('x') && row.b > 3",
        "!row.a.contains('x')",
        "object.a == 'x' && value > 3.0",
        "!has(object.a.b) || value == 'x'",
    ];

    #[test]
    fn what_is_plainly_refused_does_not_hold() {
        let values = [
            json!(null),
            json!(true),
            json!(false),
            json!("x"),
            json!("y"),
            json!(3),
            json!(3.5),
            json!({"b": "x"}),
        ];
        for source in SOURCES {
            let predicate = Predicate::new(source, "", &["row", "object", "value"]).unwrap();
            for a in &values {
                for row in [
                    json!({"a": a}),
                    json!({"a": a, "b": true}),
                    json!({"a": a, "b": 4}),
                    json!({"object": {"a": a}, "value": a}),
                    json!({"object": a, "value": 4}),
                    json!({}),
                ] {
                    let held = holds(source, &row);
                    if predicate.refuses(&row) {
                        assert_eq!(held, Ok(false), "{source} on {row}");
                    }
                }
            }
        }
        // It is of use.
        let holds = Predicate::new("row.a.startsWith('x')", "", &["row"]).unwrap();
        assert!(holds.refuses(&json!({"a": "yx"})));
        for source in [
            "row.a == 'x' && row.b > row.c",
            "!row.a",
            "has(row.b.c)",
            "row.a in ['x']",
            "!has(row.a)",
        ] {
            assert!(
                Predicate::new(source, "", &["row"])
                    .unwrap()
                    .refuses(&json!({"a": true})),
                "{source}"
            );
        }
    }

    #[test]
    fn what_is_absent_does_not_hold_and_is_no_error() {
        let row = json!({"n": 1, "gone": null});
        for source in [
            "row.missing == 'x'",
            "row.missing.deeper > 3",
            "3 < row.missing",
            "timestamp(row.gone) < at",
            "row.missing.startsWith('x')",
            "row.missing.matches('x')",
            "row.missing.exists(x, x == 1)",
            "'x' in row.missing",
            "row.missing",
        ] {
            assert_eq!(holds(source, &row), Ok(false), "{source}");
        }
    }

    #[test]
    fn an_expression_takes_a_bounded_number_of_steps_on_a_row() {
        let items: Vec<usize> = (0..5_000).collect();
        let row = json!({"items": items});
        for endless in [
            "row.items.all(a, row.items.all(b, a + b >= 0))",
            "row.items.all(a, !(a in [a + 1]) && a in row.items)",
            "row.items.map(a, row.items.filter(b, b == a)).size() == 5000",
        ] {
            let told = holds(endless, &row).unwrap_err();
            assert!(told.contains("ask for less at once"), "{told}");
        }
        assert_eq!(holds("row.items.all(a, a < 5000)", &row), Ok(true));
    }

    #[test]
    fn an_error_is_told() {
        assert!(holds("timestamp('yesterday') < at", &json!({})).is_err());
        assert!(holds("row.n + 'x' == 'y'", &json!({"n": 1})).is_err());
        assert!(holds("'a'.matches('(')", &json!({})).is_err());
        assert!(holds("row.n", &json!({"n": 1})).is_err());
        assert!(
            holds("roww.n == 1", &json!({"n": 1}))
                .unwrap_err()
                .contains("no variable `roww`")
        );
        assert!(holds("row.n ==", &json!({})).is_err());
        let deep = "row.a.exists(a, a.exists(b, b.exists(c, c == 1)))";
        assert!(holds(deep, &json!({})).unwrap_err().contains("loops"));
    }
}
