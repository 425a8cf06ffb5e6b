//! Picks one entry out of a container that is read front to back.

use std::sync::{Arc, Mutex, PoisonError};

use super::{Block, EntryInfo, Interest, Problem, Visitor};

pub(super) struct OneEntry<'a> {
    path: &'a str,
    found: Mutex<Option<Result<Vec<u8>, Problem>>>,
}

impl<'a> OneEntry<'a> {
    pub(super) fn new(path: &'a str) -> Self {
        Self {
            path,
            found: Mutex::new(None),
        }
    }

    pub(super) fn into_result(self) -> Result<Vec<u8>, Problem> {
        let found = self
            .found
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        found.unwrap_or_else(|| Err(Problem::no_such_entry(self.path)))
    }

    fn set(&self, result: Result<Vec<u8>, Problem>) {
        self.found
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get_or_insert(result);
    }
}

impl Visitor for OneEntry<'_> {
    fn interest(&self, entry: &EntryInfo) -> Interest {
        if entry.path.as_str() == self.path {
            Interest::Whole
        } else {
            Interest::Skip
        }
    }

    fn block(&self, _entry: &Arc<EntryInfo>, _block: Block<'_>) {}

    fn whole(&self, _entry: &Arc<EntryInfo>, bytes: Vec<u8>) {
        self.set(Ok(bytes));
    }

    fn problem(&self, problem: Problem) {
        if problem.path.as_deref() == Some(self.path) {
            self.set(Err(problem));
        }
    }
}
