//! Which container wrote a log, told by the entry's path.

use bundle::EntryInfo;
use bundle::layout::EntryKind;

use crate::evidence::Subject;
use crate::facts::owner;

/// Who wrote a log, as far as its path tells.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Origin {
    pub(crate) namespace: Option<String>,
    pub(crate) pod: Option<String>,
    pub(crate) container: Option<String>,
    /// Whether it is the log of the container's previous instance.
    pub(crate) is_previous: bool,
}

/// Containers of the mesh that are recognized at the end of a file name.
const KNOWN: [&str; 16] = [
    "linkerd-proxy",
    "linkerd-init",
    "linkerd-network-validator",
    "identity",
    "destination",
    "policy",
    "sp-validator",
    "proxy-injector",
    "tap-injector",
    "tap",
    "metrics-api",
    "web",
    "service-mirror",
    "install-cni",
    "repair-controller",
    "heartbeat",
];

/// Those of them that are names of applications too.
const COMMON: [&str; 4] = ["tap", "web", "policy", "heartbeat"];

/// Whether an entry is scanned for log lines.
pub(crate) fn is_log(entry: &EntryInfo) -> bool {
    let name = entry.path.file_name().to_ascii_lowercase();
    match &entry.kind {
        EntryKind::PodLog { .. } => true,
        // A rotated log ends in a number or a date.
        EntryKind::Other => {
            let extension = name.rsplit_once('.').map(|(_, extension)| extension);
            name.contains(".log") || matches!(extension, None | Some("txt" | "out"))
        }
        _ => false,
    }
}

impl Origin {
    /// Tells who wrote an entry.
    pub(crate) fn of(entry: &EntryInfo) -> Self {
        if let EntryKind::PodLog {
            namespace,
            pod,
            container,
            previous,
        } = &entry.kind
        {
            return Self {
                namespace: Some(namespace.clone()),
                pod: Some(pod.clone()),
                container: Some(container.clone()),
                is_previous: *previous,
            };
        }
        let parts: Vec<&str> = entry.path.components().collect();
        node_folder(&parts)
            .or_else(|| node_link(entry.path.file_name()))
            .or_else(|| pod_folder(&parts))
            .unwrap_or_else(|| Self::guess(&parts))
    }

    /// Tells who wrote one container's part of an entry with the logs of a pod.
    pub(crate) fn of_section(entry: &EntryInfo, container: &str) -> Self {
        match &entry.kind {
            EntryKind::PodLogs { namespace, pod } => origin(namespace, pod, container),
            _ => Self::of(entry),
        }
    }

    /// Which container's log it is; `None` as long as something of it is not known.
    pub(crate) fn log(&self) -> Option<EntryKind> {
        Some(EntryKind::PodLog {
            namespace: self.namespace.clone()?,
            pod: self.pod.clone()?,
            container: self.container.clone()?,
            previous: self.is_previous,
        })
    }

    /// A file that somebody named by hand: what of its name has the shape of a pod's name tells
    /// the pod, and words that are known the container.
    fn guess(parts: &[&str]) -> Self {
        let name = parts.last().copied().unwrap_or_default();
        let stem = name
            .split(".log")
            .next()
            .unwrap_or(name)
            .trim_end_matches(".txt");
        let stem = stem.strip_suffix("-previous").unwrap_or(stem);
        let is_previous = |part: &&str| part.contains("previous") || part.contains("-prev");
        let is_previous = parts.iter().any(is_previous);
        if let Some(origin) = joined(stem) {
            return Self {
                is_previous,
                ..origin
            };
        }
        let is_end = |known: &&&str| {
            stem.strip_suffix(**known)
                .is_some_and(|head| head.is_empty() || head.ends_with(['-', '_', '.', ' ']))
        };
        let container = KNOWN.iter().filter(is_end).max_by_key(|known| known.len());
        // Alone, it may as well be the name of an application.
        let container = container.filter(|known| **known != stem || !COMMON.contains(known));
        let rest = container.and_then(|known| stem.strip_suffix(*known));
        let pod = rest.unwrap_or(stem).trim_end_matches(['-', '_', '.', ' ']);
        Self {
            namespace: None,
            pod: is_generated(pod).then(|| pod.to_owned()),
            container: container.map(|known| (*known).to_owned()),
            is_previous,
        }
    }

    /// What findings about this log are about.
    pub(crate) fn subject(&self, entry: &str) -> Subject {
        match (&self.namespace, &self.pod) {
            (Some(namespace), Some(pod)) => Subject::namespaced("Pod", namespace, pod),
            (None, Some(pod)) => Subject::cluster("Pod", pod),
            (Some(namespace), None) => Subject::namespaced("Log", namespace, entry),
            (None, None) => Subject::cluster("Log", entry),
        }
    }
}

/// `.../<namespace>_<pod>_<uid>/<container>/0.log`, as on a node below `/var/log/pods`.
fn node_folder(parts: &[&str]) -> Option<Origin> {
    let [.., folder, container, _] = parts else {
        return None;
    };
    let mut fields = folder.split('_');
    let (namespace, pod, uid) = (fields.next()?, fields.next()?, fields.next()?);
    let is_uid = uid.len() >= 32 && uid.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-');
    is_uid.then(|| origin(namespace, pod, container))
}

