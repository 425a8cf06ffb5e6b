//! What a fault does, as the file says it.

use std::time::Duration;

use http::HeaderValue;

use super::value::{duration, number, text, word};
use super::yaml::{Content, Fields, Mistake, Node};

/// The most bytes that a fault counts or makes: 1 GiB.
const MAX_BYTES: u64 = 1 << 30;
/// The longest `Retry-After`, in seconds.
const MAX_RETRY_SECONDS: u64 = 3600;

/// What a fault does to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Effect {
    /// No answer, though the connection stays open.
    Hang,
    /// The connection is closed instead of an answer.
    Drop,
    /// The connection is reset: instead of an answer, or after so many bytes of its body.
    Reset(Option<u64>),
    /// The head of the answer comes with this many bytes in a second.
    SlowHead(u64),
    /// The client is sent elsewhere.
    Redirect(HeaderValue),
    /// The answer comes late.
    Delay(Duration),
    /// A failure instead of the answer.
    Status(Failure),
    /// The object that is named is not there.
    Vanish,
    /// The true answer with this many random bytes for its body.
    Garbage(u64),
    /// A `Content-Length` that is not the body's.
    ContentLength(Claim),
    /// An answer that says that it is packed, and is not as it should be.
    Gzip(Packed),
    /// The text that stands for a log when the container runtime has lost it.
    UnretrievableLog,
    /// The body does not flow as it should.
    Flow(Flow),
}

/// A failure that an API server answers with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) code: u16,
    /// When to try again, in seconds.
    pub(crate) retry_after: Option<u64>,
    /// Instead of a server's own words.
    pub(crate) message: Option<String>,
}

/// What a `Content-Length` claims.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Claim {
    More,
    Less,
}

/// What an answer is that says that it is packed with gzip.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Packed {
    /// Packed, and cut in its middle.
    Cut,
    /// Not packed.
    Lie,
}

/// How bytes flow to the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flow {
    /// This many, then silence.
    StallAfter(u64),
    /// This many, then the connection is closed.
    DropAfter(u64),
    /// This many in a second.
    Drip(u64),
}

/// What can be written for an effect.
const CHOICES: &str = "one of `hang`, `drop`, `reset`, `vanish`, `unretrievable_log`, \
    `delay: 2s`, `status: 503`, `stall: {after_bytes: 1000}`, `drop: {after_bytes: 1000}`, \
    `reset: {after_bytes: 1000}`, `drip: {bytes_per_second: 100}`, \
    `slow_head: {bytes_per_second: 10}`, `garbage: {bytes: 1000}`, `content_length: more`, \
    `gzip: cut`, `redirect: https://login.example.com/`";

/// Reads an effect: a word, or a map with one key.
pub(super) fn read(node: &Node, mistakes: &mut Vec<Mistake>) -> Option<Effect> {
    match &node.content {
        Content::Scalar(found) => match found.as_str() {
            "hang" => return Some(Effect::Hang),
            "drop" => return Some(Effect::Drop),
            "reset" => return Some(Effect::Reset(None)),
            "vanish" => return Some(Effect::Vanish),
            "unretrievable_log" => return Some(Effect::UnretrievableLog),
            _ => {}
        },
        Content::Map(entries) => {
            if let [(key, _, value)] = entries.as_slice() {
                return of_key((key, node), value, mistakes);
            }
        }
        _ => {}
    }
    let detail = format!("this is no effect; write {CHOICES}");
    let spot = node.spot;
    mistakes.push(Mistake { spot, detail });
    None
}

fn of_key(
    (key, whole): (&str, &Node),
    value: &Node,
    mistakes: &mut Vec<Mistake>,
) -> Option<Effect> {
    match key {
        "delay" => duration(value, mistakes).map(Effect::Delay),
        "status" => failure(value, mistakes).map(Effect::Status),
        "garbage" => only(value, "bytes", 1, mistakes).map(Effect::Garbage),
        "stall" => {
            only(value, "after_bytes", 0, mistakes).map(|n| Effect::Flow(Flow::StallAfter(n)))
        }
        "drop" => only(value, "after_bytes", 0, mistakes).map(|n| Effect::Flow(Flow::DropAfter(n))),
        "drip" => only(value, "bytes_per_second", 1, mistakes).map(|n| Effect::Flow(Flow::Drip(n))),
        "reset" => only(value, "after_bytes", 0, mistakes).map(|n| Effect::Reset(Some(n))),
        "slow_head" => only(value, "bytes_per_second", 1, mistakes).map(Effect::SlowHead),
        "redirect" => target(value, mistakes).map(Effect::Redirect),
        "gzip" => {
            let found = text(value, "word", mistakes)?;
            let words = [("cut", Packed::Cut), ("lie", Packed::Lie)];
            word((value, found), &words, mistakes).map(Effect::Gzip)
        }
        "content_length" => {
            let found = text(value, "word", mistakes)?;
            let words = [("more", Claim::More), ("less", Claim::Less)];
            word((value, found), &words, mistakes).map(Effect::ContentLength)
        }
        _ => {
            let detail = format!("unknown effect `{key}`; write {CHOICES}");
            let spot = whole.spot;
            mistakes.push(Mistake { spot, detail });
            None
        }
    }
}

/// Where a client is sent.
fn target(node: &Node, mistakes: &mut Vec<Mistake>) -> Option<HeaderValue> {
    let found = text(node, "URL", mistakes)?;
    let target = HeaderValue::from_str(found).ok();
    if target.is_none() {
        let detail = "this cannot stand in a header; write a URL or a path";
        let (spot, detail) = (node.spot, detail.to_owned());
        mistakes.push(Mistake { spot, detail });
    }
    target
}

/// The only number in a map.
fn only(node: &Node, name: &'static str, least: u64, mistakes: &mut Vec<Mistake>) -> Option<u64> {
    let what = format!("`{{{name}: 1000}}`");
    let mut fields = Fields::of(node, &what, mistakes);
    let found = fields.needed(name, (node.spot, "a number of bytes"), mistakes);
    fields.end(mistakes);
    number(found?, least..=MAX_BYTES, mistakes)
}

/// A status code alone, or with more.
fn failure(node: &Node, mistakes: &mut Vec<Mistake>) -> Option<Failure> {
    let (mut code, mut retry_after, mut message) = (Some(node), None, None);
    if !matches!(node.content, Content::Scalar(_)) {
        let what = "`status: 503` or `{code: 429, retry_after: 2}`";
        let mut fields = Fields::of(node, what, mistakes);
        code = fields.needed("code", (node.spot, "a status code such as 503"), mistakes);
        retry_after = fields.take("retry_after");
        message = fields.take("message");
        fields.end(mistakes);
    }
    let retry_after = retry_after.map(|n| number(n, 0..=MAX_RETRY_SECONDS, mistakes));
    let message = message.map(|n| text(n, "text", mistakes));
    let code = number(code?, 400..=599, mistakes)?;
    Some(Failure {
        code: u16::try_from(code).ok()?,
        retry_after: retry_after.flatten(),
        message: message.flatten().map(str::to_owned),
    })
}
