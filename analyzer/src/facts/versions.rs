//! The table `versions`: what runs in which version, compared with the control plane.
//!
//! The project's rules: the control plane is upgraded before extensions and proxies, proxies
//! are at most one major version behind it and never ahead, and majors are not skipped.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use super::components;
use super::kube::{is_control_plane, proxy_of};
use super::row::{Row, text};
use super::sources::Owner;
use super::{Fact, Object, Sources, mesh, pods};
use crate::evidence::{Evidence, Subject};

/// The edge release that each major version equals, oldest first.
const MAJORS: [(i64, [i64; 3]); 6] = [
    (15, [24, 2, 4]),
    (16, [24, 8, 2]),
    (17, [24, 11, 8]),
    (18, [25, 4, 4]),
    (19, [25, 10, 7]),
    (20, [26, 6, 3]),
];

/// The Kubernetes minors that each major version supports by its documentation.
const KUBERNETES: [(i64, i64, i64); 11] = [
    (10, 16, 23),
    (11, 17, 23),
    (12, 21, 24),
    (13, 21, 28),
    (14, 21, 28),
    (15, 22, 29),
    (16, 22, 29),
    (17, 22, 31),
    (18, 23, 32),
    (19, 23, 35),
    (20, 31, 35),
];

/// A version of Linkerd: its channel and its numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Version<'a> {
    channel: &'a str,
    numbers: [i64; 3],
}

impl<'a> Version<'a> {
    /// Reads `edge-26.8.3`, `stable-2.14.10`, `enterprise-2.18.1-0`, `2.15.0` or `v2.366.0`.
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        let (channel, rest) = match text.split_once('-') {
            Some((channel, rest)) if channel.bytes().all(|b| b.is_ascii_alphabetic()) => {
                (channel, rest)
            }
            _ => ("", text.strip_prefix('v').unwrap_or(text)),
        };
        let mut parts = rest.split(['.', '-', '+']);
        let mut number = || parts.next()?.parse::<i64>().ok();
        let numbers = [number()?, number()?, number().unwrap_or(0)];
        Some(Self { channel, numbers })
    }

    fn is_edge(self) -> bool {
        self.channel == "edge"
    }

    /// The minor number of the major version 2.x that this is, or is on the way to. Edges before
    /// 2.15 are not told apart.
    pub(super) fn major(self) -> Option<i64> {
        if self.is_edge() {
            let reached = MAJORS.iter().rev().find(|(_, edge)| self.numbers >= *edge);
            return reached.map(|(major, _)| *major);
        }
        // Numbers of proxy builds, such as v2.366.0, are another series.
        let [epoch, major, _] = self.numbers;
        (epoch == 2 && major < 100).then_some(major)
    }

    /// Compares with another version: within a channel by number, else by major version.
    fn compare(self, other: Self) -> Option<Ordering> {
        if self.channel == other.channel {
            return Some(self.numbers.cmp(&other.numbers));
        }
        match self.major()?.cmp(&other.major()?) {
            Ordering::Equal => None,
            order => Some(order),
        }
    }
}

/// Whether a Linkerd version supports a Kubernetes version: `supported`, `too-old` or
/// `newer-than-tested`.
pub(super) fn kubernetes_support(linkerd: &str, kubernetes: &str) -> Option<&'static str> {
    let major = Version::parse(linkerd)?.major()?;
    let (_, least, most) = KUBERNETES.iter().find(|(m, _, _)| *m == major)?;
    let [1, minor, _] = Version::parse(kubernetes)?.numbers else {
        return None;
    };
    Some(match minor {
        m if m < *least => "too-old",
        m if m > *most => "newer-than-tested",
        _ => "supported",
    })
}

/// Things that run in one version.
struct Group<'a> {
    what: &'static str,
    name: String,
    version: String,
    owner: Owner,
    pods: usize,
    anchor: &'a Object,
}

/// Derives the table: a row for each component, and for each workload and version of its proxy.
pub(super) fn derive(sources: &Sources<'_>) -> Vec<Fact> {
    let all = components::all(sources);
    let (control_plane, _) = mesh::version(sources, &all);
    let mut groups = Vec::new();
    for component in &all {
        let Some(object) = component.object else {
            continue;
        };
        // Extensions also run what is not Linkerd's, such as Prometheus.
        let is_own = Version::parse(&component.version).is_some_and(|v| !v.channel.is_empty());
        if component.version.is_empty() || !is_own {
            continue;
        }
        let what = if component.extension.is_empty() {
            "component"
        } else {
            "extension"
        };
        let owner = Owner::of(object);
        let (name, version) = (component.name.clone(), component.version.clone());
        groups.push(Group {
            what,
            name,
            version,
            owner,
            pods: 0,
            anchor: object,
        });
    }
    groups.extend(proxies(sources));
    groups
        .iter()
        .map(|group| fact(group, &control_plane))
        .collect()
}

