//! JSON kept small: a large cluster has tens of thousands of pods and events, and a tree of maps
//! takes ten times the room of its text.
//!
//! Equal texts of one entry are kept once, maps are sorted lists without spare room, and what no
//! fact reads is passed over while it is parsed ([`super::unread`]).

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::unread::{Part, Unread};

/// A JSON value.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum Json {
    /// `null`.
    #[default]
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Any other number.
    Float(f64),
    /// A text.
    Text(Arc<str>),
    /// A list.
    List(Box<[Json]>),
    /// A map, ordered by its keys.
    Map(Box<[(Arc<str>, Json)]>),
}

/// What a missing value is.
pub(super) static NULL: Json = Json::Null;

impl Json {
    /// The value of a key of a map.
    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        let map = self.as_map()?;
        let at = map.binary_search_by(|(k, _)| (**k).cmp(key)).ok()?;
        map.get(at).map(|(_, value)| value)
    }

    /// The value at a JSON pointer such as `/metadata/name`.
    pub(crate) fn pointer(&self, pointer: &str) -> Option<&Self> {
        let mut keys = pointer.split('/').skip(1);
        keys.try_fold(self, |value, key| match value {
            Self::List(list) => list.get(key.parse::<usize>().ok()?),
            // `~0` and `~1` stand for `~` and `/` in a key.
            _ if key.contains('~') => value.get(&key.replace("~1", "/").replace("~0", "~")),
            _ => value.get(key),
        })
    }

    pub(crate) fn as_str(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(*value),
            _ => None,
        }
    }

    pub(super) fn as_i64(&self) -> Option<i64> {
        match self {
            Self::Int(value) => Some(*value),
            _ => None,
        }
    }

    pub(crate) fn as_list(&self) -> Option<&[Self]> {
        match self {
            Self::List(list) => Some(list),
            _ => None,
        }
    }

    pub(crate) fn as_map(&self) -> Option<&[(Arc<str>, Self)]> {
        match self {
            Self::Map(map) => Some(map),
            _ => None,
        }
    }

    pub(super) fn is_text(&self) -> bool {
        matches!(self, Self::Text(_))
    }

    pub(super) fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    pub(super) fn is_map(&self) -> bool {
        matches!(self, Self::Map(_))
    }

    /// The same as the values that rows are made of.
    pub(super) fn to_value(&self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Bool(value) => Value::Bool(*value),
            Self::Int(value) => Value::from(*value),
            Self::Float(value) => Number::from_f64(*value).map_or(Value::Null, Value::Number),
            Self::Text(text) => Value::from(&**text),
            Self::List(list) => Value::Array(list.iter().map(Self::to_value).collect()),
            Self::Map(map) => {
                let pairs = map.iter().map(|(k, v)| (k.to_string(), v.to_value()));
                Value::Object(pairs.collect::<Map<_, _>>())
            }
        }
    }
}

impl From<Value> for Json {
    fn from(value: Value) -> Self {
        Texts::default().keep(value, Unread::NOTHING)
    }
}

impl From<Json> for Value {
    fn from(json: Json) -> Self {
        json.to_value()
    }
}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_value().fmt(f)
    }
}

impl From<&Json> for Value {
    fn from(json: &Json) -> Self {
        json.to_value()
    }
}

/// The longest text that is looked up among those that were there before. Longer ones hardly
/// come twice.
const SHARED_BYTES: usize = 200;

/// Texts of one entry, each once.
#[derive(Debug, Default)]
pub(super) struct Texts(HashSet<Arc<str>>);

impl Texts {
    /// Parses a text of JSON without what is not read.
    pub(super) fn parse(&mut self, text: &str, unread: Unread) -> serde_json::Result<Json> {
        let mut from = serde_json::Deserializer::from_str(text);
        let json = Seed {
            texts: self,
            unread,
        }
        .deserialize(&mut from)?;
        from.end()?;
        Ok(json)
    }

    /// Keeps a parsed value without what is not read.
    pub(super) fn keep(&mut self, value: Value, unread: Unread) -> Json {
        match value {
            Value::Null => Json::Null,
            Value::Bool(value) => Json::Bool(value),
            Value::Number(number) => match (number.as_i64(), number.as_f64()) {
                (Some(int), _) => Json::Int(int),
                (None, float) => float.map_or(Json::Null, Json::Float),
            },
            Value::String(text) => Json::Text(self.text(&text)),
            Value::Array(list) => list.into_iter().map(|v| self.keep(v, unread)).collect(),
            Value::Object(map) => {
                let kept = map.into_iter().filter_map(|(key, value)| {
                    let json = match unread.part(&key) {
                        Part::Whole => return None,
                        Part::In(below) => self.keep(value, below),
                        Part::Environment => environment(&self.keep(value, Unread::NOTHING)),
                    };
                    Some((self.text(&key), json))
                });
                sorted(kept.collect())
            }
        }
    }

