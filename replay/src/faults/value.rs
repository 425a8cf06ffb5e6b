//! Values of the faults file. Each reader pushes what is wrong, with what to write instead.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::glob::Glob;
use super::select::Choice;
use super::yaml::{Content, Mistake, Node};

/// The longest delay.
const MAX_DELAY: Duration = Duration::from_hours(1);

fn mistake(node: &Node, detail: String, mistakes: &mut Vec<Mistake>) {
    let spot = node.spot;
    mistakes.push(Mistake { spot, detail });
}

/// One text.
pub(super) fn text<'a>(node: &'a Node, what: &str, mistakes: &mut Vec<Mistake>) -> Option<&'a str> {
    if let Content::Scalar(text) = &node.content {
        return Some(text);
    }
    mistake(node, format!("this is no {what}"), mistakes);
    None
}

/// One text or a list of them, each with its place.
pub(super) fn texts<'a>(
    node: &'a Node,
    what: &str,
    mistakes: &mut Vec<Mistake>,
) -> Vec<(&'a Node, &'a str)> {
    let nodes = match &node.content {
        Content::List(nodes) => nodes.as_slice(),
        _ => std::slice::from_ref(node),
    };
    if nodes.is_empty() {
        mistake(node, format!("the list is empty; write a {what}"), mistakes);
    }
    let texts = nodes.iter().map(|n| Some((n, text(n, what, mistakes)?)));
    texts.collect::<Vec<_>>().into_iter().flatten().collect()
}

/// A whole number within a range.
pub(super) fn number(
    node: &Node,
    range: RangeInclusive<u64>,
    mistakes: &mut Vec<Mistake>,
) -> Option<u64> {
    let (least, most) = (range.start(), range.end());
    let found = text(node, "number", mistakes)?;
    let number = found.parse().ok().filter(|n| range.contains(n));
    if number.is_none() {
        let detail =
            format!("`{found}` is not allowed here; write a number from {least} to {most}");
        mistake(node, detail, mistakes);
    }
    number
}

/// A time such as `500ms`, `2s`, `1m`.
pub(super) fn duration(node: &Node, mistakes: &mut Vec<Mistake>) -> Option<Duration> {
    let found = text(node, "time", mistakes)?;
    let digits = found.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = found.split_at_checked(digits)?;
    let number = number.parse().ok();
    let duration = number.and_then(|number: u64| match unit {
        "ms" => Some(Duration::from_millis(number)),
        "s" => Some(Duration::from_secs(number)),
        "m" => Some(Duration::from_secs(number.checked_mul(60)?)),
        _ => None,
    });
    let duration = duration.filter(|d| *d <= MAX_DELAY);
    if duration.is_none() {
        let detail = format!("`{found}` is no time; write `500ms`, `2s` or `1m`, up to one hour");
        mistake(node, detail, mistakes);
    }
    duration
}

/// One of a few words.
pub(super) fn word<T: Copy>(
    (node, found): (&Node, &str),
    words: &[(&str, T)],
    mistakes: &mut Vec<Mistake>,
) -> Option<T> {
    let known = words.iter().find(|(word, _)| *word == found);
    if known.is_none() {
        let all: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        let detail = format!(
            "`{found}` is not known; write one of `{}`",
            all.join("`, `")
        );
        mistake(node, detail, mistakes);
    }
    known.map(|(_, value)| *value)
}

/// One glob or a list of them.
pub(super) fn globs(node: &Node, what: &str, mistakes: &mut Vec<Mistake>) -> Vec<Glob> {
    let found = texts(node, what, mistakes);
    let globs = found.into_iter().map(|(node, text)| match Glob::new(text) {
        Ok(glob) => Some(glob),
        Err(why) => {
            mistake(node, why, mistakes);
            None
        }
    });
    globs.collect::<Vec<_>>().into_iter().flatten().collect()
}

/// A share such as `20%`, as millionths.
pub(super) fn share(node: &Node, mistakes: &mut Vec<Mistake>) -> Option<u32> {
    let found = text(node, "share", mistakes)?;
    let percent = found.strip_suffix('%').and_then(|p| p.trim().parse().ok());
    let percent = percent.filter(|p: &f64| *p > 0.0 && *p <= 100.0);
    if percent.is_none() {
        let detail = format!("`{found}` is no share; write `20%`, above 0% and up to 100%");
        mistake(node, detail, mistakes);
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 0 and a million"
    )]
    percent.map(|p| (p * 10_000.0).round() as u32)
}

/// Names, or a share of all of them.
pub(super) fn choice(node: &Node, what: &str, mistakes: &mut Vec<Mistake>) -> Option<Choice> {
    match &node.content {
        Content::Scalar(text) if text.ends_with('%') => share(node, mistakes).map(Choice::Share),
        Content::Scalar(text) if text.parse::<f64>().is_ok() => {
            let detail = format!("`{text}` is neither a name nor a share; write `{text}%`");
            mistake(node, detail, mistakes);
            None
        }
        _ => Some(Choice::Named(globs(node, what, mistakes))),
    }
}
