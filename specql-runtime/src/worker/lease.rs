//! The leases this worker holds, and why a running job must stop.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicI32, AtomicU8, Ordering},
    },
};

use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{clock::Moment, contact::Contact};

/// One claim of one job: the fence is (`pk`, `epoch`).
#[derive(Debug)]
pub(crate) struct Lease {
    pub(crate) pk: i64,
    pub(crate) epoch: i32,
    pub(crate) id: Uuid,
    /// Fires when the job must stop.
    pub(crate) cancel: CancellationToken,
    why: AtomicU8,
    /// When it was claimed or last renewed: it is believed by itself, for its claim may have been answered late.
    contact: Contact,
    /// The limit under which it runs; 0: none.
    limit: AtomicI32,
}

/// Why a job must stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// A user cancelled it.
    Cancelled = 1,
    /// The lease is another worker's, or may be by now.
    LeaseLost = 2,
    /// The worker itself must go.
    Shutdown = 3,
}

impl Lease {
    /// Of a claim that was sent then.
    pub(crate) fn new(pk: i64, epoch: i32, id: Uuid, sent: Moment) -> Self {
        let (cancel, why, limit) = (CancellationToken::new(), AtomicU8::new(0), AtomicI32::new(0));
        Self { pk, epoch, id, cancel, why, contact: Contact::at(sent), limit }
    }

    /// A heartbeat that was sent then has renewed it.
    pub(crate) fn renewed(&self, sent: Moment) {
        self.contact.succeeded(sent);
    }

    /// Whether it is surely still this worker's.
    pub(crate) fn is_fresh(&self) -> bool {
        self.contact.is_fresh()
    }

    /// The limit under which the job runs.
    pub(crate) fn limit(&self) -> Option<i32> {
        Some(self.limit.load(Ordering::Acquire)).filter(|code| *code != 0)
    }

    /// From now on it runs under this limit.
    pub(crate) fn set_limit(&self, code: Option<i32>) {
        self.limit.store(code.unwrap_or(0), Ordering::Release);
    }

    /// Stops the job. The first reason stands.
    pub(crate) fn stop(&self, why: Stop) {
        let _ = self.why.compare_exchange(0, why as u8, Ordering::AcqRel, Ordering::Acquire);
        self.cancel.cancel();
    }

    /// Why the job must stop, where it must.
    pub(crate) fn stopped(&self) -> Option<Stop> {
        match self.why.load(Ordering::Acquire) {
            1 => Some(Stop::Cancelled),
            2 => Some(Stop::LeaseLost),
            3 => Some(Stop::Shutdown),
            _ => None,
        }
    }
}

/// All leases of this worker, from the claim until their end is written.
#[derive(Debug, Default)]
pub(crate) struct Leases {
    held: Mutex<HashMap<i64, Arc<Lease>>>,
    /// Those whose end will never be written: they are not renewed, and rescue takes them.
    abandoned: Mutex<Vec<(i64, i32)>>,
}

