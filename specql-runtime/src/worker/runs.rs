//! Where claimed jobs wait for a free slot, and run.
//!
//! A slot is a task that runs one job after the other while any wait. There are `concurrency` at most, so a short job
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

/// As much is claimed ahead as the slots are expected to run in this time.
const AHEAD: Duration = Duration::from_millis(20);
/// The most that is claimed ahead.
const MOST_AHEAD: usize = 2_000;
/// A job that has waited so long for a slot is given back: another worker may have room.
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
pub(crate) struct Runs {
    state: Mutex<State>,
    concurrency: usize,
    /// Of inputs, in bytes.
    memory: usize,
    /// A slot ended or a waiting job was taken.
    pub(crate) freed: Notify,
}

/// What may be claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Room {
    /// Jobs now.
    pub(crate) jobs: usize,
    /// Jobs at most.
    pub(crate) capacity: usize,
    /// Of inputs, now.
    pub(crate) bytes: usize,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Claimed>,
    active: usize,
    /// Of the inputs of jobs that wait or run.
    bytes: usize,
    /// Moving average of an input's size, in bytes.
    input_size: f64,
    /// The last claim brought more than there was room for, and nothing has ended since.
    full: bool,
    /// Moving average of how long a job takes, in seconds; `None` before the first.
    service_time: Option<f64>,
}

#[allow(clippy::cast_precision_loss)] // averages
impl State {
    fn measured(&mut self, took: Duration) {
        let took = took.as_secs_f64();
        self.service_time = Some(self.service_time.map_or(took, |mean| mean * 0.95 + took * 0.05));
    }

