//! Pages of lists, and the tokens that lead from one to the next.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::item::Item;
use crate::query::Query;
use crate::status::{Status, put};

/// Where a paged list goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Token {
    /// Of the list that was begun; -1 goes on whatever has changed since.
    resource_version: i64,
    /// The key after which the next page starts, below what the list is of: `namespace/name` or
    /// `name`.
    after: String,
}

/// A token as it is written.
#[derive(Debug, Deserialize)]
struct Written {
    #[serde(default)]
    v: String,
    #[serde(default)]
    rv: i64,
    #[serde(default)]
    start: String,
}

impl Token {
    fn encode(&self) -> String {
        let start = json!(format!("{}\u{0}", self.after));
        let rv = self.resource_version;
        URL_SAFE_NO_PAD.encode(format!(
            r#"{{"v":"meta.k8s.io/v1","rv":{rv},"start":{start}}}"#
        ))
    }

    /// The same place, whatever has changed since.
    fn of_any_version(self) -> Self {
        Self {
            resource_version: -1,
            ..self
        }
    }

    fn decode(token: &str) -> Result<Self, Status> {
        let bad = |why: &str| {
            let text = format!("invalid continue token: continue key is not valid: {why}");
            Status::bad_request(text)
        };
        let bytes = URL_SAFE_NO_PAD.decode(token.trim_end_matches('='));
        let bytes = bytes.map_err(|e| bad(&e.to_string()))?;
        let written: Written = serde_json::from_slice(&bytes).map_err(|e| bad(&e.to_string()))?;
        let start = written.start.trim_end_matches('\0');
        if written.v != "meta.k8s.io/v1" {
            return Err(bad("server does not recognize this encoded version"));
        }
        if written.rv == 0 {
            let why = "incorrect encoded start resourceVersion (version meta.k8s.io/v1)";
            return Err(bad(why));
        }
        if start.is_empty() {
            return Err(bad("encoded start key empty (version meta.k8s.io/v1)"));
        }
        if start.split('/').any(|part| matches!(part, "" | "." | "..")) {
            return Err(bad(&written.start));
        }
        Ok(Self {
            resource_version: written.rv,
            after: start.to_owned(),
        })
    }
}

/// The token with which a list that has expired is gone on with; the same if it is no token.
pub(crate) fn reissue(token: &str) -> String {
    match Token::decode(token) {
        Ok(token) => token.of_any_version().encode(),
        Err(_) => token.to_owned(),
    }
}

/// What a page is cut from.
pub(crate) struct List<'a> {
    /// In the order of their keys.
    pub(crate) items: Vec<Item<'a>>,
    /// Of one namespace, or of the whole cluster.
    pub(crate) namespace: Option<&'a str>,
    pub(crate) resource_version: u64,
}

impl<'a> List<'a> {
    /// The page that is asked for, and the metadata of its list.
    pub(crate) fn page(self, query: &Query) -> Result<(Vec<Item<'a>>, Value), Status> {
        let limit = query.int("limit")?.and_then(|l| usize::try_from(l).ok());
        let start = match query.text("continue") {
            "" => 0,
            token => self.start(Token::decode(token)?)?,
        };
        let rest = self.items.get(start..).unwrap_or_default();
        let taken = limit.filter(|l| *l > 0).unwrap_or(rest.len());
        let (page, remaining) = rest.split_at_checked(taken).unwrap_or((rest, &[]));
        let mut metadata = json!({"resourceVersion": self.resource_version.to_string()});
        if let (Some(last), false) = (page.last(), remaining.is_empty()) {
            let token = Token {
                resource_version: i64::try_from(self.resource_version.max(1)).unwrap_or(-1),
                after: self.below(last),
            };
            put(&mut metadata, "continue", json!(token.encode()));
            // With a selector a real server does not know how many will match.
            let selectors = ["labelSelector", "fieldSelector"];
            if selectors.iter().all(|name| query.text(name).is_empty()) {
                put(&mut metadata, "remainingItemCount", json!(remaining.len()));
            }
        }
        Ok((page.to_vec(), metadata))
    }

    fn start(&self, token: Token) -> Result<usize, Status> {
        let is_of_now = u64::try_from(token.resource_version)
            .map_or(token.resource_version == -1, |v| v >= self.resource_version);
        if !is_of_now {
            let next = token.of_any_version().encode();
            return Err(Status::continue_expired(&next));
        }
        let is_before = |item: &Item<'_>| self.below(item) <= token.after;
        Ok(self.items.partition_point(is_before))
    }

    /// An object's key below what the list is of.
    fn below(&self, item: &Item<'_>) -> String {
        let key = item.path();
        match self.namespace.and_then(|n| key.strip_prefix(n)) {
            Some(rest) => rest.trim_start_matches('/').to_owned(),
            None => key,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::item::Objects;
    use crate::store::{Held, Key};

    #[test]
    fn a_token_reads_back_and_a_made_up_one_is_refused() {
        let token = Token {
            resource_version: 7,
            after: "shop/cart".into(),
        };
        assert_eq!(Token::decode(&token.encode()), Ok(token));
        let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
        for made_up in [
            "%%%".to_owned(),
            "bm90LWEtdG9rZW4".to_owned(),
            encode(r#"{"v":"meta.k8s.io/v1","rv":1,"start":"../secrets"}"#),
            encode(r#"{"v":"meta.k8s.io/v1","rv":0,"start":"a"}"#),
            encode(r#"{"v":"v2","rv":1,"start":"a"}"#),
            encode(r#"{"v":"meta.k8s.io/v1","rv":1e99,"start":"a"}"#),
        ] {
            assert!(Token::decode(&made_up).is_err(), "{made_up}");
        }
    }

    #[test]
    fn pages_together_are_the_list() {
        let mut held = Held::default();
        let items = [("a", "x"), ("a", "y"), ("b", "x")];
        let items = items.map(|(s, n)| json!({"metadata": {"namespace": s, "name": n}}));
        held.take(json!({"items": items}));
        held.settle();
        let key = Key::default();
        let objects = Objects {
            key: &key,
            held: &held,
            multiplied: None,
        };
        let list = || List {
            items: objects.within(None).collect(),
            namespace: None,
            resource_version: 9,
        };
        let mut seen = Vec::new();
        let mut query = Query::parse(Some("limit=2"));
        loop {
            let (page, metadata) = list().page(&query).unwrap();
            seen.extend(page.iter().map(Item::path));
            let Some(token) = metadata.get("continue") else {
                break;
            };
            let text = format!("limit=2&continue={}", token.as_str().unwrap());
            query = Query::parse(Some(&text));
        }
        assert_eq!(seen, ["a/x", "a/y", "b/x"]);
    }
}
