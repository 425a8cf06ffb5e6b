//! JSON that was cut: what there is of the last object.

use serde_json::Value;

/// The text up to its last whole value, with what is open closed; `None` if there is no whole value in it.
///
/// Of text that is nested deeper than the parser goes there is none. What it gives need not be JSON, if the text is none for another reason than its end.
pub(super) fn closed(text: &str) -> Option<String> {
    /// Deeper ones are not parsed either.
    const DEEPEST: usize = 127;
    let mut open: Vec<u8> = Vec::new();
    let mut whole: Option<(usize, Vec<u8>)> = None;
    let (mut is_quoted, mut is_escaped) = (false, false);
    for (at, byte) in text.bytes().enumerate() {
        if is_quoted {
            (is_quoted, is_escaped) = (is_escaped || byte != b'"', !is_escaped && byte == b'\\');
            continue;
        }
        match byte {
            b'"' => is_quoted = true,
            b'{' | b'[' if open.len() == DEEPEST => return None,
            b'{' => open.push(b'}'),
            b'[' => open.push(b']'),
            b'}' | b']' => {
                if open.pop() != Some(byte) {
                    return None;
                }
                whole = Some((at + 1, open.clone()));
            }
            b',' => whole = Some((at, open.clone())),
            _ => {}
        }
    }
    let (end, open) = whole?;
    let closers = open.iter().rev().map(|closer| char::from(*closer));
    Some(text.get(..end)?.chars().chain(closers).collect())
}

/// Names the containers' statuses of a pod that was cut before their names, which stand behind how the
/// containers ended: by their images, if no other container has the same.
pub(super) fn name_statuses(pod: &mut Value) {
    const STATUSES: [(&str, &str); 2] = [
        ("/status/initContainerStatuses", "/spec/initContainers"),
        ("/status/containerStatuses", "/spec/containers"),
    ];
    for (statuses, containers) in STATUSES {
        let unnamed = pod.pointer(statuses).and_then(Value::as_array);
        let unnamed = unnamed.and_then(|all| all.iter().position(|s| s.get("name").is_none()));
        let Some(at) = unnamed else { continue };
        let place = format!("{statuses}/{at}");
        let name = owner_of(pod.pointer(&place), pod.pointer(containers));
        let status = pod.pointer_mut(&place).and_then(Value::as_object_mut);
        if let (Some(name), Some(status)) = (name, status) {
            status.insert("name".to_owned(), name);
        }
    }
}

/// The name of the only container with the image of a status.
fn owner_of(status: Option<&Value>, containers: Option<&Value>) -> Option<Value> {
    let image = status?.get("image")?;
    let all = containers?.as_array()?.iter();
    let mut owners = all.filter(|container| container.get("image") == Some(image));
    let owner = owners.next()?.get("name")?.clone();
    owners.next().is_none().then_some(owner)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::{closed, name_statuses};

    #[test]
    fn what_is_whole_stays_and_what_is_open_is_closed() {
        for (cut, want) in [
            (
                r#"{"a": 1, "b": [{"c": "x, ]}"}, {"d": "y"#,
                json!({"a": 1, "b": [{"c": "x, ]}"}]}),
            ),
            (r#"{"a": "\\", "b": "\", "#, json!({"a": "\\"})),
            (r#"{"a": {"b": 1}, "c": tru"#, json!({"a": {"b": 1}})),
        ] {
            let mended = closed(cut).unwrap();
            assert_eq!(serde_json::from_str::<Value>(&mended).unwrap(), want);
        }
        let deep = "[".repeat(200_000) + &"1,".repeat(200_000);
        assert_eq!(closed(&deep), None);
        for lost in ["", "{", r#"{"a": "b"#, "]", "{]"] {
            assert_eq!(closed(lost), None, "{lost}");
        }
    }

    #[test]
    fn a_status_without_its_name_is_told_by_an_image_that_no_other_has() {
        let pod = |images: [&str; 2]| {
            json!({"spec": {"containers": [{"name": "a", "image": images[0]}, {"name": "b", "image": images[1]}]},
                "status": {"containerStatuses": [{"name": "a"}, {"image": "y"}]}})
        };
        for (images, want) in [(["x", "y"], json!("b")), (["y", "y"], json!(null))] {
            let mut pod = pod(images);
            name_statuses(&mut pod);
            assert_eq!(pod["status"]["containerStatuses"][1]["name"], want);
        }
        for mut odd in [
            json!([]),
            json!({"status": {"containerStatuses": {"a": 1}}}),
        ] {
            name_statuses(&mut odd);
        }
    }

    proptest! {
        #[test]
        fn any_object_that_is_cut_is_json_again(cut in 0_usize..400) {
            let text = json!({
                "é\"\\": [1, {"b": null, "c": [[], {}, "]}"]}, -2.5e7], "d": {"e": "f, g", "h": true},
            }).to_string();
            let text = text.get(..cut % text.len()).unwrap_or_default();
            if let Some(mended) = closed(text) {
                prop_assert!(serde_json::from_str::<Value>(&mended).is_ok(), "{mended}");
            }
        }
    }
}
