//! The last words of a program: a panic is told over several lines, and the first of them says
//! little.

use std::borrow::Cow;

use super::record;

/// Lines below the head of a panic that are taken along.
const MAX_LINES: usize = 6;

/// A line with what belongs to it: as it is, unless it is the head of a panic.
pub(super) fn whole<'a>(line: &'a str, below: &[u8]) -> Cow<'a, str> {
    if !is_head(line) {
        return Cow::Borrowed(line);
    }
    let below = below.split(|b| *b == b'\n').skip(1).take(MAX_LINES);
    let below = below.map(|raw| {
        let text = String::from_utf8_lossy(raw);
        record::split_kubelet_time(&text).1.trim().to_owned()
    });
    let own = below.take_while(|text| !has_head(text) && !is_head(text));
    let own = own.filter(|text| !text.is_empty() && !text.starts_with("note: "));
    let all: Vec<String> = std::iter::once(line.to_owned()).chain(own).collect();
    Cow::Owned(all.join(" "))
}

/// How Rust and Go begin.
fn is_head(line: &str) -> bool {
    line.contains(" panicked at ")
        || line.starts_with("panic: ")
        || line.starts_with("fatal error: ")
}

/// Whether a line begins a record of its own.
fn has_head(line: &str) -> bool {
    let is_uptime = line.starts_with('[') && line.contains("s] ");
    let record = record::parse(line);
    is_uptime || record.level.is_some() || record.time.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_panic_says_stands_below_it() {
        let head = "thread 'main' panicked at src/main.rs:1:2:";
        let below = "\r\n2026-11-23T00:48:22.3Z no more\nnote: run with `RUST_BACKTRACE=1`\n\
                     [     0.100000s]  INFO ThreadId(01) linkerd: on\nmore\n";
        assert_eq!(whole(head, below.as_bytes()), format!("{head} no more"));
        let go = "\n\ngoroutine 1 [running]:\nmain.main()\n";
        assert_eq!(
            whole("panic: nil map", go.as_bytes()),
            "panic: nil map goroutine 1 [running]: main.main()"
        );
        assert_eq!(whole("all is well", b"\nno more\n"), "all is well");
    }
}
