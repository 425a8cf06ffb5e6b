//! Lists the rules of `rules/` in a table that is compiled in.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let root =
        PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default()).join("../rules");
    println!("cargo::rerun-if-changed={}", root.display());
    let mut files = Vec::new();
    walk(&root, &mut files)?;
    files.sort();
    let mut table = String::from("static RULES: &[Embedded] = &[\n");
    for file in &files {
        let text = file.to_string_lossy();
        let stem = text.strip_suffix(".yaml").unwrap_or(&text);
        if stem
            .rsplit_once('.')
            .is_some_and(|(_, last)| last == "cases")
        {
            continue;
        }
        let cases = PathBuf::from(format!("{stem}.cases.yaml"));
        let cases = if files.contains(&cases) {
            format!("Some(include_str!({:?}))", cases.display().to_string())
        } else {
            "None".to_owned()
        };
        let shown = file
            .strip_prefix(&root)
            .unwrap_or(file)
            .to_string_lossy()
            .replace('\\', "/");
        let line = writeln!(table, "    ({shown:?}, include_str!({text:?}), {cases}),");
        line.map_err(io::Error::other)?;
    }
    table.push_str("];\n");
    fs::write(
        Path::new(&env::var_os("OUT_DIR").unwrap_or_default()).join("rules.rs"),
        table,
    )
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
