//! A proxy's log level, in the syntax that `linkerd inject --proxy-log-level` takes.

use std::fmt;
use std::str::FromStr;

const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// Directives that say what a proxy logs, such as `warn,linkerd=debug`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLevel(String);

impl LogLevel {
    /// As the proxy's admin port takes it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for LogLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for LogLevel {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.split(',').all(is_directive) {
            Ok(Self(text.to_owned()))
        } else {
            Err(format!(
                "`{text}` is no log level of a proxy; write one such as debug, linkerd=debug \
                 or warn,linkerd=debug ({})",
                LEVELS.join(", ")
            ))
        }
    }
}

/// A level, a module, or a module and its level.
fn is_directive(directive: &str) -> bool {
    match directive.split_once('=') {
        None => is_module(directive),
        Some((module, level)) => is_module(module) && LEVELS.contains(&level),
    }
}

/// A level alone has the shape of a module as well.
fn is_module(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | ':' | '-');
    !text.is_empty() && text.chars().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_taken_and_refused_as_linkerds_own_flag_does() {
        for (text, is_valid) in [
            ("", false),
            ("info", true),
            ("somemodule", true),
            ("bad%name", false),
            ("linkerd=debug", true),
            ("linkerd2%proxy=debug", false),
            ("linkerd=foobar", false),
            ("linker2d_proxy,std::option", true),
            ("warn,linkerd=info", true),
            ("warn,linkerd=foobar", false),
            ("warn,", false),
            ("linkerd=debug\r\nx: y", false),
        ] {
            assert_eq!(text.parse::<LogLevel>().is_ok(), is_valid, "{text}");
        }
    }
}
