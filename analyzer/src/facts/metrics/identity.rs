//! The table `proxy_identity`: each proxy's certificate as its metrics tell of it.

use super::clients::identity_failures;
use super::common::{Scope, sum};
use crate::facts::Fact;

/// Names of the same thing, newest first: 2.16, 2.15, up to 2.14.
const EXPIRATION: [&str; 2] = [
    "control_identity_cert_expiration_timestamp_seconds",
    "identity_cert_expiration_timestamp_seconds",
];
const REFRESHED: [&str; 2] = [
    "control_identity_cert_refresh_timestamp_seconds",
    "identity_cert_refresh_timestamp_seconds",
];
const REFRESHES: [&str; 3] = [
    "control_identity_cert_refreshes_total",
    "identity_cert_refreshes_total",
    "identity_cert_refresh_count",
];

/// A proxy renews when this share of what remains has passed.
const RENEW_AT: f64 = 0.7;
/// But never later than this after the last renewal.
const RENEW_MAX_S: f64 = 86_400.0;
/// What is allowed beyond the time at which a proxy should have renewed.
const GRACE_S: f64 = 300.0;

/// Seconds since 1970 at which the proxy's certificate ends; zero if it never got one.
pub(super) fn expiration(scope: &Scope<'_>) -> Option<f64> {
    scope.set.first_value(&EXPIRATION).filter(|t| t.is_finite())
}

pub(super) fn rows(scope: &Scope<'_>) -> Vec<Fact> {
    row(scope).into_iter().collect()
}

fn row(scope: &Scope<'_>) -> Option<Fact> {
    let ends = expiration(scope)?;
    let line = EXPIRATION
        .iter()
        .find_map(|f| scope.set.family(f).first())
        .map(|s| s.line)?;
    let now = scope.now();
    let certified = ends > 0.0;
    let refreshed = scope.set.first_value(&REFRESHED).filter(|t| *t > 0.0);
    let remaining = certified.then_some(ends - now);
    let lifetime = refreshed.filter(|_| certified).map(|t| ends - t);
    let due = refreshed
        .zip(lifetime)
        .map(|(t, life)| t + (RENEW_AT * life).min(RENEW_MAX_S));
    let of = |result: &'static str| {
        sum(scope.set.families(&REFRESHES), |s| {
            let told = s.label("result");
            // Up to 2.14 only successes were counted, without a label.
            told == result || (told.is_empty() && result == "ok")
        })
    };
    let failures = identity_failures(scope);
    let has_two = scope.set.has_two;
    let row = scope
        .row()
        .set("certified", certified)
        .opt("remaining_s", remaining)
        .set("expired", certified && ends <= now)
        .opt("lifetime_s", lifetime)
        .opt("refreshed_before_s", refreshed.map(|t| now - t))
        .opt("renewal_due_in_s", due.map(|t| t - now))
        .set("overdue", due.is_some_and(|t| now > t + GRACE_S))
        .opt("ends_at_s", certified.then_some(ends))
        .set("refreshes", of("ok").total)
        .set("refresh_errors", of("error").total)
        .set("request_failures", failures.total)
        .opt("request_failures_delta", has_two.then_some(failures.delta))
        .opt("uptime_s", scope.uptime());
    let excerpt = match remaining {
        Some(left) if left > 0.0 => {
            format!("the proxy's certificate ends {left:.0} s after the capture")
        }
        Some(left) => format!(
            "the proxy's certificate ended {:.0} s before the capture",
            -left
        ),
        None => "the proxy never got a certificate".to_owned(),
    };
    Some(scope.told(line, &excerpt, row))
}