    /// How many inputs of the usual size there is room for. One always, where none is held.
    fn inputs(&self, bytes: usize) -> usize {
        if self.bytes == 0 {
            return (approximate(bytes as f64 / self.input_size.max(1.0))).max(1);
        }
        if self.full { 0 } else { approximate(bytes as f64 / self.input_size.max(1.0)) }
    }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
const fn approximate(number: f64) -> usize {
    number as usize
}

#[allow(clippy::cast_precision_loss)] // averages
impl Runs {
    pub(crate) fn new(concurrency: usize, memory: usize) -> Self {
        Self { state: Mutex::default(), concurrency, memory, freed: Notify::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What may be claimed now.
    pub(crate) fn room(&self) -> Room {
        let state = self.state();
        let ahead = state.service_time.map_or(0, |mean| {
            approximate(self.concurrency as f64 * AHEAD.as_secs_f64() / mean.max(1e-9)).min(MOST_AHEAD)
        });
        let capacity = self.concurrency + ahead;
        let bytes = self.memory.saturating_sub(state.bytes);
        let jobs = capacity.saturating_sub(state.active + state.waiting.len()).min(state.inputs(bytes));
        Room { jobs, capacity, bytes }
    }

    /// Of a claim some jobs had to be given back, because their inputs are too large: no more until a job has ended.
    pub(crate) fn overflowed(&self) {
        self.state().full = true;
    }

    pub(crate) fn is_idle(&self) -> bool {
        let state = self.state();
        state.active == 0 && state.waiting.is_empty()
    }

    /// Takes jobs in, and fills the slots that are free.
    pub(crate) fn accept(&self, shared: &Arc<Shared>, jobs: Vec<Claimed>) {
        for _ in 0..self.take_in(jobs) {
            tokio::spawn(run_slot(Arc::clone(shared)));
        }
    }

    /// Takes jobs in. Answers how many slots are to be filled.
    fn take_in(&self, jobs: Vec<Claimed>) -> usize {
        let mut state = self.state();
        for claimed in &jobs {
            let size = claimed.job.input.size();
            state.bytes += size;
            state.input_size = state.input_size * 0.95 + size as f64 * 0.05;
        }
        state.waiting.extend(jobs);
        let starting = state.waiting.len().min(self.concurrency - state.active.min(self.concurrency));
        state.active += starting;
        starting
    }

    /// Takes out the jobs that have waited too long, or all that wait.
    pub(crate) fn take_waiting(&self, all: bool) -> Vec<Claimed> {
        let mut state = self.state();
        // In order of arrival: the first that is fresh ends the search.
        let stale = state.waiting.iter().take_while(|claimed| all || claimed.at.elapsed() >= STALE).count();
        let taken: Vec<_> = state.waiting.drain(..stale).collect();
        state.bytes -= taken.iter().map(|claimed| claimed.job.input.size()).sum::<usize>();
        taken
    }

    fn next(&self, ended: Option<Ended>) -> Option<Claimed> {
        let mut state = self.state();
        if let Some(Ended { took, bytes }) = ended {
            state.measured(took);
            state.bytes -= bytes;
            state.full = false;
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

/// A job that has run.
struct Ended {
    took: Duration,
    /// Of its input.
    bytes: usize,
}

async fn run_slot(shared: Arc<Shared>) {
    let mut ended = None;
    while let Some(claimed) = shared.runs.next(ended) {
        let (started, bytes) = (Instant::now(), claimed.job.input.size());
        let span = tracing::info_span!("job", id = %claimed.job.id, attempt = claimed.job.attempt);
        let lease = Arc::clone(&claimed.lease);
        // A panic here would take the slot with it, and leave the job running for as long as there are heartbeats.
        if AssertUnwindSafe(run_one(&shared, claimed).instrument(span)).catch_unwind().await.is_err() {
            tracing::error!(job.id = %lease.id, "the end of a job was lost in a panic; it will be rescued");
            shared.leases.abandon(&[(lease.pk, lease.epoch)]);
        }
        ended = Some(Ended { took: started.elapsed(), bytes });
    }
}

async fn run_one(shared: &Shared, claimed: Claimed) {
    let ending = match AssertUnwindSafe(executor::run(shared, &claimed)).catch_unwind().await {
        Ok(ending) => ending,
        Err(panic) => executor::panicked(shared, &claimed, panic).await,
    };
    // The input is not needed any more, and the output may have to wait.
    let Claimed { lease, .. } = claimed;
    finish(shared, lease, ending).await;
}

/// Hands an ending to the finisher.
pub(crate) async fn finish(shared: &Shared, lease: Arc<Lease>, ending: Ending) {
    let (pk, epoch, id) = (lease.pk, lease.epoch, lease.id);
    let bytes = ending.size();
    let room = shared.outputs.room_for(bytes).await;
    if shared.finished.send(Finished { lease, ending, bytes, _room: room }).await.is_err() {
        // Only when the worker was killed: the lease runs out, and another worker rescues the job.
        tracing::warn!(job.id = %id, "the worker has gone before the job's end was written; it will be rescued");
        shared.leases.abandon(&[(pk, epoch)]);
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::{
        queue::lease::{BreakerState, Input},
        worker::{budget::MEMORY, clock::Moment},
    };

    fn claimed(bytes: usize) -> Claimed {
        let id = Uuid::from_u128(1);
        let job = ClaimedJob {
            pk: 1,
            epoch: 1,
            attempt: 1,
            id,
            operation_code: 1,
            input: Input::Text("x".repeat(bytes).into()),
            tenant_id: None,
            correlation_id: None,
            max_attempts: 1,
            timeout_seconds: 1,
            policy_hash: None,
            bound_code: None,
            effect_possible: false,
            breaker: BreakerState::Closed,
            put_off: 0,
        };
        Claimed { job, lease: Arc::new(Lease::new(1, 1, id, Moment::now())), at: Instant::now() }
    }

    /// Runs with jobs that wait, of which none runs.
    fn runs(inputs: &[usize]) -> Runs {
        let runs = Runs::new(1_000, MEMORY);
        runs.take_in(inputs.iter().map(|bytes| claimed(*bytes)).collect());
        runs
    }

    #[test]
    fn small_inputs_are_bounded_by_their_number() {
        assert_eq!(runs(&[]).room().jobs, 1_000);
        // Each is counted twice: it waits, and the slot that will take it counts already.
        assert_eq!(runs(&[100; 10]).room().jobs, 980);
    }

    #[test]
    fn large_inputs_are_bounded_by_their_size() {
        let large = MEMORY / 32;
        let runs = runs(&[large; 24]);
        let room = runs.room();
        assert_eq!(room.bytes, large * 8);
        // The average still remembers that it was nothing at first.
        assert!((8..16).contains(&room.jobs), "{room:?}");
        runs.take_waiting(true);
        assert!((32..64).contains(&runs.room().jobs));
    }

    #[test]
    fn an_input_that_is_larger_than_all_room_runs_alone() {
        let runs = runs(&[MEMORY * 2]);
        assert_eq!(runs.room().jobs, 0);
        runs.take_waiting(true);
        assert!(runs.room().jobs >= 1);
    }

    #[test]
    fn what_was_too_large_is_not_asked_for_again_before_a_job_has_ended() {
        let runs = runs(&[1_000; 4]);
        runs.overflowed();
        assert_eq!(runs.room().jobs, 0);
        runs.next(None).unwrap();
        assert_eq!(runs.room().jobs, 0);
        runs.next(Some(Ended { took: Duration::from_secs(1), bytes: 1_000 })).unwrap();
        assert!(runs.room().jobs > 0);
    }
}
