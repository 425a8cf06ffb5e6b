//! The table `denials`: who was refused by a proxy's inbound policy. The table
//! `policy_counters`: what else the policy did.

use super::common::{Scope, account, port, split_address};
use super::series::Series;
use crate::facts::Fact;
use crate::facts::policy::verdict;
use crate::facts::row::Row;

/// Requests and connections that were refused.
pub(super) fn denied(scope: &Scope<'_>) -> Vec<Fact> {
    let families = [
        "inbound_http_authz_deny_total",
        "inbound_tcp_authz_deny_total",
    ];
    let series = scope.set.families(&families).filter(|s| s.value > 0.0);
    series.map(|s| scope.fact(s, row(scope, s))).collect()
}

/// Connections that a changed policy cut, requests that only audit mode let in, that no route
/// matched, or that a rate limit refused.
pub(super) fn others(scope: &Scope<'_>) -> Vec<Fact> {
    let kinds = [
        ("terminated", "inbound_tcp_authz_terminate_total"),
        ("audited", "inbound_http_authz_allow_total"),
        ("route-not-found", "inbound_http_route_not_found_total"),
        ("rate-limited", "inbound_http_local_ratelimit_total"),
    ];
    let facts = kinds.iter().flat_map(|(what, family)| {
        let series = scope.set.family(family).iter().filter(|s| s.value > 0.0);
        series.map(|s| scope.fact(s, row(scope, s).set("what", *what)))
    });
    facts.collect()
}

/// Who the client is as far as TLS tells.
fn client_kind(series: &Series<'_>) -> &'static str {
    match (series.label("tls"), series.label("no_tls_reason")) {
        ("true", _) if series.label("client_id").is_empty() => "no-client-certificate",
        ("true", _) => "meshed",
        ("opaque", _) => "foreign-tls",
        (_, "no_tls_from_remote") => "unmeshed",
        (_, "port_skipped") => "not-detected",
        (_, "loopback") => "loopback",
        ("disabled", _) => "tls-disabled",
        _ => "unknown",
    }
}

fn row(scope: &Scope<'_>, series: &Series<'_>) -> Row {
    let target = series.label("target_addr");
    let (_, of_target) = split_address(target);
    let number = match series.label("srv_port") {
        "" => of_target,
        told => told,
    };
    let client = series.label("client_id");
    let is_meshed = series.label("tls") == "true";
    let said = port(number).and_then(|port| scope.verdicts.port(&scope.owner, port));
    // Linkerd 2.11 names the authorization, not the route.
    let authorization = match series.label("authz_name") {
        "" => series.label("saz_name"),
        name => name,
    };
    let protocol = if series.family.contains("_http_") {
        "http"
    } else {
        "tcp"
    };
    scope
        .row()
        .set("protocol", protocol)
        .text("server", series.label("srv_name"))
        .text("server_kind", series.label("srv_kind"))
        .text("target", target)
        .opt("port", port(number))
        .set("is_admin_port", matches!(number, "4191" | "4190"))
        .text("route", series.label("route_name"))
        .text("route_kind", series.label("route_kind"))
        .text("authorization", authorization)
        .text("client_identity", client)
        .text("client_account", account(client))
        .set("client_kind", client_kind(series))
        .set("client_meshed", is_meshed)
        .opt(
            "allowed",
            said.and_then(|port| port.get("allowed")).cloned(),
        )
        .opt(
            "verdict",
            said.and_then(|port| verdict(port, client, is_meshed)),
        )
        .text("no_tls_reason", series.label("no_tls_reason"))
        .text("skipped_by", &scope.index.skipping_pods(number))
        .text(
            "unmeshed_pods",
            &scope.index.unmeshed_pods(scope.set.namespace),
        )
        .set("total", series.value)
        .opt("delta", series.delta())
        .opt("per_s", scope.set.rate(series.delta()))
}
