//! Chooses what is quoted for a finding: places that show different things.

use std::borrow::Cow;

use super::hits::Hit;
use crate::evidence::{Evidence, gist, shorten};

/// Places kept for one finding.
pub(super) const MAX_EVIDENCE: usize = 8;

/// A place that is quoted, and for how many it stands.
struct Quoted<'a> {
    place: Cow<'a, Evidence>,
    gist: String,
    /// An event stands for all that say the same, whomever they are about.
    is_event: bool,
    times: u64,
    is_for_others: bool,
}

/// The first place of every hit, then the others, up to the cap, in bundle order: those that say
/// different things first. Of events that say the same, one.
pub(super) fn places(used: &[&Hit<'_>]) -> Vec<Evidence> {
    let mut chosen: Vec<Quoted<'_>> = Vec::new();
    // Lines that say what a chosen one says.
    let mut alike: Vec<Quoted<'_>> = Vec::new();
    let depth = used.iter().map(|hit| hit.places()).max().unwrap_or(0);
    for nth in 0..depth {
        for hit in used {
            let Some(place) = hit.place(nth) else {
                continue;
            };
            let next = Quoted::of(hit, place);
            let mut known = chosen.iter_mut().chain(&mut alike);
            if let Some(known) = known.find(|known| known.stands_for(&next)) {
                known.is_for_others |= nth == 0;
                known.times += if nth == 0 { hit.count } else { 0 };
            } else if chosen.iter().any(|known| known.gist == next.gist) {
                if alike.len() < MAX_EVIDENCE {
                    alike.push(next);
                }
            } else if chosen.len() < MAX_EVIDENCE {
                chosen.push(next);
            }
        }
    }
    let all = chosen.iter().chain(&alike).take(MAX_EVIDENCE);
    let mut places: Vec<Evidence> = all.map(Quoted::told).collect();
    places.sort();
    places
}

impl<'a> Quoted<'a> {
    fn of(hit: &Hit<'_>, place: Cow<'a, Evidence>) -> Self {
        let mut kinds = ["Warning ", "Normal "].iter();
        Self {
            gist: gist(&place.excerpt),
            is_event: hit.row.is_some() && kinds.any(|kind| place.excerpt.starts_with(kind)),
            place,
            times: hit.count,
            is_for_others: false,
        }
    }

    fn stands_for(&self, other: &Self) -> bool {
        let (place, next) = (&self.place, &other.place);
        let is_place = place.entry == next.entry && place.line == next.line;
        let is_told_twice = is_place && place.excerpt == next.excerpt;
        is_told_twice || (self.is_event && other.is_event && self.gist == other.gist)
    }

    fn told(&self) -> Evidence {
        let mut told = self.place.clone().into_owned();
        if self.is_event && self.is_for_others {
            told.excerpt = shorten(&format!("{} times: {}", self.times, told.excerpt));
        }
        told
    }
}
