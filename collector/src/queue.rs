//! In which order, and how many at once: the important first, no node with more than its share,
//! nothing before its time.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bundle::SourceKind;
use futures::future::BoxFuture;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::session::Session;
use crate::stop::Stop;

/// How soon a job's turn comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    /// Lists and discovery: everything else depends on them.
    Lists,
    /// The second look at something, which must not come late.
    Again,
    /// The control plane, when it is not well.
    SickControlPlane,
    /// The control plane.
    ControlPlane,
    /// A pod that is not ready, restarting or pending.
    Sick,
    /// All else.
    Ordinary,
}

type Work = Box<dyn FnOnce(Arc<Session>) -> BoxFuture<'static, ()> + Send>;

/// Something to be done.
pub struct Job {
    priority: Priority,
    /// The node whose kubelet it needs.
    node: Option<String>,
    not_before: Option<Instant>,
    /// The sources of the items that it captures, for the plan.
    sources: &'static [SourceKind],
    work: Work,
}

impl Job {
    /// A job that needs no node, and captures one item of each of `sources`.
    pub fn new<F>(
        priority: Priority,
        sources: &'static [SourceKind],
        work: impl FnOnce(Arc<Session>) -> F + Send + 'static,
    ) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        Self {
            priority,
            node: None,
            not_before: None,
            sources,
            work: Box::new(move |session| Box::pin(work(session))),
        }
    }

    /// The same on a node.
    #[must_use]
    pub fn on(mut self, node: Option<String>) -> Self {
        self.node = node;
        self
    }

    /// The same, not before a moment.
    #[must_use]
    pub fn not_before(mut self, moment: Instant) -> Self {
        self.not_before = Some(moment);
        self
    }
}

/// Jobs that wait for their turn. Jobs may add jobs.
pub struct Queue {
    state: Mutex<State>,
    changed: Notify,
    per_node: usize,
    stop: Stop,
}

#[derive(Default)]
struct State {
    /// Ready jobs by node; those without a node are under the empty name.
    lanes: BTreeMap<String, Lane>,
    later: BTreeMap<(Instant, u64), Job>,
    running: usize,
    added: u64,
    /// Items by source of all jobs that were ever added.
    planned: BTreeMap<SourceKind, u64>,
}

#[derive(Default)]
struct Lane {
    ready: BTreeMap<(Priority, u64), Work>,
    running: usize,
}

enum Turn {
    Run(String, Work),
    Wait(Option<Instant>),
    Over,
}

impl Queue {
    /// An empty queue that runs at most `per_node` jobs of one node at once.
    pub fn new(per_node: usize, stop: Stop) -> Self {
        Self {
            state: Mutex::default(),
            changed: Notify::new(),
            per_node,
            stop,
        }
    }

    /// Adds a job.
    pub fn push(&self, job: Job) {
        self.lock().push(job);
        self.changed.notify_waiters();
    }

    /// Items that the jobs added so far capture, by source.
    pub fn planned(&self) -> BTreeMap<SourceKind, u64> {
        self.lock().planned.clone()
    }

    /// Runs all jobs, and those that they add, on `workers` workers. After the end of collecting
    /// has come every job still runs, at once: it is the job that says that it was skipped.
    pub async fn run(self: &Arc<Self>, session: &Arc<Session>, workers: usize) {
        let mut tasks = JoinSet::new();
        for _ in 0..workers {
            let (queue, session) = (Arc::clone(self), Arc::clone(session));
            tasks.spawn(async move { queue.work(session).await });
        }
        while let Some(ended) = tasks.join_next().await {
            if let Err(e) = ended {
                session
                    .journal
                    .note("error", &format!("a worker ended: {e}"));
            }
        }
    }

    async fn work(&self, session: Arc<Session>) {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            match self.next() {
                Turn::Run(lane, work) => {
                    let done = Done { queue: self, lane };
                    work(Arc::clone(&session)).await;
                    drop(done);
                }
                Turn::Wait(Some(moment)) => tokio::select! {
                    () = changed => {}
                    () = tokio::time::sleep_until(moment) => {}
                    _ = self.stop.wait() => {}
                },
                Turn::Wait(None) => changed.await,
                Turn::Over => return,
            }
        }
    }

    fn next(&self) -> Turn {
        let is_over = self.stop.reason().is_some();
        let mut state = self.lock();
        state.wake(is_over);
        let lanes = state.lanes.iter();
        let free = lanes.filter(|(node, lane)| node.is_empty() || lane.running < self.per_node);
        let first = free.filter_map(|(node, lane)| Some((lane.ready.keys().next()?, node)));
        if let Some(lane) = first.min().map(|(_, node)| node.clone())
            && let Some(work) = state.take(&lane)
        {
            return Turn::Run(lane, work);
        }
        let later = state.later.keys().next().map(|(moment, _)| *moment);
        let is_waiting = state.lanes.values().any(|lane| !lane.ready.is_empty());
        if state.running == 0 && later.is_none() && !is_waiting {
            return Turn::Over;
        }
        Turn::Wait(later)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn push(&mut self, job: Job) {
        self.added += 1;
        for source in job.sources {
            *self.planned.entry(*source).or_default() += 1;
        }
        match job.not_before {
            Some(moment) if moment > Instant::now() => {
                self.later.insert((moment, self.added), job);
            }
            _ => self.make_ready(job, self.added),
        }
    }

    fn make_ready(&mut self, job: Job, number: u64) {
        let lane = self.lanes.entry(job.node.unwrap_or_default()).or_default();
        lane.ready.insert((job.priority, number), job.work);
    }

    /// Makes ready what has come to its time, or everything.
    fn wake(&mut self, all: bool) {
        while let Some(entry) = self.later.first_entry() {
            let (moment, number) = *entry.key();
            if !all && moment > Instant::now() {
                break;
            }
            let job = entry.remove();
            self.make_ready(job, number);
        }
    }

    fn take(&mut self, lane: &str) -> Option<Work> {
        let lane = self.lanes.get_mut(lane)?;
        let (_, work) = lane.ready.pop_first()?;
        lane.running += 1;
        self.running += 1;
        Some(work)
    }
}

/// Gives a job's place back however it ends.
struct Done<'a> {
    queue: &'a Queue,
    lane: String,
}

impl Drop for Done<'_> {
    fn drop(&mut self) {
        let mut state = self.queue.lock();
        state.running -= 1;
        if let Some(lane) = state.lanes.get_mut(&self.lane) {
            lane.running -= 1;
        }
        drop(state);
        self.queue.changed.notify_waiters();
    }
}
