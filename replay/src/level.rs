//! What a proxy takes for a log level.

/// The longest level that is taken, in bytes.
pub(crate) const MAX_BYTES: usize = 4096;
const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// Reads what was sent as a level, such as `warn,linkerd=debug,[{headers}]=off`; an error is what a
/// proxy says of it.
pub(crate) fn parse(sent: &[u8]) -> Result<&str, String> {
    let text = std::str::from_utf8(sent).map_err(|e| e.to_string())?.trim();
    let directives = directives(text);
    let is_known = |level: &str| LEVELS.iter().any(|l| level.eq_ignore_ascii_case(l));
    let wrong = directives
        .iter()
        .find(|directive| match directive.rsplit_once('=') {
            // What stands within brackets is no level.
            Some((_, level)) if !level.contains(['}', ']']) => !is_known(level.trim()),
            _ => directive.contains(char::is_whitespace),
        });
    match wrong {
        _ if directives.is_empty() => Err("invalid filter directive: it is empty".to_owned()),
        Some(wrong) => Err(format!("invalid filter directive: `{wrong}`")),
        None => Ok(text),
    }
}

/// The directives between commas that are not within brackets.
fn directives(text: &str) -> Vec<&str> {
    let mut depth = 0_usize;
    let parts = text.split(move |letter| {
        match letter {
            '[' | '{' => depth += 1,
            ']' | '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        letter == ',' && depth == 0
    });
    parts.map(str::trim).filter(|p| !p.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_as_people_write_them_are_taken() {
        for level in [
            "debug",
            "warn,linkerd=debug,hickory=error",
            "_access_log=off,linkerd=info,[{request, id}]=off,WARN\n",
            "linkerd_app_core",
        ] {
            assert_eq!(parse(level.as_bytes()), Ok(level.trim()));
        }
        for level in ["", " ,", "linkerd=loud", "two words", "linkerd="] {
            assert!(parse(level.as_bytes()).is_err(), "{level}");
        }
        assert!(parse(b"\xff").is_err());
    }
}
