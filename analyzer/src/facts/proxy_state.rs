//! What a proxy's admin port told when it was asked for its log level and its probes.

use std::sync::Arc;

use bundle::EntryInfo;
use bundle::layout::EntryKind;
use serde_json::Value;

use super::row::{int, text};
use super::{Gap, Piece};

/// The answers of one proxy.
#[derive(Debug)]
pub struct ProxyState {
    pub(super) namespace: String,
    pub(super) pod: String,
    pub(super) entry: String,
    pub(super) log_level: Option<String>,
    pub(super) ready_status: Option<i64>,
    pub(super) ready_body: String,
    pub(super) live_status: Option<i64>,
}

/// Parses an entry of `linkerd/proxy-state`.
pub(super) fn parse(entry: &Arc<EntryInfo>, bytes: &[u8]) -> Vec<Piece> {
    let EntryKind::ProxyState { namespace, pod } = &entry.kind else {
        return Vec::new();
    };
    let value: Value = match serde_json::from_slice(bytes) {
        Ok(value) => value,
        Err(e) => {
            let detail = format!("is broken JSON: {e}");
            return vec![Piece::Gap(Gap {
                entry: entry.path.to_string(),
                detail,
            })];
        }
    };
    // An answer other than 200 is a message about something else.
    let level = (int(&value, "/log_level/status") == Some(200))
        .then(|| text(&value, "/log_level/body").trim().to_owned());
    vec![Piece::ProxyState(Box::new(ProxyState {
        namespace: namespace.clone(),
        pod: pod.clone(),
        entry: entry.path.to_string(),
        log_level: level.filter(|l| !l.is_empty()),
        ready_status: int(&value, "/ready/status"),
        ready_body: text(&value, "/ready/body").trim().to_owned(),
        live_status: int(&value, "/live/status"),
    }))]
}

/// Whether a log filter lets through more than `info` for the proxy at large.
pub(super) fn is_verbose(filter: &str) -> bool {
    filter.split(',').any(|directive| {
        let (target, level) = directive
            .trim()
            .split_once('=')
            .unwrap_or(("linkerd", directive.trim()));
        matches!(target, "linkerd" | "linkerd2_proxy")
            && ["debug", "trace"]
                .iter()
                .any(|verbose| level.eq_ignore_ascii_case(verbose))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_levels_of_the_proxy_itself_make_it_verbose() {
        assert!(is_verbose("debug"));
        assert!(is_verbose("warn,linkerd=debug,hickory=error"));
        assert!(is_verbose("linkerd=TRACE"));
        assert!(!is_verbose("warn,linkerd=info,hickory=debug"));
        assert!(!is_verbose(""));
    }

    #[test]
    fn a_refusal_is_no_log_level() {
        let path = "linkerd/proxy-state/shop/cart-1.json";
        let answer = r#"{"log_level":{"status":403,"body":"no"},"ready":{"status":503,"body":7}}"#;
        let pieces = super::super::testing::pieces(path, answer);
        let [Piece::ProxyState(state)] = pieces.as_slice() else {
            panic!("{pieces:?}")
        };
        assert_eq!(
            (state.log_level.as_deref(), state.ready_status),
            (None, Some(503))
        );
    }
}
