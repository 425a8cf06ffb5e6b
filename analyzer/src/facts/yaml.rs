//! YAML as `kubectl get -o yaml` prints it, turned into the values that JSON gives.

use bundle::yaml::Part;
use serde_json::Value;

/// One document of a stream.
pub(super) struct Document {
    /// The line where it starts, from 1.
    pub(super) line: u64,
    /// Whether it is an item of a list.
    pub(super) is_item: bool,
    /// What it holds, or why it cannot be read.
    pub(super) value: Result<Value, String>,
}

/// Whether text looks like Kubernetes objects: YAML with their two telling keys at the left.
pub(super) fn is_likely(text: &str) -> bool {
    let has = |key: &str| text.lines().take(400).any(|l| l.starts_with(key));
    has("kind:") && has("apiVersion:") || has("items:")
}

/// Parses every document of a stream that looks like a Kubernetes object, and every item of those
/// that look like a list of them.
pub(super) fn documents(text: &str) -> Vec<Document> {
    let parts = bundle::yaml::cut(text).into_iter();
    parts
        .filter(|part| part.list.is_some() || is_likely(part.text))
        .map(|part| Document {
            line: part.line,
            is_item: part.list.is_some(),
            // The rest of the message shows the text around the place, which is of no use in one
            // line.
            value: parse(&part)
                .map_err(|e| e.to_string().lines().next().unwrap_or_default().to_owned()),
        })
        .collect()
}

fn parse(part: &Part<'_>) -> Result<Value, serde_saphyr::Error> {
    let Some(list) = part.list else {
        return serde_saphyr::from_str(part.text);
    };
    let items: Vec<Value> = serde_saphyr::from_str(part.text)?;
    let mut item = items.into_iter().next().unwrap_or_default();
    if let Value::Object(fields) = &mut item {
        // `kubectl get a,b` makes a plain `List`, whose items say their own kind.
        let kind = list.kind.strip_suffix("List").unwrap_or_default();
        for (field, of_list) in [("kind", kind), ("apiVersion", list.api_version)] {
            fields.entry(field).or_insert_with(|| of_list.into());
        }
    }
    Ok(item)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_any_length_is_read_item_by_item() {
        let item = |n: usize| {
            let args = "    - x\n".repeat(300);
            format!("- metadata:\n    name: p{n}\n    args:\n{args}")
        };
        let items: String = (0..1000).map(item).collect();
        let text = format!("apiVersion: v1\nitems:\n{items}- : [\nkind: PodList\n");
        let documents = documents(&text);
        assert_eq!(documents.iter().filter(|d| d.value.is_ok()).count(), 1000);
        let second = &documents[1];
        assert_eq!((second.line, second.is_item), (306, true));
        assert_eq!(second.value.as_ref().unwrap()["kind"], "Pod");
        assert!(documents[1000].value.is_err());
    }

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
