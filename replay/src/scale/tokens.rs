//! Finds in any text what copies must have of their own, and puts the copy's in its place.
//!
//! Objects (as JSON), logs and scrapes go the same way, so that they agree with each other. Names
//! of pods, ids and addresses are looked for as whole words. Names of namespaces are words that can
//! mean anything; they are replaced only where the text around them says that they are one.

use std::borrow::Cow;
use std::net::IpAddr;

use aho_corasick::{AhoCorasick, BuildError, Input, MatchKind};

use super::context::stands_alone;
use super::layout::Layout;
use super::names::{Addressed, Addresses, Numbering, another_id, suffix};
use super::roster::{Naming, Roster};

/// What a word means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    Namespace,
    Pod(u32),
    /// Of a pod, node or service; the second number is its place among its like.
    Address(Addressed, u32),
    /// A node, and whether its name is a word that can mean anything.
    Node(u32, bool),
    /// An id of a pod or of what comes with each replica.
    ReplicaId,
    /// An id of what a namespace has once.
    SpaceId,
    NodeId(u32),
    /// The name of an endpoint slice, and its place among them.
    Slice(u32),
}

/// Which copy a text is for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Nth {
    pub(super) number: u32,
    /// The copy of the node that the text is of, if it is of one.
    pub(super) node: Option<u32>,
}

/// The words of a recording that copies must have of their own.
#[derive(Debug)]
pub(super) struct Words {
    finder: AhoCorasick,
    words: Vec<(String, Token)>,
}

/// What words become.
#[derive(Debug)]
pub(super) struct Meaning {
    pub(super) layout: Layout,
    pub(super) roster: Roster,
    pub(super) addresses: Addresses,
    pub(super) numbering: Numbering,
    pub(super) multiplier: u64,
    /// How many slices there are.
    pub(super) slices: u32,
}

impl Words {
    /// Of words that occur twice the first meaning counts.
    pub(super) fn of(words: Vec<(String, Token)>) -> Result<Self, BuildError> {
        let mut builder = AhoCorasick::builder();
        builder.match_kind(MatchKind::LeftmostLongest);
        let finder = builder.build(words.iter().map(|(word, _)| word))?;
        Ok(Self { finder, words })
    }

    /// A text for a copy.
    pub(super) fn rewrite<'t>(
        &self,
        text: &'t [u8],
        meaning: &Meaning,
        copy: Nth,
    ) -> Cow<'t, [u8]> {
        let mut out: Vec<u8> = Vec::new();
        let (mut done, mut from) = (0, 0);
        while let Some(found) = self.finder.find(Input::new(text).range(from..)) {
            let (start, end) = (found.start(), found.end());
            let before = text.get(..start).unwrap_or_default();
            let after = text.get(end..).unwrap_or_default();
            let word = self.words.get(found.pattern().as_usize());
            let other = word
                .filter(|(_, token)| stands_alone(before, after, token))
                .and_then(|(word, token)| meaning.of(word, token, copy));
            if let Some(other) = other {
                out.extend_from_slice(text.get(done..start).unwrap_or_default());
                out.extend_from_slice(other.as_bytes());
                done = end;
                from = end;
            } else {
                from = start + 1;
            }
        }
        if done == 0 {
            return Cow::Borrowed(text);
        }
        out.extend_from_slice(text.get(done..).unwrap_or_default());
        Cow::Owned(out)
    }
}

impl Meaning {
    /// What a word is in a copy; `None` if it stays.
    pub(super) fn of(&self, word: &str, token: &Token, copy: Nth) -> Option<String> {
        let space = self.layout.space_of(copy.number);
        let node = |number: u32| {
            let node = self.roster.nodes.get(usize::try_from(number).ok()?)?;
            let nodes = self.layout.nodes(node.pods);
            Some(copy.node.unwrap_or(copy.number % nodes))
        };
        let new = match token {
            Token::Namespace => self.numbering.name(word, space),
            Token::Pod(pod) => self.pod_name(*pod, copy.number)?,
            Token::Node(number, _) => self.numbering.name(word, node(*number)?),
            Token::Address(what, number) => {
                let number = match what {
                    Addressed::Pod => self.serial(*number, copy.number)?,
                    Addressed::Service => of_copies(space, *number, self.roster.services.len())?,
                    Addressed::Node => of_copies(node(*number)?, *number, self.roster.nodes.len())?,
                };
                let recorded: IpAddr = word.parse().ok()?;
                self.addresses.of(recorded, *what, number).to_string()
            }
            Token::ReplicaId => (copy.number > 0).then(|| another_id(word, copy.number))?,
            Token::SpaceId => (space > 0).then(|| another_id(word, space))?,
            Token::NodeId(number) => {
                let node = node(*number)?;
                (node > 0).then(|| another_id(word, node))?
            }
            Token::Slice(number) => {
                let stem = super::names::drawn_stem(word)?;
                let number = copy.number.checked_mul(self.slices)?.checked_add(*number)?;
                (copy.number > 0)
                    .then(|| format!("{stem}{}", suffix(number.into(), self.multiplier)))?
            }
        };
        Some(new)
    }

