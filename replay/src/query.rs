//! Query parameters and the `Accept` header.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::status::Status;

/// The decoded query of a request; the last of repeated parameters counts.
#[derive(Debug, Default)]
pub(crate) struct Query(BTreeMap<String, String>);

impl Query {
    pub(crate) fn parse(query: Option<&str>) -> Self {
        let pairs = query
            .unwrap_or_default()
            .split('&')
            .filter(|p| !p.is_empty());
        let pairs = pairs.map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (percent_decode(name, true), percent_decode(value, true))
        });
        Self(pairs.collect())
    }

    /// A parameter's value; empty if it is missing.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.0.get(name).map(String::as_str).unwrap_or_default()
    }

    pub(crate) fn flag(&self, name: &str) -> bool {
        matches!(self.text(name), "true" | "1")
    }

    /// An integer parameter, with the error of Go's parser.
    pub(crate) fn int(&self, name: &str) -> Result<Option<i64>, Status> {
        match self.text(name) {
            "" => Ok(None),
            text => text.parse().map(Some).map_err(|_| {
                Status::bad_request(format!(
                    "strconv.ParseInt: parsing {text:?}: invalid syntax"
                ))
            }),
        }
    }
}

/// Undoes percent encoding; `+` is a space in a query.
pub(crate) fn percent_decode(text: &str, is_query: bool) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'%' => {
                let pair: Vec<u8> = bytes.by_ref().take(2).collect();
                let digits = std::str::from_utf8(&pair).unwrap_or_default();
                match u8::from_str_radix(digits, 16) {
                    Ok(value) => out.push(value),
                    Err(_) => out.extend([b'%'].iter().chain(&pair)),
                }
            }
            b'+' if is_query => out.push(b' '),
            other => out.push(other),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// How a list is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Objects,
    Table,
    Metadata,
}

impl Form {
    /// The first form in an `Accept` header that can be served.
    pub(crate) fn accepted(accept: &str) -> Result<Self, Status> {
        if accept.trim().is_empty() {
            return Ok(Self::Objects);
        }
        for range in accept.split(',') {
            let mut parts = range.split(';').map(str::trim);
            let kind = parts.next().unwrap_or_default();
            if !matches!(kind, "application/json" | "*/*" | "application/*") {
                continue;
            }
            match parts.find_map(|p| p.strip_prefix("as=")) {
                Some("Table") => return Ok(Self::Table),
                Some("PartialObjectMetadata" | "PartialObjectMetadataList") => {
                    return Ok(Self::Metadata);
                }
                Some(_) => {}
                None => return Ok(Self::Objects),
            }
        }
        Err(Status::not_acceptable())
    }
}

/// Where a paged list goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Continue {
    pub(crate) resource_version: u64,
    /// The key after which the next page starts, as in etcd: `namespace/name` or `name`.
    pub(crate) start: String,
}

impl Continue {
    pub(crate) fn encode(&self) -> String {
        let token = json!({
            "v": "meta.k8s.io/v1",
            "rv": self.resource_version,
            "start": format!("{}\u{0}", self.start),
        });
        URL_SAFE_NO_PAD.encode(token.to_string())
    }

    pub(crate) fn decode(token: &str) -> Result<Self, Status> {
        let bad = |why: String| {
            Status::bad_request(format!(
                "invalid continue token: continue key is not valid: {why}"
            ))
        };
        let bytes = URL_SAFE_NO_PAD
            .decode(token.trim_end_matches('='))
            .map_err(|e| bad(e.to_string()))?;
        let token: Value = serde_json::from_slice(&bytes).map_err(|e| bad(e.to_string()))?;
        let start = token
            .get("start")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let resource_version = token.get("rv").and_then(Value::as_u64).unwrap_or(0);
        if start.is_empty() {
            return Err(bad("it has no start".to_owned()));
        }
        Ok(Self {
            resource_version,
            start: start.trim_end_matches('\0').to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_reads_back_and_a_made_up_one_is_refused() {
        let token = Continue {
            resource_version: 7,
            start: "shop/cart".into(),
        };
        assert_eq!(Continue::decode(&token.encode()), Ok(token));
        assert!(Continue::decode("bm90LWEtdG9rZW4").is_err());
        assert!(Continue::decode("%%%").is_err());
    }

    #[test]
    fn the_first_form_that_can_be_served_counts() {
        let table = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";
        assert_eq!(Form::accepted(table), Ok(Form::Table));
        assert_eq!(
            Form::accepted("application/vnd.kubernetes.protobuf,application/json"),
            Ok(Form::Objects)
        );
        assert!(Form::accepted("text/csv").is_err());
    }

    #[test]
    fn percent_encoding_is_undone_and_a_broken_one_kept() {
        assert_eq!(percent_decode("a%20b+c", true), "a b c");
        assert_eq!(percent_decode("100%", true), "100%");
    }
}
