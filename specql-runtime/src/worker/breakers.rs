//! Circuit breakers: what this worker has seen of each operation, and what it makes known to all.
//!
//! Whether an operation may be called is decided by the database's row, at the claim; here is the worker's own memory of its
//! latest calls, so that a call that succeeds costs nothing but a lock.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use specql_registry::{FailureClass, failure::Health, limits::CircuitBreaker};

use super::{catalog::Served, lease::Stop, runs::Claimed, shared::Shared};
use crate::{
    queue::{QueueError, lease::BreakerState},
    runner::{Failure, Success},
};

/// What is known of each operation, by its code.
#[derive(Debug, Default)]
pub(crate) struct Breakers(Mutex<HashMap<i32, Memory>>);

#[derive(Debug, Default)]
struct Memory {
    /// The latest calls, the newest last: whether each failed.
    calls: VecDeque<bool>,
    /// Until when it is open as far as this worker knows.
    open_until: Option<Instant>,
    /// Since when the database says so.
    told_at: Option<Instant>,
}

impl Breakers {
    fn memory(&self) -> MutexGuard<'_, HashMap<i32, Memory>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How much longer an operation must not be called, as far as this worker knows.
    pub(crate) fn open_for(&self, code: i32) -> Option<Duration> {
        let until = self.memory().get(&code)?.open_until?;
        until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
    }

    /// A claim that was made at this moment found the breaker closed. Where it had been opened in the database before that,
    /// somebody has closed it since.
    pub(crate) fn found_closed(&self, code: i32, claimed_at: Instant) {
        let mut memory = self.memory();
        if memory.get(&code).and_then(|memory| memory.told_at).is_some_and(|told_at| told_at < claimed_at) {
            memory.remove(&code);
        }
    }

    /// Remembers a call. True: too many failed, the breaker must open now.
    fn record(&self, code: i32, breaker: &CircuitBreaker, failed: bool) -> bool {
        let mut memory = self.memory();
        let memory = memory.entry(code).or_default();
        memory.calls.push_back(failed);
        while memory.calls.len() > breaker.window as usize {
            memory.calls.pop_front();
        }
        let failures = memory.calls.iter().filter(|failed| **failed).count();
        let opens = failed
            && memory.calls.len() >= breaker.minimum_calls as usize
            && failures * 100 >= memory.calls.len() * breaker.failure_rate as usize;
        if opens {
            // Calls from before say nothing about the time after.
            *memory = Memory {
                calls: VecDeque::new(),
                open_until: Instant::now().checked_add(Duration::from_millis(breaker.open_for_ms)),
                told_at: None,
            };
        }
        opens
    }

    fn set(&self, code: i32, open_for: Option<Duration>) {
        let open_until = open_for.and_then(|open| Instant::now().checked_add(open));
        let told_at = open_for.map(|_| Instant::now());
        self.memory().insert(code, Memory { calls: VecDeque::new(), open_until, told_at });
    }
}

/// Takes the result of a call into account, and makes known what follows. `code` is the operation that was called.
pub(crate) async fn observe(
    shared: &Shared,
    claimed: &Claimed,
    code: i32,
    served: &Served,
    result: &Result<Success, Failure>,
) {
    let Some(breaker) = &served.operation.circuit_breaker else { return };
    let probe = claimed.job.breaker == BreakerState::Probe && code == claimed.job.operation_code;
    let failed = match result {
        Ok(_) => false,
        // Broken off by us: that says nothing of the service.
        Err(_) if matches!(claimed.lease.stopped(), Some(Stop::Cancelled | Stop::Shutdown | Stop::LeaseLost)) => {
            return abandon_probe(shared, claimed).await;
        }
        Err(failure) => match failure.health {
            Health::Well => false,
            Health::Unwell => true,
            // It takes no calls now. That is no reason to stop them, and none to begin again.
            Health::Unknown if probe && failure.class == FailureClass::RateLimited => true,
            Health::Unknown => return abandon_probe(shared, claimed).await,
        },
    };
    let name = format!("{}.{}", served.service.name, served.operation.name);
    if failed && (probe || shared.breakers.record(code, breaker, true)) {
        let reason = result.as_ref().err().map_or("", |failure| failure.message.as_str());
        let mut control = shared.control.lock().await;
        let opened = control
            .open_breaker(shared.worker, code, breaker.open_for_ms, breaker.max_open_ms, reason)
            .await
            .map(|open| open.to_std().unwrap_or_default());
        match opened {
            Ok(open) => {
                shared.breakers.set(code, Some(open));
                tracing::warn!(
                    operation = name,
                    ?open,
                    "too many calls failed: none is made for a while; the latest: {reason}"
                );
            }
            // This worker keeps to it all the same; the next failure makes it known.
            Err(error) => tracing::warn!(operation = name, "opening a circuit breaker failed: {}", error.describe()),
        }
    } else if probe && !failed {
        shared.breakers.set(code, None);
        match shared.control.lock().await.close_breaker(shared.worker, code).await {
            Ok(_) => tracing::info!(operation = name, "the service works again: calls are made as before"),
            Err(error) => unheard(&name, &error),
        }
    } else if !failed {
        shared.breakers.record(code, breaker, false);
    }
}

