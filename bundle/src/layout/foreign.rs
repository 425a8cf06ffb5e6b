//! Where other tools put container logs. Objects need no map: what they are stands in them.

use super::EntryKind;

/// Tells what the entry at a path of another tool's layout holds.
pub(super) fn of(parts: &[&str]) -> Option<EntryKind> {
    match parts {
        // OpenShift's must-gather, `oc adm inspect`.
        [
            ..,
            "namespaces",
            namespace,
            "pods",
            pod,
            container,
            _,
            "logs",
            file,
        ] => {
            let (name, _) = file.split_once('.')?;
            let previous = match name {
                "current" => false,
                "previous" => true,
                _ => return None,
            };
            Some(log((namespace, pod), container, previous))
        }
        // `kubectl cluster-info dump --output-directory`.
        [.., namespace, pod, "logs.txt"] => Some(EntryKind::PodLogs {
            namespace: (*namespace).to_owned(),
            pod: (*pod).to_owned(),
        }),
        // `istioctl bug-report`.
        [.., "proxies" | "istio" | "operator", namespace, pod, file] => {
            let container = file.strip_suffix(".log").filter(|name| !name.is_empty())?;
            Some(log((namespace, pod), container, false))
        }
        _ => None,
    }
}

fn log((namespace, pod): (&str, &str), container: &str, previous: bool) -> EntryKind {
    EntryKind::PodLog {
        namespace: namespace.to_owned(),
        pod: pod.to_owned(),
        container: container.to_owned(),
        previous,
    }
}

/// One container's part of [`EntryKind::PodLogs`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Section<'a> {
    /// The container.
    pub container: &'a str,
    /// Number of its first line in the entry, from 1.
    pub first_line: u64,
    /// Its lines.
    pub lines: &'a [u8],
}

/// Cuts the logs of a pod at the lines that `kubectl cluster-info dump` puts around those of each
/// container. What stands outside of them belongs to none.
pub fn sections(logs: &[u8]) -> Vec<Section<'_>> {
    let mut found = Vec::new();
    let mut open: Option<(&str, u64, usize)> = None;
    let (mut at, mut number) = (0, 0);
    while at < logs.len() {
        let rest = logs.get(at..).unwrap_or_default();
        let end = memchr::memchr(b'\n', rest).map_or(logs.len(), |newline| at + newline + 1);
        number += 1;
        let line = logs.get(at..end).unwrap_or_default();
        let mark = mark(line);
        if let (Some(_), Some((container, first_line, start))) = (mark, open) {
            let lines = logs.get(start..at).unwrap_or_default();
            found.push(Section {
                container,
                first_line,
                lines,
            });
        }
        open = match mark {
            Some(Mark::Start(container)) => Some((container, number + 1, end)),
            Some(Mark::End) => None,
            None => open,
        };
        at = end;
    }
    if let Some((container, first_line, start)) = open {
        let lines = logs.get(start..).unwrap_or_default();
        found.push(Section {
            container,
            first_line,
            lines,
        });
    }
    found
}

#[derive(Clone, Copy)]
enum Mark<'a> {
    Start(&'a str),
    End,
}

fn mark(line: &[u8]) -> Option<Mark<'_>> {
    let line = line.strip_prefix(b"==== ")?.trim_ascii_end();
    let line = std::str::from_utf8(line).ok()?.strip_suffix(" ====")?;
    if let Some(rest) = line.strip_prefix("START logs for container ") {
        let (container, _) = rest.split_once(" of pod ")?;
        return Some(Mark::Start(container));
    }
    line.starts_with("END logs for container ")
        .then_some(Mark::End)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(path: &str) -> Option<EntryKind> {
        of(&path.split('/').collect::<Vec<_>>())
    }

    #[test]
    fn logs_of_other_tools_tell_their_container() {
        let app = |previous| Some(log(("shop", "cart-1"), "app", previous));
        let gather = "must-gather.local.1/quay-io-x/namespaces/shop/pods/cart-1/app/app/logs";
        assert_eq!(kind(&format!("{gather}/current.log")), app(false));
        assert_eq!(kind(&format!("{gather}/previous.log")), app(true));
        assert_eq!(kind(&format!("{gather}/previous.insecure.log")), app(true));
        assert_eq!(kind(&format!("{gather}/other.log")), None);
        assert_eq!(kind("bug-report/proxies/shop/cart-1/app.log"), app(false));
        let pod = EntryKind::PodLogs {
            namespace: "shop".to_owned(),
            pod: "cart-1".to_owned(),
        };
        assert_eq!(kind("dump/shop/cart-1/logs.txt"), Some(pod));
        for other in ["shop/cart-1/app.log", "logs.txt", "cart-1/logs.txt", ""] {
            assert_eq!(kind(other), None, "{other}");
        }
    }

    #[test]
    fn a_pods_logs_are_cut_at_the_marks_of_each_container() {
        let text = b"before\n\
            ==== START logs for container a of pod shop/cart ====\none\ntwo\n\
            ==== END logs for container a of pod shop/cart ====\nbetween\n\
            ==== START logs for container b of pod shop/cart ====\n==== not a mark\nno end";
        let cut = sections(text);
        let told: Vec<_> = cut
            .iter()
            .map(|s| (s.container, s.first_line, s.lines))
            .collect();
        assert_eq!(
            told,
            [
                ("a", 3, b"one\ntwo\n".as_slice()),
                ("b", 8, b"==== not a mark\nno end"),
            ]
        );
        assert!(sections(b"no marks\n").is_empty());
        assert!(sections(b"").is_empty());
    }
}
