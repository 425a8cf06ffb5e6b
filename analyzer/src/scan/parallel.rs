//! Runs the tasks of a bundle on all cores, the largest first.

use std::cmp::Reverse;
use std::sync::atomic::{AtomicUsize, Ordering};

use bundle::{Bundle, Scratch, Task, Visitor};
use rayon::prelude::*;

use super::relay::Relay;

/// Items that are not worth starting threads for.
const FEW: usize = 8;

/// Runs every task of a bundle with `visitor` on `threads` threads.
pub(crate) fn run(bundle: &Bundle, visitor: &dyn Visitor, threads: usize) {
    let threads = threads.max(1);
    let mut tasks = bundle.plan(visitor);
    tasks.sort_by_key(|task| Reverse(task.weight));
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    match pool {
        Ok(pool) if threads > 1 => pool.install(|| on_all(bundle, &tasks, visitor, threads)),
        // The host gives no threads: one is enough to do the work.
        _ => {
            let mut scratch = Scratch::default();
            for task in &tasks {
                bundle.run(task, &mut scratch, visitor);
            }
        }
    }
}

fn on_all(bundle: &Bundle, tasks: &[Task], visitor: &dyn Visitor, threads: usize) {
    let (streams, parts): (Vec<&Task>, Vec<&Task>) = tasks.iter().partition(|task| task.is_stream);
    // A shared counter rather than a parallel iterator: that one would halve the list and so
    // start in its middle.
    let next = AtomicUsize::new(0);
    let work = || {
        let mut scratch = Scratch::default();
        while let Some(task) = parts.get(next.fetch_add(1, Ordering::Relaxed)) {
            bundle.run(task, &mut scratch, visitor);
        }
    };
    rayon::scope(|scope| {
        for _ in 0..threads.min(parts.len()) {
            scope.spawn(|_| work());
        }
    });
    for task in streams {
        let (relay, work) = Relay::new(visitor, threads * 2);
        rayon::scope(|scope| {
            for _ in 1..threads {
                let work = work.clone();
                scope.spawn(move |_| work.run(visitor));
            }
            bundle.run(task, &mut Scratch::default(), &relay);
            drop(relay);
        });
    }
}

/// Maps items on all cores, keeping their order.
pub(crate) fn map<T: Sync, R: Send>(
    items: &[T],
    threads: usize,
    of: impl Fn(&T) -> R + Sync + Send,
) -> Vec<R> {
    if threads <= 1 || items.len() <= FEW {
        return items.iter().map(of).collect();
    }
    match rayon::ThreadPoolBuilder::new().num_threads(threads).build() {
        Ok(pool) => pool.install(|| items.par_iter().map(of).collect()),
        Err(_) => items.iter().map(of).collect(),
    }
}
