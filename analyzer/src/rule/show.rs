//! A rule as documentation, with fixed headings.

use super::example;
use super::file::Maturity;
use super::set::{RuleText, Rules};
use super::{By, Matcher, NamedMatcher, Place, Rule, TableMatcher};
use crate::scan::pattern::Pattern;

/// Where a rule is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// By itself, on a terminal.
    Alone,
    /// As a section of its topic's page, with links to the other pages.
    Section,
}

/// Shows rules of a set.
pub(crate) struct Shown<'a> {
    pub(crate) rules: &'a Rules,
    /// The texts of all rules, with their cases.
    pub(crate) texts: &'a [RuleText],
    pub(crate) form: Form,
}

impl Shown<'_> {
    /// A rule as Markdown.
    pub(crate) fn markdown(&self, rule: &Rule) -> String {
        let maturity = match rule.maturity {
            Maturity::Stable => "",
            Maturity::Test => " · under test",
        };
        let mark = self.mark();
        let mut page = format!(
            "{mark} {}\n\n{}\n\nSeverity {} · topic {}{maturity}\n\n",
            rule.id,
            self.prose(&rule.title),
            rule.severity.name(),
            rule.topic
        );
        let mut section = |heading: &str, text: &str| {
            let text = text.trim();
            let text = if text.is_empty() { "None." } else { text };
            page.extend([mark, "# ", heading, "\n\n", text, "\n\n"]);
        };
        section("What it says", &self.prose(&rule.message.source()));
        section("What it means", &self.prose(&rule.meaning.source()));
        section("Evidence", &self.evidence(rule));
        let steps = rule.fix.iter().zip(1..);
        let steps = steps.map(|(step, n)| format!("{n}. {}", self.prose(&step.source())));
        section("How to fix", &lines(steps));
        section("Example", &example::markdown(rule, self.texts));
        if !rule.explains.is_empty() {
            let symptoms = rule.explains.iter();
            let symptoms = symptoms.map(|(id, place)| format!("- {}{}", self.link(id), at(*place)));
            section("Accounts for", &lines(symptoms));
        }
        let links = rule.links.iter().map(|link| format!("- <{link}>"));
        section("Links", &lines(links));
        page.trim_end().to_owned() + "\n"
    }

    fn mark(&self) -> &'static str {
        match self.form {
            Form::Alone => "#",
            Form::Section => "##",
        }
    }

    /// Text of an author, in which Markdown finds nothing but code.
    fn prose(&self, text: &str) -> String {
        match self.form {
            Form::Alone => text.to_owned(),
            Form::Section => escaped(text),
        }
    }

    /// Another rule, which may not be loaded.
    fn link(&self, id: &str) -> String {
        match self.rules.rule(id) {
            Some(rule) if self.form == Form::Section => format!("[{id}]({}.md#{id})", rule.topic),
            _ => id.to_owned(),
        }
    }

    fn evidence(&self, rule: &Rule) -> String {
        let matchers = lines(rule.matchers.iter().map(|named| self.matcher(named)));
        match rule.by {
            By::Bundle => format!("{matchers}\n\nJoined over the whole bundle."),
            by => format!(
                "{matchers}\n\nJoined by {}.",
                format!("{by:?}").to_lowercase()
            ),
        }
    }

    fn matcher(&self, named: &NamedMatcher) -> String {
        let what = match &named.matcher {
            Matcher::Log(number) => log(*number, self.rules),
            Matcher::NoLine { log: number } => format!("no line: {}", log(*number, self.rules)),
            Matcher::Table(table) => rows(table),
            Matcher::NoRow { table, .. } => format!("none of {}", rows(table)),
            Matcher::Finding(id) => format!("findings of {}", self.link(id)),
        };
        let least = if named.min_count > 1 {
            format!(", at least {} times", named.min_count)
        } else {
            String::new()
        };
        let ongoing = named
            .ongoing
            .map(|d| format!(", still within {d:#} of the end"))
            .unwrap_or_default();
        format!("- `{}`: {what}{least}{ongoing}", named.name)
    }
}

/// Escapes what Markdown would take for a tag or for emphasis, outside of code.
pub(crate) fn escaped(text: &str) -> String {
    let mut is_code = false;
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        is_code ^= c == '`';
        if !is_code && matches!(c, '<' | '*') {
            safe.push('\\');
        }
        safe.push(c);
    }
    safe
}

fn lines(lines: impl Iterator<Item = String>) -> String {
    lines.collect::<Vec<String>>().join("\n")
}

fn at(place: Place) -> &'static str {
    match place {
        Place::Anywhere => "",
        Place::Namespace => ", in its own namespaces",
        Place::Subject => ", on its own subjects",
    }
}

/// Text on one line as code, whatever is in it.
fn code(text: &str) -> String {
    let text = text.split_whitespace().collect::<Vec<&str>>().join(" ");
    if text.contains('`') {
        format!("`` {text} ``")
    } else {
        format!("`{text}`")
    }
}

fn log(number: usize, rules: &Rules) -> String {
    let Some(matcher) = rules.scanner.matchers().get(number) else {
        return String::new();
    };
    let place = if matcher.in_excerpt {
        " in an excerpt"
    } else {
        ""
    };
    let of = if matcher.containers.is_empty() {
        "any container".to_owned()
    } else {
        matcher.containers.join(", ")
    };
    let patterns: Vec<String> = matcher
        .patterns
        .iter()
        .map(Pattern::source)
        .map(code)
        .collect();
    format!(
        "log lines of {of} that match {}{place}",
        patterns.join(" or ")
    )
}

fn rows(table: &TableMatcher) -> String {
    let mut text = format!("rows of `{}`", table.table);
    let tests: Vec<String> = table
        .tests
        .iter()
        .map(|test| {
            let values: Vec<String> = test.any_of.iter().map(ToString::to_string).collect();
            format!(
                "`{}` is {}",
                test.pointer.trim_start_matches('/').replace('/', "."),
                values.join(" or ")
            )
        })
        .collect();
    if !tests.is_empty() {
        text = format!("{text} where {}", tests.join(" and "));
    }
    if let Some((pointer, regex)) = &table.text {
        text = format!(
            "{text}, `{}` matches `{}`",
            pointer.trim_start_matches('/'),
            regex.source()
        );
    }
    match &table.predicate {
        Some(predicate) => format!("{text}, with `{}`", predicate.source()),
        None => text,
    }
}
