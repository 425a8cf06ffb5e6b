//! JSON kept small: a large cluster has tens of thousands of pods and events, and a tree of maps
//! takes ten times the room of its text.
//!
//! Equal texts, lists and maps of one entry are kept once ([`super::shared`]), maps are sorted
//! lists without spare room, and what no fact reads is passed over while it is parsed
//! ([`super::unread`]).

use std::fmt;
use std::sync::Arc;

use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::shared::Shared;
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
    List(Arc<[Json]>),
    /// A map, ordered by its keys.
    Map(Arc<[Pair]>),
}

/// A key of a map and its value.
pub(super) type Pair = (Arc<str>, Json);

/// What a missing value is.
pub(super) static NULL: Json = Json::Null;

impl Json {
    /// The value of a key of a map.
    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        /// Keys up to which their lengths tell them apart faster than a search does.
        const FEW: usize = 32;
        let map = self.as_map()?;
        let found = if map.len() <= FEW {
            let is_it = |(k, _): &&Pair| k.len() == key.len() && **k == *key;
            map.iter().find(is_it)
        } else {
            let at = map.binary_search_by(|(k, _)| (**k).cmp(key)).ok()?;
            map.get(at)
        };
        found.map(|(_, value)| value)
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

    pub(crate) fn as_i64(&self) -> Option<i64> {
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

    pub(crate) fn as_map(&self) -> Option<&[Pair]> {
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
        Shared::default().keep(value, Unread::NOTHING)
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

impl Shared {
    /// Parses a text of JSON without what is not read.
    pub(super) fn parse(&mut self, text: &str, unread: Unread) -> serde_json::Result<Json> {
        let mut from = serde_json::Deserializer::from_str(text);
        let json = Seed {
            shared: self,
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
            Value::Array(list) => {
                let list = list.into_iter().map(|v| self.keep(v, unread)).collect();
                Json::List(self.list(list))
            }
            Value::Object(map) => {
                let kept = map.into_iter().filter_map(|(key, value)| {
                    let json = match unread.part(&key) {
                        Part::Whole => return None,
                        Part::In(below) => self.keep(value, below),
                        Part::Environment => {
                            let whole = self.keep(value, Unread::NOTHING);
                            self.sorted(environment(&whole))
                        }
                    };
                    Some((self.text(&key), json))
                });
                let kept = kept.collect();
                self.sorted(kept)
            }
        }
    }

    /// A map of pairs in any order; of equal keys the last counts.
    fn sorted(&mut self, mut pairs: Vec<Pair>) -> Json {
        pairs.reverse();
        pairs.sort_by(|a, b| a.0.cmp(&b.0));
        pairs.dedup_by(|later, kept| later.0 == kept.0);
        Json::Map(self.map(pairs))
    }
}

/// Name to value of the variables that a proxy is configured by: one map instead of a list of
/// some fifty.
fn environment(variables: &Json) -> Vec<Pair> {
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
    told.collect()
}

/// Parses one value.
struct Seed<'a> {
    shared: &'a mut Shared,
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
        Ok(Json::Text(self.shared.text(text)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json, A::Error> {
        let Self { shared, unread } = self;
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(Seed {
            shared: &mut *shared,
            unread,
        })? {
            list.push(item);
        }
        Ok(Json::List(shared.list(list)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json, A::Error> {
        let Self { shared, unread } = self;
        let mut pairs = Vec::new();
        while let Some(key) = map.next_key_seed(Key(&mut *shared, unread))? {
            let Some((key, part)) = key else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            let below = match part {
                Part::In(below) => below,
                Part::Environment | Part::Whole => Unread::NOTHING,
            };
            let mut value = map.next_value_seed(Seed {
                shared: &mut *shared,
                unread: below,
            })?;
            if matches!(part, Part::Environment) {
                value = shared.sorted(environment(&value));
            }
            pairs.push((key, value));
        }
        Ok(shared.sorted(pairs))
    }
}

/// Parses a key, without a copy of one that is known. Of one that is not read, nothing is left.
struct Key<'a>(&'a mut Shared, Unread);

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = Option<(Arc<str>, Part)>;

    fn deserialize<D: serde::Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        from.deserialize_str(self)
    }
}

impl Visitor<'_> for Key<'_> {
    type Value = Option<(Arc<str>, Part)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        let Self(shared, unread) = self;
        Ok(match unread.part(text) {
            Part::Whole => None,
            part => Some((shared.text(text), part)),
        })
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
            let parsed = Shared::default().parse(&value.to_string(), Unread::NOTHING).unwrap();
            prop_assert_eq!(&parsed.to_value(), &value);
            prop_assert_eq!(Json::from(value), parsed);
        }
    }

    #[test]
    fn of_equal_keys_the_last_counts() {
        let parsed = Shared::default().parse(r#"{"a":1,"b":2,"a":3}"#, Unread::NOTHING);
        assert_eq!(parsed.unwrap().to_value(), json!({"a": 3, "b": 2}));
    }

    #[test]
    fn what_is_equal_is_kept_once() {
        let parsed =
            Shared::default().parse(r#"[{"a":["x"]},{"a":["x"]},{"a":["y"]}]"#, Unread::NOTHING);
        let parsed = parsed.unwrap();
        let maps: Vec<_> = parsed
            .as_list()
            .unwrap()
            .iter()
            .map(|j| j.as_map().unwrap())
            .collect();
        assert!(std::ptr::eq(maps[0], maps[1]));
        assert!(!std::ptr::eq(maps[0], maps[2]));
    }

    #[test]
    fn pointers_lead_through_maps_and_lists() {
        let json = Json::from(json!({"a": [{"b/c": "x"}]}));
        assert_eq!(json.pointer("/a/0/b~1c").and_then(Json::as_str), Some("x"));
        assert_eq!(json.pointer("/a/1"), None);
    }
}
