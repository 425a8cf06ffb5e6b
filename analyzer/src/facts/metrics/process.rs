//! The table `processes`: resources of each scraped process.

use serde_json::Value;

use super::common::Scope;
use super::identity;
use super::series::Series;
use crate::evidence::Evidence;
use crate::facts::Fact;
use crate::facts::kube::spec_containers;
use crate::facts::quantity::resources;
use crate::facts::row::{Row, text};

pub(super) fn row(scope: &Scope<'_>) -> Fact {
    let set = scope.set;
    let expires_in = identity::expiration(scope)
        .filter(|t| *t > 0.0)
        .map(|t| t - scope.now());
    let build = set.family("proxy_build_info").first();
    let row = scope
        .row()
        .set("source", set.origin.name())
        .set("container", set.container)
        .set("restarted", set.restarted)
        .opt("interval_s", set.interval_s)
        .text("version", build.map_or("", |s| s.label("version")))
        .text("vendor", build.map_or("", |s| s.label("vendor")))
        .opt("uptime_s", scope.uptime())
        .opt("cert_expires_in_s", expires_in)
        .opt("issuer_ttl_s", set.value("issuer_cert_ttl_seconds"))
        .opt("goroutines", set.value("go_goroutines"))
        .opt("threads", set.value("process_threads"))
        .opt("clock_difference_s", clock_difference(scope));
    let row = memory_and_files(scope, cpu(scope, row));
    let fds = set.value("process_open_fds").unwrap_or(0.0);
    let excerpt = format!(
        "{}: {fds} open file descriptors, {} bytes resident, up for {:.0} s",
        set.container,
        set.value("process_resident_memory_bytes").unwrap_or(0.0),
        scope.uptime().unwrap_or(0.0),
    );
    let line = set.family("process_open_fds").first().map(|s| s.line);
    Fact {
        subjects: vec![set.subject()],
        evidence: vec![Evidence {
            line,
            ..Evidence::of_entry(set.entry, excerpt)
        }],
        fields: row.build(),
        kept: None,
    }
}

fn delta(scope: &Scope<'_>, family: &str) -> Option<f64> {
    scope.set.family(family).first().and_then(Series::delta)
}

/// CPU, and how busy the runtime was for it. A runtime that is kept from running is busy for
/// much longer than the CPU time it gets: the ratio is 0.5 to 1.5 otherwise.
fn cpu(scope: &Scope<'_>, row: Row) -> Row {
    let set = scope.set;
    let used = delta(scope, "process_cpu_seconds_total");
    let busy = delta(scope, "tokio_rt_busy_seconds_total");
    let ratio = |busy: Option<f64>, cpu: Option<f64>| {
        let (busy, cpu) = busy.zip(cpu)?;
        (cpu > 0.0).then(|| busy / cpu)
    };
    let workers = set.value("tokio_rt_workers");
    let lifetime = ratio(
        set.value("tokio_rt_busy_seconds_total"),
        set.value("process_cpu_seconds_total"),
    );
    let limit = limit(scope, "cpu_limit_m");
    let per_s = set.rate(used);
    row.opt("cpu_s", set.value("process_cpu_seconds_total"))
        .opt("cpu_per_s", per_s)
        .opt("busy_per_s", set.rate(busy))
        .opt("workers", workers)
        .opt("busy_per_cpu", ratio(busy, used))
        .opt("busy_per_cpu_total", lifetime)
        .opt("cpu_limit_m", limit)
        .opt(
            "cpu_limit_ratio",
            per_s
                .zip(limit.filter(|l| *l > 0.0))
                .map(|(p, l)| p * 1000.0 / l),
        )
}

fn memory_and_files(scope: &Scope<'_>, row: Row) -> Row {
    let set = scope.set;
    let memory = set.value("process_resident_memory_bytes");
    let limit = limit(scope, "memory_limit_bytes").filter(|l| *l > 0.0);
    let open = set.value("process_open_fds");
    let max = set.value("process_max_fds").filter(|m| *m > 0.0);
    row.opt("memory_bytes", memory)
        .opt("memory_limit_bytes", limit)
        .opt("memory_limit_ratio", memory.zip(limit).map(|(m, l)| m / l))
        .opt("open_fds", open)
        .opt("open_fds_delta", open_fds_growth(scope))
        .opt("max_fds", max)
        .opt("fds_ratio", open.zip(max).map(|(o, m)| o / m))
}

fn open_fds_growth(scope: &Scope<'_>) -> Option<f64> {
    let series = scope.set.family("process_open_fds").first()?;
    Some(series.value - series.previous?)
}

/// A limit of the container, by the pod's spec.
fn limit(scope: &Scope<'_>, name: &str) -> Option<f64> {
    let set = scope.set;
    let pod = scope.sources.object("Pod", set.namespace, set.pod)?;
    let spec = spec_containers(&pod.value).find(|c| text(c, "/name") == set.container)?;
    resources(spec).get(name).and_then(Value::as_f64)
}

/// The process' clock minus the collector's when it asked. The process tells whole seconds and
/// answers a little later, so a second or two mean nothing.
fn clock_difference(scope: &Scope<'_>) -> Option<f64> {
    let told = scope.set.value("process_clock_time_seconds")?;
    let asked = scope.index.asked_at(scope.set.entry)?;
    Some(told - asked.as_duration().as_secs_f64())
}
