//! Log lines in JSON, of tracing and of logrus, in the words and the order of plain lines.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::record::{Level, Record, uptime_us_of};

/// Keys that are no fields of the message.
const HEAD: [&str; 5] = ["message", "msg", "time", "level", "timestamp"];

/// An object with its keys as they are printed. One key may stand twice: a span's field `name`
/// comes before the span's own name.
struct Object<'a>(Vec<(String, &'a RawValue)>);

impl<'a> Object<'a> {
    fn last(&self, name: &str) -> Option<&'a RawValue> {
        let mut found = self.0.iter().rev().filter(|(key, _)| key == name);
        found.next().map(|(_, value)| *value)
    }

    fn text(&self, name: &str) -> Option<String> {
        serde_json::from_str(self.last(name)?.get()).ok()
    }
}

impl<'de> Deserialize<'de> for Object<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Printed;
        impl<'de> Visitor<'de> for Printed {
            type Value = Object<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Object(fields))
            }
        }
        deserializer.deserialize_map(Printed)
    }
}

/// Takes a line apart; `None` if it is no JSON object.
pub(super) fn parse(line: &str) -> Option<Record<'static>> {
    let object: Object<'_> = serde_json::from_str(line).ok()?;
    let mut record = Record {
        level: object.text("level").as_deref().and_then(Level::parse),
        ..Record::default()
    };
    match object.text("timestamp").or_else(|| object.text("time")) {
        Some(time) if time.starts_with('[') => {
            let inner = time.trim_matches(|c| matches!(c, '[' | ']' | 's' | ' '));
            record.uptime_us = uptime_us_of(inner);
        }
        Some(time) => record.time = time.parse().ok(),
        None => {}
    }
    let target = object.text("target").or_else(|| object.text("component"));
    let target = target.unwrap_or_default();
    let fields = object.last("fields");
    let fields = fields.and_then(|fields| serde_json::from_str::<Object<'_>>(fields.get()).ok());
    let mut message = String::new();
    if fields.is_some() && !target.is_empty() {
        message = format!("{}{target}: ", spans(&object));
    }
    add_fields(fields.as_ref().unwrap_or(&object), &mut message);
    record.target = Cow::Owned(target);
    record.message = Cow::Owned(message);
    Some(record)
}

/// The message, and the other fields behind it as `key=value`.
fn add_fields(fields: &Object<'_>, message: &mut String) {
    let text = fields.text("message").or_else(|| fields.text("msg"));
    let start = message.len();
    message.push_str(&text.unwrap_or_default());
    for (key, value) in fields
        .0
        .iter()
        .filter(|(key, _)| !HEAD.contains(&key.as_str()))
    {
        if message.len() > start {
            message.push(' ');
        }
        message.extend([key, "=", &plain(value)]);
    }
}

/// `outbound:service{ns=shop name=cart port=80}: `, outermost first; empty if there are none.
fn spans(object: &Object<'_>) -> String {
    let list = object.last("spans").map_or("[]", RawValue::get);
    let spans: Vec<Object<'_>> = serde_json::from_str(list).unwrap_or_default();
    let mut text = String::new();
    for span in &spans {
        text.extend([span_text(span).as_str(), ":"]);
    }
    if !text.is_empty() {
        text.push(' ');
    }
    text
}

fn span_text(span: &Object<'_>) -> String {
    let own = span.0.iter().rposition(|(key, _)| key == "name");
    let mut fields: Vec<_> = span.0.iter().enumerate().collect();
    fields.retain(|(at, _)| Some(*at) != own);
    // JSON sorts a span's fields; plain lines have the namespace before the name.
    fields.sort_by_key(|(_, (key, _))| key != "ns");
    let fields = fields
        .iter()
        .map(|(_, (key, value))| format!("{key}={}", plain(value)));
    let fields = fields.collect::<Vec<_>>().join(" ");
    let name = span.text("name").unwrap_or_default();
    if fields.is_empty() {
        name
    } else {
        format!("{name}{{{fields}}}")
    }
}

/// A text without its quotes, anything else as it is printed.
fn plain(value: &RawValue) -> Cow<'_, str> {
    match serde_json::from_str::<String>(value.get()) {
        Ok(text) => Cow::Owned(text),
        Err(_) => Cow::Borrowed(value.get()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(line: &str) -> String {
        parse(line).unwrap().message.into_owned()
    }

    #[test]
    fn spans_stand_before_the_target_as_in_plain_lines() {
        let line = r#"{"timestamp":"[     1.5s]","level":"WARN","fields":{"message":"Service in fail-fast"},"target":"linkerd_stack::failfast","spans":[{"name":"outbound"},{"addr":"10.0.3.18:80","name":"proxy"},{"name":"cart","ns":"shop","port":"80","name":"service"}],"threadId":"ThreadId(1)"}"#;
        let plain = "[     1.500000s]  WARN ThreadId(01) outbound:proxy{addr=10.0.3.18:80}:\
                     service{ns=shop name=cart port=80}: linkerd_stack::failfast: \
                     Service in fail-fast";
        assert_eq!(message(line), super::super::record::parse(plain).message);
    }

    #[test]
    fn fields_come_as_they_are_printed() {
        let line = r#"{"level":"INFO","fields":{"server.group":"","message":"Request denied","route.kind":1,"client.tls":{"b":1,"a":2}},"target":"linkerd_app"}"#;
        assert_eq!(
            message(line),
            r#"linkerd_app: Request denied server.group= route.kind=1 client.tls={"b":1,"a":2}"#
        );
        let line = r#"{"zone":"z","level":"info","msg":"a \"b\"","component":"c","time":"x"}"#;
        assert_eq!(message(line), r#"a "b" zone=z component=c"#);
    }

    #[test]
    fn a_line_without_a_message_is_its_fields() {
        let line = r#"{"level":"WARN","fields":{"error":"x"},"target":"linkerd_app"}"#;
        assert_eq!(message(line), "linkerd_app: error=x");
    }

    #[test]
    fn what_is_no_object_is_not_json() {
        for line in ["{", "[]", "{}x", r#"{"a":}"#] {
            assert!(parse(line).is_none(), "{line}");
        }
        let deep = format!(
            "{{\"fields\":{}1{}}}",
            "[".repeat(100_000),
            "]".repeat(100_000)
        );
        parse(&deep);
        parse(r#"{"fields":7,"spans":{"name":1},"target":3}"#).unwrap();
    }
}
