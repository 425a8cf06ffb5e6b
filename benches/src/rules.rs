//! The log patterns of rules, and packs of made-up rules with the words of the real ones.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use clap::Args;
use serde_json::Value;

/// Makes a pack of made-up log rules.
#[derive(Debug, Args)]
pub(crate) struct Pack {
    /// The folder to write
    #[arg(short, long)]
    output: PathBuf,
    /// How many rules
    #[arg(long, default_value_t = 700)]
    count: usize,
    /// Where words are taken from
    #[arg(long, default_value = "rules")]
    rules: PathBuf,
    /// What all random choices start from
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// Prints log patterns.
#[derive(Debug, Args)]
pub(crate) struct Patterns {
    /// Folders of rules
    #[arg(required = true)]
    folders: Vec<PathBuf>,
}

/// Prints the patterns, each once, as `rg --no-unicode -f` takes them: it joins them to one regex, in
/// which no name may stand twice, and beyond ASCII there are bytes.
pub(crate) fn print_patterns(args: &Patterns) -> Result<()> {
    let mut all = BTreeSet::new();
    for folder in &args.folders {
        all.extend(
            patterns_below(folder)?
                .iter()
                .map(|p| in_bytes(&nameless(p))),
        );
    }
    for pattern in all {
        anstream::println!("{pattern}");
    }
    Ok(())
}

fn nameless(pattern: &str) -> String {
    let mut parts = pattern.split("(?P<");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| {
        let rest = part.split_once('>').map_or(part, |(_, rest)| rest);
        text + "(?:" + rest
    })
}

fn in_bytes(pattern: &str) -> String {
    let spelled = |byte: u8| {
        if byte.is_ascii() {
            char::from(byte).to_string()
        } else {
            format!("\\x{byte:02X}")
        }
    };
    pattern.bytes().map(spelled).collect()
}

/// Writes the pack. A pattern is two pairs of words with a capture between them, the words drawn
/// from real patterns: as rare and as common in logs as those of real rules.
pub(crate) fn write_pack(args: &Pack) -> Result<()> {
    let mut words = BTreeSet::new();
    for pattern in patterns_below(&args.rules)? {
        let of_pattern = pattern.split(|c: char| !c.is_ascii_alphabetic());
        words.extend(of_pattern.filter(|w| w.len() > 3).map(str::to_owned));
    }
    let words: Vec<String> = words.into_iter().collect();
    ensure!(
        words.len() > 20,
        "no log patterns in `{}`",
        args.rules.display()
    );
    let mut random = fastrand::Rng::with_seed(args.seed);
    let folder = args.output.join("bench");
    fs::create_dir_all(&folder).with_context(|| format!("cannot make `{}`", folder.display()))?;
    for number in 0..args.count {
        let mut word = || random.choice(&words).map_or("", String::as_str);
        let pattern = format!("{} {} (?P<what>\\S+) {} {}", word(), word(), word(), word());
        let id = format!("made-up-{number:04}");
        let rule = format!(
            "id: {id}\ntitle: Made up\nseverity: low\ntopic: bench\nmatchers:\n  line:\n    log: {{pattern: '{pattern}'}}\n\
             message: \"made up: {{what}}\"\nmeaning: Nothing.\nfix: [\"nothing\"]\nlinks: [https://linkerd.io/2/overview/]\nreferences: []\n"
        );
        let path = folder.join(format!("{id}.yaml"));
        fs::write(&path, rule).with_context(|| format!("cannot write `{}`", path.display()))?;
    }
    anstream::println!("{}: {} rules", args.output.display(), args.count);
    Ok(())
}

/// The log patterns of all rules below a folder.
pub(crate) fn patterns_below(folder: &Path) -> Result<Vec<String>> {
    let mut patterns = Vec::new();
    let items =
        fs::read_dir(folder).with_context(|| format!("cannot read `{}`", folder.display()))?;
    for item in items {
        let path = item?.path();
        let name = path.to_string_lossy();
        if path.is_dir() {
            patterns.extend(patterns_below(&path)?);
        } else if name.ends_with(".yaml") && !name.ends_with(".cases.yaml") {
            let rule: Value = serde_saphyr::from_str(&fs::read_to_string(&path)?)
                .with_context(|| format!("cannot parse `{name}`"))?;
            let matchers = rule.get("matchers").and_then(Value::as_object);
            for matcher in matchers.into_iter().flat_map(|m| m.values()) {
                let log = matcher.get("log");
                let one = log.and_then(|l| l.get("pattern")).into_iter();
                let many = log.and_then(|l| l.get("patterns")?.as_array());
                let all = one.chain(many.into_iter().flatten());
                patterns.extend(all.filter_map(Value::as_str).map(str::to_owned));
            }
        }
    }
    Ok(patterns)
}
