//! The table `workloads`: Deployments, `StatefulSets`, `DaemonSets`, Jobs, `CronJobs`, and
//! `ReplicaSets` that belong to nothing else.

use std::collections::BTreeMap;

use super::json::{Json, NULL};
use super::kube::{
    COMPONENT, EXTENSION, annotation, condition, conditions, config, is_meshed, label,
};
use super::row::{Row, flag, int, list, seconds_between, text, time};
use super::{Fact, Object, Sources, containers, jobs};
use crate::facts::owner::Owner;

const KINDS: [&str; 7] = [
    "Deployment",
    "StatefulSet",
    "DaemonSet",
    "Job",
    "CronJob",
    "ReplicaSet",
    "ReplicationController",
];

/// Derives the table.
pub(super) fn derive(sources: &Sources<'_>) -> Vec<Fact> {
    let failures = create_failures(sources);
    let is_own = |o: &Object| {
        o.kind != "ReplicaSet" || list(&o.value, "/metadata/ownerReferences").is_empty()
    };
    let of_kind = |kind: &&str| {
        sources.rows("workloads", sources.kind(kind), |object| {
            is_own(object).then(|| fact(sources, object, &failures))
        })
    };
    KINDS.iter().flat_map(of_kind).collect()
}

/// The last event about a workload for which no pod could be made.
fn create_failures<'a>(sources: &'a Sources<'_>) -> BTreeMap<Owner, &'a Object> {
    let mut failures = BTreeMap::new();
    let events = sources.kind("Event").iter();
    let mut failed: Vec<&Object> = events
        .filter(|e| text(&e.value, "/reason") == "FailedCreate")
        .collect();
    failed.sort_by_key(|e| time(&e.value, "/lastTimestamp"));
    for event in failed {
        let object = event.value.get("involvedObject").unwrap_or(&NULL);
        let (kind, name) = (text(object, "/kind"), text(object, "/name"));
        failures.insert(sources.owner_of(kind, &event.namespace, name), event);
    }
    failures
}

fn fact(sources: &Sources<'_>, object: &Object, failures: &BTreeMap<Owner, &Object>) -> Fact {
    let replicas = Replicas::of(object);
    let owner = Owner::of(object);
    let pods: Vec<&Object> = sources.pods_of(&owner).collect();
    let failure = Some(said(&object.value, "ReplicaFailure", "/message"));
    let failed = failures.get(&owner);
    let failure = failure.filter(|f| !f.is_empty());
    let failure = failure.or_else(|| failed.map(|e| text(&e.value, "/message")));
    let row = replicas.fields(common(sources, object, &pods), object);
    let row = row.text("create_failure", failure.unwrap_or_default());
    let row = match object.kind.as_str() {
        "Job" => jobs::fields(row, object, &pods),
        _ => row,
    };
    let mut excerpt = format!(
        "{} {}: {}",
        object.kind,
        object.place(),
        replicas.words(object)
    );
    if let Some(failure) = failure {
        excerpt = format!("{excerpt}; {failure}");
    }
    let mut subjects = vec![object.subject()];
    if object.kind == "Job" {
        subjects.extend(pods.iter().map(|p| p.subject()));
    }
    let mut evidence = vec![object.evidence(&excerpt)];
    evidence.extend(
        failed.map(|e| e.evidence(&format!("FailedCreate: {}", text(&e.value, "/message")))),
    );
    Fact {
        subjects,
        evidence,
        fields: row.build(),
        kept: None,
    }
}

