//! The faults file.

use super::asked::{Verb, Via};
use super::effect::{self, Effect};
use super::select::{Choice, Pattern};
use super::value::{choice, globs, number, share, text, texts, word};
use super::yaml::{Content, Fields, Mistake, Node, Spot, tree};

/// The most faults of a file.
const MAX_FAULTS: usize = 1000;

/// What a faults file says. [`crate::Replay::with_faults`] puts it to work.
#[derive(Debug, Clone)]
pub struct Faults {
    pub(super) seed: u64,
    pub(super) list: Vec<Fault>,
}

/// One fault: whom it is for, when, and what it does.
#[derive(Debug, Clone)]
pub(super) struct Fault {
    pub(super) name: Option<String>,
    pub(super) pattern: Pattern,
    pub(super) nodes: Option<Choice>,
    pub(super) pods: Option<Choice>,
    /// A share of the requests, in millionths.
    pub(super) requests: Option<u32>,
    pub(super) after: u64,
    pub(super) times: Option<u64>,
    pub(super) is_each_path: bool,
    pub(super) effect: Effect,
}

/// A faults file that cannot be used: every mistake in it, one on a line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", lines(.0))]
pub struct FaultsError(Vec<Mistake>);

fn lines(mistakes: &[Mistake]) -> String {
    let lines = mistakes.iter().map(|m| match m.spot.line {
        0 => m.detail.clone(),
        line => format!("{line}:{}: {}", m.spot.column, m.detail),
    });
    lines.collect::<Vec<_>>().join("\n")
}

impl Faults {
    /// Reads a faults file, which `docs/replay-faults.md` describes.
    ///
    /// # Errors
    /// All mistakes in the file, each with line, column and what to write instead.
    pub fn parse(yaml: &str) -> Result<Self, FaultsError> {
        let root = tree(yaml).map_err(|mistake| FaultsError(vec![mistake]))?;
        let mut mistakes = Vec::new();
        let what = "`seed: 1` and a list of `faults:`";
        let mut fields = Fields::of(&root, what, &mut mistakes);
        let seed = fields.take("seed");
        let seed = seed.and_then(|n| number(n, 0..=u64::MAX, &mut mistakes));
        let what = (Spot { line: 1, column: 1 }, "a list of faults");
        let nodes = match fields.needed("faults", what, &mut mistakes) {
            Some(node) => items(node, &mut mistakes),
            None => &[],
        };
        fields.end(&mut mistakes);
        let list = nodes.iter().map(|node| fault(node, &mut mistakes));
        let list: Vec<Fault> = list.collect::<Vec<_>>().into_iter().flatten().collect();
        if mistakes.is_empty() {
            let seed = seed.unwrap_or(0);
            return Ok(Self { seed, list });
        }
        mistakes.sort();
        Err(FaultsError(mistakes))
    }
}

fn items<'a>(node: &'a Node, mistakes: &mut Vec<Mistake>) -> &'a [Node] {
    let detail = match &node.content {
        Content::List(nodes) if nodes.len() <= MAX_FAULTS => return nodes,
        Content::List(_) => format!("these are more than {MAX_FAULTS} faults; write fewer"),
        _ => "this is no list; write each fault behind a `- `".to_owned(),
    };
    let spot = node.spot;
    mistakes.push(Mistake { spot, detail });
    &[]
}

/// Reads a fault; `None` if it cannot be used, with at least one mistake.
fn fault(node: &Node, mistakes: &mut Vec<Mistake>) -> Option<Fault> {
    let mut fields = Fields::of(node, "a fault, such as `{effect: hang}`", mistakes);
    let name = fields.take("name");
    let matched = fields.take("match");
    let (after, times, each) = (
        fields.take("after"),
        fields.take("times"),
        fields.take("each"),
    );
    let effect = fields.needed(
        "effect",
        (node.spot, "what happens, such as `hang`"),
        mistakes,
    );
    fields.end(mistakes);
    let mut fault = Fault {
        name: name
            .and_then(|n| text(n, "name", mistakes))
            .map(str::to_owned),
        pattern: Pattern::default(),
        nodes: None,
        pods: None,
        requests: None,
        after: after
            .and_then(|n| number(n, 0..=u64::MAX, mistakes))
            .unwrap_or(0),
        times: times.and_then(|n| number(n, 1..=u64::MAX, mistakes)),
        is_each_path: each.and_then(|n| {
            let found = text(n, "word", mistakes)?;
            word((n, found), &[("path", true), ("fault", false)], mistakes)
        }) == Some(true),
        effect: Effect::Hang,
    };
    if let Some(node) = matched {
        read_match(node, &mut fault, mistakes);
    }
    fault.effect = effect::read(effect?, mistakes)?;
    Some(fault)
}

