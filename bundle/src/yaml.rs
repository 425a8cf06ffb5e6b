//! Cuts YAML as `kubectl`, `oc` and their like print it into single objects.
//!
//! A list of a thousand pods is a few hundred thousand nodes: parsed as a whole it takes a lot of
//! memory and exceeds what a cautious parser allows, and one broken object costs all. So it is
//! cut at its items, which stand at one indentation, before anything is parsed.

/// One object of a stream of documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part<'a> {
    /// The line where it starts, from 1.
    pub line: u64,
    /// Its text: a document, or a sequence of one item.
    pub text: &'a str,
    /// The list that it is an item of.
    pub list: Option<List<'a>>,
}

/// What a list says of its items.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct List<'a> {
    /// Its kind, such as `PodList`; empty if it says none.
    pub kind: &'a str,
    /// Its version; empty if it says none.
    pub api_version: &'a str,
}

/// Cuts a stream of documents into single objects.
pub fn cut(text: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let mut document = Document::starting(0, 1);
    let mut offset = 0;
    for (number, line) in (1..).zip(text.split_inclusive('\n')) {
        let end = offset + line.len();
        if line.trim_end() == "---" || line.starts_with("--- ") {
            document.finish(text, offset, &mut parts);
            document = Document::starting(end, number + 1);
        } else {
            document.line(line, offset, number);
        }
        offset = end;
    }
    document.finish(text, offset, &mut parts);
    parts
}

/// A document in the making.
struct Document<'a> {
    start: usize,
    first_line: u64,
    list: List<'a>,
    /// Where items start, and their lines.
    items: Vec<(usize, u64)>,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before `items:`.
    Before,
    /// Right behind it: the first item tells the indentation.
    Expecting,
    /// Among items of this indentation.
    Within(usize),
    /// Behind them, from here.
    After(usize),
}

impl<'a> Document<'a> {
    fn starting(start: usize, first_line: u64) -> Self {
        Self {
            start,
            first_line,
            list: List::default(),
            items: Vec::new(),
            state: State::Before,
        }
    }

    fn line(&mut self, line: &'a str, offset: usize, number: u64) {
        let bare = line.trim_start_matches(' ');
        let indent = line.len() - bare.len();
        let is_item = bare.starts_with("- ");
        let is_empty = bare.trim_end().is_empty() || bare.starts_with('#');
        match self.state {
            State::Expecting if is_item => {
                self.items.push((offset, number));
                self.state = State::Within(indent);
            }
            State::Within(own) if is_item && indent == own => self.items.push((offset, number)),
            State::Expecting | State::Within(_) if indent == 0 && !is_empty && !is_item => {
                self.state = State::After(offset);
            }
            _ => {}
        }
        if indent > 0 || matches!(self.state, State::Expecting | State::Within(_)) {
            return;
        }
        if let Some(kind) = line.strip_prefix("kind:") {
            self.list.kind = bare_word(kind);
        } else if let Some(version) = line.strip_prefix("apiVersion:") {
            self.list.api_version = bare_word(version);
        } else if self.state == State::Before && line.trim_end() == "items:" {
            self.state = State::Expecting;
        }
    }

    fn finish(self, text: &'a str, end: usize, parts: &mut Vec<Part<'a>>) {
        if self.items.is_empty() {
            let text = text.get(self.start..end).unwrap_or_default();
            parts.push(Part {
                line: self.first_line,
                text,
                list: None,
            });
            return;
        }
        let end = match self.state {
            State::After(end) => end,
            _ => end,
        };
        let ends = self.items.iter().skip(1).map(|(start, _)| *start);
        for ((start, line), end) in self.items.iter().zip(ends.chain([end])) {
            parts.push(Part {
                line: *line,
                text: text.get(*start..end).unwrap_or_default(),
                list: Some(self.list),
            });
        }
    }
}

/// A word without the quotes that it may have.
fn bare_word(text: &str) -> &str {
    text.trim().trim_matches(['"', '\''])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> Vec<(u64, &str, &str)> {
        let parts = cut(text).into_iter().filter(|p| !p.text.is_empty());
        parts
            .map(|p| (p.line, p.text, p.list.map_or("", |list| list.kind)))
            .collect()
    }

    #[test]
    fn a_list_is_cut_at_its_items_whatever_stands_before_and_behind_them() {
        let text = "---\napiVersion: v1\nitems:\n- kind: Pod\n  spec:\n    a:\n    - x\n- metadata:\n    name: b\nkind: PodList\nmetadata: {}\n";
        assert_eq!(
            told(text),
            [
                (4, "- kind: Pod\n  spec:\n    a:\n    - x\n", "PodList"),
                (8, "- metadata:\n    name: b\n", "PodList"),
            ]
        );
        let indented = "kind: List\nitems:\n  - a: 1\n    b:\n      - 2\n  - a: 3\n";
        assert_eq!(
            told(indented),
            [
                (3, "  - a: 1\n    b:\n      - 2\n", "List"),
                (6, "  - a: 3\n", "List"),
            ]
        );
    }

    #[test]
    fn documents_that_are_no_lists_stay_as_they_are() {
        let text =
            "kind: Pod\nmetadata:\n  items:\n  - x\n---\nitems: []\nkind: PodList\n--- # c\na: 1";
        assert_eq!(
            told(text),
            [
                (1, "kind: Pod\nmetadata:\n  items:\n  - x\n", ""),
                (6, "items: []\nkind: PodList\n", ""),
                (9, "a: 1", ""),
            ]
        );
        assert!(told("").is_empty());
    }
}