    /// The number of a copied pod; `None` for the recorded one.
    fn serial(&self, pod: u32, copy: u32) -> Option<u32> {
        self.layout.serial(pod, copy).filter(|_| copy > 0)
    }

    /// A copied pod's name; `None` if it stays.
    pub(super) fn pod_name(&self, number: u32, copy: u32) -> Option<String> {
        let pod = self.roster.pods.get(usize::try_from(number).ok()?)?;
        let serial = self.serial(number, copy)?;
        match &pod.naming {
            Naming::Drawn(stem) => {
                Some(format!("{stem}{}", suffix(serial.into(), self.multiplier)))
            }
            Naming::Ordinal { stem, ordinal, of } => {
                let before = self.layout.replica_of(copy).saturating_mul(*of);
                Some(format!("{stem}-{}", before.saturating_add(*ordinal)))
            }
            Naming::Given => None,
        }
    }
}

/// The number of a copy of something of which there are so many; `None` for what was recorded.
fn of_copies(copy: u32, number: u32, of: usize) -> Option<u32> {
    let before = copy.checked_mul(u32::try_from(of).ok()?)?;
    before.checked_add(number).filter(|_| copy > 0)
}

#[cfg(test)]
mod tests {
    use super::super::roster::RecordedPod;
    use super::*;
    use std::collections::BTreeSet;

    fn words() -> (Words, Meaning) {
        let pod = RecordedPod {
            naming: Naming::Drawn("cart-7cc5f8978b-".to_owned()),
            ..RecordedPod::default()
        };
        let roster = Roster {
            pods: vec![pod],
            owned: 1,
            ..Roster::default()
        };
        let words = vec![
            ("shop".to_owned(), Token::Namespace),
            ("batch".to_owned(), Token::Namespace),
            ("cart-7cc5f8978b-zwdmb".to_owned(), Token::Pod(0)),
            ("10.244.0.3".to_owned(), Token::Address(Addressed::Pod, 0)),
            ("3af76a9a-93b3".to_owned(), Token::ReplicaId),
        ];
        let meaning = Meaning {
            layout: Layout::of(1, 1, 30),
            addresses: Addresses::beside(&[]),
            numbering: Numbering::beside(&BTreeSet::new()),
            roster,
            multiplier: 1,
            slices: 0,
        };
        (Words::of(words).unwrap(), meaning)
    }

    /// A text for the first copy of the second copy of each namespace.
    fn rewritten(text: &str) -> String {
        let (words, meaning) = words();
        let nth = Nth {
            number: 10,
            node: None,
        };
        let out = words.rewrite(text.as_bytes(), &meaning, nth);
        String::from_utf8(out.into_owned()).unwrap()
    }

    #[test]
    fn a_namespace_is_replaced_where_it_is_one() {
        for text in [
            r#"{"namespace":"@"}"#,
            r#"{"linkerd.io/workload-ns":"@"}"#,
            r#"{\"ns\":\"@\", \"pod\":1}"#,
            r#"requests_total{namespace="@",dst_namespace="@"} 1"#,
            "GET /api/v1/namespaces/@/pods",
            "client.id=default.@.serviceaccount.identity.linkerd.cluster.local",
            "http://cart.@:8080/items",
            "cart.@.svc.cluster.local:80",
            "Successfully assigned @/web to x",
            r#"{"kubernetes.io/metadata.name":"@"}"#,
        ] {
            let wanted = text.replace('@', "shop-0001");
            assert_eq!(rewritten(&text.replace('@', "shop")), wanted);
        }
    }

    #[test]
    fn other_words_that_read_the_same_stay() {
        for text in [
            r#"{"name":"shop"}"#,
            "the shop is open",
            "my-shop/x shop-2/x",
            "registry.local/shop/app:1.4",
            r#"{"image":"shop/app:1.4"}"#,
            r#"{"apiVersion":"batch/v1"} batch/v1, Kind=Job batch/v1beta1."#,
            r#"{"batch.kubernetes.io/job-name":"x"}"#,
        ] {
            assert_eq!(rewritten(text), text);
        }
        assert_eq!(rewritten("(batch/v1-web)"), "(batch-0001/v1-web)");
    }

    #[test]
    fn names_and_addresses_are_replaced_as_whole_words() {
        let text = "cart-7cc5f8978b-zwdmb.18ea 10.244.0.3:80 10.244.0.3. 3af76a9a-93b3";
        let other = rewritten(text);
        let words: Vec<&str> = other.split(' ').collect();
        assert!(words[0].starts_with("cart-7cc5f8978b-") && words[0].ends_with(".18ea"));
        assert!(!other.contains("zwdmb") && !other.contains("10.244.0.3"));
        assert!(words[1].ends_with(":80") && words[2].ends_with('.'));
        assert_eq!(words[3].len(), "3af76a9a-93b3".len());
        assert!(!rewritten(r"a\ncart-7cc5f8978b-zwdmb\n").contains("zwdmb"));
        let others =
            "xcart-7cc5f8978b-zwdmb cart-7cc5f8978b-zwdmb2 10.244.0.35 110.244.0.3 10.244.0.3.1";
        assert_eq!(rewritten(others), others);
    }
}
