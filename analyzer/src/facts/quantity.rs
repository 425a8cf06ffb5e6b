//! Kubernetes quantities as numbers: CPU in millicores, memory in bytes.

use serde_json::{Value, json};

/// Reads a quantity such as `250Mi`, `1.5`, `100m` or `1e3` as a number of its base unit.
pub(super) fn parse(text: &str) -> Option<f64> {
    const SUFFIXES: [(&str, f64); 14] = [
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
    ];
    let text = text.trim();
    let suffixed = SUFFIXES.iter().find_map(|(suffix, factor)| {
        let number = text.strip_suffix(suffix)?;
        Some(number.parse::<f64>().ok()? * factor)
    });
    suffixed
        .or_else(|| text.parse().ok())
        .filter(|n| n.is_finite())
}

fn of(resources: &Value, side: &str, name: &str) -> Option<f64> {
    match resources.get(side)?.get(name)? {
        Value::String(text) => parse(text),
        Value::Number(number) => number.as_f64(),
        _ => None,
    }
}

/// The field `resources` of a row: `cpu_request_m`, `cpu_limit_m`, `memory_request_bytes` and
/// `memory_limit_bytes`, each if it is set.
pub(super) fn resources(container: &Value) -> Value {
    let mut out = serde_json::Map::new();
    let Some(resources) = container.get("resources") else {
        return json!({});
    };
    for (field, side, name, factor) in [
        ("cpu_request_m", "requests", "cpu", 1000.0),
        ("cpu_limit_m", "limits", "cpu", 1000.0),
        ("memory_request_bytes", "requests", "memory", 1.0),
        ("memory_limit_bytes", "limits", "memory", 1.0),
    ] {
        if let Some(value) = of(resources, side, name) {
            out.insert(field.to_owned(), json!((value * factor).round()));
        }
    }
    Value::Object(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_of_every_form_are_read() {
        assert_eq!(parse("250Mi"), Some(262_144_000.0));
        assert_eq!(parse("100m"), Some(0.1));
        assert_eq!(parse("1.5"), Some(1.5));
        assert_eq!(parse("2k"), Some(2000.0));
        assert_eq!(parse("1e3"), Some(1000.0));
        assert_eq!(parse("lots"), None);
        assert_eq!(parse("inf"), None);
    }

    #[test]
    fn resources_that_are_not_set_or_odd_are_left_out() {
        let container =
            json!({"resources": {"limits": {"cpu": 1, "memory": "4Mi"}, "requests": {"cpu": []}}});
        assert_eq!(
            resources(&container),
            json!({"cpu_limit_m": 1000.0, "memory_limit_bytes": 4_194_304.0})
        );
        assert_eq!(resources(&json!({"resources": 7})), json!({}));
    }
}
