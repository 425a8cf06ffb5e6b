//! Chooses what is quoted for a finding: places that show different things.

use std::borrow::Cow;

use super::hits::Hit;
use crate::evidence::{Evidence, shorten};

/// Places kept for one finding.
pub(super) const MAX_EVIDENCE: usize = 8;

/// A place that is quoted, and for how many it stands.
struct Quoted<'a> {
    place: Cow<'a, Evidence>,
    /// What an event says, whomever it is about; empty if it is none.
    event: String,
    times: u64,
    is_for_others: bool,
}

/// The first place of every hit, then the others, up to the cap, in bundle order. Of events that
/// say the same, one.
pub(super) fn places(used: &[&Hit<'_>]) -> Vec<Evidence> {
    let mut chosen: Vec<Quoted<'_>> = Vec::new();
    let depth = used.iter().map(|hit| hit.places()).max().unwrap_or(0);
    for nth in 0..depth {
        for hit in used {
            let Some(place) = hit.place(nth) else {
                continue;
            };
            let event = event(hit, &place);
            if let Some(known) = chosen
                .iter_mut()
                .find(|known| known.is_like(&place, &event))
            {
                known.is_for_others |= nth == 0;
                known.times += if nth == 0 { hit.count } else { 0 };
            } else if chosen.len() < MAX_EVIDENCE {
                let times = hit.count;
                chosen.push(Quoted {
                    place,
                    event,
                    times,
                    is_for_others: false,
                });
            }
        }
    }
    let mut places: Vec<Evidence> = chosen.iter().map(Quoted::told).collect();
    places.sort();
    places
}

impl Quoted<'_> {
    fn is_like(&self, place: &Evidence, event: &str) -> bool {
        let is_place = self.place.entry == place.entry && self.place.line == place.line;
        let is_told_twice = is_place && self.place.excerpt == place.excerpt;
        is_told_twice || (!event.is_empty() && self.event == event)
    }

    fn told(&self) -> Evidence {
        let mut told = self.place.clone().into_owned();
        if !self.event.is_empty() && self.is_for_others {
            told.excerpt = shorten(&format!("{} times: {}", self.times, told.excerpt));
        }
        told
    }
}

/// What an event says, without the words that differ from one to the next: names that somebody
/// generated, addresses, times.
fn event(hit: &Hit<'_>, place: &Evidence) -> String {
    let is_event = ["Warning ", "Normal "]
        .iter()
        .any(|kind| place.excerpt.starts_with(kind));
    if !is_event || hit.row.is_none() {
        return String::new();
    }
    let words = place.excerpt.split_whitespace();
    let is_general = |word: &&str| !word.bytes().any(|b| b.is_ascii_digit());
    words.filter(is_general).collect::<Vec<_>>().join(" ")
}
