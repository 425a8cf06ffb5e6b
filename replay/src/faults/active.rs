//! Faults at work on a store: which nodes and pods they have drawn, and how often they struck.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::store::Store;

use super::asked::Asked;
use super::effect::Effect;
use super::file::{Fault, Faults};
use super::select::{Choice, Chosen, Members};

/// Paths that are counted one by one; beyond, all others share one count.
const MAX_PATHS: usize = 1 << 20;
/// What a share of all is, in millionths.
const ALL: u64 = 1_000_000;

/// The faults of a replay.
#[derive(Debug, Default)]
pub(crate) struct Active {
    faults: Vec<Armed>,
}

/// What happens to a request.
#[derive(Debug, Default)]
pub(crate) struct Decision<'a> {
    /// Waited first.
    pub(crate) delay: Duration,
    pub(crate) effect: Option<&'a Effect>,
    /// What random bytes are made from.
    pub(crate) draw: u64,
}

#[derive(Debug)]
struct Armed {
    fault: Fault,
    draws: Draws,
    members: Members,
    matched: AtomicU64,
    /// How often each path was asked, by its draw.
    paths: Mutex<BTreeMap<u64, u64>>,
    summary: String,
}

/// Where the chances of a fault come from: the same for the same seed and name.
#[derive(Debug, Clone)]
struct Draws(String);

impl Draws {
    fn draw(&self, item: &str) -> u64 {
        let digest = bundle::sha256_hex(format!("{}\0{item}", self.0).as_bytes());
        let digits = digest.get(..16).unwrap_or_default();
        u64::from_str_radix(digits, 16).unwrap_or_default()
    }
}

impl Active {
    /// Settles the shares of nodes and pods of a store.
    pub(crate) fn of(faults: &Faults, store: &Store) -> Self {
        let list = faults.list.iter().enumerate();
        let armed = list.map(|(number, fault)| {
            let own = fault
                .name
                .clone()
                .unwrap_or_else(|| format!("#{}", number + 1));
            let draws = Draws(format!("{}\0{own}", faults.seed));
            Armed::of(fault.clone(), &own, draws, store)
        });
        Self {
            faults: armed.collect(),
        }
    }

    /// Whether there are no faults.
    pub(crate) fn is_idle(&self) -> bool {
        self.faults.is_empty()
    }

    /// What each fault has chosen, in words.
    pub(crate) fn summaries(&self) -> impl Iterator<Item = &str> {
        let all = self.faults.iter().map(|f| f.summary.as_str());
        all.filter(|s| !s.is_empty())
    }

    /// What happens to a request; counts it.
    pub(crate) fn decide(&self, asked: &Asked) -> Decision<'_> {
        let mut decision = Decision::default();
        for armed in &self.faults {
            if !armed.matches(asked) || !armed.is_due(asked) {
                continue;
            }
            match &armed.fault.effect {
                Effect::Delay(time) => decision.delay = decision.delay.saturating_add(*time),
                effect => {
                    decision.effect = Some(effect);
                    decision.draw = armed.draws.draw(&asked.path);
                    break;
                }
            }
        }
        decision
    }
}

impl Armed {
    fn of(fault: Fault, own: &str, draws: Draws, store: &Store) -> Self {
        let mut members = Members {
            nodes: Chosen::All,
            pods: Chosen::All,
        };
        let mut counts = Vec::new();
        if let Some(choice) = &fault.nodes {
            let (nodes, count) = settle(
                choice,
                store
                    .nodes()
                    .map(|node| (String::new(), node.name().into_owned())),
                &draws,
            );
            members.nodes = nodes;
            counts.push(format!("{count} of the nodes"));
        }
        if let Some(choice) = &fault.pods {
            let pods = store.pods().filter(|pod| {
                let node = pod.text("/spec/nodeName");
                fault.pattern.has_namespace(Some(&pod.namespace()))
                    && members.have_node(node.as_deref(), |n| draws.draw(n))
            });
            let pods = pods.map(|pod| (pod.namespace().into_owned(), pod.name().into_owned()));
            let (pods, count) = settle(choice, pods, &draws);
            members.pods = pods;
            counts.push(format!("{count} of the pods"));
        }
        let summary = match counts.as_slice() {
            [] => String::new(),
            counts => format!("fault `{own}`: {}", counts.join(", ")),
        };
        Self {
            fault,
            draws,
            members,
            matched: AtomicU64::new(0),
            paths: Mutex::default(),
            summary,
        }
    }

    fn matches(&self, asked: &Asked) -> bool {
        let can_be = match self.fault.effect {
            Effect::Vanish => asked.name.is_some(),
            Effect::UnretrievableLog => asked.resource == "pods" && asked.subresource == "log",
            _ => true,
        };
        can_be
            && self.fault.pattern.matches(asked)
            && self.members.have(asked, |item| self.draws.draw(item))
    }