fn read_match(node: &Node, fault: &mut Fault, mistakes: &mut Vec<Mistake>) {
    let mut fields = Fields::of(
        node,
        "what must match, such as `{subresource: log}`",
        mistakes,
    );
    let pattern = &mut fault.pattern;
    if let Some(node) = fields.take("verb") {
        pattern.verbs = Some(words(node, &Verb::WORDS, mistakes));
    }
    if let Some(node) = fields.take("via") {
        pattern.via = Some(words(node, &Via::WORDS, mistakes));
    }
    let mut take = |name: &'static str, what: &str| {
        let node = fields.take(name)?;
        Some(globs(node, what, mistakes))
    };
    pattern.paths = take("path", "path such as `/api/v1/**`");
    pattern.resources = take("resource", "resource such as `pods`");
    pattern.subresources = take("subresource", "subresource such as `log`");
    pattern.namespaces = take("namespace", "namespace");
    if let Some(node) = fields.take("query") {
        pattern.query = parameters(node, mistakes);
    }
    let nodes = fields.take("nodes");
    fault.nodes = nodes.and_then(|n| choice(n, "node", mistakes));
    let pods = fields.take("pods");
    fault.pods = pods.and_then(|n| choice(n, "pod", mistakes));
    let requests = fields.take("requests");
    fault.requests = requests.and_then(|n| share(n, mistakes));
    fields.end(mistakes);
    // A node that is dead is one whose kubelet does not answer.
    if nodes.is_some() && pattern.via.is_none() {
        pattern.via = Some(vec![Via::Kubelet]);
    }
}

fn words<T: Copy>(node: &Node, known: &[(&str, T)], mistakes: &mut Vec<Mistake>) -> Vec<T> {
    let found = texts(node, "word", mistakes);
    let found = found.into_iter().map(|found| word(found, known, mistakes));
    found.collect::<Vec<_>>().into_iter().flatten().collect()
}

