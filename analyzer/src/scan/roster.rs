//! Who wrote a log whose path does not tell, or not all of it: the bundle's own pods know.
//!
//! Other tools put a pod's and a container's name into a path in their own ways. With the names of
//! all pods at hand, they are found there wherever they stand.

use std::collections::BTreeMap;

use super::origin::Origin;
use crate::facts::{Object, Piece};

/// A path longer than this, in words, is not taken apart.
const MAX_WORDS: usize = 64;

/// The pods of a bundle, by name.
#[derive(Debug, Default)]
pub(super) struct Roster<'a>(BTreeMap<&'a str, Vec<Member<'a>>>);

#[derive(Debug)]
struct Member<'a> {
    namespace: &'a str,
    containers: Vec<&'a str>,
}

impl<'a> Roster<'a> {
    /// The pods that these pieces name.
    pub(super) fn of(pieces: &'a [Piece]) -> Self {
        let mut pods: BTreeMap<&str, Vec<Member<'_>>> = BTreeMap::new();
        for piece in pieces {
            if let Piece::Object(object) = piece
                && object.kind == "Pod"
                && !object.name.is_empty()
            {
                let member = Member {
                    namespace: &object.namespace,
                    containers: containers(object),
                };
                pods.entry(&object.name).or_default().push(member);
            }
        }
        Self(pods)
    }

    /// Who wrote the log at a path, if that is more than is known already.
    pub(super) fn settle(&self, path: &str, known: &Origin) -> Option<Origin> {
        if let (Some(namespace), Some(pod)) = (&known.namespace, &known.pod) {
            let members = self.0.get(pod.as_str())?;
            return match members.as_slice() {
                // A folder was taken for the namespace.
                [only] if only.namespace != namespace.as_str() => Some(Origin {
                    namespace: Some(only.namespace.to_owned()),
                    ..known.clone()
                }),
                _ => None,
            };
        }
        let words = Words::of(path)?;
        let (pod, rest) = words.longest(|text| self.0.contains_key(text))?;
        let member = self.member(pod, &words)?;
        let named = |text: &str| member.containers.contains(&text);
        let container = rest.longest(named).map(|(container, _)| container);
        let only = || match member.containers.as_slice() {
            [only] => Some(*only),
            _ => None,
        };
        let container = container.or_else(only).map(str::to_owned);
        let is_previous = path.contains("previous") || path.contains("-prev");
        Some(Origin {
            namespace: Some(member.namespace.to_owned()),
            pod: Some(pod.to_owned()),
            container: container.or_else(|| known.container.clone()),
            is_previous: known.is_previous || is_previous,
        })
    }

    /// The pod of this name: the only one, or that of a namespace which the path names.
    fn member(&self, pod: &str, words: &Words<'_>) -> Option<&Member<'a>> {
        let members = self.0.get(pod)?;
        match members.as_slice() {
            [only] => Some(only),
            several => several
                .iter()
                .find(|member| words.longest(|text| text == member.namespace).is_some()),
        }
    }
}

fn containers(pod: &Object) -> Vec<&str> {
    let lists = ["initContainers", "containers", "ephemeralContainers"];
    let spec = pod.value.get("spec");
    let containers = lists
        .iter()
        .filter_map(|list| spec?.get(list)?.as_list())
        .flatten();
    containers
        .filter_map(|container| container.get("name")?.as_str())
        .collect()
}

/// A path and where words begin and end in it, without the part that names a pod.
struct Words<'p> {
    path: &'p str,
    bounds: Vec<(usize, usize)>,
}

impl<'p> Words<'p> {
    fn of(path: &'p str) -> Option<Self> {
        let mut bounds = Vec::new();
        let mut start = None;
        for (at, byte) in path.bytes().enumerate() {
            match (byte.is_ascii_alphanumeric(), start) {
                (true, None) => start = Some(at),
                (false, Some(begun)) => {
                    bounds.push((begun, at));
                    start = None;
                }
                _ => {}
            }
        }
        bounds.extend(start.map(|begun| (begun, path.len())));
        (bounds.len() <= MAX_WORDS).then_some(Self { path, bounds })
    }

