//! Functions that rules have besides CEL's own: quantities and versions.

use std::cmp::Ordering;
use std::sync::Arc;

use cel::{Context, ExecutionError, Value};

use crate::rule::version::Version;

/// Adds them to a context.
pub(super) fn add(context: &mut Context<'_, '_>) {
    let added = [
        context.add_function("quantity", |text: Value| number(&text)),
        context.add_function("compareVersions", |a: Arc<String>, b: Arc<String>| {
            compare(&a, &b)
        }),
        context.add_function("atLeast", |a: Arc<String>, b: Arc<String>| {
            Ok::<bool, ExecutionError>(compare(&a, &b)? >= 0)
        }),
    ];
    debug_assert!(added.iter().all(Result::is_ok), "a name of CEL's own");
}

fn number(value: &Value) -> Result<f64, ExecutionError> {
    let wrong = || ExecutionError::function_error("quantity", format!("{value:?} is no quantity"));
    match value {
        Value::String(text) => quantity(text).ok_or_else(wrong),
        #[expect(
            clippy::cast_precision_loss,
            reason = "CEL's own conversion loses the same"
        )]
        Value::Int(int) => Ok(*int as f64),
        Value::Float(float) => Ok(*float),
        _ => Err(wrong()),
    }
}

/// Reads a Kubernetes quantity: `100m`, `250Mi`, `1.5`, `2e3`.
pub(crate) fn quantity(text: &str) -> Option<f64> {
    const SUFFIXES: [(&str, f64); 15] = [
        ("Ki", 1024.0),
        ("Mi", 1_048_576.0),
        ("Gi", 1_073_741_824.0),
        ("Ti", 1_099_511_627_776.0),
        ("Pi", 1_125_899_906_842_624.0),
        ("Ei", 1_152_921_504_606_846_976.0),
        ("n", 1e-9),
        ("u", 1e-6),
        ("m", 1e-3),
        ("k", 1e3),
        ("M", 1e6),
        ("G", 1e9),
        ("T", 1e12),
        ("P", 1e15),
        ("E", 1e18),
    ];
    let text = text.trim();
    let (digits, factor) = SUFFIXES
        .iter()
        .find_map(|(suffix, factor)| text.strip_suffix(suffix).map(|digits| (digits, *factor)))
        .unwrap_or((text, 1.0));
    let is_number = digits
        .bytes()
        .all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'+' | b'e' | b'E'));
    let number: f64 = digits.parse().ok().filter(|_| is_number)?;
    Some(number * factor)
}

fn compare(a: &str, b: &str) -> Result<i64, ExecutionError> {
    let parse = |text: &str| {
        Version::parse(text).ok_or_else(|| {
            ExecutionError::function_error("compareVersions", format!("`{text}` is no version"))
        })
    };
    match parse(a)?.compare(&parse(b)?) {
        Some(Ordering::Less) => Ok(-1),
        Some(Ordering::Equal) => Ok(0),
        Some(Ordering::Greater) => Ok(1),
        None => {
            let detail = format!("`{a}` and `{b}` are of different release channels");
            Err(ExecutionError::function_error("compareVersions", detail))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_read_as_kubernetes_does() {
        for (text, number) in [
            ("100m", 0.1),
            ("250Mi", 262_144_000.0),
            ("1", 1.0),
            ("2k", 2000.0),
            ("1e3", 1000.0),
        ] {
            assert_eq!(quantity(text), Some(number), "{text}");
        }
        assert_eq!(quantity("much"), None);
        assert_eq!(quantity("inf"), None);
    }
}
