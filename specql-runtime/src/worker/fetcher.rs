//! Claims jobs: as many as there is room for, as soon as there may be any.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    breakers,
    clock::Moment,
    finisher::Ending,
    jitter::jittered,
    lease::Lease,
    runs::{self, Claimed, Room},
    shared::Shared,
    shares::IN_DOUBT,
};
use crate::queue::{
    Link,
    lease::{Claim, ClaimedJob, Input},
};

/// The name under which its troubles are said.
const TASK: &str = "claim";
/// A claim that took so long was answered late: its leases are renewed at once.
const LATE: Duration = Duration::from_secs(1);
/// The most that one call claims.
const LARGEST_CLAIM: usize = 1_000;
/// Between two scans from the head of the index.
const FULL_SCAN_EVERY: Duration = Duration::from_secs(1);
/// The poll of an idle worker.
const IDLE_POLL: Duration = Duration::from_secs(1);
/// The longest poll shortly after activity, when a notification may have been skipped.
const LINGER_POLL: Duration = Duration::from_millis(30);
/// How long that goes on.
const LINGER: Duration = Duration::from_millis(500);
/// While slots become free one by one, the fetcher waits this long for more of them.
const GATHER: Duration = Duration::from_millis(1);
/// While leases may have been made of which nothing is known, they are looked for as often.
const ASK_AGAIN: Duration = Duration::from_secs(1);
/// So many claims in a row may meet a lock before it is more than chance.
const LOCKS_IN_A_ROW: u32 = 3;
/// Before another attempt when a claim has failed.
const AFTER_FAILURE: Duration = Duration::from_millis(250);

/// Runs until the worker stops.
pub(crate) async fn run(shared: Arc<Shared>, mut link: Link) {
    let mut pace = Pace::new();
    let mut doubt = Doubt::default();
    let mut met_locks = 0;
    while !shared.stopping.is_cancelled() {
        // Another worker may have room for what finds no slot soon.
        give_back(&shared, false).await;
        if !shared.contact.is_fresh() {
            pause(&shared, AFTER_FAILURE).await;
            continue;
        }
        if doubt.is_due(Instant::now()) {
            give_back_unheard(&shared, &mut link).await;
        }
        let Room { jobs: room, capacity, bytes } = shared.runs.room();
        if room == 0 {
            tokio::select! {
                () = shared.runs.freed.notified() => {}
                () = tokio::time::sleep(IDLE_POLL) => {}
                () = shared.stopping.cancelled() => {}
            }
            // A claim for one job costs as much as a claim for many.
            tokio::time::sleep(GATHER).await;
            continue;
        }
        let standing = shared.readiness.now();
        if standing.codes().is_empty() {
            tokio::select! {
                () = shared.wake.notified() => pace.woken(),
                () = tokio::time::sleep(IDLE_POLL) => {}
                () = shared.stopping.cancelled() => {}
            }
            continue;
        }
        let asked = room.min(LARGEST_CLAIM);
        // The leases are no older than this, whatever the answer takes.
        let (at, sent) = (Instant::now(), Moment::now());
        let running =
            if shared.catalog.limits().is_empty() { Some(Vec::new()) } else { shared.shares.running(&shared) };
        let claim = Claim {
            operations: standing.codes(),
            limit: asked,
            full_scan: pace.full_scan(at),
            running: running.as_deref().map(|running| (shared.catalog.limits(), running)),
        };
        let answer = shared.outage.or_recovery("jobs.claim", link.claim_within(shared.worker, claim, bytes)).await;
        match answer {
            Ok(answer) => {
                shared.outage.worked(TASK);
                met_locks = 0;
                let got = answer.jobs.len();
                accept(&shared, answer.jobs, at, sent).await;
                let wait = pace.after(got);
                if got < asked && answer.partial {
                    // The next one looks at the lanes that this one did not come to, and ends where it began.
                    continue;
                }
                if got == asked {
                    // There is more. A small claim now would be a waste; a slot becomes free soon.
                    if shared.runs.room().jobs * 4 < capacity {
                        tokio::time::sleep(GATHER).await;
                    }
                    continue;
                }
                tokio::select! {
                    () = shared.wake.notified() => pace.woken(),
                    () = tokio::time::sleep(wait) => {}
                    () = shared.stopping.cancelled() => {}
                }
            }
            Err(error) if error.met_a_lock() && met_locks < LOCKS_IN_A_ROW => {
                // Somebody touched a job at the moment at which it was to be taken: the next claim passes it over.
                met_locks += 1;
                pace.woken();
            }
            Err(error) => {
                shared.outage.failed(TASK, &error);
                if error.outcome_unknown() {
                    doubt.arises(Instant::now());
                    shared.shares.doubt();
                }
                pause(&shared, jittered(AFTER_FAILURE)).await;
            }
        }
    }
    give_back(&shared, true).await;
    if doubt.remains(Instant::now()) {
        give_back_unheard(&shared, &mut link).await;
    }
}

/// Gives back what an earlier claim has made without an answer. There is no claim under way, so what this worker does not know
/// now it will never hear of. It is given back by its name: a call that is carried out late meets none of a later claim.
async fn give_back_unheard(shared: &Shared, link: &mut Link) {
    // Before the question: what is written in between is not in the answer, and what is named is not either.
    let (pks, epochs) = shared.leases.heard();
    let given_back = async {
        let (pks, epochs): (Vec<i64>, Vec<i32>) =
            link.unheard_leases(shared.worker, &pks, &epochs).await?.into_iter().unzip();
        if pks.is_empty() { Ok(0) } else { link.release(shared.worker, &pks, &epochs).await }
    };
    match given_back.await {
        Ok(0) => {}
        Ok(jobs) => {
            tracing::warn!(jobs, "the answer to a claim was lost: its jobs, which nobody has begun, are given back");
        }
        Err(error) => {
            shared.outage.failed(TASK, &error);
        }
    }
}

