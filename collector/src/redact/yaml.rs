//! Redacts YAML that is text to us: a `ConfigMap`'s value, a manifest gathered by hand.
//!
//! Goes line by line and keeps every line, so that what is left still reads as it was written.

use super::{Counts, marker, names};

/// Takes the values of keys and environment variables out whose names smell of a secret, and
/// everything below `data` and `stringData` of a document that holds a `Secret`. The text
/// patterns are not applied here.
pub fn redact(text: &str, counts: &mut Counts) -> String {
    let mut out = String::with_capacity(text.len());
    for document in split_documents(text) {
        let is_secret = document.lines().any(is_secret_kind);
        let mut state = State {
            is_secret,
            ..State::default()
        };
        for line in document.split_inclusive('\n') {
            state.line(line, &mut out, counts);
        }
    }
    out
}

fn is_secret_kind(line: &str) -> bool {
    let line = line.trim().trim_start_matches("- ");
    matches!(line, "kind: Secret" | "kind: \"Secret\"" | "kind: 'Secret'")
}

/// Cuts before each `---` line.
fn split_documents(text: &str) -> Vec<&str> {
    let mut documents = Vec::new();
    let mut start = 0;
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        if line.trim_end() == "---" && at > start {
            documents.extend(text.get(start..at));
            start = at;
        }
        at += line.len();
    }
    documents.extend(text.get(start..));
    documents
}

#[derive(Debug, Default)]
struct State {
    is_secret: bool,
    /// Indentation of a `data:` whose children go.
    data: Option<usize>,
    /// Indentation of a secret's key whose value is a block of deeper lines.
    block: Option<usize>,
    /// Whether the last `name:` smells of a secret, so that a `value:` beside it goes.
    secret_name: bool,
}

impl State {
    fn line(&mut self, line: &str, out: &mut String, counts: &mut Counts) {
        let body = line.trim_start_matches(' ');
        let indent = line.len() - body.len();
        let text = body.trim_end();
        if text.is_empty() {
            return out.push_str(line);
        }
        if self.block.is_some_and(|block| indent > block) {
            return replace(line, indent, "yaml-value", out);
        }
        self.block = None;
        if self.data.is_some_and(|data| indent <= data) {
            self.data = None;
        }
        let item = text.trim_start_matches("- ").trim_start();
        let key_indent = indent + (text.len() - item.len());
        let Some((key, value)) = split_key(item) else {
            return out.push_str(line);
        };
        if key == "name" {
            self.secret_name = names::smells_of_secret(unquoted(value));
        }
        let is_env_value = key == "value" && std::mem::take(&mut self.secret_name);
        let is_secret = self.data.is_some() || is_env_value || names::smells_of_secret(key);
        if self.is_secret && matches!(key, "data" | "stringData") && value.is_empty() {
            self.data = Some(key_indent);
        } else if is_secret && matches!(value.as_bytes().first(), Some(b'|' | b'>')) {
            self.block = Some(key_indent);
            counts.add("yaml-value");
        } else if is_secret
            && !names::is_harmless(unquoted(value))
            && (self.data.is_some() || is_env_value || names::holds_secret(key, unquoted(value)))
        {
            let at = line.len() - line.trim_start_matches(' ').len() + text.len() - value.len();
            counts.add("yaml-value");
            return replace(line, at, "yaml-value", out);
        }
        out.push_str(line);
    }
}

/// `key: value`; the value of a flow mapping or sequence is no scalar and stays.
fn split_key(item: &str) -> Option<(&str, &str)> {
    let (key, value) = item.split_once(':')?;
    let is_key = !key.contains([' ', '{', '[']) || key.starts_with(['"', '\'']);
    let value = value.strip_prefix(' ').or(value.is_empty().then_some(""))?;
    let value = value.trim_start();
    let is_flow = value.starts_with(['{', '[', '#']) && !value.starts_with("[REDACTED");
    (is_key && !is_flow).then(|| (unquoted(key), value))
}

fn unquoted(text: &str) -> &str {
    text.trim().trim_matches(['"', '\''])
}

fn replace(line: &str, from: usize, kind: &str, out: &mut String) {
    let ending = line.len() - line.trim_end_matches(['\n', '\r']).len();
    out.push_str(line.get(..from).unwrap_or_default());
    out.push_str(&marker(kind));
    out.push_str(line.get(line.len() - ending..).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redacted(text: &str) -> String {
        redact(text, &mut Counts::default())
    }

    #[test]
    fn values_of_secret_keys_and_variables_go_and_every_line_stays() {
        let text = "proxy:\n  logLevel: warn\n  additionalEnv:\n  - name: VENDOR_TOKEN\n    value: hunter2\n  - name: LEVEL\n    value: debug\npassword: \"hunter2\"\nsecretName: web\nenableToken: true\nclientSecret: |\n  line one\n  line two\nafter: 1\n";
        let clean = redacted(text);
        assert!(
            !clean.contains("hunter2") && !clean.contains("line one"),
            "{clean}"
        );
        assert!(clean.contains("value: debug") && clean.contains("secretName: web"));
        assert!(clean.contains("enableToken: true") && clean.contains("after: 1"));
        assert_eq!(clean.lines().count(), text.lines().count());
    }

    #[test]
    fn the_data_of_a_secret_goes_and_that_of_the_next_document_stays() {
        let text = "kind: Secret\ndata:\n  tls.crt: YQ==\n  tls.key: Yg==\ntype: x\n---\nkind: ConfigMap\ndata:\n  a: kept\n";
        let clean = redacted(text);
        assert!(
            !clean.contains("YQ==") && !clean.contains("Yg=="),
            "{clean}"
        );
        assert!(clean.contains("type: x") && clean.contains("a: kept"));
    }

    #[test]
    fn text_that_is_no_yaml_comes_out_as_it_was() {
        for text in ["", "\n", "a\nb: c\n\n  - d\r\n---\n", "::\n{x: 1}", "é: ü"] {
            assert_eq!(redacted(text), text);
        }
    }
}
