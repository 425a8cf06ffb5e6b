//! Runs the tasks of a bundle on all cores, the largest first.

use std::cmp::Reverse;

use bundle::{Bundle, Scratch, Task, Visitor};
use rayon::prelude::*;

use super::relay::Relay;

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
            tasks
                .iter()
                .for_each(|task| bundle.run(task, &mut scratch, visitor));
        }
    }
}

fn on_all(bundle: &Bundle, tasks: &[Task], visitor: &dyn Visitor, threads: usize) {
    let (streams, parts): (Vec<&Task>, Vec<&Task>) = tasks.iter().partition(|task| task.is_stream);
    // One task at a time, so that the largest is not kept behind a run of small ones.
    parts
        .par_iter()
        .with_max_len(1)
        .for_each_init(Scratch::default, |scratch, task| {
            bundle.run(task, scratch, visitor);
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
    match rayon::ThreadPoolBuilder::new()
        .num_threads(threads.max(1))
        .build()
    {
        Ok(pool) => pool.install(|| items.par_iter().map(of).collect()),
        Err(_) => items.iter().map(of).collect(),
    }
}