impl Leases {
    fn held(&self) -> MutexGuard<'_, HashMap<i64, Arc<Lease>>> {
        // Each change of the map is one call: a panic elsewhere cannot leave it half done.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn insert(&self, leases: impl Iterator<Item = Arc<Lease>>) {
        let mut held = self.held();
        for lease in leases {
            if let Some(earlier) = held.insert(lease.pk, lease) {
                // Rescued from us, and claimed by us again: the earlier run is a zombie of our own.
                earlier.stop(Stop::LeaseLost);
            }
        }
    }

    /// Forgets leases whose end is written, or is another's business.
    pub(crate) fn remove(&self, fences: impl Iterator<Item = (i64, i32)>) {
        let mut held = self.held();
        for (pk, epoch) in fences {
            if held.get(&pk).is_some_and(|lease| lease.epoch == epoch) {
                held.remove(&pk);
            }
        }
    }

    /// Leaves leases to rescue, for nobody knows how far their jobs came.
    pub(crate) fn abandon(&self, fences: &[(i64, i32)]) {
        self.abandoned.lock().unwrap_or_else(PoisonError::into_inner).extend(fences);
        self.remove(fences.iter().copied());
    }

    /// The fences of all claims of which this worker has heard, but for those whose end is written.
    pub(crate) fn heard(&self) -> (Vec<i64>, Vec<i32>) {
        // In this order: one that is being abandoned is in both, and never in neither.
        let held = self.all();
        let abandoned = self.abandoned.lock().unwrap_or_else(PoisonError::into_inner).clone();
        held.iter().map(|lease| (lease.pk, lease.epoch)).chain(abandoned).unzip()
    }

    pub(crate) fn all(&self) -> Vec<Arc<Lease>> {
        #[allow(clippy::iter_over_hash_type)] // callers treat it as a set
        self.held().values().cloned().collect()
    }

    /// How many jobs run under each of these limits.
    pub(crate) fn running(&self, limits: &[i32]) -> Vec<i32> {
        let mut counts = vec![0; limits.len()];
        for lease in self.all() {
            if let Some(place) = lease.limit().and_then(|code| limits.iter().position(|limit| *limit == code)) {
                counts[place] += 1;
            }
        }
        counts
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.held().is_empty()
    }

    pub(crate) fn find(&self, id: Uuid) -> Option<Arc<Lease>> {
        self.held().values().find(|lease| lease.id == id).cloned()
    }

    /// Stops the jobs whose lease may be another's by now. Answers when the next one would be, and how many were stopped.
    pub(crate) fn stop_stale(&self) -> (Option<Moment>, usize) {
        let (mut next, mut stopped) = (None, 0);
        for lease in self.all() {
            if lease.is_fresh() {
                let at = lease.contact.fence_at();
                next = Some(next.map_or(at, |next: Moment| next.min(at)));
            } else if lease.stopped().is_none() {
                lease.stop(Stop::LeaseLost);
                stopped += 1;
            }
        }
        (next, stopped)
    }

    pub(crate) fn stop_all(&self, why: Stop) {
        for lease in self.all() {
            lease.stop(why);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{super::contact::FENCE_AFTER, *};

    fn lease(pk: i64, epoch: i32) -> Arc<Lease> {
        Arc::new(Lease::new(pk, epoch, Uuid::from_u128(1), Moment::now()))
    }

    #[test]
    fn the_end_of_an_earlier_claim_does_not_forget_the_later_one() {
        let leases = Leases::default();
        let (earlier, later) = (lease(7, 1), lease(7, 2));
        leases.insert([earlier.clone()].into_iter());
        leases.insert([later.clone()].into_iter());
        leases.remove([(7, 1)].into_iter());
        assert_eq!(leases.all().len(), 1);
        assert_eq!(earlier.stopped(), Some(Stop::LeaseLost));
        assert_eq!(later.stopped(), None);
    }

    #[test]
    fn a_lease_that_is_left_to_rescue_was_heard_of_all_the_same() {
        let leases = Leases::default();
        leases.insert([lease(7, 1), lease(8, 1), lease(9, 1)].into_iter());
        leases.abandon(&[(7, 1)]);
        leases.remove([(8, 1)].into_iter());
        assert_eq!(leases.all().len(), 1);
        assert_eq!(leases.heard(), (vec![9, 7], vec![1, 1]));
    }

    #[test]
    fn jobs_are_counted_under_the_limit_that_they_run_under_now() {
        let leases = Leases::default();
        let jobs = [lease(1, 1), lease(2, 1), lease(3, 1)];
        jobs[0].set_limit(Some(5));
        jobs[1].set_limit(Some(5));
        leases.insert(jobs.iter().cloned());
        assert_eq!(leases.running(&[5, 6]), [2, 0]);
        jobs[1].set_limit(Some(6));
        assert_eq!(leases.running(&[5, 6]), [1, 1]);
    }

    #[test]
    fn each_lease_is_believed_by_itself() {
        let leases = Leases::default();
        let late = Lease::new(1, 1, Uuid::from_u128(1), Moment::ago(FENCE_AFTER));
        let renewed = Lease::new(2, 1, Uuid::from_u128(2), Moment::ago(FENCE_AFTER));
        let sent = Moment::ago(Duration::from_secs(1));
        renewed.renewed(sent);
        let [late, renewed] = [late, renewed].map(Arc::new);
        leases.insert([late.clone(), renewed.clone()].into_iter());
        let (next, stopped) = leases.stop_stale();
        assert_eq!((late.stopped(), renewed.stopped(), stopped), (Some(Stop::LeaseLost), None, 1));
        assert!(next.is_some_and(|next| next.remaining() > Duration::from_secs(5)));
        assert_eq!(leases.stop_stale().1, 0, "it is said once");
    }

    #[test]
    fn the_first_reason_to_stop_stands() {
        let lease = lease(7, 1);
        lease.stop(Stop::Cancelled);
        lease.stop(Stop::Shutdown);
        assert_eq!(lease.stopped(), Some(Stop::Cancelled));
        assert!(lease.cancel.is_cancelled());
    }
}
