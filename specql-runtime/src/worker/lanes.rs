//! Where claimed jobs wait for a free slot, and run.
//!
//! A lane is a task that runs one job after the other while any wait. At most `concurrency` lanes exist, so a short job
//! costs neither a task of its own nor a turn of the fetcher.

use std::{
    collections::VecDeque,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use futures_util::FutureExt;
use tokio::sync::Notify;
use tracing::Instrument;

use super::{
    executor,
    finisher::{Ending, Finished},
    lease::Lease,
    shared::Shared,
};
use crate::queue::lease::ClaimedJob;

/// As much is claimed ahead as the lanes are expected to run in this time.
const AHEAD: Duration = Duration::from_millis(20);
/// The most that is claimed ahead.
const MOST_AHEAD: usize = 2_000;
/// A job that has waited so long for a lane is given back: another worker may have room.
const STALE: Duration = Duration::from_secs(1);

/// A claimed job and its lease.
#[derive(Debug)]
pub(crate) struct Claimed {
    pub(crate) job: ClaimedJob,
    pub(crate) lease: Arc<Lease>,
    pub(crate) at: Instant,
}

/// The slots of a worker.
#[derive(Debug)]
pub(crate) struct Lanes {
    state: Mutex<State>,
    concurrency: usize,
    /// A lane ended or a waiting job was taken.
    pub(crate) freed: Notify,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Claimed>,
    active: usize,
    /// Moving average of how long a job takes, in seconds; `None` before the first.
    service_time: Option<f64>,
}

impl State {
    fn measured(&mut self, took: Duration) {
        let took = took.as_secs_f64();
        self.service_time = Some(self.service_time.map_or(took, |mean| mean * 0.95 + took * 0.05));
    }
}

impl Lanes {
    pub(crate) fn new(concurrency: usize) -> Self {
        Self { state: Mutex::default(), concurrency, freed: Notify::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many jobs may be claimed now, and how many could be at most.
    pub(crate) fn room(&self) -> (usize, usize) {
        let state = self.state();
        let ahead = state.service_time.map_or(0, |mean| {
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
            let ahead = (self.concurrency as f64 * AHEAD.as_secs_f64() / mean.max(1e-9)) as usize;
            ahead.min(MOST_AHEAD)
        });
        let capacity = self.concurrency + ahead;
        (capacity.saturating_sub(state.active + state.waiting.len()), capacity)
    }

    pub(crate) fn is_idle(&self) -> bool {
        let state = self.state();
        state.active == 0 && state.waiting.is_empty()
    }

    /// Takes jobs in, and starts lanes for them where there are slots.
    pub(crate) fn accept(&self, shared: &Arc<Shared>, jobs: Vec<Claimed>) {
        let starting = {
            let mut state = self.state();
            state.waiting.extend(jobs);
            let starting = state.waiting.len().min(self.concurrency - state.active.min(self.concurrency));
            state.active += starting;
            starting
        };
        for _ in 0..starting {
            tokio::spawn(run_lane(Arc::clone(shared)));
        }
    }

    /// Takes out the jobs that have waited too long, or all that wait.
    pub(crate) fn take_waiting(&self, all: bool) -> Vec<Claimed> {
        let mut state = self.state();
        // In order of arrival: the first that is fresh ends the search.
        let stale = state.waiting.iter().take_while(|claimed| all || claimed.at.elapsed() >= STALE).count();
        state.waiting.drain(..stale).collect()
    }

    fn next(&self, took: Option<Duration>) -> Option<Claimed> {
        let mut state = self.state();
        if let Some(took) = took {
            state.measured(took);
        }
        let next = state.waiting.pop_front();
        if next.is_none() {
            state.active -= 1;
        }
        drop(state);
        self.freed.notify_one();
        next
    }
}

async fn run_lane(shared: Arc<Shared>) {
    let mut took = None;
    while let Some(claimed) = shared.lanes.next(took) {
        let started = Instant::now();
        let span = tracing::info_span!("job", id = %claimed.job.id, attempt = claimed.job.attempt);
        let lease = Arc::clone(&claimed.lease);
        // A panic here would take the slot with it, and leave the job running for as long as there are heartbeats.
        if AssertUnwindSafe(run_one(&shared, claimed).instrument(span)).catch_unwind().await.is_err() {
            tracing::error!(job.id = %lease.id, "the end of a job was lost in a panic; it will be rescued");
            shared.leases.remove([(lease.pk, lease.epoch)].into_iter());
        }
        took = Some(started.elapsed());
    }
}

async fn run_one(shared: &Shared, claimed: Claimed) {
    let ending = match AssertUnwindSafe(executor::run(shared, &claimed)).catch_unwind().await {
        Ok(ending) => ending,
        Err(panic) => executor::panicked(shared, &claimed, panic).await,
    };
    finish(shared, claimed.lease, ending).await;
}

/// Hands an ending to the finisher.
pub(crate) async fn finish(shared: &Shared, lease: Arc<Lease>, ending: Ending) {
    let (pk, epoch, id) = (lease.pk, lease.epoch, lease.id);
    if shared.finished.send(Finished { lease, ending }).await.is_err() {
        // Only when the worker was killed: the lease runs out, and another worker rescues the job.
        tracing::warn!(job.id = %id, "the worker has gone before the job's end was written; it will be rescued");
        shared.leases.remove([(pk, epoch)].into_iter());
    }
}
