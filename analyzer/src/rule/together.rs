//! Whether rule files fit together: each id is there once, what a rule refers to exists, nothing explains or waits for
//! itself.

use std::collections::BTreeMap;

use super::cases::id_of;
use super::fault::{Fault, Faulty};
use super::file::{MatcherFile, RuleFile};
use super::near::did_you_mean;
use super::set::RuleText;
use super::spanned::{At, Spot};

/// What of a rule file concerns others.
#[derive(Debug)]
pub(super) struct Outline<'a> {
    text: &'a RuleText,
    id: At<String>,
    topic: At<String>,
    explains: Vec<At<String>>,
    waits: Vec<At<String>>,
}

impl<'a> Outline<'a> {
    pub(super) fn of(text: &'a RuleText, file: &RuleFile) -> Self {
        let explains = file.explains.iter().map(|e| e.rule.clone());
        let waits = file.matchers.values().filter_map(|m| match &m.value {
            MatcherFile::Finding(rule) => Some(rule.clone()),
            _ => None,
        });
        Self {
            text,
            id: file.id.clone(),
            topic: file.topic.clone(),
            explains: explains.collect(),
            waits: waits.collect(),
        }
    }

    /// A place in this file.
    fn at(&self, place: Spot) -> String {
        format!("{}:{}:{}", self.text.path, place.line, place.column)
    }

    /// Adds a fault of this file.
    fn add(&self, place: Spot, detail: String, faults: &mut Vec<Fault>) {
        let mut found_here = Faulty::new(&self.text.path);
        found_here.add(place, detail);
        faults.append(&mut found_here.faults);
    }
}

/// Checks files against each other; of those that could not be read, if there are any, nothing is known.
pub(super) fn check(files: &[Outline<'_>], has_unread: bool, faults: &mut Vec<Fault>) {
    let mut by_id: BTreeMap<&str, &Outline<'_>> = BTreeMap::new();
    for file in files {
        let id = file.id.value.as_str();
        if let Some(first) = by_id.insert(id, file) {
            let first = &first.text.path;
            file.add(
                file.id.place,
                format!("`{id}` is also the id of {first}; give one of them another"),
                faults,
            );
        }
        check_path(file, faults);
    }
    // A pack may explain rules of another that is not loaded: that is for the lint to tell.
    for (edges, word) in [
        (explains as Edges, "explains"),
        (waits as Edges, "waits for findings of"),
    ] {
        let mut search = Search {
            by_id: &by_id,
            edges,
            word,
            is_done: BTreeMap::new(),
            path: Vec::new(),
        };
        files.iter().for_each(|file| search.from(file, faults));
    }
    // An unread file may be the one that is referred to.
    if !has_unread {
        let ids: Vec<&str> = by_id.keys().copied().collect();
        for file in files {
            for other in file
                .waits
                .iter()
                .filter(|w| !by_id.contains_key(w.value.as_str()))
            {
                let hint = did_you_mean(&other.value, &ids);
                file.add(
                    other.place,
                    format!("no rule `{}`{hint}", other.value),
                    faults,
                );
            }
        }
    }
}

fn check_path(file: &Outline<'_>, faults: &mut Vec<Fault>) {
    let path = file.text.path.replace('\\', "/");
    let stem = id_of(file.text);
    if stem != file.id.value {
        let detail = format!("the file is `{stem}.yaml`; the id must be the same");
        file.add(file.id.place, detail, faults);
    }
    let folder = path.rsplit('/').nth(1);
    if let Some(folder) = folder.filter(|folder| *folder != file.topic.value) {
        let detail = format!("the file is in `{folder}`; the topic must be the same");
        file.add(file.topic.place, detail, faults);
    }
}

type Edges = for<'f> fn(&'f Outline<'_>) -> &'f [At<String>];

fn explains<'f>(file: &'f Outline<'_>) -> &'f [At<String>] {
    &file.explains
}

fn waits<'f>(file: &'f Outline<'_>) -> &'f [At<String>] {
    &file.waits
}

/// Looks for rules that lead back to themselves.
struct Search<'a> {
    by_id: &'a BTreeMap<&'a str, &'a Outline<'a>>,
    edges: Edges,
    word: &'static str,
    /// Rules that were come to, and whether all that they lead to was.
    is_done: BTreeMap<&'a str, bool>,
    /// The way to the rule that is looked at: each rule, and how many of its references were followed.
    path: Vec<(&'a Outline<'a>, usize)>,
}

impl<'a> Search<'a> {
    fn from(&mut self, file: &'a Outline<'a>, faults: &mut Vec<Fault>) {
        self.come_to(file, faults);
        while let Some((file, followed)) = self.path.last_mut() {
            let file = *file;
            let Some(reference) = (self.edges)(file).get(*followed) else {
                self.is_done.insert(&file.id.value, true);
                self.path.pop();
                continue;
            };
            *followed += 1;
            if let Some(next) = self.by_id.get(reference.value.as_str()) {
                self.come_to(next, faults);
            }
        }
    }

    fn come_to(&mut self, file: &'a Outline<'a>, faults: &mut Vec<Fault>) {
        match self.is_done.get(file.id.value.as_str()) {
            Some(true) => {}
            Some(false) => self.tell(&file.id.value, faults),
            None => {
                self.is_done.insert(&file.id.value, false);
                self.path.push((file, 0));
            }
        }
    }

    /// Tells that the way has come back to the rule `start`.
    fn tell(&self, start: &str, faults: &mut Vec<Fault>) {
        let is_before = |(file, _): &&(&Outline<'_>, usize)| file.id.value != start;
        let circle = self.path.iter().skip_while(is_before);
        let references = circle.filter_map(|(file, followed)| {
            Some((*file, (self.edges)(file).get(followed.checked_sub(1)?)?))
        });
        let references: Vec<(&Outline<'_>, &At<String>)> = references.collect();
        let [(file, reference), others @ ..] = references.as_slice() else {
            return;
        };
        // One that names itself is told with the other faults of its file.
        if others.is_empty() {
            return;
        }
        let way: Vec<&str> = references.iter().map(|(_, at)| at.value.as_str()).collect();
        let others: Vec<String> = others.iter().map(|(file, at)| file.at(at.place)).collect();
        let detail = format!(
            "`{start}` {} itself: {start} -> {}; take out this reference or that at {}",
            self.word,
            way.join(" -> "),
            others.join(" or ")
        );
        file.add(reference.place, detail, faults);
    }
}
