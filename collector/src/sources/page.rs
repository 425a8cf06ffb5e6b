//! Reads one page of a list, an object at a time, so that a page is never in memory as a tree.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Value, json};

/// What a page says besides its objects.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Head {
    pub(crate) kind: String,
    pub(crate) api_version: String,
    pub(crate) resource_version: String,
    /// Where the next page goes on; empty at the end.
    pub(crate) next: String,
}

impl Head {
    /// The beginning of a list like this one in JSON, up to its objects.
    pub(crate) fn open(&self) -> String {
        let metadata = json!({"resourceVersion": self.resource_version});
        format!(
            r#"{{"kind":{},"apiVersion":{},"metadata":{metadata}"#,
            json!(self.kind),
            json!(self.api_version)
        )
    }
}

/// Hands each object of a page to `each` and returns the rest of it.
///
/// # Errors
/// When the bytes are no list in JSON, or `each` gives up.
pub(crate) fn read(
    bytes: &[u8],
    each: &mut dyn FnMut(Value) -> std::io::Result<()>,
) -> Result<Head, serde_json::Error> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let head = reader.deserialize_map(Page { each })?;
    reader.end()?;
    Ok(head)
}

struct Page<'a> {
    each: &'a mut dyn FnMut(Value) -> std::io::Result<()>,
}

impl<'de> Visitor<'de> for Page<'_> {
    type Value = Head;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of objects")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Head, A::Error> {
        let (mut head, mut has_items) = (Head::default(), false);
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "kind" => head.kind = map.next_value()?,
                "apiVersion" => head.api_version = map.next_value()?,
                "metadata" => {
                    let metadata: Value = map.next_value()?;
                    let text = |name: &str| {
                        let value = metadata.get(name).and_then(Value::as_str);
                        value.unwrap_or_default().to_owned()
                    };
                    head.resource_version = text("resourceVersion");
                    head.next = text("continue");
                }
                "items" => {
                    map.next_value_seed(Items { each: self.each })?;
                    has_items = true;
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        if has_items {
            Ok(head)
        } else {
            Err(A::Error::missing_field("items"))
        }
    }
}

struct Items<'a> {
    each: &'a mut dyn FnMut(Value) -> std::io::Result<()>,
}

impl<'de> DeserializeSeed<'de> for Items<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Items<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the list's items")
    }

    // Go writes an empty list as `null` at times.
    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while let Some(item) = items.next_element::<Value>()? {
            (self.each)(item).map_err(A::Error::custom)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_come_one_by_one_and_the_rest_comes_back() {
        let page = br#"{"kind":"PodList","apiVersion":"v1","metadata":{"resourceVersion":"7","continue":"c"},"x":[1],"items":[{"a":1},{"b":2}]}"#;
        let mut seen = Vec::new();
        let head = read(page, &mut |item| {
            seen.push(item.to_string());
            Ok(())
        });
        let head = head.unwrap();
        assert_eq!(seen, [r#"{"a":1}"#, r#"{"b":2}"#]);
        assert_eq!((head.kind.as_str(), head.next.as_str()), ("PodList", "c"));
    }

    #[test]
    fn a_list_of_null_is_empty_and_garbage_is_an_error() {
        let mut none = |_| Err(std::io::Error::other("called"));
        assert!(read(br#"{"kind":"PodList","items":null}"#, &mut none).is_ok());
        for text in [
            "",
            "[]",
            "{",
            "{}",
            r#"{"kind":"Status"}"#,
            r#"{"items":[1"#,
            r#"{"items":[]} x"#,
        ] {
            assert!(read(text.as_bytes(), &mut |_| Ok(())).is_err(), "{text}");
        }
    }
}
