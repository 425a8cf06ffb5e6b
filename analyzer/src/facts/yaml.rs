//! YAML as `kubectl get -o yaml` prints it, turned into the values that JSON gives.

use serde_json::Value;

/// One document of a stream.
pub(super) struct Document {
    /// The line where it starts, from 1.
    pub(super) line: u64,
    /// What it holds, or why it cannot be read.
    pub(super) value: Result<Value, String>,
}

/// Whether text looks like Kubernetes objects: YAML with their two telling keys at the left.
pub(super) fn is_likely(text: &str) -> bool {
    let has = |key: &str| text.lines().take(400).any(|l| l.starts_with(key));
    has("kind:") && has("apiVersion:") || has("items:")
}

/// Parses every document of a stream that looks like a Kubernetes object.
pub(super) fn documents(text: &str) -> Vec<Document> {
    let mut documents = Vec::new();
    let mut start = 0;
    let mut first_line = 1;
    let mut line_number = 0;
    let mut offset = 0;
    for line in text.split_inclusive('\n') {
        line_number += 1;
        let is_border = line.trim_end() == "---" || line.starts_with("--- ");
        if is_border {
            documents.extend(document(
                text.get(start..offset).unwrap_or_default(),
                first_line,
            ));
            start = offset + line.len();
            first_line = line_number + 1;
        }
        offset += line.len();
    }
    documents.extend(document(text.get(start..).unwrap_or_default(), first_line));
    documents
}

fn document(text: &str, line: u64) -> Option<Document> {
    if !is_likely(text) {
        return None;
    }
    let value = serde_saphyr::from_str::<Value>(text);
    // The rest of the message shows the text around the place, which is of no use in one line.
    let value = value.map_err(|e| e.to_string().lines().next().unwrap_or_default().to_owned());
    Some(Document { line, value })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_know_their_first_line_and_broken_ones_do_not_spoil_the_others() {
        let text = "# made by hand\n---\napiVersion: v1\nkind: Pod\nmetadata: {name: a}\n---\napiVersion: v1\nkind: [\n---\napiVersion: v1\nkind: Service\n";
        let documents = documents(text);
        let told: Vec<_> = documents
            .iter()
            .map(|d| (d.line, d.value.is_ok()))
            .collect();
        assert_eq!(told, [(3, true), (7, false), (10, true)]);
    }
}
