//! The table `control_clients`: whether a proxy reaches each component of the control plane.

use std::collections::BTreeMap;

use super::common::{Scope, Tally, sum, tally};
use super::series::Series;
use crate::facts::{Fact, Table};

const COMPONENTS: [&str; 3] = ["destination", "policy", "identity"];

pub(super) fn rows(scope: &Scope<'_>) -> Vec<Fact> {
    COMPONENTS
        .iter()
        .filter_map(|component| row(scope, component))
        .collect()
}

/// The component that an address of the control plane is of.
fn component_of(address: &str) -> &'static str {
    let name = address.split('.').next().unwrap_or_default();
    let known = [
        ("-dst", "destination"),
        ("-destination", "destination"),
        ("-policy", "policy"),
        ("-identity", "identity"),
    ];
    let found = known.iter().find(|(part, _)| name.contains(part));
    found.map_or("", |(_, component)| component)
}

/// What the balancer of one component's client says.
struct Balancer {
    ready: f64,
    pending: f64,
    is_shut: bool,
    shut_at: Option<f64>,
}

impl Balancer {
    fn of(scope: &Scope<'_>, component: &str) -> Option<Self> {
        let family = |suffix: &str| {
            let name = format!("control_{component}_balancer_{suffix}");
            scope.set.family(&name)
        };
        let endpoints = family("endpoints");
        endpoints.first()?;
        let of = |state: &str| {
            let of_state = endpoints
                .iter()
                .filter(|s| s.label("endpoint_state") == state);
            of_state.map(|s| s.value).sum::<f64>()
        };
        let time = |suffix| family(suffix).iter().map(|s| s.value).fold(0.0, f64::max);
        let shut_at = time("queue_gate_shut_time_seconds");
        let is_shut = shut_at > 0.0 && time("queue_gate_open_time_seconds") == 0.0;
        Some(Self {
            ready: of("ready"),
            pending: of("pending"),
            is_shut,
            shut_at: is_shut.then_some(shut_at),
        })
    }
}

/// Responses of a component: all, and those that failed.
fn responses(scope: &Scope<'_>, component: &str) -> (Tally, Tally) {
    let all = || scope.set.family("control_response_total").iter();
    let is_of = |s: &Series<'_>| component_of(s.label("addr")) == component;
    let failed = sum(all(), |s| {
        is_of(s) && s.label("classification") == "failure"
    });
    (sum(all(), is_of), failed)
}

fn row(scope: &Scope<'_>, component: &'static str) -> Option<Fact> {
    let endpoints = format!("control_{component}_balancer_endpoints");
    let mut places = scope.set.family(&endpoints).iter().chain(
        scope
            .set
            .family("control_response_total")
            .iter()
            .filter(|s| component_of(s.label("addr")) == component),
    );
    let place = places.next()?;
    let balancer = Balancer::of(scope, component);
    let (all, failed) = responses(scope, component);
    let dns = |result: &str| {
        sum(
            scope.set.family("control_dns_resolutions_total").iter(),
            |s| s.label("client") == component && s.label("result") == result,
        )
    };
    let has_two = scope.set.has_two;
    let row = scope
        .row()
        .set("component", component)
        .text("address", place.label("addr"))
        .set("ready", balancer.as_ref().map_or(0.0, |b| b.ready))
        .set("pending", balancer.as_ref().map_or(0.0, |b| b.pending))
        .set("endpoints_known", balancer.is_some())
        .set("in_failfast", balancer.as_ref().is_some_and(|b| b.is_shut))
        .opt(
            "failfast_for_s",
            balancer
                .as_ref()
                .and_then(|b| b.shut_at)
                .map(|t| scope.now() - t),
        )
        .set(
            "reachable",
            is_reachable(component, balancer.as_ref(), all, failed),
        );
    let row = tally(row, "responses", all, has_two);
    let row = tally(row, "failures", failed, has_two);
    let row = tally(row, "dns_found", dns("ok"), has_two);
    let row =
        tally(row, "dns_not_found", dns("not_found"), has_two).opt("uptime_s", scope.uptime());
    let (ready, pending) = balancer.map_or((0.0, 0.0), |b| (b.ready, b.pending));
    let excerpt = format!(
        "{component} at {}: {ready} endpoints ready, {pending} pending, {} responses, {} failures (+{})",
        place.label("addr"),
        all.total,
        failed.total,
        failed.delta
    );
    Some(scope.told(place.line, &excerpt, row))
}

/// Whether the component answers now. The client of identity is idle between renewals and then
/// has no endpoints at all, which says nothing. Lifetime failures say nothing either: proxies
/// that start before the control plane collect them.
fn is_reachable(component: &str, balancer: Option<&Balancer>, all: Tally, failed: Tally) -> bool {
    let only_fails = failed.delta > 0.0 && failed.delta >= all.delta;
    let Some(balancer) = balancer else {
        return !only_fails;
    };
    if component == "identity" {
        let is_trying = balancer.pending > 0.0 && balancer.ready == 0.0;
        return !is_trying && !balancer.is_shut && !only_fails;
    }
    balancer.ready > 0.0 && !balancer.is_shut
}

/// The table's name.
pub(super) const TABLE: &str = "control_clients";

/// How many proxies have a client of each component, and how many of them do not reach it.
#[derive(Debug, Default)]
pub(super) struct Totals(BTreeMap<String, (u64, u64)>);

impl Totals {
    /// Counts rows, and drops those that say that all is well: there are tens of thousands.
    pub(super) fn count(&mut self, rows: &mut Vec<Fact>) {
        for fact in rows.iter() {
            let (all, cut_off) = self.0.entry(component(fact).to_owned()).or_default();
            *all += 1;
            *cut_off += u64::from(fact.fields.get("reachable") == Some(&false.into()));
        }
        rows.retain(is_worth_a_row);
    }

    pub(super) fn add(&mut self, other: Self) {
        for (component, (all, cut_off)) in other.0 {
            let known = self.0.entry(component).or_default();
            *known = (known.0 + all, known.1 + cut_off);
        }
    }

    /// Adds the totals to each row, so that rules can tell one sick proxy from a component that is
    /// down.
    pub(super) fn tell(&self, tables: &mut [Table]) {
        let rows = tables.iter_mut().filter(|(name, _)| *name == TABLE);
        for fact in rows.flat_map(|(_, rows)| rows) {
            let (all, cut_off) = self.0.get(component(fact)).copied().unwrap_or_default();
            if let Some(fields) = fact.fields.as_object_mut() {
                fields.insert("proxies".to_owned(), all.into());
                fields.insert("proxies_cut_off".to_owned(), cut_off.into());
            }
        }
    }
}

fn component(fact: &Fact) -> &str {
    let component = fact.fields.get("component").and_then(|c| c.as_str());
    component.unwrap_or_default()
}

fn is_worth_a_row(fact: &Fact) -> bool {
    let number = |name: &str| fact.fields.get(name).and_then(serde_json::Value::as_f64);
    // Failures of long ago are in the rows of proxies of which there is only one scrape.
    let counter = |name: &str| number(&format!("{name}_delta")).or_else(|| number(name));
    let counts = [
        number("pending"),
        counter("failures"),
        counter("dns_not_found"),
    ];
    fact.fields.get("reachable") == Some(&false.into())
        || counts.iter().any(|n| n.is_some_and(|n| n > 0.0))
}

/// Requests to identity that failed.
pub(super) fn identity_failures(scope: &Scope<'_>) -> Tally {
    responses(scope, "identity").1
}
