//! Turns what the YAML says into rules that can be run; finds every fault on the way.

use super::compile_condition::condition;
use super::compile_matcher::matcher;
use super::fault::Faulty;
use super::file::{By, MatcherFile, RuleFile};
use super::near::hint;
use super::predicate::Slip;
use super::predicate::unknown;
use super::spanned::At;
use super::template::Template;
use super::version::Range;
use super::{Matcher, NamedMatcher, Rule};
use crate::facts::fields;
use crate::scan::LogMatcher;

/// Names that mean the subjects of a finding, or hold for the whole bundle.
const SUBJECT_NAMES: [&str; 10] = [
    "subject",
    "subjects",
    "pod",
    "pods",
    "namespace",
    "workload",
    "node",
    "service",
    "at",
    "control_plane",
];

/// Names behind a matcher's name that every matcher has.
const MATCHER_FIELDS: [&str; 3] = ["count", "first", "last"];

/// The name of a fact table as facts spell it.
pub(super) fn table_name(name: &str) -> Option<&'static str> {
    super::compile_matcher::TABLES
        .iter()
        .find(|known| **known == name)
        .copied()
}

/// Compiles one file. Log matchers are added to `logs`.
pub(super) fn rule(
    file: RuleFile,
    faulty: &mut Faulty<'_>,
    logs: &mut Vec<LogMatcher>,
) -> Option<Rule> {
    check_words(&file, faulty);
    let names: Vec<String> = file.matchers.keys().cloned().collect();
    let (matchers, captures) = matchers_of(&file, faulty, logs);
    if names.is_empty() {
        faulty.add(file.id.place, "no matchers; a rule needs at least one");
    }
    let condition = condition(file.condition.as_ref(), &names, &matchers, faulty);
    mark_counted(&condition, &matchers, logs);
    let texts = Texts {
        names: &names,
        captures: &captures,
        matchers: &matchers,
    };
    let message = texts.template(&file.message, faulty);
    let meaning = texts.template(&file.meaning, faulty);
    let fix = file
        .fix
        .iter()
        .map(|step| texts.template(step, faulty))
        .collect();
    let mut range = |at: &Option<At<String>>| {
        at.as_ref()
            .and_then(|at| faulty.check(at.place, Range::parse(&at.value)))
    };
    let ranges = [
        &file.applies.proxy,
        &file.applies.control_plane,
        &file.applies.kubernetes,
    ]
    .map(&mut range);
    let [proxy, control_plane, kubernetes] = ranges;
    faulty.faults.is_empty().then(|| Rule {
        id: file.id.value,
        title: file.title.value,
        severity: file.severity,
        maturity: file.maturity,
        topic: file.topic.value,
        proxy,
        control_plane,
        kubernetes,
        needs: file.needs,
        matchers,
        condition,
        by: file.by,
        message,
        meaning,
        fix,
        links: file.links.into_iter().map(|link| link.value).collect(),
        explains: file
            .explains
            .into_iter()
            .map(|e| (e.rule.value, e.place))
            .collect(),
        references: file.references,
    })
}

/// Compiles the matchers of a rule; gives them and the captures of all of them.
fn matchers_of(
    file: &RuleFile,
    faulty: &mut Faulty<'_>,
    logs: &mut Vec<LogMatcher>,
) -> (Vec<NamedMatcher>, Vec<String>) {
    let mut captures = Vec::new();
    let mut matchers = Vec::new();
    for (name, at) in &file.matchers {
        if let Some(compiled) = matcher(at, file.by, faulty, logs) {
            captures.extend(compiled.captures);
            matchers.push(NamedMatcher {
                name: name.clone(),
                ..compiled.matcher
            });
        }
    }
    (matchers, captures)
}

/// Log matchers of conditions about time keep the second of every match.
fn mark_counted(condition: &super::Condition, matchers: &[NamedMatcher], logs: &mut [LogMatcher]) {
    use super::Condition;
    let timed = match condition {
        Condition::All(parts) | Condition::Any(parts) => {
            return parts
                .iter()
                .for_each(|part| mark_counted(part, matchers, logs));
        }
        Condition::Not(part) => return mark_counted(part, matchers, logs),
        Condition::Matcher(_) => return,
        Condition::Count { of, .. } => vec![*of],
        Condition::Sequence { first, then, .. } => vec![*first, *then],
    };
    for number in timed {
        if let Some(Matcher::Log(log)) = matchers.get(number).map(|m| &m.matcher)
            && let Some(log) = logs.get_mut(*log)
        {
            log.keeps_seconds = true;
        }
    }
}

