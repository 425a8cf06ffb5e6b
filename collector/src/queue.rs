//! In which order, and how many at once: the important first, no node with more than its share,
//! nothing before its time.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bundle::SourceKind;
use futures::future::BoxFuture;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::session::Session;
use crate::slots::Slots;
use crate::stop::Stop;

/// How soon a job's turn comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
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
    /// A pod at an end of an edge that fails.
    Edge,
    /// The first pod of each workload.
    Sample,
    /// All else.
    Ordinary,
}

type Work = Box<dyn FnOnce(Arc<Session>) -> BoxFuture<'static, ()> + Send>;

/// What a job needs that not many may use at once.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    /// Nothing of the kind.
    Anywhere,
    /// The API server's share for lists: a page weighs there as much as several requests.
    Lists,
    /// This node.
    Node(String),
}

/// Something to be done.
pub struct Job {
    priority: Priority,
    place: Place,
    not_before: Option<Instant>,
    /// The sources of the items that it captures, for the plan.
    sources: &'static [SourceKind],
    work: Work,
}

impl Job {
    /// A job that captures one item of each of `sources`.
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
            place: match priority {
                Priority::Lists => Place::Lists,
                _ => Place::Anywhere,
            },
            not_before: None,
            sources,
            work: Box::new(move |session| Box::pin(work(session))),
        }
    }

    /// The same on a node.
    #[must_use]
    pub fn on(mut self, node: Option<String>) -> Self {
        self.place = node.map_or(Place::Anywhere, Place::Node);
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
    slots: Arc<Slots>,
    per_node: usize,
    stop: Stop,
}

#[derive(Default)]
struct State {
    lanes: BTreeMap<Place, Lane>,
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
    Run(Place, Work),
    Wait(Option<Instant>),
    Over,
}

impl Queue {
    /// An empty queue that runs as many jobs at once as there are slots, and at most `per_node`
    /// of one node, or of those that list.
    pub fn new(slots: Arc<Slots>, per_node: usize, stop: Stop) -> Self {
        Self {
            state: Mutex::default(),
            slots,
            per_node,
            stop,
        }
    }

    /// Adds a job.
    pub fn push(&self, job: Job) {
        self.lock().push(job);
        self.slots.changed.notify_one();
    }

    /// Items that the jobs added so far capture, by source.
    pub fn planned(&self) -> BTreeMap<SourceKind, u64> {
        self.lock().planned.clone()
    }

    /// Runs all jobs, and those that they add. After the end of collecting has come every job
    /// still runs, at once: it is the job that says that it was skipped.
    pub async fn run(self: &Arc<Self>, session: &Arc<Session>) {
        let mut running = JoinSet::new();
        loop {
            while let Some(ended) = running.try_join_next() {
                if let Err(e) = ended {
                    let line = format!("a job ended early: {e}");
                    session.journal.note("error", &line);
                }
            }
            match self.next() {
                Turn::Run(place, work) => {
                    let queue = Arc::clone(self);
                    let session = Arc::clone(session);
                    running.spawn(async move {
                        let _done = Done { queue, place };
                        work(session).await;
                    });
                }
                Turn::Wait(Some(moment)) => tokio::select! {
                    () = self.slots.changed.notified() => {}
                    () = tokio::time::sleep_until(moment) => {}
                    _ = self.stop.wait() => {}
                },
                Turn::Wait(None) => self.slots.changed.notified().await,
                Turn::Over => break,
            }
        }
        // Waits until the last job has let go of the session.
        while running.join_next().await.is_some() {}
    }

    fn next(&self) -> Turn {
        let is_over = self.stop.reason().is_some();
        let mut state = self.lock();
        state.wake(is_over);
        let later = state.later.keys().next().map(|(moment, _)| *moment);
        if !self.slots.has_room(state.running) {
            return Turn::Wait(later);
        }
        let has_room = |place: &Place, lane: &Lane| match place {
            Place::Anywhere => true,
            Place::Lists | Place::Node(_) => lane.running < self.per_node,
        };
        let lanes = state.lanes.iter();
        let free = lanes.filter(|(place, lane)| has_room(place, lane));
        let first = free.filter_map(|(place, lane)| Some((lane.ready.keys().next()?, place)));
        if let Some(place) = first.min().map(|(_, place)| place.clone())
            && let Some(work) = state.take(&place)
        {
            return Turn::Run(place, work);
        }
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
        let lane = self.lanes.entry(job.place).or_default();
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

    fn take(&mut self, place: &Place) -> Option<Work> {
        let lane = self.lanes.get_mut(place)?;
        let (_, work) = lane.ready.pop_first()?;
        lane.running += 1;
        self.running += 1;
        Some(work)
    }
}

/// Gives a job's place back however it ends.
struct Done {
    queue: Arc<Queue>,
    place: Place,
}

impl Drop for Done {
    fn drop(&mut self) {
        let mut state = self.queue.lock();
        state.running -= 1;
        if let Some(lane) = state.lanes.get_mut(&self.place) {
            lane.running -= 1;
        }
        drop(state);
        self.queue.slots.changed.notify_one();
    }
}
