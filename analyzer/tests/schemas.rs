//! The checked-in schemas are those of the types.

#![cfg(test)]

use std::path::Path;

use linkerd_analyze::report::Report;

/// Compares a file of the repository with what it should be; with `UPDATE_SCHEMAS=1` writes it.
fn check(file: &str, schema: &schemars::Schema) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file);
    let text = serde_json::to_string_pretty(schema).unwrap() + "\n";
    if std::env::var_os("UPDATE_SCHEMAS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &text).unwrap();
        return;
    }
    let stored = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        stored == text,
        "`{file}` is not up to date; run this test with UPDATE_SCHEMAS=1"
    );
}

#[test]
fn the_schema_of_the_report_is_up_to_date() {
    check(
        "docs/schema/report.schema.json",
        &schemars::schema_for!(Report),
    );
}

#[test]
fn the_schema_of_rules_is_up_to_date() {
    check("rules/rule.schema.json", &linkerd_analyze::rule_schema());
}

#[test]
fn the_schema_of_cases_is_up_to_date() {
    check("rules/cases.schema.json", &linkerd_analyze::cases_schema());
}