fn check_words(file: &RuleFile, faulty: &mut Faulty<'_>) {
    let is_id = |id: &str| {
        !id.is_empty()
            && id.split('-').all(|word| {
                !word.is_empty()
                    && word
                        .bytes()
                        .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
            })
    };
    for at in [&file.id, &file.topic] {
        if !is_id(&at.value) {
            let detail = format!("`{}` is not lower-case words joined by hyphens", at.value);
            faulty.add(at.place, detail);
        }
    }
    for (name, at) in [
        ("title", &file.title),
        ("message", &file.message),
        ("meaning", &file.meaning),
    ] {
        if at.value.trim().is_empty() {
            faulty.add(at.place, format!("`{name}` is empty"));
        }
    }
    for (name, at) in &file.matchers {
        if !is_id(&name.replace('_', "-")) {
            faulty.add(
                at.place,
                format!("`{name}` is not lower-case words joined by hyphens"),
            );
        }
    }
    for link in &file.links {
        if !link.value.starts_with("https://") {
            let detail = format!("`{}` is no link; write it with `https://`", link.value);
            faulty.add(link.place, detail);
        }
    }
    let finds = |m: &At<MatcherFile>| matches!(&m.value, MatcherFile::Finding(id) if id.value == file.id.value);
    for at in file.matchers.values().filter(|m| finds(m)) {
        faulty.add(at.place, "a rule cannot wait for its own findings");
    }
    for explained in file
        .explains
        .iter()
        .filter(|e| e.rule.value == file.id.value)
    {
        faulty.add(explained.rule.place, "a rule cannot explain itself");
    }
    if file.by == By::Identity
        && file.fix.is_empty()
        && file.severity > crate::finding::Severity::Info
    {
        faulty.add(file.id.place, "`fix` is empty");
    }
}

/// What placeholders may name.
struct Texts<'a> {
    names: &'a [String],
    captures: &'a [String],
    matchers: &'a [NamedMatcher],
}

impl Texts<'_> {
    fn template(&self, at: &At<String>, faulty: &mut Faulty<'_>) -> Template {
        let text = at.value.trim();
        let result = Template::parse(text).and_then(|template| {
            let names = template.names().filter(|_| !faulty.is_sound);
            let slips = names.filter_map(|name| {
                let detail = self.check(name).err()?;
                let place = text.match_indices(name).find(|(at, _)| {
                    let before = text.get(..*at).unwrap_or_default();
                    before.ends_with(['{', '|'])
                });
                let before = place.and_then(|(at, _)| text.get(..at));
                Some(Slip::new(before.map_or(0, |b| b.chars().count()), detail))
            });
            let slips: Vec<Slip> = slips.collect();
            if slips.is_empty() {
                Ok(template)
            } else {
                Err(slips)
            }
        });
        let indent = at.value.chars().take_while(|c| c.is_whitespace()).count();
        let result = result.map_err(|mut slips| {
            slips.iter_mut().for_each(|slip| slip.at += indent);
            slips
        });
        faulty.check_inside(at, result).unwrap_or_default()
    }

    /// Whether what a matcher matches may have a field.
    fn check_field(&self, matcher: &str, field: &str) -> Result<(), String> {
        let named = self.matchers.iter().find(|named| named.name == matcher);
        let is_given =
            MATCHER_FIELDS.contains(&field) || self.captures.iter().any(|name| name == field);
        let (Some(table), false) = (named.and_then(|named| named.matcher.table()), is_given) else {
            return Ok(());
        };
        let mut shape = fields::of(&table.table);
        for name in field.split('.') {
            shape = shape.field(name).map_err(|known| unknown(name, &known))?;
        }
        Ok(())
    }

    fn check(&self, name: &str) -> Result<(), String> {
        match name.split_once('.') {
            Some((matcher, field)) if self.names.iter().any(|n| n == matcher) => {
                let slip = |detail| format!("`{{{name}}}`: {detail}");
                self.check_field(matcher, field).map_err(slip)
            }
            Some((matcher, _)) => Err(format!(
                "`{{{name}}}`: no matcher `{matcher}`{}",
                hint(matcher, self.names)
            )),
            None if SUBJECT_NAMES.contains(&name) || self.captures.iter().any(|c| c == name) => {
                Ok(())
            }
            None if self.names.iter().any(|n| n == name) => Err(format!(
                "`{{{name}}}` is a matcher; write what you want of it, as `{{{name}.{}}}`",
                MATCHER_FIELDS.join(&format!("}}`, `{{{name}."))
            )),
            None => {
                let mut known: Vec<&str> = self.captures.iter().map(String::as_str).collect();
                known.extend(SUBJECT_NAMES);
                Err(format!(
                    "`{{{name}}}` is neither a capture nor a subject{}",
                    hint(name, &known)
                ))
            }
        }
    }
}
