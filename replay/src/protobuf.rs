//! Access reviews in protobuf, which `kubectl auth` sends instead of JSON.
//!
//! Only the few fields that a review can ask with are read; answers are JSON, which every client
//! accepts.

use serde_json::{Map, Value, json};

/// What Kubernetes puts before a message.
const MAGIC: &[u8] = b"k8s\0";

/// The `spec` of a review of this plural name; `None` if the bytes are none.
pub(crate) fn review(plural: &str, body: &[u8]) -> Option<Value> {
    let envelope = body.strip_prefix(MAGIC)?;
    // runtime.Unknown: the message itself is field 2.
    let message = field(envelope, 2)?;
    let spec = field(message, 2)?;
    match plural {
        "selfsubjectaccessreviews" => access(spec),
        "selfsubjectrulesreviews" => texts(spec, &["namespace"]),
        _ => Some(json!({})),
    }
}

fn access(spec: &[u8]) -> Option<Value> {
    let mut out = Map::new();
    let attributes = field(spec, 1)?;
    if !attributes.is_empty() {
        let names = [
            "namespace",
            "verb",
            "group",
            "version",
            "resource",
            "subresource",
            "name",
        ];
        let named = texts(attributes, &names)?;
        out.insert("resourceAttributes".to_owned(), named);
    }
    let attributes = field(spec, 2)?;
    if !attributes.is_empty() {
        let named = texts(attributes, &["path", "verb"])?;
        out.insert("nonResourceAttributes".to_owned(), named);
    }
    Some(Value::Object(out))
}

/// The text fields of a message, of which the first in the list has the number 1; empty ones are
/// left out.
fn texts(message: &[u8], names: &[&str]) -> Option<Value> {
    let mut out = Map::new();
    for (number, name) in (1..).zip(names) {
        let text = field(message, number)?;
        let text = std::str::from_utf8(text).ok()?;
        if !text.is_empty() {
            out.insert((*name).to_owned(), json!(text));
        }
    }
    Some(Value::Object(out))
}

/// The last value of a field with a length, empty if it is not there; `None` if the bytes are no
/// message.
fn field(mut message: &[u8], wanted: u64) -> Option<&[u8]> {
    let mut found: &[u8] = &[];
    while !message.is_empty() {
        let (tag, rest) = varint(message)?;
        message = match tag & 7 {
            0 => varint(rest)?.1,
            1 => rest.get(8..)?,
            2 => {
                let (length, rest) = varint(rest)?;
                let (value, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
                if tag >> 3 == wanted {
                    found = value;
                }
                rest
            }
            5 => rest.get(4..)?,
            _ => return None,
        };
    }
    Some(found)
}

fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0u64;
    for (number, byte) in bytes.iter().enumerate().take(10) {
        value |= u64::from(byte & 0x7f).checked_shl(u32::try_from(number).ok()? * 7)?;
        if byte & 0x80 == 0 {
            return Some((value, bytes.get(number + 1..)?));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrap(number: u8, content: &[u8]) -> Vec<u8> {
        let length = u8::try_from(content.len()).unwrap();
        [&[number << 3 | 2, length], content].concat()
    }

    #[test]
    fn a_review_as_kubectl_sends_it_is_read() {
        let attributes = [wrap(1, b"shop"), wrap(2, b"list"), wrap(5, b"pods")].concat();
        let spec = wrap(2, &wrap(1, &attributes));
        let body = [MAGIC, &wrap(1, b"\x0a\x02v1"), &wrap(2, &spec)].concat();
        let asked = json!({"resourceAttributes": {"namespace": "shop", "verb": "list", "resource": "pods"}});
        assert_eq!(review("selfsubjectaccessreviews", &body), Some(asked));
    }

    #[test]
    fn bytes_that_are_no_message_are_refused() {
        for body in [
            &b"{}"[..],
            b"k8s\0\xff",
            b"k8s\0\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
            b"k8s\0\x12\x05ab",
            b"k8s\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
        ] {
            assert_eq!(review("selfsubjectaccessreviews", body), None, "{body:?}");
        }
    }
}
