//! The proxy injector: since when it is there, and whom it gave a proxy.

use std::collections::BTreeMap;

use super::json::Json;
use jiff::{SignedDuration, Timestamp};

use super::kube::{COMPONENT, condition, is_control_plane, is_meshed, is_true, label};
use super::row::{int, list, text, time};
use super::{Object, Sources};

/// When the injector was there to answer.
#[derive(Debug, Default)]
pub(super) struct Injector<'a> {
    pub(super) is_down: bool,
    /// Since when it is down, if anything tells.
    pub(super) down_since: Option<Timestamp>,
    /// When its Deployment was made.
    pub(super) made: Option<Timestamp>,
    /// When it became available last.
    up_since: Option<Timestamp>,
    pub(super) excluded: Json,
    /// Creation times of pods that it gave a proxy, ascending.
    injected: Vec<Timestamp>,
    /// When the first pod with a proxy was made, by namespace.
    first_injected: BTreeMap<&'a str, Timestamp>,
    /// Its events about what it passed over, by namespace and name of the object.
    skipped: BTreeMap<&'a str, BTreeMap<&'a str, Vec<&'a Object>>>,
}

impl<'a> Injector<'a> {
    pub(super) fn of(sources: &'a Sources<'_>) -> Self {
        let namespace = sources.control_plane_namespace();
        let mut injector = Self {
            excluded: namespace_selector(sources),
            ..Self::default()
        };
        injector.index(sources);
        let mut deployments = sources.in_namespace("Deployment", namespace).iter();
        match deployments.find(|d| is_injector(d)) {
            Some(deployment) => injector.learn(sources, deployment),
            None => injector.is_down = sources.is_complete("Deployment", namespace),
        }
        injector
    }

    /// Whether the bundle holds nothing of it, and nobody whom it gave a proxy.
    pub(super) fn is_unknown(&self) -> bool {
        let is_seen = self.is_down || self.made.is_some() || self.up_since.is_some();
        !is_seen && self.injected.is_empty()
    }

    /// Notes whom it gave a proxy, and whom not.
    fn index(&mut self, sources: &'a Sources<'_>) {
        let meshed = sources.kind("Pod").iter().filter(|p| is_meshed(&p.value));
        for pod in meshed.filter(|p| !is_control_plane(&p.value)) {
            let Some(created) = time(&pod.value, "/metadata/creationTimestamp") else {
                continue;
            };
            self.injected.push(created);
            let first = self.first_injected.entry(&pod.namespace).or_insert(created);
            *first = created.min(*first);
        }
        self.injected.sort_unstable();
        for event in sources.kind("Event") {
            if text(&event.value, "/reason") == "InjectionSkipped" {
                let name = text(&event.value, "/involvedObject/name");
                let named = self.skipped.entry(&event.namespace).or_default();
                named.entry(name).or_default().push(event);
            }
        }
    }

    /// Reads from its Deployment whether it is there, and since when.
    fn learn(&mut self, sources: &Sources<'_>, deployment: &Object) {
        let value = &deployment.value;
        let wanted = int(value, "/spec/replicas").unwrap_or(1);
        let ready = int(value, "/status/readyReplicas").unwrap_or(0);
        let available = condition(value, "Available");
        let since = available.and_then(|c| time(c, "/lastTransitionTime"));
        self.made = time(value, "/metadata/creationTimestamp");
        self.is_down = wanted == 0 || ready == 0;
        if wanted == 0 {
            // A Deployment of no replicas counts as available; its events tell since when.
            self.down_since = scaled_to_zero(sources, deployment);
        } else if is_true(value, "Available") {
            self.up_since = since;
        } else {
            self.down_since = since;
        }
    }

    /// Whether nobody answered the webhook when a pod was made. `None` if nothing tells.
    pub(super) fn was_down_at(&self, created: Timestamp) -> Option<bool> {
        match (self.is_down, self.down_since) {
            (true, Some(since)) => Some(created >= since),
            // Who was injected at the same time tells that it was up then.
            (true, None) => Some(!self.injected_near(created)),
            (false, _) => Some(created < self.up_since? && !self.injected_near(created)),
        }
    }

    /// Whether it gave another pod a proxy within a minute of this time.
    fn injected_near(&self, created: Timestamp) -> bool {
        let near = SignedDuration::from_secs(60);
        let after = self.injected.partition_point(|t| *t < created);
        let neighbours = [after.checked_sub(1), Some(after)].into_iter().flatten();
        let mut times = neighbours.filter_map(|at| self.injected.get(at));
        times.any(|t| created.duration_since(*t).abs() <= near)
    }

    /// When the first pod of a namespace that has a proxy was made.
    pub(super) fn first_in(&self, namespace: &str) -> Option<Timestamp> {
        self.first_injected.get(namespace).copied()
    }

    /// Its events about what it passed over, for an object of this name.
    pub(super) fn skipped(&self, namespace: &str, name: &str) -> &[&'a Object] {
        let found = self
            .skipped
            .get(namespace)
            .and_then(|named| named.get(name));
        found.map(Vec::as_slice).unwrap_or_default()
    }
}

fn is_injector(object: &Object) -> bool {
    label(&object.value, COMPONENT) == "proxy-injector" || object.name == "linkerd-proxy-injector"
}

/// When a Deployment's last `ReplicaSet` went to zero, by its events.
fn scaled_to_zero(sources: &Sources<'_>, deployment: &Object) -> Option<Timestamp> {
    let events = sources.in_namespace("Event", &deployment.namespace).iter();
    let scaled = events.filter(|e| {
        deployment.name == text(&e.value, "/involvedObject/name")
            && text(&e.value, "/reason") == "ScalingReplicaSet"
            && text(&e.value, "/message").ends_with("to 0")
    });
    // Of an event that repeats, the last time counts: in between it was scaled up again.
    scaled
        .filter_map(|e| time(&e.value, "/lastTimestamp").or_else(|| time(&e.value, "/eventTime")))
        .max()
}

/// The namespaces that the injector's webhook is asked about.
fn namespace_selector(sources: &Sources<'_>) -> Json {
    let configurations = sources.kind("MutatingWebhookConfiguration").iter();
    let mut hooks = configurations.flat_map(|c| list(&c.value, "/webhooks"));
    let own = hooks.find(|h| text(h, "/name") == "linkerd-proxy-injector.linkerd.io");
    own.and_then(|h| h.get("namespaceSelector"))
        .cloned()
        .unwrap_or_default()
}
