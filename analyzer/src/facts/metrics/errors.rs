//! The tables `tcp_errors` and `http_errors`: what proxies themselves could not do, by error.

use super::common::{Scope, port, split_address};
use super::series::Series;
use crate::facts::Fact;

/// Connections that ended in an error of the proxy.
pub(super) fn tcp(scope: &Scope<'_>) -> Vec<Fact> {
    rows(
        scope,
        &["inbound_tcp_errors_total", "outbound_tcp_errors_total"],
    )
}

/// Requests that the proxy answered with an error of its own.
pub(super) fn http(scope: &Scope<'_>) -> Vec<Fact> {
    rows(
        scope,
        &["inbound_http_errors_total", "outbound_http_errors_total"],
    )
}

fn rows(scope: &Scope<'_>, families: &[&str]) -> Vec<Fact> {
    let series = scope.set.families(families).filter(|s| s.value > 0.0);
    series.map(|s| row(scope, s)).collect()
}

fn row(scope: &Scope<'_>, series: &Series<'_>) -> Fact {
    let target = series.label("target_addr");
    let (ip, number) = split_address(target);
    let (namespace, service) = scope.service_of(ip).unwrap_or_default();
    let is_inbound = series.is_inbound();
    let row = scope
        .row()
        .set("direction", if is_inbound { "inbound" } else { "outbound" })
        .text("error", series.label("error"))
        .text("target", target)
        .text("target_ip", ip)
        .opt("port", port(number))
        // A connection that never came through the redirection still has the proxy's port.
        .set("is_proxy_port", is_inbound && number == "4143")
        .text("dst_namespace", namespace)
        .text("dst_service", service)
        .text("server", series.label("srv_name"))
        .set("total", series.value)
        .opt("delta", series.delta())
        .opt("per_s", scope.set.rate(series.delta()))
        .opt("uptime_s", scope.uptime());
    scope.fact(series, row)
}