    /// Whether it is this request's turn.
    fn is_due(&self, asked: &Asked) -> bool {
        let fault = &self.fault;
        let needs_path = fault.is_each_path || fault.requests.is_some();
        let nth = if needs_path { self.nth(&asked.path) } else { 0 };
        if let Some(share) = fault.requests {
            let draw = self.draws.draw(&format!("{}\0{nth}", asked.path));
            if draw % ALL >= u64::from(share) {
                return false;
            }
        }
        let before = if fault.is_each_path {
            nth
        } else {
            self.matched.fetch_add(1, Ordering::Relaxed)
        };
        let end = fault.times.map(|times| fault.after.saturating_add(times));
        before >= fault.after && end.is_none_or(|end| before < end)
    }

    /// How often a path was asked before.
    fn nth(&self, path: &str) -> u64 {
        let mut paths = self.paths.lock().unwrap_or_else(PoisonError::into_inner);
        let mut key = self.draws.draw(path);
        if paths.len() >= MAX_PATHS && !paths.contains_key(&key) {
            key = 0;
        }
        let count = paths.entry(key).or_default();
        let before = *count;
        *count += 1;
        before
    }
}

/// Settles who belongs to a choice, and how many that are.
fn settle(
    choice: &Choice,
    all: impl Iterator<Item = (String, String)>,
    draws: &Draws,
) -> (Chosen, usize) {
    match choice {
        Choice::Named(globs) => {
            let named = Chosen::Named(globs.clone());
            let count = all.filter(|(_, name)| named.has(name, || 0)).count();
            (named, count)
        }
        Choice::Share(share) => {
            let items = all.map(|(namespace, name)| match namespace.as_str() {
                "" => draws.draw(&name),
                _ => draws.draw(&format!("{namespace}/{name}")),
            });
            let mut drawn: Vec<u64> = items.collect();
            drawn.sort_unstable();
            let count = portion(drawn.len(), *share);
            let highest = count.checked_sub(1).and_then(|last| drawn.get(last));
            (Chosen::Drawn(highest.copied()), count)
        }
    }
}

/// A share of a number, in millionths: rounded, but at least one of any.
fn portion(of: usize, share: u32) -> usize {
    let exact = u64::try_from(of)
        .unwrap_or(u64::MAX)
        .saturating_mul(u64::from(share));
    let rounded = (exact + ALL / 2) / ALL;
    usize::try_from(rounded).unwrap_or(of).clamp(of.min(1), of)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_add_up_until_another_fault_strikes() {
        let recording = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../testdata/recordings/healthy.tar.gz"
        );
        let store = Store::open(std::path::Path::new(recording)).unwrap();
        let faults = "faults: [{effect: {delay: 1s}}, {match: {path: /version}, effect: hang}, \
            {effect: {delay: 500ms}}, {effect: {status: 503}}]";
        let active = Active::of(&Faults::parse(faults).unwrap(), &store);
        let decided = |path: &str| {
            let request = axum::extract::Request::get(path);
            let asked = Asked::of(&store, &request.body(axum::body::Body::empty()).unwrap());
            let decision = active.decide(&asked);
            (
                decision.delay.as_millis(),
                decision.effect == Some(&Effect::Hang),
            )
        };
        assert_eq!(decided("/version"), (1000, true));
        assert_eq!(decided("/api"), (1500, false));
    }

    fn draws(seed: u64) -> Draws {
        Draws(format!("{seed}\0dead"))
    }

    fn drawn(seed: u64, count: usize) -> Vec<String> {
        let names = (0..count).map(|n| (String::new(), format!("node-{n}")));
        let (chosen, counted) = settle(&Choice::Share(200_000), names, &draws(seed));
        let draws = draws(seed);
        let names = (0..count).map(|n| format!("node-{n}"));
        let drawn: Vec<String> = names.filter(|n| chosen.has(n, || draws.draw(n))).collect();
        assert_eq!(drawn.len(), counted);
        drawn
    }

    #[test]
    fn a_share_has_exactly_so_many_and_the_seed_says_which() {
        assert_eq!(drawn(1, 34).len(), 7);
        assert_eq!(drawn(1, 34), drawn(1, 34));
        assert_ne!(drawn(1, 34), drawn(2, 34));
        assert_eq!((drawn(1, 1).len(), drawn(1, 0).len()), (1, 0));
    }

    #[test]
    fn a_portion_is_rounded_but_never_nothing() {
        assert_eq!(portion(1000, 100_000), 100);
        assert_eq!(portion(3, 100_000), 1);
        assert_eq!(portion(0, 1_000_000), 0);
        assert_eq!(portion(7, 1_000_000), 7);
    }
}
