//! The table `checks`: what `linkerd check` printed, as text or with `-o json`.

use std::sync::Arc;

use bundle::EntryInfo;
use serde_json::Value;

use super::json::Json;
use super::row::{Row, list, text};
use super::{Fact, Piece, Sources};
use crate::evidence::{Evidence, Subject, shorten};
use crate::scan::record::strip_ansi;

/// The signs that rows begin with, and what they say.
const SIGNS: [(&str, &str); 3] = [("√ ", "success"), ("‼ ", "warning"), ("× ", "error")];

/// Bytes from the start of a file that tell what it is.
const HEAD: usize = 64 << 10;

/// The largest log that is looked at.
const MAX_LOG_BYTES: u64 = 256 << 10;

/// One check and how it ended.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Check {
    entry: String,
    line: Option<u64>,
    category: String,
    description: String,
    /// `success`, `warning` or `error`.
    result: String,
    error: String,
    hint: String,
}

/// Whether a log may be what the command printed.
pub(super) fn wants_log(entry: &EntryInfo) -> bool {
    let name = entry.path.file_name().to_ascii_lowercase();
    let is_small = entry.bytes.is_some_and(|bytes| bytes <= MAX_LOG_BYTES);
    is_small && name.contains("check") && name.contains(".log")
}

/// Whether a file holds what the command printed.
pub(super) fn is_output(entry: &EntryInfo, start: &[u8]) -> bool {
    if entry.path.file_name().contains(".log") && !wants_log(entry) {
        return false;
    }
    let head = start.get(..start.len().min(HEAD)).unwrap_or_default();
    let head = String::from_utf8_lossy(head);
    if head.starts_with('{') {
        return head.contains("\"categoryName\"") && head.contains("\"success\"");
    }
    let mut lines = head.lines().map(strip_ansi);
    lines.any(|line| SIGNS.iter().any(|(sign, _)| line.starts_with(sign)))
}

/// Parses what the command printed.
pub(super) fn parse(entry: &Arc<EntryInfo>, bytes: &[u8]) -> Vec<Piece> {
    let content = String::from_utf8_lossy(bytes);
    let checks = if content.trim_start().starts_with('{') {
        of_json(&content)
    } else {
        of_text(&content)
    };
    let entry = entry.path.to_string();
    let found = checks.into_iter().map(|check| {
        Piece::Check(Box::new(Check {
            entry: entry.clone(),
            ..check
        }))
    });
    found.collect()
}

/// One object of core and one of each extension; what is broken ends it.
fn of_json(content: &str) -> Vec<Check> {
    let objects = serde_json::Deserializer::from_str(content).into_iter::<Value>();
    let objects = objects.map_while(Result::ok).map(Json::from);
    let mut checks = Vec::new();
    for object in objects {
        for category in list(&object, "/categories") {
            checks.extend(list(category, "/checks").iter().map(|check| Check {
                category: text(category, "/categoryName").to_owned(),
                description: one_line(text(check, "/description")),
                result: text(check, "/result").to_owned(),
                error: one_line(text(check, "/error")),
                hint: text(check, "/hint").to_owned(),
                ..Check::default()
            }));
        }
    }
    checks
}

