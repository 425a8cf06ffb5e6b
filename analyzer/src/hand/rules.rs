//! Lists, shows, checks, tests and begins rules.

use std::io::Write;
use std::path::Path;

use anyhow::Context as _;

use crate::args::{RuleArgs, RulesCommand};
use crate::exit::ExitStatus;
use crate::rule::set::Rules;
use crate::rule::show::{Form, Shown};
use crate::rule::{Maturity, begin, cases, docs, lint, pack};

/// Does what is asked for.
pub(crate) fn rules(command: &RulesCommand, to: &mut dyn Write) -> anyhow::Result<ExitStatus> {
    match command {
        RulesCommand::List { rules } => list(&crate::run::rules(rules)?, to),
        RulesCommand::Show { ids, rules } => show(rules, ids, to),
        RulesCommand::Docs { folder, rules } => write_docs(rules, folder, to),
        RulesCommand::Lint { rules } => lint_all(rules, to),
        RulesCommand::Test { ids, rules } => test(rules, ids, to),
        RulesCommand::New { id, folder } => new(id, folder, to),
    }
}

fn list(rules: &Rules, to: &mut dyn Write) -> anyhow::Result<ExitStatus> {
    let width = rules
        .list
        .iter()
        .map(|rule| rule.id.len())
        .max()
        .unwrap_or(0);
    for rule in &rules.list {
        let severity = rule.severity.name();
        let test = if rule.maturity == Maturity::Test {
            " (test)"
        } else {
            ""
        };
        writeln!(
            to,
            "{:<width$}  {severity:<8}  {:<14}  {}{test}",
            rule.id, rule.topic, rule.title
        )?;
    }
    Ok(ExitStatus::Fine)
}

fn show(args: &RuleArgs, ids: &[String], to: &mut dyn Write) -> anyhow::Result<ExitStatus> {
    let rules = crate::run::rules(args)?;
    let texts = pack::gather(&args.folders, !args.no_builtin_rules)?;
    let shown = Shown {
        rules: &rules,
        texts: &texts,
        form: Form::Alone,
    };
    for (number, id) in ids.iter().enumerate() {
        let rule = rules.rule(id).with_context(|| {
            format!("no rule `{id}`\nhint: `linkerd-analyze rules list` lists them")
        })?;
        let gap = if number > 0 { "\n" } else { "" };
        write!(to, "{gap}{}", shown.markdown(rule))?;
    }
    Ok(ExitStatus::Fine)
}

/// Writes the pages about the rules into a folder.
fn write_docs(args: &RuleArgs, folder: &Path, to: &mut dyn Write) -> anyhow::Result<ExitStatus> {
    let rules = crate::run::rules(args)?;
    let texts = pack::gather(&args.folders, !args.no_builtin_rules)?;
    std::fs::create_dir_all(folder)
        .with_context(|| format!("cannot make `{}`", folder.display()))?;
    let pages = docs::pages(&rules, &texts);
    for (name, page) in &pages {
        let path = folder.join(name);
        std::fs::write(&path, page)
            .with_context(|| format!("cannot write `{}`", path.display()))?;
    }
    writeln!(
        to,
        "{} rules on {} pages in `{}`",
        rules.len(),
        pages.len(),
        folder.display()
    )?;
    Ok(ExitStatus::Fine)
}

fn lint_all(args: &RuleArgs, to: &mut dyn Write) -> anyhow::Result<ExitStatus> {
    let texts = pack::gather(&args.folders, !args.no_builtin_rules)?;
    let rules = Rules::compile(&texts)?;
    let remarks = lint::lint(&rules, &texts);
    for remark in &remarks {
        writeln!(to, "{remark}")?;
    }
    writeln!(to, "{} rules, {} remarks", rules.len(), remarks.len())?;
    Ok(if remarks.is_empty() {
        ExitStatus::Fine
    } else {
        ExitStatus::Found
    })
}

/// Runs the cases of the given folders, or of the built-in rules if there are none.
fn test(args: &RuleArgs, ids: &[String], to: &mut dyn Write) -> anyhow::Result<ExitStatus> {
    let all = pack::gather(&args.folders, !args.no_builtin_rules)?;
    if ids.is_empty() {
        Rules::compile(&all)?;
    }
    let known: Vec<String> = all.iter().map(cases::id_of).collect();
    if let Some(unknown) = ids.iter().find(|id| !known.contains(id)) {
        anyhow::bail!("no rule `{unknown}`\nhint: `linkerd-analyze rules list` lists them");
    }
    let tested = cases::test(&all, ids);
    for fault in &tested.faults {
        writeln!(to, "{fault}")?;
    }
    writeln!(to, "{} cases, {} faults", tested.cases, tested.faults.len())?;
    Ok(if tested.faults.is_empty() {
        ExitStatus::Fine
    } else {
        ExitStatus::Found
    })
}

fn new(id: &str, folder: &Path, to: &mut dyn Write) -> anyhow::Result<ExitStatus> {
    let topic = folder
        .file_name()
        .map(|name| name.to_string_lossy().into_owned());
    let topic = topic.context("name the folder of a topic, such as `rules/proxy`")?;
    let (rule, cases) = begin::template(&topic, id);
    std::fs::create_dir_all(folder)
        .with_context(|| format!("cannot make `{}`", folder.display()))?;
    for (name, text) in [
        (format!("{id}.yaml"), rule),
        (format!("{id}.cases.yaml"), cases),
    ] {
        let path = folder.join(name);
        let mut file = std::fs::File::create_new(&path)
            .with_context(|| format!("cannot make `{}`", path.display()))?;
        file.write_all(text.as_bytes())?;
        writeln!(to, "{}", path.display())?;
    }
    Ok(ExitStatus::Fine)
}
