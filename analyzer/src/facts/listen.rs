//! The ports that a program is told to listen on by its arguments, as far as one can guess.

use std::collections::BTreeSet;

use serde_json::Value;

use super::row::list;

/// Words in a flag's name that say that its value is where the program listens.
const LISTENS: [&str; 5] = ["addr", "port", "listen", "bind", "http"];

/// Words that say that it is not where the service is.
const ASIDE: [&str; 11] = [
    "metric", "admin", "health", "debug", "pprof", "probe", "target", "upstream", "remote", "db",
    "peer",
];

/// Ports in the command and arguments of a container: `-addr :8081`, `--port=8081`.
pub(super) fn ports(container: &Value) -> BTreeSet<i64> {
    let words: Vec<&str> = ["/command", "/args"]
        .iter()
        .flat_map(|p| list(container, p))
        .filter_map(Value::as_str)
        .collect();
    let mut ports = BTreeSet::new();
    for (at, word) in words.iter().enumerate() {
        let Some(flag) = word.strip_prefix('-') else {
            continue;
        };
        let (name, value) = match flag.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (flag, words.get(at + 1).copied()),
        };
        let name = name.to_ascii_lowercase();
        let has = |words: &[&str]| words.iter().any(|w| name.contains(w));
        if has(&LISTENS) && !has(&ASIDE) {
            ports.extend(value.and_then(port));
        }
    }
    ports
}

/// The port in `8081`, `:8081`, `0.0.0.0:8081` or `[::]:8081`.
fn port(value: &str) -> Option<i64> {
    let digits = value.rsplit(':').next().unwrap_or(value);
    let is_local = matches!(
        value.strip_suffix(digits),
        Some("" | ":" | "0.0.0.0:" | "[::]:" | "*:" | "127.0.0.1:" | "localhost:")
    );
    let port: i64 = digits.parse().ok().filter(|_| is_local)?;
    (1..=65_535).contains(&port).then_some(port)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_flags_that_say_where_a_program_listens_count() {
        let of = |args: Value| {
            ports(&json!({"args": args}))
                .into_iter()
                .collect::<Vec<_>>()
        };
        assert_eq!(of(json!(["serve", "-addr", ":8081"])), [8081]);
        assert_eq!(of(json!(["--port=9000", "--metrics-port=9090", 7])), [9000]);
        assert_eq!(
            of(json!([
                "--listen",
                "0.0.0.0:8443",
                "--upstream-addr",
                ":80"
            ])),
            [8443]
        );
        assert!(of(json!(["--http-proxy=http://proxy:3128", "-port"])).is_empty());
        assert!(of(json!("8080")).is_empty());
    }
}