fn of_text(content: &str) -> Vec<Check> {
    let mut checks: Vec<Check> = Vec::new();
    let (mut category, mut before) = (String::new(), String::new());
    // Whether lines belong to the check above them.
    let mut is_within = false;
    for (line, number) in content.lines().zip(1..) {
        let line = strip_ansi(line);
        let row = SIGNS
            .iter()
            .find_map(|(sign, result)| Some((line.strip_prefix(sign)?, *result)));
        let is_rule = line.len() > 2 && line.bytes().all(|b| b == b'-');
        if let Some((description, result)) = row {
            is_within = true;
            checks.push(Check {
                line: Some(number),
                category: category.clone(),
                description: description.trim().to_owned(),
                result: result.to_owned(),
                ..Check::default()
            });
        } else if is_rule {
            before.trim().clone_into(&mut category);
        } else if line.trim().is_empty() || line.starts_with("Status check results are") {
            is_within = false;
        } else if let Some(check) = checks.last_mut().filter(|_| is_within) {
            check.add(line.trim());
        }
        before = line.into_owned();
    }
    checks
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

impl Check {
    /// Takes in a line that stands below it.
    fn add(&mut self, line: &str) {
        let hint = line.strip_prefix("see ");
        match hint.and_then(|rest| rest.strip_suffix(" for hints")) {
            Some(hint) => hint.clone_into(&mut self.hint),
            None if self.error.is_empty() => line.clone_into(&mut self.error),
            None => self.error = shorten(&format!("{} {line}", self.error)),
        }
    }

    /// What orders checks: those of one entry stay as they were printed.
    pub(super) fn place(&self) -> &str {
        &self.entry
    }

    /// The name behind `#` of its hint, which the check has in the documentation.
    fn id(&self) -> &str {
        self.hint.split_once('#').map_or("", |(_, id)| id)
    }

    fn said(&self) -> String {
        match self.error.as_str() {
            "" => self.description.clone(),
            error => format!("{}: {error}", self.description),
        }
    }

    fn fact(&self) -> Fact {
        let row = Row::new()
            .text("category", &self.category)
            .set("description", self.description.as_str())
            .set("result", self.result.as_str())
            .text("error", &self.error)
            .text("hint", &self.hint)
            .text("check", self.id())
            .set("said", self.said());
        let name = match self.id() {
            "" => &self.description,
            id => id,
        };
        let sign = SIGNS.iter().find(|(_, result)| *result == self.result);
        let sign = sign.map_or("", |(sign, _)| sign);
        Fact {
            subjects: vec![Subject::cluster("Check", name)],
            evidence: vec![Evidence {
                line: self.line,
                ..Evidence::of_entry(self.entry.as_str(), format!("{sign}{}", self.said()))
            }],
            fields: row.build(),
            kept: None,
        }
    }
}

/// Derives the table.
pub(super) fn derive(sources: &Sources<'_>) -> Vec<Fact> {
    sources.checks.iter().map(Check::fact).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::facts::testing::pieces;

    const TEXT: &str = "\
linkerd-identity
----------------
√ certificate config is valid
\u{1b}[31m×\u{1b}[0m issuer cert is within its validity period
    issuer certificate is not valid anymore. Expired on 2025-06-01T00:00:00Z
    see https://linkerd.io/2/checks/#l5d-identity-issuer-cert-is-time-valid for hints

linkerd-version
---------------
‼ cli is up-to-date
    is running version 25.6.1 but the latest
is 25.6.2

Status check results are ×
";

    fn checks(path: &str, content: &str) -> Vec<Check> {
        let pieces = pieces(path, content).into_iter();
        let of = |piece| match piece {
            Piece::Check(check) => Some(*check),
            _ => None,
        };
        pieces.filter_map(of).collect()
    }

    #[test]
    fn text_and_json_tell_the_same() {
        let told = checks("check.txt", TEXT);
        let results: Vec<&str> = told.iter().map(|check| check.result.as_str()).collect();
        assert_eq!(results, ["success", "error", "warning"]);
        assert_eq!(told[1].line, Some(4));
        assert_eq!(told[1].id(), "l5d-identity-issuer-cert-is-time-valid");
        assert_eq!(told[1].category, "linkerd-identity");
        assert_eq!(
            told[2].error,
            "is running version 25.6.1 but the latest is 25.6.2"
        );
        let core = json!({"success": false, "categories": [{"categoryName": "linkerd-identity", "checks": [
            {"description": "certificate config is valid", "result": "success"},
            {"description": "issuer cert is within its validity period", "result": "error",
             "error": "issuer certificate is not valid anymore.\n\tExpired on 2025-06-01T00:00:00Z",
             "hint": "https://linkerd.io/2/checks/#l5d-identity-issuer-cert-is-time-valid"}]}]});
        let viz = json!({"success": true, "categories": null});
        let json = checks("check.json", &format!("{core}\n{viz}\n{{\"suc"));
        assert_eq!(json.len(), 2);
        assert_eq!(json[1].said(), told[1].said());
        assert_eq!(json[1].hint, told[1].hint);
    }

    #[test]
    fn other_texts_and_odd_fields_are_passed_over() {
        for (path, text) in [
            ("notes.txt", "a √ b\n- x\n"),
            (
                "check.json",
                r#"{"success": true, "categories": [7, {"categoryName": "a", "checks": {"a": 1}}]}"#,
            ),
            ("check.json", r#"{"categories": "success"}"#),
        ] {
            assert_eq!(checks(path, text), [], "{text}");
        }
        let odd = r#"{"success": 1, "categories": [{"categoryName": 1, "checks": [{"description": 7}]}]}"#;
        assert_eq!(checks("check.json", odd)[0].description, "");
    }
}
