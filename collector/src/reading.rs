//! Reads a whole bundle on several threads.

use std::sync::atomic::{AtomicUsize, Ordering};

use bundle::{Bundle, Scratch, Visitor};

/// Hands all entries that the visitor wants to it, the largest parts first.
pub(crate) fn read_all(bundle: &Bundle, visitor: &dyn Visitor, threads: usize) {
    let mut tasks = bundle.plan(visitor);
    tasks.sort_by_key(|task| std::cmp::Reverse(task.weight));
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            scope.spawn(|| {
                let mut scratch = Scratch::default();
                while let Some(task) = tasks.get(next.fetch_add(1, Ordering::Relaxed)) {
                    bundle.run(task, &mut scratch, visitor);
                }
            });
        }
    });
}