/// Parameters of the query, each with what its value must match.
fn parameters(node: &Node, mistakes: &mut Vec<Mistake>) -> Vec<(String, Vec<super::glob::Glob>)> {
    let Content::Map(entries) = &node.content else {
        let detail = "`query` is a map of parameters, such as `{container: linkerd-proxy}`";
        let (spot, detail) = (node.spot, detail.to_owned());
        mistakes.push(Mistake { spot, detail });
        return Vec::new();
    };
    let read = |(name, _, value): &(String, Spot, Node)| {
        let globs = globs(value, "value", mistakes);
        (name.clone(), globs)
    };
    entries.iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::super::effect::{Claim, Failure, Flow, Packed};
    use super::*;
    use std::time::Duration;

    fn effect(text: &str) -> Effect {
        let text = format!("faults: [{{effect: {text}}}]");
        let faults = Faults::parse(&text).unwrap_or_else(|m| panic!("{text}: {m}"));
        faults.list[0].effect.clone()
    }

    #[test]
    fn every_effect_is_read() {
        let failure = |code, retry_after, message: Option<&str>| {
            let message = message.map(str::to_owned);
            Effect::Status(Failure {
                code,
                retry_after,
                message,
            })
        };
        for (text, read) in [
            ("hang", Effect::Hang),
            ("drop", Effect::Drop),
            ("vanish", Effect::Vanish),
            ("unretrievable_log", Effect::UnretrievableLog),
            ("{delay: 500ms}", Effect::Delay(Duration::from_millis(500))),
            ("{delay: 1m}", Effect::Delay(Duration::from_mins(1))),
            ("{status: 403}", failure(403, None, None)),
            (
                "{status: {code: 429, retry_after: 2, message: 'no'}}",
                failure(429, Some(2), Some("no")),
            ),
            (
                "{stall: {after_bytes: 0}}",
                Effect::Flow(Flow::StallAfter(0)),
            ),
            ("{drop: {after_bytes: 5}}", Effect::Flow(Flow::DropAfter(5))),
            ("{drip: {bytes_per_second: 1}}", Effect::Flow(Flow::Drip(1))),
            ("reset", Effect::Reset(None)),
            ("{reset: {after_bytes: 5}}", Effect::Reset(Some(5))),
            ("{slow_head: {bytes_per_second: 3}}", Effect::SlowHead(3)),
            (
                "{redirect: /x}",
                Effect::Redirect(http::HeaderValue::from_static("/x")),
            ),
            ("{gzip: lie}", Effect::Gzip(Packed::Lie)),
            ("{garbage: {bytes: 9}}", Effect::Garbage(9)),
            ("{content_length: less}", Effect::ContentLength(Claim::Less)),
        ] {
            assert_eq!(effect(text), read, "{text}");
        }
    }

    #[test]
    fn all_mistakes_of_a_file_are_told_with_their_places() {
        let text = "\
sed: 3
faults:
  - effect: explode
  - match: {verb: [get, fetch], nodes: 0%, colour: red}
    times: 0
    effect: {status: 200}
  - name: [a]
  - effect: {stall: 5}
  - effect: {stall: {bytes: 5}}
  - effect: {delay: 3 hours}
  - 7
";
        let mistakes = Faults::parse(text).unwrap_err().to_string();
        let wanted = [
            "1:1: unknown key `sed`; write one of `seed`, `faults`",
            "3:13: this is no effect; write one of `hang`",
            "4:25: `fetch` is not known; write one of `get`, `list`",
            "4:40: `0%` is no share; write `20%`",
            "4:44: unknown key `colour`; write one of `verb`, `via`, `path`",
            "5:12: `0` is not allowed here; write a number from 1 to",
            "6:22: `200` is not allowed here; write a number from 400 to 599",
            "7:5: `effect` is missing; write what happens, such as `hang`",
            "7:11: this is no name",
            "8:21: this is no map; write `{after_bytes: 1000}`",
            "9:21: `after_bytes` is missing; write a number of bytes",
            "9:22: unknown key `bytes`; write one of `after_bytes`",
            "10:21: `3 hours` is no time; write `500ms`, `2s` or `1m`",
            "11:5: this is no map; write a fault, such as `{effect: hang}`",
        ];
        let lines: Vec<&str> = mistakes.lines().collect();
        for (line, wanted) in lines.iter().zip(wanted) {
            assert!(line.starts_with(wanted), "{line}\nwanted {wanted}");
        }
        assert_eq!(lines.len(), wanted.len(), "{mistakes}");
    }

    #[test]
    fn what_is_no_faults_file_is_refused_with_its_place() {
        for (text, wanted) in [
            ("", "faults"),
            ("[]", "1:1: this is no map"),
            ("faults: 3", "1:9: this is no list"),
            ("faults: []\nfaults: []", "2:"),
            ("faults: [{effect: hang", "1:"),
            (
                "faults: [{effect: hang, match: {query: x}}]",
                "1:40: `query` is a map",
            ),
            (
                "faults: [{effect: hang, each: fish}]",
                "write one of `path`, `fault`",
            ),
        ] {
            let mistakes = Faults::parse(text).unwrap_err().to_string();
            assert!(mistakes.contains(wanted), "{text}: {mistakes}");
        }
    }

    #[test]
    fn a_dead_node_is_one_whose_kubelet_does_not_answer() {
        let via = |text: &str| {
            let faults = Faults::parse(text).unwrap();
            faults.list[0].pattern.via.clone()
        };
        assert_eq!(
            via("faults: [{match: {nodes: 20%}, effect: hang}]"),
            Some(vec![Via::Kubelet])
        );
        assert_eq!(
            via("faults: [{match: {nodes: 20%, via: [network, kubelet]}, effect: hang}]"),
            Some(vec![Via::Network, Via::Kubelet])
        );
        assert_eq!(via("faults: [{effect: hang}]"), None);
    }
}
