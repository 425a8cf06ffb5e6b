//! Makes the rules of `rules/` ready for the start of the program: each as its YAML and as JSON, which is read in a
//! fraction of the time, and all their regexes with the literals that lines are searched for.
//!
//! What a rule means is not decided here: the program reads the JSON into the types that it reads YAML into.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

use serde_json::Value;

#[path = "src/scan/borders.rs"]
mod borders;
#[path = "src/scan/frequency.rs"]
mod frequency;
#[path = "src/scan/literals.rs"]
mod literals;
#[path = "src/scan/syntax.rs"]
mod syntax;

/// Keys of matchers whose values are regexes.
const REGEXES: [&str; 4] = ["pattern", "patterns", "exclude", "message"];

fn main() -> io::Result<()> {
    let root =
        PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default()).join("../rules");
    println!("cargo::rerun-if-changed={}", root.display());
    let mut files = Vec::new();
    walk(&root, &mut files)?;
    files.sort();
    let mut rules = String::from("static RULES: &[Embedded] = &[\n");
    let mut regexes = BTreeMap::new();
    for file in &files {
        let stem = file.with_extension("");
        if stem.extension().is_some_and(|e| e == "cases") {
            continue;
        }
        let cases = Some(stem.with_extension("cases.yaml")).filter(|cases| files.contains(cases));
        let rule = read(file)?;
        gather(
            rule.get("matchers").unwrap_or(&Value::Null),
            false,
            &mut regexes,
        );
        let shown = file.strip_prefix(&root).unwrap_or(file).to_string_lossy();
        let shown = shown.replace('\\', "/");
        let included = |path: &PathBuf| format!("include_str!({:?})", path.display().to_string());
        let (yaml, cases) = (included(file), cases.as_ref().map(included));
        let cases = cases.map_or("None".to_owned(), |cases| format!("Some({cases})"));
        let json = rule.to_string();
        writeln!(rules, "    ({shown:?}, {yaml}, {cases}, {json:?}),").map_err(io::Error::other)?;
    }
    rules.push_str("];\n");
    write("rules.rs", &rules)?;
    write("regexes.rs", &table(&regexes).map_err(io::Error::other)?)
}

fn walk(folder: &Path, into: &mut Vec<PathBuf>) -> io::Result<()> {
    for item in fs::read_dir(folder)? {
        let item = item?;
        if item.file_type()?.is_dir() {
            walk(&item.path(), into)?;
        } else if item.path().extension().is_some_and(|e| e == "yaml") {
            into.push(item.path());
        }
    }
    Ok(())
}

/// The JSON of a rule; `null` if its YAML has a fault, which the program tells when it reads that.
fn read(file: &Path) -> io::Result<Value> {
    Ok(serde_saphyr::from_str(&fs::read_to_string(file)?).unwrap_or_default())
}

/// The names of a regex's captures, and its literals.
type Known = (Vec<String>, Vec<Vec<u8>>);

/// Takes the regexes among the values of matchers apart.
fn gather(value: &Value, is_regex: bool, into: &mut BTreeMap<String, Known>) {
    match value {
        Value::Object(fields) => fields
            .iter()
            .for_each(|(key, value)| gather(value, REGEXES.contains(&key.as_str()), into)),
        Value::Array(items) => items.iter().for_each(|item| gather(item, is_regex, into)),
        Value::String(source) if is_regex => {
            // One with a fault is not known, and told when the program reads it.
            if let Ok(hir) = syntax::parse(source) {
                let required = literals::required(&hir).map(|required| required.0);
                let known = (syntax::names(&hir), required.unwrap_or_default());
                into.insert(source.clone(), known);
            }
        }
        _ => {}
    }
}

/// The regexes as a table, ordered by their texts.
fn table(regexes: &BTreeMap<String, Known>) -> Result<String, std::fmt::Error> {
    let mut table = String::from("static KNOWN: &[Known] = &[\n");
    for (source, (names, required)) in regexes {
        let texts = required
            .iter()
            .map(|text| format!("b\"{}\"", text.escape_ascii()));
        let texts = texts.collect::<Vec<_>>().join(", ");
        writeln!(
            table,
            "    Known {{ source: {source:?}, required: &[{texts}], names: &{names:?} }},"
        )?;
    }
    table.push_str("];\n");
    Ok(table)
}

/// Writes a new file: copies of a target folder may share the old one.
fn write(name: &str, text: &str) -> io::Result<()> {
    let target = Path::new(&env::var_os("OUT_DIR").unwrap_or_default()).join(name);
    let partial = target.with_extension("partial");
    fs::write(&partial, text)?;
    fs::rename(partial, target)
}
