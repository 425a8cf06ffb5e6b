//! The steps that an expression may take on one row.
//!
//! What can be long is a list of the bundle. The interpreter asks lists for their items one by one and gives them
//! nothing of its own, so the steps are counted by thread.

use std::cell::Cell;

/// Items that loops, one within the other, and `in` may look at.
pub(super) const MOST: usize = 200_000;

thread_local! {
    static TAKEN: Cell<usize> = const { Cell::new(0) };
}

/// Starts with another row.
pub(super) fn begin() {
    TAKEN.set(0);
}

/// Takes some steps; whether there are as many.
pub(super) fn take(steps: usize) -> bool {
    let taken = TAKEN.get().saturating_add(steps);
    TAKEN.set(taken);
    taken <= MOST
}

/// Whether more were asked for than there are.
pub(super) fn are_spent() -> bool {
    TAKEN.get() > MOST
}