/// Proxies by workload and version.
fn proxies<'a>(sources: &'a Sources<'_>) -> Vec<Group<'a>> {
    let mut groups: BTreeMap<(Owner, String), Group<'_>> = BTreeMap::new();
    for pod in sources.kind("Pod") {
        let Some(proxy) = proxy_of(&pod.value) else {
            continue;
        };
        let version = pods::version(&pod.value, text(proxy, "/image"));
        let owner = sources.owner(&pod.namespace, &pod.name);
        let what = if is_control_plane(&pod.value) {
            "control-plane-proxy"
        } else {
            "proxy"
        };
        let group = groups
            .entry((owner.clone(), version.to_owned()))
            .or_insert_with(|| Group {
                what,
                name: owner.name.to_string(),
                version: version.to_owned(),
                owner,
                pods: 0,
                anchor: pod,
            });
        group.pods += 1;
    }
    groups.into_values().collect()
}

fn fact(group: &Group<'_>, control_plane: &str) -> Fact {
    let (own, theirs) = (
        Version::parse(&group.version),
        Version::parse(control_plane),
    );
    let order = own
        .zip(theirs)
        .and_then(|(own, theirs)| own.compare(theirs));
    let relation = match order {
        Some(Ordering::Less) => "older",
        Some(Ordering::Greater) => "newer",
        Some(Ordering::Equal) => "same",
        None => "unknown",
    };
    let majors = own
        .and_then(Version::major)
        .zip(theirs.and_then(Version::major));
    let row = Row::new()
        .set("what", group.what)
        .set("name", group.name.as_str())
        .set("namespace", group.owner.namespace.as_str())
        .set("workload", group.owner.to_value())
        .text("version", &group.version)
        .text("control_plane_version", control_plane)
        .set("relation", relation)
        .opt("majors_behind", majors.map(|(own, theirs)| theirs - own))
        .opt("pods", (group.pods > 0).then_some(group.pods));
    let shown = if group.version.is_empty() {
        "an unknown version"
    } else {
        &group.version
    };
    let beside = if control_plane.is_empty() {
        "an unknown version"
    } else {
        control_plane
    };
    let owner = &group.owner;
    let excerpt = format!(
        "{} of {} {}/{} runs {shown}, the control plane {beside}",
        group.what, owner.kind, owner.namespace, owner.name
    );
    let evidence: Evidence = group.anchor.evidence(&excerpt);
    let subject: Subject = owner.subject();
    Fact {
        subjects: vec![subject],
        evidence: vec![evidence],
        fields: row.build(),
        kept: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edge_belongs_to_the_last_major_before_it() {
        let major = |text| Version::parse(text).and_then(Version::major);
        assert_eq!(major("edge-26.8.3"), Some(20));
        assert_eq!(major("edge-25.4.3"), Some(17));
        assert_eq!(major("edge-23.1.1"), None);
        assert_eq!(major("stable-2.14.10"), Some(14));
        assert_eq!(major("enterprise-2.18.1-0"), Some(18));
        assert_eq!(major("v2.366.0"), None);
        assert_eq!(major("latest"), None);
    }

    #[test]
    fn versions_of_different_channels_are_compared_by_major() {
        let compare = |a, b| {
            Version::parse(a)
                .unwrap()
                .compare(Version::parse(b).unwrap())
        };
        assert_eq!(compare("edge-26.8.3", "edge-26.10.1"), Some(Ordering::Less));
        assert_eq!(
            compare("stable-2.14.10", "edge-26.8.3"),
            Some(Ordering::Less)
        );
        assert_eq!(compare("enterprise-2.20.0", "edge-26.8.3"), None);
    }

    #[test]
    fn kubernetes_versions_are_judged_by_the_documentation() {
        assert_eq!(
            kubernetes_support("edge-26.8.3", "v1.33.13"),
            Some("supported")
        );
        assert_eq!(
            kubernetes_support("edge-26.8.3", "v1.29.1+k3s1"),
            Some("too-old")
        );
        assert_eq!(
            kubernetes_support("stable-2.14.10", "v1.31.0"),
            Some("newer-than-tested")
        );
        assert_eq!(kubernetes_support("git-abc", "v1.31.0"), None);
    }
}