    fn text(&mut self, text: &str) -> Arc<str> {
        if text.len() > SHARED_BYTES {
            return text.into();
        }
        if let Some(known) = self.0.get(text) {
            return Arc::clone(known);
        }
        let new: Arc<str> = text.into();
        self.0.insert(Arc::clone(&new));
        new
    }
}

impl FromIterator<Json> for Json {
    fn from_iter<I: IntoIterator<Item = Json>>(items: I) -> Self {
        Self::List(items.into_iter().collect())
    }
}

/// A map of pairs in any order; of equal keys the last counts.
fn sorted(mut pairs: Vec<(Arc<str>, Json)>) -> Json {
    pairs.reverse();
    pairs.sort_by(|a, b| a.0.cmp(&b.0));
    pairs.dedup_by(|later, kept| later.0 == kept.0);
    Json::Map(pairs.into())
}

/// Name to value of the variables that a proxy is configured by: one map instead of a list of
/// some fifty.
fn environment(variables: &Json) -> Json {
    const UNREAD: [&str; 9] = [
        "KEEPALIVE",
        "KEEP_ALIVE",
        "USER_TIMEOUT",
        "STREAM_",
        "_CONTEXT",
        "_WORKLOAD",
        "LISTEN_ADDR",
        "TOKEN_FILE",
        "IDENTITY_DIR",
    ];
    let is_read = |name: &str| {
        (name.starts_with("LINKERD2_PROXY_") || name.starts_with("_l5d_"))
            && !UNREAD.iter().any(|part| name.contains(part))
    };
    let variables = variables.as_list().into_iter().flatten();
    let told = variables.filter_map(|variable| {
        let (Json::Text(name), value) = (variable.get("name")?, variable.get("value")?) else {
            return None;
        };
        (is_read(name) && value.is_text()).then(|| (Arc::clone(name), value.clone()))
    });
    sorted(told.collect())
}

/// Parses one value.
struct Seed<'a> {
    texts: &'a mut Texts,
    unread: Unread,
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Json;

    fn deserialize<D: serde::Deserializer<'de>>(self, from: D) -> Result<Json, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Json, E> {
        Ok(Json::Int(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Json, E> {
        #[expect(
            clippy::cast_precision_loss,
            reason = "no count or size in an object is that large"
        )]
        Ok(i64::try_from(value).map_or(Json::Float(value as f64), Json::Int))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Json, E> {
        Ok(Json::Float(value))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Json, E> {
        Ok(Json::Text(self.texts.text(text)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json, A::Error> {
        let Self { texts, unread } = self;
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(Seed {
            texts: &mut *texts,
            unread,
        })? {
            list.push(item);
        }
        Ok(Json::List(list.into()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json, A::Error> {
        let Self { texts, unread } = self;
        let mut pairs = Vec::new();
        while let Some(key) = map.next_key_seed(Key(&mut *texts))? {
            let mut value = |unread| {
                map.next_value_seed(Seed {
                    texts: &mut *texts,
                    unread,
                })
            };
            let value = match unread.part(&key) {
                Part::In(below) => value(below)?,
                Part::Environment => environment(&value(Unread::NOTHING)?),
                Part::Whole => {
                    map.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            pairs.push((key, value));
        }
        Ok(sorted(pairs))
    }
}

/// Parses a key, without a copy of one that is known.
struct Key<'a>(&'a mut Texts);

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = Arc<str>;

    fn deserialize<D: serde::Deserializer<'de>>(self, from: D) -> Result<Arc<str>, D::Error> {
        from.deserialize_str(self)
    }
}

impl Visitor<'_> for Key<'_> {
    type Value = Arc<str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Arc<str>, E> {
        Ok(self.0.text(text))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i32>().prop_map(Value::from),
            "[a-c/~\"\\\\ü]{0,4}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::btree_map("[a-c]{1,2}", inner, 0..5)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_kept_is_what_was_there(value in any_json()) {
            let mut texts = Texts::default();
            let parsed = texts.parse(&value.to_string(), Unread::NOTHING).unwrap();
            prop_assert_eq!(&parsed.to_value(), &value);
            prop_assert_eq!(Json::from(value), parsed);
        }
    }

    #[test]
    fn of_equal_keys_the_last_counts() {
        let parsed = Texts::default().parse(r#"{"a":1,"b":2,"a":3}"#, Unread::NOTHING);
        assert_eq!(parsed.unwrap().to_value(), json!({"a": 3, "b": 2}));
    }

    #[test]
    fn pointers_lead_through_maps_and_lists() {
        let json = Json::from(json!({"a": [{"b/c": "x"}]}));
        assert_eq!(json.pointer("/a/0/b~1c").and_then(Json::as_str), Some("x"));
        assert_eq!(json.pointer("/a/1"), None);
    }
}
