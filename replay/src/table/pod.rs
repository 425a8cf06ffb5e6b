//! Rows of pods.

use serde_json::{Value, json};

use super::{Clock, Kind, int, list, name, or_none, text};

pub(super) fn pods() -> Kind {
    let columns = [
        "Name",
        "Ready",
        "Status",
        "Restarts",
        "Age",
        "IP*",
        "Node*",
        "Nominated Node*",
        "Readiness Gates*",
    ];
    Kind::new(&columns, cells)
}

fn cells(pod: &Value, clock: &Clock) -> Vec<Value> {
    let summary = Summary::of(pod);
    let restarts = match summary.last_restart {
        Some(time) if summary.restarts > 0 => {
            format!(
                "{} ({} ago)",
                summary.restarts,
                clock.since(time).as_str().unwrap_or_default()
            )
        }
        _ => summary.restarts.to_string(),
    };
    vec![
        name(pod),
        json!(format!("{}/{}", summary.ready, summary.total)),
        json!(summary.reason),
        json!(restarts),
        clock.age(pod),
        or_none(text(pod, "/status/podIP")),
        or_none(text(pod, "/spec/nodeName")),
        or_none(text(pod, "/status/nominatedNodeName")),
        readiness_gates(pod),
    ]
}

fn readiness_gates(pod: &Value) -> Value {
    let gates = list(pod, "/spec/readinessGates");
    if gates.is_empty() {
        return json!("<none>");
    }
    let conditions = list(pod, "/status/conditions");
    let met = gates.iter().filter(|gate| {
        conditions.iter().any(|c| {
            text(c, "/type") == text(gate, "/conditionType") && text(c, "/status") == "True"
        })
    });
    json!(format!("{}/{}", met.count(), gates.len()))
}

/// What the columns Ready, Status and Restarts say, worked out as the API server does.
struct Summary<'a> {
    ready: usize,
    total: usize,
    reason: String,
    restarts: i64,
    last_restart: Option<&'a str>,
}

impl<'a> Summary<'a> {
    fn of(pod: &'a Value) -> Self {
        let reason = match text(pod, "/status/reason") {
            "" => text(pod, "/status/phase"),
            reason => reason,
        };
        let mut summary = Self {
            ready: 0,
            total: list(pod, "/spec/containers").len(),
            reason: reason.to_owned(),
            restarts: 0,
            last_restart: None,
        };
        let gated = list(pod, "/status/conditions")
            .iter()
            .any(|c| text(c, "/type") == "PodScheduled" && text(c, "/reason") == "SchedulingGated");
        if gated {
            "SchedulingGated".clone_into(&mut summary.reason);
        }
        let is_initializing = summary.init_containers(pod);
        if !is_initializing || is_initialized(pod) {
            summary.containers(pod);
        }
        if pod.pointer("/metadata/deletionTimestamp").is_some() {
            summary.reason = match text(pod, "/status/reason") {
                "NodeLost" => "Unknown".to_owned(),
                _ if matches!(text(pod, "/status/phase"), "Failed" | "Succeeded") => summary.reason,
                _ => "Terminating".to_owned(),
            };
        }
        summary
    }

    /// Looks at init containers; true while they are not done.
    fn init_containers(&mut self, pod: &'a Value) -> bool {
        let specs = list(pod, "/spec/initContainers");
        let is_sidecar = |name: &str| {
            specs
                .iter()
                .any(|c| text(c, "/name") == name && text(c, "/restartPolicy") == "Always")
        };
        self.total += specs
            .iter()
            .filter(|c| text(c, "/restartPolicy") == "Always")
            .count();
        let (mut all, mut of_sidecars) = ((0, None), (0, None));
        let mut initializing = None;
        for (number, status) in list(pod, "/status/initContainerStatuses")
            .iter()
            .enumerate()
        {
            let (count, last) = restarts(status);
            all = (all.0 + count, later(all.1, last));
            let sidecar = is_sidecar(text(status, "/name"));
            if sidecar {
                of_sidecars = (of_sidecars.0 + count, later(of_sidecars.1, last));
            }
            let ended = status.pointer("/state/terminated");
            if ended.is_some_and(|t| int(t, "/exitCode") == 0) {
                continue;
            }
            let started = status.get("started").and_then(Value::as_bool) == Some(true);
            if sidecar && started {
                self.ready +=
                    usize::from(status.get("ready").and_then(Value::as_bool) == Some(true));
                continue;
            }
            if initializing.is_none() {
                initializing = Some(init_reason(status, number, specs.len()));
            }
        }
        if let Some(reason) = initializing {
            self.reason = reason;
            (self.restarts, self.last_restart) = all;
            true
        } else {
            (self.restarts, self.last_restart) = of_sidecars;
            false
        }
    }

    fn containers(&mut self, pod: &'a Value) {
        let (mut running, statuses) = (false, list(pod, "/status/containerStatuses"));
        let mut own = (0, None);
        for status in statuses.iter().rev() {
            let (count, last) = restarts(status);
            own = (own.0 + count, later(own.1, last));
            let waiting = text(status, "/state/waiting/reason");
            if !waiting.is_empty() {
                waiting.clone_into(&mut self.reason);
            } else if let Some(ended) = status.pointer("/state/terminated") {
                self.reason = ended_reason(ended);
            } else if status.get("ready").and_then(Value::as_bool) == Some(true)
                && status.pointer("/state/running").is_some()
            {
                running = true;
                self.ready += 1;
            }
        }
        self.restarts += own.0;
        self.last_restart = later(self.last_restart, own.1);
        if self.reason == "Completed" && running {
            let ready = list(pod, "/status/conditions")
                .iter()
                .any(|c| text(c, "/type") == "Ready" && text(c, "/status") == "True");
            (if ready { "Running" } else { "NotReady" }).clone_into(&mut self.reason);
        }
    }
}

fn is_initialized(pod: &Value) -> bool {
    list(pod, "/status/conditions")
        .iter()
        .any(|c| text(c, "/type") == "Initialized" && text(c, "/status") == "True")
}

fn restarts(status: &Value) -> (i64, Option<&str>) {
    let last = status
        .pointer("/lastState/terminated/finishedAt")
        .and_then(Value::as_str);
    (int(status, "/restartCount"), last)
}

fn later<'a>(a: Option<&'a str>, b: Option<&'a str>) -> Option<&'a str> {
    a.max(b)
}

fn ended_reason(ended: &Value) -> String {
    match (text(ended, "/reason"), int(ended, "/signal")) {
        ("", 0) => format!("ExitCode:{}", int(ended, "/exitCode")),
        ("", signal) => format!("Signal:{signal}"),
        (reason, _) => reason.to_owned(),
    }
}

fn init_reason(status: &Value, number: usize, total: usize) -> String {
    let waiting = text(status, "/state/waiting/reason");
    if let Some(ended) = status.pointer("/state/terminated") {
        return format!("Init:{}", ended_reason(ended));
    }
    if !waiting.is_empty() && waiting != "PodInitializing" {
        return format!("Init:{waiting}");
    }
    format!("Init:{number}/{total}")
}