/// `<pod>_<namespace>_<container>-<id>.log`, as on a node below `/var/log/containers`.
fn node_link(name: &str) -> Option<Origin> {
    let mut fields = name.strip_suffix(".log")?.split('_');
    let (pod, namespace, rest) = (fields.next()?, fields.next()?, fields.next()?);
    let (container, id) = rest.rsplit_once('-')?;
    let is_id = id.len() == 64 && id.bytes().all(|b| b.is_ascii_hexdigit());
    is_id.then(|| origin(namespace, pod, container))
}

/// `.../<namespace>/<pod>/<container>.log`, where the pod's name is one that a workload gave it.
fn pod_folder(parts: &[&str]) -> Option<Origin> {
    let [.., namespace, pod, file] = parts else {
        return None;
    };
    let stem = file.strip_suffix(".log")?;
    let (container, is_previous) = match stem.strip_suffix("-previous") {
        Some(container) => (container, true),
        None => (stem, false),
    };
    let is_known = is_generated(pod) && is_label(namespace) && is_label(container);
    is_known.then(|| Origin {
        is_previous,
        ..origin(namespace, pod, container)
    })
}

/// `<namespace>_<pod>_<container>` or `<pod>_<namespace>_<container>`, as people name files after
/// those on a node; the pod's name is one that a workload gave it.
fn joined(stem: &str) -> Option<Origin> {
    let fields: Vec<&str> = stem.split('_').collect();
    let (namespace, pod, container) = match fields.as_slice() {
        [namespace, pod, container] if is_generated(pod) => (namespace, pod, container),
        [pod, namespace, container] if is_generated(pod) => (namespace, pod, container),
        _ => return None,
    };
    (is_label(namespace) && is_label(container)).then(|| origin(namespace, pod, container))
}

fn is_label(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    !text.is_empty() && text.bytes().all(plain)
}

/// Whether a workload gave a pod this name.
fn is_generated(pod: &str) -> bool {
    // A word may look like a suffix, and a node is numbered as a StatefulSet's pod is.
    let suffix = pod.rsplit('-').next().unwrap_or_default();
    let has_shape = match owner::guess(pod).0 {
        "Deployment" | "CronJob" => true,
        "DaemonSet" => suffix.bytes().any(|b| b.is_ascii_digit()),
        _ => false,
    };
    has_shape && is_label(pod)
}

fn origin(namespace: &str, pod: &str, container: &str) -> Origin {
    Origin {
        namespace: Some(namespace.to_owned()),
        pod: Some(pod.to_owned()),
        container: Some(container.to_owned()),
        is_previous: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guess(path: &str) -> Origin {
        let parts: Vec<&str> = path.split('/').collect();
        node_folder(&parts)
            .or_else(|| node_link(parts.last().unwrap()))
            .or_else(|| pod_folder(&parts))
            .unwrap_or_else(|| Origin::guess(&parts))
    }

    #[test]
    fn logs_from_a_node_tell_their_pod() {
        let uid = "6f2c1c1e-9a52-4e4e-8a4e-0a4b7c9d1e2f";
        let found = guess(&format!(
            "var/log/pods/shop_cart-1_{uid}/linkerd-proxy/0.log"
        ));
        assert_eq!(found, origin("shop", "cart-1", "linkerd-proxy"));
        let id = "a".repeat(64);
        let found = guess(&format!("containers/cart-1_shop_linkerd-proxy-{id}.log"));
        assert_eq!(found, origin("shop", "cart-1", "linkerd-proxy"));
    }

    #[test]
    fn a_folder_of_a_generated_pod_tells_namespace_and_container() {
        let found = guess("case/shop/cart-7d9c4f5b6-x2k8p/app.log");
        assert_eq!(found, origin("shop", "cart-7d9c4f5b6-x2k8p", "app"));
        assert!(guess("shop/agent-x2k8p/a-previous.log").is_previous);
        assert_eq!(guess("node/worker-1/kubelet.log").namespace, None);
        assert_eq!(guess("x/linkerd-proxy/a.log").namespace, None);
        assert_eq!(guess("var/log/syslog.log").namespace, None);
        assert_eq!(guess("host/Logs-1/app.log").namespace, None);
    }

    #[test]
    fn a_file_named_after_its_pod_tells_it() {
        let pod = "cart-7d9c4f5b6-x2k8p";
        for name in [
            format!("shop_{pod}_linkerd-proxy.log"),
            format!("{pod}_shop_linkerd-proxy.log"),
        ] {
            assert_eq!(guess(&name), origin("shop", pod, "linkerd-proxy"), "{name}");
        }
        let alone = guess(&format!("{pod}.log"));
        assert_eq!((alone.namespace, alone.pod.as_deref()), (None, Some(pod)));
        let both = guess(&format!("{pod}-linkerd-proxy-previous.log"));
        assert_eq!(both.pod.as_deref(), Some(pod));
        assert_eq!(both.container.as_deref(), Some("linkerd-proxy"));
        assert!(both.is_previous);
        assert_eq!(guess("build_output_7.log").pod, None);
    }

    #[test]
    fn a_file_named_by_hand_tells_a_known_container() {
        assert_eq!(
            guess("cart-linkerd-proxy.log").container.as_deref(),
            Some("linkerd-proxy")
        );
        assert_eq!(
            guess("identity.log.1").container.as_deref(),
            Some("identity")
        );
        assert_eq!(guess("messages.log").container, None);
        assert_eq!(guess("web.log").container, None);
    }
}