    /// The longest run of words that is wanted, and the words after it.
    fn longest(&self, is_wanted: impl Fn(&str) -> bool) -> Option<(&'p str, Self)> {
        let mut found: Option<(&str, usize)> = None;
        for (first, (start, _)) in self.bounds.iter().enumerate() {
            for (last, (_, end)) in self.bounds.iter().enumerate().skip(first) {
                let text = self.path.get(*start..*end).unwrap_or_default();
                let is_longer = found.is_none_or(|(known, _)| text.len() >= known.len());
                if is_longer && is_wanted(text) {
                    found = Some((text, last));
                }
            }
        }
        found.map(|(text, last)| {
            let bounds = self.bounds.get(last + 1..).unwrap_or_default().to_vec();
            let rest = Self {
                path: self.path,
                bounds,
            };
            (text, rest)
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(namespace: &str, name: &str, containers: &[&str]) -> Piece {
        let containers: Vec<_> = containers.iter().map(|c| json!({"name": c})).collect();
        Piece::Object(Box::new(Object {
            kind: "Pod".into(),
            group: "".into(),
            namespace: namespace.into(),
            name: name.into(),
            value: json!({"spec": {"containers": containers}}).into(),
            entry: "pods.yaml".into(),
            line: None,
        }))
    }

    fn origin(namespace: &str, pod: &str, container: &str, is_previous: bool) -> Origin {
        Origin {
            namespace: Some(namespace.to_owned()),
            pod: Some(pod.to_owned()),
            container: Some(container.to_owned()),
            is_previous,
        }
    }

    #[test]
    fn pod_and_container_are_found_wherever_they_stand_in_a_path() {
        let pieces = [
            pod("shop", "cart-7d9c4-x2k8p", &["app", "linkerd-proxy"]),
            pod("shop", "cart", &["app"]),
            pod("shop", "db-0", &["db"]),
            pod("other", "db-0", &["db"]),
        ];
        let roster = Roster::of(&pieces);
        let told = |path: &str| roster.settle(path, &Origin::default());
        let proxy = |previous| {
            Some(origin(
                "shop",
                "cart-7d9c4-x2k8p",
                "linkerd-proxy",
                previous,
            ))
        };
        for path in [
            "sysdump/logs-cart-7d9c4-x2k8p-linkerd-proxy-20261123-004151.log",
            "shop/cart-7d9c4-x2k8p/linkerd-proxy.log",
            "dumps/shop-cart-7d9c4-x2k8p-linkerd-proxy-1700000000.log",
            "shop_cart-7d9c4-x2k8p_linkerd-proxy.txt",
        ] {
            assert_eq!(told(path), proxy(false), "{path}");
        }
        let previous = "logs-cart-7d9c4-x2k8p-linkerd-proxy-20261123-prev.log";
        assert_eq!(told(previous), proxy(true));
        assert_eq!(told("cart.log"), Some(origin("shop", "cart", "app", false)));
        assert_eq!(
            told("other/db-0.log"),
            Some(origin("other", "db-0", "db", false))
        );
        assert_eq!(told("db-0.log"), None);
        assert_eq!(told("carts.log"), None);
        assert_eq!(told(&"x-".repeat(10_000)), None);
    }

    #[test]
    fn a_folder_that_is_no_namespace_gives_way_to_the_pods_own() {
        let pieces = [pod("shop", "cart", &["app"])];
        let roster = Roster::of(&pieces);
        let wrong = origin("all-logs", "cart", "app", false);
        let right = origin("shop", "cart", "app", false);
        assert_eq!(roster.settle("x", &wrong), Some(right.clone()));
        assert_eq!(roster.settle("x", &right), None);
    }
}
