//! What this worker has of limits that hold over all workers.
//!
//! The database enlarges a worker's share when a claim needs it; the worker says how much it uses, and gives back what it
//! has not needed for a second.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::shared::Shared;
use crate::queue::{Link, QueueError};

/// After a claim of unknown outcome there may be leases that this worker does not know of; longer than a rescue takes, they
/// are counted by the database, and given back.
pub(crate) const IN_DOUBT: Duration = Duration::from_secs(15);
/// So long after the last limited job shares are looked at.
const ACTIVE: Duration = Duration::from_secs(5);

/// Use of limits.
#[derive(Debug, Default)]
pub(crate) struct Shares(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    doubtful_until: Option<Instant>,
    active_until: Option<Instant>,
    /// The most jobs under each limit since shares were last looked at.
    peaks: Vec<i32>,
}

impl Shares {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A claim may have made leases of which nothing is known here.
    pub(crate) fn doubt(&self) {
        let mut state = self.state();
        state.doubtful_until = Instant::now().checked_add(IN_DOUBT);
        state.active_until = state.doubtful_until;
    }

    /// How many jobs run under each of the worker's limits; `None` where the database must count.
    pub(crate) fn running(&self, shared: &Shared) -> Option<Vec<i32>> {
        let running = shared.leases.running(shared.catalog.limits());
        let mut state = self.state();
        state.note(&running);
        (state.doubtful_until.is_none_or(|until| until <= Instant::now())).then_some(running)
    }

    /// Gives back what was not needed since the last time. Nothing is asked where no limited job ran lately.
    pub(crate) async fn trim(&self, shared: &Shared, link: &mut Link) -> Result<(), QueueError> {
        let limits = shared.catalog.limits();
        let keep = {
            let running = shared.leases.running(limits);
            let mut state = self.state();
            state.note(&running);
            let active = state.active_until.is_some_and(|until| until > Instant::now());
            let keep = std::mem::replace(&mut state.peaks, running);
            if !active {
                return Ok(());
            }
            keep
        };
        link.trim_shares(shared.worker, limits, &keep).await.map(|_| ())
    }
}

impl State {
    fn note(&mut self, running: &[i32]) {
        if running.iter().any(|count| *count > 0) {
            self.active_until = self.active_until.max(Instant::now().checked_add(ACTIVE));
        }
        self.peaks.resize(running.len(), 0);
        for (peak, count) in self.peaks.iter_mut().zip(running) {
            *peak = (*peak).max(*count);
        }
    }
}