/// Takes the jobs of a claim in that was sent then.
async fn accept(shared: &Arc<Shared>, jobs: Vec<ClaimedJob>, at: Instant, sent: Moment) {
    let (claimed, left): (Vec<Claimed>, Vec<Claimed>) = jobs
        .into_iter()
        .map(|job| claimed(shared, job, at, sent))
        .partition(|claimed| claimed.job.input != Input::Left);
    let all = claimed.iter().chain(&left);
    shared.leases.insert(all.map(|claimed| Arc::clone(&claimed.lease)));
    if sent.elapsed() >= LATE {
        // The database has counted from the claim on: a lease is to be renewed before it is taken back.
        shared.renew.notify_one();
    }
    shared.runs.accept(shared, claimed);
    if !left.is_empty() {
        tracing::debug!(jobs = left.len(), "claimed jobs with large inputs are given back");
        shared.runs.overflowed();
        release(shared, left).await;
    }
}

fn claimed(shared: &Shared, job: ClaimedJob, at: Instant, sent: Moment) -> Claimed {
    let lease = Lease::new(job.pk, job.epoch, job.id, sent);
    lease.set_limit(shared.catalog.limit_of(job.operation_code));
    Claimed { lease: Arc::new(lease), job, at }
}

async fn pause(shared: &Shared, duration: Duration) {
    tokio::select! {
        () = tokio::time::sleep(duration) => {}
        () = shared.stopping.cancelled() => {}
    }
}

/// Gives jobs back that were claimed ahead: those that have waited too long, or all.
async fn give_back(shared: &Shared, all: bool) {
    release(shared, shared.runs.take_waiting(all)).await;
}

async fn release(shared: &Shared, jobs: Vec<Claimed>) {
    for claimed in jobs {
        breakers::abandon_probe(shared, &claimed).await;
        runs::finish(shared, claimed.lease, Ending::Released).await;
    }
}

/// Whether there may be leases of which this worker has not heard.
#[derive(Debug, Default)]
struct Doubt {
    /// When it is asked about next.
    next: Option<Instant>,
    until: Option<Instant>,
}

impl Doubt {
    /// The outcome of a claim is unknown.
    fn arises(&mut self, now: Instant) {
        self.next = Some(now);
        self.until = now.checked_add(IN_DOUBT);
    }

    fn remains(&self, now: Instant) -> bool {
        self.until.is_some_and(|until| now < until)
    }

    /// Whether it is time to ask, each second while the doubt remains: the server may end such a claim later than its client.
    fn is_due(&mut self, now: Instant) -> bool {
        let due = self.remains(now) && self.next.is_some_and(|next| next <= now);
        if due {
            self.next = now.checked_add(ASK_AGAIN);
        }
        due
    }
}

/// When to ask again.
#[derive(Debug)]
struct Pace {
    active_at: Option<Instant>,
    next: Duration,
    scan_at: Instant,
    woken: bool,
}

impl Pace {
    fn new() -> Self {
        Self { active_at: None, next: Duration::ZERO, scan_at: Instant::now(), woken: true }
    }

    /// Whether this claim looks from the head of the index: each second, and when there may be a new job.
    fn full_scan(&mut self, now: Instant) -> bool {
        if !self.woken && now < self.scan_at {
            return false;
        }
        self.woken = false;
        self.scan_at = now + FULL_SCAN_EVERY;
        true
    }

    /// There may be a new job, anywhere in the order.
    fn woken(&mut self) {
        self.woken = true;
        self.active();
    }

    fn active(&mut self) {
        self.active_at = Some(Instant::now());
        self.next = Duration::from_millis(1);
    }

    /// How long to wait after a claim that got so many: 1-2-4…30 ms for a while after activity, then a jittered second.
    fn after(&mut self, got: usize) -> Duration {
        if got > 0 {
            self.active();
        }
        if self.active_at.is_some_and(|at| at.elapsed() < LINGER) {
            let wait = self.next;
            self.next = (wait * 2).min(LINGER_POLL);
            return wait;
        }
        jittered(IDLE_POLL)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn polls_come_quickly_after_activity_and_slowly_without() {
        let mut pace = Pace::new();
        assert!(pace.after(0) >= IDLE_POLL.mul_f64(0.75));
        let waits: Vec<u128> = [3, 0, 0, 0, 0, 0, 0].map(|got| pace.after(got).as_millis()).into();
        assert_eq!(waits, [1, 2, 4, 8, 16, 30, 30]);
        pace.active_at = Instant::now().checked_sub(LINGER);
        assert!(pace.after(0) >= IDLE_POLL.mul_f64(0.75));
    }

    #[test]
    fn a_doubt_is_asked_about_at_once_and_each_second_until_it_is_over() {
        let (mut doubt, began) = (Doubt::default(), Instant::now());
        assert!(!doubt.is_due(began));
        doubt.arises(began);
        let asked = (0..40).filter(|half| doubt.is_due(began + Duration::from_millis(500 * half))).count();
        assert_eq!(asked, 15);
    }

    #[test]
    fn a_wake_up_scans_from_the_head() {
        let mut pace = Pace::new();
        let now = Instant::now();
        assert!(pace.full_scan(now), "the first claim does");
        assert!(!pace.full_scan(now));
        pace.woken();
        assert!(pace.full_scan(now));
        assert!(pace.full_scan(now + FULL_SCAN_EVERY));
    }
}