/// Says that a job that should have found out whether a service works again made no call.
pub(crate) async fn abandon_probe(shared: &Shared, claimed: &Claimed) {
    if claimed.job.breaker != BreakerState::Probe {
        return;
    }
    let code = claimed.job.operation_code;
    if let Err(error) = shared.control.lock().await.abandon_probe(shared.worker, code).await {
        unheard(&claimed.job.id.to_string(), &error);
    }
}

fn unheard(what: &str, error: &QueueError) {
    tracing::warn!(
        "what the probe of `{what}` found could not be written; another is made when its time is over: {}",
        error.describe()
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    const BREAKER: CircuitBreaker =
        CircuitBreaker { window: 4, minimum_calls: 3, failure_rate: 50, open_for_ms: 60_000, max_open_ms: 60_000 };

    fn opens(calls: &[bool]) -> Vec<bool> {
        let breakers = Breakers::default();
        calls.iter().map(|failed| breakers.record(1, &BREAKER, *failed)).collect()
    }

    #[test]
    fn it_opens_when_enough_of_the_latest_calls_failed() {
        assert_eq!(opens(&[true, true, true]), [false, false, true]);
        assert_eq!(opens(&[false, false, true, true]), [false, false, false, true]);
        // Of few calls nothing is concluded, and a success never opens it.
        assert_eq!(opens(&[true, true]), [false, false]);
        assert_eq!(opens(&[true, true, false]), [false, false, false]);
    }

    #[test]
    fn what_left_the_window_and_what_was_before_it_opened_is_forgotten() {
        assert_eq!(opens(&[true, false, false, false, false, true]), [false; 6]);
        assert_eq!(opens(&[true, true, true, true]), [false, false, true, false]);
    }

    #[test]
    fn it_is_open_for_its_time_and_closes_at_once_when_told() {
        let breakers = Breakers::default();
        assert_eq!(breakers.open_for(1), None);
        breakers.set(1, Some(Duration::from_secs(60)));
        assert!(breakers.open_for(1).is_some_and(|left| left > Duration::from_secs(59)));
        breakers.set(1, None);
        assert_eq!(breakers.open_for(1), None);
        breakers.set(1, Some(Duration::ZERO));
        assert_eq!(breakers.open_for(1), None);
    }

    #[test]
    fn one_that_was_closed_by_hand_is_believed_to_a_later_claim_alone() {
        let breakers = Breakers::default();
        let before = Instant::now();
        std::thread::sleep(Duration::from_millis(1));
        breakers.set(1, Some(Duration::from_secs(60)));
        breakers.found_closed(1, before);
        assert!(breakers.open_for(1).is_some(), "it was opened after that claim");
        std::thread::sleep(Duration::from_millis(1));
        breakers.found_closed(1, Instant::now());
        assert_eq!(breakers.open_for(1), None);
        // Opened here, and the database could not be told: it does not know better.
        for _ in 0..3 {
            breakers.record(1, &BREAKER, true);
        }
        std::thread::sleep(Duration::from_millis(1));
        breakers.found_closed(1, Instant::now());
        assert!(breakers.open_for(1).is_some());
    }
}
