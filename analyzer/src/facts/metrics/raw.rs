//! The table `metrics`: series that rules ask for by name.

use std::collections::BTreeMap;

use serde_json::json;

use super::common::{Scope, number};
use crate::facts::Fact;

pub(super) fn rows(scope: &Scope<'_>) -> Vec<Fact> {
    let wanted = &scope.sources.context.demand.metric_families;
    let set = scope.set;
    let asked_for = set.all().iter().filter(|s| wanted.contains(s.family));
    let facts = asked_for.map(|series| {
        let labels: BTreeMap<_, _> = series.labels.iter().collect();
        let row = scope
            .row()
            .set("source", set.origin.name())
            .set("container", set.container)
            .set("family", series.family)
            .set("labels", json!(labels))
            .opt("value", number(series.value))
            .opt("previous", series.previous.and_then(number))
            .opt("delta", series.delta().and_then(number))
            .opt("rate", set.rate(series.delta()).and_then(number));
        scope.fact(series, row)
    });
    facts.collect()
}