/// What every kind of workload has.
fn common(sources: &Sources<'_>, object: &Object, pods: &[&Object]) -> Row {
    let value = &object.value;
    let template = template(object);
    let meshed = pods.iter().filter(|p| is_meshed(&p.value)).count();
    let created = time(value, "/metadata/creationTimestamp");
    let restarted = annotation(template, "kubectl.kubernetes.io/restartedAt");
    let revision = annotation(value, "deployment.kubernetes.io/revision");
    let anti_affinity = template.pointer("/spec/affinity/podAntiAffinity").is_some();
    Row::new()
        .set("kind", object.kind.as_str())
        .set("namespace", object.namespace.as_str())
        .set("name", object.name.as_str())
        .text("component", label(value, COMPONENT))
        .text("extension", label(value, EXTENSION))
        .time("created", created)
        .opt("age_s", created.map(|t| seconds_between(t, sources.at())))
        .set("pods", pods.len())
        .set("meshed_pods", meshed)
        .text(
            "inject_annotation",
            annotation(template, "linkerd.io/inject"),
        )
        .set("config", config(template))
        .set("host_network", flag(template, "/spec/hostNetwork"))
        .text(
            "service_account",
            text(template, "/spec/serviceAccountName"),
        )
        .set("images", containers::images(template))
        .set("anti_affinity", anti_affinity)
        .text("restarted_at", restarted)
        .text("revision", revision)
        .text("progressing", said(value, "Progressing", "/status"))
        .text("progressing_reason", said(value, "Progressing", "/reason"))
        .set("conditions", conditions(value))
}

fn said<'a>(value: &'a Json, kind: &str, pointer: &str) -> &'a str {
    condition(value, kind)
        .map(|c| text(c, pointer))
        .unwrap_or_default()
}

fn template(object: &Object) -> &Json {
    let pointer = if object.kind == "CronJob" {
        "/spec/jobTemplate/spec/template"
    } else {
        "/spec/template"
    };
    object.value.pointer(pointer).unwrap_or(&NULL)
}

/// How many pods there should be and how many there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Replicas {
    pub(super) desired: i64,
    pub(super) ready: i64,
    pub(super) available: i64,
}

impl Replicas {
    pub(super) fn of(object: &Object) -> Self {
        let status = |field: &str| int(&object.value, &format!("/status/{field}")).unwrap_or(0);
        let (desired, ready, available) = match object.kind.as_str() {
            "DaemonSet" => (
                status("desiredNumberScheduled"),
                status("numberReady"),
                status("numberAvailable"),
            ),
            "Job" => {
                let wanted = int(&object.value, "/spec/completions").unwrap_or(1);
                (wanted, status("ready"), status("succeeded"))
            }
            "CronJob" => (0, 0, 0),
            _ => {
                let wanted = int(&object.value, "/spec/replicas").unwrap_or(1);
                (wanted, status("readyReplicas"), status("availableReplicas"))
            }
        };
        Self {
            desired,
            ready,
            available,
        }
    }

    /// Whether somebody, or an autoscaler, wants no pods of it.
    pub(super) fn is_scaled_to_zero(self, object: &Object) -> bool {
        self.desired == 0 && !matches!(object.kind.as_str(), "Job" | "CronJob" | "DaemonSet")
    }

    fn fields(self, row: Row, object: &Object) -> Row {
        let value = &object.value;
        let suspended = value.pointer("/spec/suspend").and_then(Json::as_bool);
        if object.kind == "CronJob" {
            let active = list(value, "/status/active").len();
            return row
                .set("desired", 0)
                .set("ready", 0)
                .set("scaled_to_zero", false)
                .set("active", active)
                .opt("suspended", suspended)
                .time("last_scheduled", time(value, "/status/lastScheduleTime"))
                .time("last_successful", time(value, "/status/lastSuccessfulTime"));
        }
        let updated = int(value, "/status/updatedReplicas")
            .or_else(|| int(value, "/status/updatedNumberScheduled"));
        let row = row.set("desired", self.desired).set("ready", self.ready);
        if object.kind == "Job" {
            return row.set("scaled_to_zero", false).opt("suspended", suspended);
        }
        row.set("available", self.available)
            .opt("updated", updated)
            .set("paused", flag(value, "/spec/paused"))
            .set("scaled_to_zero", self.is_scaled_to_zero(object))
    }

    pub(super) fn words(self, object: &Object) -> String {
        match object.kind.as_str() {
            "Job" => format!(
                "{} of {} completions, {} pods ready",
                self.available, self.desired, self.ready
            ),
            "CronJob" => format!("schedule {}", text(&object.value, "/spec/schedule")),
            _ if self.is_scaled_to_zero(object) => "scaled to 0".to_owned(),
            _ => format!("{} of {} ready", self.ready, self.desired),
        }
    }
}
